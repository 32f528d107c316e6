"""Golden values: each experiment at its full protocol with one seed, compared digit by digit with what is stored.

`python -m lrbook.golden` runs every experiment that way, prints a table and fails where a number moved; `--store` writes
the values to `tests/experiments/golden` instead, `--confirm` notes in the results of those whose numbers are all equal
that the code of now gives them (where the quick digits are another machine's); names choose some of them. With `--folder PATH` each finished
experiment is kept there, and taken from there as long as the code is the same.

Bit-equal numbers are promised on one machine, with one thread. On another one, vector instructions of another width sum
in another order, and runs above the threshold of convergence part. So every stored quantity says how far it holds:
"anywhere", to a relative 1e-4, or on the "same machine". That is found by computing the same with other instructions
(`ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE MKL_ENABLE_INSTRUCTIONS=SSE4_2 python -m lrbook.golden --portable`);
it stays noted when values are stored again. Closed forms, convex problems and the first losses of sweeps from fresh
weights hold anywhere.
"""

import argparse
import importlib
import sys

from lrlib import one_thread

from . import golden_values
from .golden_values import compared, fixture, portable, store, stored
from .result_file import instructions
from .scripts import SCRIPTS, names


def experiment(name):
    """The `Experiment` of a script. Raises `ValueError` with the names that exist."""
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}; got {name!r}")
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    return importlib.import_module(name).EXPERIMENT


def computed(one, folder=None):
    """The `Outcome` of an experiment with a single seed, on one thread."""
    with one_thread():
        return one.outcome("single", folder)


def check(one, folder=None):
    """Run an experiment and compare: (seconds, `Comparison`)."""
    outcome = computed(one, folder)
    return outcome.seconds, compared(stored(one.id), outcome, one.timed)


def renew(one, folder=None):
    """Run an experiment and store its values; what holds anywhere is taken over. Returns what is stored."""
    path = golden_values.FOLDER / f"{one.id}.json"
    before = stored(one.id)["quantities"] if path.exists() else {}
    document = fixture(one, computed(one, folder), {n for n, entry in before.items() if entry["holds"] == "anywhere"})
    store(document)
    return document


def mark(one, folder=None):
    """Run an experiment and note which stored quantities come out alike; returns their names.

    Raises `ValueError` where the instructions are those of the stored values: nothing would be learnt.
    """
    document = stored(one.id)
    if document["instructions"] == instructions():
        raise ValueError(f"{one.id}: the stored values were computed with {instructions()} too; choose others")
    alike = portable(compared(document, computed(one, folder), one.timed).gaps)
    for name, entry in document["quantities"].items():
        entry["holds"] = "anywhere" if name in alike else "same machine"
    store(document)
    return alike


HEADER = f"{'experiment':24} {'equal':>10} {'largest move':>13} {'seconds':>8}"


def row(name, seconds, found):
    """One line of the table."""
    gaps = found.gaps.values()
    equal = f"{sum(gap == 0 for gap in gaps)} of {len(gaps)}"
    verdict = "equal" if not found.moved() else "holds anywhere" if not found.moved(portable=True) else "MOVED"
    return f"{name:24} {equal:>10} {max(gaps):13.2g} {seconds:8.1f}  {verdict}"


def line(one, options):
    """Do what the options say with an experiment: (what to print, whether it moved)."""
    if options.store:
        return f"{one.id:24} stored, {renew(one, options.folder)['seconds']} s", False
    if options.portable:
        return f"{one.id:24} {len(mark(one, options.folder))} quantities hold anywhere", False
    seconds, found = check(one, options.folder)
    if options.confirm and not found.moved():
        one.note_confirmed()
    return "\n    ".join([row(one.id, seconds, found), *found.moved()]), bool(found.moved())


def main(argv=None):
    """The command line; returns 1 where a number moved, else 0."""
    parser = argparse.ArgumentParser(description="Each experiment with one seed against its golden values.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="ids of experiments (all)")
    parser.add_argument("--folder", help="keep finished experiments there; skip those done with this code")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--store", action="store_true", help="write the values instead of comparing")
    what.add_argument(
        "--confirm", action="store_true", help="note in the results that the code of now gives the values"
    )
    what.add_argument("--portable", action="store_true", help="note what comes out alike with these instructions")
    options = parser.parse_args(argv)
    chosen, status = [experiment(name) for name in options.names or names()], 0
    print(HEADER)
    for one in chosen:
        text, moved = line(one, options)
        print(text, flush=True)
        status |= moved
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
