"""Simulated annealing over rates: each step draws one and may be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..._base.streams import generator
from .base import penalised, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ..._types import Number, State


@rule("annealed_sgd", "closure", source="Fischetti & Stringher 2019", single=("rate", "accepted"))
def annealed_sgd(
    x: list[torch.Tensor],
    g: list[torch.Tensor],
    state: State,
    t: Number,
    *,
    loss: torch.Tensor,
    loss_at: Callable[[list[torch.Tensor]], torch.Tensor],
    lr: Number = 1.0,
    rates: Sequence[float] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    temperature: Number = 1.0,
    cooling: Number = 0.99,
    weight_decay: Number = 0.0,
    seed: int = 0,
) -> tuple[list[torch.Tensor], State]:
    """SGD with random rates and Metropolis acceptance: y = x − η g, x ← y with probability min(1, exp(−Δ / T)).

    η is ``lr`` times one of ``rates``, drawn with equal chances; Δ is the batch loss at y (``loss_at``) minus that at x
    (``loss``), with a weight decay both with λ ‖·‖² / 2 added; T = ``temperature`` · ``cooling``ᵗ⁻¹. T = 0 accepts only
    what does not worsen the loss, T = ∞ everything: SGD with random rates. A loss that is not a number is refused.
    The set of rates, the temperature and the cooling are ours; the paper lowers T after each epoch. Both may follow
    plans. Random numbers come from ``(seed, t)`` alone. The state holds the drawn η as ``rate`` and whether the move
    was ``accepted``, 1 or 0.

    >>> import torch
    >>> def square(x):
    ...     return (x[0] ** 2).sum()
    >>> x = [torch.tensor([1.0])]
    >>> annealed_sgd(x, [2 * x[0]], annealed_sgd.init(x), 1, loss=square(x), loss_at=square, rates=(0.25,))[0]
    [tensor([0.5000])]
    """
    draws = generator(int(seed), "annealing", int(t))
    kind = state["rate"].dtype
    rate = lr * rates[int(torch.randint(len(rates), (1,), generator=draws))]
    u = torch.rand((), generator=draws, dtype=torch.float64).to(loss.device, kind)
    y = [p - rate * penalised(one, p, weight_decay) for p, one in zip(x, g)]
    change = (_energy(loss_at(y), y, weight_decay) - _energy(loss, x, weight_decay)).to(kind)
    accepted = (change <= 0) | (u < torch.exp(-change / (temperature * cooling ** (t - 1))))
    new = [torch.where(accepted, after, before) for after, before in zip(y, x)]
    return new, {"rate": torch.as_tensor(rate, dtype=kind, device=loss.device), "accepted": accepted.to(kind)}


def _energy(loss, x, weight_decay):
    return loss + 0.5 * weight_decay * sum((p**2).sum() for p in x)
