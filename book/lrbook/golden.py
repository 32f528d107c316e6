"""Golden values: each experiment at its full protocol with one seed, compared digit by digit with what is stored.

`python -m lrbook.golden` runs every experiment that way, prints a table and fails where a number moved; `--store` writes
the values to `tests/experiments/golden` instead; names choose some of them. With `--folder PATH` each finished
experiment is kept there, and taken from there as long as the code is the same.

Bit-equal numbers are promised on one machine, with one thread. On another one, vector instructions of another width sum
in another order, and runs above the threshold of convergence part. So every stored quantity says how far it holds:
"anywhere" to a relative 1e-4, or on the "same machine". `--portable PATH` decides that: PATH holds the experiments
as they came out with other instructions (`ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=SSE4_2`, `--folder PATH`).
The first losses of all sweeps, at steps too early for chaos, hold anywhere.
"""

import argparse
import importlib
import json
import sys
from dataclasses import dataclass

import numpy as np

from .language import BOOK
from .result_file import machine, versions

SCRIPTS = BOOK / "experiments"
FOLDER = BOOK.parent / "tests" / "experiments" / "golden"
ANYWHERE = 1e-4
DIGITS = 10


def names():
    """The ids of all experiments, sorted."""
    return sorted(path.stem for path in SCRIPTS.glob("e[0-9][0-9]_*.py"))


def experiment(name):
    """The `Experiment` of a script. Raises `ValueError` with the names that exist."""
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}; got {name!r}")
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    return importlib.import_module(name).EXPERIMENT


def numbers(outcome, timed=()):
    """{quantity: {"mean", "low", "high", "values"}} of an outcome, without what hangs on the clock.

    Of low, high and values only what says more than the mean, as it does for two seeds or more.
    """
    found = {}
    for name, q in outcome.quantities.items():
        if name not in timed:
            parts = {"low": q.low, "high": q.high, "values": None if q.values is None else q.values[..., 0]}
            more = {key: getattr(q, key) for key, part in parts.items() if part is not None and not same(part, q.mean)}
            found[name] = {"mean": q.mean} | more
    return found


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


def _plain(values):
    """Nested lists with `None` for what does not exist."""
    if isinstance(values, list):
        return [_plain(v) for v in values]
    return values if np.isfinite(values) else None


def fixture(one, outcome, anywhere=()):
    """What is stored of an outcome, as JSON; `anywhere` names the quantities that hold on any machine."""
    head = {"id": one.id, "code": one.code, "machine": machine(), "versions": versions()}
    head |= {"seconds": float(f"{outcome.seconds:.3g}")}
    quantities = {
        name: {"holds": "anywhere" if name in anywhere else "same machine"}
        | {key: _plain(rounded(part).tolist()) for key, part in parts.items()}
        for name, parts in numbers(outcome, one.timed).items()
    }
    first = [rounded(row).tolist() for row in outcome.first_losses]
    return head | {"first_losses": first, "quantities": quantities}


def store(document):
    """Write a fixture: one line a sweep or quantity."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()][:-2]
    first = ",\n".join(f"  {json.dumps(row)}" for row in document["first_losses"])
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in document["quantities"].items())
    lines += [f' "first_losses": [\n{first}\n ]', f' "quantities": {{\n{rows}\n }}']
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{document['id']}.json"
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")


def stored(name):
    """The fixture of an experiment."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@dataclass
class Comparison:
    """How far an outcome lies from a fixture, as relative differences.

    quantities: {name: difference}; infinite for one that is missing or has another shape.  first_losses: the largest
    difference of the first losses.  anywhere: names of the quantities that hold on any machine.
    """

    quantities: dict
    first_losses: float
    anywhere: set

    def moved(self, portable=False):
        """Sentences about everything that is not as stored; with `portable`, only of what holds on any machine."""
        limit = ANYWHERE if portable else 0.0
        texts = [f"{n}: moved by {gap:.2g}" for n, gap in self._judged(portable).items() if not gap <= limit]
        return texts + ([f"first losses moved by {self.first_losses:.2g}"] if not self.first_losses <= limit else [])

    def _judged(self, portable):
        return {n: gap for n, gap in self.quantities.items() if not portable or n in self.anywhere}


def compared(held, outcome, timed=()):
    """The `Comparison` of an outcome with what is held of it."""
    fresh, old = numbers(outcome, timed), held["quantities"]
    gaps = {name: _gap(old.get(name), fresh.get(name)) for name in sorted({*fresh, *old})}
    first = float("inf")
    if [len(row) for row in held["first_losses"]] == [len(row) for row in outcome.first_losses]:
        rows = zip(held["first_losses"], outcome.first_losses)
        first = max((_log_gap(*pair) for pair in rows), default=0.0)
    return Comparison(gaps, first, {name for name, entry in old.items() if entry["holds"] == "anywhere"})


def _gap(old, new):
    if old is None or new is None or {*old} - {"holds"} != {*new}:
        return float("inf")
    return max(apart(old[key], part) for key, part in new.items())


def _log_gap(old, new):
    """Difference of logarithms: relative already."""
    return float(np.abs(np.subtract(old, rounded(new))).max(initial=0))


def check(one, folder=None):
    """Run an experiment and compare: (seconds, `Comparison`)."""
    outcome = one.outcome("single", folder)
    return outcome.seconds, compared(stored(one.id), outcome, one.timed)


def row(name, seconds, found):
    """One line of the table."""
    gaps = found.quantities.values()
    equal, worst = sum(gap == 0 for gap in gaps), max(gaps)
    verdict = "equal" if not found.moved() else "holds anywhere" if not found.moved(portable=True) else "MOVED"
    return f"{name:24} {equal:4}/{len(gaps):<4} {worst:10.2g} {found.first_losses:12.2g} {seconds:8.1f}  {verdict}"


HEADER = f"{'experiment':24} {'equal':>9} {'largest':>10} {'first losses':>12} {'seconds':>8}"


def main(argv=None):
    """The command line; returns how many experiments moved."""
    parser = argparse.ArgumentParser(description="Each experiment with one seed against its golden values.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="ids of experiments (all)")
    parser.add_argument("--folder", help="keep finished experiments there; skip those done with this code")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--store", action="store_true", help="write the values instead of comparing")
    what.add_argument(
        "--portable", metavar="PATH", help="note what holds anywhere, by the other instructions' values there"
    )
    options = parser.parse_args(argv)
    chosen, failed = [experiment(name) for name in options.names or names()], 0
    print(HEADER, flush=True)
    for one in chosen:
        if options.store:
            outcome = one.outcome("single", options.folder)
            store(fixture(one, outcome))
            print(f"{one.id:24} stored, {outcome.seconds:.1f} s", flush=True)
        elif options.portable:
            mark(one, options.folder, options.portable)
        else:
            seconds, found = check(one, options.folder)
            failed += bool(found.moved())
            print(row(one.id, seconds, found), *found.moved(), sep="\n    ", flush=True)
    return failed


def mark(one, folder, other):
    """Store again, with a note of what two sets of instructions agree on."""
    here, there = (one.outcome("single", place) for place in (folder, other))
    gaps = compared(fixture(one, here), there, one.timed)
    anywhere = {name for name, gap in gaps.quantities.items() if gap <= ANYWHERE / 10}
    store(fixture(one, here, anywhere))
    print(f"{one.id:24} {len(anywhere)} of {len(gaps.quantities)} hold anywhere; first losses {gaps.first_losses:.2g}")


if __name__ == "__main__":
    sys.exit(min(main(), 1))
