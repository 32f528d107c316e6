"""What E34 and E35 share: borders of the regimes as quantities, choices by validation, and the width of the best band."""

import numpy as np

from lrbook.experiment import Quantity

NEAR = 2.5          # "just above the threshold": up to this many times the largest rate that converges
FAR = 3            # "far above": from this many times on, as long as anything is learned
SLOW = 6            # "far below": up to this part of it


def border(found, name, about):
    """A border of `lrlib.regimes` as a quantity: its middle over the seeds, the interval, the seeds' own values.

    nan where it lies outside the grid.
    """
    own = getattr(found, name)
    inside = np.isfinite(own) & (own > 0)
    middle, low, high = (np.array(v if 0 < v < np.inf else np.nan) for v in found.interval(name))
    band = float(middle) if np.isfinite(middle) else 1.0
    return Quantity("rate", {}, "t" if inside.all() else "bootstrap", middle, low, high, np.where(inside, own, np.nan), band, about)


def places(found):
    """Where each rate of each seed lies, {word: [rate, seed] bool}, seen from the seed's own threshold."""
    converging, learning = found.regime == "1", found.regime != "3"
    lr = found.lr[:, None]
    top = np.where(converging, lr, 0).max(axis=0)
    return {
        "converging": converging,
        "slow": converging & (lr <= top / SLOW),
        "near": (lr > top) & (lr <= NEAR * top) & learning,
        "far": (lr >= FAR * top) & learning,
        "2A": found.regime == "2A",
        "learning": learning,
    }


def chosen(valid, test, where):
    """Test score of the best validation score among some rates, [seed]; further axes between rate and seed count too.

    nan for a seed without any such rate.
    """
    extra = valid.ndim - where.ndim
    where = np.broadcast_to(where.reshape(where.shape[0], *[1] * extra, where.shape[1]), valid.shape)
    flat = np.where(where, np.nan_to_num(valid, nan=-np.inf), -np.inf).reshape(-1, valid.shape[-1])
    best = np.take_along_axis(test.reshape(flat.shape), flat.argmax(axis=0)[None], axis=0)[0]
    return np.where(np.isfinite(flat.max(axis=0)), best, np.nan)


def mean_over(values, where):
    """Mean over some rates, [seed]; `values` [rate, seed]; nan for a seed without any."""
    count = where.sum(axis=0)
    return np.where(count > 0, np.where(where, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def width(lr, score, drop=0.01):
    """Decades around the best rate within which a score [rate] stays less than `drop` below its best.

    Straight lines between the rates of the grid.
    """
    logs, goal = np.log10(lr), score.max() - drop
    best = int(score.argmax())
    ends = []
    for side in (range(best, 0, -1), range(best, len(lr) - 1)):
        step = -1 if side.step < 0 else 1
        end = logs[0] if step < 0 else logs[-1]
        for i in side:
            if score[i + step] < goal:
                end = logs[i] + (logs[i + step] - logs[i]) * (score[i] - goal) / (score[i] - score[i + step])
                break
        ends.append(end)
    return ends[1] - ends[0]


def band(lr, score, drop=0.01):
    """The width of the mean score's band, as jackknife values [seed]; `score` [rate, seed].

    A single seed's curve is too rough to have a band of its own.
    """
    return jackknife(lambda keep: width(lr, score[:, keep].mean(axis=1), drop), score.shape[1])


def jackknife(statistic, n):
    """n values whose mean and t-interval are those of a statistic of all seeds; `statistic` takes the kept seeds' indices."""
    everyone = np.arange(n)
    return n * statistic(everyone) - (n - 1) * np.array([statistic(np.delete(everyone, s)) for s in range(n)])
