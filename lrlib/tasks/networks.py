"""Networks of the ready-made tasks: fully connected and convolutional, with dropout and batch normalisation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import nn

from .._base.arguments import MOST_LAYERS, MOST_UNITS, flag, number, shown, sizes_of, whole

if TYPE_CHECKING:
    from collections.abc import Sequence


def mlp(sizes: Sequence[int], dropout: float = 0.0, batch_norm: bool = False) -> nn.Sequential:
    """Return a fully connected ReLU network: weights He-normal, N(0, 2/fan-in), biases 0 (He et al. 2015).

    Each hidden layer is linear → batch normalisation (where asked) → ReLU → dropout (where above 0), in the order of
    Ioffe & Szegedy 2015; ``dropout`` is the share that is dropped, from 0 to below 1. A seed gives the linear layers
    the same weights with and without them.

    >>> mlp([4, 8, 2])
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    >>> [type(layer).__name__ for layer in mlp([4, 8, 2], dropout=0.2, batch_norm=True)]
    ['Linear', 'BatchNorm1d', 'ReLU', 'Dropout', 'Linear']

    Raises ``TypeError``/``ValueError`` for sizes that are no whole numbers, or a dropout outside [0, 1).
    """
    dropout, sizes = _checked(dropout, batch_norm), sizes_of("sizes", sizes, fewest=2)
    layers = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layers += [_he(nn.Linear(fan_in, fan_out), fan_in)]
        layers += _after(nn.BatchNorm1d, fan_out, dropout, batch_norm)
    return nn.Sequential(*layers[: len(layers) - len(_after(nn.BatchNorm1d, 1, dropout, batch_norm))])


def conv_net(
    shape: Sequence[int],
    classes: int = 10,
    width: int = 8,
    depth: int = 3,
    dropout: float = 0.0,
    batch_norm: bool = True,
) -> nn.Sequential:
    """Return a small convolutional ReLU network for signals, shape (length,), or images, shape (height, width).

    Input [n, length] or [n, height·width], as the tasks hold it. ``depth`` convolutions of size 3 with ``width``
    channels, the first of stride 1 and the others of stride 2, each → batch normalisation (where asked) → ReLU; then
    dropout (where above 0) and one linear layer on all that is left. He-normal weights, biases 0.

    >>> import torch
    >>> conv_net((8, 8), depth=2)(torch.zeros(5, 64)).shape
    torch.Size([5, 10])
    >>> sum(p.numel() for p in conv_net((40,), width=16).parameters())
    3338

    Raises ``TypeError``/``ValueError`` for a number that is no whole one, or a dropout outside [0, 1).
    """
    shape = tuple(sizes_of("shape", shape, fewest=1))
    if (axes := len(shape)) not in (1, 2):
        raise ValueError(f"shape must be (length,) or (height, width); got {shown(shape)}")
    width, depth = whole("width", width, most=MOST_UNITS), whole("depth", depth, most=MOST_LAYERS)
    classes, dropout = whole("classes", classes, most=MOST_UNITS), _checked(dropout, batch_norm)
    kind, norm = ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d))[axes - 1]
    layers, channels, left = [nn.Unflatten(1, (1, *shape))], 1, list(shape)
    for k in range(depth):
        layers.append(_he(kind(channels, width, 3, stride=2 if k else 1, padding=1), channels * 3**axes))
        layers += _after(norm, width, 0.0, batch_norm)
        channels, left = width, [(n + 1) // 2 if k else n for n in left]
    features = channels * math.prod(left)
    dropped = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Flatten(), *dropped, _he(nn.Linear(features, classes), features))


def _checked(dropout, batch_norm):
    flag("batch_norm", batch_norm)
    return number("dropout", dropout, below=1)


def _he(layer, fan_in):
    nn.init.normal_(layer.weight, std=(2 / fan_in) ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer


def _after(norm, features, dropout, batch_norm):
    """What follows a hidden layer."""
    return [*([norm(features)] if batch_norm else []), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
