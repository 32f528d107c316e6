"""The same function with another Hessian."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from ..._base.arguments import held, module, number, shown

if TYPE_CHECKING:
    from ..._types import Model


def rescaled(model: Model, first: str, second: str, alpha: float) -> Model:
    r"""A copy of a ReLU network whose layer `first` is multiplied by α and whose layer `second` is divided by it.

    .. math:: W_2\, \phi(W_1 x + b_1) = \tfrac1\alpha W_2\, \phi(\alpha W_1 x + \alpha b_1), \qquad \alpha > 0

    for every φ with φ(αz) = αφ(z), such as ReLU, leaky ReLU or none, between the two. The function is the same, the
    Hessian is not: its blocks for W₁ and b₁ shrink by 1/α², those for W₂ grow by α². Sharpness alone therefore says
    nothing about a function.

    Args:
        model: module; stays as it is.
        first, second: names of two layers with a `weight`, as in `model.named_modules()`, one behind the other with
            nothing between them but φ, pooling or flattening.
        alpha: α > 0.

    Returns:
        the new module.

    Raises:
        ValueError: α outside its range, no such layer, one layer twice, a weight that is shared, or computed from
            others as by weight normalisation.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        >>> x = torch.randn(5, 2)
        >>> torch.allclose(rescaled(net, "0", "2", 4.0)(x), net(x), atol=1e-5)
        True

    Source: Dinh et al. (2017), "Sharp minima can generalize for deep nets".
    """
    alpha = number("alpha", alpha, above=0)
    result = copy.deepcopy(module("model", model))
    layers = dict(result.named_modules())
    for what, name in (("first", first), ("second", second)):
        if not isinstance(name, str) or not _has_weight(layers.get(name)):
            known = [n for n, m in layers.items() if _has_weight(m)]
            raise ValueError(f"{what} must name a layer with a weight, one of {known}; got {shown(name)}")
    shared = [id(m.weight) for m in layers.values() if _has_weight(m)]
    if first == second or any(shared.count(id(layers[n].weight)) > 1 for n in (first, second)):
        raise ValueError(f"first and second must name two layers that share no weight; got {first!r} and {second!r}")
    held("alpha", [alpha, 1 / alpha], layers[first].weight.dtype)
    with torch.no_grad():
        layers[first].weight.mul_(alpha)
        if getattr(layers[first], "bias", None) is not None:
            layers[first].bias.mul_(alpha)
        layers[second].weight.div_(alpha)
    return result


def _has_weight(layer):
    return "weight" in getattr(layer, "_parameters", {}) and layer.weight is not None
