"""The driver: one `torch.optim.Optimizer` that applies any rule, whatever its kind."""

from __future__ import annotations

import contextlib
import numbers
from typing import TYPE_CHECKING

import torch

from ..._base.arguments import flag, shown
from ..._base.preserve import random_states, remembered
from . import described
from .compiled.flat import Flat
from .compiled.program import Unfusable
from .compiled.tape import Untraceable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from ..._types import Group, Params, State
    from .calls import TorchCall
    from ..rules.base import Rule

PATHS = ("eager", "fused")


class RuleOptimizer(torch.optim.Optimizer):
    """A ``torch.optim.Optimizer`` that applies the class's ``rule`` to every parameter that has a gradient.

    ``params`` is an iterable of tensors or of group dicts; ``lr`` a number or a 0-D tensor; ``maximize`` climbs
    instead of descending; ``options`` are those of the rule, and default to the rule's. A rule of kind ``element`` or
    ``tensor`` sees one tensor at a time, one of kind ``global`` the tensors of a group, and one of kind ``closure``
    all tensors together: it needs ``step(closure)``, calls the closure again for each loss that it asks for, with the
    random numbers of the first call, and its groups share their options.

    The six classes that bear the name of one of ``torch.optim`` (SGD, Adam, AdamW, RMSprop, Adagrad, RAdam) take its
    calls as they stand, in groups as well, and run the rule that these ask for, ``optimizer.rule``.

    ``path="fused"`` updates each tensor by one compiled loop, where the rule is of kind ``element`` and there is a
    compiler, and otherwise falls back to plain PyTorch operations, ``"eager"``; ``optimizer.path`` says which one runs
    and ``optimizer.path_reason`` why (None where it is the one that was asked for). The first fused step compiles,
    for seconds. Both keep the same state.

    The classes are `SGD`, `Momentum`, `Nesterov`, `Adagrad`, `RMSprop`, `Adam`, `AMSGrad`, `AdamW`, `AdaBelief`,
    `RAdam`, `LARS`, `HypergradientSGD`, `HypergradientAdam` and `AnnealedSGD`; one of a rule of your own is
    ``class Mine(RuleOptimizer, rule=mine)``, or what `for_rule` gives.

    Raises ``TypeError`` for an unknown option, for sparse or complex gradients and for a missing closure,
    ``ValueError`` for an option outside its range; nothing has changed then.

    >>> from lrlib import SGD
    >>> x = torch.nn.Parameter(torch.tensor(1.0))
    >>> optimizer = SGD([x], lr=0.1, weight_decay=0.5)
    >>> x.grad = torch.tensor(2.0)
    >>> optimizer.step()
    >>> x.item(), optimizer.path
    (0.75, 'eager')
    """

    rule: Rule  # None in this class alone, which has to be subclassed
    call: TorchCall | None
    path: str
    path_reason: str | None
    rule, call = None, None
    path, path_reason = "eager", None
    _flat = None  # the element-wise steps: None not begun, False impossible

    def __init_subclass__(cls, rule: Rule | None = None, call: TorchCall | None = None, **more: Any) -> None:
        """A class that drives ``rule`` and shows it in signature and docstring; ``call`` reads torch's constructor."""
        super().__init_subclass__(**more)
        if rule is not None:
            cls.rule, cls.call = rule, call
            cls.__signature__, cls.__doc__ = described.signature(cls), described.docstring(cls)
        elif "__init__" in vars(cls):
            cls.__signature__ = None  # a user's subclass shows its own

    def __init__(self, params: Params, *args: Any, maximize: bool = False, path: str = "eager", **options: Any) -> None:
        if not isinstance(path, str) or path not in PATHS:
            raise ValueError(f"path must be one of {', '.join(map(repr, PATHS))}; got {shown(path)}")
        if self.rule is None:
            raise TypeError(
                f"{type(self).__name__} has no rule: make one that has, as lrlib.Adam(params) or "
                "lrlib.optimizers.make(rule, params), or write class Mine(RuleOptimizer, rule=mine)"
            )
        maximize = flag("maximize", maximize)
        options = {name: v for name, v in self._named(args, options).items() if name != "lr" or v is not None}
        if not hasattr(params, "__iter__"):
            raise TypeError(f"params must be an iterable of tensors or of group dicts; got {shown(params)}")
        params = params if isinstance(params, torch.Tensor) else list(params)
        defaults = {}
        if self.call is not None:
            groups = [group for group in params if isinstance(group, dict)]
            self.rule = self.call.rule([options, *({**options, **group} for group in groups)])
            defaults, options = self.call.defaults(self.rule), self.call.options(self.rule, options)
        self._check(options)
        self.path = path
        if path == "fused" and self.rule.kind != "element":
            self._fall_back(f"a rule of kind {self.rule.kind!r} is not compiled")
        super().__init__(params, {**self.rule.defaults, **defaults, **options, "maximize": maximize})

    def _named(self, args, options):
        """``options`` with the positional arguments under their names."""
        names = described.positional(type(self))
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__} takes params, {', '.join(names)} by position; got {len(args) + 1}")
        twice = sorted(options.keys() & set(names[: len(args)]))
        if twice:
            raise TypeError(f"{type(self).__name__} got multiple values for {', '.join(twice)}")
        return {**dict(zip(names, args)), **options}

    def add_param_group(self, param_group: Group) -> None:
        """Add a group of parameters with options of its own; other options take this optimizer's defaults."""
        if isinstance(param_group, dict):
            if self.call is not None:
                param_group = self.call.options(self.rule, param_group)
            elif "betas" in param_group and "beta1" in self.rule.defaults:
                raise TypeError(f"{type(self).__name__}: a group has beta1 and beta2 here in place of betas")
            self._check({k: v for k, v in param_group.items() if k in self.rule.defaults})
            flag("maximize", param_group.get("maximize", False))
        super().add_param_group(param_group)

    def _check(self, options):
        self.rule.check(**options)
        for name, value in options.items():
            tensor = isinstance(value, torch.Tensor)
            if isinstance(self.rule.defaults[name], tuple) or (value.ndim == 0 if tensor else _is_real(value)):
                continue
            raise TypeError(f"{type(self).__name__}: {name} must be one number or a 0-D tensor; got {value!r}")

    def load_state_dict(self, state_dict: State) -> None:
        """Take over a saved state, of either path; numbers that a rule keeps for all tensors keep their precision.

        Raises ``ValueError`` for the state of another rule that lacks what this one keeps; nothing has changed then.
        """
        super().load_state_dict(state_dict)
        saved = [i for group in state_dict["param_groups"] for i in group["params"]]
        held = [p for group in self.param_groups for p in group["params"]]
        for i, p in zip(saved, held):
            for name in self.rule.single:
                if name in state_dict["state"].get(i, {}):
                    self.state[p][name] = state_dict["state"][i][name].to(p.device, copy=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Apply one update; with ``closure`` (which recomputes the loss and the gradients), return its loss."""
        if closure is None and self.rule.kind == "closure":
            raise TypeError(f"{type(self).__name__}.step needs a closure that recomputes the loss and the gradients")
        loss, rewind = None, remembered() if self.rule.kind == "closure" else None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        active = [(group, *self._with_gradient(group["params"])) for group in self.param_groups]
        active = [part for part in active if part[1]]
        if self.rule.kind == "closure":
            self._step_closure(active, loss, closure, rewind)
        elif self.rule.kind == "global":
            for group, tensors, gradients in active:
                self._update_together(tensors, gradients, group, group["params"][0])
        elif self.rule.kind == "element":
            self._step_entries(active)
        else:
            self._step_each(active)
        return loss

    def __setstate__(self, state):
        if "rule" in state:
            self.rule = state["rule"]
        options = {*self.rule.defaults, "maximize"}
        kept = {*self.rule.state_names, "step"} if self.rule.kind in ("element", "tensor") else set()
        lacking = [options - set(group) for group in state["param_groups"]]
        lacking += [kept - set(values) for values in state["state"].values() if values]
        if missing := sorted(set().union(*lacking)):
            raise ValueError(f"state_dict: not one of {type(self).__name__}; it lacks {', '.join(missing)}")
        super().__setstate__(state)

    def __getstate__(self):
        return {**super().__getstate__(), "rule": self.rule, "path": self.path, "path_reason": self.path_reason}

    def _step_entries(self, active):
        if self._flat is None:
            self._flat = Flat(self.rule, "inductor" if self.path == "fused" else None)
        try:
            self._step_each(self._flat.step(self, active) if self._flat else active)
        except Unfusable as reason:
            self._fall_back(str(reason))
            self._step_entries(active)
        except Untraceable:
            self._flat = False
            self._step_each(active)

    def _step_each(self, active):
        for group, tensors, gradients in active:
            options = self.options_of(group)
            for p, g in zip(tensors, gradients):
                self._update(p, -g if group["maximize"] else g, options)

    def _fall_back(self, reason):
        self.path, self.path_reason, self._flat = "eager", reason, None

    def _update(self, x, g, options):
        """One step of a rule of kind element or tensor on one parameter."""
        state = self.state_of(x)
        state["step"] += 1
        kept = {name: state[name] for name in self.rule.state_names}
        new, kept = self.rule(x, g, kept, state["step"], **options)
        state.update(kept)
        x.copy_(new)

    def _update_together(self, tensors, gradients, group, holder, **more):
        """One step of a rule of kind global or closure; ``holder`` keeps the step and the single numbers."""
        common = self.state[holder]
        missing = [p for p in tensors if any(name not in self.state[p] for name in self._listed)]
        fresh = self.rule.init(missing or tensors[:1])
        for name in self.rule.single:
            common.setdefault(name, fresh[name])
        for i, p in enumerate(missing):
            self.state[p].update({name: fresh[name][i] for name in self._listed})
        t = common.get("step", 0) + 1
        kept = {name: [self.state[p][name] for p in tensors] for name in self._listed}
        kept.update({name: common[name] for name in self.rule.single})
        g = [-g for g in gradients] if group["maximize"] else gradients
        new, kept = self.rule(tensors, g, kept, t, **self.options_of(group), **more)
        common.update({name: kept[name] for name in self.rule.single}, step=t)
        for i, p in enumerate(tensors):
            self.state[p].update({name: kept[name][i] for name in self._listed})
            p.copy_(new[i])

    def _step_closure(self, active, loss, closure, rewind):
        groups = self.param_groups
        for group in groups[1:]:
            differing = [
                n
                for n in (*self.rule.defaults, "maximize")
                if group[n] is not groups[0][n] and group[n] != groups[0][n]
            ]
            if differing:
                raise ValueError(
                    f"{type(self).__name__} decides for all groups together: they must share {', '.join(differing)}"
                )
        tensors = [p for _, part, _ in active for p in part]
        gradients = [g for *_, part in active for g in part]
        if not tensors:
            return
        sign = -1 if groups[0]["maximize"] else 1
        loss = _loss_of(loss) * sign
        self._update_together(
            tensors,
            gradients,
            groups[0],
            groups[0]["params"][0],
            loss=loss,
            loss_at=lambda values: sign * _loss_at(closure, tensors, values, rewind),
        )

    def state_of(self, x: torch.Tensor) -> State:
        """The state of a parameter, a dict with ``step``; what is not there, or not any more, begins anew."""
        state = self.state[x]
        lacking = [name for name in (*self.rule.state_names, "step") if name not in state]
        if lacking:
            fresh = {**self.rule.init(x), "step": 0}
            state.update({name: fresh[name] for name in lacking})
        return state

    @property
    def _listed(self):
        return [name for name in self.rule.state_names if name not in self.rule.single]

    def options_of(self, group: Group) -> dict[str, Any]:
        """The options of the rule in a parameter group, a dict."""
        return {name: group[name] for name in self.rule.defaults}

    def _with_gradient(self, parameters):
        """The parameters that have a gradient, and their gradients; raises where the driver has no rule for them."""
        tensors, gradients = [], []
        for p in parameters:
            g = p.grad
            if g is not None:
                if g.layout is not torch.strided:
                    raise TypeError(f"{type(self).__name__} needs dense gradients; got layout {g.layout}")
                if p.is_complex():
                    raise TypeError(f"{type(self).__name__} needs real parameters; got dtype {p.dtype}")
                tensors.append(p)
                gradients.append(g)
        return tensors, gradients


def _is_real(value):
    return isinstance(value, numbers.Real)


def _loss_at(closure, tensors, values, rewind):
    """The closure's loss with ``values`` in the parameters, which get their own values and gradients back.

    It draws the random numbers of the step's first call again, so that both losses have the same dropout mask.
    """
    with _put_back(tensors), random_states():
        rewind()
        for p, value in zip(tensors, values, strict=True):
            p.copy_(value)
        with torch.enable_grad():
            loss = closure()
    return _loss_of(loss)


def _loss_of(loss):
    """The closure's loss as a 0-D tensor."""
    if not isinstance(loss, (numbers.Real, torch.Tensor)) or torch.as_tensor(loss).numel() != 1:
        raise TypeError(f"closure: must return the loss, one number; got {loss!r}")
    return torch.as_tensor(loss).detach().reshape(())


@contextlib.contextmanager
def _put_back(tensors):
    before = [(p.clone(), p.grad) for p in tensors]
    for p in tensors:
        p.grad = None  # so that the closure's own zero_grad cannot wipe the gradient in use
    try:
        yield
    finally:
        for p, (value, g) in zip(tensors, before, strict=True):
            p.copy_(value)
            p.grad = g
