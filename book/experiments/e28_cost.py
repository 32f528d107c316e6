"""E28: what does a step of Adam cost?

Whole training steps (forward, backward, update) of SGD, momentum and Adam from
`torch.optim` as they come, on networks 64-w-w-10 of three widths with batches of 64,
taken in turns in one process so that a busy machine slows all alike. One value per block:
the median of the ratios inside it.
"""

import time

import numpy as np
import torch
from quantities import fixed, per_seed
from sizes import modes

from lrbook.experiment import Experiment
from lrlib import streams
from lrlib.tasks import mlp

ID = "e28_cost"
QUESTION = "How much more time and memory does Adam take than SGD?"

WIDTHS = {"small": 64, "medium": 256, "large": 1024}
METHODS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-4),
    "momentum": lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-5),
}
SIZES = modes(
    quick=dict(blocks=3, turns=5, steps={"small": 10, "medium": 5, "large": 1}),
    full=dict(blocks=20, turns=15, steps={"small": 40, "medium": 15, "large": 2}),
    counts=("blocks",),
)


class Trainer:
    """A network, its optimizer and one batch; `seconds(steps)` times whole steps."""

    def __init__(self, width, method):
        with streams.seeded(0):
            self.model, self.x = mlp([64, width, width, 10]), torch.randn(64, 64)
            self.y = torch.randint(10, (64,))
        self.optimizer = METHODS[method](self.model.parameters())

    def seconds(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.model(self.x), self.y).backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / steps

    def state_numbers(self):
        """Numbers that the optimizer keeps per parameter (counters left out)."""
        kept = sum(
            v.numel() for s in self.optimizer.state.values() for v in s.values() if torch.is_tensor(v) and v.dim() > 0
        )
        return kept / sum(p.numel() for p in self.model.parameters())


def measure(width, size, steps):
    """Median seconds a step, [method, block], and median ratios to SGD, [method, block]."""
    trainers = [Trainer(width, method) for method in METHODS]
    for trainer in trainers:
        trainer.seconds(3)
    times = np.empty((size["blocks"], size["turns"], len(trainers)))
    for turn in np.ndindex(times.shape[:2]):
        for i in np.roll(np.arange(len(trainers)), sum(turn)):
            times[*turn, i] = trainers[i].seconds(steps)
    ratio = np.median(times / times[..., :1], axis=1)
    return np.median(times, axis=1).T, ratio.T, [t.state_numbers() for t in trainers]


def run(mode):
    """Time; `mode` "full": 20 blocks of 15 turns, "quick": 3 of 5."""
    size = SIZES[mode]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        measured = [measure(width, size, size["steps"][name]) for name, width in WIDTHS.items()]
    finally:
        torch.set_num_threads(before)
    seconds, ratio = (np.stack([m[i] for m in measured], axis=1) for i in (0, 1))
    both, sizes = {"method": list(METHODS), "size": list(WIDTHS)}, {"size": list(WIDTHS)}
    return {
        "step_time": per_seed(seconds * 1000, "ms", both, "one training step, median of a block; one thread", band=1e4),
        "time_ratio": per_seed(
            ratio, "times SGD", both, "time of a step over that of SGD, median of a block", band=20.0
        ),
        "adam_extra_time": per_seed(
            ratio[2] - 1, "share of a step", sizes, "how much longer a step of Adam takes than one of SGD", band=20.0
        ),
        "momentum_extra_time": per_seed(ratio[1] - 1, "share of a step", sizes, "the same for momentum", band=20.0),
        "adam_time_over_half_more": per_seed(
            ratio[2] - 1.5,
            "share of a step",
            sizes,
            "the same for Adam, minus one half: above 0 it is no longer a little",
            band=20.0,
        ),
        "state_numbers": fixed(
            measured[0][2], "numbers per parameter", {"method": list(METHODS)}, "what the optimizer keeps between steps"
        ),
        "parameters": fixed(
            [64 * w + w * w + 12 * w + 10 for w in WIDTHS.values()], "parameters", sizes, "size of the network"
        ),
    }


def expect(q):
    """Memory is exact; a step of Adam is no shorter than one of SGD."""
    assert np.round(q["state_numbers"].mean).tolist() == [0, 1, 2]
    assert q["adam_extra_time"].mean.max() > 0


CLOCK = ("step_time", "time_ratio", "adam_extra_time", "momentum_extra_time", "adam_time_over_half_more")
EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, timed=CLOCK)

if __name__ == "__main__":
    EXPERIMENT.main()
