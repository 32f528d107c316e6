"""Plain matplotlib figures of plans, records, range tests and landscapes.

Every function draws on `ax`, or on a new `matplotlib.figure.Figure`, and returns the figure; pyplot and its global
state are never touched. Labels are arguments, so that a caller can speak any language. Planned rates are a thin
line, applied rates dots on it; training is solid, validation dashed, test dotted.
"""

from .landscapes import barrier, loss_line, loss_plane
from .plans import applied, plan
from .records import losses, range_test, rate_curve

__all__ = ["applied", "barrier", "loss_line", "loss_plane", "losses", "plan", "range_test", "rate_curve"]
