"""Stride: gradient descent on a curve of one variable, with the rate on a slider.

The page computes the picture itself, so the figure lives without a kernel. The same formulas stand here
for ``path`` and ``verdict``; a test holds the two sides equal.
"""

from __future__ import annotations

import math

import traitlets as tl

from .base import Figure
from .traits import Choice, Number, Whole

CURVES = ("quadratic", "tilted", "dent")
VERDICTS = ("monotone", "alternating", "periodic", "diverging", "wandering")
FAR = 1e3


def _bump(x: float) -> float:
    return 0.8 * math.exp(-(((x + 3) / 0.3) ** 2) / 2)


def slope(curve: str, curvature: float, x: float) -> float:
    """Return f′(x).

    ``quadratic``: f = c·x²/2. ``tilted``: f = 0.05x⁴ − 0.5x² + 0.15x. ``dent``: f = x²/8 with a small sharp
    dent, 0.8·exp(−((x + 3)/0.3)²/2), taken out of its slope. They are the curves of ``lrlib.tasks``, without the
    straight tails by which it keeps gradients bounded: here a rate that is too large may leave for good.

    >>> slope("quadratic", 4.0, 0.5)
    2.0
    """
    if curve == "quadratic":
        return curvature * x
    if curve == "tilted":
        return 0.2 * x**3 - x + 0.15
    return 0.25 * x + (x + 3) * _bump(x) / 0.09


def bend(curve: str, curvature: float, x: float) -> float:
    """Return f″(x), the curvature at x.

    >>> bend("quadratic", 4.0, 0.5)
    4.0
    """
    if curve == "quadratic":
        return curvature
    if curve == "tilted":
        return 0.6 * x * x - 1
    return 0.25 + _bump(x) * (1 - (x + 3) ** 2 / 0.09) / 0.09


def descend(curve: str, curvature: float, lr: float, start: float, steps: int) -> list[float]:
    """Return x₀ … x_steps of x ← x − lr·f′(x); infinite from the step on at which it overflows.

    >>> descend("quadratic", 4.0, 0.25, 1.0, 2)
    [1.0, 0.0, 0.0]
    """
    xs = [float(start)]
    for _ in range(steps):
        x = xs[-1]
        try:
            y = x - lr * slope(curve, curvature, x)
        except OverflowError:
            y = math.inf if x < 0 else -math.inf
        if math.isnan(y):
            y = x
        xs.append(y)
    return xs


def judge(curve: str, curvature: float, lr: float, start: float) -> str:
    """Return where the rate leads in the end, one of ``VERDICTS``.

    On the parabola it is exact: with p = lr·curvature, monotone for p ≤ 1, alternating for p < 2, periodic
    at p = 2, diverging above. On the other curves it is read off 4,000 steps: a run that settles at x* is
    alternating if lr·f″(x*) > 1.

    >>> [judge("quadratic", 4.0, lr, 1.0) for lr in (0.1, 0.4, 0.5, 0.51)]
    ['monotone', 'alternating', 'periodic', 'diverging']
    """
    if curve == "quadratic":
        return _exact(lr * curvature)
    tail = descend(curve, curvature, lr, start, 4000)[-65:]
    if not all(abs(x) < FAR for x in tail):
        return "diverging"
    for period in range(1, 33):
        if all(abs(a - b) < 1e-7 for a, b in zip(tail, tail[period:])):
            if period > 1:
                return "periodic"
            return "alternating" if lr * bend(curve, curvature, tail[-1]) > 1 + 1e-9 else "monotone"
    return "wandering"


def _exact(p: float) -> str:
    if abs(p - 2) <= 2e-9:
        return "periodic"
    return "diverging" if p > 2 else "alternating" if p > 1 + 1e-9 else "monotone"


class Stride(Figure):
    """Gradient descent x ← x − lr·f′(x) on a curve, each step drawn, with the limit 2/curvature marked.

    Args:
        lr: the learning rate, 0.0001 to 100; default 0.1.
        curvature: f″ of the parabola, 0.01 to 100; default 4. The other curves have their own.
        start: where the first step begins, −10 to 10; default 2.
        steps: how many steps are drawn, 1 to 500; default 20.
        curve: ``"quadratic"``, ``"tilted"`` (two wells) or ``"dent"`` (a valley with a dent on its slope).
        lang: ``"en"`` or ``"ja"``.

    ``verdict`` follows the controls: monotone, alternating, periodic, diverging or wandering.

    Raises:
        ValueError: a value outside what is allowed; the old one stays.

    >>> s = Stride(curvature=4.0, lr=0.4)
    >>> s.verdict
    'alternating'
    >>> s.lr = 0.51
    >>> s.verdict, [round(x, 3) for x in s.path[:3]]
    ('diverging', [2.0, -2.08, 2.163])
    """

    kind = tl.Unicode("stride").tag(sync=True)
    lr = Number(0.1, 1e-4, 100.0)
    curvature = Number(4.0, 0.01, 100.0)
    start = Number(2.0, -10.0, 10.0)
    steps = Whole(20, 1, 500)
    curve = Choice("quadratic", CURVES)
    verdict = tl.Unicode("monotone", help="where the rate leads in the end").tag(sync=True)

    def __init__(self, **controls):
        super().__init__(**controls)
        self.observe(self._judge, ["lr", "curvature", "start", "curve"])
        self._judge()

    def _judge(self, _change=None) -> None:
        self.verdict = judge(self.curve, self.curvature, self.lr, self.start)

    @property
    def path(self) -> list[float]:
        """x₀ … x_steps for the controls as they are now."""
        return descend(self.curve, self.curvature, self.lr, self.start, self.steps)
