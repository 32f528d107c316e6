"""Whether loss and metric set each output against its own y, or, by broadcasting, every output against every y."""

import math
import warnings

import torch

SOME = 16  # examples that show it


def some(y):
    """Places of a few examples, spread over all, since data may be sorted, and those of the least and the largest y."""
    places = torch.linspace(0, len(y) - 1, min(SOME, len(y))).round().long()
    rows = y.detach().reshape(len(y), -1)
    if rows.shape[1] and not rows.is_complex():
        ends = rows.double().nan_to_num()[:, 0] if rows.device.type != "mps" else rows.float().nan_to_num()[:, 0]
        places = torch.cat([places, torch.stack([ends.argmin(), ends.argmax()]).cpu()])
    return places.unique().to(y.device)


def all_pairs(function, output, y):
    """Whether ``function(output, y)`` takes all pairs that broadcasting makes of the two shapes, instead of own ones.

    That is so where the value is that of all pairs laid out side by side, and not that of each output beside its own
    y; or where it is another one once the two have one shape, whichever of their shapes, and the order of y changes
    nothing. Asked at the outputs, and at those that foretell the y of the neighbour. False where the shapes are equal
    or make no pairs, and for a function with an opinion about shapes.

    >>> output, y = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0.0, 1.0, 2.0])
    >>> all_pairs(lambda o, y: ((o - y) ** 2).sum() / len(y), output, y)
    True
    >>> all_pairs(lambda o, y: ((o[:, 0] - y) ** 2).sum() / len(y), output, y)
    False
    """
    if not isinstance(output, torch.Tensor) or output.shape == y.shape or output.numel() != y.numel():
        return False
    try:
        shape = torch.broadcast_shapes(output.shape, y.shape)
    except RuntimeError:
        return False
    told = output, y.roll(1, 0).reshape(output.shape).to(output)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of the shapes that are tried here
        return any(_laid_out(function, made, y, shape) or _of_one_shape(function, made, y) for made in told)


def _laid_out(function, output, y, shape):
    try:
        found = float(function(output, y))
        every = float(function(output.expand(shape).flatten(), y.expand(shape).flatten()))
        own = float(function(output.flatten(), y.flatten()))
    except Exception:  # a function with an opinion about shapes
        return False
    return _same(found, every) and not _same(found, own)


def _of_one_shape(function, output, y):
    try:
        found = float(function(output, y))
        own = float(function(output.reshape(y.shape), y)), float(function(output, y.reshape(output.shape)))
        turned = [float(function(output, y.roll(places, 0))) for places in (1, 2, 3)]
    except Exception:
        return False
    return _same(*own) and not _same(found, own[0]) and all(_same(found, value) for value in turned)


def _same(one, other):
    return math.isclose(one, other, rel_tol=1e-4)
