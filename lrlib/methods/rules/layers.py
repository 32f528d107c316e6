"""A rate of its own for every layer, from norms: LARS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .base import penalised, rule

if TYPE_CHECKING:
    from ..._types import Number, State


@rule("lars", "tensor", ("v",), source="You 2017")
def lars(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1.0,
    momentum: Number = 0.9,
    weight_decay: Number = 0.0,
    trust: Number = 1e-3,
    eps: Number = 0.0,
    adapt: bool = True,
) -> tuple[torch.Tensor, State]:
    """LARS: v ← μ v + q (g + λ x), x ← x − η v, with q = c ‖x‖ / (‖g‖ + λ ‖x‖ + ε) for each tensor.

    c is ``trust``, so that a step has about c η times the length of the parameters. Where ‖x‖ or ‖g‖ is 0, q = 1.
    As in timm and pytorch-optimizer the rate stays outside v; the paper keeps it inside, which differs only while the
    rate changes. The paper has no ε. ``adapt=False`` sets q = 1: give it to a parameter group of biases and
    normalisation layers, whose norms mean little.

    >>> import torch
    >>> x, g = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0])
    >>> lars(x, g, lars.init(x), 1, lr=1.0, trust=0.1)[0]                           # q = 0.1 · 5 / 2
    tensor([3.0000, 3.5000])
    """
    x_norm, g_norm = torch.linalg.vector_norm(x), torch.linalg.vector_norm(g)
    q = trust * x_norm / (g_norm + weight_decay * x_norm + eps)
    q = torch.where((x_norm > 0) & (g_norm > 0) & (torch.as_tensor(adapt, device=x.device) != 0), q, 1.0)
    v = momentum * state["v"] + q * penalised(g, x, weight_decay)
    return x - lr * v, {"v": v}
