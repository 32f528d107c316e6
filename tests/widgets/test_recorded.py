"""The recorded runs: the format, the files, and two runs trained afresh."""

import base64

import numpy as np
import pytest

from lrbook import recorded
from lrwidgets.runs import OPTIMIZERS, TASKS

NAMES = ("training_lab", "sweep_lab")


@pytest.fixture(scope="module")
def files():
    return {name: recorded.read(name) for name in NAMES}


def values(file, run, name):
    raw, start = base64.b64decode(run["b64"]), 0
    for column in file["columns"]:
        part = raw[start : start + 2 * column["n"]]
        if column["name"] == name:
            return recorded.unpack(column, part)
        start += 2 * column["n"]


def find(file, **wanted):
    for run in file["runs"]:
        at = {axis["name"]: axis["values"][i] for axis, i in zip(file["axes"], run["at"])}
        if all(at[name] == value for name, value in wanted.items()):
            return run
    raise AssertionError(f"no run at {wanted}")


@pytest.mark.parametrize("log, lo, hi", [(True, 1e-5, 1e4), (False, 0.0, 1.0)])
def test_packing_keeps_a_value_within_the_step_of_its_scale(log, lo, hi):
    column = {"lo": lo, "hi": hi, "log": log}
    x = np.append(np.geomspace(max(lo, 1e-4), hi, 500), np.nan)
    back = recorded.unpack(column, recorded.pack(column, x))
    assert np.isnan(back[-1])
    error = np.abs(np.log(back[:-1] / x[:-1])) if log else np.abs(back[:-1] - x[:-1])
    assert error.max() <= (np.log(hi / lo) if log else hi - lo) / 65534 / 2 * 1.001
    assert recorded.unpack(column, recorded.pack(column, [hi * 100]))[0] == pytest.approx(hi)


def test_buckets_keep_the_extremes_and_mark_a_divergence():
    loss = np.r_[np.arange(200.0) + 1, np.inf]
    parts = recorded.buckets(loss)
    assert parts["most"][:50].max() == 200 and parts["least"][0] == 1 and parts["mean"][0] == 2.5
    assert all(np.isnan(v[50:]).all() for v in parts.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_small_and_says_where_it_comes_from(name, files):
    assert (recorded.FOLDER / f"{name}.js").stat().st_size <= recorded.LIMIT
    made = files[name]["made"]
    assert files[name]["v"] == 1 and {"seed", "steps", "torch", "commit", "date"} <= set(made)


def test_every_run_has_its_place_and_all_its_numbers(files):
    for file in files.values():
        size = 2 * sum(column["n"] for column in file["columns"])
        places = [tuple(run["at"]) for run in file["runs"]]
        assert len(set(places)) == len(places)
        assert all(len(base64.b64decode(run["b64"])) == size for run in file["runs"])
    sweeps = files["sweep_lab"]
    assert [axis["values"] for axis in sweeps["axes"][:2]] == [list(TASKS), list(OPTIMIZERS)]
    assert all(find(sweeps, task=t, optimizer=o) for t in TASKS for o in OPTIMIZERS)
    lab = files["training_lab"]
    assert len(lab["runs"]) == sum(
        len(recorded.LRS[o]) * len(recorded.SCHEDULES[t]) for t, os in recorded.SHOWN.items() for o in os
    )
    assert set(lab["factor"]["runs"]) == set(recorded.SCHEDULES["digits"])


def test_a_training_run_made_afresh_agrees(files):
    file = files["training_lab"]
    loss, applied = recorded.training_run("digits", "sgd", "cosine", 0.1)
    fresh, old = (
        recorded.buckets(loss)["mean"],
        values(file, find(file, task="digits", optimizer="sgd", schedule="cosine", lr=0.1), "mean"),
    )
    assert fresh[:10] == pytest.approx(old[:10], rel=0.05), (
        "rounding differs between machines, and grows with the steps"
    )
    assert np.mean(fresh[-20:]) == pytest.approx(np.mean(old[-20:]), rel=0.5)
    factor = recorded.unpack(file["factor"], base64.b64decode(file["factor"]["runs"]["cosine"]["b64"]))
    assert (applied / 0.1).reshape(100, -1).mean(axis=1) == pytest.approx(factor, abs=1e-4)


def test_a_sweep_made_afresh_agrees(files):
    file = files["sweep_lab"]
    run = find(file, task="digits", optimizer="sgd")
    steps, losses, found = recorded.sweep_run("digits", "sgd", 0.9)
    old = values(file, run, "loss").reshape(losses.shape)
    assert steps == file["made"]["at"]
    calm = np.array(file["made"]["rates"]) < 0.1  # beyond, one rounding decides what a lane becomes
    assert losses[:, calm] == pytest.approx(old[:, calm], rel=0.1)
    assert np.isnan(losses[-1, -1]) or losses[-1, -1] > 1
    assert run["default"] == 1e-3 and run["suggestions"]["valley"] == pytest.approx(found["valley"], rel=0.5)
