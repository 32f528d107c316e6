"""Five published ways of reading one learning rate off a range test.

Each rule is a pure function of the recorded curve and brings its own smoothing and its own trimming, because
those constants move the answer as much as the idea does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..._base.arguments import flag, number, numbers_of, shown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BETA = 0.98  # weight of the past in the running mean of fastai and Lightning


def smooth(loss: ArrayLike, beta: float = BETA, debias: bool = True) -> np.ndarray:
    r"""Exponential running mean of a loss curve.

    .. math:: m_k = \beta m_{k-1} + (1-\beta) L_k, \qquad s_k = m_k / (1 - \beta^{k+1}), \qquad m_{-1} = 0

    Without `debias` the mean starts from the first loss instead: :math:`s_k = m_k`, :math:`m_0 = L_0`.

    Args:
        loss: array [..., K]; the last axis is the step.
        beta: weight of the past, 0 <= beta < 1.
        debias: divide by the weight that has been collected so far.

    Returns:
        float64 array of the same shape.

    Raises:
        ValueError, TypeError: a loss that is no array of numbers, `beta` outside [0, 1), `debias` not True or False.

    Example:
        >>> smooth([2.0, 2.0, 2.0]).round(6).tolist()
        [2.0, 2.0, 2.0]
        >>> smooth([4.0, 0.0], beta=0.5).round(4).tolist()
        [4.0, 1.3333]
        >>> smooth([4.0, 0.0], beta=0.5, debias=False).tolist()
        [4.0, 2.0]

    Source: the bias correction is that of Kingma & Ba (2015), section 3.
    """
    beta, debias = number("beta", beta, below=1), flag("debias", debias)
    loss = numbers_of("loss", loss, least=1)
    smoothed, mean = np.empty_like(loss), np.zeros(loss.shape[:-1])
    for k in range(loss.shape[-1]):
        mean = loss[..., 0] if k == 0 and not debias else beta * mean + (1 - beta) * loss[..., k]
        smoothed[..., k] = mean / (1 - beta ** (k + 1)) if debias else mean
    return smoothed


def longest_fall(loss):
    """End and length of the longest strictly decreasing subsequence (not necessarily contiguous).

    Args:
        loss: 1-D array of K >= 1 finite values.

    Returns:
        (end, length): the first index at which the greatest length is reached, and that length.

    Example:
        >>> longest_fall([5.0, 4.0, 4.5, 3.0, 6.0])    # 5, 4, 3
        (3, 3)
    """
    tails, end = [], 0  # tails[j]: the negated last value of the best subsequence of length j + 1
    for k, value in enumerate(-np.asarray(loss, dtype=np.float64)):
        j = int(np.searchsorted(tails, value))
        if j == len(tails):
            tails.append(value)
            end = k
        else:
            tails[j] = value
    return end, len(tails)


def valley(lr, loss, steps):
    """The middle of the longest fall of the curve: fastai's default rule.

    With a longest decreasing subsequence of length n that ends at index e, the index is
    e - n + floor(n/3) + floor(n/6), never below 0. The subsequence is placed as if it were contiguous, as fastai
    does; on a noisy curve its true beginning lies further left.
    """
    lr, loss = _trim(lr, smooth(loss), steps // 10, 5)
    if lr.size < 2:
        return np.nan
    end, n = longest_fall(loss)
    return float(lr[max(0, end - n + n // 3 + n // 6)])


def steepest(lr, loss, steps):
    """The point of most negative d loss / d log lr, as forward differences: fastai's `steep`."""
    lr, loss = _trim(lr, smooth(loss), steps // 10, 5)
    if lr.size < 2:
        return np.nan
    return float(lr[np.argmin(np.diff(loss) / np.diff(np.log(lr)))])


def minimum_tenth(lr, loss, steps):
    """A tenth of the rate at which the smoothed loss is lowest: fastai's `minimum`."""
    lr, loss = _trim(lr, smooth(loss), steps // 10, 5)
    if lr.size < 2:
        return np.nan
    return float(lr[np.argmin(loss)]) / 10


def linear_slope(lr, loss, steps):
    """The point of most negative d loss / d lr on the linear axis: Lightning's suggestion.

    The grid is exponential, so the derivative multiplies a wobble at the smallest rates by 1/lr and prefers it.
    """
    lr, loss = _trim(lr, smooth(loss), 10, 1)
    if lr.size < 2:
        return np.nan
    return float(lr[np.argmin(np.gradient(loss, lr))])


def index_slope(lr, loss, steps):
    """The point of most negative central difference per step, lightly smoothed: torch-lr-finder's suggestion."""
    lr, loss = _trim(lr, smooth(loss, beta=0.95, debias=False), 10, 5)
    if lr.size < 2:
        return np.nan
    return float(lr[np.argmin(np.gradient(loss))])


def _trim(lr, loss, head, tail):
    lr, loss = np.asarray(lr, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    return lr[head : len(lr) - tail], loss[head : len(lr) - tail]


@dataclass(frozen=True)
class SuggestionRule:
    """One way to read a rate off a curve: `rule(lr, loss, steps)` gives a rate.

    It is nan where too few points remain, and where the loss is the same at every rate.

    `lr` and `loss` are the finite points of the curve, raw; `steps` is the planned length of the test, of which
    fastai drops a tenth at the beginning.

    Example:
        >>> rates = np.logspace(-3, 1, 60)
        >>> round(float(get("valley")(rates, 1 + 2 * np.exp(-20 * rates))), 3)
        0.092
    """

    name: str
    function: Callable
    smoothing: str
    trimmed: str
    source: str

    def __call__(self, lr: ArrayLike, loss: ArrayLike, steps: int | None = None) -> float:
        loss = np.asarray(loss, dtype=np.float64)
        if not loss.size or loss.min() == loss.max():  # nothing falls anywhere
            return np.nan
        return self.function(lr, loss, len(lr) if steps is None else steps)


def _fastai(name, function):
    return SuggestionRule(
        name, function, "EMA 0.98, debiased", "first tenth, last 5", source="fastai, callback/schedule.py"
    )


SUGGESTION_RULES = {
    rule.name: rule
    for rule in (
        _fastai("valley", valley),
        _fastai("steepest", steepest),
        _fastai("minimum/10", minimum_tenth),
        SuggestionRule(
            "linear-slope",
            linear_slope,
            "EMA 0.98, debiased",
            "first 10, last 1",
            source="PyTorch Lightning, tuner/lr_finder.py",
        ),
        SuggestionRule(
            "index-slope",
            index_slope,
            "EMA 0.95 from the first loss",
            "first 10, last 5",
            source="torch-lr-finder, lr_finder.py",
        ),
    )
}


def get(rule):
    """The suggestion rule of that name; raises ValueError with the known names otherwise.

    Example:
        >>> get("valley").source
        'fastai, callback/schedule.py'
    """
    if not isinstance(rule, str) or rule not in SUGGESTION_RULES:
        raise ValueError(f"rule={shown(rule)}: there is no such rule, only {', '.join(SUGGESTION_RULES)}")
    return SUGGESTION_RULES[rule]
