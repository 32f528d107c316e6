"""Sharpness of every lane of a sweep at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...runs.evaluation import cells, evaluating
from ..._base.preserve import random_states
from ..._base.arguments import flag, function, module, shown, tensor_of
from .lanczos import CELLS, LEAST
from .products import of_lanes, pair
from .largest import check_data, check_search, search

if TYPE_CHECKING:
    from ..._types import Data, Loss, Weights


@dataclass(frozen=True)
class LaneEigenvalues:
    """What `sharpness_lanes` found; arrays over the lanes [L], in the parameters' order.

    Attributes:
        value: largest eigenvalue of each lane, float64; nan where its curvature is not finite.
        vector: unit eigenvectors, dict from parameter name to tensor [L, …].
        residual: norm of H v - value·v.
        products: Hessian-vector products that each lane needed, int.
        start: where a search nearby should start, a dict as `vector`.
        converged: bool.
    """

    value: np.ndarray
    vector: dict
    residual: np.ndarray
    products: np.ndarray
    start: dict
    converged: np.ndarray


def sharpness_lanes(
    model: torch.nn.Module,
    loss: Loss,
    parameters: Weights,
    x: Data,
    y: torch.Tensor | None = None,
    *,
    buffers: Weights | None = None,
    own_data: bool = False,
    products: int = 100,
    tol: float = 1e-6,
    accuracy: float | None = None,
    start: LaneEigenvalues | Weights | None = None,
    subset: int | None = None,
    chunk: int | None = None,
    basis: int | None = None,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> LaneEigenvalues:
    r"""Largest Hessian eigenvalue of each of L models that differ in their parameters alone, all in one program.

    .. math:: \lambda^{(l)}_{\max} = \max_{\|v\|=1} v^\top \nabla^2 L(w^{(l)})\, v, \qquad l = 1 \dots L

    Each lane's number is that of `sharpness` on its own, to rounding; lanes that have converged drop out of the work.
    Lanes are taken in groups whose search directions fit into 2²⁶ numbers. The model itself is only read.

    Args:
        model: module that gives the structure, and whatever `parameters` and `buffers` do not name.
        loss: `loss(model(x), y)` gives a scalar tensor.
        parameters: {name: tensor or array [L, …]}, such as `Record.parameters` of a sweep.
        x, y: the batch, for all lanes; `x=(inputs, targets)` with `y=None` serves as well.
        buffers: {name: [L, …]}, such as each lane's batch-norm statistics; default: the model's.
        own_data: x and y have a lane axis in front, a data set for each lane.
        start: the `LaneEigenvalues` of an earlier call (or a dict as its `vector`) to start from.
        products, tol, accuracy, subset, chunk, basis, seed, dtype: as in `sharpness`, for each lane.

    Returns:
        `LaneEigenvalues`.

    Raises:
        ValueError, TypeError: as `sharpness`; parameters whose shapes do not fit the model or each other.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> fourth = lambda output, y: output.square().square().sum() / 12    # second derivative: w²
        >>> found = sharpness_lanes(model, fourth, {"weight": [[[1.0]], [[2.0]], [[-3.0]]]}, torch.ones(1, 1))
        >>> found.value.round(4).tolist()
        [1.0, 4.0, 9.0]

    Source: as `sharpness`.
    """
    module("model", model), function("loss", loss, "(output, y) -> scalar")
    limits = check_search(products, tol, accuracy, basis, seed=seed)
    check_data(chunk, subset, start, dtype)
    own_data = flag("own_data", own_data)
    x, y = pair(x, y)
    parameters = stacked("parameters", parameters, dict(model.named_parameters()))
    lanes = len(next(iter(parameters.values())))
    buffers = stacked("buffers", {} if buffers is None else buffers, dict(model.named_buffers()), lanes)
    if own_data and not all(isinstance(data, torch.Tensor) and len(data) == lanes for data in (x, y)):
        got = ", ".join(f"{len(data)}" if isinstance(data, torch.Tensor) else shown(data) for data in (x, y))
        raise ValueError(f"own_data: x and y must hold one data set for each of {lanes} lanes; got {got}")
    _check_start(start, lanes)
    group = _group(model, parameters, x[0] if own_data else x, chunk, directions=min(products, basis or 24))
    parts = []
    with random_states():
        for chosen in torch.arange(lanes).split(group):
            p, b, v = (_take(part, chosen) for part in (parameters, buffers, getattr(start, "start", start)))
            data = (x[chosen], y[chosen]) if own_data else (x, y)
            build = lambda a, c: of_lanes(model, loss, p, a, y=c, buffers=b, own=own_data, chunk=chunk, dtype=dtype)
            hessian, found = search(build, *data, v, subset=subset, seed=seed, limits=limits, axis=int(own_data))
            parts.append((found, hessian.named(found.vector), hessian.named(found.start)))
    return _joined(parts)


def _check_start(start, lanes):
    """Raise unless the start of a search holds a vector for each lane."""
    for name, vector in (getattr(start, "start", start) or {}).items():
        if tuple(vector.shape[:1]) != (lanes,):
            raise ValueError(f"start: {name!r} must hold {lanes} lanes; got the shape {tuple(vector.shape)}")


def stacked(what, given, expected, lanes=None):
    """{name: [L, …]} as tensors like the model's own; raises for other names or shapes."""
    if not isinstance(given, dict):
        raise TypeError(f"{what} must be a dict from name to tensor [L, …]; got {shown(given)}")
    if unknown := [name for name in given if name not in expected]:
        raise ValueError(f"{what}: the model has no {sorted(map(str, unknown))}; it has {sorted(expected)}")
    if not given and lanes is None:
        raise ValueError(f"{what}: must name at least one of {sorted(expected)}")
    result = {n: tensor_of(f"{what}[{n!r}]", t).to(expected[n]) for n, t in given.items()}
    lanes = next((len(t) if t.ndim else 0 for t in result.values()), 0) if lanes is None else lanes
    if not lanes:
        raise ValueError(f"{what}: must hold at least one lane")
    for name, tensor in result.items():
        if tensor.shape != (lanes, *expected[name].shape):
            raise ValueError(
                f"{what}: {name!r} must have shape {(lanes, *expected[name].shape)}; got {tuple(tensor.shape)}"
            )
    return result


def _group(model, parameters, x, chunk, directions):
    """How many lanes are taken together: their directions and their layers' outputs must fit."""
    size = sum(p[0].numel() for p in parameters.values())
    fitting = CELLS // (size * max(LEAST, directions))
    if isinstance(x, torch.Tensor):
        with evaluating(model):
            fitting = min(fitting, CELLS // (min(len(x), chunk or len(x)) * cells(model, x)))
    return max(1, fitting)


def _take(tensors, chosen):
    return tensors and {n: t[chosen] for n, t in tensors.items()}


def _joined(parts):
    found = [part[0] for part in parts]
    value, residual, products, converged = (
        torch.cat([getattr(f, name) for f in found]).numpy() for name in ("value", "residual", "products", "converged")
    )
    vector, start = ({n: torch.cat([part[i][n] for part in parts]) for n in parts[0][i]} for i in (1, 2))
    return LaneEigenvalues(value, vector, residual, products, start=start, converged=converged)
