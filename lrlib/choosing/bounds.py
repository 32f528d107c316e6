r"""What theory guarantees for the last iterate of a plan, without any training.

>>> from lrlib import hold, linear
>>> round(last_iterate_bound(hold(1000)).best, 4), round(last_iterate_bound(linear(1000)).best, 4)
(0.0921, 0.0634)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._base.arguments import MOST_STEPS, factors_of, number, numbers_of, plan_of, shown, whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from .._types import PlanLike, Values

LARGEST = 1e150  # distance or subgradient, whose square a float must hold
NEGLIGIBLE = 1e-12  # of the largest rate: steps so short count as none


@dataclass(frozen=True)
class LastIterateBound:
    r"""The bound t₁/γ + γ(t₂ + t₃) as a function of the base rate γ.

    Attributes:
        t1, t2, t3: the three terms at γ = 1, as in `last_iterate_bound`.

    Example:
        >>> bound = LastIterateBound(t1=0.5, t2=0.25, t3=0.25)
        >>> bound.best_rate, bound.best, bound.at([0.5, 1.0]).tolist()
        (1.0, 1.0, [1.25, 1.0])
    """

    t1: float
    t2: float
    t3: float

    @property
    def best_rate(self) -> float:
        r"""The base rate with the least bound, :math:`\sqrt{t_1/(t_2+t_3)}`."""
        return float(np.sqrt(self.t1 / (self.t2 + self.t3)))

    @property
    def best(self) -> float:
        r"""The least bound, :math:`2\sqrt{t_1(t_2+t_3)}`."""
        return float(2 * np.sqrt(self.t1 * (self.t2 + self.t3)))

    def at(self, lr: Values) -> Values:
        """The bound at a base rate above 0, or at an array of them (the same shape back).

        Raises:
            ValueError, TypeError: a rate that is not above 0, or no number.
        """
        rates = numbers_of("lr", lr)
        if not (np.isfinite(rates) & (rates > 0)).all():
            raise ValueError(f"lr must be above 0 and finite; got {shown(lr)}")
        value = self.t1 / rates + rates * (self.t2 + self.t3)
        return float(value) if value.ndim == 0 else value


def last_iterate_bound(
    plan: PlanLike | ArrayLike, steps: int | None = None, distance: float = 1.0, gradient: ArrayLike = 1.0
) -> LastIterateBound:
    r"""Bound on E f(x_T) − f* for subgradient steps with rates η = γ·plan, in O(T).

    .. math:: \underbrace{\frac{D^2}{2\sum\eta}}_{t_1}
        + \underbrace{\frac{\sum\eta_t^2G_t^2}{2\sum\eta}}_{t_2}
        + \underbrace{\tfrac12\sum_{k<T}\frac{\eta_k}{\sum_{t>k}\eta_t}\,
          \frac{\sum_{t\ge k}\eta_t^2G_t^2}{\sum_{t\ge k}\eta_t}}_{t_3}

    for a convex f whose subgradients at step t are at most G_t long and a start x_1 at distance D from a minimum. x_T
    is the point where step T begins, so the last rate is in the bound but moves x_T no more. A step with rate 0 moves
    nothing and is left out, so a plan that ends in 0 has a finite bound: that of its last step above 0. So are steps
    below 1e-12 of the largest, which the formula would divide by.

    Args:
        plan: a plan, a function of the step, or the rates themselves, an array [T].
        steps: T; default the plan's own length, or the array's.
        distance: D, above 0.
        gradient: G, above 0, or one value a step, [T].

    Returns:
        `LastIterateBound`: ``.best_rate``, ``.best``, ``.at(lr)``.

    Raises:
        ValueError, TypeError: no finite length, a negative or infinite rate, no rate above 0, rates whose squares leave
            a float's range, D or G not above 0.

    Example:
        >>> bound = last_iterate_bound([1.0, 0.5, 0.0])
        >>> bound.t1, bound.t2, bound.t3                       # 1/3, (5/4)/3, ½·(1/½)·(5/4)/(3/2)
        (0.3333333333333333, 0.4166666666666667, 0.8333333333333334)

    Source: Defazio, Cutkosky, Mehta & Mishchenko (2023), "Optimal linear decay learning rate schedules and further
    refinements", theorem 10.
    """
    eta = _rates(plan, steps)
    lengths = _lengths(gradient, len(eta))
    distance = number("distance", distance, above=0, below=LARGEST)
    kept = eta > NEGLIGIBLE * eta.max()
    with np.errstate(over="ignore", under="ignore"):
        eta, square = eta[kept], (eta[kept] * lengths[kept]) ** 2
        tail, tail_square = np.cumsum(eta[::-1])[::-1], np.cumsum(square[::-1])[::-1]
    if not np.isfinite(tail[0]) or not 0 < tail_square[-1] <= tail_square[0] < np.inf:
        raise ValueError(
            f"plan times gradient: rates from {eta.min():g} to {eta.max():g} have squares beyond a float's range"
        )
    last = 0.5 * np.sum(eta[:-1] / tail[1:] * tail_square[:-1] / tail[:-1])
    return LastIterateBound(float(0.5 * distance**2 / tail[0]), float(0.5 * tail_square[0] / tail[0]), float(last))


def _rates(plan, steps):
    """The rates as a float64 array [T], at least one of them above 0."""
    if not callable(plan):
        eta = numbers_of("plan", plan)
        if eta.ndim != 1 or not np.isfinite(eta).all() or (eta < 0).any():
            raise ValueError(f"plan must be a plan or one finite rate of at least 0 a step, [T]; got {shown(plan)}")
        if steps is not None and whole("steps", steps) != len(eta):
            raise ValueError(f"steps must be the number of rates, {len(eta)}; got {shown(steps)}")
    else:
        length = getattr(plan_of("plan", plan), "length", None) if steps is None else steps
        if length is None or length == np.inf:
            raise ValueError(f"steps must be given, because the plan {shown(plan)} has no end")
        eta = factors_of(plan, whole("steps", length, most=MOST_STEPS))
    if not (eta > 0).any():
        raise ValueError("plan must have a rate above 0")
    return eta


def _lengths(gradient, steps):
    lengths = numbers_of("gradient", gradient)
    if lengths.shape not in ((), (steps,)) or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError(
            f"gradient must be a finite number above 0 or {steps} of them, one a step; got {shown(gradient)}"
        )
    return np.broadcast_to(lengths, (steps,))
