"""Running means of the gradient and of its square: Adam and its family."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ..._base.device import widest
from .base import penalised, rule

if TYPE_CHECKING:
    from ..._types import Number, State


@rule("adam", "element", ("m", "v"), source="Kingma & Ba 2015")
def adam(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    eps: Number = 1e-8,
    weight_decay: Number = 0.0,
) -> tuple[torch.Tensor, State]:
    """Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², x ← x − η m̂ / (√v̂ + ε).

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) correct the bias of starting at zero, so the first step has
    length η in every entry whatever the size of the gradient.

    >>> import torch
    >>> x = torch.tensor([1.0, 1.0])
    >>> adam(x, torch.tensor([5.0, -0.01]), adam.init(x), 1, lr=0.1)[0]
    tensor([0.9000, 1.1000])
    """
    m, v = _moments(penalised(g, x, weight_decay), state, beta1, beta2)
    return x - lr * _direction(m, v, t, beta1, beta2=beta2, eps=eps), {"m": m, "v": v}


@rule("amsgrad", "element", ("m", "v", "v_max"), source="Reddi 2018")
def amsgrad(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    eps: Number = 1e-8,
    weight_decay: Number = 0.0,
) -> tuple[torch.Tensor, State]:
    """AMSGrad: Adam with the largest v so far, v_max ← max(v_max, v), x ← x − η m̂ / (√v̂_max + ε).

    The step of an entry can no longer grow because old, large gradients are forgotten. As in
    ``torch.optim.Adam(amsgrad=True)`` the maximum is taken before the bias is corrected; the paper corrects no bias.

    >>> x, state = torch.zeros(1), {"m": torch.zeros(1), "v": torch.zeros(1), "v_max": torch.tensor([9.0])}
    >>> amsgrad(x, torch.tensor([1.0]), state, 1, lr=0.3, beta1=0.0, beta2=0.0)[0]
    tensor([-0.1000])
    """
    m, v = _moments(penalised(g, x, weight_decay), state, beta1, beta2)
    v_max = torch.maximum(state["v_max"], v)
    return x - lr * _direction(m, v_max, t, beta1, beta2=beta2, eps=eps), {"m": m, "v": v, "v_max": v_max}


@rule("adamw", "element", ("m", "v"), source="Loshchilov & Hutter 2019")
def adamw(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    eps: Number = 1e-8,
    weight_decay: Number = 1e-2,
) -> tuple[torch.Tensor, State]:
    """AdamW: Adam with the decay outside the moments, x ← x − η (m̂ / (√v̂ + ε) + λ x).

    As in ``torch.optim.AdamW``, λ is multiplied by the rate, so only the product η λ sets the shrinking.

    >>> import torch
    >>> x = torch.tensor([1.0, 1.0])
    >>> adamw(x, torch.tensor([5.0, 0.0]), adamw.init(x), 1, lr=0.1, weight_decay=0.1)[0]
    tensor([0.8900, 0.9900])
    """
    m, v = _moments(g, state, beta1, beta2)
    return x - lr * (_direction(m, v, t, beta1, beta2=beta2, eps=eps) + weight_decay * x), {"m": m, "v": v}


@rule("adabelief", "element", ("m", "s"), source="Zhuang 2020")
def adabelief(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    eps: Number = 1e-16,
    weight_decay: Number = 0.0,
    accumulate: bool = True,
) -> tuple[torch.Tensor, State]:
    """AdaBelief: s ← β₂ s + (1 − β₂) (g − m)² + ε, x ← x − η (m̂ / (√ŝ + ε) + λ x).

    A step is long where the gradient is near its running mean m. ε enters twice: below the root, and added to s at
    every step, where it accumulates to ε / (1 − β₂). That is Algorithm 2 of the paper and what ``adabelief-pytorch``
    does, and the default here; ``accumulate=False`` leaves it out of s. The authors' repository disputes it: the
    gain on CIFAR vanishes without the inner ε (its issue 23), with ε = 1e-8 it rules s and the method is nearly SGD
    (57), the accumulation was not meant (61). An ε of Adam is one of ε² here, so 1e-16 answers to Adam's 1e-8. The
    decay is AdamW's; rectification, on by default in ``adabelief-pytorch``, is not part of the paper's algorithm.

    >>> x, g = torch.zeros(1), torch.tensor([1.0])
    >>> adabelief(x, g, adabelief.init(x), 1, lr=0.1, beta1=0.5, beta2=0.0)[0]       # m̂ = 1, g − m = 1/2
    tensor([-0.2000])
    >>> adabelief(x, g, adabelief.init(x), 1, lr=0.1, beta1=0.5, beta2=0.0, eps=0.75)[0]
    tensor([-0.0571])
    """
    m = beta1 * state["m"] + (1 - beta1) * g
    s = beta2 * state["s"] + (1 - beta2) * (g - m) ** 2 + accumulate * eps
    return x - lr * penalised(_direction(m, s, t, beta1, beta2=beta2, eps=eps), x, weight_decay), {"m": m, "s": s}


@rule("radam", "element", ("m", "v"), source="Liu 2020")
def radam(
    x: torch.Tensor,
    g: torch.Tensor,
    state: State,
    t: Number,
    *,
    lr: Number = 1e-3,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    eps: Number = 1e-8,
    weight_decay: Number = 0.0,
    threshold: Number = 5.0,
) -> tuple[torch.Tensor, State]:
    """RAdam: x ← x − η r m̂ / √v̂ once ρ > 5, before that x ← x − η m̂.

    ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ), ρ∞ = 2 / (1 − β₂) − 1, says how many gradients v rests on, and
    r² = (ρ − 4) (ρ − 2) ρ∞ / ((ρ∞ − 4) (ρ∞ − 2) ρ) makes up for the variance of so few. The paper's threshold is 4;
    5 is that of the authors' code and of ``torch.optim.RAdam``, whose ε also stands here: √v̂ is √v + ε over √(1 − β₂ᵗ).

    >>> x, g = torch.zeros(1), torch.tensor([7.0])
    >>> radam(x, g, radam.init(x), 1, lr=0.1)[0]                                    # ρ = 1: as momentum
    tensor([-0.7000])
    """
    m, v = _moments(penalised(g, x, weight_decay), state, beta1, beta2)
    m_hat = m / one_minus_power(beta1, t, m.dtype)
    return x - lr * (m_hat * _rectified(v, t, beta2, eps, threshold=threshold)), {"m": m, "v": v}


def adam_direction(g, state, t, beta1, beta2, eps):
    """Adam's step before the rate: → (direction, {"m": m, "v": v})."""
    m, v = _moments(g, state, beta1, beta2)
    return _direction(m, v, t, beta1, beta2=beta2, eps=eps), {"m": m, "v": v}


def _moments(g, state, beta1, beta2):
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * (g * g)
    return m, v


def _direction(m, v, t, beta1, beta2, eps):
    m_hat = m / one_minus_power(beta1, t, m.dtype)
    v_hat = v / one_minus_power(beta2, t, v.dtype)
    return m_hat / (v_hat.sqrt() + eps)


def one_minus_power(beta, t, dtype):
    """Return 1 − βᵗ. With tensors, expm1 keeps the digits that float32 loses for β near 1."""
    if isinstance(beta, torch.Tensor):
        return -torch.expm1(t * torch.log(beta)).to(dtype)
    if isinstance(t, torch.Tensor):
        return -torch.expm1(t.to(widest(t.device)) * (math.log(beta) if beta > 0 else -math.inf)).to(dtype)
    return 1 - beta**t


def _rectified(v, t, beta2, eps, threshold):
    """RAdam's factor of m̂: r / √v̂ where ρ is above the threshold, 1 elsewhere."""
    wide = widest(v.device)
    beta2 = beta2.to(wide) if isinstance(beta2, torch.Tensor) else beta2
    corrected = one_minus_power(beta2, t, wide)  # numbers stay numbers up to here
    longest = 2 / (1 - beta2) - 1
    rho = longest - 2 * t * (1 - corrected) / corrected
    enough = rho > threshold
    number = not isinstance(enough, torch.Tensor)
    if number and not enough:
        return 1.0
    r = ((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho) * corrected) ** 0.5
    if number:
        return r / (v.sqrt() + eps)
    return torch.where(enough.to(v.device), r.to(v) / (v.sqrt() + eps), 1.0)
