"""Calls of the constructors of ``torch.optim`` as they stand: which rule each means, in the names of the rules."""

import inspect
import itertools

import torch

from .. import rules

RUN = ("foreach", "maximize", "capturable", "differentiable", "fused")  # how a step is run, not what it computes
INSTEAD = {
    "foreach": "small tensors are updated together anyway",
    "fused": 'path="fused" compiles the step',
    "lr_decay": "a plan does it: attach(optimizer, inverse_time(1 / lr_decay))",
    "nesterov": "Nesterov's momentum needs a momentum above 0",
}


class TorchCall:
    """How a class here reads the constructor of the class of ``torch.optim`` whose name it bears.

    What a rule calls alike is taken as it is, and ``betas`` as ``beta1`` and ``beta2``. All else that torch's class
    knows is a switch (``momentum`` and ``nesterov`` of SGD, ``amsgrad`` of Adam): ``rules`` maps those that are on, in
    torch's order, to the rule that does it. Another set of them is a ``TypeError`` that says what to do.

    >>> call = TorchCall(torch.optim.Adam, {(): rules.get("adam"), ("amsgrad",): rules.get("amsgrad")})
    >>> call.rule([{"betas": (0.8, 0.99), "amsgrad": True, "foreach": False}])
    rules.get('amsgrad')
    >>> call.options(rules.get("amsgrad"), {"betas": (0.8, 0.99), "amsgrad": True})
    {'beta1': 0.8, 'beta2': 0.99}
    """

    def __init__(self, torch_class, rules):
        self.torch_class, self.rules = torch_class, rules
        _, *own = inspect.signature(torch_class).parameters.values()
        self.parameters = {p.name: p for p in own}
        self.switches = [n for n in self.parameters if n not in (*rules[()].defaults, "betas", "maximize")]
        places = itertools.takewhile(lambda p: p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in RUN, own)
        self.positional = tuple(p.name for p in places)

    def rule(self, calls):
        """The rule that fits all ``calls``: the options of the optimizer, and those of each group laid over them."""
        asked = {self._on(options) for options in calls}
        most = max(asked, key=len)
        rule = self.rules.get(most)
        if rule is None:
            raise TypeError(self._refusal(most, next(options for options in calls if self._on(options) == most)))
        off = {()} if any(name in rule.defaults for name in most) else set()  # SGD without momentum: momentum of 0
        if asked - off - {most}:
            raise TypeError(
                f"{self.name}: groups, or the optimizer and a group, differ in {' and '.join(most)}, which is another "
                f"rule here; make an optimizer for each"
            )
        return rule

    def options(self, rule, given):
        """``given`` in the names of ``rule``; raises ``TypeError`` where a group asks for another one."""
        found, on = dict(given), next(switches for switches, each in self.rules.items() if each is rule)
        if found.get("betas", ()) is None or "betas" not in self.parameters:
            found.pop("betas", None)
        if "betas" in found:
            found |= self._pair(found)
            del found["betas"]
        for name in [name for name in self.switches if name in found and name not in rule.defaults]:
            if bool(found[name]) != (name in on):
                raise TypeError(
                    f"{self.name}: this one runs the rule {rule.name!r}, and a group with {name}={found[name]!r} needs "
                    f"another; make an optimizer for it, or give {name} to the optimizer itself"
                )
            del found[name]
        return found

    def defaults(self, rule):
        """The defaults of torch's class, in the names of ``rule``."""
        given = {name: p.default for name, p in self.parameters.items() if name in ("betas", *rule.defaults)}
        return {name: float(value) for name, value in self.options(rule, given).items()}

    @property
    def name(self):
        """The name of torch's class, and of ours."""
        return self.torch_class.__name__

    def _on(self, options):
        return tuple(name for name in self.switches if options.get(name))

    def _pair(self, given):
        pair = given["betas"]
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{self.name}: betas must be a pair, (beta1, beta2); got {pair!r}")
        if "beta1" in given or "beta2" in given:
            raise TypeError(f"{self.name}: give betas, or beta1 and beta2, not both; got betas={pair!r}")
        return dict(zip(("beta1", "beta2"), pair))

    def _refusal(self, on, options):
        asked = ", ".join(f"{name}={options[name]!r}" for name in on)
        known = [INSTEAD[name] for name in on if name in INSTEAD]
        way = "; ".join(known) or (
            f"torch.optim.{self.name} can be used in its place everywhere here, or write a rule (lrlib.rules.rule)"
        )
        return f"{self.name}: no rule does {asked}; {way}"


SGD = TorchCall(
    torch.optim.SGD, {(): rules.sgd, ("momentum",): rules.momentum, ("momentum", "nesterov"): rules.nesterov}
)
ADAM = TorchCall(
    torch.optim.Adam, {(): rules.adam, ("amsgrad",): rules.amsgrad, ("decoupled_weight_decay",): rules.adamw}
)
ADAMW = TorchCall(torch.optim.AdamW, {(): rules.adamw})
RMSPROP = TorchCall(torch.optim.RMSprop, {(): rules.rmsprop})
ADAGRAD = TorchCall(torch.optim.Adagrad, {(): rules.adagrad})
RADAM = TorchCall(torch.optim.RAdam, {(): rules.radam})
