"""What is stored of an experiment's golden values, and how a fresh outcome compares with it."""

import json
from dataclasses import dataclass

import numpy as np

from lrlib._base.layout import plain

from .language import BOOK
from .result_file import instructions, machine, versions

FOLDER = BOOK.parent / "tests" / "experiments" / "golden"
ANYWHERE = 1e-4
DIGITS = 10


def here(document):
    """Whether a fixture was computed on a machine like this one, so that every digit has to come again."""
    return (document["machine"], document["instructions"], document["versions"]) == (
        machine(),
        instructions(),
        versions(),
    )


def numbers(outcome, timed=()):
    """{quantity: {"mean", "low", "high", "values"}} of an outcome, without what hangs on the clock.

    Of low, high and values only what says more than the mean, as it does for two seeds or more. The first losses of
    each sweep, at steps too early for chaos, are quantities too.
    """
    found = {}
    for name, q in outcome.quantities.items():
        if name not in timed:
            parts = {"low": q.low, "high": q.high, "values": None if q.values is None else q.values[..., 0]}
            more = {key: getattr(q, key) for key, part in parts.items() if part is not None and not same(part, q.mean)}
            found[name] = {"mean": q.mean} | more
    return found | {f"first losses of sweep {k}": {"mean": row} for k, row in enumerate(outcome.first_losses)}


def same(one, two):
    """Whether two arrays hold the same numbers; what does not exist is the same as itself."""
    return np.shape(one) == np.shape(two) and np.array_equal(one, two, equal_nan=True)


def apart(stored, fresh):
    """The largest relative difference of two arrays; infinite where shapes differ, or a number exists in only one.

    Relative to the number, or to a millionth of the array's largest.

    >>> apart([1.0, 2.0, None], [1.0, 2.02, float("nan")])
    0.01
    """
    old, new = np.array(stored, dtype=float), rounded(fresh)
    if old.shape != new.shape or not np.array_equal(np.isnan(old), np.isnan(new)):
        return float("inf")
    old, new = np.nan_to_num(old), np.nan_to_num(new)
    scale = np.maximum(np.abs(old), np.abs(old).max(initial=0) * 1e-6)
    gaps = np.abs(new - old)
    relative = np.divide(gaps, scale, out=np.where(gaps > 0, np.inf, 0.0), where=scale > 0)
    return float(relative.max(initial=0).round(12))


def rounded(values):
    """An array with `DIGITS` digits, as the fixture holds it; infinity becomes NaN.

    >>> rounded([1 / 3, float("inf")])
    array([0.33333333,        nan])
    """
    values = np.asarray(values, dtype=float)
    flat = [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else np.nan for v in values.ravel()]
    return np.array(flat, dtype=float).reshape(values.shape)


def fixture(one, outcome, anywhere=()):
    """What is stored of an outcome, as JSON; `anywhere` names the quantities that hold on any machine."""
    head = {"id": one.id, "code": one.code, "machine": machine(), "instructions": instructions()}
    head |= {"versions": versions(), "seconds": float(f"{outcome.seconds:.3g}")}
    quantities = {
        name: {"holds": "anywhere" if name in anywhere else "same machine"}
        | {key: plain(rounded(part)) for key, part in parts.items()}
        for name, parts in numbers(outcome, one.timed).items()
    }
    return head | {"quantities": quantities}


def store(document):
    """Write a fixture: one line a quantity."""
    head = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items() if key != "quantities"]
    rows = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in document["quantities"].items()]
    lines = [*head, ' "quantities": {\n' + ",\n".join(rows) + "\n }"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{document['id']}.json"
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")


def stored(name):
    """The fixture of an experiment."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@dataclass
class Comparison:
    """How far an outcome lies from a fixture.

    gaps: {quantity: relative difference}, infinite for one that is missing or has another shape.  anywhere: names of
    the quantities that hold on any machine.
    """

    gaps: dict
    anywhere: set

    def moved(self, portable=False):
        """Sentences about everything that is not as stored; with `portable`, only about what holds on any machine."""
        limit = ANYWHERE if portable else 0.0
        judged = {name: gap for name, gap in self.gaps.items() if not portable or name in self.anywhere}
        return [f"{name}: moved by {gap:.2g}" for name, gap in judged.items() if not gap <= limit]


def compared(held, outcome, timed=()):
    """The `Comparison` of an outcome with what is held of it."""
    fresh, old = numbers(outcome, timed), held["quantities"]
    gaps = {name: _gap(old.get(name), fresh.get(name)) for name in sorted({*fresh, *old})}
    return Comparison(gaps, {name for name, entry in old.items() if entry["holds"] == "anywhere"})


def _gap(old, new):
    if old is None or new is None or {*old} - {"holds"} != {*new}:
        return float("inf")
    return max(apart(old[key], part) for key, part in new.items())


def portable(gaps):
    """Names of the quantities that hold on any machine, by the differences that other instructions make.

    Those that move by next to nothing, and everything where nothing moves. What stays to the last digit beside numbers
    that do not is a place on a grid, and stays by luck.

    >>> portable({"loss": 1e-7, "chosen rate": 0.0, "late loss": 0.3}), portable({"chosen rate": 0.0, "loss": 1e-7})
    (['loss'], ['chosen rate', 'loss'])
    """
    calm = all(gap <= ANYWHERE / 10 for gap in gaps.values())
    return [name for name, gap in gaps.items() if gap <= ANYWHERE / 10 and (calm or gap > 0)]
