"""What a plan costs: microseconds a step beside PyTorch's LambdaLR, and the evaluation of a million steps at once.

Run ``python tests/benchmarks/attach.py``. Both ways step the same kind of optimizer in the same process, in
alternating blocks; the table shows the median over blocks. Goals: at most 5 µs a step over LambdaLR, and a million
steps in under 0.1 s.
"""

import statistics
import time

import numpy as np
import torch

from lrlib import attach, cosine, hold, linear, ramp, step, warmup
from report import arguments, report

PLANS = {
    "warmup >> cosine": warmup(100) >> cosine(900_000),
    "warm restarts": cosine(200).repeat(12, stretch=2),
    "warmup, stay, decay": warmup(50) >> hold(800_000) >> ramp(150_000, 1, 0, shape="1-sqrt"),
    "triangles": (ramp(1000, 0.1, 1) >> ramp(1000, 1, 0.1)).repeat(400),
    "warmup * steps": warmup(100) * step(30_000),
}


def optimizer_with(groups):
    made = [torch.nn.Parameter(torch.zeros(1)) for _ in range(groups)]
    for p in made:
        p.grad = torch.zeros(1)
    return torch.optim.SGD([{"params": [p]} for p in made], lr=0.1)


def block(action, count):
    """Return µs a call over ``count`` calls."""
    began = time.perf_counter()
    for _ in range(count):
        action()
    return (time.perf_counter() - began) / count * 1e6


def step_costs(plan, groups, blocks=15, count=400):
    """Return the median µs a step without a schedule, with LambdaLR and attached, measured in turn."""
    bare, theirs, ours = (optimizer_with(groups) for _ in range(3))
    scheduler = torch.optim.lr_scheduler.LambdaLR(theirs, plan)
    handle = attach(ours, plan)

    def both():
        theirs.step()
        scheduler.step()

    runs = {"bare": bare.step, "LambdaLR": both, "attach": ours.step}
    times = {name: [] for name in runs}
    for _ in range(blocks):
        for name, action in runs.items():
            times[name].append(block(action, count))
    assert len(handle.applied) == blocks * count
    over = statistics.median(a - b for a, b in zip(times["attach"], times["LambdaLR"], strict=True))
    return {name: statistics.median(values) for name, values in times.items()} | {"over": over}


def evaluation_seconds(plan, count=1_000_000):
    """Return the best of five times to evaluate ``count`` steps as one array."""
    t = np.arange(count)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        plan(t)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def row(name, plan):
    """One line of the table: what a step costs with one group and with eight, and a million steps at once."""
    one, eight = step_costs(plan, 1), step_costs(plan, 8)
    costs = [one["bare"], one["LambdaLR"], one["attach"], one["over"], eight["over"]]
    return [name, *(f"{cost:.1f}" for cost in costs), f"{evaluation_seconds(plan):.3f}"]


def main():
    options = arguments(__doc__.splitlines()[0])
    torch.set_num_threads(1)
    columns = [
        "plan",
        "no plan, µs",
        "LambdaLR, µs",
        "attach, µs",
        "attach − LambdaLR, µs",
        "the same, 8 groups, µs",
        "a million steps, s",
    ]
    rows = [row(name, plan) for name, plan in {"linear": linear(10_000), **PLANS}.items()]
    report(
        "attach",
        columns,
        rows,
        options.json,
        "µs a step of SGD on a one-entry tensor, the median over blocks; seconds to evaluate a million steps as one "
        "array",
    )


if __name__ == "__main__":
    main()
