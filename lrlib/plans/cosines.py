"""Cosine annealing, once and with warm restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._base import arguments
from . import checks
from .named import named
from .pieces import hold, ramp

if TYPE_CHECKING:
    from .plan import Plan


@named()
def cosine(n: int, final: float = 0, inclusive: bool = False) -> Plan:
    """Fall from 1 to ``final`` along half a cosine: final + (1 − final)(1 + cos(πt/n))/2, and ``final`` from t = n on.

    Trained for ``n`` steps the minimum is therefore never used; ``inclusive=True`` reaches it at t = n − 1, the last
    of ``n`` steps. Raises ``ValueError`` for a negative ``n`` (below 1 if inclusive) or ``final``.
    Source: Loshchilov & Hutter 2017.

    >>> [round(cosine(4, final=0.1)(t), 4) for t in range(6)]
    [1.0, 0.8682, 0.55, 0.2318, 0.1, 0.1]
    >>> cosine(4, inclusive=True)(3)
    0.0
    """
    final = checks.factor("final", final)
    if not arguments.flag("inclusive", inclusive):
        return ramp(n, 1, final, shape="cosine")
    return ramp(checks.steps("n", n, least=1) - 1, 1, final, shape="cosine") >> hold(1, final)


@named(lambda arguments, n: None)
def cosine_restarts(n: int, times: int | None = None, stretch: float = 1, decay: float = 1, final: float = 0) -> Plan:
    """Cosine annealing with warm restarts: cycle k (from 0) falls from decayᵏ to ``final`` in n · stretchᵏ steps.

    final + (decayᵏ − final)(1 + cos(πu))/2, with u from 0 to 1 in each cycle. ``times`` cycles are played, or without
    end (then ``stretch`` is 1). Only the peaks decay, not ``final``. Each cycle restarts at the step at which it would
    reach ``final``. Raises ``ValueError`` for ``n``, ``times`` < 1, a ``stretch`` or ``decay`` that is not above 0, and
    a ``decay`` above 1 without end. Source: SGDR, Loshchilov & Hutter 2017.

    >>> plan = cosine_restarts(10, times=3, stretch=2, decay=0.5, final=0.1)
    >>> plan.length, [round(plan(t), 4) for t in (0, 5, 10, 20, 30, 70)]
    (70, [1.0, 0.55, 0.5, 0.3, 0.25, 0.1])
    """
    n, final = checks.steps("n", n, least=1), checks.factor("final", final)
    falls = ramp(n, 1, 0, shape="cosine").repeat(times, stretch, decay)
    if final == 0:
        return falls
    return falls + final * ramp(n, 0, 1, shape="cosine").repeat(times, stretch)
