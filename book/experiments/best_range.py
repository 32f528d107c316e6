"""Where the best rates lie: the range of rates within a point of the best, its middle, and the cost of another arm's rate.

A single best rate hangs on the grid and on chance; the middle of the range, on the mean curve of the seeds, does so less.
"""

import numpy as np

from lrbook import bca
from lrbook.quantity import Quantity

NEAR = 0.01
JUDGED = 10_000  # draws of a bootstrap that judges


def ends(lr, score, drop=NEAR):
    """log10 of the lowest and the highest rate around the best within which a score [rate] stays within `drop` of it.

    Straight lines between the rates of the grid, which bounds the range too.

    >>> ends([0.1, 1.0, 10.0], np.array([0.0, 0.5, 0.48]), drop=0.25)
    (-0.5, 1.0)
    """
    logs, goal, best = np.log10(lr), score.max() - drop, int(score.argmax())

    def crossed(inside, outside):
        return logs[inside] + (logs[outside] - logs[inside]) * (score[inside] - goal) / (score[inside] - score[outside])

    below, above = (np.flatnonzero(score[part] < goal) for part in (slice(0, best), slice(best, None)))
    low = crossed(below[-1] + 1, below[-1]) if len(below) else logs[0]
    high = crossed(best + above[0] - 1, best + above[0]) if len(above) else logs[-1]
    return float(low), float(high)


def middle(lr, score):
    """log10 of the middle of the range; score [rate]."""
    return np.mean(ends(lr, score))


def decades(lr, score, drop=NEAR):
    """Width of the range in decades; score [rate]."""
    low, high = ends(lr, score, drop)
    return high - low


def over_arms(function, lr, scores):
    """A function of seeds: `function` of each arm's mean curve over them, [arm]; scores [arm, rate, seed]."""
    return lambda seeds: np.array([function(lr, one[:, seeds].mean(axis=1)) for one in scores])


def bootstrapped(statistic, n, unit, axes, about, band=None, draws=1000):
    """A statistic of the seeds (their places → an array [*axes]) with its bootstrap interval (`lrbook.bca`).

    The values kept are those without each seed in turn. What a rule judges takes `JUDGED` draws.
    """
    mean, low, high, error, without = bca.interval(statistic, n, about, draws)
    axes = {name: np.asarray(ticks).tolist() for name, ticks in axes.items()}
    return Quantity(unit, axes, "bca", mean, low, high, without, band, about, error)


def best(valid):
    """Place of the rate with the highest mean validation score, for each arm; valid [*arms, rate, seed] → [*arms]."""
    return valid.mean(axis=-1).argmax(axis=-1)


def carried(valid, test, to, own):
    """Test score of arm `to` at its own best rate minus at the best rate of arm `own`, [seed]; scores [arm, rate, seed]."""
    at = best(valid)
    return test[to, at[to]] - test[to, at[own]]
