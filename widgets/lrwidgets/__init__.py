"""Interactive figures of the book: controls are traits, training runs in the background.

``Stride``: gradient descent on a curve. ``TrainingLab``: one training run, steered while it runs.
``SweepLab``: many rates at once.
"""
from .stride import Stride
from .sweep_lab import SweepLab
from .training_lab import TrainingLab

__all__ = ["Stride", "SweepLab", "TrainingLab"]
