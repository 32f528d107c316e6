"""Where runs begin, and where their weights may go: given weights, a task's projection, and which weights to keep.

Used by `lrlib.fit`, `lrlib.sweep` and `lrlib.choosing.recipe` alike, so that a lane is the run that it is alone.
"""

import numpy as np
import torch

from .arguments import shown, updates_of
from .streams import initial_model


def projected(task, parameters):
    """``task.project(parameters)``, without gradient, checked: {name: tensor} of the same names and shapes.

    ``parameters`` themselves where the task has no projection. Raises ``TypeError`` for what is no dict of tensors
    and ``ValueError`` naming what has another name, shape or dtype.

    >>> from types import SimpleNamespace
    >>> task = SimpleNamespace(name="mine", project=lambda p: {n: v.clamp(-1, 1) for n, v in p.items()})
    >>> projected(task, {"w": torch.tensor([0.5, 3.0])})
    {'w': tensor([0.5000, 1.0000])}
    """
    if getattr(task, "project", None) is None:
        return parameters
    with torch.no_grad():
        found = task.project(dict(parameters))
    what = f"task {task.name!r}: project"
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise TypeError(f"{what} must give a dict of tensors by name; got {type(found).__name__}")
    if found.keys() != parameters.keys():
        raise ValueError(f"{what} must give the parameters {', '.join(parameters)}; gave {', '.join(found) or 'none'}")
    for name, value in parameters.items():
        if found[name].shape != value.shape or found[name].dtype != value.dtype:
            raise ValueError(
                f"{what} must keep shape {tuple(value.shape)} and {value.dtype} of {name}; "
                f"gave {tuple(found[name].shape)} {found[name].dtype}"
            )
    return {name: found[name] for name in parameters}


@torch.no_grad()
def project_(task, model):
    """Apply the task's projection, if it has one, to the parameters of a model, in place."""
    if getattr(task, "project", None) is not None:
        own = dict(model.named_parameters())
        for name, value in projected(task, {n: p.detach() for n, p in own.items()}).items():
            own[name].copy_(value)


def check_project(task, seed):
    """Raise as `projected` does, on the first weights of a seed, before anything runs."""
    if getattr(task, "project", None) is not None:
        model = initial_model(task, seed)
        projected(task, {n: p.detach() for n, p in model.named_parameters()})


def given(start, task, seed, lanes=None, argument="start"):
    """Weights to start from as {name: array}: all parameters, buffers where they are named, each checked.

    ``start``: a `lrlib.Record`, or {name: array or tensor} with arrays [L, …] in the order of the lanes. With
    ``lanes=None``, for a single run: arrays without lane axis, or a record of one lane. None stays None.
    Raises ``TypeError`` for another type and ``ValueError`` naming what is missing, unknown or of another shape.
    """
    if start is None:
        return None
    arrays, lead = _arrays(start, lanes, argument), () if lanes is None else (lanes,)
    model = initial_model(task, seed)
    parameters, buffers = (dict(named()) for named in (model.named_parameters, model.named_buffers))
    missing = [n for n in parameters if n not in arrays]
    unknown = [n for n in arrays if n not in parameters and n not in buffers]
    if missing or unknown:
        parts = [
            f"{what} {', '.join(map(str, found))}"
            for what, found in (("lacks", missing), ("has unknown", unknown))
            if found
        ]
        raise ValueError(
            f"{argument} must name the parameters of task {task.name!r} ({', '.join(parameters)}); "
            f"it {' and '.join(parts)}"
        )
    for name, value in arrays.items():
        wanted = (*lead, *{**buffers, **parameters}[name].shape)
        if value.shape != wanted:
            lane = "" if lanes is None else f" for {lanes} lanes"
            raise ValueError(f"{argument}[{name!r}] must have shape {wanted}{lane}; got {value.shape}")
    return arrays


def is_record(start):
    """Whether weights come as a Record, or what looks like one; a module's ``parameters`` is a function."""
    return isinstance(getattr(start, "parameters", None), dict) and isinstance(getattr(start, "buffers", None), dict)


def _arrays(start, lanes, argument):
    """The entries of given weights as arrays."""
    if is_record(start):
        start = {**start.buffers, **start.parameters}
        if lanes is None:
            many = {len(v) for v in start.values()}
            if many - {1}:
                raise ValueError(
                    f"{argument} must be a record of one lane for a single run; got one of {max(many)} lanes"
                )
            start = {name: value[0] for name, value in start.items()}
    if not isinstance(start, dict):
        raise TypeError(f"{argument} must be a Record or a dict of arrays by parameter name; got {start!r}")
    return arrays_of(argument, start)


def arrays_of(argument, weights):
    """The entries of {name: array or tensor} as arrays; ``TypeError`` naming the entry that is none of real numbers."""
    return {name: _array(f"{argument}[{name!r}]", value) for name, value in weights.items()}


def _array(name, value):
    try:
        found = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # rows of different lengths, sparse tensors
        found = np.array(None)
    if found.dtype.kind not in "biuf":
        got = shown(value) if found.dtype == object else found.dtype
        raise TypeError(f"{name} must be an array of real numbers; got {got}")
    return found


@torch.no_grad()
def begin(model, task, arrays=None):
    """Put given weights (of `given`, one run's) into a fresh model and apply the task's projection; returns it."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if arrays is not None and name in arrays:
            tensor.copy_(torch.as_tensor(arrays[name]))
    project_(task, model)
    return model


def snapshot_steps(snapshots, steps):
    """Numbers of updates after which weights are kept, in order: None → none; each from 0 to ``steps``.

    >>> snapshot_steps(None, 10), snapshot_steps([10, 0, 5], 10)
    ([], [0, 5, 10])
    """
    return [] if snapshots is None else updates_of("snapshots", snapshots, steps)


def weights_of(models):
    """{"parameters": {name: array [L, …]}, "buffers": the same}, copied from the networks of L runs, one by one.

    >>> from torch import nn
    >>> weights_of(nn.Linear(2, 1) for _ in range(3))["parameters"]["weight"].shape
    (3, 1, 2)
    """
    named = {"parameters": torch.nn.Module.named_parameters, "buffers": torch.nn.Module.named_buffers}
    lanes = [
        {kind: {n: v.detach().cpu().numpy() for n, v in of(model)} for kind, of in named.items()} for model in models
    ]
    return {kind: {n: np.stack([lane[kind][n] for lane in lanes]) for n in lanes[0][kind]} for kind in named}


def converted(snapshots, function):
    """The snapshots of a record with ``function`` applied to every entry.

    >>> converted({5: {"parameters": {"w": 2}, "buffers": {}}}, float)
    {5: {'parameters': {'w': 2.0}, 'buffers': {}}}
    """
    return {
        step: {kind: {name: function(v) for name, v in part.items()} for kind, part in kept.items()}
        for step, kept in snapshots.items()
    }
