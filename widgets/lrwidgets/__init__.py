"""Interactive figures of the book: controls are traits, training runs in the background.

``Stride``: gradient descent on a curve. ``TrainingLab``: one training run, steered while it runs.
``SweepLab``: many rates at once. ``EdgeOfStability``: the sharpness climbs to 2/rate. ``RegimeExplorer``: where a large
pre-training rate leads. ``LandscapeWalk``: the loss between two solutions.
``CostLedger``: what a search costs and what it brings. ``SharedRate``: what one rate costs several settings.
"""

from .cost import CostLedger
from .edge import EdgeOfStability
from .landscape import LandscapeWalk
from .regime_explorer import RegimeExplorer
from .shared_rate import SharedRate
from .stride import Stride
from .sweep_lab import SweepLab
from .training_lab import TrainingLab

__all__ = [
    "CostLedger",
    "EdgeOfStability",
    "LandscapeWalk",
    "RegimeExplorer",
    "SharedRate",
    "Stride",
    "SweepLab",
    "TrainingLab",
]
