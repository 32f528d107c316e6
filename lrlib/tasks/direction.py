"""Which end of a score is the good one: low for a loss; for a metric what is known of it, or what the caller says."""

import functools

from .._base.arguments import flag

LOSSES = ("torch.nn.functional", "torch.nn.modules.loss")  # what these modules hold are losses
NAMED = {"accuracy": False, "share in the deeper well": False, "distance": True, "loss gap": True}


def best_low(score, lowest=None, task=None):
    """Whether the lowest value of a score is its best.

    score: "loss", "metric", or an evaluation such as "valid_metric".  lowest: what the caller says of the metric, or
    None.  task: the `Task` that is scored, if there is one yet.

    Raises ``ValueError`` where ``lowest`` is None for a metric of which nothing is known, and where it is False for a
    loss; ``TypeError`` for a ``lowest`` of another kind.

    >>> best_low("valid_loss"), best_low("metric", lowest=False)
    (True, False)
    """
    said = None if lowest is None else flag("lowest", lowest)
    if score.endswith("loss"):
        if said is False:
            raise ValueError(f"lowest must be True or None for {score}, since a loss is best low; got {lowest!r}")
        return True
    known = None if task is None else metric_is_low(task)
    if said is None and known is None:
        name = repr(score) if task is None else f"the metric {task.metric_name!r} of task {task.name!r}"
        raise ValueError(
            f"lowest must say which end of {name} is best: lowest=True (--lowest) where lower is better, as for an "
            "error, lowest=False (--no-lowest) where higher is; got None"
        )
    return known if said is None else said


def metric_is_low(task):
    """Whether the metric of a task is best low; None where that is not known.

    It is best low where it is the task's own loss or a loss of PyTorch's. Of another the name tells, if it is one that
    the ready-made tasks use.

    >>> from lrlib import tasks
    >>> metric_is_low(tasks.quadratic()), metric_is_low(tasks.breast_cancer())
    (True, False)
    """
    loss, metric = _function(task.loss), _function(task.metric)
    if metric == loss or getattr(metric, "__module__", None) in LOSSES:
        return True
    return NAMED.get(task.metric_name)


def _function(called):
    """What a ``functools.partial`` calls, or the function itself."""
    return called.func if isinstance(called, functools.partial) else called
