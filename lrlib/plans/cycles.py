"""Schedules that go up and down: triangles, one-cycle and its momentum, slanted triangles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .._base import arguments
from . import checks
from .named import named
from .pieces import hold, ramp
from .ramps import exponential

if TYPE_CHECKING:
    from .plan import Plan


def _triangle(up, down, low=0):
    """From ``low`` up to 1 in ``up`` steps and down again in ``down`` (default: as many)."""
    up = checks.steps("up", up, least=1)
    return ramp(up, low, 1) >> ramp(up if down is None else checks.steps("down", down, least=1), 1, low)


def _part(low):
    """``low`` as a number from 0 to 1."""
    low = checks.factor("low", low)
    if low > 1:
        raise ValueError(f"low must be at most 1, the highest factor; got {low!r}")
    return low


@named(lambda arguments, n: None)
def triangular(up: int, low: float = 0.25, down: int | None = None, times: int | None = None) -> Plan:
    """Rise from ``low`` to 1 in ``up`` steps and fall back in ``down`` (default: as many), ``times`` times or for ever.

    low + (1 − low)·max(0, 1 − x), x = |t/up − 2·cycle + 1|, cycle = ⌊1 + t/(2·up)⌋. The base rate is the *highest*
    one; ``low`` is the lowest as a part of it (¼ to ⅓ is usual). Raises ``ValueError`` for ``up``, ``down`` or
    ``times`` < 1 and a ``low`` outside 0 … 1. Source: CLR, Smith 2017.

    >>> [triangular(10, low=0.25)(t) for t in (0, 5, 10, 15, 20, 30)]
    [0.25, 0.625, 1.0, 0.625, 0.25, 1.0]
    """
    return _triangle(up, down, _part(low)).repeat(times)


@named(lambda arguments, n: None)
def triangular2(up: int, low: float = 0.25, down: int | None = None, times: int | None = None) -> Plan:
    """Triangles whose height above ``low`` halves with each cycle: low + (1 − low)·max(0, 1 − x)/2^(cycle − 1).

    Arguments and errors are those of `triangular`. Source: CLR, Smith 2017.

    >>> [triangular2(10, low=0.25)(t) for t in (0, 10, 20, 30, 50)]
    [0.25, 1.0, 0.25, 0.625, 0.4375]
    """
    return _part(low) + (1 - low) * _triangle(up, down).repeat(times, decay=0.5)


@named(lambda arguments, n: None)
def exp_range(
    up: int, low: float = 0.25, rate: float = 0.99994, down: int | None = None, times: int | None = None
) -> Plan:
    """Triangles whose height above ``low`` shrinks with each step: low + (1 − low)·max(0, 1 − x)·rateᵗ.

    Arguments and errors are those of `triangular`; ``rate`` is above 0 and at most 1. Source: CLR, Smith 2017.

    >>> [round(exp_range(10, low=0.2, rate=0.9)(t), 4) for t in (0, 10, 20, 30)]
    [0.2, 0.4789, 0.2, 0.2339]
    """
    return _part(low) + (1 - low) * (_triangle(up, down).repeat(times) * exponential(rate=rate))


def _divided(value, name, divisor):
    """``value`` divided by an argument above 0; ``ValueError`` where a float cannot hold that."""
    found = value / checks.factor(name, divisor, positive=True)
    if found == math.inf:
        raise ValueError(f"{name} must be large enough to divide {value:g} by; got {divisor!r}")
    return found


def _cycle(n, rise, levels, shape, three_phase, inclusive):
    """One cycle of ``n`` steps: from levels[0] to levels[1] in a share ``rise`` of them, then down to levels[2]."""
    low, high, final = levels
    three_phase, inclusive = arguments.flag("three_phase", three_phase), arguments.flag("inclusive", inclusive)
    n, last = checks.steps("n", n, least=2), 1 if inclusive else 0
    peak = round(arguments.number("rise", rise, below=0.5 if three_phase else 1, above=0) * n) - last
    if peak < 1:
        raise ValueError(f"rise must leave at least one step to rise in; got {rise!r} of {n} steps")
    up, down = ramp(peak, low, high, shape), n - last - peak
    fall = (
        ramp(peak, high, low, shape) >> ramp(down - peak, low, final, shape)
        if three_phase
        else ramp(down, high, final, shape)
    )
    return up >> fall >> hold(last, final)


@named()
def one_cycle(
    n: int,
    rise: float = 0.3,
    div: float = 25,
    final_div: float = 1e4,
    shape: str | float = "cosine",
    three_phase: bool = False,
    inclusive: bool = True,
) -> Plan:
    """One cycle of ``n`` steps: up from 1/div to 1 in a share ``rise`` of the steps, then down to 1/(div·final_div).

    The base rate is the highest one. ``three_phase`` goes down to 1/div as fast as it came up, and then to the end.
    With ``inclusive`` the peak is at t = rise·n − 1 and the end at t = n − 1, as in torch's ``OneCycleLR``, whose
    defaults these are; without, at t = rise·n and n. (torch puts the peak between two steps where rise·n is not
    whole; here it is at the nearest one.) fastai's ``fit_one_cycle`` is ``one_cycle(n, rise=0.25, final_div=4000,
    inclusive=False)``: its end is 1e-5 of the highest rate. Raises ``ValueError`` for ``n`` < 2, a ``rise`` outside 0 …
    1 (½ with three phases) or too short for one step, divisors that are not above 0 and an unknown ``shape``.
    Source: Smith & Topin 2018.

    >>> plan = one_cycle(100)
    >>> plan(0), plan(29), f"{plan(99):.2g}", plan.length
    (0.04, 1.0, '4e-06', 100)
    """
    low = _divided(1, "div", div)
    final = _divided(low, "final_div", final_div)
    if shape == "exponential":
        checks.factor("1 / (div · final_div)", final, positive=True)
    return _cycle(n, rise, (low, 1, final), shape, three_phase=three_phase, inclusive=inclusive)


@named()
def one_cycle_momentum(
    n: int,
    low: float = 0.85,
    high: float = 0.95,
    rise: float = 0.3,
    shape: str | float = "cosine",
    three_phase: bool = False,
    inclusive: bool = True,
) -> Plan:
    """The momentum that goes with `one_cycle`: down from ``high`` to ``low`` where the rate goes up, and back.

    A factor of the base momentum, which is the highest one: give the optimizer ``momentum=high`` (or beta1); the plan
    goes 1 → low/high → 1, and only the ratio matters. Further arguments and errors are those of `one_cycle`; fastai's
    ``moms=(0.95, 0.85, 0.95)`` are these defaults. Source: Smith & Topin 2018.

    >>> plan = one_cycle_momentum(100)
    >>> [round(0.95 * plan(t), 4) for t in (0, 29, 99)]
    [0.95, 0.85, 0.95]
    """
    if checks.factor("low", low, positive=True) > checks.factor("high", high, positive=True):
        raise ValueError(f"low must be at most high; got {low!r} and {high!r}")
    low = low / high
    return _cycle(n, rise, (1, low, 1), shape, three_phase=three_phase, inclusive=inclusive)


@named()
def slanted_triangular(n: int, rise: float = 0.1, ratio: float = 32) -> Plan:
    """Rise fast and fall slowly: from 1/ratio to 1 in a share ``rise`` of ``n`` steps, then back to 1/ratio at t = n.

    The peak is at the whole step nearest to rise·n (the paper's is ⌊rise·n⌋). Raises ``ValueError`` for ``n`` < 2, a
    ``rise`` outside 0 … 1 or too short for one step, and a ``ratio`` that is not above 0.
    Source: ULMFiT, Howard & Ruder 2018.

    >>> [slanted_triangular(100, ratio=4)(t) for t in (0, 10, 55, 100)]
    [0.25, 1.0, 0.625, 0.25]
    """
    low = _divided(1, "ratio", ratio)
    return _cycle(n, rise, (low, 1, low), "linear", three_phase=False, inclusive=False)
