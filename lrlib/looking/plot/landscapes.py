"""Figures of the loss between and around solutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._base.arguments import flag, having, numbers_of, shown
from .axes import LINES, axes, finish, texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike
    from typing import Any
    from ..landscape.barriers import Barrier
    from ..landscape.slices import Slice

LEVELS = 12  # contour lines of a plane


def loss_line(
    slices: Slice | Mapping[str, Slice],
    ax: Axes | None = None,
    *,
    name: str = "loss",
    log: bool = False,
    xlabel: str = "distance along the direction",
    ylabel: str | None = None,
    **line: Any,
) -> Figure:
    """The loss along one line or several, told apart by their dashes.

    Args:
        slices: a `Slice` of a line, or a dict from label to `Slice`.
        ax: axes to draw on; default: those of a new figure.
        name: "loss" or "metric".
        log: logarithmic vertical axis.
        xlabel, ylabel: texts; default of `ylabel`: the name.
        line: width and so on, as for `Axes.plot`.

    Returns:
        the `Figure`.

    Raises:
        ValueError: a slice that is no line, or that has no such values.

    Example:
        >>> from lrlib import Slice
        >>> a = np.linspace(-1, 1, 5)
        >>> figure = loss_line({"flat": Slice((a,), a**2), "sharp": Slice((a,), 9 * a**2)})
        >>> [line.get_linestyle() for line in figure.axes[0].lines]
        ['-', '--']
    """
    log, labelled = flag("log", log), slices if isinstance(slices, dict) else {None: slices}
    rows = [(label, *_values("slices", s, name, 1)) for label, s in labelled.items()]
    ax = axes(ax)
    for i, (label, at, values) in enumerate(rows):
        ax.plot(at[0], values, **{"ls": LINES[i % len(LINES)], "label": label, **line})
    if log:
        ax.set_yscale("log")
    return finish(ax, xlabel, name if ylabel is None else ylabel, legend=None not in labelled)


def loss_plane(
    slice: Slice,
    ax: Axes | None = None,
    *,
    name: str = "loss",
    levels: ArrayLike | None = None,
    labels: Sequence[str] = ("1", "2", "3"),
    xlabel: str = "first direction",
    ylabel: str = "second direction",
) -> Figure:
    """The loss over a plane as contour lines with their values written on them, and the solutions as labelled dots.

    The way from the first solution to the second, whose highest point makes the barrier, is dashed.

    Args:
        slice: a `Slice` of a plane.
        ax: axes to draw on; default: those of a new figure.
        name: "loss" or "metric".
        levels: values of the contour lines; default: 12, logarithmic where the largest is 20 times the least.
        labels: texts beside the slice's marks.
        xlabel, ylabel: texts.

    Returns:
        the `Figure`.

    Raises:
        ValueError: a slice that is no plane, or that has no such values.

    Example:
        >>> from lrlib import Slice
        >>> a = np.linspace(-1, 1, 9)
        >>> bowl = Slice((a, a), a[:, None] ** 2 + a**2, marks=[(0.0, 0.0), (0.5, 0.0)])
        >>> [text.get_text() for text in loss_plane(bowl, levels=[0.5, 1]).axes[0].texts][-2:]
        ['1', '2']
    """
    (a, b), values = _values("slice", slice, name, 2)
    levels, labels, ax = _levels(values, levels), texts("labels", labels), axes(ax)
    drawn = ax.contour(a, b, values.T, levels, colors="0.35", linewidths=0.8)
    ax.clabel(drawn, fontsize=7, fmt="%.3g")
    if len(slice.marks) > 1:
        ax.plot(*zip(*slice.marks[:2]), "--", lw=1, color="0.1")
        ax.set_aspect("equal")  # both directions are equally long
    for mark, label in zip(slice.marks, labels):
        ax.plot(*mark, "o", ms=5, color="0.1")
        ax.annotate(label, mark, (5, 5), textcoords="offset points", weight="bold")
    return finish(ax, xlabel, ylabel, legend=False)


def barrier(
    barrier: Barrier,
    ax: Axes | None = None,
    *,
    name: str = "loss",
    color: Any = None,
    label: str = "{:.3g}",
    xlabel: str = "from the first solution to the second",
    ylabel: str | None = None,
) -> Figure:
    """Loss or error on the way between two solutions, with the barrier as an arrow above the mean of the ends.

    Args:
        barrier: a `Barrier`.
        ax: axes to draw on; default: those of a new figure.
        name: "loss" or "error".
        color: of the curve.
        label: format of the number beside the arrow: the barrier in units of the axis.
        xlabel, ylabel: texts; default of `ylabel`: the name.

    Returns:
        the `Figure`.

    Raises:
        ValueError: another name, or the error of a barrier that was found without a metric.

    Example:
        >>> from lrlib import Barrier
        >>> figure = barrier(Barrier(np.array([0, 0.5, 1]), np.array([1.0, 3.0, 2.0]), None, 1.5, None))
        >>> figure.axes[0].texts[-1].get_text()
        '1.5'
    """
    having("barrier", barrier, ("at", "loss", "error"), "a Barrier")
    values = {"loss": barrier.loss, "error": barrier.error}.get(name) if isinstance(name, str) else None
    if values is None:
        raise ValueError(f"name must be 'loss', or 'error' of a barrier found with a metric; got {shown(name)}")
    if not isinstance(label, str):
        raise TypeError(f"label must be a format of a number, such as '{{:.3g}}'; got {shown(label)}")
    ax, top = axes(ax), int(np.argmax(values))
    base, high = (values[0] + values[-1]) / 2, values[top]
    ax.plot(barrier.at, values, color=color)
    ax.plot(barrier.at[[0, -1]], values[[0, -1]], "o", ms=5, color="0.1")
    ax.axhline(base, lw=0.8, ls="--", color="0.35")
    ax.annotate("", (barrier.at[top], high), (barrier.at[top], base), arrowprops={"arrowstyle": "<->", "color": "0.1"})
    ax.annotate(label.format(high - base), (barrier.at[top], (high + base) / 2), (5, 0), textcoords="offset points")
    return finish(ax, xlabel, name if ylabel is None else ylabel, legend=False)


def _values(argument, slice, name, dimensions):
    having(argument, slice, ("at", "loss", "metric"), "a Slice")
    values = {"loss": slice.loss, "metric": slice.metric}.get(name) if isinstance(name, str) else None
    if values is None:
        raise ValueError(f"name must be 'loss', or 'metric' of a slice made with one; got {shown(name)}")
    if len(slice.at) != dimensions:
        raise ValueError(f"{argument} must be a {'line' if dimensions == 1 else 'plane'}; got {len(slice.at)} axes")
    return slice.at, values


def _levels(values, asked):
    if asked is not None:
        found = numbers_of("levels", asked)
        if found.ndim != 1 or not found.size or not np.isfinite(found).all() or (np.diff(found) <= 0).any():
            raise ValueError(f"levels must be finite numbers in increasing order; got {shown(asked)}")
        return found
    finite = values[np.isfinite(values)]
    low, high = finite.min(), finite.max()
    if low == high:
        return [low]
    if 0 < 20 * low < high:
        return np.geomspace(low, high, LEVELS + 2)[1:-1]
    return np.linspace(low, high, LEVELS + 2)[1:-1]
