"""Rates that belong to each seed: sweeps in which every seed has its own, and each seed's own convergence threshold.

Where training changes from one kind to another depends on the seed. A place "above the threshold" means the same for
all seeds only as a multiple of each one's own threshold.
"""

import dataclasses

import numpy as np
from sweeps import piece

from lrlib.runs.sweeps import carry_out, describe_lanes

FINEST = 0.02  # decades: how closely a threshold is bisected
CATAPULT = 1e9  # a converged loss is so low that a harmless rise passes a thousand times it
WIDENED = 12  # doublings or halvings of a bracket before the search gives up


def sweep_own(task, rates, seeds, rule="sgd", **settings):
    """The Record of a sweep with rates [k, seed], a piece of the run: lane (i, s) trains seed s at its own i-th rate.

    Lanes are ordered rate first, as those of `lrlib.sweep`, whose further arguments `settings` are (`start` has one row
    a lane). Its first losses are not noted: where a seed's rates lie hangs on runs near the threshold, which part with
    the processor. Raises `ValueError` for rates of another shape.

    >>> from lrlib import tasks
    >>> record = sweep_own(tasks.quadratic(curvatures=(4.0,)), [[0.1, 0.6]], [0, 1], steps=30)
    >>> record.lr0.tolist(), record.status.tolist()
    ([0.1, 0.6], ['finished', 'diverged'])
    """
    rates = np.asarray(rates, dtype=float)
    if rates.ndim != 2 or rates.shape[1] != len(seeds):
        raise ValueError(f"rates must have the shape [k, {len(seeds)}], one column a seed; got {rates.shape}")
    return piece(_train, task, rates, list(seeds), rule, **settings)


def _train(task, rates, seeds, rule, **settings):
    described = describe_lanes(task, rule, rates.max(axis=1), seeds=seeds, **settings)
    return carry_out(dataclasses.replace(described, lr0=rates.ravel()))


def go_on(task, start, rates, small, seeds, **settings):
    """The Record of runs that go on from the weights of a sweep with rates [k, seed]: at each small rate, and unchanged.

    start: {name: [k·S, …]}.  small: the small rates, [f].  Lanes are ordered [f + 1, k, seed], the unchanged rate last.
    settings: as of `sweep_own`.
    """
    lanes = np.concatenate([np.repeat(small, len(rates))[:, None] * np.ones(len(seeds)), rates])
    start = {name: np.concatenate([weights] * (len(small) + 1)) for name, weights in start.items()}
    return sweep_own(task, lanes, seeds, start=start, diverged_at=CATAPULT, **settings)


def bisected(converges, low, high, seeds, finest=FINEST, floor=0.0):
    """The largest rate at which each seed converges, [seed], bisected on the log axis for all seeds side by side.

    converges: rates [seed] → bool [seed].  low, high: rates around the thresholds, of all seeds or [seed]; where a
    seed's own lies elsewhere its bracket is widened. A rate that is too small for the steps given does not converge
    either: `low` has to lie where the seeds do.  seeds: how many.  finest: width of the last bracket in decades. Its lower end is returned,
    a rate that was tried and converges.  floor: the rate from which down every seed counts as converging, so that it
    stands for the threshold of a seed that has none. Raises `ValueError` where a seed has no such bracket.

    >>> own = np.array([0.3, 0.7, 2.5])
    >>> found = bisected(lambda rates: rates <= own, 0.4, 1.0, seeds=3)
    >>> bool(((found <= own) & (own < found * 10**FINEST)).all())
    True
    """

    def settles(rates):
        return np.asarray(converges(rates)) | (rates <= floor)

    ends = (np.broadcast_to(np.asarray(end, dtype=float), seeds).copy() for end in (low, high))
    low, high = _bracket(settles, *ends)
    low = np.maximum(low, floor)
    while (np.log10(high / low) > finest + 1e-9).any():
        middle = np.sqrt(low * high)
        good = settles(middle)
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    return low


def _bracket(converges, low, high):
    """Rates (low, high) of each seed, of which the lower one converges and the higher one does not."""
    for _ in range(WIDENED):
        bad = ~converges(low)
        if not bad.any():
            break
        low, high = np.where(bad, low / 2, low), np.where(bad, low, high)
    else:
        raise ValueError(f"no rate from {low.min():.3g} on converges in {bad.sum()} of {len(low)} seeds")
    for _ in range(WIDENED):
        good = converges(high)
        if not good.any():
            return low, high
        low, high = np.where(good, high, low), np.where(good, high * 2, high)
    raise ValueError(f"every rate up to {high.max():.3g} converges in {good.sum()} of {len(low)} seeds")
