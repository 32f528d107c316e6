"""An assignment: its questions, points, checks and hints, read from `book/assignments/NAME/checks.py`."""

import importlib.util
from dataclasses import dataclass, field
from functools import lru_cache

from ..language import BOOK

FOLDER = BOOK / "assignments"


@dataclass(frozen=True)
class Check:
    """One check: `run(ask)` returns if the answer is right and raises `Miss` if not."""

    question: str
    points: int
    title: dict
    run: object
    crash: dict  # name of an exception → hint


@dataclass
class Assignment:
    """Questions of one assignment.

    name: folder of the assignment.  functions: question → name of the function that students write.
    manual: question → points of the answers that a person marks.  hints: key → {"en": …, "ja": …}.
    """

    name: str
    functions: dict
    manual: dict
    hints: dict
    checks: list = field(default_factory=list)

    def add(self, question, points, *, en, ja, crash=None):
        """Decorator: the function below is a check of `question` worth `points`."""
        if question not in self.functions:
            raise ValueError(f"question must be one of {', '.join(self.functions)}, not {question!r}")

        def keep(run):
            self.checks.append(Check(question, points, {"en": en, "ja": ja}, run, crash or {}))
            return run

        return keep

    def of(self, question):
        """The checks of one question."""
        return [one for one in self.checks if one.question == question]

    @property
    def points(self):
        """Question → points, in order; those marked by hand last."""
        return {q: sum(one.points for one in self.of(q)) for q in self.functions} | self.manual


def names():
    """All assignments of the book.

    >>> names()
    ['pedal']
    """
    return sorted(path.parent.name for path in FOLDER.glob("*/checks.py"))


@lru_cache(maxsize=8)
def read_assignment(name):
    """The assignment of that name; an unknown one raises a `ValueError` that lists all.

    >>> list(read_assignment("pedal").points)
    ['q1', 'q2', 'q3', 'q4', 'q5', 'q6']
    """
    if name not in names():
        raise ValueError(f"assignment must be one of {', '.join(names())}, not {name!r}")
    return load(name, "checks").ASSIGNMENT


def load(name, part):
    """The module `book/assignments/NAME/PART.py`."""
    spec = importlib.util.spec_from_file_location(f"lrbook_assignment_{name}_{part}", FOLDER / name / f"{part}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
