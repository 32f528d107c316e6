"""The results of the experiments, as `book/results/*.json` holds them.

A result is read only, and checked against `book/results/schema.json` when it is
read. Numbers are floats of six digits; `null` stands for a value that does not
exist (a diverged run) and comes back as NaN.
"""

import json
import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from .language import BOOK

FOLDER = BOOK / "results"
PILOTS = FOLDER / "pilot"
LIMIT = 300_000
SCHEMA_VERSION = 1


def experiment_number(name):
    """The number of an experiment, from its id or its number in any case.

    >>> experiment_number("e03_rate_sweep"), experiment_number("E03")
    ('E03', 'E03')
    """
    return name.split("_")[0].upper()


@dataclass(frozen=True)
class Measured:
    """One quantity of a result.

    `mean`, `low`, `high`: a float, or an array with one axis for each of `axes`;
    `low` and `high` are the ends of the 95 % interval by `method` ("t", "bca", "share", or "bootstrap" for percentiles), or
    the value itself for "exact" (no seeds). `values` has the seeds as its last axis, and is `None` for "exact". `error`
    is the Monte-Carlo error of the ends, 0 where the method draws nothing.
    """

    name: str
    unit: str
    axes: dict
    method: str
    mean: object
    low: object
    high: object
    values: object = None
    about: str = ""
    error: object = 0.0

    @property
    def n(self):
        """Number of seeds (0 for an exact quantity)."""
        return 0 if self.values is None else self.values.shape[-1]

    def at(self, **where):
        """The quantity at one value of some axes, `q.at(lr=0.1)`; those axes disappear.

        Numbers match to six digits. Raises `ValueError` for an unknown axis or value.

        >>> q = Measured("loss", "", {"lr": [0.1, 1.0]}, "exact", *[np.array([2.0, 3.0])] * 3)
        >>> q.at(lr=1.0).mean
        3.0
        """
        quantity = self
        for axis, value in where.items():
            quantity = quantity._take(axis, value)
        return quantity

    def _take(self, axis, value):
        names = list(self.axes)
        if axis not in names:
            raise ValueError(f"axis of {self.name!r} must be one of {names}, not {axis!r}")
        index = _position(self.axes[axis], value, f"{self.name!r} along {axis!r}")
        place = names.index(axis)

        def take(array):
            return None if array is None else _scalar(np.take(array, index, axis=place))

        rest = {name: ticks for name, ticks in self.axes.items() if name != axis}
        parts = map(take, (self.mean, self.low, self.high, self.values))
        error = _scalar(np.take(self.error, index, axis=place)) if np.ndim(self.error) else self.error
        return Measured(self.name, self.unit, rest, self.method, *parts, self.about, error)


@dataclass(frozen=True)
class Result:
    """A result file: `quantity(name)`, and everything that was written beside it.

    `full` says whether the numbers come from the full mode; only those judge claims.
    """

    id: str
    question: str
    mode: str
    seeds: list
    quantities: dict
    quick: dict = field(default_factory=dict)
    about: dict = field(default_factory=dict)

    @property
    def full(self):
        """Whether the full mode wrote it."""
        return self.mode == "full"

    @property
    def experiment(self):
        """The experiment's number, `"E03"` for `e03_rate_sweep`."""
        return experiment_number(self.id)

    def quantity(self, name):
        """The `Measured` of that name; `"gain[lr=0.1]"` takes one place of it.

        Raises `ValueError` with the names that exist.
        """
        name, _, places = name.partition("[")
        if name not in self.quantities:
            raise ValueError(f"quantity of {self.id} must be one of {sorted(self.quantities)}, not {name!r}")
        pairs = [pair.split("=", 1) for pair in places.rstrip("]").split(",") if pair]
        return self.quantities[name].at(**{axis.strip(): value.strip() for axis, value in pairs})


def _scalar(array):
    return array.item() if np.ndim(array) == 0 else array


def _position(ticks, value, where):
    for index, tick in enumerate(ticks):
        if _same(tick, value):
            return index
    raise ValueError(f"value of {where} must be one of {ticks}, not {value!r}")


def _same(tick, value):
    if isinstance(tick, str):
        return tick == str(value)
    try:
        return math.isclose(float(tick), float(value), rel_tol=1e-5, abs_tol=1e-12)
    except ValueError:
        return False


def _array(nested):
    """Nested lists as an array, `null` as NaN; a number stays a float."""
    array = np.array(nested, dtype=float)
    return array.item() if array.ndim == 0 else array


def _measured(name, entry):
    values = None if entry.get("values") is None else _array(entry["values"])
    parts = [_array(entry[key]) for key in ("mean", "low", "high")]
    return Measured(
        name,
        entry["unit"],
        entry["axes"],
        entry["method"],
        *parts,
        values,
        entry.get("about", ""),
        _array(entry.get("error", 0.0)),
    )


def check(document):
    """Raise `ValueError` where a result document breaks `book/results/schema.json`.

    >>> check({"schema": 1})
    Traceback (most recent call last):
    ValueError: result does not fit book/results/schema.json: at the top: 'id' is a required property
    """
    from jsonschema import Draft202012Validator

    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    problem = next(iter(Draft202012Validator(schema).iter_errors(document)), None)
    if problem is not None:
        place = "/".join(map(str, problem.absolute_path)) or "the top"
        raise ValueError(f"result does not fit book/results/schema.json: at {place}: {problem.message}")
    for part in (document, document.get("quick") or {}):
        for name, entry in part.get("quantities", {}).items():
            _check_shape(name, entry)


def _check_shape(name, entry):
    shape = tuple(len(ticks) for ticks in entry["axes"].values())
    for key in ("mean", "low", "high"):
        if np.shape(_array(entry[key])) != shape:
            raise ValueError(f"{key} of {name!r} has shape {np.shape(_array(entry[key]))}, its axes say {shape}")
    if entry.get("values") is not None and np.shape(_array(entry["values"]))[:-1] != shape:
        raise ValueError(f"values of {name!r} must have the axes {shape} and then the seeds")


def names():
    """The ids of all results on disk, sorted."""
    return sorted(path.stem for path in FOLDER.glob("e*.json"))


def parse(text):
    """The `Result` in a JSON text, checked against the schema."""
    document = json.loads(text)
    check(document)
    quantities = {name: _measured(name, entry) for name, entry in document["quantities"].items()}
    quick = {
        name: _measured(name, entry) for name, entry in (document.get("quick") or {}).get("quantities", {}).items()
    }
    about = {key: value for key, value in document.items() if key not in ("quantities", "quick")}
    return Result(document["id"], document["question"], document["mode"], document["seeds"], quantities, quick, about)


@cache
def _load(path, _stamp):
    text = path.read_text(encoding="utf-8")
    if len(text.encode("utf-8")) > LIMIT:
        raise ValueError(f"{path.name} has {len(text)} characters; a result may have {LIMIT} bytes")
    return parse(text)


def result(name):
    """The result of an experiment: `result("e03_rate_sweep")`.

    Raises `ValueError` naming the results that exist.
    """
    path = FOLDER / f"{name}.json"
    if not path.exists():
        raise ValueError(f"name must be one of {names()}, not {name!r}")
    return _load(path, path.stat().st_mtime_ns)


def pilot(name):
    """The pilot of an experiment, or None where it has none beside its result."""
    path = PILOTS / f"{name}.json"
    return _load(path, path.stat().st_mtime_ns) if path.exists() else None


class Library:
    """The results on disk by experiment; each is read when it is asked for.

    >>> Library().get("E99")
    []
    """

    def get(self, number, default=None):
        """The results of an experiment, `get("E03")`; an empty list where there are none."""
        found = [result(name) for name in names() if experiment_number(name) == number]
        return found or ([] if default is None else default)
