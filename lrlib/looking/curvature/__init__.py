"""Curvature of a loss at a point: Hessian-vector products, largest eigenvalue, trace, and the rates they permit.

`products` multiplies with the Hessian, `lanczos` searches eigenvalues of anything that multiplies, `sharpness` and
`lanes` are the searches for one model and for the lanes of a sweep, `trace` sums the eigenvalues, `preconditioner`
reads what an adaptive optimizer divides by, `limits` says which rates a curvature permits.
"""

from .lanes import LaneEigenvalues, sharpness_lanes
from .limits import largest_stable_rate
from .preconditioning import preconditioner
from .largest import TopEigenvalue, sharpness
from .hutchinson import Trace, trace

__all__ = [
    "LaneEigenvalues",
    "TopEigenvalue",
    "Trace",
    "largest_stable_rate",
    "preconditioner",
    "sharpness",
    "sharpness_lanes",
    "trace",
]
