"""The report's two figures as inline SVG: colours come from the page, so that it can be light or dark."""

import math
from html import escape

import numpy as np

from . import words

ARMS = ("early", "constant", "decay", "finetune", "average")
MARKS = {
    "early": "M-3-3L3 3M-3 3L3-3",
    "constant": "M-3.5-3.5H3.5V3.5H-3.5Z",
    "decay": "M0-4.5L4.5 0L0 4.5L-4.5 0Z",
    "finetune": "M0-4.5L4.2 3.5H-4.2Z",
    "average": "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z",
}
SIZES = {"wide": (720, 330), "narrow": (350, 300)}
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 42


def by_rate(report, language, size):
    """Test scores of every way against the first rate."""
    width, height = SIZES[size]
    curves = {arm: points for arm in ARMS if (points := _curve(report, arm))}
    x0, x1 = (math.log10(rate) for rate in (report.regimes.lr[0], report.regimes.lr[-1]))
    low, high, ticks = _scale([point[1:] for points in curves.values() for point in points], report.asked.lowest)
    if words.scale(report)[0] == 100:  # no accuracy lies beyond these, as an interval may
        low, high, ticks = max(low, 0.0), min(high, 1.0), [tick for tick in ticks if -1e-9 <= tick <= 1 + 1e-9]

    def x(rate):
        return LEFT + 14 + (math.log10(rate) - x0) / (x1 - x0) * (width - LEFT - RIGHT - 28)

    def y(value):
        return TOP + (high - min(max(value, low), high)) / (high - low) * (height - TOP - BOTTOM)

    found = report.threshold
    parts = [
        f'<rect class="strip" x="{x(found.low):.1f}" y="{TOP}" width="{max(2, x(found.high) - x(found.low)):.1f}" '
        f'height="{height - TOP - BOTTOM}"/>'
    ]
    parts += [_across(y(tick), width, _number(report, tick)) for tick in ticks]
    parts += [_down(x(rate), height, f"{rate:.3g}") for rate in _rate_ticks(x0, x1, 6 if size == "wide" else 4)]
    for arm, points in curves.items():
        parts.append(_line(arm, points, x, y))
    parts.append(_text(width / 2, height - 6, words.of(language)["axis_rate"], "middle"))
    return _svg(size, parts, _figcaption(report, language, "figure_rate"))


def differences(report, language, size):
    """Test differences to every reference, seed by seed, with their intervals."""
    width, rows = SIZES[size][0], report.differences
    height = 64 * len(rows) + 52
    factor, _, unit = words.scale(report)
    values = [v for d in rows for v in (0.0, d.low, d.high, *d.per_seed) if math.isfinite(v)]
    low, high, ticks = _ticks(min(values), max(values), 5 if size == "wide" else 3)

    def x(value):
        return 14 + (value - low) / (high - low) * (width - 28)

    parts = [f'<path class="zero" d="M{x(0):.1f} 4V{height - 46}"/>']
    parts += [_down(x(tick), height, f"{factor * tick:+.3g}" if tick else "0", 46) for tick in ticks]
    for i, found in enumerate(rows):
        parts += _row(found, 64 * i + 44, x)
        parts.append(_text(14, 64 * i + 20, words.of(language)[found.against], "start", kind="name"))
    unit = words.of(language)["point"] if unit else words.of(language)["differences"][1].split(",")[0].split("（")[0]
    parts.append(_text(width / 2, height - 8, unit, "middle"))
    return _svg(size, parts, _figcaption(report, language, "figure_difference"), height)


def legend(report, language):
    """The ways' marks and names, as an HTML list."""
    rows, named = [], dict(zip(words.COLUMNS, words.of(language)["by_rate"][2:]))
    for arm in ARMS:
        if _curve(report, arm):
            mark = f'<path class="line {arm}" d="M-13 0H13"/><path class="mark {arm}" d="{MARKS[arm]}"/>'
            rows.append(
                f'<li><svg class="key" viewBox="-14 -7 28 14" aria-hidden="true">{mark}</svg>{escape(named[arm])}</li>'
            )
    return f'<ul class="legend">{"".join(rows)}</ul>'


def _figcaption(report, language, key):
    return words.of(language)[key].format(score=words.score(report, language), total=report.asked.total)


def _curve(report, arm):
    """(rate, mean, low, high) of an arm at every rate where all seeds got through."""
    points = ((rate, words.at_rate(report, arm, rate)) for rate in report.regimes.lr)
    return [(float(rate), *words.spread(found)) for rate, found in points if found and np.isfinite(found.test).all()]


def _scale(points, lowest):
    """Ends and ticks of the vertical axis; far outliers on the bad side do not decide."""
    means, ends = np.array([p[0] for p in points]), np.array(points).ravel()
    ends = ends[np.isfinite(ends)]
    good, sign = (means.min(), 1) if lowest else (means.max(), -1)
    reach = max(2.5 * abs(np.quantile(means, 0.25 if not lowest else 0.75) - good), 1e-9)
    inside = ends[(ends - good) * sign <= reach]
    inside = inside[(inside - good) * sign >= -reach / 3]
    return _ticks(inside.min(), inside.max(), 5)


def _ticks(low, high, count):
    """Ends and round ticks that hold ``low`` … ``high``.

    >>> low, high, ticks = _ticks(0.71, 0.89, 4)
    >>> round(low, 2), round(high, 2), [round(t, 2) for t in ticks]
    (0.7, 0.9, [0.7, 0.75, 0.8, 0.85, 0.9])
    """
    span = max(high - low, 1e-9)
    rough = span / count
    power = 10 ** math.floor(math.log10(rough))
    step = min((s * power for s in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, [k * step for k in range(first, last + 1)]


def _rate_ticks(low, high, most):
    """Rates 1, 2, 5 × powers of ten between two logarithms, thinned where they are many."""
    for digits in ((1, 2, 5), (1, 3), (1,)):
        rates = [d * 10.0**p for p in range(math.floor(low), math.ceil(high) + 1) for d in digits]
        rates = [rate for rate in rates if low - 0.02 <= math.log10(rate) <= high + 0.02]
        if len(rates) <= most:
            break
    return rates or [10**low, 10**high]


def _line(arm, points, x, y):
    rows = [(x(rate), (mean, high, low) if math.isfinite(low) else (mean,) * 3) for rate, mean, low, high in points]
    places = [(a, *map(y, values)) for a, values in rows]
    bars = "".join(f"M{a:.1f} {top:.1f}V{bottom:.1f}" for a, _, top, bottom in places)
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b, *_ in places)
    marks = "".join(
        f'<path class="mark {arm}" transform="translate({a:.1f} {b:.1f})" d="{MARKS[arm]}"/>' for a, b, *_ in places
    )
    return f'<path class="bar {arm}" d="{bars}"/><path class="line {arm}" d="{path}"/>{marks}'


def _row(found, y, x):
    """A reference's dots, interval and mean."""
    dots = [
        f'<circle class="dot" cx="{x(v):.1f}" cy="{y - 7 + 3.5 * (k % 3):.1f}" r="3"/>'
        for k, v in enumerate(found.per_seed)
    ]
    mean = f'<path class="mean" d="M{x(found.mean):.1f} {y + 1}V{y + 15}"/>'
    return [*dots, f'<path class="span" d="M{x(found.low):.1f} {y + 8}H{x(found.high):.1f}"/>', mean]


def _number(report, value):
    factor, _, unit = words.scale(report)
    return f"{factor * value:.4g}{unit.strip()}"


def _across(y, width, text):
    return f'<path class="grid" d="M{LEFT} {y:.1f}H{width - RIGHT}"/>{_text(LEFT - 6, y + 4, text, "end")}'


def _down(x, height, text, bottom=BOTTOM):
    return f'<path class="tick" d="M{x:.1f} {height - bottom}v5"/>{_text(x, height - bottom + 18, text, "middle")}'


def _text(x, y, text, anchor, kind="text"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(size, parts, label, height=None):
    width = SIZES[size][0]
    return (
        f'<svg class="figure {size}" viewBox="0 0 {width} {height or SIZES[size][1]}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
