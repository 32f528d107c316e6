"""Loss and metric over full sets, for one model or for all lanes of a sweep, in bounded memory."""

import contextlib

import numpy as np
import torch
from torch.func import functional_call, vmap

from .arguments import whole

CELLS = 2**24               # numbers that one piece of an evaluation may hold in its layers' outputs


def evaluation_steps(evaluate, steps):
    """Return the numbers of updates after which a run of ``steps`` is evaluated; the end is always among them.

    ``evaluate``: None → the end only; n → every n updates; a sequence of numbers from 0 (before the first update).
    Raises ``ValueError`` for anything else.

    >>> evaluation_steps(None, 10), evaluation_steps(4, 10), evaluation_steps([0, 2], 10)
    ([10], [4, 8, 10], [0, 2, 10])
    """
    if evaluate is None:
        return [steps]
    if np.ndim(evaluate) == 0:
        every = whole("evaluate", evaluate)
        return sorted({*range(every, steps, every), steps})
    wanted = sorted({whole("evaluate", k, 0) for k in evaluate} | {steps})
    if wanted[0] < 0 or wanted[-1] > steps:
        raise ValueError(f"evaluate must name steps between 0 and {steps}; got {list(evaluate)!r}")
    return wanted


def names(parts):
    """Names of the values that an evaluation of these parts gives.

    >>> names(["train", "test"])
    ['train_loss', 'train_metric', 'test_loss', 'test_metric']
    """
    return [f"{part}_{what}" for part in parts for what in ("loss", "metric")]


def measure(task, model, parameters, buffers, x, y):
    """Return ``(loss, metric)`` of ``task`` at these parameters: a function that `vmap` can batch over lanes."""
    output = functional_call(model, (parameters, buffers), (x,))
    return task.loss(output, y), task.metric(output, y)


def cells(model, x):
    """Numbers that the layers put out for one example."""
    x = x[:2]  # a batch norm without running statistics refuses a single one
    counts = [x.numel()]
    hooks = [module.register_forward_hook(lambda _m, _i, out: counts.append(_numel(out))) for module in model.modules()]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counts) // len(x)


def _numel(output):
    return output.numel() if isinstance(output, torch.Tensor) else 0


@contextlib.contextmanager
def evaluating(model):
    """Evaluation mode without gradients; the mode of each module is put back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate_model(task, model, sets):
    """Return ``{"train_loss": …, "train_metric": …, "valid_loss": …}`` as floats for ``sets`` {part: (x, y)}."""
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    values = {}
    with evaluating(model):
        for part, (x, y) in sets.items():
            pair = _over_examples(lambda a, b: measure(task, model, parameters, buffers, a, b), model, x, y)
            values |= {f"{part}_loss": float(pair[0]), f"{part}_metric": float(pair[1])}
    return values


def evaluate_lanes(task, model, parameters, buffers, sets):
    """The same for stacked parameters [L, …]: → {"train_loss": [L], …}, float64 arrays.

    ``sets``: {part: list of (lanes, x, y)}, the lanes (index tensor) that share a data set. Lanes are taken in groups
    so small that the layers' outputs stay below `CELLS` numbers.
    """
    count = len(next(iter(parameters.values())))
    values = {name: np.full(count, np.nan) for name in names(sets)}
    with evaluating(model):
        for part, groups in sets.items():
            for lanes, x, y in groups:
                size = max(1, CELLS // (len(x) * cells(model, x)))
                for chosen in lanes.split(size):
                    chunk = [{k: v[chosen] for k, v in tensors.items()} for tensors in (parameters, buffers)]
                    loss, metric = _chunk(task, model, *chunk, x, y)
                    at = chosen.cpu().numpy()
                    values[f"{part}_loss"][at] = loss.double().cpu().numpy()
                    values[f"{part}_metric"][at] = metric.double().cpu().numpy()
    return values


def _chunk(task, model, parameters, buffers, x, y):
    def lanes(a, b):
        return vmap(lambda p, q: measure(task, model, p, q, a, b))(parameters, buffers)

    return _over_examples(lanes, model, x, y)


def _over_examples(function, model, x, y):
    """Mean over the examples of ``function(x, y)``, in pieces where one lane alone would be too large."""
    size = max(1, CELLS // cells(model, x))
    if len(x) <= size:
        return function(x, y)
    pieces = [(len(a), function(a, b)) for a, b in zip(x.split(size), y.split(size))]
    return tuple(sum(n * values[i] for n, values in pieces) / len(x) for i in range(2))
