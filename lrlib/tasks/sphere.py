"""Training on a sphere: networks whose output does not depend on the length of their weights, and the way back."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from .._base.arguments import MOST_UNITS, held, layers_of, number, shown, sizes_of, whole
from .data import mnist1d

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any
    from .task import Task

NORMS = ("layer", "batch")


class FrozenLinear(nn.Module):
    """A linear map without bias whose matrix is a buffer: no gradient, no update, the same under `vmap`.

    inputs, outputs: its size.  norm: Frobenius norm of the matrix, which is drawn as ``nn.Linear`` draws its own and
    rescaled; ``ValueError`` unless it is above 0.

    >>> layer = FrozenLinear(32, 1, norm=10.0)
    >>> round(layer.weight.norm().item(), 4), list(layer.parameters())
    (10.0, [])
    """

    def __init__(self, inputs: int, outputs: int, norm: float = 10.0) -> None:
        super().__init__()
        inputs, outputs = whole("inputs", inputs, most=MOST_UNITS), whole("outputs", outputs, most=MOST_UNITS)
        norm = length("norm", norm)
        weight = nn.init.kaiming_uniform_(torch.empty(outputs, inputs), a=math.sqrt(5))
        self.register_buffer("weight", weight * (norm / weight.norm()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [n, inputs] → [n, outputs]."""
        return nn.functional.linear(x, self.weight)


def scale_invariant_mlp(
    sizes: Sequence[int], readout: float = 10.0, norm: str = "layer", eps: float = 1e-7
) -> nn.Sequential:
    r"""Return a ReLU network whose output stays the same when a layer's weights are multiplied by a positive number.

    Every hidden layer is linear without bias → normalisation without affine parameters → ReLU; the read-out is a
    `FrozenLinear`. So :math:`f(c\,w) = f(w)` for c > 0 (up to ``eps``), the gradient is orthogonal to w and
    :math:`\nabla f(c\,w) = \nabla f(w)/c`: plain descent at rate η on the sphere of radius ρ is descent at the
    effective rate :math:`\eta/\rho^2` on the unit sphere. Weights: N(0, 1), then the vector of all of them scaled to
    length 1.

    Args:
        sizes: inputs, hidden layers (at least one), outputs.
        readout: Frobenius norm of the frozen read-out.
        norm: "layer" (`nn.LayerNorm`) or "batch" (`nn.BatchNorm1d`).
        eps: added to the variance.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Example:
        >>> model, x = scale_invariant_mlp([4, 8, 8, 2]), torch.randn(5, 4)
        >>> before = model(x)
        >>> with torch.no_grad():
        ...     for p in model.parameters():
        ...         _ = p.mul_(3.0)
        >>> bool(torch.allclose(model(x), before, atol=1e-4))
        True

    Source: Kodryan et al. (2022), "Training scale-invariant neural networks on the sphere can happen in three regimes".
    """
    sizes = sizes_of("sizes", sizes, fewest=3)
    _known(norm), length("readout", readout), length("eps", eps)
    layers = []
    for fan_in, fan_out in zip(sizes[:-2], sizes[1:-1]):
        layers += [_normal(nn.Linear(fan_in, fan_out, bias=False)), _norm(norm, fan_out, eps), nn.ReLU()]
    model = nn.Sequential(*layers, FrozenLinear(*sizes[-2:], norm=readout))
    with torch.no_grad():
        for p, q in zip(model.parameters(), _Sphere()(dict(model.named_parameters())).values()):
            p.copy_(q)
    return model


def _normal(linear):
    nn.init.normal_(linear.weight)
    return linear


def _known(norm):
    if not isinstance(norm, str) or norm not in NORMS:
        raise ValueError(f'norm must be "layer" or "batch"; got {shown(norm)}')


def length(name, value):
    """A number above 0 that float32 holds."""
    return held(name, number(name, value, above=0), torch.float32)


def _norm(kind, features, eps):
    if kind == "batch":
        return nn.BatchNorm1d(features, eps=eps, affine=False)
    return nn.LayerNorm(features, eps=eps, elementwise_affine=False)


@dataclasses.dataclass(frozen=True)
class _Sphere:
    """All parameters rescaled together to the length ``norm``; what `unit_sphere` returns."""

    norm: float = 1.0

    def __call__(self, parameters):
        """{name: tensor} → {name: tensor}."""
        length = torch.sqrt(sum(p.square().sum() for p in parameters.values()))
        return {name: p * (self.norm / length) for name, p in parameters.items()}


def unit_sphere(norm: float = 1.0) -> Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]:
    r"""Return a function for ``Task.project``: it puts the vector of all parameters back on a sphere.

    .. math:: w \mapsto \rho\, w / \|w\|, \qquad \|w\|^2 = \sum_{\text{tensors}} \|w_i\|^2

    Args:
        norm: ρ. At a rate η the effective rate is η/ρ²; on the unit sphere they are equal.

    Raises:
        ValueError, TypeError: ``norm`` is no positive number.

    Example:
        >>> project = unit_sphere(norm=2.0)
        >>> {name: w.tolist() for name, w in project({"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}).items()}
        {'a': [1.2000000476837158], 'b': [1.600000023841858]}
    """
    return _Sphere(length("norm", norm))


def mnist1d_sphere(
    train: int = 4000,
    valid: int = 10000,
    test: int = 10000,
    width: int = 128,
    depth: int = 2,
    batch: int = 100,
    steps: int = 6000,
    fresh: bool = True,
    *,
    readout: float = 10.0,
    norm: str = "layer",
    radius: float = 1.0,
    **knobs: Any,
) -> Task:
    """MNIST-1D for a scale-invariant network 40-width-…-10 that is trained on the sphere of length ``radius``.

    The data are those of `mnist1d`, the network is `scale_invariant_mlp` (``readout``, ``norm``), and `unit_sphere`
    puts the weights back after every step. At ``radius`` 1 the rate is the effective rate. ``knobs``: as for `mnist1d`.

    Raises ``TypeError``/``ValueError`` naming a wrong option.

    >>> task = mnist1d_sphere(train=50, valid=20, test=20)
    >>> task, round(sum(p.square().sum() for p in task.model().parameters()).item(), 4)
    (<task mnist1d_sphere: batch 100, 6000 steps>, 1.0)
    """
    _known(norm), length("readout", readout), length("radius", radius), layers_of(width, depth, least=1)
    data = mnist1d(train, valid, test, batch=batch, steps=steps, fresh=fresh, **knobs)
    sizes = [knobs.get("final_seq_length", 40), *layers_of(width, depth, least=1), 10]
    model = functools.partial(scale_invariant_mlp, sizes, readout, norm)
    project = unit_sphere(radius)
    return dataclasses.replace(data, name="mnist1d_sphere", model=model, project=project)
