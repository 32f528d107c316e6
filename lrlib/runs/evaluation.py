"""Loss and metric over full sets, for one model or for all lanes of a sweep, in bounded memory."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.func import functional_call, vmap

from .._base.device import choose, placed
from .._base.arguments import LARGEST_SEED, check_task, having, shown, updates_of, whole
from .._base.start import arrays_of, given, is_record
from .._base.streams import initial_model
from ..tasks.task import check_pair
from .few import on_few

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any
    from .._types import Weights
    from .record import Record
    from ..tasks.task import Task

OTHERS = 16  # examples beside which a few are computed, to see whether these change them
CELLS = 2**24  # numbers that one piece of an evaluation may hold in its layers' outputs


def evaluation_steps(evaluate, steps):
    """Return the numbers of updates after which a run of ``steps`` is evaluated; the end is always among them.

    ``evaluate``: None → the end only; n → every n updates; a sequence of numbers from 0 (before the first update).
    Raises ``ValueError`` or ``TypeError`` for anything else.

    >>> evaluation_steps(None, 10), evaluation_steps(4, 10), evaluation_steps([0, 2], 10)
    ([10], [4, 8, 10], [0, 2, 10])
    """
    if evaluate is None:
        return [steps]
    if not np.iterable(evaluate):
        every = whole("evaluate", evaluate)
        return sorted({*range(every, steps, every), steps})
    allowed = "None, a number n for every n updates, or a sequence of numbers of updates"
    return sorted({*updates_of("evaluate", evaluate, steps, allowed), steps})


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

    def count(x):
        counts = [x.numel()]
        hooks = [m.register_forward_hook(lambda _m, _i, out: counts.append(_numel(out))) for m in model.modules()]
        try:
            model(x)
        finally:
            for hook in hooks:
                hook.remove()
        return sum(counts) // len(x)

    return on_few(count, (x,), len(x))


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
    """Return ``{"train_loss": …, "train_metric": …, "valid_loss": …}`` as floats for ``sets`` {part: (x, y)}.

    A metric that raises where the loss is not finite, as those of scikit-learn do on nan, is nan there.
    """

    values = {}
    with evaluating(model):
        for part, (x, y) in sets.items():
            size = at_once(model, x)
            output = model(x) if size == len(x) else torch.cat([model(piece) for piece in x.split(size)])
            loss = task.loss(output, y)
            values |= {f"{part}_loss": float(loss), f"{part}_metric": float(_metric(task, output, y, loss))}
    return values


def _metric(task, output, y, loss):
    try:
        return task.metric(output, y)
    except Exception:
        if math.isfinite(loss):
            raise
        return math.nan


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
                    loss, metric = _chunk(task, model, *chunk, x=x, y=y)
                    at = chosen.cpu().numpy()
                    values[f"{part}_loss"][at] = loss.double().cpu().numpy()
                    values[f"{part}_metric"][at] = metric.double().cpu().numpy()
    return values


def evaluate_weights(
    task: Task,
    parameters: Record | Weights,
    buffers: Weights | None = None,
    sets: str | Iterable[str] | Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] | np.ndarray = 0,
    device: str | torch.device = "cpu",
) -> dict[str, np.ndarray]:
    r"""Loss and metric of many sets of weights over full sets: → {"train_loss": [L], "train_metric": [L], …}, float64.

    .. math:: \frac{1}{n}\sum_{i=1}^{n} \ell\big(f(x_i; \theta_l), y_i\big), \quad l = 1 \dots L

    The network is in evaluation mode. Lanes and examples are taken in pieces, so that memory stays bounded.

    Args:
        task: a `lrlib.Task`.
        parameters: {name: array or tensor [L, …]}, all parameters of the task's network (buffers may be among them);
            or a `lrlib.Record`, as a run or `lrlib.Record.average` gives it, which brings its buffers.
        buffers: {name: [L, …]}, instead of those of a Record; a buffer that is named nowhere is that of the seed.
        sets: names among "train", "valid", "test" (default: all that the task has), or {name: (x, y)} for other sets.
        seeds: one number, or one a lane [L]: whose training set and whose buffers. A Record brings its own.
        device: "cpu", "cuda", "mps".

    Raises:
        ValueError, TypeError: a parameter is missing or has another shape, a set is unknown or no pair of tensors, a
            device is not there, before anything runs.

    Example:
        >>> from lrlib.tasks import quadratic
        >>> evaluate_weights(quadratic(curvatures=(4.0,)), {"x": np.array([[1.0], [0.5]])})["train_loss"]
        array([2. , 0.5])
    """
    check_task(task)
    sets = _sets(task, sets)
    seeds = getattr(parameters, "seed", seeds)
    arrays, seeds = _weights(task, parameters, buffers, seeds)
    dtype = torch.float64 if any(v.dtype == np.float64 for v in arrays.values()) else torch.float32
    device = choose(device, dtype)
    models = {s: initial_model(task, s, dtype, device) for s in dict.fromkeys(seeds)}
    model = models[seeds[0]]
    stacked = [
        {
            n: torch.stack([dict(named(models[s]))[n].detach() for s in seeds])
            if n not in arrays
            else torch.as_tensor(arrays[n]).to(v)
            for n, v in named(model)
        }
        for named in (torch.nn.Module.named_parameters, torch.nn.Module.named_buffers)
    ]
    return evaluate_lanes(task, model, *stacked, _groups(task, sets, seeds, dtype, device=device))


def _weights(task, parameters, buffers, seeds):
    """Given weights as checked arrays [L, …], and the seed of each lane."""
    kept = is_record(parameters)
    if not (kept or isinstance(parameters, dict)) or not isinstance(buffers, (dict, type(None))):
        raise TypeError(
            "parameters must be a Record or a dict of arrays by name, and buffers such a dict or None; "
            f"got {type(parameters).__name__} and {type(buffers).__name__}"
        )
    first = arrays_of("parameters", parameters.parameters if kept else parameters)
    count = len(np.atleast_1d(next(iter(first.values()), ())))
    seeds = [whole("seeds", s, 0, LARGEST_SEED) for s in (seeds if np.iterable(seeds) else [seeds] * count)]
    if not count or len(seeds) != count:
        raise ValueError(f"parameters and seeds must have the same lanes, at least one; got {count} and {len(seeds)}")
    both = {**(parameters.buffers if kept else {}), **(buffers or {}), **first}
    return given(both, task, seeds[0], count, argument="parameters"), seeds


def _sets(task, sets):
    """The sets of `evaluate_weights`, checked: {name: the name of a set of the task, or a pair (x, y)}."""
    own = [part for part in ("train", "valid", "test") if getattr(task, part) is not None]
    sets = own if sets is None else [sets] if isinstance(sets, str) else sets
    allowed = f"sets must be among {', '.join(own)}, which task {task.name!r} has, or {{name: (x, y)}}"
    if not isinstance(sets, dict):
        if not np.iterable(sets) or not all(isinstance(part, str) for part in sets):
            raise TypeError(f"{allowed}; got {shown(sets)}")
        sets = {part: part for part in sets}
    for part, data in sets.items():
        if not isinstance(data, str):
            check_pair(f"sets[{part!r}]", data)
        elif data not in own:
            raise ValueError(f"{allowed}; got {shown(data)}")
    return sets


def _groups(task, sets, seeds, dtype, device):
    """The sets of `evaluate_weights` as `evaluate_lanes` takes them."""
    lanes, groups = torch.arange(len(seeds), device=device), {}
    for part, data in sets.items():
        several = isinstance(data, str) and data == "train" and task.fresh
        groups[part] = []
        for seed in dict.fromkeys(seeds if several else seeds[:1]):
            x, y = (task.train_for(seed) if data == "train" else getattr(task, data)) if isinstance(data, str) else data
            x, y = placed((x, y), device, dtype)
            groups[part].append((lanes[torch.tensor(seeds, device=device) == seed] if several else lanes, x, y))
    return groups


def _chunk(task, model, parameters, buffers, x, y):
    """Loss and metric of stacked lanes, each [L]; lane by lane where `vmap` cannot run the network, loss or metric."""
    try:
        return _batched(task, model, parameters, buffers, x=x, y=y)
    except Exception:  # an error of the user's own comes up again below
        pairs = []
        for k in range(len(next(iter(parameters.values())))):
            lane = {name: v[k] for name, v in (parameters | buffers).items()}
            pairs.append(_lane(task, model, lane, x, y=y))
        return tuple(torch.tensor(values, dtype=torch.float64) for values in zip(*pairs))


def _lane(task, model, tensors, x, y):
    size = at_once(model, x)
    pieces = [x] if size == len(x) else x.split(size)
    outputs = [functional_call(model, tensors, (piece,)) for piece in pieces]
    output = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    loss = task.loss(output, y)
    return float(loss), float(_metric(task, output, y, loss))


def _batched(task, model, parameters, buffers, x, y):
    size = at_once(model, x)
    if size >= len(x):
        return vmap(lambda p, q: measure(task, model, p, q, x=x, y=y))(parameters, buffers)

    def forward(inputs):
        return vmap(lambda p, q: functional_call(model, (p, q), (inputs,)))(parameters, buffers)

    output = torch.cat([forward(piece) for piece in x.split(size)], dim=1)
    return vmap(lambda o: (task.loss(o, y), task.metric(o, y)))(output)


def at_once(model, x):
    """How many examples to compute at a time, so that one lane's layers put out at most `CELLS` numbers."""
    size = max(1, CELLS // cells(model, x))
    return size if size < len(x) and in_rows(model, x) else len(x)


def in_rows(model, x):
    """Whether the outputs are one tensor, with a row for each example that no other example changes.

    >>> in_rows(torch.nn.Linear(3, 2), torch.ones(9, 3)), in_rows(lambda x: (x, None), torch.ones(9, 3))
    (True, False)
    """

    def rows(few):
        others = x[torch.linspace(0, len(x) - 1, OTHERS, device=x.device).round().long()]
        output, before, behind = model(few), model(torch.cat([few, others])), model(torch.cat([others, few]))
        if not isinstance(output, torch.Tensor) or not output.ndim or len(output) != len(few):
            return False
        beside = before[: len(few)], behind[len(others) :]
        return all(torch.allclose(output, other, rtol=1e-3, atol=1e-5, equal_nan=True) for other in beside)

    return on_few(rows, (x,), len(x))


def record_model(task: Task, record: Record, lane: int = 0, device: str | torch.device = "cpu") -> torch.nn.Module:
    """Return the network of one lane as its run left it: parameters and buffers of the record, in training mode.

    ``task``: the one that was run; its other settings are not looked at. Raises ``ValueError`` for a lane that the
    record does not have, for a record without this model's parameters and for a device that is not there, ``TypeError``
    for what is no task or no record.

    >>> from lrlib import sweep
    >>> from lrlib.tasks import quadratic
    >>> task = quadratic(curvatures=(4.0,))
    >>> record_model(task, sweep(task, lr=[0.125, 0.25], steps=1), lane=0).x
    Parameter containing:
    tensor([0.5000], requires_grad=True)
    """
    check_task(task)
    having("record", record, ("seed", "dtype", "parameters", "buffers"), "a lrlib.Record")
    if isinstance(lane, bool) or not isinstance(lane, (int, np.integer)) or not 0 <= lane < len(record.seed):
        raise ValueError(f"lane must be a whole number from 0 to {len(record.seed) - 1}; got {lane!r}")
    model = initial_model(task, int(record.seed[lane]), getattr(torch, record.dtype), device)
    own = dict(model.named_parameters())
    wrong = [n for n, p in own.items() if n not in record.parameters or record.parameters[n].shape[1:] != p.shape]
    if wrong:
        raise ValueError(f"record has no parameters {', '.join(wrong)} of the shapes of task {task.name!r}")
    with torch.no_grad():
        for name, tensor in (own | dict(model.named_buffers())).items():
            stored = {**record.buffers, **record.parameters}
            if name in stored:
                tensor.copy_(torch.as_tensor(stored[name][lane]))
    return model
