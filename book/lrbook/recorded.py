"""Recorded real runs for pages without Python, format 1.

``python -m lrbook.recorded`` trains them with lrlib (or takes them from an experiment's result) and writes ``lrwidgets/static/recorded/*.js``. A file is one call,
``lrwidgets.recorded(name, data)``, so that a page can load it as a script, also from ``file://``::

    {v: 1, made: {seed, steps, torch, commit, date, …}, axes: [{name, values, log}],
     columns: [{name, lo, hi, log, n}], runs: [{at: [index on each axis], b64, …}]}

A run's columns follow each other as little-endian uint16: 0 … 65534 from ``lo`` to ``hi`` on a linear or log scale,
65535 for a value that is not finite.
"""

from __future__ import annotations

import argparse
import base64
import json
import pathlib
import subprocess
import time

import numpy as np

from lrwidgets import edge, landscape, regime_explorer, runs, shared_rate
from lrwidgets.base import STATIC
from lrwidgets.sweep_lab import DEFAULTS, PICTURES, WINDOW

from . import results

FOLDER = STATIC / "recorded"
LIMIT = 150_000  # bytes a file
SEED, STEPS, SWEEP_STEPS = 0, 400, 300
BUCKETS = 100
LRS = {
    "sgd": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    "momentum": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "adam": (0.0001, 0.001, 0.003, 0.01, 0.03, 0.1),
}
SHOWN = {"digits": tuple(LRS), "mnist1d": ("sgd", "adam")}
SCHEDULES = {"digits": ("constant", "step", "cosine", "warmup-cosine"), "mnist1d": ("constant", "cosine")}
MOMENTA = {"momentum": (0.5, 0.9, 0.99), "nesterov": (0.9,)}
RATES = runs.spaced(1e-4, 10.0, 41)
REGIME_STEPS = 8000
WALK_RATES, WALK_STEPS = (0.001, 0.004, 0.008, 0.015, 0.03, 0.1), 3000
EDGE_RATES, EDGE_STEPS, EDGE_UNITS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3), 3000, 50


def pack(column: dict, values) -> bytes:
    """Return ``values`` as the uint16 of ``column`` ``{lo, hi, log}``; clipped to its ends.

    >>> np.frombuffer(pack({"lo": 0.01, "hi": 1.0, "log": True}, [0.01, 0.1, 1.0, float("nan")]), "<u2").tolist()
    [0, 32767, 65534, 65535]
    """
    x = np.asarray(values, dtype=float)
    scale = np.log if column["log"] else np.asarray
    lo, hi = scale(column["lo"]), scale(column["hi"])
    with np.errstate(invalid="ignore", divide="ignore"):
        u = np.round((scale(np.clip(x, column["lo"], column["hi"])) - lo) / (hi - lo) * 65534)
    return np.where(np.isfinite(x), u, 65535).astype("<u2").tobytes()


def unpack(column: dict, raw: bytes) -> np.ndarray:
    """Return the values that :func:`pack` stored, to about 1 part in 65,534 of the scale."""
    u = np.frombuffer(raw, "<u2").astype(float)
    if column["log"]:
        values = np.exp(np.log(column["lo"]) + np.log(column["hi"] / column["lo"]) * u / 65534)
    else:
        values = column["lo"] + (column["hi"] - column["lo"]) * u / 65534
    return np.where(u == 65535, np.nan, values)


def buckets(loss) -> dict[str, np.ndarray]:
    """Return ``least``, ``most`` and ``mean`` of each hundredth of a run; nan after it has diverged."""
    full = np.full(STEPS, np.nan)
    full[: len(loss)] = loss
    table = np.where(np.isfinite(full), full, np.nan).reshape(BUCKETS, -1)
    gone = np.isnan(table).all(axis=1)
    safe = np.where(gone[:, None], 0.0, table)
    return {
        name: np.where(gone, np.nan, f(safe, axis=1))
        for name, f in (("least", np.nanmin), ("most", np.nanmax), ("mean", np.nanmean))
    }


def training_run(task: str, optimizer: str, schedule: str, lr: float):
    """Train one run of the training lab; return its ``(losses, applied rates)``."""
    from lrlib import steps

    events = list(
        steps(
            runs.task(task),
            optimizer,
            lr=lr,
            plan=runs.plan(schedule, STEPS),
            seed=SEED,
            steps=STEPS,
            **runs.options(optimizer, 0.9),
        )
    )
    return np.array([e.loss for e in events]), np.array([e.lr[0] for e in events])


def sweep_run(task: str, optimizer: str, momentum: float):
    """Train one sweep of the sweep lab; return ``(steps, losses [rows, rates], suggestions)``."""
    from lrlib import sweep_steps

    kept, steps, rows = [], [], []
    made, every = runs.task(task), SWEEP_STEPS // PICTURES * 2
    options = runs.options(optimizer, momentum)
    for event in sweep_steps(made, optimizer, lr=RATES, seeds=[SEED], steps=SWEEP_STEPS, path="eager", **options):
        kept.append(np.where(event.diverged, np.nan, event.loss))
        if (event.step + 1) % every == 0:
            steps.append(event.step + 1)
            rows.append([runs.latest_mean(lane) for lane in zip(*kept[-WINDOW:])])
    return steps, np.array(rows), runs.suggestions(made, optimizer, SEED, "cpu", options)


def _made(**more) -> dict:
    import torch

    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=STATIC,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = ""
    return {"seed": SEED, "torch": torch.__version__, "commit": commit, "date": time.strftime("%Y-%m-%d"), **more}


def training_lab() -> dict:
    """Train every recorded run of the training lab and return the file's data."""
    axes = [
        {"name": "task", "values": list(SHOWN)},
        {"name": "optimizer", "values": list(LRS)},
        {"name": "schedule", "values": list(SCHEDULES["digits"])},
        {"name": "lr", "values": sorted({lr for lrs in LRS.values() for lr in lrs}), "log": True},
    ]
    columns = [{"name": n, "lo": 1e-5, "hi": 1e4, "log": True, "n": BUCKETS} for n in ("least", "most", "mean")]
    factor = {"name": "factor", "lo": 0.0, "hi": 1.0, "log": False, "n": BUCKETS, "runs": {}}
    out = []
    for task, optimizers in SHOWN.items():
        for optimizer in optimizers:
            for schedule in SCHEDULES[task]:
                for lr in LRS[optimizer]:
                    loss, applied = training_run(task, optimizer, schedule, lr)
                    parts = buckets(loss)
                    at = [a["values"].index(v) for a, v in zip(axes, (task, optimizer, schedule, lr))]
                    out.append({"at": at, "b64": _text(b"".join(pack(c, parts[c["name"]]) for c in columns))})
                    if np.isfinite(applied).all() and len(applied) == STEPS:
                        means = (applied / lr).reshape(BUCKETS, -1).mean(axis=1)
                        factor["runs"][schedule] = {"b64": _text(pack(factor, means))}
    made = _made(steps=STEPS, momentum=0.9)
    return {"v": 1, "made": made, "axes": axes, "columns": columns, "factor": factor, "runs": out}


def sweep_lab() -> dict:
    """Train every recorded sweep of the sweep lab and return the file's data."""
    momenta = sorted({m for ms in MOMENTA.values() for m in ms})
    axes = [
        {"name": "task", "values": list(runs.TASKS)},
        {"name": "optimizer", "values": list(runs.OPTIMIZERS)},
        {"name": "momentum", "values": momenta},
    ]
    out, steps = [], []
    for i, task in enumerate(runs.TASKS):
        for j, optimizer in enumerate(runs.OPTIMIZERS):
            for momentum in MOMENTA.get(optimizer, (0.9,)):
                steps, losses, found = sweep_run(task, optimizer, momentum)
                column = {"name": "loss", "lo": 1e-5, "hi": 1e4, "log": True, "n": losses.size}
                out.append(
                    {
                        "at": [i, j, momenta.index(momentum)],
                        "b64": _text(pack(column, losses.ravel())),
                        "default": DEFAULTS[optimizer],
                        "suggestions": {k: float(f"{v:.4g}") for k, v in found.items()},
                    }
                )
    rates = [float(f"{r:.6g}") for r in RATES]
    made = _made(steps=SWEEP_STEPS, at=steps, rates=rates, window=WINDOW)
    return {"v": 1, "made": made, "axes": axes, "columns": [column], "runs": out}


def edge_run(lr: float, steps: int = EDGE_STEPS):
    """Train one run at the edge of stability; return its ``(losses, sharpnesses)`` every 20 steps, nan once it diverged."""
    loss, high = np.full((2, EDGE_STEPS // edge.EVERY), np.nan)
    for event in edge.descent(EDGE_UNITS, SEED, lr, steps):
        if event.step % edge.EVERY == 0 and np.isfinite(event.lr):
            loss[event.step // edge.EVERY], high[event.step // edge.EVERY] = event.loss, event.sharpness
    return loss, high


def edge_of_stability() -> dict:
    """Train every recorded run at the edge of stability and return the file's data."""
    columns = [
        {"name": n, "lo": lo, "hi": 1e4, "log": True, "n": EDGE_STEPS // edge.EVERY}
        for n, lo in (("loss", 1e-7), ("sharpness", 1e-2))
    ]
    out = [{"at": [i], "b64": _text(b"".join(map(pack, columns, edge_run(lr))))} for i, lr in enumerate(EDGE_RATES)]
    made = _made(steps=EDGE_STEPS, every=edge.EVERY, units=EDGE_UNITS)
    return {
        "v": 1,
        "made": made,
        "axes": [{"name": "lr", "values": list(EDGE_RATES), "log": True}],
        "columns": columns,
        "runs": out,
    }


def regimes_run(steps: int = REGIME_STEPS) -> dict:
    """Pre-train, average and fine-tune at all rates once, and return the file's data."""
    figure, found, rows = regime_explorer.RegimeExplorer(steps=steps, seed=SEED), {}, []
    for event in figure.job()():
        found = event.found or found
        rows += [row] if (row := figure.row(event)) else []
    at, loss = [int(row[0]) for row in rows], [runs.rounded(row[1:]) for row in rows]
    made = _made(steps=steps, pairs=1, finetune=list(regime_explorer.FINETUNE_RATES))
    rates = [float(f"{r:.5g}") for r in figure.rates]
    return {"v": 1, "made": made, "rates": rates, "at": at, "loss": loss, "found": found}


OF_E34 = {  # what the regime explorer shows of E34, and under which names E34 has it
    "pretrain_loss": "pretrain_loss",
    "tail_loss": "pretrain_loss_last_tenth",
    "barrier": "barrier",
    "pretrain_accuracy": "pretrain_accuracy",
    "feature_accuracy": "feature_accuracy",
    "feature_averaged": "feature_accuracy_averaged",
    "feature_finetuned": "feature_accuracy_finetuned",
}
ENDS = ("mean", "low", "high")
BANDS = ("pretrain_accuracy", "finetune_best", "average_accuracy")


def _shown_of(q):
    """Mean and interval over the first rates of what the regime explorer shows: {name: {"mean", "low", "high": [rate]}}."""
    ends = {
        name: {end: np.array(each[end], dtype=float) for end in ENDS}
        for name, each in q.items()
        if set(ENDS) <= set(each)
    }
    tuned, averaged = ends["finetune_accuracy"], ends["swa_accuracy"]

    def at(places):
        return {end: np.take_along_axis(each, places[:, None], axis=1)[:, 0] for end, each in tuned.items()}

    return {name: ends[quantity] for name, quantity in OF_E34.items()} | {
        "finetune_best": at(tuned["mean"].argmax(axis=1)),
        "finetune_worst": at(tuned["mean"].argmin(axis=1)),
        "average_accuracy": {end: each[:, -1] for end, each in averaged.items()},
    }


def regimes_of(path) -> dict:
    """Return the file's data from a result of experiment E34 (its JSON file): means over its pairs, with 95 % intervals.

    Fine-tuned is said of the small rate with the highest mean, and of the one with the lowest, at each first rate.
    """
    result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    q = result["quantities"]
    rates, steps = q["loss_curve"]["axes"].values()
    shown = _shown_of(q)
    shares = np.array(q["regime_share"]["mean"], dtype=float)
    names, pairs, most = q["regime_share"]["axes"]["regime"], len(result["seeds"]), shares.argmax(axis=0)
    found = {name: runs.rounded(ends["mean"]) for name, ends in shown.items()}
    found |= {
        "bands": {name: [runs.rounded(shown[name][end]) for end in ("low", "high")] for name in BANDS},
        "regime": [names[i] for i in most],
        "shares": [round(pairs * shares[i, k]) for k, i in enumerate(most)],
        "borders": {n: q[n]["mean"] for n in ("threshold", "split", "divergence")},
    }
    loss = np.array(q["loss_curve"]["mean"], dtype=float).T
    made = _made(steps=round(2 * steps[0] * len(steps)), pairs=pairs)  # a point stands in the middle of its part
    return {
        "v": 1,
        "made": made | {"result": result["id"], "code": result["code"]},
        "rates": rates,
        "at": steps,
        "loss": [runs.rounded(row) for row in loss],
        "found": found,
    }


def landscape_walk(steps: int = WALK_STEPS) -> dict:
    """Train the solutions of every recorded walk, measure their lines and planes, and return the file's data."""
    *_, last = landscape.walk(list(WALK_RATES), SEED, steps)
    made = _made(steps=steps, finetune=list(landscape.FINETUNE_RATES))
    return {"v": 1, "made": made, "rates": list(WALK_RATES), "walks": last.found}


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def script(name: str, data: dict) -> str:
    """Return the script that hands ``data`` to the page."""
    return f"lrwidgets.recorded({json.dumps(name)},{json.dumps(data, separators=(',', ':'))});\n"


def read(name: str) -> dict:
    """Return the data of a committed file, such as ``read("sweep_lab")``."""
    text = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def main(arguments: list[str] | None = None) -> int:
    """Train and write the files that are named; all of them without a name."""
    makers = {
        "training_lab": training_lab,
        "sweep_lab": sweep_lab,
        "edge_of_stability": edge_of_stability,
        "regime_explorer": regimes_run,
        "landscape_walk": landscape_walk,
        "shared_rate": lambda: shared_rate.gather(results.FOLDER),
    }
    parser = argparse.ArgumentParser(prog="python -m lrbook.recorded", description=main.__doc__)
    parser.add_argument("names", nargs="*", choices=[*makers, []], help=", ".join(makers))
    parser.add_argument("--result", help="the JSON file of experiment E34, to be shown by regime_explorer")
    options = parser.parse_args(arguments)
    if options.result:
        makers["regime_explorer"] = lambda: regimes_of(options.result)
    FOLDER.mkdir(exist_ok=True)
    for name in options.names or makers:
        text = script(name, makers[name]())
        if len(text) > LIMIT:
            raise SystemExit(f"{name}.js would have {len(text)} bytes; {LIMIT} are allowed")
        (FOLDER / f"{name}.js").write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}.js {len(text)} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
