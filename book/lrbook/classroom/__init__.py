"""Assignments in a class: instant checks in the notebook, and the notebook that students get.

`check("q1")` runs the checks of one question on the function that stands in the notebook.
`python -m lrbook.classroom release pedal OUT` writes the student's notebook.
"""

from .assignment import Assignment, names, read_assignment
from .judge import Result, check
from .values import Miss, close, number

__all__ = ["Assignment", "Miss", "Result", "check", "close", "names", "number", "read_assignment"]
