"""The convergence threshold: the largest rate at which a task still trains, with few trainings."""

import math
from dataclasses import dataclass

import numpy as np


def reached(target, name="train_loss"):
    """Criterion "some evaluation of `name` is at most `target`, and the run did not diverge".

    Args:
        target: the value to reach.
        name: an evaluation of the record, or "loss" for the batch losses.

    Returns:
        function `Record -> bool array [L]`.

    Example:
        >>> from types import SimpleNamespace as Some
        >>> record = Some(loss=np.array([[1.0, 0.1], [1.0, 0.5]]), status=np.array(["finished", "finished"]))
        >>> reached(0.2, name="loss")(record).tolist()
        [True, False]
    """

    def criterion(record):
        values = record.loss if name == "loss" else record.evaluations[name]
        lowest = np.where(np.isfinite(values), values, np.inf).min(axis=1)
        return (lowest <= target) & (np.asarray(record.status) != "diverged")

    return criterion


@dataclass(frozen=True)
class Threshold:
    """A bracket around the convergence threshold.

    Attributes:
        low: largest rate that was seen to converge (most seeds).
        high: smallest rate above it that was seen to fail; inf if none did up to the limit.
        tried: list of (rate, share of seeds that converged), in the order of the trials.
        trainings: number of trainings spent, rates × seeds.
    """

    low: float
    high: float
    tried: list
    trainings: int

    @property
    def rate(self):
        """Geometric middle of the bracket; inf where no rate failed."""
        return math.sqrt(self.low * self.high)


def convergence_threshold(task, optimizer="sgd", criterion=None, *, start, seeds=5, factor=2.0, precision=0.05,
                          limit=1e4, **settings):  # fmt: skip
    r"""Bracket upwards from a rate that converges, then bisect on the log axis.

    A rate *converges* when more than half of the seeds meet the criterion within the budget. From `start` the rate
    is multiplied by `factor` until one fails; then the bracket [low, high] is halved at :math:`\sqrt{low \cdot high}`
    until it is at most `precision` decades wide. The threshold belongs to the budget: more steps, another one. Very
    small rates fail the criterion too, so `start` must be one that works; above it the outcome is taken to change
    once, which `tried` lets one check.

    Args:
        task: a `Task`.
        optimizer: name of a rule.
        criterion: function `Record -> bool array [L]`; default: `reached(1e-2, "loss")`, some batch loss at most 0.01.
        start: a rate that converges.
        seeds: their number, or the seeds themselves; all are trained at every rate tried.
        factor: ratio of the bracketing steps, above 1.
        precision: width of the final bracket in decades.
        limit: give up bracketing beyond this rate.
        settings: further arguments of `sweep`: steps (the budget), plan, device, evaluate, hyper-parameters.

    Returns:
        `Threshold`.

    Raises:
        ValueError: a number outside its range; `start` does not converge.

    Example:
        >>> from lrlib import tasks
        >>> task = tasks.quadratic(curvatures=(4.0,))                          # stable below 2/4
        >>> found = convergence_threshold(task, start=0.1, seeds=1, steps=300, path="loop")
        >>> found.low < 0.5 < found.high * 1.01
        True
    """
    if not 0 < start < limit or not factor > 1 or not precision > 0:
        raise ValueError(f"start={start!r}, limit={limit!r}, factor={factor!r}, precision={precision!r}: needed are "
                         "0 < start < limit, factor > 1 and precision > 0")  # fmt: skip
    from ..sweep import sweep

    seeds = list(range(seeds)) if np.ndim(seeds) == 0 else list(seeds)
    criterion, tried = criterion or reached(1e-2, "loss"), []

    def converges(rate):
        record = sweep(task, optimizer, lr=np.array([rate]), seeds=seeds, **settings)
        tried.append((float(rate), float(np.mean(criterion(record)))))
        return tried[-1][1] > 0.5

    if not converges(start):
        raise ValueError(f"start={start!r}: only {tried[0][1]:.0%} of {len(seeds)} seeds converged there; start from "
                         "a rate that works")  # fmt: skip
    low, high = _bracket(converges, start, factor, limit)
    while math.isfinite(high) and math.log10(high / low) > precision:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if converges(middle) else (low, middle)
    return Threshold(low, high, tried, len(tried) * len(seeds))


def _bracket(converges, low, factor, limit):
    while low * factor <= limit:
        if not converges(low * factor):
            return low, low * factor
        low *= factor
    return low, math.inf
