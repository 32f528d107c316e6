"""Plain matplotlib figures of plans, records and range tests.

Every function draws on `ax`, or on a new `matplotlib.figure.Figure`, and returns the figure; pyplot and its global
state are never touched. Labels are arguments, so that a caller can speak any language. Planned rates are a thin
line, applied rates dots on it; training is solid, validation dashed, test dotted.
"""

import numpy as np

from .record import interval, t_quantile

__all__ = ["applied", "losses", "plan", "range_test", "rate_curve"]

SIZE = (6.4, 3.6)  # inches
DOTS = 160  # most applied rates that are drawn along a plan, besides all that leave it
_DASHES = {"train": "-", "valid": "--", "test": ":"}
_MARKS = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))  # suggestion rules, told apart without colour too


def plan(plan, steps=None, ax=None, *, base=1.0, momentum=None, phases=False, label=None, xlabel="step",
         ylabel="factor of the base rate", momentum_label="factor of the base momentum", **line):  # fmt: skip
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
        ValueError: `steps` is missing for a function without a length, or below 1.

    Example:
        >>> from lrlib.schedules import warmup, cosine
        >>> figure = plan(warmup(10) >> cosine(90))
        >>> len(figure.axes[0].lines[0].get_xdata())
        101
    """
    if steps is None:
        if not np.isfinite(getattr(plan, "length", np.inf)):
            raise ValueError("steps=None: this plan has no length of its own; say how many steps to draw")
        steps = int(plan.length) + 1
    if steps < 1:
        raise ValueError(f"steps={steps!r}: at least one step is needed")
    ax, t = _axes(ax), np.arange(steps)
    ax.plot(t, base * np.asarray(plan(t), dtype=np.float64), label=label, **line)
    if phases:
        _mark_joints(ax, plan, steps)
    if momentum is not None:
        right = ax.twinx()
        right.plot(t, np.asarray(momentum(t), dtype=np.float64), "--", color="C1")
        right.set_ylabel(momentum_label)
    return _finish(ax, xlabel, ylabel, legend=label is not None)


def _mark_joints(ax, plan, steps):
    from .schedules.views import MARKED

    joints = plan.joints(steps - 1)
    if len(joints) <= MARKED:
        ax.vlines(joints, 0, 1, transform=ax.get_xaxis_transform(), colors="0.5", linestyles=":", linewidth=0.7)


def applied(source, plan=None, ax=None, *, group=0, lane=0, color=None, labels=("planned", "applied"),
            xlabel="step", ylabel="learning rate"):  # fmt: skip
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
        TypeError: `source` is neither.
        ValueError: nothing was recorded yet.

    Example:
        >>> import torch
        >>> from lrlib.attach import attach
        >>> from lrlib.schedules import cosine
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        >>> attachment = attach(optimizer, cosine(20))
        >>> for _ in range(20):
        ...     optimizer.step()
        >>> len(applied(attachment).axes[0].lines)
        2
    """
    step, used, planned = _rates(source, plan, group, lane)
    if not step.size:
        raise ValueError("source: no step was recorded yet, so there is no applied rate to draw")
    ax = _axes(ax)
    shown = np.unique(np.linspace(0, step.size - 1, DOTS).round().astype(int))
    if planned is not None:
        (line,) = ax.plot(step, planned, lw=0.9, color=color, label=labels[0])
        color = line.get_color()
        off = np.flatnonzero(~np.isclose(used, planned, rtol=1e-5, atol=1e-12, equal_nan=True))
        shown = np.union1d(shown, off)
    ax.plot(step[shown], used[shown], ".", ms=4, color=color, label=labels[1])
    return _finish(ax, xlabel, ylabel, legend=True)


def _rates(source, plan, group, lane):
    """Steps, applied and planned rates (or None) of one group of an attachment or of one lane of a record."""
    if hasattr(source, "planned") and hasattr(source, "applied"):
        used = np.asarray(source.applied, dtype=np.float64)[:, group]
        step = np.arange(used.size)
        own = np.asarray(source.planned(), dtype=np.float64)[:, group]
        if plan is None or not used.size:
            return step, used, own
        factor = np.asarray(source.plan(step), dtype=np.float64)
        return step, used, np.asarray(plan(step), dtype=np.float64) * _base(own, factor)
    if not (hasattr(source, "lr0") and hasattr(source, "lr")):
        raise TypeError(f"source={type(source).__name__}: an Attachment or a Record is needed")
    used = np.asarray(source.lr, dtype=np.float64)[lane]
    used = used[:, group] if used.ndim == 2 else used
    step = np.asarray(source.step)
    planned = None if plan is None else float(source.lr0[lane]) * np.asarray(plan(step), dtype=np.float64)
    ran = np.isfinite(used)
    return step[ran], used[ran], None if planned is None else planned[ran]


def _base(rates, factors):
    """The base rate behind rates = base × factors."""
    k = int(np.argmax(np.abs(factors)))
    return rates[k] / factors[k] if factors[k] else 0.0


def losses(record, ax=None, *, names=("loss",), smooth=0.0, level=0.95, colors=None, label="{lr:.3g}",
           xlabel="step", ylabel="loss", log=True):  # fmt: skip
    """Loss (or a metric) against the step: one line a rate, the mean over its seeds inside its t-interval.

    A run that diverged is left out of the mean and drawn by itself, thin, up to a cross where it ended.

    Args:
        record: a `Record`.
        ax: axes to draw on; default: those of a new figure.
        names: "loss" (the training batches) or names of evaluations, for example ("train_loss", "valid_loss").
        smooth: weight of the past of a running mean over the batch losses, 0 for none.
        level: coverage of the interval.
        colors: one a rate; default: matplotlib's cycle.
        label: template for the legend, given `lr`; "" for none.
        xlabel, ylabel: texts.
        log: logarithmic vertical axis.

    Returns:
        the `Figure`.
    """
    from .finder.suggestions import smooth as running_mean

    ax, lr0, failed = _axes(ax), np.asarray(record.lr0), np.asarray(record.status) == "diverged"
    for j, name in enumerate(names):
        step, values = _curve(record, name)
        values = running_mean(values, smooth) if name == "loss" and smooth else values
        for i, rate in enumerate(np.unique(lr0)):
            line = {"color": colors[i] if colors is not None else f"C{i % 10}"}
            line["label"] = label.format(lr=rate) if label and j == 0 else None
            line["ls"] = _DASHES.get(name.split("_")[0], "-")
            _band(ax, step, values[(lr0 == rate) & ~failed], level, **line)
            _ended(ax, step, values[(lr0 == rate) & failed], color=line["color"])
    if log:
        ax.set_yscale("log")
    return _finish(ax, xlabel, ylabel, legend=bool(label))


def _curve(record, name):
    if name == "loss":
        return np.asarray(record.step), np.asarray(record.loss, dtype=np.float64)
    known = [key for key in record.evaluations if key != "step"]
    if name not in known:
        raise ValueError(f"names: {name!r} was not evaluated in this record, only {', '.join(known) or 'nothing'}")
    return np.asarray(record.evaluations["step"]), np.asarray(record.evaluations[name], dtype=np.float64)


def _band(ax, x, rows, level, **line):
    """Mean over the first axis as a line inside its t-interval."""
    mean = rows.mean(axis=0) if len(rows) else np.full(len(x), np.nan)
    ax.plot(x, mean, **line)
    if len(rows) > 1:
        half = t_quantile(level, len(rows) - 1) * rows.std(axis=0, ddof=1) / len(rows) ** 0.5
        ax.fill_between(x, mean - half, mean + half, color=line["color"], alpha=0.2, lw=0)


def _ended(ax, x, rows, color):
    """Runs that diverged: thin, up to a cross at their last finite value."""
    for row in rows:
        (there,) = np.nonzero(np.isfinite(row))
        if there.size:
            ax.plot(x[there], row[there], color=color, lw=0.6, marker="x", markevery=[-1], ms=5)


def rate_curve(record, name="test_metric", ax=None, *, level=0.95, color=None, label=None, diverged="diverged",
               xlabel="learning rate", ylabel=None, log=None):  # fmt: skip
    """Where each rate ended: mean over the seeds with its t-interval, against the rate on a log axis.

    A rate at which some run diverged carries a cross at the top edge, as large as the share of its runs that did;
    the mean is that of the others.

    Args:
        record: a `Record` of a sweep.
        name: an evaluation, "test_metric" for example, at its last step; or "loss", the mean of the last tenth of
            the recorded batch losses.
        ax: axes to draw on; default: those of a new figure.
        level: coverage of the interval.
        color, label: of the curve.
        diverged: text for the crosses.
        xlabel, ylabel: texts; default of `ylabel`: the name.
        log: logarithmic vertical axis; default: for losses only.

    Returns:
        the `Figure`.

    Raises:
        ValueError: the record holds no such evaluation.
    """
    ax = _axes(ax)
    _, values = _curve(record, name)
    values = values[:, -max(1, values.shape[1] // 10) :].mean(axis=1) if name == "loss" else values[:, -1]
    failed = np.asarray(record.status) == "diverged"
    values = np.where(failed | ~np.isfinite(values), np.nan, values)
    rates, place = np.unique(np.asarray(record.lr0), return_inverse=True)
    rows = [values[place == i] for i in range(len(rates))]
    mean, low, high, _ = np.array([interval(row[np.isfinite(row)], level) for row in rows]).T
    (line,) = ax.plot(rates, mean, ".-", color=color, label=label)
    ax.fill_between(rates, low, high, color=line.get_color(), alpha=0.2, lw=0)
    share = np.array([failed[place == i].mean() for i in range(len(rates))])
    if share.any():
        lost = share > 0
        ax.scatter(rates[lost], np.full(lost.sum(), 0.96), s=10 + 30 * share[lost], marker="x", clip_on=False,
                   color=line.get_color(), transform=ax.get_xaxis_transform(), label=diverged)  # fmt: skip
    ax.set_xscale("log")
    left, right = ax.get_xlim()
    ax.set_xlim(min(left, rates[0] / 1.2), max(right, rates[-1] * 1.2))  # crosses alone do not widen the axis
    if log if log is not None else name.endswith("loss"):
        ax.set_yscale("log")
    return _finish(ax, xlabel, name if ylabel is None else ylabel, legend=label is not None or share.any())


def range_test(finding, ax=None, *, rules=None, labels=None, level=0.95, color=None, xlabel="learning rate",
               ylabel="loss", top=None):  # fmt: skip
    """Loss against the rate of a range test, with what each suggestion rule reads off it.

    The raw losses are faint dots, the smoothed ones lines (one a seed). A suggestion is a vertical line; over
    several seeds it is their geometric mean, with its bootstrap interval as a band.

    Args:
        finding: a `RangeTest` or a `Finding`.
        ax: axes to draw on; default: those of a new figure.
        rules: names of the rules to mark; default: all.
        labels: dict from rule to text; default: its name.
        level: coverage of the intervals.
        color: of the curve.
        xlabel, ylabel: texts.
        top: upper limit of the loss axis; default: a third of the fall above the first one.

    Returns:
        the `Figure`.

    Raises:
        ValueError: unknown rule.
    """
    from .finder.suggestions import SUGGESTION_RULES

    ax = _axes(ax)
    smoothed, loss = np.atleast_2d(finding.smoothed), np.atleast_2d(finding.loss)
    (curve,) = ax.plot(finding.lr, smoothed[0], color=color, lw=1.2)
    ax.plot(np.tile(finding.lr, len(loss)), loss.ravel(), ".", ms=2, alpha=0.3, color=curve.get_color())
    for row in smoothed[1:]:
        ax.plot(finding.lr, row, color=curve.get_color(), lw=0.7, alpha=0.6)
    for i, rule in enumerate(SUGGESTION_RULES if rules is None else rules):
        rate, mark = finding.suggest(rule), f"C{i + 1}"
        if np.isfinite(rate):
            ax.axvline(rate, color=mark, ls=_MARKS[i % len(_MARKS)], lw=1.2, label=(labels or {}).get(rule, rule))
        if hasattr(finding, "interval") and np.isfinite(rate):
            ax.axvspan(*finding.interval(rule, level=level), color=mark, alpha=0.15, lw=0)
    ax.set_xscale("log")
    low, first = np.nanmin(smoothed), np.nanmax(smoothed[:, 0])
    span = first - low or abs(first) or 1.0
    ax.set_ylim(low - 0.1 * span, first + 0.33 * span if top is None else top)
    return _finish(ax, xlabel, ylabel, legend=True)


def _axes(ax):
    if ax is not None:
        return ax
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("lrlib.plot draws with matplotlib, which is not installed: pip install matplotlib") from error
    return Figure(figsize=SIZE, layout="constrained").add_subplot()


def _finish(ax, xlabel, ylabel, legend):
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return ax.figure
