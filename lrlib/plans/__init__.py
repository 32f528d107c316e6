"""Plans: learning-rate schedules as plain functions of the step.

Three pieces and an algebra. ``ramp`` and ``hold`` are the pieces, and ``fade`` where there is no end; ``a >> b`` plays
b after a, ``a * b`` multiplies, ``a + b`` adds, ``.repeat`` cycles, ``.cut`` ends, ``.resize`` stretches to another
length. The named schedules are one-liners over these. ``.table``, ``.plot``, ``.explain``, ``.area``, ``.when`` and
``.joints`` look at a plan.

Conventions, which differ between libraries: ``plan(t)`` is used by the t-th optimizer step, t from 0, and is a factor
of each group's own base rate. A joint belongs to the piece that begins there. After its end a plan holds its last
value.

>>> plan = warmup(4) >> cosine(8)
>>> [round(plan(t), 3) for t in (0, 3, 4, 8, 12, 99)]
[0.2, 0.8, 1.0, 0.5, 0.0, 0.0]
>>> plan
warmup(4) >> cosine(8)
"""

from .cooldowns import wsd
from .cooling import fast_cooling, geometric_cooling, logarithmic_cooling, reheat
from .cosines import cosine, cosine_restarts
from .cycles import exp_range, one_cycle, one_cycle_momentum, slanted_triangular, triangular, triangular2
from .endless import inverse_sqrt, inverse_time
from .pieces import FADES, SHAPES, fade, hold, ramp
from .plan import Plan
from .ramps import exponential, linear, polynomial, warmup
from .steps import constant, multi_step, piecewise, step
from .views import Table

__all__ = [
    "FADES",
    "SHAPES",
    "Plan",
    "Table",
    "constant",
    "cosine",
    "cosine_restarts",
    "exp_range",
    "exponential",
    "fade",
    "fast_cooling",
    "geometric_cooling",
    "hold",
    "inverse_sqrt",
    "inverse_time",
    "linear",
    "logarithmic_cooling",
    "multi_step",
    "one_cycle",
    "one_cycle_momentum",
    "piecewise",
    "polynomial",
    "ramp",
    "reheat",
    "slanted_triangular",
    "step",
    "triangular",
    "triangular2",
    "warmup",
    "wsd",
]
