"""How far and in which proportion parameters have moved, layer by layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ..._base.arguments import module
from .points import parameters_of

if TYPE_CHECKING:
    from ..._types import Solution


def angles(first: Solution, second: Solution) -> dict[str, float]:
    r"""Angle between two parameter vectors, for each parameter tensor and for all together, in radians.

    .. math:: \angle(a, b) = 2 \arctan \frac{\|\hat a - \hat b\|}{\|\hat a + \hat b\|}, \qquad
              \hat a = a/\|a\|

    the arc cosine of the cosine similarity, exact for small angles too. Divide by π for the share of a half turn: 0.5
    is orthogonal, as two independent random vectors nearly are.

    Args:
        first, second: modules, or dicts from name to tensor or array.

    Returns:
        dict: "all", then each parameter's name → float; nan where a tensor is all 0.

    Raises:
        ValueError: names or shapes that differ.

    Example:
        >>> found = angles({"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([3.0, 3.0])})
        >>> round(found["all"] / math.pi, 6), found["all"] == found["w"]
        (0.25, True)

    Source: Kahan (2006) for the formula; Carbonnelle & De Vleeschouwer (2019) for the use layer by layer.
    """
    a, b = _pair(first, second)
    rows = {"all": (torch.cat([t.reshape(-1) for t in a.values()]), torch.cat([t.reshape(-1) for t in b.values()]))}
    rows |= {n: (a[n].reshape(-1), b[n].reshape(-1)) for n in a}
    return {n: _angle(*pair) for n, pair in rows.items()}


def update_ratios(before: Solution, after: Solution) -> dict[str, float]:
    r"""Length of an update relative to the weights, :math:`\|w' - w\| / \|w\|`, per parameter tensor and for all.

    Args:
        before, after: modules, or dicts from name to tensor or array: w and w'.

    Returns:
        dict: "all", then each parameter's name → float; inf for an update of weights that were all 0, nan for none.

    Raises:
        ValueError: names or shapes that differ.

    Example:
        >>> update_ratios({"w": torch.tensor([3.0, 4.0])}, {"w": torch.tensor([3.0, 4.5])})
        {'all': 0.1, 'w': 0.1}

    Source: You et al. (2017), the layers' ratios in "LARS"; Karpathy (2015) for the rule of thumb 1e-3.
    """
    a, b = _pair(before, after, ("before", "after"))
    moved = {n: float((b[n] - a[n]).norm()) for n in a}
    length = {n: float(a[n].norm()) for n in a}
    moved, length = ({"all": math.hypot(*v.values()), **v} for v in (moved, length))
    return {n: _ratio(moved[n], length[n]) for n in moved}


class UpdateRatios:
    """Update-to-weight ratio of every step that an optimizer makes, layer by layer.

    Reads the parameters before and after each step, so a copy of them is held; `detach()` ends it.

    Args:
        model: gives the names.
        optimizer: any `torch.optim.Optimizer`.

    Attributes:
        rows: one dict a step, as `update_ratios` returns.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> ratios = UpdateRatios(model, optimizer)
        >>> model.weight.grad = model.weight.detach().clone()
        >>> optimizer.step()
        >>> ratios.detach()
        >>> [round(row["weight"], 6) for row in ratios.rows]
        [0.5]
    """

    def __init__(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer; got {type(optimizer).__name__}")
        self.model, self.rows, self._before = module("model", model), [], None
        before, after = optimizer.register_step_pre_hook, optimizer.register_step_post_hook
        self._hooks = [before(self._remember), after(self._compare)]

    def _remember(self, *_):
        self._before = {n: p.detach().clone() for n, p in self.model.named_parameters()}

    def _compare(self, *_):
        self.rows.append(update_ratios(self._before, self.model))
        self._before = None

    def detach(self) -> None:
        """Watch no further steps."""
        for hook in self._hooks:
            hook.remove()


def _pair(first, second, names=("first", "second")):
    a, b = (parameters_of(source, name) for source, name in zip((first, second), names))
    wrong = sorted(map(str, set(a) ^ set(b))) or sorted(n for n in a if a[n].shape != b[n].shape)
    if wrong:
        raise ValueError(
            f"{' and '.join(names)} must have the same parameter names and shapes; these differ: {', '.join(wrong)}"
        )
    return {n: a[n].cpu().double() for n in a}, {n: b[n].cpu().double() for n in a}


def _angle(a, b):
    if not a.any() or not b.any():
        return math.nan
    a, b = a / a.norm(), b / b.norm()
    return 2 * math.atan2(float((a - b).norm()), float((a + b).norm()))


def _ratio(moved, length):
    return moved / length if length else (math.inf if moved else math.nan)
