"""Slices: the loss along a line or over a plane through parameter space."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..._base.arguments import axes_of, module, numbers_of, shown
from .directions import filter_normalised, plane_directions
from .points import check_data, evaluate_points, matched, parameters_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from numpy.typing import ArrayLike
    from ..._types import Data, Loss, Solution


@dataclass(frozen=True, eq=False)
class Slice:
    """The loss over a line or a plane of parameter space.

    Attributes:
        at: the coefficients, one array [A] for a line, two, [A] and [B], for a plane.
        loss: [A] or [A, B], float64.
        metric: likewise, or None.
        marks: coefficients of the points that the slice was laid through, the model first.
    """

    at: tuple
    loss: np.ndarray
    metric: np.ndarray | None = None
    marks: list = field(default_factory=list)


def loss_line(
    model: torch.nn.Module,
    loss: Loss,
    x: Data,
    y: torch.Tensor | None = None,
    *,
    direction: Mapping[str, torch.Tensor] | None = None,
    at: ArrayLike | None = None,
    metric: Loss | None = None,
    statistics: torch.Tensor | None = None,
    seed: int = 0,
) -> Slice:
    r"""The loss along a line through the model, :math:`a \mapsto L(w + a\,d)`, evaluated in one batched call.

    Args:
        model: module, evaluated in evaluation mode and left as it was.
        loss: `loss(model(x), y)`, of all examples.
        x, y: the data, on the model's device; `x=(inputs, targets)` with `y=None` serves as well.
        direction: d, a dict from every parameter's name to a tensor of its shape, such as a sharpness's `vector` where
            all parameters are trainable; default: random and filter-normalised.
        at: coefficients a, [A]; default 51 from -1 to 1.
        metric: also `metric(model(x), y)`, of all examples.
        statistics: inputs, of the training set by rule, from which batch-norm layers compute their statistics at each
            point; default: the model's own at every point.
        seed: of the random direction.

    Returns:
        `Slice`.

    Raises:
        ValueError, TypeError: coefficients or direction that do not fit.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> square = lambda output, y: (output - 2).square().mean()
        >>> origin = torch.nn.init.zeros_(model.weight)
        >>> loss_line(model, square, torch.ones(1, 1), direction={"weight": [[1.0]]}, at=[0, 1, 2, 3]).loss.tolist()
        [4.0, 1.0, 0.0, 1.0]

    Source: Goodfellow, Vinyals & Saxe (2015) for lines, Li et al. (2018) for the normalisation.
    """
    module("model", model)
    direction = filter_normalised(model, seed) if direction is None else direction
    at = (_coefficients("at", np.linspace(-1, 1, 51) if at is None else at),)
    return _slice(
        model,
        loss,
        x,
        y,
        directions=[matched(model, direction, "direction")],
        at=at,
        metric=metric,
        statistics=statistics,
        marks=[(0.0,)],
    )


def loss_plane(
    model: torch.nn.Module,
    loss: Loss,
    x: Data,
    y: torch.Tensor | None = None,
    *,
    directions: Sequence[Mapping[str, torch.Tensor]] | None = None,
    through: Solution | Sequence[Solution] | None = None,
    at: ArrayLike | Sequence[ArrayLike] | None = None,
    metric: Loss | None = None,
    statistics: torch.Tensor | None = None,
    seed: int = 0,
) -> Slice:
    r"""The loss over a plane through the model, :math:`(a, b) \mapsto L(w + a\,d_1 + b\,d_2)`, in one batched call.

    Args:
        model, loss, x, y, metric, statistics, seed: as in `loss_line`.
        directions: d₁ and d₂; default: two random ones, filter-normalised.
        through: one or two other solutions (modules or dicts of parameters) that the plane goes through instead: d₁ is
            the way to the first; d₂ is orthogonal to it and as long, towards the second, or random.
        at: coefficients, one sequence for both axes or a pair of them; default 25 from -1 to 1, or from -0.5 to 1.5
            towards a solution.

    Returns:
        `Slice`, whose `marks` are the coefficients of the model and of the solutions.

    Raises:
        ValueError, TypeError: `directions` together with `through`; what does not fit.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> w = torch.nn.init.zeros_(model.weight)
        >>> bowl = lambda output, y: output.square().mean()
        >>> d = [{"weight": [[1.0, 0.0]]}, {"weight": [[0.0, 1.0]]}]
        >>> loss_plane(model, bowl, torch.tensor([[1.0, 2.0]]), directions=d, at=([0, 1], [0, 1, 2])).loss.tolist()
        [[0.0, 4.0, 16.0], [1.0, 9.0, 25.0]]

    Source: Li et al. (2018); Garipov et al. (2018) for planes through solutions.
    """
    module("model", model)
    for name, several in (("directions", directions), ("through", through)):
        if several is not None and not isinstance(several, (tuple, list)):
            raise TypeError(f"{name} must be a list of modules or of dicts from name to tensor; got {shown(several)}")
    if directions is not None and through is not None:
        raise ValueError("directions and through exclude each other: a plane is given by one of them")
    marks = [(0.0, 0.0)]
    if through is not None:
        others = [matched(model, other, "through") for other in through]
        directions, marks = plane_directions(parameters_of(model), others, filter_normalised(model, seed))
    elif directions is None:
        directions = [filter_normalised(model, seed), filter_normalised(model, seed + 1)]
    if len(directions) != 2:
        raise ValueError(f"directions must be two; got {len(directions)}")
    at = _axes(at, [(-1, 1)] * 2 if through is None else [(-0.5, 1.5), (-1, 1) if len(marks) == 2 else (-0.5, 1.5)])
    directions = [matched(model, d, "directions") for d in directions]
    return _slice(model, loss, x, y, directions=directions, at=at, metric=metric, statistics=statistics, marks=marks)


def _slice(model, loss, x, y, directions, at, metric, statistics, marks):
    x, y = check_data(loss, metric, x, y, statistics=statistics)
    coefficients = torch.cartesian_prod(*map(torch.from_numpy, at)).reshape(-1, len(at))
    functions = [loss] if metric is None else [loss, metric]
    values = evaluate_points(
        model,
        functions,
        x,
        y,
        origin=parameters_of(model),
        directions=directions,
        coefficients=coefficients,
        statistics=statistics,
    )
    grids = [column.cpu().numpy().reshape([len(a) for a in at]) for column in values.T]
    return Slice(at, grids[0], None if metric is None else grids[1], marks)


def _axes(at, ends):
    if at is None:
        at = [np.linspace(*end, 25) for end in ends]
    pair = at if isinstance(at, (tuple, list)) and len(at) == 2 and all(map(axes_of, at)) else (at, at)
    return tuple(_coefficients("at", a) for a in pair)


def _coefficients(name, values):
    found = numbers_of(name, values)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise ValueError(f"{name} must be a sequence of finite numbers; got {shown(values)}")
    return found
