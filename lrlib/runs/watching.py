"""Rules that watch a run: a plateau and a stopping rule, told how validation went."""

import copy
import inspect

from .._base.arguments import shown
from ..plans.plateau import Plateau

from ..tasks.direction import metric_is_low


def check_plateau(plateau):
    """Raise ``TypeError`` unless a plateau, if given, is one."""
    if plateau is not None and not isinstance(plateau, Plateau):
        raise TypeError(f"plateau must be a lrlib.Plateau; got {shown(plateau)}")


def check_stop(stop):
    """Raise ``TypeError`` unless a stopping rule, if given, can be told one value."""
    try:
        if stop is not None:
            inspect.signature(stop.update).bind(0.0)
    except (AttributeError, TypeError, ValueError):  # no method, another number of arguments, or none that Python knows
        raise TypeError(
            f"stop must be a stopping rule, as lrlib.Stalling(), whose update(value) says whether to stop; "
            f"got {shown(stop)}"
        ) from None


def fresh(rule):
    """A copy of a stopping rule or a plateau, so that the caller's own stays as it is."""
    rule = copy.deepcopy(rule)
    if hasattr(rule, "reset"):
        rule.reset()
    return rule


def check_watched(task, evaluate, **watchers):
    """Raise where a stopping rule or a plateau would never hear of a validation, or would take worse for better."""
    for name, watcher in watchers.items():
        if watcher is not None and (evaluate is None or task.valid is None):
            missing = "evaluate=n" if evaluate is None else f"a validation set, which task {task.name!r} lacks"
            raise ValueError(f"{name} needs {missing}: it looks at the validation loss of each evaluation")
        if _mode(watcher) == "max" and metric_is_low(task):
            raise ValueError(
                f'{name} must have mode="min", which watches the validation loss: mode="max" watches the metric '
                f"{task.metric_name!r} of task {task.name!r}, which is best low"
            )


def watched(rule, values):
    """What a rule looks at: the validation metric where more is better, else the validation loss."""
    return values["valid_metric" if _mode(rule) == "max" else "valid_loss"]


def _mode(rule):
    return getattr(rule, "mode", "min")
