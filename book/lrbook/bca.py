"""The bootstrap interval of a number that is read off all seeds together: bias-corrected and accelerated.

A percentile interval of ten seeds covers 89 % where it says 95 %. The levels are moved by the bias of the draws and by how
fast the error changes with the value (DiCiccio and Efron 1996, "Bootstrap confidence intervals", section 2).
"""

import zlib

import numpy as np
from scipy.stats import norm

from lrlib import leave_one_out

BATCHES = 20


def interval(statistic, n, name, draws=10_000, confidence=0.95):
    """Value, ends of the interval, and Monte-Carlo error of the ends, of a statistic of seeds.

    ``statistic`` takes places of seeds [n], some of them twice, and returns an array. The draws are seeded by `name`, so
    that nobody can choose among them. → (value, low, high, error, without), the last [*axes, seed] without each seed in
    turn; nan where a draw has no value. A single seed has no interval.

    >>> values = np.array([1.0, 2.0, 3.0, 9.0])
    >>> value, low, high, error, without = interval(lambda seeds: values[seeds].mean(), 4, "gap")
    >>> bool(low < value < high) and bool(error < 0.1), without.round(2).tolist()
    (True, [4.67, 4.33, 4.0, 2.0])
    """
    everyone = np.arange(n)
    value, without = np.asarray(statistic(everyone), dtype=float), leave_one_out(everyone, statistic)
    if n == 1:
        return value, value, value, np.zeros_like(value), without
    rng = np.random.default_rng(zlib.crc32(name.encode("utf-8")))
    drawn = np.array([statistic(rng.integers(n, size=n)) for _ in range(draws)], dtype=float)
    flat = drawn.reshape(draws, -1)
    ends = [_ends(*row, confidence) for row in zip(flat.T, value.ravel(), without.reshape(-1, n), strict=True)]
    low, high, error = (np.reshape(part, value.shape) for part in zip(*ends, strict=True))
    return value, low, high, error, without


def _ends(drawn, value, without, confidence):
    if not np.isfinite(drawn).all():
        return np.nan, np.nan, np.nan
    levels = _levels(drawn, value, without, confidence)
    batches = np.quantile(drawn.reshape(BATCHES, -1), levels, axis=1)
    error = batches.std(axis=1, ddof=1).max() / np.sqrt(BATCHES)
    return *np.quantile(drawn, levels), error


def _levels(drawn, value, without, confidence):
    """The two levels whose quantiles of the draws are the ends."""
    ties = np.isclose(drawn, value, rtol=1e-9, atol=0)
    below = (~ties & (drawn < value)).mean() + ties.mean() / 2
    bias = norm.ppf(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    gaps = without.mean() - without
    spread = (gaps**2).sum() ** 1.5
    acceleration = (gaps**3).sum() / (6 * spread) if spread > 0 else 0.0
    wanted = bias + norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    return norm.cdf(bias + wanted / (1 - acceleration * wanted))
