"""The "ticks" example: many features, each of which is enough, and a network that learns few of them."""

from __future__ import annotations

import functools
import math

import torch

from .._base.arguments import LARGEST_SEED, MOST_EXAMPLES, MOST_UNITS, flag, having, layers_of, number, shown, whole
from .._base.streams import generator
from .sphere import length, scale_invariant_mlp, unit_sphere
from .task import Task, binary_accuracy, binary_loss

REACH = 2.0  # a feature is a point of the square [-2, 2]²
MARGIN = 0.1 * math.sqrt(2)
WIDEST = 0.99  # margin; a wider one leaves so little of the square that drawing from it would take for ever


def ticks(
    features: int = 16,
    train: int = 512,
    test: int = 2000,
    batch: int = 16,
    steps: int = 40_000,
    *,
    valid: int | None = None,
    width: int = 32,
    depth: int = 2,
    readout: float = 10.0,
    margin: float = MARGIN,
    radius: float = 1.0,
    fresh: bool = True,
) -> Task:
    r"""Points whose every pair of coordinates tells the class: 2·features inputs, two classes.

    A pair (a, b) is uniform on the part of the square [-2, 2]² that belongs to the class:

    * class 0: :math:`|a| - 2 + m \le b \le |a| - m`, a band with the shape of a tick;
    * class 1: :math:`b \ge |a| + m` or :math:`b \le |a| - 2 - m`, what lies above and below it.

    Any single pair therefore separates the classes with a margin; which of them a network uses shows
    `ticks_features`. The network is `scale_invariant_mlp` with ``depth`` hidden layers of ``width``, kept on the sphere
    of length ``radius`` by `unit_sphere`: at radius 1 the rate is the effective rate.

    Args:
        features: pairs.
        train, test: examples; ``valid``: the same, or None for no validation set.
        batch, steps: see `Task`.
        readout: norm of the frozen read-out.
        margin: m, below 0.99.
        fresh: each seed draws a training set of its own; else all share that of seed 0.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Example:
        >>> task = ticks(features=3, train=100, test=50)
        >>> x, y = task.train_for(0)
        >>> band = (x.view(100, 3, 2)[..., 1] - x.view(100, 3, 2)[..., 0].abs() + 1).abs() < 1
        >>> bool((band == (y[:, None] == 0)).all())
        True

    Source: Sadrtdinov et al. (2024), "Where do large learning rates lead us?", the synthetic example.
    """
    whole("features", features, most=MOST_UNITS // 2), number("margin", margin, below=WIDEST)
    length("readout", readout)
    layers, fresh = [2 * features, *layers_of(width, depth, least=1), 1], flag("fresh", fresh)
    sizes = {"train": train, "test": test} | ({} if valid is None else {"valid": valid})
    sizes = {part: whole(part, size, most=MOST_EXAMPLES) for part, size in sizes.items()}
    project = unit_sphere(length("radius", radius))
    drawn = functools.partial(_drawn, features, sizes["train"], margin, "train")
    held = {part: _drawn(features, sizes[part], margin, part, seed=0) for part in sizes if part != "train"}
    model = functools.partial(scale_invariant_mlp, layers, readout)
    return Task(
        "ticks",
        model,
        drawn if fresh else drawn(0),
        held.get("valid"),
        test=held["test"],
        loss=binary_loss,
        metric=binary_accuracy,
        batch=batch,
        steps=steps,
        project=project,
        details={"features": features, "margin": margin},
    )


def ticks_features(task: Task, samples: int = 1000, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    r"""Test sets that show which features a network has learned: → [(x, y), …], one a feature.

    In set k only pair k tells the class, as `ticks` draws it; the other pairs lie on the border between the classes:
    a uniform on [-2, 2], and b = \|a\| or \|a\| − 2 with probability ½ each. A network that has not learned feature k
    is right about half the time.

    Args:
        task: made by `ticks`.
        samples: examples a set.
        seed: of the draw.

    Raises:
        ValueError: the task is none of `ticks`; TypeError, ValueError: ``samples`` or ``seed`` is no whole number, or
            too small.

    Example:
        >>> sets = ticks_features(ticks(features=3, train=100, test=50), samples=200)
        >>> x, y = sets[1]
        >>> away = (x.view(200, 3, 2)[..., 1] - x.view(200, 3, 2)[..., 0].abs() + 1).abs() - 1
        >>> (away.abs() > 0.1).all(0).tolist(), (away.abs() < 1e-5).all(0).tolist()
        ([False, True, False], [True, False, True])
    """
    having("task", task, ("details",), "one of tasks.ticks")
    if not {"features", "margin"} <= set(task.details):
        raise ValueError(f"task must be one of tasks.ticks; got {shown(task)}")
    samples, seed = whole("samples", samples, most=MOST_EXAMPLES), whole("seed", seed, 0, LARGEST_SEED)
    features = task.details["features"]
    return [_single(k, features, samples, task.details["margin"], seed=seed) for k in range(features)]


def _drawn(features, n, margin, part, seed):
    """n examples of a part: x [n, 2·features], y [n] in {0, 1}."""
    g = generator(seed, f"ticks/{part}")
    y = (torch.rand(n, generator=g) < 0.5).float()
    return _pairs(y[:, None].expand(n, features), margin, g).reshape(n, -1), y


def _pairs(y, margin, g):
    """Points of the classes y [n, features], uniform on their part of the square: [n, features, 2]."""
    points, missing = torch.empty(*y.shape, 2), torch.ones(y.shape, dtype=torch.bool)
    while missing.any():
        a, b = REACH * (2 * torch.rand(2, *y.shape, generator=g) - 1)
        depth = (b - a.abs() + 1).abs() - 1  # below 0 inside the band
        fits = missing & (depth * (2 * y - 1) >= margin)
        points[fits] = torch.stack([a, b], dim=-1)[fits]
        missing &= ~fits
    return points


def _single(k, features, n, margin, seed):
    g = generator(seed, "ticks/feature", k)
    y = (torch.rand(n, generator=g) < 0.5).float()
    a = REACH * (2 * torch.rand(n, features, generator=g) - 1)
    b = a.abs() - 2.0 * (torch.rand(n, features, generator=g) < 0.5)
    x = torch.stack([a, b], dim=-1)
    x[:, k] = _pairs(y[:, None], margin, g)[:, 0]
    return x.reshape(n, -1), y
