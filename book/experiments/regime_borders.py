"""What the experiments on regimes share: borders of the regimes as quantities, places between them, choices by validation."""

import numpy as np

from lrbook.quantity import Quantity

NEAR = 2.5  # "just above the threshold": up to this many times the largest rate that converges
FAR = 3  # "far above": from this many times on, as long as anything is learned
WIDE = 7  # "far above, where a decay may still repair it": from FAR to this many times
SLOW = 6  # "far below": up to this part of it


def border(found, name, about):
    """A border of `lrlib.choosing.regimes` as a quantity: its middle over the seeds, the interval, the seeds' own values.

    nan where it lies outside the grid.
    """
    own = getattr(found, name)
    inside = np.isfinite(own) & (own > 0)
    middle, low, high = (np.array(v if 0 < v < np.inf else np.nan) for v in found.interval(name))
    band = float(middle) if np.isfinite(middle) else 1.0
    return Quantity(
        "rate", {}, "t" if inside.all() else "bootstrap", middle, low, high, np.where(inside, own, np.nan), band, about
    )


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
        "wide": (lr >= FAR * top) & (lr <= WIDE * top) & learning,
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
