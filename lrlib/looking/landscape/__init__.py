"""The loss landscape around and between solutions.

`slices` evaluates the loss along a line or over a plane, `barrier` between two solutions, both as one batched program
(`points`); `directions` lays the axes, `distances` measures angles and update-to-weight ratios, `reparametrise` changes
the landscape without changing the function.
"""

from .barriers import Barrier, barrier
from .directions import filter_normalised
from .distances import UpdateRatios, angles, update_ratios
from .reparametrise import rescaled
from .slices import Slice, loss_line, loss_plane

__all__ = [
    "Barrier",
    "Slice",
    "UpdateRatios",
    "angles",
    "barrier",
    "filter_normalised",
    "loss_line",
    "loss_plane",
    "rescaled",
    "update_ratios",
]
