"""E28: what does a step of Adam cost?

Whole training steps (forward, backward, update) of SGD, momentum and Adam from
`torch.optim` as they come, on networks 64-w-w-10 of three widths with batches of 64,
taken in turns in one process so that a busy machine slows all alike. One value per process:
the median of the ratios inside it, since passes of one process are not independent. The
interval holds what differs between processes of one machine on one day, not between machines.
"""

import time

import numpy as np
import torch
from processes import measuring
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
    quick=dict(processes=3, apart=False, turns=5, steps={"small": 10, "medium": 5, "large": 1}),
    full=dict(processes=20, apart=True, turns=60, steps={"small": 40, "medium": 15, "large": 2}),
    counts=("processes",),
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


def measure(width, turns, steps):
    """Median seconds a step, [method], median ratios to SGD, [method], and numbers that each method keeps."""
    trainers = [Trainer(width, method) for method in METHODS]
    for trainer in trainers:
        trainer.seconds(3)
    times = np.empty((turns, len(trainers)))
    for turn in range(turns):
        for i in np.roll(np.arange(len(trainers)), turn):
            times[turn, i] = trainers[i].seconds(steps)
    return np.median(times, axis=0), np.median(times / times[:, :1], axis=0), [t.state_numbers() for t in trainers]


def process(size):
    """`measure` of every width, on one thread."""
    torch.set_num_threads(1)
    return [measure(width, size["turns"], size["steps"][name]) for name, width in WIDTHS.items()]


def run(mode):
    """Time; `mode` "full": 20 processes of 60 turns, "quick": 3 times 5 turns in one process."""
    size = SIZES[mode]
    with measuring(size["apart"]) as beside:
        rows = [beside(process, size) for _ in range(size["processes"])]
    measured = [
        [np.stack([row[w][i] for row in rows], axis=-1) for i in (0, 1)] + [rows[0][w][2]] for w in range(len(WIDTHS))
    ]
    seconds, ratio = (np.stack([m[i] for m in measured], axis=1) for i in (0, 1))
    both, sizes = {"method": list(METHODS), "size": list(WIDTHS)}, {"size": list(WIDTHS)}
    return {
        "step_time": per_seed(
            seconds * 1000, "ms", both, "one training step, median of a process; one thread", band=1e4
        ),
        "time_ratio": per_seed(
            ratio, "times SGD", both, "time of a step over that of SGD, median of a process", band=20.0
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
