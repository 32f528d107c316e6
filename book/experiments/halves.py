"""Choices on seeds that do not judge: each half of the seeds is judged at what the other half chose."""

from dataclasses import replace

import numpy as np

from lrbook.quantity import measured


def halves(n):
    """The places of n seeds in two halves, even and odd, as (those that choose, those that judge), twice.

    A single seed chooses for itself.

    >>> [(choose.tolist(), judge.tolist()) for choose, judge in halves(5)]
    [([1, 3], [0, 2, 4]), ([0, 2, 4], [1, 3])]
    """
    even, odd = np.arange(0, n, 2), np.arange(1, n, 2)
    return [(odd, even), (even, odd)] if n > 1 else [(even, even)]


def crossed(quantities, n):
    """The quantities {name: `Quantity`} of n seeds, each judged at what the other half chose.

    ``quantities(choose, judge)`` gives the values of the seeds `judge` [*axes, seed], everything in them that is chosen
    being chosen on the seeds `choose`; both are places. Quantities without seeds are those that the even seeds give.

    >>> score = np.array([[1.0, 2.0, 1.0], [2.0, 1.0, 2.0]])  # [rate, seed]: even seeds like the second rate, odd the first
    >>> def own(choose, judge):
    ...     return {"score": measured(score[score[:, choose].mean(axis=1).argmax(), judge])}
    >>> crossed(own, 3)["score"].values.tolist()
    [1.0, 1.0, 1.0]
    """
    order = np.argsort(np.concatenate([judge for _, judge in halves(n)]))
    parts = [quantities(choose, judge) for choose, judge in halves(n)]
    return {name: _joined([part[name] for part in parts], order) for name in parts[-1]}


def other_half(valid):
    """The place that the other half of the seeds chooses by its mean score, for each seed, [seed]; valid [place, seed].

    >>> other_half(np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]])).tolist()
    [1, 0, 1, 0]
    """
    valid = np.asarray(valid, dtype=float)
    chosen = np.empty(valid.shape[-1], dtype=int)
    for choose, judge in halves(len(chosen)):
        chosen[judge] = valid[:, choose].mean(axis=-1).argmax()
    return chosen


def picked(valid, test):
    """Test score at the place that the other half of the seeds chooses by its mean validation score, [seed].

    Scores [*places, seed].

    >>> picked(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.5, 0.6], [0.7, 0.8]])).tolist()
    [0.7, 0.6]
    """
    valid, test = (np.reshape(scores, (-1, np.shape(scores)[-1])) for scores in (valid, test))
    return test[other_half(valid), np.arange(test.shape[1])]


def _joined(parts, order):
    first = parts[-1]
    if first.values is None:
        return first
    values = np.concatenate([part.values for part in parts], axis=-1)[..., order]
    return replace(measured(values, first.unit, first.axes, first.method), band=first.band, about=first.about)


def mixed(scores, choose, judge):
    """{"valid": of the seeds that choose, "test": of those that judge}; scores {part: [*axes, seed]}."""
    return {"valid": scores["valid"][..., choose], "test": scores["test"][..., judge]}


def directed(values):
    """Differences with the sign that a third of the seeds has on average, of the other seeds: [..., seed] → [..., fewer].

    Above zero if there is any effect, and as often below as above if there is none. A single seed has its own sign.

    >>> directed(np.array([-1.0, -2.0, 1.0, -3.0])).tolist()
    [2.0, -1.0]
    """
    chooses = np.arange(values.shape[-1]) % 3 == 0
    sign = np.sign(values[..., chooses].mean(axis=-1, keepdims=True))
    return sign * (values[..., ~chooses] if values.shape[-1] > 1 else values)
