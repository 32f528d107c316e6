"""The barrier between two solutions on the straight way from one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..._base.arguments import module, whole
from .points import check_data, evaluate_points, matched, parameters_of

if TYPE_CHECKING:
    from ..._types import Data, Loss, Solution


MOST_POINTS = 1_000_000  # on the way


@dataclass(frozen=True, eq=False)
class Barrier:
    """What lies between two solutions.

    Attributes:
        at: α, [K]; 0 is the first solution, 1 the second.
        loss: [K], at (1 - α)·first + α·second.
        error: [K], share of wrong answers; None without a metric.
        loss_barrier: the highest loss on the way less the mean of the two ends.
        error_barrier: the same of the error, in percentage points; None without a metric.
    """

    at: np.ndarray
    loss: np.ndarray
    error: np.ndarray | None
    loss_barrier: float
    error_barrier: float | None


def barrier(
    first: torch.nn.Module,
    second: Solution,
    loss: Loss,
    x: Data,
    y: torch.Tensor | None = None,
    *,
    metric: Loss | None = None,
    points: int = 31,
    statistics: torch.Tensor | None = None,
) -> Barrier:
    r"""Loss and error barrier between two solutions on the straight line from one to the other.

    .. math:: \max_\alpha E\big((1-\alpha) w_1 + \alpha w_2\big) - \tfrac12\big(E(w_1) + E(w_2)\big)

    over `points` values of α from 0 to 1, both ends included, evaluated in one batched call. It is at least half of
    the ends' difference. Two runs are linearly connected where the error barrier is about 0; the paper's bound is 2
    percentage points.

    Args:
        first: module, evaluated in evaluation mode and left as it was.
        second: module of the same kind, or dict of its parameters.
        loss: `loss(output, y)`, of all examples.
        x, y: the data; `x=(inputs, targets)` with `y=None` serves as well.
        metric: `metric(output, y)`, the share of right answers, such as `lrlib.tasks.accuracy`.
        points: number of α.
        statistics: inputs, by rule those of the training set, from which batch-norm layers compute their statistics at
            each α. Default: running statistics are interpolated as the parameters are, which makes barriers of nets
            with batch normalisation look higher than they are.

    Returns:
        `Barrier`.

    Raises:
        ValueError, TypeError: parameters that do not fit each other, fewer than 2 points.

    Example:
        >>> left, right = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
        >>> for model, w in ((left, -1.0), (right, 1.0)):
        ...     _ = torch.nn.init.constant_(model.weight, w)
        >>> wells = lambda output, y: (output.square() - 1).square().mean()
        >>> found = barrier(left, right, wells, torch.ones(1, 1), points=3)
        >>> found.loss.tolist(), found.loss_barrier
        ([0.0, 1.0, 0.0], 1.0)

    Source: Frankle et al. (2020), "Linear mode connectivity and the lottery ticket hypothesis".
    """
    module("first", first), whole("points", points, 2, MOST_POINTS)
    x, y = check_data(loss, metric, x, y, statistics=statistics)
    end = matched(first, second, "second")
    origin = parameters_of(first) | _buffers(first)
    end |= _buffers(second) if isinstance(second, torch.nn.Module) else _buffers(first)
    direction = {n: end[n].to(w) - w for n, w in origin.items()}
    at = torch.linspace(0, 1, points, dtype=torch.float64)
    functions = [loss] if metric is None else [loss, metric]
    values = (
        evaluate_points(
            first,
            functions,
            x,
            y,
            origin=origin,
            directions=[direction],
            coefficients=at[:, None],
            statistics=statistics,
        )
        .cpu()
        .numpy()
    )
    error = None if metric is None else 1 - values[:, 1]
    high = None if metric is None else 100 * _height(error)
    return Barrier(at.numpy(), values[:, 0], error, _height(values[:, 0]), error_barrier=high)


def _height(values):
    return float(values.max() - (values[0] + values[-1]) / 2)


def _buffers(model):
    return {n: b.detach() for n, b in model.named_buffers() if b.is_floating_point()}
