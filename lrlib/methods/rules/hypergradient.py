"""The rate learned while training, by its own gradient: hypergradient descent on SGD and Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .base import penalised, rule
from .moments import adam_direction

if TYPE_CHECKING:
    from ..._types import Number, State


@rule("hypergradient_sgd", "global", ("d",), source="Almeida 1999; Baydin 2018", single=("c", "rate"))
def hypergradient_sgd(
    x: list[torch.Tensor],
    g: list[torch.Tensor],
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    hyper_lr: Number = 1e-6,
    weight_decay: Number = 0.0,
    multiplicative: bool = False,
) -> tuple[list[torch.Tensor], State]:
    """SGD that learns its rate: h = g · d₋₁, η ← η₋₁ + β h, x ← x − η d, with d = g.

    −h is the derivative of the loss at x by the rate of the step that led there; the dot product runs over all tensors.
    β is ``hyper_lr``. The rate is ``lr`` plus what was learned, η = lr + c with c ← c + β h: at a constant ``lr`` this
    is the paper's rule from η₀ = lr, and a plan moves the base while c stays, also where the plan ends in 0.
    ``multiplicative=True`` learns a factor of the plan instead, η = lr (1 + c) with 1 + c ← (1 + c) (1 + β h̄) and h̄ the
    cosine between g and d₋₁. Nothing keeps η above 0. The state holds c, the applied η as ``rate``, and d.
    1e-6 and, for Adam, 1e-8 are the β of the authors' code.

    >>> import torch
    >>> x, g = [torch.tensor([1.0])], [torch.tensor([2.0])]
    >>> x, state = hypergradient_sgd(x, g, hypergradient_sgd.init(x), 1, lr=0.1, hyper_lr=0.01)
    >>> x, state = hypergradient_sgd(x, g, state, 2, lr=0.1, hyper_lr=0.01)
    >>> state["rate"], x                                                            # 0.1 + 0.01 · 2 · 2
    (tensor(0.1400), [tensor([0.5200])])
    """
    g = [penalised(one, p, weight_decay) for one, p in zip(g, x)]
    rate, c = _learned(g, state, lr, hyper_lr, multiplicative=multiplicative)
    d = [one.clone() for one in g]  # a gradient's memory is reused
    return [p - rate * one for p, one in zip(x, d)], {"d": d, "c": c, "rate": rate}


@rule("hypergradient_adam", "global", ("d", "m", "v"), source="Baydin 2018", single=("c", "rate"))
def hypergradient_adam(
    x: list[torch.Tensor],
    g: list[torch.Tensor],
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    hyper_lr: Number = 1e-8,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    eps: Number = 1e-8,
    weight_decay: Number = 0.0,
    multiplicative: bool = False,
) -> tuple[list[torch.Tensor], State]:
    """Adam that learns its rate: as `hypergradient_sgd`, with Adam's step d = m̂ / (√v̂ + ε) in place of g.

    >>> import torch
    >>> x, g = [torch.tensor([1.0])], [torch.tensor([2.0])]
    >>> x, state = hypergradient_adam(x, g, hypergradient_adam.init(x), 1, lr=0.1, hyper_lr=0.01)
    >>> x, state = hypergradient_adam(x, g, state, 2, lr=0.1, hyper_lr=0.01)
    >>> state["rate"], x                                                            # 0.1 + 0.01 · 2 · 1
    (tensor(0.1200), [tensor([0.7800])])
    """
    g = [penalised(one, p, weight_decay) for one, p in zip(g, x)]
    rate, c = _learned(g, state, lr, hyper_lr, multiplicative=multiplicative)
    steps = [
        adam_direction(one, {"m": m, "v": v}, t, beta1, beta2=beta2, eps=eps)
        for one, m, v in zip(g, state["m"], state["v"])
    ]
    d = [step for step, _ in steps]
    kept = {name: [moments[name] for _, moments in steps] for name in ("m", "v")}
    return [p - rate * one for p, one in zip(x, d)], {"d": d, **kept, "c": c, "rate": rate}


def _learned(g, state, lr, hyper_lr, multiplicative):
    """The rate of this step and c, both 0-D, from this gradient and the direction of the step before."""
    c, d = state["c"], state["d"]
    h = sum((one.to(c.dtype) * last.to(c.dtype)).sum() for one, last in zip(g, d))
    lengths = (_squared(g, c.dtype) * _squared(d, c.dtype)).sqrt()
    cosine = torch.where(lengths > 0, h / torch.where(lengths > 0, lengths, 1.0), 0.0)
    relative = torch.as_tensor(multiplicative, device=c.device) != 0
    c = torch.where(relative, (1 + c) * (1 + hyper_lr * cosine) - 1, c + hyper_lr * h)
    return torch.where(relative, lr * (1 + c), lr + c).to(c.dtype), c


def _squared(tensors, dtype):
    return sum((tensor.to(dtype) ** 2).sum() for tensor in tensors)
