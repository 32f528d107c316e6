"""Figures of plans, and of the rates that were really applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._base.arguments import flag, function, number, numbers_of, plan_of, shown, whole
from .axes import axes, finish, texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from typing import Any
    from ..._types import PlanLike
    from ...runs.attachment import Attachment
    from ...runs.record import Record

DRAWN = 10_000_000  # most steps of a figure
DOTS = 160  # most applied rates that are drawn along a plan, besides all that leave it


def plan(
    plan: PlanLike,
    steps: int | None = None,
    ax: Axes | None = None,
    *,
    base: float = 1.0,
    momentum: PlanLike | None = None,
    phases: bool = False,
    label: str | None = None,
    xlabel: str = "step",
    ylabel: str = "factor of the base rate",
    momentum_label: str = "factor of the base momentum",
    **line: Any,
) -> Figure:
    """A plan as a line over the steps 0 … `steps` - 1.

    Args:
        plan: function of the step that takes arrays.
        steps: how many steps are drawn; default: `plan.length` and one more, so that the value it holds is seen.
        ax: axes to draw on; default: those of a new figure.
        base: base rate, when rates rather than factors are to be drawn.
        momentum: another plan, drawn dashed on an axis at the right.
        phases: mark the steps at which a phase begins by thin dotted lines, unless there are more than 20.
        label, xlabel, ylabel, momentum_label: texts.
        line: colour, width and so on, as for `Axes.plot`.

    Returns:
        the `Figure`.

    Raises:
        TypeError: a plan that cannot be called, axes that are none, `steps` or `base` of another kind.
        ValueError: `steps` is missing for a function without a length, below 1 or above 10 million; `base` negative
            or not finite.

    Example:
        >>> from lrlib import cosine, warmup
        >>> figure = plan(warmup(10) >> cosine(90))
        >>> len(figure.axes[0].lines[0].get_xdata())
        101
    """
    for name, one in (("plan", plan), ("momentum", momentum)):
        if not (name == "momentum" and one is None):
            plan_of(name, one)
    phases = flag("phases", phases)
    if steps is None:
        if not np.isfinite(getattr(plan, "length", np.inf)):
            raise ValueError("steps=None: this plan has no length of its own; say how many steps to draw")
        steps = int(plan.length) + 1
    base, ax, t = number("base", base), axes(ax), np.arange(whole("steps", steps, most=DRAWN))
    ax.plot(t, base * _factors("plan", plan, t), label=label, **line)
    if phases and hasattr(plan, "joints"):
        _mark_joints(ax, plan, steps)
    if momentum is not None:
        right = ax.twinx()
        right.plot(t, _factors("momentum", momentum, t), "--", color="C1")
        right.set_ylabel(momentum_label)
    return finish(ax, xlabel, ylabel, legend=label is not None)


def _factors(name, plan, t):
    """The values of a plan at the steps t, one a step."""
    values = plan(t)
    found = numbers_of(f"what {name} gives", values)
    if found.shape != t.shape:
        raise ValueError(f"{name} must give one number a step for an array of steps; got {shown(values)}")
    return found


def _mark_joints(ax, plan, steps):
    from ...plans.views import MARKED, joints

    found = joints(plan, steps - 1, MARKED)
    if found:
        ax.vlines(found, 0, 1, transform=ax.get_xaxis_transform(), colors="0.5", linestyles=":", linewidth=0.7)


def applied(
    source: Attachment | Record,
    plan: PlanLike | None = None,
    ax: Axes | None = None,
    *,
    group: int = 0,
    lane: int = 0,
    color: Any = None,
    labels: Sequence[str] = ("planned", "applied"),
    xlabel: str = "step",
    ylabel: str = "learning rate",
) -> Figure:
    """The planned rate as a thin line and the rate that the optimizer really used as dots on it.

    At most about 160 dots are drawn, and besides them every step whose applied rate leaves the plan by more than
    one part in 100,000: a deviation is never thinned away.

    Args:
        source: an `Attachment` or a `Record`.
        plan: the plan to compare with; default: the attachment's own. A record without plan shows dots alone.
        ax: axes to draw on; default: those of a new figure.
        group: parameter group.
        lane: run of the record.
        color: of line and dots.
        labels: texts for planned and applied.
        xlabel, ylabel: texts.

    Returns:
        the `Figure`.

    Raises:
        TypeError: `source` is neither, `plan` no function, `group` or `lane` no whole number.
        ValueError: nothing was recorded yet; there is no such group or lane.

    Example:
        >>> import torch
        >>> from lrlib import attach, cosine
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        >>> attachment = attach(optimizer, cosine(20))
        >>> for _ in range(20):
        ...     optimizer.step()
        >>> len(applied(attachment).axes[0].lines)
        2
    """
    if plan is not None:
        function("plan", plan, "of the step, or None")
    labels = texts("labels", labels, least=2)
    step, used, planned = _rates(source, plan, group, lane)
    if not step.size:
        raise ValueError("source: no step was recorded yet, so there is no applied rate to draw")
    ax = axes(ax)
    shown = np.unique(np.linspace(0, step.size - 1, DOTS).round().astype(int))
    if planned is not None:
        (line,) = ax.plot(step, planned, lw=0.9, color=color, label=labels[0])
        color = line.get_color()
        off = np.flatnonzero(~np.isclose(used, planned, rtol=1e-5, atol=1e-12, equal_nan=True))
        shown = np.union1d(shown, off)
    ax.plot(step[shown], used[shown], ".", ms=4, color=color, label=labels[1])
    return finish(ax, xlabel, ylabel, legend=True)


def _rates(source, plan, group, lane):
    """Steps, applied and planned rates (or None) of one group of an attachment or of one lane of a record."""
    if hasattr(source, "planned") and hasattr(source, "applied"):
        used = np.asarray(source.applied, dtype=np.float64)
        group = whole("group", group, 0, used.shape[1] - 1)
        used = used[:, group]
        step = np.arange(used.size)
        own = np.asarray(source.planned(), dtype=np.float64)[:, group]
        if plan is None or not used.size:
            return step, used, own
        return step, used, _factors("plan", plan, step) * _base(own, _factors("plan", source.plan, step))
    if not (hasattr(source, "lr0") and hasattr(source, "lr")):
        raise TypeError(f"source={type(source).__name__}: an Attachment or a Record is needed")
    lane = whole("lane", lane, 0, len(source.lr) - 1)
    used = np.asarray(source.lr, dtype=np.float64)[lane]
    used = used[:, whole("group", group, 0, used.shape[1] - 1)] if used.ndim == 2 else used
    step = np.asarray(source.step)
    planned = None if plan is None else float(source.lr0[lane]) * _factors("plan", plan, step)
    ran = np.isfinite(used)
    return step[ran], used[ran], None if planned is None else planned[ran]


def _base(rates, factors):
    """The base rate behind rates = base × factors."""
    k = int(np.argmax(np.abs(factors)))
    return rates[k] / factors[k] if factors[k] else 0.0
