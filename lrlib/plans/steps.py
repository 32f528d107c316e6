"""Schedules that stay and jump: constant, step, multi-step, and any table of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._base import arguments
from . import checks
from .named import named
from .pieces import SHAPES, hold, ramp
from .plan import algebra, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    import numpy as np
    from .plan import Plan


@named()
def constant(value: float = 1) -> Plan:
    """Stay at ``value`` from the first step on: a plan of length 0.

    Raises ``ValueError`` for a ``value`` that is negative or not finite.

    >>> constant()(0), constant(0.5)(1000)
    (1.0, 0.5)
    """
    return hold(0, value)


def _step_with_n(arguments, n):
    return {**arguments, "every": n // arguments["times"]} if n % arguments["times"] == 0 else None


@named(_step_with_n)
def step(every: int, factor: float = 0.1, times: int | None = None) -> Plan:
    """Drop by ``factor`` after each ``every`` steps: factor^⌊t/every⌋, for ever or for ``times`` drops.

    Raises ``ValueError`` for ``every`` or ``times`` below 1, or a ``factor`` that is not above 0 (with
    ``times=None``, also one above 1).

    >>> [step(30)(t) for t in (0, 29, 30)]
    [1.0, 1.0, 0.1]
    >>> step(30, factor=0.5, times=2)(1000)
    0.25
    """
    if checks.factor("factor", factor, positive=True) > 1 and times is None:
        raise ValueError(f"factor must be at most 1 without times, because the plan is endless; got {factor!r}")
    last = (
        None if times is None else checks.power("factor", factor, arguments.whole("times", times, most=checks.LONGEST))
    )
    cycles = hold(checks.steps("every", every, least=1)).repeat(times, decay=factor)
    return cycles if times is None else cycles >> hold(0, last)


def _milestones_with_n(arguments, n):
    last = arguments["milestones"][-1]
    return {**arguments, "milestones": tuple(scaled(m, n, last) for m in arguments["milestones"])}


@named(_milestones_with_n)
def multi_step(milestones: Sequence[int] | np.ndarray, factor: float = 0.1) -> Plan:
    """Drop by ``factor`` at each of the ``milestones``: factor^(number of milestones ≤ t).

    A milestone given twice drops twice. Raises ``ValueError`` for milestones that are none, negative or not in
    order, and a ``factor`` that is not above 0.

    >>> [round(multi_step([30, 80])(t), 6) for t in (0, 29, 30, 79, 80, 500)]
    [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    checks.factor("factor", factor, positive=True)
    if not isinstance(milestones, tuple):
        raise TypeError(f"milestones must be a list of steps; got {arguments.shown(milestones)}")
    if not milestones:
        raise ValueError("milestones must be one or more steps; got none")
    return _stairs(
        "milestones", [0, *milestones], [checks.power("factor", factor, k) for k in range(len(milestones) + 1)]
    )


def _table_with_n(arguments, n):
    last = arguments["table"][-1][0]
    return {**arguments, "table": tuple((scaled(t, n, last), value) for t, value in arguments["table"])}


@named(_table_with_n)
def piecewise(table: Mapping[int, float] | Iterable[tuple[int, float]], between: str = "constant") -> Plan:
    """Go through the values of a ``table`` {step: value, …}, or of pairs (step, value), the first of them at step 0.

    ``between`` two steps the value stays (``"constant"``) or goes over in one of `ramp`'s shapes (``"linear"``, …).
    The last value is held. Raises ``ValueError`` for an empty table, steps that do not begin with 0 or are not in
    order, and values that are negative or not finite.

    >>> [piecewise({0: 1, 100: 0.1, 150: 0.01})(t) for t in (0, 99, 100, 500)]
    [1.0, 1.0, 0.1, 0.01]
    >>> [piecewise({0: 0, 10: 1, 30: 0}, between="linear")(t) for t in (5, 10, 20, 99)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if not isinstance(table, tuple) or not table or any(not isinstance(row, tuple) or len(row) != 2 for row in table):
        raise ValueError(f"table must give at least one pair step, value; got {arguments.shown(table)}")
    steps, values = zip(*table, strict=True)
    if not isinstance(between, str) or between not in ("constant", *SHAPES):
        raise ValueError(f"between must be one of constant, {', '.join(SHAPES)}; got {arguments.shown(between)}")
    if steps[0] != 0:
        raise ValueError(f"table must say what happens at step 0; it begins at {arguments.shown(steps[0])}")
    return _stairs("table", steps, values, between)


def _stairs(name, steps, values, between="constant"):
    """The plan that has ``values`` at ``steps``."""
    steps = [checks.steps(f"a step of {name}", t) for t in steps]
    positive = between == "exponential"
    values = [checks.factor(f"a value of {name}", value, positive) for value in values]
    if sorted(steps) != steps:
        listed = arguments.shown(steps[name == "milestones" :])
        raise ValueError(f"{name} must have its steps in increasing order; got {listed}")
    parts = [hold(0, values[0])]
    for t, following, a, b in zip(steps, steps[1:], values, values[1:], strict=False):
        parts.append(hold(following - t, a) if between == "constant" else ramp(following - t, a, b, between))
    return algebra().Chain([*parts, hold(0, values[-1])])
