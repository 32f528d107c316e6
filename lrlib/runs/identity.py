"""Which run it is: a digest of all that decides its numbers, so that only the very same run is taken up again."""

import functools
from pathlib import Path

import numpy as np
import torch

from .._base.device import placed
from .._base.digest import digest
from .._base.streams import initial_model, seeded
from .few import on_few

ROOMS = ("_base", "plans", "methods", "tasks", "runs")


def identity(description):
    """{part: digest} of a `Description`: what must agree for a stored result to be of the same run.

    Besides what was asked for, the first weights, the training data and the first loss of the first seed count: they
    move where something deep inside a task has changed that its code does not show.

    >>> from lrlib import tasks
    >>> from lrlib.runs.description import describe
    >>> one, other = (identity(describe(tasks.quadratic(), lr=lr)) for lr in (0.1, 0.2))
    >>> [part for part in one if one[part] != other[part]]
    ['lr']
    """
    d, task = description, description.task
    evaluated = {name: getattr(task, name) for name in ("valid", "test", "metric")}
    objective = {name: getattr(task, name) for name in ("loss", "l1", "l2", "penalise")}
    trained = {name: getattr(task, name) for name in ("train", "batch", "augment", "noise", "project")}
    parts = {
        "task": (task.name, str(task.metric_name)),
        "model": task.model,
        "loss": objective,
        "data": trained,
        "evaluation": (evaluated, d.when),
        "rule": d.rule,
        "lr": d.lr0,
        "seed": d.seed,
        "seeds from": d.origin,
        "options": d.hyper,
        "plan": d.factors["lr"],
        "plans": {name: factors for name, factors in d.factors.items() if name != "lr"},
        "steps": d.steps,
        "dtype": d.dtype,
        "device": d.device.type,
        "path": d.path,
        "diverged_at": d.diverged_at,
        "start": d.start,
        "snapshots": d.snapshots,
        "plateau": d.plateau,
        "stop": d.stop,
        "first weights and loss": _first(d),
        "versions": (torch.__version__, np.__version__, _sources()),
    }
    return {name: digest(part) for name, part in parts.items()}


@functools.cache
def _sources():
    """A digest of the text of all of lrlib that decides a run's numbers."""
    library = Path(__file__).parents[1]
    files = sorted(path for room in ROOMS for path in (library / room).rglob("*.py"))
    return digest([(path.relative_to(library).as_posix(), path.read_bytes()) for path in files])


def _first(description):
    """First weights, training data and first loss: what a change in a function deep inside a task would move.

    The loss is computed on the CPU, so that it is the same on machines of other devices; None where only the run's own
    device can compute it.
    """
    d, task, seed = description, description.task, description.seeds[0]
    model = initial_model(task, seed, d.dtype)
    x, y = task.train_for(seed)

    def first(*few):
        few_x, few_y = placed(few, "cpu", d.dtype)
        with seeded(seed), torch.no_grad():
            return task.loss(model(few_x), few_y)

    try:
        loss = on_few(first, (x, y), task.batch or len(x))
    except Exception:  # weights of classes, for one, that lie on a GPU
        if d.device.type == "cpu":
            raise
        loss = None
    return list(model.state_dict().values()), x, y, loss
