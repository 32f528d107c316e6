"""Record: saving, thinning, summaries, and the check that applied rates are the planned ones."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import Record, cosine, fit, sweep, tasks
from lrlib.runs.record import example


@pytest.fixture(scope="module")
def swept():
    return sweep(
        tasks.quadratic(curvatures=(4.0, 1.0)), lr=[0.1, 0.2, 0.6], seeds=2, plan=cosine(400), steps=400, evaluate=100
    )


def test_save_and_load_give_the_same_record(swept, tmp_path):
    path = swept.save(tmp_path / "日本 語" / "record.npz")
    again = Record.load(path)
    assert again == swept and again.seconds == swept.seconds and again.versions == swept.versions
    again.loss[0, 0] += 1
    assert again != swept
    assert not list(path.parent.glob("*.tmp"))


def test_load_refuses_other_files(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.ones(2))
    with pytest.raises(ValueError, match="must be a record written by lrlib"):
        Record.load(tmp_path / "other.npz")


@pytest.mark.parametrize("wrong", [3, None, True, b"record.npz", ["record.npz"]], ids=repr)
def test_what_is_no_path_is_refused_by_name(swept, wrong):
    for call in (swept.save, Record.load):
        with pytest.raises(
            TypeError, match=rf"^path must be a path, as a str or an os.PathLike; got {re.escape(repr(wrong))}"
        ):
            call(wrong)


def test_a_folder_is_no_record(tmp_path):
    with pytest.raises(ValueError, match="^path must be a file; got the folder "):
        Record.load(tmp_path)


def test_broken_files_are_named(swept, tmp_path):
    whole = swept.save(tmp_path / "whole.npz").read_bytes()
    method = whole.rindex(b"PK\1\2") + 10  # of an entry in the list of contents
    for name, content in {
        "empty": b"",
        "text": b"no record",
        "half": whole[: len(whole) // 2],
        "flipped": whole[:200] + bytes(40) + whole[240:],
        "packed": whole[:method] + b"\x63" + whole[method + 1 :],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"must be a record written by lrlib .*{name}"):
            Record.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Record.load(tmp_path / "nowhere.npz")
    with np.load(tmp_path / "whole.npz") as stored:
        np.savez(tmp_path / "part.npz", **{n: stored[n] for n in stored.files if n != "lr"})
    with pytest.raises(ValueError, match="in which lr is missing"):
        Record.load(tmp_path / "part.npz")
    with np.load(tmp_path / "whole.npz") as stored:
        np.savez(tmp_path / "odd.npz", **stored, **{"snapshots/first/parameters/w": np.ones(1)})
    with pytest.raises(ValueError, match="must be a record written by lrlib .*odd.npz"):
        Record.load(tmp_path / "odd.npz")


def test_buffers_and_options_are_saved_too(tmp_path):
    task = tasks.Task(
        "normed",
        lambda: tasks.mlp([2, 3, 1], batch_norm=True),
        (torch.randn(8, 2), torch.rand(8).round()),
        None,
        None,
        tasks.binary_loss,
        tasks.binary_accuracy,
        4,
        6,
    )
    record = sweep(task, "momentum", lr=[0.1, 0.2], plans={"momentum": cosine(6)})
    again = Record.load(record.save(tmp_path / "record.npz"))
    assert again == record and again.buffers["1.running_mean"].shape == (2, 3)
    assert np.allclose(again.options["momentum"], 0.9 * cosine(6)(np.arange(6)), rtol=1e-6)


def test_grid_final_and_summary(swept):
    assert swept.grid("train_loss").shape == (3, 2) and swept.rates.tolist() == [0.1, 0.2, 0.6]
    assert swept.grid("status")[2].tolist() == ["diverged"] * 2
    assert np.isnan(swept.final("train_loss")[4:]).all() and np.isfinite(swept.final("train_loss")[:4]).all()
    summary = swept.summary("train_loss")
    assert summary["diverged"].tolist() == [0, 0, 2] and summary["n"].tolist() == [2, 2, 0]
    with pytest.raises(ValueError, match="name must be one of loss, train_loss, train_metric; got 'accuracy'"):
        swept.final("accuracy")


def test_long_runs_are_thinned_and_keep_first_and_last():
    record = fit(tasks.quadratic(), lr=0.1, steps=4501, plan=cosine(4500))
    assert len(record.step) <= 4001 and record.step[0] == 0 and record.step[-1] == 4500
    assert record.loss.shape == record.lr.shape == (1, len(record.step))
    assert np.allclose(record.lr[0], 0.1 * cosine(4500)(record.step))


def test_thinning_comes_after_the_check(monkeypatch):
    monkeypatch.setattr(
        "lrlib.runs.sweeps.lanes.Lanes._tensor", lambda self, v: torch.as_tensor(np.asarray(v)).float() * 1.01
    )
    with pytest.raises(RuntimeError, match="the applied rate differs from the plan at step 0"):
        sweep(tasks.quadratic(), lr=[0.1], steps=5)
    monkeypatch.setattr(
        "lrlib.runs.sweeps.lanes.Lanes._tensor", lambda self, v: torch.as_tensor(np.asarray(v)).float() * wrong
    )
    wrong = torch.tensor([1.0, 1.01])[:, None]
    with pytest.raises(RuntimeError, match="the applied momentum differs from the plan at step 0"):
        sweep(tasks.quadratic(), "momentum", lr=[0.1], steps=5, plans={"momentum": cosine(5)})


def test_rates_of_several_groups_are_kept():
    task = tasks.Task(
        "two",
        lambda: tasks.mlp([2, 3, 1]),
        (torch.randn(8, 2), torch.rand(8).round()),
        None,
        None,
        tasks.binary_loss,
        tasks.binary_accuracy,
        4,
        6,
    )

    def make(parameters):
        return torch.optim.SGD([{"params": parameters[:2], "lr": 0.1}, {"params": parameters[2:], "lr": 0.01}])

    record = fit(task, make, plan=cosine(6))
    assert record.lr.shape == (1, 6, 2)
    assert np.allclose(record.lr[0], cosine(6)(np.arange(6))[:, None] * [0.1, 0.01])
    assert isinstance(task.model()[0], nn.Linear) and record.optimizer == "sgd"


def test_files_are_as_readable_as_any_other_of_the_user(tmp_path):
    (tmp_path / "other").touch()
    assert (example().save(tmp_path / "r.npz").stat().st_mode) == (tmp_path / "other").stat().st_mode


def test_arrays_and_strange_headers_are_no_records(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "list.npz", header=np.array("[1]"))
    for name in ("array.npy", "list.npz"):
        with pytest.raises(ValueError, match=f"must be a record written by lrlib .*{name}"):
            Record.load(tmp_path / name)


def test_a_confidence_is_a_share():
    with pytest.raises(ValueError, match="confidence must be a number above 0 and below 1; got 95"):
        example().summary("train_loss", 95)
