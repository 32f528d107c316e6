"""Figures of records and range tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._base.arguments import flag, having, number, shown
from ..._base.statistics import interval
from .axes import LINES, axes, finish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from typing import Any
    from ...choosing.finder.finding import Finding
    from ...choosing.finder.trial import RangeTest
    from ...runs.record import Record

RECORD = ("lr0", "step", "loss", "status", "evaluations")
_DASHES = {"train": "-", "valid": "--", "test": ":"}


def losses(
    record: Record,
    ax: Axes | None = None,
    *,
    names: Sequence[str] = ("loss",),
    smooth: float = 0.0,
    confidence: float = 0.95,
    colors: Sequence[Any] | None = None,
    label: str = "{lr:.3g}",
    xlabel: str = "step",
    ylabel: str = "loss",
    log: bool = True,
) -> Figure:
    """Loss (or a metric) against the step: one line a rate, the mean over its seeds inside its t-interval.

    A run that diverged is left out of the mean and drawn by itself, thin, up to a cross where it ended.

    Args:
        record: a `Record`.
        ax: axes to draw on; default: those of a new figure.
        names: "loss" (the training batches) or names of evaluations, for example ("train_loss", "valid_loss").
        smooth: weight of the past of a running mean over the batch losses, 0 for none.
        confidence: coverage of the interval.
        colors: one a rate; default: matplotlib's cycle.
        label: template for the legend, given `lr`; "" for none.
        xlabel, ylabel: texts.
        log: logarithmic vertical axis.

    Returns:
        the `Figure`.

    Example:
        >>> from lrlib.runs.record import example
        >>> axes = losses(example()).axes[0]
        >>> [text.get_text() for text in axes.get_legend().get_texts()], axes.get_yscale()
        (['0.1', '1'], 'log')
    """
    from ...choosing.finder.suggestions import smooth as running_mean

    _check_losses(record, names, colors, label)
    smooth, confidence = number("smooth", smooth, below=1), number("confidence", confidence, above=0, below=1)
    log = flag("log", log)
    ax, lr0, failed = axes(ax), np.asarray(record.lr0), np.asarray(record.status) == "diverged"
    for j, name in enumerate(names):
        step, values = _curve(record, name)
        values = running_mean(values, smooth) if name == "loss" and smooth else values
        for i, rate in enumerate(np.unique(lr0)):
            line = {"color": colors[i] if colors is not None else f"C{i % 10}"}
            line["label"] = label.format(lr=rate) if label and j == 0 else None
            line["ls"] = _DASHES.get(name.split("_")[0], "-")
            _band(ax, step, values[(lr0 == rate) & ~failed], confidence, **line)
            _ended(ax, step, values[(lr0 == rate) & failed], color=line["color"])
    if log:
        ax.set_yscale("log")
    return finish(ax, xlabel, ylabel, legend=bool(label))


def _check_losses(record, names, colors, label):
    """Raise before anything is drawn."""
    having("record", record, RECORD, "a Record")
    for name in _names("names", names):
        _curve(record, name)
    rates = len(np.unique(record.lr0))
    if colors is not None and (isinstance(colors, str) or not np.iterable(colors) or len(colors) < rates):
        raise ValueError(f"colors must be one for each of {rates} rates; got {shown(colors)}")
    if not isinstance(label, str):
        raise TypeError(f'label must be a template such as "{{lr:.3g}}", or "" for none; got {shown(label)}')


def _names(argument, names):
    """Names as a list."""
    if isinstance(names, str) or not np.iterable(names) or not all(isinstance(name, str) for name in names):
        raise TypeError(f'{argument} must be a list of names, such as ("loss",); got {shown(names)}')
    return list(names)


def _curve(record, name):
    if isinstance(name, str) and name == "loss":
        return np.asarray(record.step), np.asarray(record.loss, dtype=np.float64)
    known = [key for key in record.evaluations if key != "step"]
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"name: {shown(name)} was not evaluated in this record, only {', '.join(known) or 'nothing'}")
    return np.asarray(record.evaluations["step"]), np.asarray(record.evaluations[name], dtype=np.float64)


def _band(ax, x, rows, confidence, **line):
    """Mean over the first axis as a line inside its t-interval."""
    mean, low, high, n = interval(rows.T, confidence)
    ax.plot(x, mean, **line)
    if n > 1:
        ax.fill_between(x, low, high, color=line["color"], alpha=0.2, lw=0)


def _ended(ax, x, rows, color):
    """Runs that diverged: thin, up to a cross at their last finite value."""
    for row in rows:
        (there,) = np.nonzero(np.isfinite(row))
        if there.size:
            ax.plot(x[there], row[there], color=color, lw=0.6, marker="x", markevery=[-1], ms=5)


def rate_curve(
    record: Record,
    name: str = "test_metric",
    ax: Axes | None = None,
    *,
    confidence: float = 0.95,
    color: Any = None,
    label: str | None = None,
    diverged: str = "diverged",
    xlabel: str = "learning rate",
    ylabel: str | None = None,
    log: bool | None = None,
) -> Figure:
    """Where each rate ended: mean over the seeds with its t-interval, against the rate on a log axis.

    A rate at which some run diverged carries a cross at the top edge, as large as the share of its runs that did;
    the mean is that of the others.

    Args:
        record: a `Record` of a sweep.
        name: an evaluation, "test_metric" for example, at its last step; or "loss", the mean of the last tenth of
            the recorded batch losses.
        ax: axes to draw on; default: those of a new figure.
        confidence: coverage of the interval.
        color, label: of the curve.
        diverged: text for the crosses.
        xlabel, ylabel: texts; default of `ylabel`: the name.
        log: logarithmic vertical axis; default: for losses only.

    Returns:
        the `Figure`.

    Raises:
        ValueError: the record holds no such evaluation.

    Example:
        >>> from lrlib.runs.record import example
        >>> rate_curve(example(), "train_loss").axes[0].lines[0].get_ydata().round(3).tolist()
        [0.2, nan]
    """
    having("record", record, RECORD, "a Record")
    confidence = number("confidence", confidence, above=0, below=1)
    _, values = _curve(record, name)
    log, ax = name.endswith("loss") if log is None else flag("log", log), axes(ax)
    values = values[:, -max(1, values.shape[1] // 10) :].mean(axis=1) if name == "loss" else values[:, -1]
    failed = np.asarray(record.status) == "diverged"
    values = np.where(failed | ~np.isfinite(values), np.nan, values)
    rates, place = np.unique(np.asarray(record.lr0), return_inverse=True)
    rows = [values[place == i] for i in range(len(rates))]
    mean, low, high, _ = np.array([interval(row[np.isfinite(row)], confidence) for row in rows]).T
    (line,) = ax.plot(rates, mean, ".-", color=color, label=label)
    ax.fill_between(rates, low, high, color=line.get_color(), alpha=0.2, lw=0)
    share = np.array([failed[place == i].mean() for i in range(len(rates))])
    if share.any():
        lost = share > 0
        ax.scatter(
            rates[lost],
            np.full(lost.sum(), 0.96),
            s=10 + 30 * share[lost],
            marker="x",
            clip_on=False,
            color=line.get_color(),
            transform=ax.get_xaxis_transform(),
            label=diverged,
        )
    ax.set_xscale("log")
    left, right = ax.get_xlim()
    ax.set_xlim(min(left, rates[0] / 1.2), max(right, rates[-1] * 1.2))  # crosses alone do not widen the axis
    if log:
        ax.set_yscale("log")
    return finish(ax, xlabel, name if ylabel is None else ylabel, legend=label is not None or share.any())


def range_test(
    finding: RangeTest | Finding,
    ax: Axes | None = None,
    *,
    rules: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    color: Any = None,
    xlabel: str = "learning rate",
    ylabel: str = "loss",
    top: float | None = None,
) -> Figure:
    """Loss against the rate of a range test, with what each suggestion rule reads off it.

    The raw losses are faint dots, the smoothed ones lines (one a seed). A suggestion is a vertical line; over
    several seeds it is their geometric mean, with its bootstrap interval as a band.

    Args:
        finding: a `RangeTest` or a `Finding`.
        ax: axes to draw on; default: those of a new figure.
        rules: names of the rules to mark; default: all.
        labels: dict from rule to text; default: its name.
        confidence: coverage of the intervals.
        color: of the curve.
        xlabel, ylabel: texts.
        top: upper limit of the loss axis; default: a third of the fall above the first one.

    Returns:
        the `Figure`.

    Raises:
        ValueError: unknown rule.

    Example:
        >>> from lrlib import RangeTest
        >>> rates = np.logspace(-3, 1, 60)
        >>> finding = RangeTest(rates, 1 + 2 * np.exp(-20 * rates), "finished", 60)
        >>> [line.get_label() for line in range_test(finding, rules=["valley"]).axes[0].lines][-1]
        'valley'
    """
    having("finding", finding, ("smoothed", "loss", "lr", "suggest"), "a RangeTest or a Finding")
    confidence, rules = number("confidence", confidence, above=0, below=1), _rules(rules)
    if labels is not None and not isinstance(labels, dict):
        raise TypeError(f"labels must be a dict from rule to text, or None; got {shown(labels)}")
    top = None if top is None else number("top", top, least=-np.inf)
    ax = axes(ax)
    smoothed, loss = np.atleast_2d(finding.smoothed), np.atleast_2d(finding.loss)
    (curve,) = ax.plot(finding.lr, smoothed[0], color=color, lw=1.2)
    ax.plot(np.tile(finding.lr, len(loss)), loss.ravel(), ".", ms=2, alpha=0.3, color=curve.get_color())
    for row in smoothed[1:]:
        ax.plot(finding.lr, row, color=curve.get_color(), lw=0.7, alpha=0.6)
    for i, rule in enumerate(rules):
        rate, mark = finding.suggest(rule), f"C{i + 1}"
        if np.isfinite(rate):
            ax.axvline(rate, color=mark, ls=LINES[i % len(LINES)], lw=1.2, label=(labels or {}).get(rule, rule))
        if hasattr(finding, "interval") and np.isfinite(rate):
            ax.axvspan(*finding.interval(rule, confidence=confidence), color=mark, alpha=0.15, lw=0)
    ax.set_xscale("log")
    if np.isfinite(smoothed).any():
        low, first = np.nanmin(smoothed), np.nanmax(smoothed[:, 0])
        span = first - low or abs(first) or 1.0
        ax.set_ylim(low - 0.1 * span, first + 0.33 * span if top is None else top)
    return finish(ax, xlabel, ylabel, legend=True)


def _rules(rules):
    """Names of suggestion rules as a list; all for None."""
    from ...choosing.finder.suggestions import SUGGESTION_RULES, get

    names = list(SUGGESTION_RULES) if rules is None else _names("rules", rules)
    return [get(name).name for name in names]
