"""Schedules that go from one value to another: warm-up, linear, polynomial and exponential decay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import checks
from .named import named
from .pieces import fade, hold, ramp

if TYPE_CHECKING:
    from .plan import Plan


@named()
def warmup(n: int, start: float | None = None, shape: str | float = "linear") -> Plan:
    """Rise to 1 in ``n`` steps: (t + 1)/(n + 1), never 0, and 1 at t = n.

    With ``start`` the rise is start + (1 − start)·t/n, so ``start=0`` gives t/n, whose first step trains nothing.
    ``shape`` is one of `ramp`'s; the rise then is start + (1 − start)·s(t/n), from 1/(n + 1) without ``start``.
    Raises ``ValueError`` for a negative ``n`` or ``start``. Source: Goyal 2017.

    >>> [round(warmup(4)(t), 4) for t in (0, 1, 2, 3, 4, 5)]
    [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    >>> [warmup(4, start=0)(t) for t in (0, 1, 4)]
    [0.0, 0.25, 1.0]
    """
    n = checks.steps("n", n)
    return ramp(n, 1 / (n + 1) if start is None else start, 1, shape)


@named()
def linear(n: int, final: float = 0) -> Plan:
    """Fall from 1 to ``final`` along a straight line: 1 + (final − 1)·t/n, and ``final`` from t = n on.

    Raises ``ValueError`` for a negative ``n`` or ``final``.

    >>> [linear(4)(t) for t in (0, 1, 4, 5)]
    [1.0, 0.75, 0.0, 0.0]
    """
    return ramp(n, 1, checks.factor("final", final))


@named()
def polynomial(n: int, power: float = 2, final: float = 0) -> Plan:
    """Fall from 1 to ``final`` as a power of what is left: final + (1 − final)(1 − t/n)ᵖᵒʷᵉʳ, ``final`` from t = n on.

    Raises ``ValueError`` for a negative ``n`` or ``final``, and a ``power`` that is not above 0.

    >>> [polynomial(4)(t) for t in (0, 1, 2, 4)]
    [1.0, 0.5625, 0.25, 0.0]
    """
    return ramp(n, 1, checks.factor("final", final), shape=checks.factor("power", power, positive=True))


def _exponential_with_n(arguments, n):
    if arguments["final"] is None:
        arguments["final"] = arguments["rate"] ** arguments["n"]
    return {"n": n, "final": arguments["final"]}


@named(_exponential_with_n)
def exponential(n: int | None = None, final: float | None = None, rate: float | None = None) -> Plan:
    """Multiply by the same number each step: finalᵗᐟⁿ, or rateᵗ; constant from t = n on, endless without ``n``.

    Give ``final`` (the value at t = n) or ``rate`` (the factor of one step), not both, else ``TypeError``; both
    must be above 0, and ``rate`` to the n-th power too, else ``ValueError``. Without ``n`` give a ``rate`` of at
    most 1.

    >>> round(exponential(100, final=0.01)(50), 6)
    0.1
    >>> round(exponential(10, rate=0.9)(2), 6), round(exponential(rate=0.9)(100), 9)
    (0.81, 2.6561e-05)
    """
    if (final is None) == (rate is None):
        raise TypeError(f"exponential needs either final or rate; got final={final!r}, rate={rate!r}")
    if n is None:
        return _endless(rate)
    if final is None:
        final = checks.power("rate", rate, checks.steps("n", n))
    return ramp(n, 1, checks.factor("final", final, positive=True), shape="exponential")


def _endless(rate):
    if rate is None:
        raise TypeError("exponential without n is endless and needs rate, the factor of one step; got final")
    rate = checks.factor("rate", rate, positive=True)
    if rate > 1:
        raise ValueError(f"rate must be at most 1 without n, because the plan is endless; got {rate!r}")
    return hold(1).repeat() if rate == 1 else fade(-1 / math.log(rate))
