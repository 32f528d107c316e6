"""How much faster a sweep is than a loop over ``torch.optim`` in the same process: ``python tests/benchmarks/sweep.py``.

Each row is measured in rounds that interleave the three ways, so that a busy machine slows all of them; the ratio is
the median over the rounds. Compilation is timed apart. Memory a lane is what an eager sweep holds between steps and, at
its peak, in a step, its inputs included but not the data that all lanes share. ``--threads N`` sets PyTorch's threads,
``--rounds N`` the rounds.
"""

import statistics
import time

import numpy as np
import torch
from report import arguments, report

from lrlib import streams, tasks
from lrlib.runs.sweeps.paths import Compiled, Eager
from lrlib.runs.sweeps import describe_lanes
from lrlib.runs.sweeps.lanes import Lanes

GOALS = {
    "digits 64-64-64-10, 32 lanes": (3, 8),
    "32-32-32-1, 23 lanes": (4, 25),
    "32-32-32-1, 128 lanes": (None, 45),
    "conv net with batch norm, 32 lanes": (None, 2),
}


def binary():
    """Net 32-32-32-1, batch 16, on 2,000 random points."""
    x = torch.randn(2000, 32, generator=torch.Generator().manual_seed(0))
    return tasks.Task(
        "binary",
        lambda: tasks.mlp([32, 32, 32, 1]),
        (x, (x[:, 0] > 0).float()),
        None,
        None,
        tasks.binary_loss,
        tasks.binary_accuracy,
        16,
        1000,
    )


def loop_seconds(task, lanes, steps):
    """Seconds a step of a plain loop over models and ``torch.optim.SGD``."""
    models = [streams.initial_model(task, s) for s in range(lanes)]
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.01) for m in models]
    rows = [streams.Order(s, len(task.train[0]), task.batch).rows(0, steps) for s in range(lanes)]
    began = time.perf_counter()
    for t in range(steps):
        for lane in range(lanes):
            optimizers[lane].zero_grad()
            chosen = rows[lane][t]
            task.loss(models[lane](task.train[0][chosen]), task.train[1][chosen]).backward()
            optimizers[lane].step()
    return (time.perf_counter() - began) / steps


def engine_seconds(engine, lanes, steps):
    """Seconds a step of a path of the sweep, its inputs included."""
    carry, size = lanes.begin(), engine.size
    began = time.perf_counter()
    for start in range(0, steps, 128):
        stop = min(start + 128, steps)
        inputs = lanes.inputs(start, stop)
        for a in range(0, stop - start, size):
            carry, loss, _ = engine(carry, inputs.slice(a, min(a + size, stop - start), size))
            loss.numpy()
    return (time.perf_counter() - began) / steps


def lane_bytes(task, count):
    """Bytes a lane: what the carry and the inputs of a block hold, and the most that an eager step allocates."""
    lanes = lanes_of(task, count)
    engine, carry, inputs = Eager(lanes), lanes.begin(), lanes.inputs(0, lanes.ahead(1))
    engine(carry, inputs)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        engine(carry, inputs)
    events = sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    changes = [event.nbytes() for event in events if event.name() == "[memory]"]
    held = sum(tensor.nbytes for tensor in (*carry.flat(), *inputs.flat()))
    return (held + max(np.cumsum(changes))) / count


def lanes_of(task, count):
    """That many seeds at one rate, stacked."""
    return Lanes(describe_lanes(task, "sgd", [0.01], seeds=count, steps=400))


def row(name, task, count, rounds, steps=400):
    """Measure one row of the table; ``steps``: of the compiled way in a round, the eager one makes a tenth."""
    lanes, apart = lanes_of(task, count), lanes_of(task, count)
    apart.pack(False)
    began = time.perf_counter()
    compiled, eager = Compiled(apart), Eager(lanes, untraced=0)
    compilation = time.perf_counter() - began
    ways = (
        lambda: loop_seconds(task, count, max(3, 200 // count)),
        lambda: engine_seconds(eager, lanes, steps // 10),
        lambda: engine_seconds(compiled, apart, steps),
    )
    for way in ways:
        way()
    times = np.array([[way() for way in ways] for _ in range(rounds)])
    ratios = [statistics.median(times[:, 0] / times[:, i]) for i in (1, 2)]
    loop, slow, fast = np.median(times, axis=0)
    goal = " / ".join("–" if g is None else f"{g}" for g in GOALS[name])
    return [
        name,
        f"{loop * 1e3:.2f}",
        f"{slow * 1e3:.2f}",
        f"{fast * 1e3:.3f}",
        f"{ratios[0]:.1f}",
        f"{ratios[1]:.1f}",
        goal,
        f"{count / fast:,.0f}",
        f"{lane_bytes(task, count) / 1e3:,.0f}",
        f"{compilation:.0f}",
    ]


def main():
    """Print the table."""
    options = arguments(__doc__.splitlines()[0], threads=2, rounds=5)
    torch.set_num_threads(options.threads)
    rows = [
        row("digits 64-64-64-10, 32 lanes", tasks.digits(), 32, options.rounds),
        row("32-32-32-1, 23 lanes", binary(), 23, options.rounds),
        row("32-32-32-1, 128 lanes", binary(), 128, options.rounds),
        row("conv net with batch norm, 32 lanes", tasks.digits(network="conv"), 32, options.rounds, steps=80),
    ]
    columns = [
        "lanes",
        "loop, ms a step",
        "eager, ms",
        "compiled, ms",
        "eager ×",
        "compiled ×",
        "goal",
        "lane-steps/s",
        "kB a lane",
        "compilation, s",
    ]
    report(
        "sweep",
        columns,
        rows,
        options.json,
        f"SGD, float32, {options.threads} threads, medians of {options.rounds} interleaved rounds.",
    )


if __name__ == "__main__":
    main()
