"""Steps scaled by the size of past gradients: AdaGrad, RMSProp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import penalised, rule

if TYPE_CHECKING:
    import torch
    from ..._types import Number, State


@rule("adagrad", "element", ("s",), source="Duchi 2011")
def adagrad(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-2,
    eps: Number = 1e-10,
    weight_decay: Number = 0.0,
) -> tuple[torch.Tensor, State]:
    """AdaGrad: s ← s + g², x ← x − η g / (√s + ε).

    >>> import torch
    >>> adagrad(torch.tensor(1.0), torch.tensor(3.0), {"s": torch.tensor(16.0)}, 1, lr=0.1)
    (tensor(0.9400), {'s': tensor(25.)})
    """
    g = penalised(g, x, weight_decay)
    s = state["s"] + g * g
    return x - lr * (g / (s.sqrt() + eps)), {"s": s}


@rule("rmsprop", "element", ("v",), source="Hinton 2012, lecture 6e")
def rmsprop(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-2,
    alpha: Number = 0.99,
    eps: Number = 1e-8,
    weight_decay: Number = 0.0,
) -> tuple[torch.Tensor, State]:
    """RMSProp: v ← α v + (1 − α) g², x ← x − η g / (√v + ε).

    >>> import torch
    >>> rmsprop(torch.tensor(1.0), torch.tensor(3.0), {"v": torch.tensor(0.0)}, 1, lr=0.05)[0]
    tensor(0.5000)
    """
    g = penalised(g, x, weight_decay)
    v = alpha * state["v"] + (1 - alpha) * (g * g)
    return x - lr * (g / (v.sqrt() + eps)), {"v": v}
