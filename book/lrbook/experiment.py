"""What a script in `book/experiments` needs: quantities with intervals, and the result file.

A script defines `ID`, `QUESTION`, `run(mode) -> {name: Quantity}` and
`expect(quantities)` (asserts orderings and bands) and ends with

    EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

    if __name__ == "__main__":
        EXPERIMENT.main()

`python e03_rate_sweep.py` runs the quick mode, asserts `expect`, and compares
with the stored quick values; `--full` runs both modes and writes
`book/results/e03_rate_sweep.json`; `--store-quick` rewrites only the quick part;
`--confirm` notes the code as it is now where the quick run gives the stored digits.
"""

import argparse
import json
import math
import os
import platform
import re
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from . import results
from .codehash import code_hash

METHODS = ("t", "bootstrap", "exact")
LEVEL = 0.95


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
    does not exist; then mean and interval are NaN too. Raises `ValueError` for
    a wrong shape, method, or fewer than two seeds under "full" use.

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
    half = _t_half(values) if method == "t" else None
    low, high = (mean - half, mean + half) if method == "t" else _bootstrap(values)
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


def _t_half(values):
    from scipy.special import stdtrit

    n = values.shape[-1]
    if n < 2:
        return np.full(values.shape[:-1], np.nan) if n == 0 else np.zeros(values.shape[:-1])
    return stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(axis=-1, ddof=1) / math.sqrt(n)


def _bootstrap(values, resamples=2000):
    rng = np.random.default_rng(0)
    picks = rng.integers(values.shape[-1], size=(resamples, values.shape[-1]))
    means = np.stack([values[..., pick].mean(axis=-1) for pick in picks])
    tails = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    return tuple(np.percentile(means, tails, axis=0))


def _plain(array):
    """Nested lists of six-digit floats; NaN and infinity become `None`."""
    if isinstance(array, (list, tuple)) or getattr(array, "ndim", 0) > 0:
        return [_plain(item) for item in array]
    array = array.item() if hasattr(array, "item") else array
    if isinstance(array, (str, bool, int)):
        return array
    return float(f"{array:.6g}") if math.isfinite(array) else None


def machine():
    """Processor and number of cores, as a result names them.

    >>> machine().endswith("cores")
    True
    """
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = re.search(r"model name\s*:\s*(.+)", file.read()).group(1)
    except (OSError, AttributeError):
        pass
    return f"{platform.system()} {platform.machine()}, {name}, {os.cpu_count()} cores"


def versions():
    """Versions of Python, torch and NumPy."""
    import torch

    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


@dataclass(frozen=True)
class Experiment:
    """An experiment: its id, its question, how it runs and what must come out.

    `run(mode)` returns `{name: Quantity}` for mode "quick" or "full";
    `expect(quantities)` asserts. `file` is the script's `__file__`, `seeds` the
    list of the full mode, for the record.
    """

    id: str
    question: str
    run: object
    expect: object
    file: str
    seeds: list = field(default_factory=list)
    device: str = "cpu"

    @property
    def path(self):
        """The result file."""
        return results.FOLDER / f"{self.id}.json"

    @property
    def code(self):
        """Hash of the script and of what it imports of `lrlib`."""
        return code_hash(self.file)

    def quick(self):
        """Run the quick mode, assert `expect`, and return the quantities."""
        quantities = self.run("quick")
        self.expect(quantities)
        return quantities

    def full(self):
        """Run both modes and write the result file; returns the full quantities."""
        quick, start = self.quick(), time.perf_counter()
        quantities = self.run("full")
        self.write(quantities, quick, time.perf_counter() - start)
        return quantities

    def write(self, quantities, quick, seconds, mode="full"):
        """Write the result file, checked against the schema and the size limit."""
        n = max((q.values.shape[-1] for q in quantities.values() if q.values is not None), default=0)
        document = {"schema": results.SCHEMA_VERSION, "id": self.id, "question": self.question, "mode": mode}
        document |= {"seeds": list(self.seeds) or list(range(n)), "quantities": _entries(quantities)}
        document |= {"quick": {"quantities": _entries(quick), "code": self.code}, "versions": versions()}
        document |= {"machine": machine(), "device": self.device, "seconds": float(f"{seconds:.3g}"), "code": self.code}
        save(self.path, document)

    def store_quick(self, quantities):
        """Replace the quick part of the result file by these quantities."""
        document = json.loads(self.path.read_text(encoding="utf-8"))
        document["quick"] = {"quantities": _entries(quantities), "code": self.code}
        save(self.path, document)

    def confirm(self, quantities):
        """Note in the result file that the code as it is now gives the stored quick digits, every one of them.

        So a change that moves no number does not ask for the full run again. `code` stays the hash of the code
        that measured. Raises `ValueError` naming the quantities that came out otherwise.
        """
        document = json.loads(self.path.read_text(encoding="utf-8"))
        old, new = document["quick"]["quantities"], json.loads(json.dumps(_entries(quantities)))
        moved = sorted(name for name in {*old, *new} if _numbers(old.get(name)) != _numbers(new.get(name)))
        if moved:
            raise ValueError(f"{self.id}: the quick run gives other digits for {', '.join(moved)}; run --full")
        save(self.path, document | {"confirmed": self.code})

    def differences(self, quantities):
        """Sentences about each quick mean outside the band around the stored one."""
        return compare(results.parse(self.path.read_text(encoding="utf-8")).quick, quantities)

    def main(self, argv=None):
        """The command line: quick by default, `--full`, `--store-quick`, `--confirm`. Returns the exit status."""
        parser = argparse.ArgumentParser(description=self.question)
        parser.add_argument("--full", action="store_true", help="run both modes and write the result file")
        parser.add_argument("--store-quick", action="store_true", help="rewrite the quick part of the result file")
        parser.add_argument(
            "--confirm", action="store_true", help="note that the code of now gives the stored quick digits"
        )
        options = parser.parse_args(argv)
        start = time.perf_counter()
        quantities = self.full() if options.full else self.quick()
        print(table(quantities))
        print(f"{self.id}: {time.perf_counter() - start:.1f} s")
        if options.store_quick:
            self.store_quick(quantities)
        if options.confirm:
            self.confirm(quantities)
        problems = [] if options.full or not self.path.exists() else self.differences(quantities)
        print("\n".join(problems), end="\n" if problems else "")
        status = 1 if problems else 0
        return status if argv is not None else sys.exit(status)


def _entries(quantities):
    return {name: quantity.entry() for name, quantity in quantities.items()}


def _numbers(entry):
    return None if entry is None else {key: entry.get(key) for key in ("axes", "values", "mean", "low", "high")}


def compare(stored, fresh):
    """Sentences about every fresh mean outside the band around the stored mean.

    `stored`: `{name: Measured}`, `fresh`: `{name: Quantity}`. An empty list means
    that they agree.
    """
    problems = [f"{name} is stored but was not computed" for name in stored if name not in fresh]
    for name in fresh:
        if name not in stored:
            problems.append(f"{name} was computed but is not stored")
            continue
        old, new = np.asarray(stored[name].mean), np.asarray(fresh[name].mean)
        problems += [f"{name}: {text}" for text in _outside(old, new, band_of(stored[name], fresh[name]))]
    return problems


def band_of(stored, fresh):
    """The band around a stored quick mean: the quantity's own, or 5 % and its half-width."""
    if fresh.band is not None:
        return np.full(np.shape(fresh.mean), float(fresh.band))
    half = (np.asarray(stored.high) - np.asarray(stored.low)) / 2
    return 0.05 * np.abs(stored.mean) + np.nan_to_num(half) + 1e-9


def _outside(old, new, band):
    old, new = (np.where(np.isfinite(v), v, np.nan) for v in (old, new))  # a result holds no infinity
    if old.shape != new.shape:
        return [f"has shape {new.shape}, stored {old.shape}"]
    bad = (np.abs(new - old) > band) | (np.isnan(new) != np.isnan(old))
    return [
        f"{new[tuple(i)]:.6g} is further than {band[tuple(i)]:.3g} from {old[tuple(i)]:.6g}" for i in np.argwhere(bad)
    ]


def save(path, document):
    """Write a result document, one line a quantity, after checking schema and size."""
    results.check(document)
    text = _layout(document)
    if len(text.encode("utf-8")) > results.LIMIT:
        raise ValueError(f"{path.name} would have {len(text)} bytes; a result may have {results.LIMIT}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _layout(document):
    lines = []
    for key, value in document.items():
        if key in ("quantities", "quick"):
            inner = value if key == "quantities" else value["quantities"]
            rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in inner.items())
            body = "{\n" + rows + "\n }"
            value = body if key == "quantities" else f'{{"code": {json.dumps(value["code"])}, "quantities": {body}}}'
        else:
            value = json.dumps(value, ensure_ascii=False)
        lines.append(f" {json.dumps(key)}: {value}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


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
