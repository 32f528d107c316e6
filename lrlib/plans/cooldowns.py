"""Warm-up, stable, decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import checks
from .named import named
from .pieces import hold, ramp
from .ramps import warmup

if TYPE_CHECKING:
    from .plan import Plan


@named(lambda arguments, n: None)
def wsd(n: int, warm: int = 0, cool: int | None = None, shape: str | float = "1-sqrt", final: float = 0) -> Plan:
    """Warm up for ``warm`` steps, stay at 1, and in the last ``cool`` of ``n`` steps cool down to ``final``.

    ``shape`` of the cooldown is one of `ramp`'s: ``"linear"``, ``"cosine"``, ``"1-sqrt"`` (1 − √u), ``"1-square"``,
    ``"exponential"`` (``final`` above 0). ``cool=None`` is a fifth of the steps. Raises ``ValueError`` for phases that
    are negative or longer than ``n`` together. Source: MiniCPM, Hu 2024; 1 − √u, Hägele 2024.

    >>> [wsd(100, warm=9)(t) for t in (0, 9, 80, 85, 100)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    n, warm = checks.steps("n", n), checks.steps("warm", warm)
    cool = n // 5 if cool is None else checks.steps("cool", cool)
    if warm + cool > n:
        raise ValueError(f"warm + cool must be at most n = {n}; got {warm} + {cool}")
    final = checks.factor("final", final, positive=shape == "exponential")
    return warmup(warm) >> hold(n - warm - cool) >> ramp(cool, 1, final, shape)
