"""What E34 and E35 share: borders of the regimes as quantities, choices by validation, and the width of the best band."""

import numpy as np

from lrbook.experiment import Quantity

NEAR = 2.5          # "just above the threshold": up to this many times the largest rate that converges
FAR = 3            # "far above": from this many times on, as long as anything is learned
SLOW = 6            # "far below": up to this part of it


def border(found, name, about):
    """A border of `lrlib.regimes` as a quantity: its middle over the seeds, the interval, the seeds' own values."""
    middle, low, high = found.interval(name)
    method = "t" if np.isfinite(np.log10(getattr(found, name))).all() else "bootstrap"
    return Quantity("rate", {}, method, np.array(middle), np.array(low), np.array(high), getattr(found, name), middle, about)


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
    """The width of the mean score's band, as jackknife values [seed]: their mean and t-interval are those of the width.

    `score` [rate, seed]. A single seed's curve is too rough to have a band of its own.
    """
    n = score.shape[1]
    whole = width(lr, score.mean(axis=1), drop)
    without = np.array([width(lr, np.delete(score, s, axis=1).mean(axis=1), drop) for s in range(n)])
    return n * whole - (n - 1) * without
