"""A plan on an optimizer: `attach`, and the handle that it returns.

The value for step t is set just before step t and recorded just after it (`applied`), through PyTorch's own step hooks,
so the training loop calls nothing. Each parameter group holds its base value (``base_lr``) and the value last applied
(``applied_lr``) of every option that follows a plan, the first group also the step (``plan_step``) and what a plateau
remembers (``plateau``); they ride in ``optimizer.state_dict()``, in copies and in pickles, so a loaded optimizer
continues where the saved one stood.

A step whose groups hold something else than they were left with raises before any weight moves: a rate set by hand or
by another scheduler would be overwritten.
"""

from __future__ import annotations

import array
import inspect
import math
import warnings
import weakref
from typing import TYPE_CHECKING

import numpy as np

from .._base import arguments, groups
from .applied import Track
from .watching import check_plateau

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    import torch
    from .._types import PlanLike
    from ..plans.plateau import Plateau


def attach(
    optimizer: torch.optim.Optimizer,
    plan: PlanLike,
    t: int | None = None,
    *,
    plateau: Plateau | None = None,
    **plans: PlanLike,
) -> Attachment:
    """Let ``optimizer`` follow ``plan``: step t of group g uses rate base_g · plan(t), with base_g its rate now.

    ``optimizer`` is any ``torch.optim.Optimizer``, or a wrapper that only hands its steps on, as accelerate's does;
    ``plan`` a `Plan` or a function of the step that returns a factor of at least 0. ``t`` is the number of the next
    step; the default continues where a loaded or copied optimizer stood, and is 0 for a fresh one. ``plans`` gives
    plans to other options, ``momentum=…``, ``weight_decay=…``, ``beta1=…``, each a factor of the group's own value.
    ``plateau``, a `lrlib.Plateau`, multiplies the rate by a scale that falls when what ``handle.report(value)``
    is told stops improving.

    Groups added later follow with their own values; a tensor is filled in place, and groups that shared one get one
    each. A step that mixed precision skips, that raises, or that torch.distributed.checkpoint makes with rate 0 to fill
    an empty state does not count. (A tensor rate on a GPU is read back in every step, which waits for the device.) A
    state that was saved without a plan starts the plan at 0. A copy or a pickle of the optimizer alone is free; one of
    an object that holds optimizer and handle holds a handle of its own, and goes on. Returns an `Attachment`.

    Raises ``TypeError`` for another kind of optimizer, plan or plateau, ``ValueError`` for a negative ``t``, a second
    ``attach``, an option that the optimizer lacks, that is no single number, that counts something or that is 0 in
    every group, or (in ``optimizer.step()``, before anything moves) a factor that is negative or not finite, a beta of
    1 or more, a value that was set by hand or by another scheduler (use ``handle.set_base``), or groups that were taken
    out, replaced or reordered; there too ``TypeError`` for a factor that is no number. Warns where a scheduler of torch
    has moved the rate from its ``initial_lr``.

    >>> import torch
    >>> from lrlib import cosine, one_cycle, one_cycle_momentum, warmup
    >>> parameter = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = torch.optim.SGD([parameter], lr=0.5)
    >>> handle = attach(optimizer, warmup(1) >> cosine(2))
    >>> for _ in range(4):
    ...     optimizer.step()
    >>> handle.applied.round(3).tolist(), handle.t
    ([[0.25], [0.5], [0.25], [0.0]], 4)
    >>> handle.detach(); optimizer.param_groups[0]["lr"]
    0.5
    >>> optimizer = torch.optim.Adam([parameter], lr=0.5, betas=(0.95, 0.999))
    >>> handle = attach(optimizer, one_cycle(10), beta1=one_cycle_momentum(10))
    >>> for _ in range(3):
    ...     optimizer.step()
    >>> handle.applied_of("beta1").round(3).tolist()
    [[0.95], [0.9], [0.85]]
    """
    optimizer = groups.stepped(optimizer)
    for name, given in {"plan": plan, **plans}.items():
        arguments.plan_of(name, given)
    check_plateau(plateau)
    for option in plans:
        _check_option(optimizer, option)
    if t is not None:
        t = arguments.whole("t", t, least=0)
    _warn_of_another_start(optimizer)
    return Attachment(optimizer, plan, t, plateau, plans=plans)


def _check_option(optimizer, option):
    own, kind = groups.options(optimizer.param_groups[0]), type(optimizer).__name__
    if option not in own or option == "lr":
        allowed = ", ".join(name for name in own if name != "lr") or "no other"
        raise ValueError(f"{option!r} cannot follow a plan in {kind}, which has {allowed}")
    for group in optimizer.param_groups:
        groups.check_one_number(group, option, kind)
    most = max(groups.held(group, option) for group in optimizer.param_groups)
    if most == 0:
        raise ValueError(
            f"{option} is 0 in every group, so a plan, a factor of it, changes nothing; "
            f"make the optimizer with its largest {option}"
        )
    declared = inspect.signature(type(optimizer)).parameters.get(option)
    if isinstance(most, int) and most > 1 and not isinstance(getattr(declared, "default", None), float):
        raise ValueError(
            f"{option} of {kind} counts something, {most} now, and a plan would make it a fraction; "
            f"if it may be one, give the optimizer {float(most)}"
        )


def _warn_of_another_start(optimizer):
    """Warn where the base rates will be those to which a scheduler of torch has moved the groups."""
    fresh = [g for g in optimizer.param_groups if "lr" in g and "initial_lr" in g and "applied_lr" not in g]
    now, begun = [float(g["lr"]) for g in fresh], [float(g["initial_lr"]) for g in fresh]
    if now != begun:
        warnings.warn(
            f"the base rates of the plan are the rates of now, {now}, which a scheduler of torch moved away from "
            f"initial_lr, {begun}; if those are meant, call set_base({begun}) on what attach returns",
            stacklevel=3,
        )


def _gone():
    """What a handle without an optimizer refers to."""


def _check_free(optimizer):
    if getattr(optimizer, "attachment", None) is not None:
        raise ValueError(f"this optimizer already follows {optimizer.attachment.plan!r}; call its detach() first")


class Attachment:
    """The handle of an attached plan: owns the step ``t`` and the record of the applied rates.

    ``plan`` is the plan, ``plans`` those of other options, ``plateau`` the plateau or None; ``t`` the number of steps
    taken; ``first`` the step of the first recorded row (above 0 after a resume). The optimizer knows its handle as
    ``optimizer.attachment``; the handle keeps no optimizer alive. A deep copy or a pickle of an object that holds both
    holds a handle and an optimizer that belong together; that of a handle alone has no optimizer.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        plan: PlanLike,
        t: int | None = None,
        plateau: Plateau | None = None,
        plans: Mapping[str, PlanLike] | Iterable[tuple[str, PlanLike]] = (),
    ) -> None:
        self.plan, self.plateau, self.plans = plan, plateau, dict(plans)
        rule = getattr(optimizer, "rule", None)
        self._tracks = {name: Track(name, each, rule) for name, each in {"lr": plan, **self.plans}.items()}
        self._hooks, self._begun = [], False
        _check_free(optimizer)
        self._check(optimizer, optimizer.param_groups)
        if t is not None:
            optimizer.param_groups[0]["plan_step"] = t
        self._begin(optimizer)
        self._follow(optimizer)

    def __getstate__(self):
        """With its optimizer, so that the copy of an object that holds both holds two that belong together."""
        left_out = ("_optimizer", "_hooks", "_known", "_left")
        kept = {name: value for name, value in vars(self).items() if name not in left_out}
        return {**kept, "optimizer": self._optimizer() if self._hooks else None}

    def __setstate__(self, state):
        optimizer = state.pop("optimizer")
        vars(self).update(state, _hooks=[], _optimizer=_gone)
        if optimizer is not None:
            _check_free(optimizer)
            self._remember(optimizer.param_groups)
            self._follow(optimizer)

    def _follow(self, optimizer):
        self._optimizer = weakref.ref(optimizer)
        self._hooks = [
            optimizer.register_step_pre_hook(self._set),
            optimizer.register_step_post_hook(self._record),
            optimizer.register_state_dict_post_hook(self._save),
            optimizer.register_load_state_dict_post_hook(self._load),
        ]
        optimizer.attachment = self

    @property
    def t(self) -> int:
        """Number of the next step, which is the number of steps taken."""
        optimizer = self._optimizer()
        if not self._hooks or optimizer is None:
            return self._t
        return optimizer.param_groups[0].get("plan_step", self._t)

    @property
    def base(self) -> list[float]:
        """Base rate of each group, a list of floats."""
        return self.base_of("lr")

    def base_of(self, option: str) -> list[float]:
        """Base value of an option that follows a plan, for each group."""
        key, optimizer = self._track(option).base, self._optimizer()
        return [] if optimizer is None else [g[key] for g in optimizer.param_groups if key in g]

    def set_base(self, rates: float | Sequence[float] | np.ndarray, option: str = "lr") -> None:
        """Change the base values from the next step on: one number for all groups, or one for each.

        What was set by hand meanwhile is given up. Raises ``ValueError`` for a wrong number of them or one that is
        negative, not finite or outside the range of the option.
        """
        column = self._attached("set_base").param_groups
        track, name = self._track(option), "rates" if option == "lr" else option
        rates = list(rates) if isinstance(rates, (list, tuple, np.ndarray)) else [rates] * len(column)
        if len(rates) != len(column):
            raise ValueError(f"{name} must be one number or {len(column)}, one a group; got {len(rates)}")
        below = 1 if groups.is_beta(option) else math.inf
        rates = [arguments.number(name, rate, below=below) for rate in rates]
        track.check_range(rates)
        for group, rate in zip(column, rates, strict=True):
            group[track.base] = rate
            groups.put(group, option, group[track.last])

    @property
    def scale(self) -> float:
        """What the plateau multiplies the rate by now; 1 without a plateau."""
        optimizer = self._optimizer()
        if self.plateau is None or not self._hooks or optimizer is None:
            return self._scale
        return optimizer.param_groups[0].get("plateau", {"scale": self._scale})["scale"]

    def report(self, value: float) -> float:
        """Tell the plateau the value that should improve (a loss, say); return the scale of the next step.

        Raises ``ValueError`` without a plateau, ``TypeError`` for a value that is no number.
        """
        first = self._attached("report").param_groups[0]
        if self.plateau is None:
            raise ValueError("report needs a plateau: attach(optimizer, plan, plateau=Plateau(…))")
        first["plateau"] = self.plateau.update(first["plateau"], value)
        return first["plateau"]["scale"]

    @property
    def last(self) -> list[float]:
        """The rates of the last recorded step, one a group; empty before the first."""
        return list(self._tracks["lr"].used[-self._width :])

    @property
    def applied(self) -> np.ndarray:
        """The rates that the optimizer held in each step: float64, steps × groups.

        A group that did not exist yet in some step is NaN there.
        """
        return self.applied_of("lr")

    def applied_of(self, option: str) -> np.ndarray:
        """What the optimizer held of an option that follows a plan, like ``applied``.

        Raises ``ValueError`` for an option without a plan.
        """
        return np.array(self._track(option).used, dtype=np.float64).reshape(-1, self._width)

    def planned(self, option: str = "lr") -> np.ndarray:
        """What the plan asks for in the same steps, base · plan(t) (the rate: · scale), shaped like ``applied``.

        A tensor rounds to its own precision when it is applied.
        """
        track = self._track(option)
        bases = np.array(track.bases, dtype=np.float64).reshape(-1, self._width)
        factors = np.array([track.at(t) for t in range(self.first, self.first + len(bases))], dtype=np.float64)
        if option == "lr":
            factors = factors * np.array(self._scales)
        return bases * factors[:, None]

    def detach(self) -> None:
        """Stop following the plans and give every group its base values back; a second call does nothing."""
        optimizer = self._optimizer()
        self._t, self._scale = self.t, self.scale
        for hook in self._hooks:
            hook.remove()
        if self._hooks and optimizer is not None:
            for group in optimizer.param_groups:
                for option in self._tracks:
                    groups.restore(group, option)
                group.pop("plan_step", None)
                group.pop("plateau", None)
            optimizer.attachment = None
        self._hooks = []

    def __repr__(self):
        state = f"t={self.t}" if self._hooks else f"detached at t={self.t}"
        others = "".join(f", {name} {plan!r}" for name, plan in self.plans.items())
        return f"<Attachment of {self.plan!r}{others}, {state}>"

    def _track(self, option):
        if option not in self._tracks:
            raise ValueError(f"{option!r} follows no plan here; those that do: {', '.join(self._tracks)}")
        return self._tracks[option]

    def _attached(self, what):
        optimizer = self._optimizer()
        if not self._hooks or optimizer is None:
            raise ValueError(f"{what} needs an attached plan; this one was detached")
        self._take_in(optimizer)
        return optimizer

    def _save(self, optimizer, state):
        """Let a state that is kept in memory stay as it is: the tensors that are filled in place are copied."""
        for group in state["param_groups"]:
            for option in self._tracks:
                groups.copy_tensor(group, option)

    def _load(self, optimizer):
        """Go on from the state that the optimizer has just loaded."""
        _warn_of_another_start(optimizer)
        self._check(optimizer, optimizer.param_groups)
        self._begin(optimizer)

    def _check(self, optimizer, column):
        for option in self._tracks:
            for group in column:
                groups.check_one_number(group, option, type(optimizer).__name__)

    def _begin(self, optimizer):
        """Start an empty record at the step that the groups name."""
        column = optimizer.param_groups
        self.first = self._t = column[0].setdefault("plan_step", 0)
        self._scale, self._scales, self._width = 1.0, array.array("d"), len(column)
        if self.plateau is not None:
            column[0].setdefault("plateau", self.plateau.start())
        for group in column:
            for option in groups.planned(group):
                if option not in self._tracks:
                    groups.restore(group, option)  # followed a plan in the saved run, and none here
        for track in self._tracks.values():
            track.clear()
        self._mark(optimizer, column)

    def _mark(self, optimizer, new):
        for option, track in self._tracks.items():
            groups.separate(optimizer, option)
            for group in new:
                track.mark(group)
        self._remember(optimizer.param_groups)

    def _remember(self, column):
        self._known, self._left = [id(group) for group in column], [group["lr"] for group in column]

    def _take_in(self, optimizer):
        """Let groups follow that were added since the last step; raise where the others are not as they were."""
        column, known = optimizer.param_groups, len(self._known)
        found = [id(group) if "applied_lr" in group else None for group in column]
        if found[:known] != self._known:
            raise ValueError(
                "param_groups: groups were taken out, replaced or reordered under the plan; call detach() and "
                f"attach(optimizer, plan, t={self._t}) again, which begins a new record"
            )
        if len(found) > known:
            self._check(optimizer, column[known:])
            self._mark(optimizer, column[known:])
            for track in self._tracks.values():
                track.widen(known, len(column))
            self._width = len(column)

    def _rehearsed(self, optimizer):
        """Whether this is torch's own step with rates of 0, which it sets and takes back itself."""
        if optimizer.param_groups[0].get("lr") is self._left[0]:
            return False
        replaced = all(group.get("lr") is not rate for group, rate in zip(optimizer.param_groups, self._left))
        return replaced and groups.rehearsed(optimizer)

    def _set(self, optimizer, args, kwargs):
        self._begun = False
        if self._rehearsed(optimizer):
            return
        self._take_in(optimizer)
        column, tracks = optimizer.param_groups, self._tracks.values()
        for track in tracks:
            track.check_left(column)
        t = column[0]["plan_step"]
        factors = [track.factor(t, column) for track in tracks]
        if self.plateau is not None:
            self._scale = column[0]["plateau"]["scale"]
            factors[0] *= self._scale
        for track, factor in zip(tracks, factors):
            track.apply(factor, column)
        self._left, self._begun = [group["lr"] for group in column], True

    def _record(self, optimizer, args, kwargs):
        if not self._begun or groups.skipped(optimizer):
            return
        self._begun = False  # a subclass whose step calls its parent's comes here twice
        column = optimizer.param_groups
        for track in self._tracks.values():
            track.record(column)
        self._scales.append(self._scale)
        self._t = column[0]["plan_step"] = column[0]["plan_step"] + 1
