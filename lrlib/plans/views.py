"""Looking at a plan in numbers: a table, the area under it, and when it reaches a value."""

import math
from typing import NamedTuple

import numpy as np

from .._base import arguments

MARKED = 20  # most joints that a table or a figure shows
_BLOCK = 1 << 20
_ENDLESS = 10_000_000  # steps of an endless plan that `when` searches


class Table(NamedTuple):
    """Steps and values of a plan, two arrays of one length; prints as a table. Made by `Plan.table`.

    >>> from lrlib import linear
    >>> step, value = linear(4).table()
    >>> value
    array([1.  , 0.75, 0.5 , 0.25, 0.  ])
    """

    step: np.ndarray
    value: np.ndarray

    def __repr__(self):
        rows = [("step", "value"), *((str(t), f"{v:.6g}") for t, v in zip(self.step, self.value, strict=True))]
        return "\n".join(f"{a:>6} {b:>10}" for a, b in rows)


def end(plan, stop):
    """``stop``, or the plan's length; ``ValueError`` if it has none."""
    if stop is not None:
        return arguments.whole("stop", stop, least=0)
    if plan.length == math.inf:
        raise ValueError("stop=None: this plan has no end of its own; say at which step to stop")
    return plan.length


def table(plan, at, base):
    """See `Plan.table`."""
    if at is None:
        stop, joints = end(plan, None), plan.joints()
        even = np.linspace(0, stop, min(stop, 10) + 1).round().astype(int)
        at = sorted({*even.tolist(), *(joints if len(joints) <= MARKED else [])})
    step = np.atleast_1d(np.asarray(at))
    if step.ndim != 1:
        raise ValueError(f"at must be a list of steps; got {at!r}")
    return Table(step, arguments.number("base", base) * plan(step))


def area(plan, stop):
    """See `Plan.area`."""
    return math.fsum(values.sum() for _, values in _blocks(plan, end(plan, stop)))


def when(plan, value, stop):
    """See `Plan.when`."""
    value = arguments.number("value", value)
    if stop is None and plan.length == math.inf:
        stop = _ENDLESS
    side = np.sign(plan(0) - value)
    for first, values in _blocks(plan, end(plan, stop) + 1):
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
