"""What an optimizer step costs, ours and others', in one process: ``python tests/benchmarks/optimizers.py``.

Only ``step()`` is timed, each after an ordinary ``zero_grad()`` and ``backward()``, so that collecting new gradients
is part of it. Each row interleaves its optimizers round by round; ratios are medians over the rounds. torch's fused
AdamW is scaled by the bytes that the rule must move; where torch has a fused form of the rule itself, that is measured
beside it. Where there is a GPU, the tables are measured on it as well.
``--threads N`` sets PyTorch's threads, ``--rounds N`` the rounds.
"""

import contextlib
import io
import os
import tempfile
import time

import numpy as np
import torch
from report import arguments, report

from lrlib import optimizers, rules

SIZES = {"2.6 M in 80": [(256, 253), (256,)] * 40, "16.8 M in 4": [(2048, 2048)] * 4}
LOOPS = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "amsgrad": ("Adam", {"amsgrad": True}),
    "adamw": ("AdamW", {}),
    "radam": ("RAdam", {}),
}
UNFUSED = ("RMSprop", "RAdam")  # torch has no fused form of these
COLUMNS = [
    "optimizer",
    "parameters",
    "eager, ms",
    "torch loop, ms",
    "eager / loop",
    "fused, ms",
    "torch fused by bytes, ms",
    "fused / torch",
    "fused / torch's own",
    "peers / fused",
    "of copy speed",
    "first step, s",
]


def loop(name, parameters):
    """torch's own optimizer of a rule, one tensor after the other."""
    cls, options = LOOPS[name]
    unfused = {} if cls in UNFUSED else {"fused": False}
    return getattr(torch.optim, cls)(parameters, lr=1e-4, foreach=False, **unfused, **options)


def own(name, parameters):
    """torch's own optimizer of a rule in its fused form."""
    cls, options = LOOPS[name]
    return getattr(torch.optim, cls)(parameters, lr=1e-4, fused=True, **options)


def peers(parameters):
    """AdaBelief of two other libraries."""
    import adabelief_pytorch
    import pytorch_optimizer

    with contextlib.redirect_stdout(io.StringIO()):
        first = adabelief_pytorch.AdaBelief(parameters(), lr=1e-4, rectify=False, print_change_log=False)
    return {"adabelief-pytorch": first, "pytorch-optimizer": pytorch_optimizer.AdaBelief(parameters(), lr=1e-4)}


def entrants(name, parameters):
    """The optimizers of a row, each with parameters of its own."""
    found = {
        "eager": optimizers.make(name, parameters(), lr=1e-4),
        "fused": optimizers.make(name, parameters(), lr=1e-4, path="fused"),
        "bytes": torch.optim.AdamW(parameters(), lr=1e-4, fused=True),
    }
    if name in LOOPS:
        found["loop"] = loop(name, parameters())
        found |= {} if LOOPS[name][0] in UNFUSED else {"own": own(name, parameters())}
    return found | (peers(parameters) if name == "adabelief" else {})


def seconds(optimizer, device):
    """Seconds of one step with new gradients."""
    parameters = optimizer.param_groups[0]["params"]
    optimizer.zero_grad()
    torch.stack([(p * p).sum() for p in parameters]).sum().backward()
    _wait(device)
    began = time.perf_counter()
    optimizer.step()
    _wait(device)
    return time.perf_counter() - began


def _wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def copy_speed(device):
    """Bytes a second that a copy of 64 MiB reads and writes."""
    a = torch.ones(1 << 24, device=device)
    b = torch.empty_like(a)
    times = []
    for _ in range(12):
        _wait(device)
        began = time.perf_counter()
        b.copy_(a)
        _wait(device)
        times.append(time.perf_counter() - began)
    return 2 * a.numel() * a.element_size() / float(np.median(times[2:]))


def row(name, size, rounds, device, speed):
    """Measure one row of the table."""

    def parameters():
        generator = torch.Generator().manual_seed(0)
        return [torch.nn.Parameter((0.1 * torch.randn(shape, generator=generator)).to(device)) for shape in SIZES[size]]

    found = entrants(name, parameters)
    first = {key: seconds(optimizer, device) for key, optimizer in found.items()}["fused"]
    if found["fused"].path != "fused":
        raise RuntimeError(f"no fused path here: {found['fused'].path_reason}")
    for optimizer in found.values():
        seconds(optimizer, device)
    times = {key: [] for key in found}
    for _ in range(rounds):
        for key, optimizer in found.items():
            times[key].append(seconds(optimizer, device))
    times = {key: np.array(column) for key, column in times.items()}
    moved = 3 + 2 * len(rules.get(name).state_names)  # reads x, g and the state; writes x and the state
    count = sum(p.numel() for p in parameters())
    times["bytes"] *= moved / 7
    others = [_ratio(times[key], times["fused"]) for key in found if "-" in key]
    share = f"{4 * moved * count / np.median(times['fused']) / speed:.0%}" if device == "cuda" else "–"
    return [
        name,
        size,
        _ms(times["eager"]),
        _ms(times.get("loop")),
        _ratio(times["eager"], times.get("loop")),
        _ms(times["fused"]),
        _ms(times["bytes"]),
        _ratio(times["fused"], times["bytes"]),
        _ratio(times["fused"], times.get("own")),
        " ".join(others) or "–",
        share,
        f"{first:.1f}",
    ]


def _ms(column):
    return "–" if column is None else f"{np.median(column) * 1e3:.2f}"


def _ratio(one, other):
    return "–" if other is None else f"{np.median(one / other):.2f}"


def main():
    """Print the tables."""
    options = arguments(__doc__.splitlines()[0], threads=2, rounds=15)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="lrlib-benchmark-")
    torch.set_num_threads(options.threads)
    names = [name for name, rule in rules.RULES.items() if rule.kind == "element"]
    rows, notes = [], []
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        speed = copy_speed(device)
        part = [row(name, size, options.rounds, device, speed) for size in SIZES for name in names]
        rows += part if device == "cpu" else [[f"{line[0]} (GPU)", *line[1:]] for line in part]
        where = torch.cuda.get_device_name() if device == "cuda" else f"{options.threads} threads"
        notes.append(f"{where}, where a copy moves {speed / 1e9:.0f} GB/s" if device == "cuda" else where)
    report(
        "optimizers",
        COLUMNS,
        rows,
        options.json,
        f"float32, medians of {options.rounds} interleaved rounds; "
        f"{'; '.join(notes)}. The first row's first step imports the compiler too. Goals: fused / torch at most 1.1, "
        "eager / loop at most 1.2, peers / fused at least 4, first step at most 5 s.",
    )


if __name__ == "__main__":
    main()
