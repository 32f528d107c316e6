"""The statistics of the project: intervals by Student's t, of shares and by bootstrap, and the jackknife."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from .arguments import function, number, numbers_of, shown, whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import ArrayLike

MOST_RESAMPLES = MOST_TRIALS = 1_000_000
FREEST = 1e8  # degrees of freedom
QUANTILES = ("linear", "inverted_cdf")


def bootstrap(
    values: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
    *,
    statistic: Callable[[np.ndarray], ArrayLike] | None = None,
    method: str = "linear",
) -> tuple[np.ndarray, np.ndarray]:
    r"""Percentile bootstrap interval of the mean over the last axis, or of any statistic of a list.

    From n values :math:`x_i`, `resamples` times n are drawn with replacement; the interval runs between the
    :math:`(1-c)/2` and :math:`(1+c)/2` quantiles of their means, with c the `confidence`. Values that are not finite
    are left out of means; a statistic is given all that were drawn.

    Args:
        values: array [..., n]; with a `statistic` a list [n].
        confidence: coverage, between 0 and 1.
        resamples: number of resampled means, at most 1,000,000.
        seed: of the draws; equal input gives equal output.
        statistic: function from n drawn values to a number or an array [*axes]; default the mean. For a statistic
            of several arrays let `values` be ``range(n)``, the places along them.
        method: of the quantiles, "linear" between neighbours or "inverted_cdf", which takes one of the resampled
            values, so that they may be infinite (``numpy.quantile``).

    Returns:
        (low, high), each of shape [...], with a `statistic` [*axes]; nan for fewer than two values.

    Raises:
        ValueError, TypeError: `values` that are no array of numbers or, with a `statistic`, no list of at least one;
            `confidence`, `resamples` or `seed` outside its range; another `method`; a `statistic` that is no function.

    Example:
        >>> low, high = bootstrap([1.0, 2.0, 3.0, 4.0])
        >>> bool(1.0 < low < 2.5 < high < 4.0)
        True
        >>> low, high = bootstrap([1.0, 2.0, 9.0], statistic=np.median)
        >>> float(low), float(high)
        (1.0, 9.0)

    Source: Efron (1979). With few values the interval is somewhat too narrow: five give about 85 % for 95 %.
    """
    confidence = number("confidence", confidence, above=0, below=1)
    draws = functools.partial(
        _draws, resamples=whole("resamples", resamples, most=MOST_RESAMPLES), seed=whole("seed", seed, least=0)
    )
    if not isinstance(method, str) or method not in QUANTILES:
        raise ValueError(f"method must be one of {', '.join(QUANTILES)}; got {shown(method)}")
    tails = functools.partial(np.quantile, q=(0.5 - confidence / 2, 0.5 + confidence / 2), axis=0, method=method)
    if statistic is None:
        return _bootstrap_of_means(numbers_of("values", values, least=1), draws, tails)
    values, statistic = _listed(values), function("statistic", statistic, "of drawn values")
    if len(values) < 2:
        return (np.full(np.shape(statistic(values)), np.nan),) * 2
    return tuple(tails(np.array([statistic(values[draw]) for draw in draws(len(values))], dtype=float)))


def _bootstrap_of_means(values, draws, tails):
    rows = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
    finite = np.isfinite(rows)
    limits = np.full((2, len(rows)), np.nan)
    for pattern in np.unique(finite, axis=0):  # rows with equal gaps share their draws
        n, same = int(pattern.sum()), (finite == pattern).all(axis=1)
        if n > 1:
            weights = np.stack([np.bincount(draw, minlength=n) for draw in draws(n)]) / n
            means = rows[np.ix_(same, pattern)] @ weights.T
            limits[:, same] = tails(means.T)
    low, high = limits.reshape(2, *values.shape[:-1])
    return low, high


def _draws(n, resamples, seed):
    """Places of n values drawn with replacement, [resamples, n]."""
    return np.random.default_rng(seed).integers(0, n, (resamples, n))


def leave_one_out(values: ArrayLike, statistic: Callable[[np.ndarray], ArrayLike]) -> np.ndarray:
    r"""A statistic without each value in turn: :math:`\theta_{(i)}`, of all values but :math:`x_i`.

    Args:
        values: list [n], n ≥ 1; ``range(n)`` for a statistic of several arrays, as in `bootstrap`.
        statistic: function from a list of values to a number or an array [*axes].

    Returns:
        Array [*axes, n]; nan where the statistic is.

    Raises:
        ValueError, TypeError: `values` that are no list of numbers, a `statistic` that is no function.

    Example:
        >>> leave_one_out([1.0, 2.0, 6.0], np.mean)
        array([4. , 3.5, 1.5])

    Source: Quenouille (1956).
    """
    values, statistic = _listed(values), function("statistic", statistic, "of values")
    return np.stack([np.asarray(statistic(np.delete(values, i)), dtype=float) for i in range(len(values))], axis=-1)


def jackknife(values: ArrayLike, statistic: Callable[[np.ndarray], ArrayLike]) -> np.ndarray:
    r"""Pseudo-values of a statistic, :math:`n\,\theta - (n-1)\,\theta_{(i)}`.

    Their `interval` is the statistic's; the pseudo-values of a mean are the values themselves.

    Args:
        values: list [n], n ≥ 1; ``range(n)`` for a statistic of several arrays, as in `bootstrap`.
        statistic: function from a list of values to a number or an array [*axes].

    Returns:
        Array [*axes, n]; nan where the statistic is.

    Raises:
        ValueError, TypeError: as `leave_one_out`.

    Example:
        >>> jackknife([1.0, 2.0, 6.0], np.mean)
        array([1., 2., 6.])

    Source: Tukey (1958).
    """
    without = leave_one_out(values, statistic)
    values = _listed(values)
    n, whole_value = len(values), np.asarray(statistic(values), dtype=float)
    return n * whole_value[..., None] - (n - 1) * without


def _listed(values):
    """Values as a vector of their own type, since places must stay whole numbers."""
    checked = numbers_of("values", values, least=1)
    if checked.ndim > 1 or not checked.size:
        raise ValueError(f"values must be a list of at least one number; got shape {checked.shape}")
    return np.asarray(values)


def interval(values: ArrayLike, confidence: float = 0.95) -> tuple[Any, Any, Any, int]:
    r"""Student's t-interval of the mean over the last axis: (mean, low, high, n).

    :math:`\bar x \pm t\, s / \sqrt n` with :math:`s^2 = \sum_i (x_i - \bar x)^2 / (n - 1)` and
    :math:`P(|T_{n-1}| \le t)` the `confidence`.

    Args:
        values: array [..., n].
        confidence: coverage, between 0 and 1.

    Returns:
        Mean, low and high, each of shape [...], and the number n. They are nan where there are too few values, as are
        the ends with a single one, and where a value is nan.

    Raises:
        ValueError, TypeError: `confidence` outside its range, `values` that are no array of numbers.

    Example:
        >>> [round(float(v), 3) for v in interval([1.0, 2.0, 3.0])]
        [2.0, -0.484, 4.484, 3.0]

    Source: Student (1908).
    """
    confidence, values = number("confidence", confidence, above=0, below=1), numbers_of("values", values, least=1)
    n = values.shape[-1]
    if n == 0:
        return (*(np.full(values.shape[:-1], np.nan)[()] for _ in range(3)), 0)
    mean = values.mean(axis=-1)
    half = t_quantile(confidence, n - 1) * values.std(axis=-1, ddof=1) / n**0.5 if n > 1 else mean * np.nan
    return mean, mean - half, mean + half, n


def share_interval(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    r"""Clopper and Pearson's interval of a share, from hits among n independent trials: (low, high).

    .. math:: P(X \ge h \mid p_\mathrm{low}) = P(X \le h \mid p_\mathrm{high}) = (1 - c)/2

    with X binomial of n trials and c the `confidence`; 0 below no hit, and 1 above nothing but hits. It covers the true
    share at least as often as it says, also where all trials came out alike.

    Args:
        hits: whole number from 0 to n.
        n: whole number from 1 to 1,000,000.
        confidence: coverage, between 0 and 1.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Example:
        >>> [round(end, 3) for end in share_interval(10, 10)], [round(end, 3) for end in share_interval(3, 20)]
        ([0.692, 1.0], [0.032, 0.379])

    Source: Clopper & Pearson (1934).
    """
    n = whole("n", n, most=MOST_TRIALS)
    hits, confidence = whole("hits", hits, 0, n), number("confidence", confidence, above=0, below=1)
    tail = 0.5 - confidence / 2
    return _lowest_share(hits, n, tail), 1 - _lowest_share(n - hits, n, tail)


@functools.cache
def _lowest_share(hits, n, tail):
    """The share p at which at least so many hits have the probability `tail`; 0 for no hit."""
    if not hits:
        return 0.0
    k = np.arange(hits, n + 1)
    ways = np.array([math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in k])

    def at_least(p):
        return np.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p)).sum()

    low, high = 0.0, hits / n
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if middle < 1 and at_least(middle) > tail else (middle, high)
    return low


def t_quantile(confidence, freedom):
    r"""Half width t of Student's distribution with ν degrees of freedom: P(\|T\| ≤ t) = confidence.

    With :math:`t = \sqrt\nu \sinh x` the probability is
    :math:`\int_0^x \cosh^{-\nu} u\, du \,/ \int_0^\infty \cosh^{-\nu} u\, du`.

    Args:
        confidence: between 0 and 1.
        freedom: ν, at least 1 and below 10⁸.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Example:
        >>> round(t_quantile(0.95, 9), 4), round(t_quantile(0.99, 1), 2)
        (2.2622, 63.66)
    """
    number("confidence", confidence, above=0, below=1), number("freedom", freedom, least=1, below=FREEST)
    return _t_quantile(confidence, freedom)


@functools.cache
def _t_quantile(confidence, freedom):
    def density(u):
        return np.exp(-freedom * np.log1p(2 * np.sinh(u / 2) ** 2))

    step = 0.2 / freedom**0.5
    half = step * (0.5 + density(step * np.arange(1, 251)).sum())  # of an even function: exact up to rounding
    nodes, weights = np.polynomial.legendre.leggauss(100)
    x = 0.0
    for _ in range(100):  # Newton's method: the mass is concave, so that x rises to the root
        mass = x / 2 * weights @ density(x / 2 * (nodes + 1))
        x += (confidence * half - mass) / density(x)
    return float(freedom**0.5 * np.sinh(x))
