"""What `fit` costs over the bare PyTorch loop for the same work: ``python tests/benchmarks/fit.py``.

The bare loop is what a good engineer writes: a shuffled index an epoch, a batch by indexing, ``zero_grad``, forward,
loss, ``backward``, ``step``, ``loss.item()`` kept. Both take the same kind of optimizer. Rounds interleave the two, so that
a busy machine slows both; the ratio is the median over the rounds. Goal: at most 1.05.
"""

import statistics
import time

import torch
from report import arguments, report

from lrlib import optimizers, streams, tasks
from lrlib.runs.description import describe_one
from lrlib.runs.single.run import Run

OPTIMIZERS = {
    "torch.optim.SGD": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "torch.optim.AdamW": lambda p: torch.optim.AdamW(p, lr=1e-3),
    "lrlib AdamW": lambda p: optimizers.AdamW(p, lr=1e-3),
}
ROWS = {
    "digits MLP, 64 wide, batch 64": (tasks.digits, ("torch.optim.SGD", "torch.optim.AdamW", "lrlib AdamW")),
    "digits MLP, 512 wide, batch 64": (lambda: tasks.digits(width=512), ("torch.optim.SGD", "torch.optim.AdamW")),
    "digits conv net with batch norm": (lambda: tasks.digits(network="conv"), ("torch.optim.SGD", "torch.optim.AdamW")),
}


class Bare:
    """The plain loop, made before the clock runs, as a run is."""

    def __init__(self, task, make):
        self.task, self.model = task, streams.initial_model(task, 0)
        self.optimizer, (self.x, self.y) = make(self.model.parameters()), task.train

    def seconds(self, steps):
        """Seconds of ``steps`` steps."""
        model, optimizer, loss_of, batch = self.model, self.optimizer, self.task.loss, self.task.batch
        losses, order, at = [], torch.randperm(len(self.x)), 0
        began = time.perf_counter()
        for _ in range(steps):
            if at + batch > len(order):
                order, at = torch.randperm(len(self.x)), 0
            rows, at = order[at : at + batch], at + batch
            optimizer.zero_grad()
            loss = loss_of(model(self.x[rows]), self.y[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return time.perf_counter() - began


class Ours:
    """The same steps by the run behind `lrlib.fit`."""

    def __init__(self, task, make, steps):
        self.run = Run(describe_one(task, make, steps=steps, diverged_at=float("inf")))
        self.events = self.run.events()

    def seconds(self, steps):
        """Seconds of ``steps`` steps."""
        began = time.perf_counter()
        for _ in range(steps):
            next(self.events)
        return time.perf_counter() - began


def row(name, task, kind, rounds, block=100):
    """Measure one row of the table."""
    ways = Bare(task, OPTIMIZERS[kind]), Ours(task, OPTIMIZERS[kind], (rounds + 2) * block)
    times = [
        [way.seconds(block) for way in (ways if k % 2 else ways[::-1])][:: 1 if k % 2 else -1]
        for k in range(rounds + 1)
    ]
    bare, ours = zip(*times[1:])
    ratio = statistics.median(b / a for a, b in zip(bare, ours, strict=True))
    micro = [statistics.median(values) / block * 1e6 for values in (bare, ours)]
    return [name, kind, f"{micro[0]:.0f}", f"{micro[1]:.0f}", f"{ratio:.3f}", "1.05"]


def main():
    """Print the table."""
    options = arguments(__doc__.splitlines()[0], threads=2, rounds=25)
    torch.set_num_threads(options.threads)
    rows = [row(name, task(), kind, options.rounds) for name, (task, kinds) in ROWS.items() for kind in kinds]
    report(
        "fit",
        ["work", "optimizer of both", "bare loop, µs a step", "fit, µs a step", "ratio", "goal"],
        rows,
        options.json,
        f"float32, {options.threads} threads, medians of {options.rounds} interleaved rounds of 100 steps.",
    )


if __name__ == "__main__":
    main()
