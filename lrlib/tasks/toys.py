"""Tasks without data: quadratics and double wells, for one point or many walkers (seeds)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .._base.arguments import held, number, shown
from .task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any
    from .._types import Noise, Values


class Point(nn.Module):
    """A point x [d] as a module: it returns x whatever its input, so that the loss is a function of x.

    >>> Point([1.0, 2.0])(None).data
    tensor([1., 2.])
    """

    def __init__(self, start: Sequence[float]) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(_coordinates("start", start), dtype=torch.float32))

    def forward(self, _: Any) -> torch.Tensor:
        """Return the point, [d]."""
        return self.x


def _quadratic_loss(x, curvatures):
    return 0.5 * (curvatures[0] * x.square()).sum()


def _norm(x, _):
    return x.square().sum().sqrt()


def quadratic(
    curvatures: float | Sequence[float] = (4.0,),
    start: float | Sequence[float] | None = None,
    noise: Noise = 0.0,
    steps: int = 50,
) -> Task:
    """f(x) = ½ Σ λᵢ xᵢ² with the given curvatures λ, one or several; gradient descent is stable at rates below 2/max λ.

    ``start``: the first point, [d]; default all 1. ``noise``: standard deviation of the gradient noise. The metric
    is the distance ‖x‖ from the minimum; ``optimum`` = 0. Parameter: ``x``. Curvatures may be negative (a saddle).

    >>> task = quadratic(curvatures=(4.0, 1.0), start=(1.0, -2.0))
    >>> task.loss(task.model()(None), task.train[1])
    tensor(4., grad_fn=<MulBackward0>)
    """
    curvatures = _coordinates("curvatures", curvatures)
    if not curvatures:
        raise ValueError("quadratic: curvatures must be at least one number; got none")
    start = (1.0,) * len(curvatures) if start is None else _coordinates("start", start)
    if len(start) != len(curvatures):
        raise ValueError(f"quadratic: start must have {len(curvatures)} numbers, like curvatures; got {start!r}")
    train = (torch.zeros(1, 1), torch.tensor([curvatures]))
    least = 0.0 if min(curvatures) >= 0 else None
    return Task(
        "quadratic",
        functools.partial(Point, start),
        train,
        None,
        test=None,
        loss=_quadratic_loss,
        metric=_norm,
        batch=None,
        steps=steps,
        noise=noise,
        metric_name="distance",
        optimum=least,
        details={"curvatures": curvatures},
    )


def _coordinates(name, values):
    """One number or several as a tuple of floats that float32 holds."""
    if isinstance(values, (str, bytes, dict, set)):
        raise TypeError(f"{name} must be a number or a list of numbers; got {shown(values)}")
    listed = values.tolist() if hasattr(values, "tolist") else values
    listed = listed if np.iterable(listed) else [listed]
    return tuple(held(name, number(name, value, least=-np.inf), torch.float32) for value in listed)


def _tilted(x):
    return 0.05 * x**4 - 0.5 * x**2 + 0.15 * x


def _tilted_slope(x):
    return 0.2 * x**3 - x + 0.15


DENT = {"at": -3.0, "depth": 0.8, "width": 0.3, "curvature": 0.25}


def _dent(x):
    hollow = -DENT["depth"] * _exp(-(((x - DENT["at"]) / DENT["width"]) ** 2) / 2)
    return 0.5 * DENT["curvature"] * x**2 + hollow


def _dent_slope(x):
    u = (x - DENT["at"]) / DENT["width"]
    return DENT["curvature"] * x + DENT["depth"] / DENT["width"] * u * _exp(-(u**2) / 2)


def _exp(x):
    return x.exp() if isinstance(x, torch.Tensor) else np.exp(x)


WELLS = {"tilted": (_tilted, _tilted_slope, 4.0, "right"), "dent": (_dent, _dent_slope, 6.0, "left")}


class Well:
    """A double well f as a function of x, with straight tails beyond ±bound so that its slope stays bounded.

    ``f(x)`` takes and returns a float, an array or a tensor; ``f.slope(x)`` likewise. Shifted so that the least value
    is 0. ``f.left``, ``f.right``: the bottoms; ``f.barrier``: the top between them; ``f.lower``: "left" or "right",
    the deeper well; ``f.curvatures``: second derivatives at (left, right).

    >>> f = Well("tilted")
    >>> round(f.left, 3), round(f.barrier, 3), round(f.right, 3), f.lower, [round(c, 2) for c in f.curvatures]
    (-2.308, 0.151, 2.157, 'left', [2.2, 1.79])
    """

    def __init__(self, kind: str) -> None:
        if not isinstance(kind, str) or kind not in WELLS:
            raise ValueError(f"double_well: kind must be one of {', '.join(map(repr, WELLS))}; got {shown(kind)}")
        self._f, self._slope, self.bound, self.start = WELLS[kind]
        self.left, self.barrier, self.right = _zeros(self._slope, self.bound)
        self.lower = "left" if self._f(self.left) < self._f(self.right) else "right"
        self.least = float(min(self._f(self.left), self._f(self.right)))
        self.curvatures = tuple((self._slope(x + 1e-5) - self._slope(x - 1e-5)) / 2e-5 for x in (self.left, self.right))

    def _clip(self, x):
        return x.clamp(-self.bound, self.bound) if isinstance(x, torch.Tensor) else np.clip(x, -self.bound, self.bound)

    def __call__(self, x: Values) -> Values:
        """Height f(x) − min f ≥ 0."""
        z = self._clip(x)
        return self._f(z) + self._slope(z) * (x - z) - self.least

    def slope(self, x: Values) -> Values:
        """Derivative f′(x), constant beyond ±bound."""
        return self._slope(self._clip(x))


def _zeros(slope, bound):
    """Roots of ``slope`` in (−bound, bound), refined by bisection."""
    grid = np.linspace(-bound, bound, 4001)
    values = slope(grid)
    roots = []
    for i in np.flatnonzero(values[:-1] * values[1:] < 0):
        low, high = grid[i], grid[i + 1]
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(low) * slope(middle) > 0 else (low, middle)
        roots.append(float((low + high) / 2))
    return roots


def _well_loss(well, x, _):
    return well(x).sum()


def _in_lower(well, x, _):
    inside = x < well.barrier if well.lower == "left" else x > well.barrier
    return inside.to(x.dtype).mean()


def double_well(kind: str = "tilted", start: str | float | None = None, noise: Noise = 2.0, steps: int = 2000) -> Task:
    """One point in a double well, with Gaussian gradient noise; each seed is a walker.

    ``kind="tilted"``: f(x) = 0.05x⁴ − 0.5x² + 0.15x, whose deeper well (left) is the sharper one, start in the other.
    ``kind="dent"``: the opposite, a small sharp dent (left, start) beside a wide and deeper valley. Both are shifted
    to a least value of 0 and continue as straight lines beyond ±4 and ±6, which bounds the gradient.
    ``start``: "left", "right" or a number. ``noise``: standard deviation, or a function of x for noise that depends
    on the state. The metric is 1 in the deeper well and 0 elsewhere; ``details["f"]`` is the `Well`. Parameter: ``x``.

    >>> double_well("dent").details["f"].lower
    'right'
    """
    well = Well(kind)
    start = well.start if start is None else start
    named = isinstance(start, str) and start in ("left", "right")
    point = getattr(well, start) if named else held("start", number("start", start, least=-np.inf), torch.float32)
    train = (torch.zeros(1, 1), torch.zeros(1, 1))
    return Task(
        f"double_well_{kind}",
        functools.partial(Point, (point,)),
        train,
        None,
        test=None,
        loss=functools.partial(_well_loss, well),
        metric=functools.partial(_in_lower, well),
        batch=None,
        steps=steps,
        noise=noise,
        metric_name="share in the deeper well",
        optimum=0.0,
        details={"f": well},
    )
