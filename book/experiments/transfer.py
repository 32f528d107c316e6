"""What E64 and E66 share: MNIST-1D to learn first, and a shifted MNIST-1D with few examples to adapt to.

The shifted signals are sheared twice as much, and three of the ten classes have exchanged their names, so that neither
the old answers nor a new start alone are good. Training sets are each seed's own, and have no signal in common.
"""

import dataclasses

import numpy as np
import torch

from lrlib import tasks

CHANCE, SHEAR = 0.1, 1.5
NAMES = torch.tensor([1, 2, 0, 3, 4, 5, 6, 7, 8, 9])
OWN = 100_000  # added to a seed where the shifted signals are drawn


def source(size):
    """The task of the pre-training."""
    return tasks.mnist1d(
        train=size["train"], valid=size["held"], test=size["held"], width=size["width"], batch=size["batch"]
    )


def target(size):
    """The task to adapt to."""
    task = tasks.mnist1d(
        train=size["few"],
        valid=size["held"],
        test=size["held"],
        width=size["width"],
        batch=size["batch"],
        shear_scale=SHEAR,
    )
    return dataclasses.replace(
        task, name="mnist1d_shifted", train=Renamed(task.train), valid=renamed(task.valid), test=renamed(task.test)
    )


def renamed(pair):
    """(x, y) with the new names of the classes."""
    return pair[0], NAMES[pair[1]]


@dataclasses.dataclass(frozen=True)
class Renamed:
    """``draw(seed)`` → training set of that seed, with the new names."""

    draw: object

    def __call__(self, seed):
        return renamed(self.draw(seed + OWN))


def scores(record, shape):
    """{"valid", "test": accuracies of the last weights in this shape}, chance where a run diverged."""
    return {
        part: np.nan_to_num(record.final(f"{part}_metric"), nan=CHANCE).reshape(shape) for part in ("valid", "test")
    }


def beside(rates, test, place, decades):
    """What a first rate so many decades away loses against the one at a place, [seed]; at the edge, the grid's last."""
    other = int(np.abs(np.log10(rates) - np.log10(rates[place]) - decades).argmin())
    return test[place] - test[other]
