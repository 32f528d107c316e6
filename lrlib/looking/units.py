"""What the units of a network do on a data set: how many stay silent, and how many directions their outputs span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from .._base.arguments import filled, module, numbers_of, shown, whole
from .curvature.lanes import stacked
from ..runs.evaluation import CELLS, cells, evaluating
from .landscape.points import batched
from .._base.preserve import random_states
from .._base.device import widest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from numpy.typing import ArrayLike
    from .._types import Weights

RECTIFIERS = (nn.ReLU, nn.ReLU6)


@dataclass(frozen=True, eq=False)
class Activity:
    """What one layer's outputs look like over a data set; with lanes every attribute but `layer` has a lane axis [L].

    Attributes:
        layer: name of the module; "#2" is added for the second time it is used in one pass.
        sparsity: share of outputs that are exactly 0.
        never_active: [units], whether the unit is 0 for every example (and at every position); a "dead" ReLU.
        effective_rank: of the features, examples × everything else, from 1 to their number; nan for outputs all 0.
    """

    layer: str
    sparsity: float
    never_active: np.ndarray
    effective_rank: float

    @property
    def dead(self) -> float:
        """Share of units that are never active."""
        return self.never_active.mean(axis=-1)


def activity(
    model: torch.nn.Module,
    x: torch.Tensor,
    *,
    layers: Sequence[str] | None = None,
    parameters: Weights | None = None,
    buffers: Weights | None = None,
    axis: int = 1,
) -> list[Activity]:
    r"""Sparsity, never-active units and effective rank of layers, over the whole of `x`, one pass.

    The model is in evaluation mode; modes, buffers and random state are put back, the hooks removed. Examples are taken
    in pieces, and features enter the rank through a running QR decomposition, so memory stays bounded.

    Args:
        model: module.
        x: inputs [n, …], on the model's device.
        layers: names of modules, as in `model.named_modules()`; default: all `nn.ReLU` and `nn.ReLU6`.
        parameters, buffers: {name: [L, …]} of the lanes of a sweep, such as `Record.parameters`: all lanes are then
            evaluated together, and every number of the result becomes an array [L].
        axis: of a layer's output, along which its units lie; 1 suits fully connected layers and convolutions.

    Returns:
        list of `Activity`, in the order of the forward pass.

    Raises:
        ValueError: an unknown layer, or none; a named layer that is not used; parameters that do not fit; no examples.
        TypeError: what is no module or no tensor; a layer whose output is no tensor.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU())
        >>> _ = nn.init.constant_(net[0].weight, 1.0)
        >>> net[0].weight.data[1] = -1.0
        >>> (found,) = activity(net, torch.tensor([[1.0], [2.0]]))
        >>> found.layer, found.sparsity, found.never_active.tolist(), found.effective_rank
        ('1', 0.5, [False, True], 1.0)

    Source: Glorot, Bordes & Bengio (2011) for sparsity; Roy & Vetterli (2007) for the rank.
    """
    module("model", model), whole("axis", axis)
    if not isinstance(filled("x", x), torch.Tensor):
        raise TypeError(f"x must be a tensor, all inputs at once; got {shown(x)}")
    layers = _named(layers)
    names, own = _layers(model, layers), dict(model.named_parameters())
    if parameters is None and buffers is not None:
        raise ValueError("buffers belong to lanes: give parameters too")
    points = {} if parameters is None else stacked("parameters", parameters, own)
    lanes = len(next(iter(points.values()))) if points else 1
    points |= stacked("buffers", {} if buffers is None else buffers, dict(model.named_buffers()), lanes)
    with random_states(), evaluating(model):
        size = max(1, CELLS // cells(model, x))
        group = max(1, CELLS // (min(size, len(x)) * cells(model, x)))
        parts = []
        for chosen in torch.arange(lanes).split(group):
            some = {n: t[chosen] for n, t in points.items()}
            sums = {}
            for piece in x.split(size):
                for name, out in _outputs(model, names, some, piece).items():
                    sums.setdefault(name, _Sums(axis)).add(out)
            if unused := set(layers or ()) - {name.partition("#")[0] for name in sums}:
                raise ValueError(f"layers: the model makes no use of {sorted(unused)}")
            parts.append(sums)
    return [_joined(name, [part[name] for part in parts], parameters is None) for name in parts[0]]


def effective_rank(features: ArrayLike | torch.Tensor) -> float | np.ndarray:
    r"""Number of directions that the rows of a matrix span, weighted by how much they span them.

    .. math:: \exp\Big(-\sum_i p_i \ln p_i\Big), \qquad p_i = \sigma_i \Big/ \sum_j \sigma_j

    with the singular values σ: 1 for rank one, k for k equal singular values. The features are not centred.

    Args:
        features: [n, d], or [L, n, d] for L matrices; tensor or array.

    Returns:
        float, or array [L]; nan where all entries are 0 or one is not finite.

    Raises:
        ValueError, TypeError: another shape; what is no array of real numbers.

    Example:
        >>> round(effective_rank(torch.eye(5)), 6), round(effective_rank(torch.ones(5, 3)), 6)
        (5.0, 1.0)

    Source: Roy & Vetterli (2007), "The effective rank: a measure of effective dimensionality".
    """
    features = features if isinstance(features, torch.Tensor) else torch.from_numpy(numbers_of("features", features))
    if features.is_complex() or features.dtype == torch.bool:
        raise TypeError(f"features must be numbers; got {features.dtype}")
    if features.dim() not in (2, 3):
        raise ValueError(f"features must have the shape [n, d] or [L, n, d]; got {tuple(features.shape)}")
    lanes = features if features.dim() == 3 else features[None]
    rank = _rank(lanes.to(widest(features.device)))
    return rank if features.dim() == 3 else float(rank[0])


class _Sums:
    """Running sums of one layer over the pieces of a data set, each with a lane axis."""

    def __init__(self, axis):
        self.axis, self.zeros, self.count, self.active, self.root = axis, 0, 0, False, None

    def add(self, out):
        """Take in the outputs [L, n, …] of one piece."""
        if out.dim() <= self.axis + 1:
            raise ValueError(f"axis must be one of the layer's output, shape {tuple(out.shape[1:])}; got {self.axis}")
        zero = out == 0
        self.zeros = self.zeros + zero.flatten(1).sum(1)
        self.count += out[0].numel()
        self.active = self.active | ~zero.movedim(self.axis + 1, 1).flatten(2).all(2)
        rows = out.flatten(2).to(widest(out.device))
        rows = rows if self.root is None else torch.cat([self.root, rows], dim=1)
        self.root = torch.linalg.qr(rows, mode="r").R if rows.shape[1] > rows.shape[2] else rows


def _joined(name, sums, single):
    sparsity = torch.cat([s.zeros / s.count for s in sums]).double().cpu().numpy()
    never = (~torch.cat([s.active for s in sums])).cpu().numpy()
    rank = np.concatenate([_rank(s.root) for s in sums])
    if single:
        return Activity(name, float(sparsity[0]), never[0], float(rank[0]))
    return Activity(name, sparsity, never, rank)


def _rank(rows):
    fine = torch.isfinite(rows).flatten(1).all(1) & (rows != 0).flatten(1).any(1)
    sigma = torch.linalg.svdvals(torch.where(fine[:, None, None], rows, 1.0))
    p = sigma / sigma.sum(-1, keepdim=True)
    rank = torch.special.entr(p).sum(-1).exp()
    return torch.where(fine, rank, torch.nan).cpu().numpy()


def _named(layers):
    """Names of layers as a list, or None."""
    if layers is None:
        return None
    names = [layers] if isinstance(layers, str) else layers
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"layers must be names of modules, or None; got {shown(layers)}")
    return list(names)


def _layers(model, layers):
    known = dict(model.named_modules())
    if layers is None:
        layers = [n for n, m in known.items() if isinstance(m, RECTIFIERS)]
    if not layers:
        raise ValueError("layers: none is named, and the model has no ReLU module; name the layers to watch")
    if unknown := [n for n in layers if n not in known]:
        raise ValueError(f"layers: the model has no {unknown}; it has {sorted(n for n in known if n)}")
    return {n: known[n] for n in dict.fromkeys(layers)}


def _outputs(model, layers, points, x):
    """{layer: outputs [L, n, …]} of one pass; without `points` L is 1 and the model's own parameters serve."""

    def one(point):
        found = {}
        hooks = [layer.register_forward_hook(_keep(found, name)) for name, layer in layers.items()]
        try:
            functional_call(model, point, (x,))
        finally:
            for hook in hooks:
                hook.remove()
        return found

    return batched(one, points) if points else {n: out[None] for n, out in one({}).items()}


def _keep(found, name):
    def hook(_module, _inputs, output):
        if not isinstance(output, torch.Tensor):
            raise TypeError(f"layers: the output of {name!r} must be a tensor; got {type(output).__name__}")
        uses = sum(known.partition("#")[0] == name for known in found)
        found[f"{name}#{uses + 1}" if uses else name] = output.clone()  # a later layer may work in place

    return hook
