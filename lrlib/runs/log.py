"""The one place where a `Record` is made of what happened."""

import dataclasses
import platform

import numpy as np
import torch

from .evaluation import names
from .record import Record

LIMIT = 4000


def recorded(description, happened, **how):
    """The Record of what ``happened`` to the lanes of a description.

    happened: a dict with status [L]; loss [L, steps]; applied, {option: [L, steps]} or [L, steps, groups], the rate
    first; evaluations, as they were taken; sets, the parts that were evaluated; parameters, buffers and snapshots; and,
    where they are not the description's, lr0 and optimizer.  how: path, path_reason, seconds.
    """
    d, loss = description, happened["loss"]
    shown = kept(loss.shape[1])
    rate, *options = ((name, each[:, shown]) for name, each in happened["applied"].items())
    return Record(
        lr0=happened.get("lr0", d.lr0),
        seed=d.seed,
        status=happened["status"],
        step=shown,
        loss=loss[:, shown],
        lr=rate[1],
        options=dict(options),
        evaluations=gathered(happened["evaluations"], names(happened["sets"]), len(d.seed)),
        parameters=happened["parameters"],
        buffers=happened["buffers"],
        snapshots=happened["snapshots"],
        versions=versions(),
        device=str(d.device),
        task=d.task.name,
        optimizer=happened.get("optimizer") or d.rule.name,
        plan="" if d.plan is None else repr(d.plan),
        dtype=kind_of(d.dtype),
        metric_name=str(d.task.metric_name),
        **how,
    )


def joined(records, lanes, *, reason, seconds):
    """One Record of the parts' Records, lanes in order; ``lanes``: of each part, their numbers in the whole.

    Texts and versions in which the parts differ are all listed; ``reason`` is added to the path's.
    """
    order, first, values = np.argsort(np.concatenate(lanes)), records[0], {}
    for name in {field.name for field in dataclasses.fields(Record)} - {"step", "seconds", "path_reason"}:
        values[name] = _joined([_by_lane(name, getattr(record, name)) for record in records], order)
    values["evaluations"]["step"] = first.evaluations["step"]
    return Record(**values, step=first.step, seconds=seconds, path_reason=f"{first.path_reason}; {reason}")


def _by_lane(name, value):
    """A field of a Record without the steps of its evaluations, which all lanes share."""
    return {key: each for key, each in value.items() if key != "step"} if name == "evaluations" else value


def _joined(each, order):
    """One value of the parts' values: what is kept by lane put together, texts all listed."""
    first = each[0]
    if isinstance(first, dict):
        return {key: _joined([group[key] for group in each], order) for key in first}
    if isinstance(first, np.ndarray):
        return np.concatenate(each)[order]
    return first if all(value == first for value in each) else " / ".join(dict.fromkeys(map(str, each)))


def kind_of(dtype):
    """The name that NumPy and torch share of a dtype.

    >>> kind_of(torch.float32)
    'float32'
    """
    return str(dtype).removeprefix("torch.")


class Log:
    """Arrays that fill up while the lanes of a sweep run."""

    def __init__(self, description):
        lanes, steps = len(description.lr0), description.steps
        self.description, self.done = description, 0
        self.loss = np.full((lanes, steps), np.nan, dtype=kind_of(description.dtype))
        self.applied = np.full((len(description.factors), lanes, steps), np.nan)
        self.evaluations, self.snapshots = [], {}

    def add(self, loss, applied):
        """Rows [k, L] and [k, 1 + P, L] of the next k steps."""
        at = slice(self.done, self.done + len(loss))
        self.loss[:, at], self.applied[:, :, at] = loss.T, applied.transpose(1, 2, 0)
        self.done += len(loss)

    def cut(self, done):
        """Forget what came after so many updates."""
        self.done = done
        self.evaluations = [values for values in self.evaluations if values["step"] <= done]
        self.snapshots = {step: weights for step, weights in self.snapshots.items() if step <= done}

    def record(self, diverged, weights, sets, **how):
        """The Record of what has happened up to now; lanes that have steps left are "stopped"."""
        d, done = self.description, self.done
        planned, applied = d.planned(0, done), dict(zip(d.factors, self.applied[:, :, :done]))
        for i, name in enumerate(d.factors):
            check_applied(applied[name], planned[:, i].T, d.dtype, name)
        happened = {
            "status": np.where(diverged, "diverged", "finished" if done == d.steps else "stopped"),
            "loss": self.loss[:, :done],
            "applied": applied,
            "evaluations": self.evaluations,
            "snapshots": dict(self.snapshots),
            "sets": sets,
        }
        return recorded(d, happened | weights, **how)


def check_applied(applied, planned, dtype=torch.float64, name="lr"):
    """Raise ``RuntimeError`` at the first step whose applied rate is not the planned one (nan: no update was made).

    ``name``: the option that the values are of.

    >>> check_applied(np.array([[0.1, 0.2]]), np.array([[0.1, 0.3]]))
    Traceback (most recent call last):
    ...
    RuntimeError: the applied rate differs from the plan at step 1: 0.2 instead of 0.3
    """
    kind = torch.finfo(dtype)
    wrong = ~np.isnan(applied) & ~(np.abs(applied - planned) <= 4 * kind.eps * np.abs(planned) + kind.tiny)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[np.argwhere(wrong)[:, 1].argmin()])
        what = "rate" if name == "lr" else name
        raise RuntimeError(
            f"the applied {what} differs from the plan at step {at[1]}: {applied[at]:.6g} instead of {planned[at]:.6g}"
        )


def kept(length, limit=LIMIT):
    """Indices of the steps that a record of ``length`` steps keeps: every k-th and the last, at most ``limit`` or so.

    >>> kept(10, limit=4).tolist()
    [0, 3, 6, 9]
    """
    every = max(1, -(-length // limit))
    index = np.arange(0, length, every)
    return index if length == 0 or index[-1] == length - 1 else np.append(index, length - 1)


def gathered(evaluations, names, lanes):
    """List of {"step": k, name: [L]} as {"step": [E], name: [L, E]}, float64; E may be 0.

    >>> gathered([], ["train_loss"], 3)["train_loss"].shape
    (3, 0)
    """
    columns = {n: np.array([e[n] for e in evaluations], dtype=float).reshape(-1, lanes).T for n in names}
    return {"step": np.array([e["step"] for e in evaluations], dtype=int), **columns}


def versions():
    """Versions and machine that a record remembers.

    >>> sorted(versions())
    ['machine', 'numpy', 'python', 'system', 'threads', 'torch']
    """
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }
