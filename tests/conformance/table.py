"""What agrees with what, and how closely: the one table of all conformance tests.

A test that compares a method of lrlib with an independent implementation calls `note` with the difference that it
found. `python tests/conformance/table.py --json FILE` runs all tests of this folder and writes the largest
differences in the form that `python3 run.py tables` reads.
"""

import math
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
KINDS = ("schedule", "optimizer", "curvature")
NOTES = {}  # (kind, row, oracle) → largest difference
NO_PEER = {  # (kind, name) → why no independent implementation can be compared
    ("schedule", "one_cycle_momentum"): "the rows of one_cycle compare it, as the momentum of torch's OneCycleLR",
    ("schedule", "logarithmic_cooling"): "no library has it; its formula is compared in test_schedules.py",
    ("schedule", "reheat"): "no library has it; its jumps are compared in tests/lrlib/test_schedules.py",
    ("optimizer", "hypergradient_sgd"): "no library has it so; test_definitions.py compares it with autograd",
    ("optimizer", "hypergradient_adam"): "no library has it so; test_definitions.py compares it with autograd",
    ("optimizer", "annealed_sgd"): "no library has it; test_definitions.py compares it with NumPy",
}
NOTE = (
    "Largest difference from each peer over all tested settings, float64, relative to the larger of 1 and the "
    "peer's value. Every row is a test"
)


def note(kind: str, row: str, oracle: str, difference: float) -> None:
    """Keep the largest ``difference`` of one method from one oracle.

    ``kind`` is one of `KINDS`, ``row`` the method's name in lrlib, ``oracle`` the peer as a reader knows it.
    Raises ``ValueError`` for an unknown kind and for a difference that is no finite number of at least 0.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    if not (math.isfinite(difference) and difference >= 0):
        raise ValueError(f"{row} against {oracle}: the difference must be finite and at least 0; got {difference!r}")
    key = (kind, row, oracle)
    NOTES[key] = max(NOTES.get(key, 0.0), float(difference))


def difference(ours, theirs) -> float:
    """Largest |ours − theirs| / max(1, |theirs|) over all entries of two tensors or arrays, or lists of them."""
    if isinstance(ours, (list, tuple)):
        return max(difference(a, b) for a, b in zip(ours, theirs, strict=True))
    return float((abs(ours - theirs) / abs(theirs).clip(1)).max())


def rows() -> list[list[str]]:
    """One row a method: kind, name, and every oracle with its largest difference."""
    methods = dict.fromkeys((kind, row) for kind, row, _ in NOTES)
    ordered = sorted(methods, key=lambda method: KINDS.index(method[0]))
    return [
        [
            kind,
            row,
            ", ".join(f"{oracle} {shown(value)}" for (k, r, oracle), value in NOTES.items() if (k, r) == (kind, row)),
        ]
        for kind, row in ordered
    ]


def shown(value: float) -> str:
    """A difference to one digit.

    >>> shown(0.0), shown(1.23e-15)
    ('0', '1e-15')
    """
    return f"{value:.0e}" if value else "0"


def main() -> int:
    """Run the tests of this folder in this process, print the table and save it."""
    sys.path[:0] = [str(HERE), str(HERE.parent / "benchmarks")]
    from report import arguments, report
    from table import rows  # the module that the tests note into

    given = arguments(__doc__.splitlines()[0])
    status = pytest.main([str(HERE), "-q", "-p", "no:cacheprovider", "-p", "no:xdist"])
    if status == 0:
        report("conformance", ["", "method", "largest difference from"], rows(), given.json, NOTE)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
