"""What a run is made from: its optimizer, its stopping rule, and the names of its parts."""

import copy
import functools
import inspect

import numpy as np
import torch

from .. import checkpoint as checkpoints
from ...methods import optimizers, rules


def maker(optimizer, lr, hyper, seed):
    """A function ``parameters -> optimizer``; raises for a wrong rule, rate or option.

    A rule that draws random numbers draws them from the run's seed.
    """
    if callable(optimizer) and not isinstance(optimizer, rules.Rule):
        if lr is not None or hyper:
            raise ValueError(
                f"lr and {', '.join(hyper) or 'options'} come from the optimizer that you make; "
                f"got lr={lr!r}, {hyper!r}"
            )
        return optimizer
    rule = rules.get(optimizer)
    lr = rule.defaults["lr"] if lr is None else lr
    if np.ndim(lr) != 0:
        raise ValueError(f"lr must be one number in a single run; got {lr!r}; lrlib.sweep takes several")
    rule.check(lr=lr, **hyper)
    options = {"lr": float(lr), **{name: plain(value) for name, value in hyper.items()}}
    if "seed" in rule.defaults:
        options["seed"] = seed
    return lambda parameters: optimizers.make(rule, parameters, **options)


def check_plans(optimizer, hyper, options):
    """Raise where plans name options that a rule lacks, or would take them outside their range."""
    if callable(optimizer) and not isinstance(optimizer, rules.Rule):
        return
    rule = rules.get(optimizer)
    rule.check(**{name: 1.0 for name in options if name not in rule.defaults})
    rule.check(**{name: factors * hyper.get(name, rule.defaults[name]) for name, factors in options.items()})


def plain(value):
    """A number as a float; a bool or a list of numbers as it is."""
    return value if isinstance(value, bool) or np.ndim(value) else float(value)


def needs_closure(optimizer):
    """Whether ``step`` must be given a function that computes the loss again."""
    if isinstance(optimizer, optimizers.RuleOptimizer):
        return optimizer.rule.kind == "closure"
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def fresh(name, rule):
    """A copy of a stopping rule or a plateau, so that the caller's own stays as it is."""
    if rule is None:
        return None
    if isinstance(rule, type) or not callable(getattr(rule, "update", None)):
        raise TypeError(f"{name} must be an object with a method update; got {rule!r}")
    rule = copy.deepcopy(rule)
    if hasattr(rule, "reset"):
        rule.reset()
    return rule


def check_watched(task, evaluate, **watchers):
    """Raise where a stopping rule or a plateau would never hear of a validation."""
    for name, watcher in watchers.items():
        if watcher is not None and (evaluate is None or task.valid is None):
            missing = "evaluate=n" if evaluate is None else f"a validation set, which task {task.name!r} lacks"
            raise ValueError(f"{name} needs {missing}: it looks at the validation loss of each evaluation")


def watched(rule, values):
    """What a rule looks at: the validation metric where more is better, else the validation loss."""
    return values["valid_metric" if getattr(rule, "mode", "min") == "max" else "valid_loss"]


def named(plan, factors):
    """A plan as text; a plain function by its values."""
    if plan is None or hasattr(plan, "length"):
        return repr(plan)
    return f"a function {checkpoints.digest([torch.from_numpy(factors)])}"


def described(rule):
    """A stopping rule or a plateau as text that is the same in another process."""
    if type(rule).__repr__ is not object.__repr__:
        return repr(rule)
    return f"{type(rule).__qualname__} of {sorted(vars(rule).items())}"


def ways(task, snapshots, start=None):
    """What a checkpoint must know of a projection, of snapshots and of given weights, where a run has them."""
    project = getattr(task, "project", None)
    found = {} if project is None else {"project": _called(project)}
    if start is not None:
        names = sorted(start)
        found["start"] = f"{names} {checkpoints.digest([torch.tensor(start[name]) for name in names])}"
    return found | ({"snapshots": repr(snapshots)} if snapshots else {})


def _called(function):
    """A function as text that is the same in another process; of a functools.partial what it was given as well."""
    if isinstance(function, functools.partial):
        return f"{_called(function.func)} of {function.args} {sorted(function.keywords.items())}"
    return getattr(function, "__qualname__", None) or described(function)
