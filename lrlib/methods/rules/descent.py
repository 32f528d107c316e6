"""Descent along the gradient: SGD, heavy ball, Nesterov."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import penalised, rule

if TYPE_CHECKING:
    import torch
    from ..._types import Number, State


@rule("sgd", "element", source="Robbins & Monro 1951")
def sgd(
    x: torch.Tensor, g: torch.Tensor, state: State, t: Number, *, lr: Number = 1e-3, weight_decay: Number = 0.0
) -> tuple[torch.Tensor, State]:
    """Gradient descent: x ← x − η g.

    With weight decay λ the gradient is g + λ x (an L2 penalty), here and in every rule whose
    formula does not say otherwise.

    >>> import torch
    >>> sgd(torch.tensor(1.0), torch.tensor(4.0), {}, 1, lr=0.1)[0]
    tensor(0.6000)
    """
    return x - lr * penalised(g, x, weight_decay), {}


@rule("momentum", "element", ("v",), source="Polyak 1964")
def momentum(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    momentum: Number = 0.9,
    weight_decay: Number = 0.0,
) -> tuple[torch.Tensor, State]:
    """Heavy ball: v ← μ v + g, x ← x − η v.

    The rate stays outside v, so a change of the rate acts at once. ``torch.optim.SGD`` has μ = 0 by default.

    >>> import torch
    >>> x, state = torch.tensor(1.0), {"v": torch.tensor(1.0)}
    >>> momentum(x, torch.tensor(4.0), state, 1, lr=0.1)
    (tensor(0.5100), {'v': tensor(4.9000)})
    """
    v = momentum * state["v"] + penalised(g, x, weight_decay)
    return x - lr * v, {"v": v}


@rule("nesterov", "element", ("v",), source="Nesterov 1983; Sutskever 2013")
def nesterov(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    momentum: Number = 0.9,
    weight_decay: Number = 0.0,
) -> tuple[torch.Tensor, State]:
    """Nesterov's momentum: v ← μ v + g, x ← x − η (g + μ v).

    The form of ``torch.optim.SGD(nesterov=True)``, with the gradient taken where the parameters are stored.

    >>> import torch
    >>> x, state = torch.tensor(1.0), {"v": torch.tensor(1.0)}
    >>> nesterov(x, torch.tensor(4.0), state, 1, lr=0.1)[0]
    tensor(0.1590)
    """
    g = penalised(g, x, weight_decay)
    v = momentum * state["v"] + g
    return x - lr * (g + momentum * v), {"v": v}
