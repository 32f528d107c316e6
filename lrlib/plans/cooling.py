"""Cooling schedules of simulated annealing, for a temperature or a rate; all endless."""

from __future__ import annotations

from .._base import arguments
from . import checks
from .named import named
from .pieces import fade
from .plan import Plan
from .steps import step


@named()
def geometric_cooling(rate: float = 0.95, every: int = 1) -> Plan:
    """Multiply the temperature by ``rate`` after each ``every`` steps: rate^⌊t/every⌋.

    Raises ``ValueError`` for a ``rate`` that is not above 0 and at most 1, and ``every`` < 1. Source: Kirkpatrick 1983.

    >>> [round(geometric_cooling(0.9, every=10)(t), 4) for t in (0, 9, 10, 25)]
    [1.0, 1.0, 0.9, 0.81]
    """
    if checks.factor("rate", rate, positive=True) > 1:
        raise ValueError(f"rate must be at most 1, or nothing cools; got {rate!r}")
    return step(every, factor=rate)


@named()
def logarithmic_cooling(tau: float = 1) -> Plan:
    """Cool as slowly as the proof of convergence asks: ln 2/ln(2 + t/τ), with ``tau`` in steps.

    Raises ``ValueError`` for a ``tau`` that is not above 0. Source: Geman & Geman 1984.

    >>> [round(logarithmic_cooling()(t), 4) for t in (0, 2, 14, 1022)]
    [1.0, 0.5, 0.25, 0.1]
    """
    return fade(tau, shape="logarithmic")


@named()
def fast_cooling(tau: float = 1) -> Plan:
    """Cool like 1/t: 1/(1 + t/τ), enough for Cauchy's long jumps; the same curve as `inverse_time`.

    Raises ``ValueError`` for a ``tau`` that is not above 0. Source: fast annealing, Szu & Hartley 1987.

    >>> [fast_cooling()(t) for t in (0, 1, 9)]
    [1.0, 0.5, 0.1]
    """
    return fade(tau, shape=1)


@named(lambda arguments, n: None)
def reheat(plan: Plan, every: int, times: int | None = None, height: float = 1) -> Plan:
    """Cool by ``plan`` for ``every`` steps and start again, at ``height`` times the last start; ``times`` or for ever.

    Raises ``TypeError`` for another kind of plan, ``ValueError`` for ``every`` or ``times`` < 1 and a ``height`` that
    is not above 0 (or above 1 without end).

    >>> plan = reheat(fast_cooling(), every=10, height=0.5)
    >>> [plan(t) for t in (0, 9, 10, 19, 20)]
    [1.0, 0.1, 0.5, 0.05, 0.25]
    """
    if not isinstance(plan, Plan):
        raise TypeError(f"plan must be a Plan; got {arguments.shown(plan)}")
    every = checks.steps("every", every, least=1)
    if checks.factor("height", height, positive=True) > 1 and times is None:
        raise ValueError(f"height must be at most 1 without times, because the plan is endless; got {height!r}")
    if times is not None:
        checks.power("height", height, arguments.whole("times", times, most=checks.LONGEST) - 1)
    return plan.cut(every).repeat(times, decay=height)
