"""Quantities of an experiment: values per seed, their mean and its interval."""

import math
from dataclasses import dataclass

import numpy as np

from lrlib import interval, share_interval

METHODS = ("t", "share")
SHARES = ("share", "balance")  # how the units begin of what single trials give


@dataclass(frozen=True)
class Quantity:
    """A measured quantity: values per seed, their mean and its 95 % interval.

    Build one with `measured` (seeds) or `exact` (no seeds). `axes` maps the name
    of each leading axis of `values` to its ticks; the last axis of `values` is
    the seed. `band` is how far another machine's quick mean may lie from the
    stored one; by default 5 % of it and the half-width of the interval. `about`
    says in a sentence what was measured. `error` is how far chance in the method itself may move the ends (one standard
    error of the draws of a bootstrap), or None.
    """

    unit: str
    axes: dict
    method: str
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    values: object = None
    band: object = None
    about: str = ""
    error: object = None

    def entry(self):
        """The quantity as the JSON of a result holds it."""
        entry = {
            "unit": self.unit,
            "axes": {name: _plain(ticks) for name, ticks in self.axes.items()},
            "method": self.method,
        }
        if self.values is not None:
            entry["values"] = _plain(self.values)
        entry |= {key: _plain(getattr(self, key)) for key in ("mean", "low", "high")}
        entry |= {} if self.error is None else {"error": _plain(self.error)}
        entry |= {} if self.band is None else {"band": self.band}
        return entry | ({"about": self.about} if self.about else {})


def measured(values, unit="", axes=None, method=None, band=None, about=""):
    """A `Quantity` from values per seed: shape (*axes, seeds).

    `method` names the 95 % interval of the mean: "t" (Student) or "share" (Clopper
    and Pearson, of values that are 0 or 1, and, where −1 is among them, of the share
    of hits minus the share of misses);
    None is "share" for such values of a unit that is a share, and "t" for others.
    NaN marks a value that does not exist; then mean and interval are NaN too. A
    single seed has no interval: its ends are the value. Raises `ValueError` for a
    wrong shape or method.

    >>> q = measured([1.0, 2.0, 3.0], unit="steps")
    >>> float(q.mean), round(float(q.low), 2), round(float(q.high), 2)
    (2.0, -0.48, 4.48)
    """
    values, axes = np.asarray(values, dtype=float), _axes(axes)
    if values.shape[:-1] != tuple(len(ticks) for ticks in axes.values()) or values.ndim == 0:
        raise ValueError(f"values must have the axes {list(axes)} and then the seeds, not shape {values.shape}")
    method = ("share" if unit.startswith(SHARES) and _hits(values) else "t") if method is None else method
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}")
    if method == "share" and not _hits(values):
        raise ValueError("method 'share' is for values that are −1, 0 or 1")
    mean = values.mean(axis=-1)
    low, high = _ends(values, method) if values.shape[-1] > 1 else (mean, mean)
    return Quantity(unit, axes, method, mean, low, high, values, band, about)


def exact(value, unit="", axes=None, band=None, about=""):
    """A `Quantity` without chance (a closed form, a deterministic run): the interval is the value.

    >>> exact(2.0, unit="rate").low.item()
    2.0
    """
    value, axes = np.asarray(value, dtype=float), _axes(axes)
    if value.shape != tuple(len(ticks) for ticks in axes.values()):
        raise ValueError(f"value must have the axes {list(axes)}, not shape {value.shape}")
    return Quantity(unit, axes, "exact", value, value, value, None, band, about)


def paired(a, b, unit="", axes=None, method=None, band=None):
    """The paired difference a − b, seed by seed, with its 95 % interval.

    `a` and `b` have the same shape (*axes, seeds) and the same seeds in the same
    order. Raises `ValueError` when the shapes differ.

    >>> float(paired([3.0, 4.0, 5.5], [1.0, 2.0, 3.0]).mean.round(3))
    2.167
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, not {a.shape} and {b.shape}")
    return measured(a - b, unit, axes, method, band)


def _axes(axes):
    return {name: np.asarray(ticks).tolist() for name, ticks in (axes or {}).items()}


def _hits(values):
    """Whether all values that exist are those of single trials, or of differences of two."""
    return bool(np.isin(values[np.isfinite(values)], (-1.0, 0.0, 1.0)).all())


def _ends(values, method):
    if method == "t":
        return interval(values)[1:3]
    ends = [_share_ends(row) for row in values.reshape(-1, values.shape[-1])]
    return [np.reshape(end, values.shape[:-1]) for end in zip(*ends)]


def _share_ends(row):
    """Ends for the share of hits; with misses (−1) among the values those of the two shares, each at half the error."""
    if not np.isfinite(row).all():
        return math.nan, math.nan
    up, down, n = int((row == 1).sum()), int((row == -1).sum()), len(row)
    if not down:
        return share_interval(up, n)
    (up_low, up_high), (down_low, down_high) = (share_interval(hits, n, 0.975) for hits in (up, down))
    return up_low - down_high, up_high - down_low


def _plain(array):
    """Nested lists of six-digit floats; NaN and infinity become `None`."""
    if isinstance(array, (list, tuple)) or getattr(array, "ndim", 0) > 0:
        return [_plain(item) for item in array]
    array = array.item() if hasattr(array, "item") else array
    if isinstance(array, (str, bool, int)):
        return array
    return float(f"{array:.6g}") if math.isfinite(array) else None


def entries(quantities):
    """{name: its JSON} of quantities by name."""
    return {name: quantity.entry() for name, quantity in quantities.items()}


def table(quantities):
    """The scalar quantities as a text table; of the others the shape.

    >>> print(table({"limit": exact(2.0, unit="rate")}))
    limit  2 rate
    """
    width = max(map(len, quantities))
    lines = []
    for name, q in quantities.items():
        if q.axes:
            text = "array over " + " × ".join(f"{axis} ({len(ticks)})" for axis, ticks in q.axes.items())
        elif q.method == "exact":
            text = f"{q.mean:.4g} {q.unit}"
        else:
            text = f"{q.mean:.4g} [{q.low:.4g}, {q.high:.4g}] {q.unit}, {q.values.shape[-1]} seeds"
        lines.append(f"{name:{width}}  {text}".rstrip())
    return "\n".join(lines)
