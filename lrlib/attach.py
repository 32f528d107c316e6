"""A plan on an optimizer, and the record of the rates that it really applied.

The value for step t is set just before step t and recorded just after it, through PyTorch's own step hooks, so the
training loop calls nothing. Each parameter group holds its base rate (``base_lr``) and the rate last applied
(``applied_lr``), the first one also the step (``plan_step``); they ride in ``optimizer.state_dict()``, in copies and in pickles, so a loaded optimizer continues
where the saved one stood.
"""

import array
import math
import weakref

import numpy as np
import torch

from lrlib.schedules import checks


def attach(optimizer, plan, t=None):
    """Let ``optimizer`` follow ``plan``: step t of group g uses rate base_g · plan(t), with base_g its rate now.

    ``optimizer`` is any ``torch.optim.Optimizer``; ``plan`` a `Plan` or a function of the step that returns a factor
    of at least 0. ``t`` is the number of the next step; the default continues where a loaded or copied optimizer
    stood, and is 0 for a fresh one. Groups added later follow with their own rate; a tensor rate is filled in place;
    a step that mixed precision skips, or that raises, does not count. (A tensor rate on a GPU is read back in every
    step, which waits for the device.) A state that was saved without a plan starts
    the plan at 0. Returns an `Attachment`.

    Raises ``TypeError`` for another kind of optimizer or a plan that cannot be called, ``ValueError`` for a negative
    ``t``, a second ``attach``, or (in ``optimizer.step()``) a factor that is negative or not finite.

    >>> from lrlib.schedules import cosine, warmup
    >>> parameter = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = torch.optim.SGD([parameter], lr=0.5)
    >>> handle = attach(optimizer, warmup(1) >> cosine(2))
    >>> for _ in range(4):
    ...     optimizer.step()
    >>> handle.applied.round(3).tolist(), handle.t
    ([[0.25], [0.5], [0.25], [0.0]], 4)
    >>> handle.detach(); optimizer.param_groups[0]["lr"]
    0.5
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer must be a torch.optim.Optimizer; got {type(optimizer).__name__}")
    if not callable(plan):
        raise TypeError(f"plan must be a Plan or a function of the step; got {plan!r}")
    if getattr(optimizer, "attachment", None) is not None:
        raise ValueError(f"this optimizer already follows {optimizer.attachment.plan!r}; call its detach() first")
    if t is not None:
        t = checks.count("t", t)
    return Attachment(optimizer, plan, t)


class Attachment:
    """The handle of an attached plan: owns the step ``t`` and the record of the applied rates.

    ``plan`` is the plan; ``t`` the number of steps taken; ``first`` the step of the first recorded row (above 0
    after a resume). The optimizer knows its handle as ``optimizer.attachment``; the handle keeps no optimizer alive.
    """

    def __init__(self, optimizer, plan, t=None):
        self.plan = plan
        self._optimizer = weakref.ref(optimizer)
        if t is not None:
            optimizer.param_groups[0]["plan_step"] = t
        for group in optimizer.param_groups:
            if _held(group["lr"]) != group.get("applied_lr", _held(group["lr"])):
                group["base_lr"] = float(group["lr"])  # changed by the user since the saved run
        self._begin(optimizer)
        self._hooks = [
            optimizer.register_step_pre_hook(self._set),
            optimizer.register_step_post_hook(self._record),
            optimizer.register_load_state_dict_post_hook(self._begin),
        ]
        optimizer.attachment = self

    @property
    def t(self):
        """Number of the next step, which is the number of steps taken."""
        optimizer = self._optimizer()
        if not self._hooks or optimizer is None:
            return self._t
        return optimizer.param_groups[0]["plan_step"]

    @property
    def base(self):
        """Base rate of each group, a list of floats."""
        optimizer = self._optimizer()
        return [] if optimizer is None else [g["base_lr"] for g in optimizer.param_groups if "base_lr" in g]

    def set_base(self, rates):
        """Change the base rates from the next step on: one number for all groups, or one for each.

        Raises ``ValueError`` for a wrong number of rates or one that is negative or not finite.
        """
        groups = self._attached("set_base").param_groups
        rates = list(rates) if isinstance(rates, (list, tuple, np.ndarray)) else [rates] * len(groups)
        if len(rates) != len(groups):
            raise ValueError(f"rates must be one number or {len(groups)}, one a group; got {len(rates)}")
        rates = [float(checks.factor("rates", rate)) for rate in rates]
        for group, rate in zip(groups, rates, strict=True):
            group["base_lr"] = rate

    @property
    def last(self):
        """The rates of the last recorded step, one a group; empty before the first."""
        return list(self._rates[-self._width :])

    @property
    def applied(self):
        """The rates that the optimizer held in each step: float64, steps × groups.

        A group that did not exist yet in some step is NaN there.
        """
        return np.array(self._rates, dtype=np.float64).reshape(-1, self._width)

    def planned(self):
        """The rates that the plan asks for in the same steps, base · plan(t), shaped like ``applied``.

        A tensor rate rounds to its own precision when it is applied.
        """
        bases = np.array(self._bases, dtype=np.float64).reshape(-1, self._width)
        factors = [self.plan(t) for t in range(self.first, self.first + len(bases))]
        return bases * np.array(factors, dtype=np.float64)[:, None]

    def detach(self):
        """Stop following the plan and give every group its base rate back; a second call does nothing."""
        optimizer = self._optimizer()
        self._t = self.t
        for hook in self._hooks:
            hook.remove()
        if self._hooks and optimizer is not None:
            for group in optimizer.param_groups:
                _put(group, group.pop("base_lr", group["lr"]))
                group.pop("plan_step", None)
                group.pop("applied_lr", None)
            optimizer.attachment = None
        self._hooks = []

    def __repr__(self):
        state = f"t={self.t}" if self._hooks else f"detached at t={self.t}"
        return f"<Attachment of {self.plan!r}, {state}>"

    def _attached(self, what):
        optimizer = self._optimizer()
        if not self._hooks or optimizer is None:
            raise ValueError(f"{what} needs an attached plan; this one was detached")
        return optimizer

    def _begin(self, optimizer):
        """Start an empty record at the step that the groups name."""
        groups = optimizer.param_groups
        self.first = self._t = groups[0].setdefault("plan_step", 0)
        self._rates, self._bases, self._width = array.array("d"), array.array("d"), len(groups)
        self._mark(groups)

    def _set(self, optimizer, args, kwargs):
        groups = optimizer.param_groups
        t = groups[0]["plan_step"]
        factor = float(self.plan(t))
        if not 0 <= factor < math.inf:
            raise ValueError(f"the plan must give a finite factor of at least 0; at t={t} it gave {factor!r}")
        if len(groups) != self._width:
            self._widen(groups)
        for group in groups:
            _put(group, group["base_lr"] * factor)

    def _record(self, optimizer, args, kwargs):
        # GradScaler calls a fused optimizer even when it skips the step, and leaves the reason here.
        skipped = getattr(optimizer, "found_inf", None)
        if skipped is not None and skipped.item():
            return
        groups = optimizer.param_groups
        for group in groups:
            group["applied_lr"] = _held(group["lr"])
            self._rates.append(group["applied_lr"])
            self._bases.append(group["base_lr"])
        self._t = groups[0]["plan_step"] = groups[0]["plan_step"] + 1

    @staticmethod
    def _mark(groups):
        """Give each group that has none its base rate, which is its rate now."""
        for group in groups:
            group.setdefault("base_lr", float(group["lr"]))
            group.setdefault("applied_lr", _held(group["lr"]))

    def _widen(self, groups):
        """Make room in the record for groups that were added."""
        self._mark(groups)
        for name in ("_rates", "_bases"):
            old = np.array(getattr(self, name)).reshape(-1, self._width)
            new = np.full((len(old), len(groups)), np.nan)
            new[:, : self._width] = old
            setattr(self, name, array.array("d", new.tobytes()))
        self._width = len(groups)


def _put(group, rate):
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].detach().fill_(rate)
    else:
        group["lr"] = rate


def _held(rate):
    return rate.item() if isinstance(rate, torch.Tensor) else rate
