"""Loss and metric at many points of parameter space, evaluated as one batched program."""

import contextlib

import torch
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _BatchNorm

from ..._base.arguments import function, module, tensor_of
from ..curvature.products import inputs, of_one_length, pair, scalar
from ...runs.evaluation import CELLS, cells, evaluating, in_rows
from ..._base.preserve import random_states


def parameters_of(source, what="model"):
    """{name: tensor} of a module or of a dict of tensors or arrays, not copied.

    >>> list(parameters_of(torch.nn.Linear(2, 1)))
    ['weight', 'bias']
    """
    if isinstance(source, torch.nn.Module):
        return {n: p.detach() for n, p in source.named_parameters()}
    if not isinstance(source, dict) or not source:
        raise TypeError(f"{what} must be a module or a dict from name to tensor; got {type(source).__name__}")
    return {n: tensor_of(f"{what}[{n!r}]", t).detach() for n, t in source.items()}


def matched(model, source, what):
    """`parameters_of` on the model's device and in its precision; raises where names or shapes differ."""
    own, given = dict(module("model", model).named_parameters()), parameters_of(source, what)
    wrong = sorted(map(str, set(own) ^ set(given))) or sorted(n for n in own if own[n].shape != given[n].shape)
    if wrong:
        raise ValueError(f"{what} must have the model's parameter names and shapes; these differ: {', '.join(wrong)}")
    return {n: given[n].to(p) for n, p in own.items()}


def check_data(loss, metric, x, y, statistics):
    """The pair (x, y); raises for functions that cannot be called and data that no network takes."""
    function("loss", loss, "(output, y) -> scalar")
    if metric is not None:
        function("metric", metric, "(output, y) -> scalar, or None")
    if statistics is not None:
        inputs("statistics", statistics)
    return pair(x, y)


def evaluate_points(model, functions, x, y, origin, directions, coefficients, statistics=None):
    r"""Values of `functions` at the points w = origin + Σ cᵢ dᵢ, one row of `coefficients` [K, D] a point → [K, F].

    Points are made and evaluated in groups under `vmap`, so small that the layers' outputs and the parameters stay
    below 2²⁴ numbers; the examples are split where one point alone would be too large, and each function
    `(output, y) → scalar` gets the outputs of all of them. What `vmap` cannot run is evaluated point by point. The
    model is in evaluation mode and left as it was. `origin` and the directions may name buffers too. With `statistics`
    (inputs) the batch-norm layers get mean and variance of these inputs at every point anew.
    """
    group = _group(model, x if statistics is None or len(x) > len(statistics) else statistics)
    stacks = {n: torch.stack([d[n] for d in directions]) for n in origin}
    values = []
    with random_states(), evaluating(model):
        for rows in coefficients.split(group):
            points = {n: w + torch.tensordot(rows.to(w), stacks[n], 1) for n, w in origin.items()}
            points |= {n: b.expand(len(rows), *b.shape).clone() for n, b in model.named_buffers() if n not in points}
            if statistics is not None:
                points = _refreshed(model, points, statistics)
            with of_one_length(x, y):
                values.append(_values(model, functions, points, x, y=y))
    return torch.cat(values)


def _group(model, x):
    with random_states(), evaluating(model):
        outputs = len(x) * cells(model, x) if isinstance(x, torch.Tensor) else 1
    return max(1, CELLS // max(outputs, sum(p.numel() for p in model.parameters())))


def _size(model, x):
    """How many examples at a time keep one point's outputs small: all of them where x is no tensor."""
    return max(1, CELLS // cells(model, x)) if isinstance(x, torch.Tensor) else len(x)


def _values(model, functions, points, x, y):
    def forward(inputs):
        return batched(lambda point: functional_call(model, point, (inputs,)), points)

    def judge(output):
        return torch.stack([scalar(name, f(output, y)) for name, f in zip(("loss", "metric"), functions)])

    size = _size(model, x)
    if size >= len(x) or not in_rows(model, x):
        return batched(lambda point: judge(functional_call(model, point, (x,))), points).cpu().double()
    outputs = torch.cat([forward(piece) for piece in x.split(size)], dim=1)
    return batched(lambda point: judge(point["output"]), {"output": outputs}).cpu().double()


def _refreshed(model, points, inputs):
    """The points with buffers whose batch-norm statistics are those of `inputs`."""
    names = [n for n, _ in model.named_buffers()]

    def one(point, a):
        buffers = {n: point[n].clone() for n in names}
        functional_call(model, {**point, **buffers}, (a,))
        return buffers

    size = _size(model, inputs)  # asks the model for its outputs, so before its mode changes
    pieces = inputs.split(size) if size < len(inputs) else [inputs]
    with _averaging(model) as norms:
        for i, piece in enumerate(pieces):
            for norm in norms:
                norm.momentum = 1 / (i + 1)  # the plain average over the pieces
            points = points | batched(lambda point: one(point, piece), points)
    return points


@contextlib.contextmanager
def _averaging(model):
    """Batch-norm layers in training mode, every other layer in its present one."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    kept = [(m, m.momentum, m.training) for m in norms]
    try:
        yield [m.train() for m in norms]
    finally:
        for m, momentum, training in kept:
            m.momentum, m.training = momentum, training


def batched(function, points):
    """`function` at every point, stacked; one by one where `vmap` cannot run it."""
    try:
        return vmap(function, randomness="same")(points)
    except (RuntimeError, ValueError, NotImplementedError):  # an error of the user's own comes up again below
        count = len(next(iter(points.values())))
        rows = [function({n: t[k] for n, t in points.items()}) for k in range(count)]
        if not isinstance(rows[0], dict):
            return torch.stack(rows)
        return {n: torch.stack([row[n] for row in rows]) for n in rows[0]}
