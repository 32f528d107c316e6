"""Schedules that fall for ever: 1/t and the inverse square root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import checks
from .named import named
from .pieces import fade
from .ramps import warmup

if TYPE_CHECKING:
    from .plan import Plan


@named()
def inverse_time(tau: float = 1, power: float = 1) -> Plan:
    """Search, then converge: 1/(1 + t/τ)ᵖᵒʷᵉʳ, nearly constant until step τ = ``tau`` and like 1/t after it.

    Endless. Robbins & Monro's conditions (Ση = ∞, Ση² < ∞) hold for ½ < power ≤ 1. Raises ``ValueError`` for a
    ``tau`` or ``power`` that is not above 0. Source: Darken & Moody 1990.

    >>> [inverse_time(100)(t) for t in (0, 100, 300)]
    [1.0, 0.5, 0.25]
    """
    return fade(tau, shape=checks.factor("power", power, positive=True))


@named(lambda arguments, n: None)
def inverse_sqrt(n: int = 4000) -> Plan:
    """Warm up for ``n`` steps, then fall like 1/√t: min(s/n, √(n/s)) with s = t + 1, so 1 at t = n − 1.

    Endless. The transformer's rate d^−½ · min(s^−½, s·n^−3⁄2) is this plan with the base rate (d·n)^−½, for example
    6.99e-4 for d = 512. Raises ``ValueError`` for ``n`` < 1. Source: Noam, Vaswani 2017.

    >>> [inverse_sqrt(100)(t) for t in (0, 49, 99, 399)]
    [0.01, 0.5, 1.0, 0.5]
    """
    return warmup(checks.steps("n", n, least=1) - 1) >> fade(n, shape=0.5)
