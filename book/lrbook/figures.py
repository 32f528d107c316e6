"""Figures that can be read on a white page and on a dark one.

One transparent PNG serves both themes. Lines keep a luminance between the two
pages, so they reach 3:1 on either. No single colour reaches 4.5:1 on both, so
letters are dark (4.5:1 on white) and wear a white halo, which nobody sees on
the white page and which carries them (4.5:1) on the dark one.
"""

import base64
import io
from functools import lru_cache
from math import log10

import matplotlib
from matplotlib import colors as mcolors
from matplotlib import font_manager, patheffects, ticker
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

PAGES = {"light": "#ffffff", "dark": "#121212"}
SIZE = (6.4, 3.6)
DPI = 150
TEXT = "#3f3f3f"
FRAME = "#7d7d7d"
HALO = "#ffffff"

COLORS = {
    "sgd": "#0173de",
    "momentum": "#0a9191",
    "nesterov": "#1285a7",
    "adagrad": "#bc7f02",
    "rmsprop": "#9c3fd3",
    "adam": "#e82d36",
    "adamw": "#e842a1",
    "adabelief": "#079f2b",
    "accent": "#6357f0",
    "neutral": "#7d7d7d",
}
LINES = {
    "sgd": "-",
    "momentum": (0, (6, 2)),
    "nesterov": (0, (6, 2, 1.5, 2)),
    "adagrad": (0, (1.5, 1.5)),
    "rmsprop": (0, (3, 1.5)),
    "adam": (0, (8, 2, 1.5, 2, 1.5, 2)),
    "adamw": (0, (10, 3)),
    "adabelief": (0, (1.5, 3)),
    "accent": "-",
    "neutral": "-",
}
MARKERS = {
    "sgd": "o",
    "momentum": "s",
    "nesterov": "P",
    "adagrad": "^",
    "rmsprop": "D",
    "adam": "v",
    "adamw": "X",
    "adabelief": "h",
    "accent": "o",
    "neutral": "o",
}


def style(method, **changes):
    """Keyword arguments of `ax.plot` for a method: its colour, dashes and marker.

    `changes` are added or replace (`style("adam", marker="")`). Unknown methods
    raise a `ValueError`.

    >>> style("adam", marker="")["color"]
    '#e82d36'
    """
    if method not in COLORS:
        raise ValueError(f"method must be one of {', '.join(COLORS)}, not {method!r}")
    return dict(color=COLORS[method], linestyle=LINES[method], marker=MARKERS[method], markersize=4) | changes


def planned(**changes):
    """Keyword arguments for a planned rate: a thin line.

    >>> planned(label="plan")["linewidth"]
    1.0
    """
    return dict(color=COLORS["neutral"], linewidth=1.0, linestyle="-") | changes


def applied(**changes):
    """Keyword arguments for an applied rate: dots on the planned line.

    >>> applied()["linestyle"]
    'none'
    """
    return dict(color=COLORS["accent"], linestyle="none", marker="o", markersize=3) | changes


def luminance(color):
    """Relative luminance of a colour, 0 (black) to 1 (white), as WCAG 2 defines it.

    >>> round(luminance("#ffffff"), 3)
    1.0
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mcolors.to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    """Contrast ratio of two colours, (L₁ + 0.05)/(L₂ + 0.05), from 1 to 21.

    >>> round(contrast("white", "black"), 1)
    21.0
    """
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def ink(color):
    """The colour darkened until thin letters in it reach 4.5:1 on white.

    The full colour reaches 6:1, since the edges of letters are blended with the page.

    >>> contrast(ink(COLORS["adagrad"]), "white") >= 4.5
    True
    """
    rgb = mcolors.to_rgb(color)
    while contrast(rgb, HALO) < 6:
        rgb = tuple(0.97 * c for c in rgb)
    return mcolors.to_hex(rgb)


@lru_cache(maxsize=1)
def font_families():
    """DejaVu Sans, and the Japanese font that fills what it lacks.

    >>> font_families()
    ['DejaVu Sans', 'IPAexGothic']
    """
    import importlib.util
    from pathlib import Path

    folder = Path(importlib.util.find_spec("matplotlib_fontja").origin).parent
    font_manager.fontManager.addfont(str(folder / "fonts" / "ipaexg.ttf"))
    return ["DejaVu Sans", "IPAexGothic"]


def rc():
    """The book's matplotlib settings, for `matplotlib.rc_context`.

    >>> rc()["figure.figsize"]
    (6.4, 3.6)
    """
    return {
        "font.family": font_families(),
        "font.size": 10.5,
        "axes.titlesize": 10.5,
        "axes.labelsize": 10.5,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        "legend.fontsize": 9.5,
        "legend.frameon": False,
        "text.color": TEXT,
        "axes.labelcolor": TEXT,
        "axes.titlecolor": TEXT,
        "xtick.labelcolor": TEXT,
        "ytick.labelcolor": TEXT,
        "axes.edgecolor": FRAME,
        "xtick.color": FRAME,
        "ytick.color": FRAME,
        "grid.color": FRAME,
        "grid.alpha": 0.25,
        "axes.grid": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "figure.figsize": SIZE,
        "lines.linewidth": 1.8,
        "axes.prop_cycle": matplotlib.cycler(color=list(COLORS.values())[:8], linestyle=list(LINES.values())[:8]),
        "axes.unicode_minus": True,
        "svg.hashsalt": "lrbook",
    }


def use_style():
    """Make the book's settings the session's own (`lrbook.start` calls it).

    >>> use_style()
    """
    matplotlib.rcParams.update(rc())


def panel(ncols=1, nrows=1, height=None, **kwargs):
    """A figure of the book's size and its axes: `fig, ax = panel()`.

    `ncols` is at most two; `height` in inches (default 3.6); the rest goes to
    `Figure.subplots` (`sharey=True`, …). Axes come back as `subplots` returns them.

    >>> fig, (left, right) = panel(ncols=2)
    >>> fig.get_size_inches().tolist()
    [6.4, 3.6]
    """
    if ncols not in (1, 2):
        raise ValueError(f"ncols must be 1 or 2, not {ncols!r}: a page has room for two panels")
    with matplotlib.rc_context(rc()):
        fig = Figure(figsize=(SIZE[0], height or SIZE[1]), layout="constrained")
        FigureCanvasAgg(fig)
        return fig, fig.subplots(nrows, ncols, **kwargs)


def label(ax, x, y, text, method="neutral", **kwargs):
    """Write a direct label at the data point `(x, y)`, in the ink of a method's colour.

    >>> _, ax = panel()
    >>> label(ax, 0.5, 0.5, "SGD", "sgd").get_text()
    'SGD'
    """
    options = dict(color=ink(COLORS[method]), xytext=(4, 2), textcoords="offset points") | kwargs
    return ax.annotate(text, (x, y), **options)


def readable(fig):
    """Give every letter its halo and its ink; refuse a line below 3:1 on a page.

    Changes `fig` in place and returns it. Raises `ValueError` naming the colour.

    >>> fig, ax = panel()
    >>> _ = ax.plot([0, 1], [0, 1], color="yellow")
    >>> readable(fig)
    Traceback (most recent call last):
    ValueError: line colour #ffff00 has contrast 1.1 on the light page; at least 3 is needed (take one of lrbook.COLORS)
    """
    for axes in fig.axes:
        _round_ticks(axes)
        for line in axes.lines:
            _check_line(line.get_color())
        if axes.get_legend() is not None:
            axes.get_legend().set_frame_on(False)
    for text in fig.findobj(Text):
        text.set_fontfamily(font_families())
        text.set_color(ink(text.get_color()))
        text.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground=HALO)])
    return fig


def _round_ticks(axes):
    """Plain round numbers on a log axis with room for less than two powers of ten, where labels like 2×10⁰ collide."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        if isinstance(axis.get_major_locator(), ticker.LogLocator) and log10(high) // 1 - -(-log10(low) // 1) < 1:
            axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(ticker.NullFormatter())


def _check_line(color):
    for page, background in PAGES.items():
        ratio = contrast(color, background)
        if ratio < 3:
            name = mcolors.to_hex(color)
            raise ValueError(
                f"line colour {name} has contrast {ratio:.1f} on the {page} page; "
                "at least 3 is needed (take one of lrbook.COLORS)"
            )


def png(fig):
    """The figure as transparent PNG bytes, the same bytes on every call.

    >>> fig, ax = panel()
    >>> png(fig) == png(fig)
    True
    """
    from PIL import Image

    drawn, file = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(rc()):
        readable(fig).savefig(drawn, format="png", dpi=DPI, transparent=True, metadata={"Software": None})
    # 256 colours: a quarter of the bytes, and the notebooks are committed with their figures
    Image.open(drawn).quantize(256, method=Image.Quantize.FASTOCTREE).save(file, "png", optimize=True)
    return file.getvalue()


def show(fig, alt):
    """Show the figure once, with its alternative text.

    `alt` is a sentence that says what the picture shows; it becomes the output's
    plain text and stands in its metadata, from where it reaches the page.
    Raises `ValueError` when it is empty.

    >>> fig, ax = panel()
    >>> show(fig, alt=" ")
    Traceback (most recent call last):
    ValueError: alt must be a sentence about the figure, not ' '
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt must be a sentence about the figure, not {alt!r}")
    from IPython.display import display

    alt = " ".join(alt.split())
    size = dict(zip(("width", "height"), (int(100 * inches) for inches in fig.get_size_inches())))
    image = base64.b64encode(png(fig)).decode("ascii")
    display({"image/png": image, "text/plain": alt}, metadata={"image/png": {"alt": alt, **size}}, raw=True)
