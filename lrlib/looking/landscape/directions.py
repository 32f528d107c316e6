"""Directions in parameter space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..._base.arguments import LARGEST_SEED, flag, whole
from ..._base.streams import numbered
from .points import parameters_of

if TYPE_CHECKING:
    from ..._types import Solution


def filter_normalised(model: Solution, seed: int = 0, *, vectors: bool = False) -> dict[str, torch.Tensor]:
    r"""A random direction in parameter space, as large as the model filter by filter.

    .. math:: d_{i,j} \leftarrow \frac{\|w_{i,j}\|}{\|d_{i,j}\|}\, d_{i,j}

    for filter j (the weights into one unit, or one filter of a convolution) of layer i, d normal at first. Slices then
    have the same shape for two models that differ only in the scale of their layers, and can be compared.

    Args:
        model: module, or dict of its parameters.
        seed: of the direction, drawn on the CPU.
        vectors: whether biases and the scales of normalisation layers take part too, each as one filter; by default
            they get 0, as in the paper's figures.

    Returns:
        dict from parameter name to tensor.

    Raises:
        TypeError, ValueError: what is no module and no dict of tensors, a seed that is no whole number of at least 0,
            `vectors` that is not True or False.

    Example:
        >>> model = torch.nn.Linear(3, 2)
        >>> d = filter_normalised(model)
        >>> torch.allclose(d["weight"].norm(dim=1), model.weight.norm(dim=1)), d["bias"].tolist()
        (True, [0.0, 0.0])

    Source: Li et al. (2018), "Visualizing the loss landscape of neural nets".
    """
    vectors = flag("vectors", vectors)
    generator, direction = numbered(whole("seed", seed, 0, LARGEST_SEED)), {}
    for name, w in parameters_of(model).items():
        d = torch.randn(w.shape, generator=generator, dtype=torch.float64).to(w)
        if w.dim() < 2 and not vectors:
            direction[name] = torch.zeros_like(w)
            continue
        filters = len(w) if w.dim() > 1 else 1
        rows, own = d.reshape(filters, -1), w.reshape(filters, -1)
        scale = own.norm(dim=1, keepdim=True) / rows.norm(dim=1, keepdim=True)
        direction[name] = (rows * scale).reshape(w.shape)
    return direction


def plane_directions(origin, others, spare):
    """Two orthogonal directions of equal length, the first to `others[0]`, and the marks [(a, b)] of all points.

    The second lies in the plane with `others[1]`; without it, with the direction `spare`.
    """
    if not 1 <= len(others) <= 2:
        raise ValueError(f"through must name one or two solutions; got {len(others)}")
    first = {n: others[0][n] - w for n, w in origin.items()}
    towards = {n: others[1][n] - w for n, w in origin.items()} if len(others) > 1 else spare
    length = dot(first, first)
    along = dot(towards, first) / length if length else 0.0
    second = {n: t - along * first[n] for n, t in towards.items()}
    height = (dot(second, second) / length) ** 0.5 if length else 0.0
    if not height > 1e-9:
        raise ValueError("through must name solutions that differ from the model and do not lie on one line")
    second = {n: s / height for n, s in second.items()}
    marks = [(0.0, 0.0), (1.0, 0.0), (along, height)]
    return [first, second], marks[: len(others) + 1]


def dot(a, b):
    """Inner product of two dicts of tensors, a float."""
    return sum(float((a[n].cpu().double() * b[n].cpu().double()).sum()) for n in a)
