"""The learning-rate range test on the user's own model, optimizer and data."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..._base.arguments import MOST_STEPS, check_gradients, function, held, module, number, shown, whole
from ..._base import groups
from ...runs.attachment import Attachment
from ..._base.device import moved
from ..._base.preserve import preserved
from ..._base.streams import is_lazy
from ...plans import ramp
from . import suggestions as rules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from typing import Any
    from ..._types import Loss


class Watch:
    """Say, loss by loss, whether a range test goes on: "" or the reason to stop.

    With s the debiased running mean (`smooth`) and b its lowest value so far, the test has *diverged* when
    s > b + (stop - 1)·|b|, which is stop × b for a positive loss and still makes sense for a negative one. A loss
    that is NaN or infinite stops it at once.

    Example:
        >>> watch = Watch(stop=4.0)
        >>> [watch(loss) for loss in (1.0, 0.9, float("nan"))]
        ['', '', 'not finite']
    """

    def __init__(self, stop, beta=rules.BETA):
        self.stop, self.beta = stop, beta
        self.count, self.mean, self.best = 0, 0.0, math.inf

    def __call__(self, loss):
        if not math.isfinite(loss):
            return "not finite"
        self.count += 1
        self.mean = self.beta * self.mean + (1 - self.beta) * loss
        smoothed = self.mean / (1 - self.beta**self.count)
        self.best = min(self.best, smoothed)
        return "diverged" if smoothed > self.best + (self.stop - 1) * abs(self.best) else ""


@dataclass(frozen=True)
class RangeTest:
    """One curve of loss against rate, and what the published rules read off it.

    Attributes:
        lr: [K] the rate that each step applied.
        loss: [K] batch loss before that step; only finite values, including the one that made the test stop.
        status: "finished", "diverged" (smoothed loss beyond `stop` × its best) or "not finite" (NaN or infinity
            at `stopped_at`).
        steps: planned number of steps, K or more.
        stopped_at: the rate of the last step that was tried.

    Example:
        >>> rates = np.logspace(-3, 1, 60)
        >>> test = RangeTest(rates, 1 + 2 * np.exp(-20 * rates), "finished", steps=60)
        >>> round(test.suggest("valley"), 4), list(test.suggestions())
        (0.0925, ['valley', 'steepest', 'minimum/10', 'linear-slope', 'index-slope'])
    """

    lr: np.ndarray
    loss: np.ndarray
    status: str
    steps: int
    stopped_at: float = field(default=math.nan)

    @property
    def smoothed(self) -> np.ndarray:
        """[K] the debiased running mean of the loss by which the test stops (`smooth`, weight of the past 0.98)."""
        return rules.smooth(self.loss)

    @property
    def reason(self) -> str:
        """Why no rule has a rate to suggest; empty where the curve can be read.

        >>> RangeTest(np.geomspace(1e-3, 1, 30), np.ones(30), "finished", steps=30).reason
        'the loss is the same at every rate: look at whether anything is trained'
        """
        if not len(self.loss):
            return "the loss is not finite before the first update: look at the data and at the loss"
        if self._flat:
            return "the loss is the same at every rate: look at whether anything is trained"
        if any(math.isfinite(rate) for rate in self.suggestions().values()):
            return ""
        return (
            f"the curve is too short, with {len(self.loss)} of {self.steps} steps ({self.status}), for the rules, "
            "which leave out the first and the last ones: take more steps, a lower low, or look at the data"
        )

    @property
    def _flat(self):
        return len(self.loss) > 1 and bool((self.loss == self.loss[0]).all())

    def suggest(self, rule: str = "valley") -> float:
        """The rate that one rule reads off the curve; nan where `reason` says why there is none.

        A rule of its own may have none where others do: its trimming leaves fewer than two points.

        Args:
            rule: one of "valley", "steepest", "minimum/10", "linear-slope", "index-slope".

        Raises:
            ValueError: unknown rule.
        """
        read = rules.get(rule)
        return math.nan if self._flat else read(self.lr, self.loss, self.steps)

    def suggestions(self) -> dict[str, float]:
        """The rates of all rules side by side: dict from name to rate."""
        return {rule: self.suggest(rule) for rule in rules.SUGGESTION_RULES}

    def plot(self, ax: Axes | None = None) -> Figure:
        """A matplotlib figure of the curve with the suggestions marked (see `lrlib.plot.range_test`)."""
        from ...looking import plot

        return plot.range_test(self, ax=ax)


def range_test(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Any],
    loss: Loss,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    stop: float = 4.0,
) -> RangeTest:
    r"""Raise the rate exponentially while training, record the loss, and put everything back.

    .. math:: \eta_t = \text{low}\,(\text{high}/\text{low})^{t/(\text{steps}-1)}, \qquad t = 0, \dots, \text{steps}-1

    Parameter groups keep their proportions: the group with the largest rate runs from `low` to `high`. The test
    stops early when the smoothed loss exceeds `stop` times its best or a loss is NaN or infinite. Afterwards
    parameters, buffers, gradients, optimizer, train/eval modes and all random states are as before, also when an
    exception is raised inside (`preserved`). A model in eval mode is tested in training mode; a model in training
    mode is taken as it is, so that modules that were frozen on purpose stay frozen.

    Args:
        model: the user's module, on its device; batches are moved there.
        optimizer: its optimizer, without an attached plan, or a wrapper that only hands its steps on.
        batches: a `DataLoader`, list or other iterable of `(x, y)`. It is begun again when it ends; an iterator
            that can be read only once must hold at least `steps` batches.
        loss: `loss(model(x), y)` gives a scalar tensor.
        low, high: first and last rate.
        steps: number of steps, at least 2.
        stop: multiple of the best smoothed loss, above 1.

    Returns:
        `RangeTest`.

    Raises:
        ValueError: a number outside its range; every rate of the optimizer 0; a plan attached; too few batches;
            a loss that is not scalar; nothing to train: a loss without a gradient, or an optimizer none of whose
            parameters gets one, because they belong to another model or are frozen.
        TypeError: a model, optimizer or loss of another kind; a batch that is not a pair.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> x = torch.linspace(-1, 1, 32)[:, None]
        >>> model = torch.nn.Linear(1, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> batches = [(x, 3 * x + torch.cos(9 * x))]
        >>> test = range_test(model, optimizer, batches, torch.nn.functional.mse_loss, low=1e-3, high=100)
        >>> test.status, round(float(test.lr[0]), 9), optimizer.param_groups[0]["lr"]
        ('diverged', 0.001, 0.1)
        >>> 0.01 < test.suggest("steepest") < 3
        True

    Source: Smith (2017), "Cyclical learning rates for training neural networks", section 3.3; the constants are
    those of fastai's `lr_find`.
    """
    check_gradients()
    check_ramp(low, high, steps, stop)
    _check_user(model, batches, loss)
    optimizer = groups.stepped(optimizer)
    base = largest_rate(optimizer)
    with preserved(model, optimizer, batches):
        if not model.training:
            model.train()
        # Not by attach, which warns where a scheduler has moved the rates: their proportions alone count here.
        attachment = Attachment(optimizer, ramp(steps - 1, low / base, high / base, shape="exponential"))
        try:
            losses, status = _climb(model, optimizer, _cycle(batches, steps), loss, steps=steps, watch=Watch(stop))
            lr = attachment.applied.max(axis=1)
        finally:
            attachment.detach()
    finite = len(losses) - (status == "not finite")
    return RangeTest(lr[:finite], np.array(losses[:finite]), status, steps, stopped_at=float(lr[len(losses) - 1]))


def check_ramp(low, high, steps, stop):
    if not number("low", low, above=0) < number("high", high, above=0):
        raise ValueError(f"low must be below high; got low={low!r}, high={high!r}")
    held("high", high, torch.float32)
    whole("steps", steps, least=2, most=MOST_STEPS)
    if not (isinstance(stop, float) and stop == math.inf):
        number("stop", stop, above=1)


def largest_rate(optimizer):
    """The largest rate among the groups; ``ValueError`` if it is 0 or if a group has no single rate."""
    for group in optimizer.param_groups:
        groups.check_one_number(group, "lr", type(optimizer).__name__)
    rate = max(float(group["lr"]) for group in optimizer.param_groups)
    if rate <= 0:
        raise ValueError("optimizer: every parameter group has rate 0, so their proportions are unknown; set one")
    return rate


def _check_user(model, batches, loss):
    if is_lazy(module("model", model)):
        raise ValueError("model has lazy layers without weights yet; call it on one batch, then make the optimizer")
    sequence = hasattr(batches, "__getitem__") and hasattr(batches, "__len__")
    if isinstance(batches, (str, bytes, dict, type)) or not (hasattr(batches, "__iter__") or sequence):
        raise TypeError(
            f"batches must be a DataLoader, a list or another iterable of pairs (x, y); got {shown(batches)}"
        )
    function("loss", loss, "(output, y) -> scalar")


def _climb(model, optimizer, batches, loss, steps, watch):
    device = next((p.device for group in optimizer.param_groups for p in group["params"]), None)
    takes_closure, losses = _takes_closure(optimizer), []
    for _, (x, y) in zip(range(steps), batches):
        seen = []
        closure = _closure(model, optimizer, loss, moved(x, device), y=moved(y, device), seen=seen, first=not losses)
        if takes_closure:
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        losses.append(seen[0])
        if reason := watch(seen[0]):
            return losses, reason
    return losses, "finished"


def _takes_closure(optimizer):
    """Whether ``step`` can be given a function that computes the loss again."""
    own, *given = inspect.signature(type(optimizer).step).parameters.values()
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in given)


def _closure(model, optimizer, loss, x, y, seen, first):
    """Loss and gradients on one batch; a closure serves optimizers that look twice (LBFGS, SAM) as well."""

    def closure():
        with torch.enable_grad():
            model.zero_grad()
            optimizer.zero_grad()
            value = _scalar(loss(model(x), y))
            if not value.requires_grad:
                raise ValueError("loss: has no gradient; every parameter is frozen, or the loss was detached")
            value.backward()
        if first:
            _check_gradients(optimizer)
        seen.append(float(value.detach()))
        return value

    return closure


def _check_gradients(optimizer):
    if all(p.grad is None for group in optimizer.param_groups for p in group["params"]):
        raise ValueError(
            "optimizer: none of its parameters gets a gradient from the loss, so nothing would be trained; they belong "
            "to another model (a copy, or a layer that was replaced), or are frozen"
        )


def _scalar(value):
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        got = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"loss: returned {got}; a tensor with one element (a mean over the batch) is needed")
    return value.reshape(())


def _cycle(batches, steps):
    """Batches without end; a clear error where there are none or where they can be read only once."""
    given = 0
    while True:
        before = given
        for batch in batches:
            given += 1
            yield _pair(batch)
        if given == before:
            once = f"ended after {given} of {steps} batches and cannot be read again" if given else "holds no batch"
            raise ValueError(f"batches: {type(batches).__name__} {once}; pass a DataLoader or a list of (x, y)")


def _pair(batch):
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise TypeError(
            f"batches: each must be a pair (x, y), not {type(batch).__name__}; wrap the loader in one that yields pairs"
        )
    return batch
