"""The optimizer of one run with the plans that it follows, and what it applied."""

import inspect

import numpy as np
import torch

from ..._base.arguments import number
from ...methods import optimizers
from ..attachment import attach
from ..log import check_applied


def _constant(t):
    """The plan of a run without one."""
    return 1.0


class Following:
    """An optimizer made for a single-lane `Description`, its plans attached."""

    def __init__(self, description, parameters, plateau):
        d, self.optimizer = description, self._made(description, parameters)
        groups = self.optimizer.param_groups
        rule = getattr(self.optimizer, "rule", None)
        self.name = type(self.optimizer).__name__.lower() if rule is None else rule.name
        self.lr0 = float(groups[0]["lr"])
        self.changeable = [name for name in groups[0] if name not in ("params", "initial_lr")]
        exact = not any(isinstance(g["lr"], torch.Tensor) for g in groups)
        self.rate_dtype = torch.float64 if exact else torch.float32
        watching = {} if plateau is None else {"plateau": plateau}
        self.attachment = attach(self.optimizer, _constant if d.plan is None else d.plan, **watching, **d.plans)
        self.earlier = {name: np.zeros((0, len(groups))) for name in d.factors}
        self.needs_closure = needs_closure(self.optimizer)

    @staticmethod
    def _made(description, parameters):
        if not description.brings_optimizer:
            return optimizers.make(description.rule, parameters, **description.options_of(0))
        made = description.rule(parameters)
        if not hasattr(made, "param_groups"):
            raise TypeError(
                f"rule must be a rule, its name, or a function that gives a torch.optim.Optimizer; it gave {made!r}"
            )
        own, held = set(map(id, parameters)), {id(p) for group in made.param_groups for p in group["params"]}
        if not held or held - own:
            whose = f"{len(held - own)} that are not the network's" if held else "none"
            raise ValueError(
                f"rule must make an optimizer of the parameters that it is given, or of some of them; it made "
                f"{type(made).__name__} of {whose}, which this run does not train"
            )
        return made

    def rates(self):
        """The rate of each group now."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def change(self, options):
        """Set the base rate or an option of every group; nothing is changed where one of them cannot be."""
        for name, value in options.items():
            if name not in self.changeable:
                raise ValueError(f"cannot change {name!r} of {self.name}; it has {', '.join(self.changeable)}")
            number(name, value)
        if hasattr(self.optimizer, "rule"):
            own = self.optimizer.rule.defaults
            self.optimizer.rule.check(**{name: value for name, value in options.items() if name in own})
        for name in [name for name in options if name in self.earlier]:
            self.attachment.set_base(float(options.pop(name)), name)
        for group in self.optimizer.param_groups:
            group.update({name: float(value) for name, value in options.items()})

    def applied(self):
        """{option: applied values so far [steps, groups]}, those before a resume included."""
        return {name: np.concatenate([rows, self.attachment.applied_of(name)]) for name, rows in self.earlier.items()}

    def check(self):
        """Raise where what was applied is not what the plans ask for."""
        for name in self.earlier:
            new, planned = self.attachment.applied_of(name), self.attachment.planned(name)
            check_applied(new[None], planned[None], self.rate_dtype, name)


def needs_closure(optimizer):
    """Whether ``step`` must be given a function that computes the loss again."""
    if isinstance(optimizer, optimizers.RuleOptimizer):
        return optimizer.rule.kind == "closure"
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
