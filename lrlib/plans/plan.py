"""What every plan can do: be called, combined, resized, and looked at."""

from __future__ import annotations

import math
import numbers
import sys
from typing import TYPE_CHECKING, overload

import numpy as np
import torch

from .._base import arguments
from .._base.device import widest
from . import checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike
    from .views import Table

_BLOCK = 16_384  # long arrays are evaluated in blocks that stay in the processor's cache


class Plan:
    """A learning-rate schedule: a function of the step t = 0, 1, 2, … that gives a factor of the base rate.

    ``plan(t)`` takes a number (gives a float), a NumPy array (float64) or a tensor (its own dtype if floating, else
    float64; differentiable in t) of any shape, with entries of at least 0; other values raise ``ValueError``, other
    types, bools too, ``TypeError``. ``plan.length`` is the number of steps until the plan holds its last value
    (``math.inf`` for an endless one). Two plans are equal if they are built alike; ``repr`` evaluates back to an equal
    plan. As a plain function of the step, a plan also works in ``torch.optim.lr_scheduler.LambdaLR(optimizer, plan)``.

    >>> from lrlib import cosine, warmup
    >>> plan = warmup(3) >> cosine(4)
    >>> plan(np.arange(8)).round(2)
    array([0.25, 0.5 , 0.75, 1.  , 0.85, 0.5 , 0.15, 0.  ])
    >>> plan.length, plan(-1)
    Traceback (most recent call last):
    ...
    ValueError: t must be at least 0 and finite; got -1
    """

    length: float  # a whole number, or infinity

    # Plans keep their data in slots: LambdaLR saves and restores a callable's __dict__, so an empty one makes its
    # state loadable everywhere and never overwrites a new plan with an old one.
    __slots__ = ("length", "__dict__")
    __array_ufunc__ = None
    _depth = 0  # how many levels of plans a plan is made of

    def _at(self, t):
        """Value at one number t."""
        raise NotImplementedError

    def _on(self, t, lib):
        """Values on a flat floating array t, with ``lib`` numpy or torch."""
        raise NotImplementedError

    def _resized(self, n):
        raise NotImplementedError

    def _begins(self, stop):
        """Steps below ``stop`` at which a phase begins, in order; made as they are asked for."""
        return iter([0])

    def _area(self, stop):
        """Σ over the steps 0 … ``stop`` − 1: step by step where a kind of plan knows no sum."""
        return views().walked(self, stop)

    def _top(self):
        """A number that no value exceeds."""
        raise NotImplementedError

    def _words(self, start):
        """Lines that describe the steps from ``start`` to ``start + length``."""
        raise NotImplementedError

    @overload
    def __call__(self, t: float) -> float: ...

    @overload
    def __call__(self, t: np.ndarray) -> np.ndarray: ...

    @overload
    def __call__(self, t: torch.Tensor) -> torch.Tensor: ...

    def __call__(self, t: float | np.ndarray | torch.Tensor) -> float | np.ndarray | torch.Tensor:
        if (isinstance(t, (int, float)) or isinstance(t, numbers.Real)) and not isinstance(t, bool):
            if not 0 <= t <= sys.float_info.max:
                raise ValueError(f"t must be at least 0 and finite; got {arguments.shown(t)}")
            return float(self._at(t))
        if isinstance(t, np.ndarray) and t.dtype.kind in "iuf":
            flat, lib = t.astype(np.float64).reshape(-1), np
        elif isinstance(t, torch.Tensor) and not t.is_complex() and t.dtype != torch.bool:
            flat, lib = (t if t.is_floating_point() else t.to(widest(t.device))).reshape(-1), torch
        else:
            raise TypeError(f"t must be a number, or an array or tensor of real numbers; got {arguments.shown(t)}")
        bad = ~((flat >= 0) & (flat < math.inf))
        if bad.any():
            raise ValueError(f"t must be at least 0 and finite; got {flat[bad][0].item()!r}")
        if lib is torch:
            return self._on(flat, torch).reshape(t.shape)
        blocks = [self._on(flat[k : k + _BLOCK], np) for k in range(0, max(1, flat.size), _BLOCK)]
        return (blocks[0] if len(blocks) == 1 else np.concatenate(blocks)).reshape(t.shape)

    def __rshift__(self, other: Plan) -> Plan:
        return algebra().Chain([self, other]) if isinstance(other, Plan) else NotImplemented

    def __mul__(self, other: Plan | float) -> Plan:
        return algebra().Product([self, other]) if isinstance(other, Plan) else self.__rmul__(other)

    def __add__(self, other: Plan | float) -> Plan:
        return algebra().Sum([self, other]) if isinstance(other, Plan) else self.__radd__(other)

    def __rmul__(self, other: float) -> Plan:
        if isinstance(other, bool) or not isinstance(other, numbers.Real):
            return NotImplemented
        return algebra().Product([checks.factor("a number that multiplies a plan", other), self])

    def __radd__(self, other: float) -> Plan:
        if isinstance(other, bool) or not isinstance(other, numbers.Real):
            return NotImplemented
        return algebra().Sum([checks.factor("a number that is added to a plan", other), self])

    def repeat(self, times: int | None = None, stretch: float = 1, decay: float = 1) -> Plan:
        """Play the plan ``times`` times: cycle k (from 0) is the plan resized to length · stretchᵏ, times decayᵏ.

        Lengths are rounded to whole steps. ``times=None`` repeats for ever and then needs ``stretch=1`` and
        ``decay`` ≤ 1. Raises ``ValueError`` for a plan that is empty or endless, ``times`` < 1 (or above 10,000 with
        a ``stretch`` other than 1), a ``stretch`` or ``decay`` that is not above 0, and cycles that are longer
        together than 2⁵³ steps or higher than a float can hold.

        >>> from lrlib import cosine, linear
        >>> sgdr = cosine(200).repeat(3, stretch=2)
        >>> sgdr.length, sgdr(199) < 0.001, sgdr(200), sgdr(600)
        (1400, True, 1.0, 1.0)
        >>> linear(2).repeat(2, decay=0.5)(np.arange(5))
        array([1.  , 0.5 , 0.5 , 0.25, 0.  ])
        """
        return algebra().Repeat(self, times, stretch, decay)

    def cut(self, n: int) -> Plan:
        """Return the first ``n`` steps of the plan, which then hold plan(n); this gives an endless plan an end.

        Raises ``ValueError`` for ``n`` < 1.

        >>> from lrlib import inverse_time
        >>> plan = inverse_time(10).cut(30)
        >>> plan.length, plan(10), plan(99)
        (30, 0.5, 0.25)
        """
        return algebra().Cut(self, n)

    def resize(self, n: int) -> Plan:
        """Return the same shape stretched to ``length == n``: joints move in proportion, to the nearest whole step.

        Raises ``ValueError`` for ``n`` < 1 and for plans that are empty or endless.

        >>> from lrlib import cosine, warmup
        >>> (warmup(100) >> cosine(900)).resize(55)
        warmup(6) >> cosine(49)
        """
        n = checks.steps("n", n, least=1)
        if not 0 < self.length < math.inf:
            raise ValueError(f"a plan of length {self.length} cannot be resized; allowed: a finite length above 0")
        return self if n == self.length else self._resized(n)

    def explain(self) -> str:
        """Return the phases in words, one a line.

        >>> from lrlib import cosine, warmup
        >>> print((warmup(4) >> cosine(20)).explain())
        steps 0 to 3: rises from 0.2 to 1 (linear)
        steps 4 to 23: falls from 1 to 0 (cosine)
        from step 24: stays at 0
        """
        lines = self._words(0)
        if self.length < math.inf:
            lines = [*lines, f"from step {self.length}: stays at {self(self.length):.4g}"]
        return "\n".join(lines)

    def table(self, at: ArrayLike | None = None, base: float = 1) -> Table:
        """Return the steps ``at`` and their values times ``base`` as a `Table` (two arrays), which prints as a table.

        Without ``at`` these are the joints (if at most 20) and ten more steps between 0 and the end. Raises
        ``ValueError`` for an endless plan without ``at``.

        >>> from lrlib import cosine, warmup
        >>> (warmup(4) >> cosine(20)).table(at=[0, 4, 14, 24], base=0.1)
          step      value
             0       0.02
             4        0.1
            14       0.05
            24          0
        """
        return views().table(self, at, base)

    def joints(self, stop: int | None = None) -> list[int]:
        """Return the steps, from 1 to ``stop`` (default: the length), at which another phase begins.

        Raises ``ValueError`` for an endless plan without ``stop``, and where there are more than a million.

        >>> from lrlib import hold, linear, warmup
        >>> (warmup(4) >> hold(10) >> linear(5)).joints()
        [4, 14]
        """
        stop = views().end(self, stop)
        found = views().joints(self, stop, views().LISTED)
        if found is None:
            raise ValueError(f"stop must leave at most {views().LISTED:,} joints to list; got {stop}")
        return found

    def area(self, stop: int | None = None) -> float:
        """Return Σ plan(t) over the steps 0 … ``stop`` − 1 (default: the length): time in units of the base rate.

        Times the base rate it is Ση, how far the weights can travel. Holds, ramps that are linear, cosine, quadratic
        or exponential, and chains, cycles and sums of these are added by formulas, however long they are; other plans
        step by step. Raises ``ValueError`` for an endless plan without ``stop``, and for more than 100 million steps
        that would have to be added one by one.

        >>> from lrlib import linear, step
        >>> linear(100).area(), round(step(30).area(60), 6)
        (50.5, 33.0)
        """
        return views().area(self, stop)

    def when(self, value: float, stop: int | None = None) -> int | None:
        """Return the first step at which the plan equals ``value`` or has passed it, or None if it never does.

        The steps 0 … ``stop`` are searched; by default up to the length, or 10 million steps of an endless plan.
        Raises ``ValueError`` where these are more than 100 million.

        >>> from lrlib import cosine, step, warmup
        >>> plan = warmup(4) >> cosine(20)
        >>> plan.when(0.5), plan.when(1), plan.when(2), step(30).when(0.001)
        (2, 4, None, 90)
        """
        return views().when(self, value, stop)

    def plot(
        self, steps: int | None = None, ax: Axes | None = None, momentum: Plan | None = None, base: float = 1.0
    ) -> Figure:
        """Draw the plan with matplotlib over ``steps`` steps (default: its length) on ``ax`` or a new figure.

        Each joint is marked, if there are at most 20; ``momentum``, another plan, is drawn on a second axis;
        ``base`` is the base rate. Returns the matplotlib ``Figure``; an endless plan needs ``steps``, else
        ``ValueError``, as for ``steps`` below 1 and a negative ``base``; arguments of another kind raise ``TypeError``.
        """
        from ..looking import plot

        return plot.plan(self, steps=steps, ax=ax, base=base, momentum=momentum, phases=True)

    def _key(self):
        return tuple(getattr(self, name) for name in self.__slots__ if not name.startswith("_"))

    def __eq__(self, other):
        if not isinstance(other, Plan):
            return NotImplemented
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self):
        return hash((type(self), self._key()))


def algebra():
    """The module of what plans combine to, which itself needs `Plan`."""
    from . import algebra

    return algebra


def views():
    """The module behind ``table``, ``area`` and ``when``."""
    from . import views

    return views


def scaled(joint, n, total):
    """Return joint · n / total, rounded half up, in whole numbers."""
    return (2 * joint * n + total) // (2 * total) if total else 0
