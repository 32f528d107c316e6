"""What the experiments on fine-tuning share: MNIST-1D to train on first, and a shifted MNIST-1D to go on with.

The target's signals are sheared up to twice as far and carry more noise. Seed s of the target draws nothing that seed s
of the source has drawn.
"""

import numpy as np
from sweeps import sweep

from lrlib import cosine, tasks

SHIFT = {"shear_scale": 1.5, "iid_noise_scale": 0.05}
APART = 1000  # between the seeds of a network's source and of its target


def source(train=2000, held=2000, width=64, depth=2, batch=50):
    """MNIST-1D as it is, for pre-training."""
    return tasks.mnist1d(train=train, valid=held, test=held, width=width, depth=depth, batch=batch)


def target(train=500, held=2000, width=64, depth=2, batch=50):
    """MNIST-1D sheared further and with more noise, a small training set, the same network."""
    return tasks.mnist1d(train=train, valid=held, test=held, width=width, depth=depth, batch=batch, **SHIFT)


def target_seeds(seeds):
    """The seeds on the target that belong to networks pre-trained with `seeds`.

    >>> target_seeds([0, 1])
    [1000, 1001]
    """
    return [APART + s for s in seeds]


def pretrained(task, seeds, steps=1600, lr=10**-0.5, path="eager"):
    """Weights {name: [seed, …]} after training every seed on `task`, cosine decay from `lr`."""
    return sweep(task, "sgd", lr=[lr], seeds=seeds, steps=steps, plan=cosine(steps), path=path).parameters


def repeated(weights, rates):
    """The same weights for each of `rates` rates, as a sweep starts from them: {name: [rate · seed, …]}.

    >>> repeated({"w": np.array([[1.0], [2.0]])}, 2)["w"].ravel().tolist()
    [1.0, 2.0, 1.0, 2.0]
    """
    return {name: np.tile(value, (rates, *[1] * (np.ndim(value) - 1))) for name, value in weights.items()}
