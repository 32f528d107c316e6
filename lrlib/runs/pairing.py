"""Whether loss and metric set each output against its own y, or, by broadcasting, every output against every y."""

import math

import torch

SOME = 16  # examples that show it


def some(x):
    """Places of a few examples, spread over all of them, since data may be sorted."""
    return torch.linspace(0, len(x) - 1, min(SOME, len(x))).round().long().unique().to(x.device)


def all_pairs(function, output, y):
    """Whether ``function(output, y)`` takes all pairs that broadcasting makes of the two shapes, instead of own ones.

    That is so where the value is that of all pairs laid out side by side, and not that of each output beside its own
    y. Asked at the outputs, and at those that foretell the y of the neighbour. False where the shapes are equal or make
    no pairs, and for a function that does not take the two laid out.

    >>> output, y = torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, 1.0])
    >>> all_pairs(lambda o, y: ((o - y) ** 2).mean(), output, y)
    True
    >>> all_pairs(lambda o, y: ((o[:, 0] - y) ** 2).mean(), output, y)
    False
    """
    if not isinstance(output, torch.Tensor) or output.shape == y.shape or output.numel() != y.numel():
        return False
    try:
        shape = torch.broadcast_shapes(output.shape, y.shape)
    except RuntimeError:
        return False
    return any(_takes_all(function, made, y, shape) for made in (output, y.roll(1, 0).reshape(output.shape).to(output)))


def _takes_all(function, output, y, shape):
    try:
        found = float(function(output, y))
        every = float(function(output.expand(shape).flatten(), y.expand(shape).flatten()))
        own = float(function(output.flatten(), y.flatten()))
    except Exception:  # a function with an opinion about shapes
        return False
    return math.isclose(found, every, rel_tol=1e-4) and not math.isclose(found, own, rel_tol=1e-4)
