"""Looking at a plan in numbers: a table, the area under it, and when it reaches a value."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .._base import arguments
from . import checks

MARKED = 20  # most joints that a table or a figure shows
LISTED = 1_000_000  # most joints of a list
WALKED = 100_000_000  # most steps that are looked at one by one
_BLOCK = 1 << 20
_ENDLESS = 10_000_000  # steps of an endless plan that `when` searches


class _Columns(NamedTuple):
    step: np.ndarray
    value: np.ndarray


class Table(_Columns):
    """Steps and values of a plan, two arrays of one length; prints as a table. Made by `Plan.table`.

    Raises ``TypeError`` for what are no numbers and ``ValueError`` for two lengths.

    >>> from lrlib import linear
    >>> step, value = linear(4).table()
    >>> value
    array([1.  , 0.75, 0.5 , 0.25, 0.  ])
    """

    __slots__ = ()

    def __new__(cls, step: np.ndarray, value: np.ndarray) -> Table:
        """Check the two columns."""
        shapes = [arguments.numbers_of(name, column).shape for name, column in (("step", step), ("value", value))]
        if shapes[0] != shapes[1] or len(shapes[0]) != 1:
            raise ValueError(
                f"step and value must be two lists of one length; got the shapes {shapes[0]} and {shapes[1]}"
            )
        return super().__new__(cls, step, value)

    def __repr__(self):
        rows = [("step", "value"), *((str(t), f"{v:.6g}") for t, v in zip(self.step, self.value))]
        return "\n".join(f"{a:>6} {b:>10}" for a, b in rows)


def end(plan, stop):
    """``stop``, or the plan's length; ``ValueError`` if it has none."""
    if stop is not None:
        return arguments.whole("stop", stop, least=0, most=checks.LONGEST)
    if plan.length == math.inf:
        raise ValueError("stop=None: this plan has no end of its own; say at which step to stop")
    return plan.length


def table(plan, at, base):
    """See `Plan.table`."""
    if at is None:
        stop = end(plan, None)
        even = np.linspace(0, stop, min(stop, 10) + 1).round().astype(int)
        at = sorted({*even.tolist(), *(joints(plan, stop, MARKED) or [])})
    step = np.atleast_1d(np.asarray(at))
    if step.ndim != 1 or step.dtype.kind not in "iuf" or not ((step >= 0) & (step < np.inf)).all():
        raise ValueError(f"at must be a list of steps of at least 0; got {arguments.shown(at)}")
    return Table(step, arguments.number("base", base) * plan(step))


def joints(plan, stop, most):
    """The steps from 1 to ``stop`` at which another phase begins, or None where there are more than ``most``."""
    found = [0]
    for count, t in enumerate(plan._begins(stop + 1)):
        if count > LISTED or len(found) > most + 1:
            return None
        if t > found[-1]:
            found.append(t)
    return found[1:] if len(found) <= most + 1 else None


def area(plan, stop):
    """See `Plan.area`."""
    return float(plan._area(end(plan, stop)))


def walked(plan, stop):
    """Σ plan(t) over the steps 0 … ``stop`` − 1, added one by one up to the plan's end."""
    inside = min(stop, plan.length)
    if inside > WALKED:
        raise ValueError(
            f"stop must be at most {WALKED:,} where steps must be added one by one; got {inside} steps of "
            f"{arguments.shown(plan)}"
        )
    after = (stop - inside) * plan(inside) if stop > inside else 0.0
    return math.fsum(values.sum() for _, values in _blocks(plan, inside)) + after


def when(plan, value, stop):
    """See `Plan.when`."""
    value = arguments.number("value", value)
    if stop is None and plan.length == math.inf:
        stop = _ENDLESS
    last = end(plan, stop)
    if last > WALKED:
        raise ValueError(f"stop must be at most {WALKED:,}, the most steps that are searched; got {last}")
    side = np.sign(plan(0) - value)
    for first, values in _blocks(plan, last + 1):
        there = np.isclose(values, value, rtol=1e-12, atol=1e-15) | (np.sign(values - value) != side)
        if there.any():
            return first + int(there.argmax())
    return None


def _blocks(plan, stop):
    """The values at steps 0 … ``stop`` − 1, in blocks of growing size, each with its first step."""
    first, size = 0, 1024
    while first < stop:
        size = min(2 * size, _BLOCK)
        yield first, plan(np.arange(first, min(first + size, stop)))
        first += size
