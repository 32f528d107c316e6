"""Plans: learning-rate schedules as plain functions of the step.

One primitive and an algebra. ``ramp`` and ``hold`` are the pieces; ``a >> b`` plays b after a, ``a * b`` multiplies,
``.repeat`` cycles, ``.resize`` stretches to another length. The named schedules are one-liners over these.

Conventions, which differ between libraries: ``plan(t)`` is used by the t-th optimizer step, t from 0, and is a factor
of each group's own base rate. A joint belongs to the piece that begins there. After its end a plan holds its last value.

>>> plan = warmup(4) >> cosine(8)
>>> [round(plan(t), 3) for t in (0, 3, 4, 8, 12, 99)]
[0.2, 0.8, 1.0, 0.5, 0.0, 0.0]
>>> plan
warmup(4) >> cosine(8)
"""

from lrlib.schedules.named import cosine, exponential, linear, step, warmup
from lrlib.schedules.pieces import SHAPES, hold, ramp
from lrlib.schedules.plan import Plan

__all__ = ["SHAPES", "Plan", "cosine", "exponential", "hold", "linear", "ramp", "step", "warmup"]
