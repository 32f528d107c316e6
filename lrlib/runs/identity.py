"""Which run it is: a digest of all that decides its numbers, so that only the very same run is taken up again."""

import numpy as np
import torch

from .._base.digest import digest
from .._base.streams import initial_model, seeded


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
        "task": task.name,
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
        "first weights and loss": _first(task, d.seeds[0]),
        "versions": (torch.__version__, np.__version__),
    }
    return {name: digest(part) for name, part in parts.items()}


def _first(task, seed):
    """First weights, training data and first loss: what a change in a function deep inside a task would move."""
    model = initial_model(task, seed)
    x, y = task.train_for(seed)
    with seeded(seed), torch.no_grad():
        loss = task.loss(model(x[:2].float() if x.is_floating_point() else x[:2]), y[:2])
    return list(model.state_dict().values()), x, y, loss
