"""Finding a learning rate: range test, suggestion rules with uncertainty, convergence threshold.

* `range_test` on the user's own model, `find` on a task over several seeds as one sweep;
* `SUGGESTION_RULES`: the published ways to read a rate off such a curve, side by side;
* `convergence_threshold`: the largest rate that still trains, by bracketing and bisection; `threshold_curve`: as a
  function of the budget.
"""

from .finding import Finding, find
from .suggestions import SUGGESTION_RULES, SuggestionRule, smooth
from .threshold import Threshold, ThresholdCurve, convergence_threshold, reached, threshold_curve
from .trial import RangeTest, range_test

__all__ = [
    "SUGGESTION_RULES",
    "Finding",
    "RangeTest",
    "SuggestionRule",
    "Threshold",
    "ThresholdCurve",
    "convergence_threshold",
    "find",
    "range_test",
    "reached",
    "smooth",
    "threshold_curve",
]
