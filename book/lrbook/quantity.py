"""Quantities of an experiment: values per seed, their mean and its interval."""

import math
from dataclasses import dataclass

import numpy as np

from lrlib import bootstrap, interval


@dataclass(frozen=True)
class Quantity:
    """A measured quantity: values per seed, their mean and its 95 % interval.

    Build one with `measured` (seeds) or `exact` (no seeds). `axes` maps the name
    of each leading axis of `values` to its ticks; the last axis of `values` is
    the seed. `band` is how far another machine's quick mean may lie from the
    stored one; by default 5 % of it and the half-width of the interval. `about`
    says in a sentence what was measured.
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
        entry |= {} if self.band is None else {"band": self.band}
        return entry | ({"about": self.about} if self.about else {})


def measured(values, unit="", axes=None, method="t", band=None, about=""):
    """A `Quantity` from values per seed: shape (*axes, seeds).

    `method` names the 95 % interval of the mean: "t" (Student) or "bootstrap"
    (2,000 resamples of the seeds, percentiles, seeded). NaN marks a value that
    does not exist; then mean and interval are NaN too. A single
    seed has no interval: its ends are the value. Raises `ValueError` for a wrong
    shape or method.

    >>> q = measured([1.0, 2.0, 3.0], unit="steps")
    >>> float(q.mean), round(float(q.low), 2), round(float(q.high), 2)
    (2.0, -0.48, 4.48)
    """
    values, axes = np.asarray(values, dtype=float), _axes(axes)
    if values.shape[:-1] != tuple(len(ticks) for ticks in axes.values()) or values.ndim == 0:
        raise ValueError(f"values must have the axes {list(axes)} and then the seeds, not shape {values.shape}")
    if method not in ("t", "bootstrap"):
        raise ValueError(f"method must be 't' or 'bootstrap', not {method!r}")
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


def paired(a, b, unit="", axes=None, method="t", band=None):
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


def _ends(values, method):
    if method == "t":
        return interval(values)[1:3]
    seeds = range(values.shape[-1])  # drawn for all axes together, and a mean with a value that does not exist is none
    return bootstrap(seeds, resamples=2000, statistic=lambda drawn: values[..., drawn].mean(axis=-1))


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
