"""Whether loss and metric set each output against its own y, or, by broadcasting, every output against every y."""

import math
import warnings

import torch

SOME = 16  # examples that show it


def some(x, y):
    """Places of a few examples: the first two, some spread over all, as data may be sorted, and the ends of columns."""
    places = [torch.arange(min(2, len(y))), torch.linspace(0, len(y) - 1, min(SOME, len(y))).round().long()]
    for values in (x, y):
        if values.numel() and not values.is_complex():
            rows = values.detach().reshape(len(values), -1).float().nan_to_num()
            ends = [rows] if rows.shape[1] <= SOME else [rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)]
            places += [end(columns).cpu() for columns in ends for end in (_lowest, _highest)]
    return torch.cat(places).unique().to(y.device)


def _lowest(columns):
    return columns.argmin(0)


def _highest(columns):
    return columns.argmax(0)


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
    """Asked of lists, and of columns, over which a function may take a sum for each output first."""
    return _as(function, output, y, shape, form=(-1,)) or _as(function, output, y, shape, form=(-1, 1))


def _as(function, output, y, shape, form):
    try:
        found = float(function(output, y))
        every = float(function(output.expand(shape).reshape(form), y.expand(shape).reshape(form)))
        own = float(function(output.reshape(form), y.reshape(form)))
    except Exception:  # a function with an opinion about shapes
        return False
    return not _same(found, own) and (_same(found, every) or _same(found, len(y) * every))


def _of_one_shape(function, output, y):
    try:
        found = float(function(output, y))
        own = float(function(output.reshape(y.shape), y)), float(function(output, y.reshape(output.shape)))
        turned = [float(function(output, y.roll(places, 0))) for places in (1, 2, 3)]
    except Exception:
        return False
    return _same(*own) and not _same(found, own[0]) and all(_same(found, value) for value in turned)


def _same(one, other):
    return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6)
