"""How soon a sweep shows something, and how long it ever pauses: ``python tests/benchmarks/start.py``.

Each row is a process of its own with an empty folder of programs: torch, lrlib and the data are loaded, then the clock
starts. ``path="auto"``; the last row's sweep is long enough for a program, which takes over while it is watched.
"""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from report import arguments, report

from lrlib import sweep_steps, tasks

SWEEPS = {  # task, lanes, steps of the sweep, steps that are watched
    "digits 64-64-64-10, 32 lanes, 300 steps": (tasks.digits, 32, 300, 300),
    "MNIST-1D 40-64-64-10, 128 lanes, 1,000 steps": (tasks.mnist1d, 128, 1000, 300),
    "digits, conv net, 32 lanes, 300 steps": (lambda: tasks.digits(network="conv"), 32, 300, 60),
    "digits 64-64-64-10, 32 lanes, 40,000 steps": (tasks.digits, 32, 40_000, 16_000),
}


def watch(name):
    """Print the seconds to the first event, of the longest pause after it, and the milliseconds of the median step."""
    task, lanes, steps, watched = SWEEPS[name]
    task = task()
    task.train_for(0)
    began = last = time.perf_counter()
    first, pauses = None, []
    events = sweep_steps(task, lr=np.geomspace(1e-3, 1, lanes), steps=steps)
    for event in events:
        now = time.perf_counter()
        if first is None:
            first = now - began
        else:
            pauses.append(now - last)
        last = now
        if event.step + 1 == watched:
            break
    print(first, max(pauses), 1e3 * float(np.median(pauses)))


def row(name, threads):
    """Measure one row in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run(
            [sys.executable, __file__, "--watch", name, "--threads", str(threads)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"LRLIB_CACHE": folder},
        )
    first, pause, step = map(float, found.stdout.split())
    return [name, f"{first:.2f}", f"{pause:.2f}", f"{step:.2f}", "0.5 / 0.5"]


def main():
    """Print the table."""
    if "--watch" in sys.argv:
        torch.set_num_threads(int(sys.argv[-1]))
        return watch(sys.argv[2])
    options = arguments(__doc__.splitlines()[0], threads=2)
    report(
        "start",
        ["sweep", "first event, s", "longest pause, s", "median step, ms", "goal"],
        [row(name, options.threads) for name in SWEEPS],
        options.json,
        f"SGD, float32, {options.threads} threads, caches empty.",
    )


if __name__ == "__main__":
    main()
