"""A sweep in parts equals the sweep in one piece, on processes of this machine and on a cluster that loses a worker."""

import collections
import copy
import dataclasses
import fractions
import operator
import os
import pathlib
import re
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch

from lrlib import Record, convergence_threshold, cosine, find, large_rate, linear, rules, sweep, tasks
from lrlib.runs.sweeps import jobs
from lrlib._base.digest import digest

GRID = {
    "lr": [0.05, 0.2, 1e6],
    "seeds": [5, 2],
    "dtype": torch.float64,
    "evaluate": [0, 10, 40],
    "plan": cosine(40),
    "momentum": [0.9, 0.5, 0.8],
    "plans": {"momentum": linear(40, final=0.5)},
}


def closure_task(folder=None, pause=0.0, fail_at=None):
    """A task of closures; with ``folder`` its model leaves the number of the process that built it there."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(48, 5, generator=g)
    y = (x[:, 0] > x[:, 1]).float()

    def model():
        if folder:
            (pathlib.Path(folder) / str(os.getpid())).touch()
            time.sleep(pause)
        return tasks.mlp([5, 8, 1])

    def train(seed):
        if seed == fail_at:
            raise OSError(f"no data for seed {seed}")
        return x + seed, y

    return tasks.Task(
        "closures", model, train, (x, y), None, lambda o, y: tasks.binary_loss(o, y), tasks.binary_accuracy, 8, 40
    )


def assert_same(a, b):
    assert a.status.tolist() == b.status.tolist() and a.seed.tolist() == b.seed.tolist()
    for field in dataclasses.fields(Record):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if field.name not in ("status", "seconds", "path_reason", "versions"):
            assert_equal(one, other, field.name)


def assert_equal(one, other, name):
    if isinstance(one, dict):
        for key in one | other:
            assert_equal(one[key], other[key], f"{name} {key}")
    elif not isinstance(one, np.ndarray):
        assert one == other, name
    else:
        assert one.dtype == other.dtype and one.shape == other.shape, name
        assert np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True), name


@pytest.mark.parametrize("rates, seeds, count", [(1, 1, 1), (3, 2, 2), (5, 1, 2), (1, 7, 3), (4, 3, 5), (2, 2, 100)])
def test_parts_hold_every_lane_once_in_blocks_of_even_size(rates, seeds, count):
    parts = jobs.split(rates, seeds, count)
    grid = np.arange(rates * seeds).reshape(rates, seeds)
    assert sorted(np.concatenate([p.lanes for p in parts])) == list(range(rates * seeds))
    assert all(p.lanes.tolist() == grid[p.rates, p.seeds].ravel().tolist() for p in parts)
    assert len(parts) <= count and max(len(p.lanes) for p in parts) <= 2 * -(-rates * seeds // count)


def test_processes_of_this_machine_give_the_sweep_in_one_piece():
    threads, state, events = torch.get_num_threads(), torch.get_rng_state(), []
    whole = sweep(closure_task(), "momentum", **GRID)
    split = sweep(closure_task(), "momentum", jobs=2, on_event=events.append, **GRID)
    assert_same(whole, split)
    assert split.versions["threads"] == 1 and "2 parts by joblib (Loky)" in split.path_reason and split.seconds > 0
    assert sorted(np.concatenate([e.lanes for e in events])) == list(range(6))
    assert [(e.done, e.of) for e in events] == [(3, 6), (6, 6)]
    assert all(np.array_equal(e.record.loss, split.loss[e.lanes], equal_nan=True) for e in events)
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)


class Counted(torch.nn.Module):
    """A line through the origin whose weight and buffer bear the names of a record's own columns."""

    def __init__(self):
        super().__init__()
        self.path_reason = torch.nn.Parameter(torch.zeros(1))
        self.register_buffer("step", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.step = self.step + 1
        return x * self.path_reason


def test_weights_and_buffers_may_bear_the_names_of_a_records_columns():
    x = torch.linspace(0, 1, 8).reshape(-1, 1)
    mse = torch.nn.functional.mse_loss
    task = tasks.Task("counted", Counted, (x, 2 * x), (x, 2 * x), None, mse, mse, 4, 3)
    settings = dict(lr=[0.1, 0.2], seeds=2, snapshots=[1])
    assert_same(sweep(task, **settings, lanes=3), sweep(task, **settings))


def test_a_rule_of_ones_own_around_one_of_lrlibs_functions_is_sent_with_its_defaults():
    adam = rules.get("adam")
    mine = rules.Rule("mine", adam.kind, adam.update, adam.state_names, {**adam.defaults, "beta1": 0.5}, "none")
    settings = dict(lr=[0.1, 0.2], steps=9)
    whole = sweep(tasks.quadratic(), rule=mine, **settings)
    assert_same(sweep(tasks.quadratic(), rule=mine, **settings, jobs=2), whole)
    assert not np.array_equal(whole.loss, sweep(tasks.quadratic(), rule="adam", **settings).loss)


def test_any_backend_of_joblib_serves_and_threads_do_not_mix_their_seeds():
    joblib = pytest.importorskip("joblib")
    whole = sweep(closure_task(), "momentum", **GRID)
    with joblib.parallel_config(backend="threading"):
        assert_same(whole, sweep(closure_task(), "momentum", jobs=3, **GRID))
        with pytest.raises(RuntimeError, match=r"lanes 1 to 5 \(rates 0.05 to 1e\+06, seeds 2 to 2\): OSError: no"):
            sweep(closure_task(fail_at=2), "momentum", jobs=2, **GRID)
    threads = torch.get_num_threads()
    assert_same(whole, sweep(closure_task(), "momentum", jobs=1, **GRID))
    assert torch.get_num_threads() == threads


def test_bad_arguments_and_things_that_cannot_travel_are_refused_before_anything_runs(monkeypatch, tmp_path):
    task = closure_task(tmp_path)
    for bad, error in [(0, ValueError), (-2, ValueError), (1.5, TypeError), (True, TypeError)]:
        with pytest.raises(error, match="jobs"):
            sweep(task, jobs=bad)
    with pytest.raises(ValueError, match="lr must be"):
        sweep(task, lr=[-1.0], jobs=2)
    with pytest.raises(TypeError, match="unknown option 'speed'"):
        sweep(task, lr=[1.0], jobs=2, speed=1)
    with open(tmp_path / "data.txt", "w", encoding="utf-8") as file:
        task.metric = lambda output, y: (output.mean(), file)[0]
        with pytest.raises(TypeError, match="task.metric cannot be sent to another process"):
            sweep(task, lr=[1.0], jobs=2)
    assert {p.name for p in tmp_path.iterdir()} == {"data.txt", str(os.getpid())}  # no process but this one
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(ImportError, match=r"pip install learning-rates\[jobs\]"):
        sweep(task, jobs=2)


DIVIDED = [{"folder": "parts"}, {"lanes": 1}, {"jobs": 1}, {"jobs": 2}, {"jobs": 2, "folder": "parts"}]
MISSING = [f"cuda:{torch.cuda.device_count()}", "cuda:99", "tpu", "nonsense", "meta", 3, None]
FUNCTIONS = {
    "sweep": lambda **given: sweep(tasks.breast_cancer(width=4), lr=[0.1, 0.2], steps=3, **given),
    "find": lambda **given: find(tasks.breast_cancer(width=4), seeds=1, steps=3, **given),
    "threshold": lambda **given: convergence_threshold(tasks.breast_cancer(width=4), start=0.1, steps=3, **given),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("divided", DIVIDED, ids=str)
def test_a_device_that_is_not_here_is_refused_before_a_folder_is_made(divided, function, tmp_path, monkeypatch):
    pytest.importorskip("joblib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "_compute", lambda *given: pytest.fail("something runs"))
    for device in MISSING:
        with pytest.raises(ValueError, match=f"^device '{device}' is not available here; this machine has: cpu"):
            FUNCTIONS[function](device=device, **divided)
    with pytest.raises(ValueError, match="^(device 'mps' is not available here|dtype torch.float64 does not exist on)"):
        FUNCTIONS[function](device="mps", dtype=torch.float64, **divided)
    with pytest.raises(TypeError, match="^dtype must be torch.float32 or torch.float64"):
        FUNCTIONS[function](dtype=torch.float16, **divided)
    assert not list(tmp_path.iterdir())


def test_a_recipe_in_parts_asks_for_its_device_first(tmp_path):
    with pytest.raises(ValueError, match="^device 'cuda:99' is not available here"):
        large_rate(tasks.breast_cancer(width=4), device="cuda:99", jobs=2, folder=tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_a_device_of_another_machine_need_only_be_spelled_as_one(tmp_path):
    joblib = pytest.importorskip("joblib")

    class Elsewhere(joblib.parallel.ThreadingBackend):
        """A cluster of threads, for all that joblib says of it."""

        uses_threads = False

    joblib.register_parallel_backend("elsewhere", Elsewhere)
    whole = FUNCTIONS["sweep"]()
    with joblib.parallel_config(backend="elsewhere"):
        for device in ("nonsense", "meta", "cuda:", "cuda:01", "cuda:-1", "mps:0", 3):
            with pytest.raises(ValueError, match='^device must be "cpu", "cuda", .* or "mps"; got'):
                FUNCTIONS["sweep"](device=device, jobs=2, folder=tmp_path / "parts")
        with pytest.raises(ValueError, match="^dtype torch.float64 does not exist on device 'mps'"):
            FUNCTIONS["sweep"](device="mps", dtype=torch.float64, jobs=2, folder=tmp_path / "parts")
        assert not (tmp_path / "parts").exists()
        with pytest.raises(RuntimeError, match=r"lanes \d to \d .* ValueError: device 'cuda:99' is not available here"):
            FUNCTIONS["sweep"](device="cuda:99", jobs=2)
        assert_same(whole, FUNCTIONS["sweep"](jobs=2))
        assert jobs.place_of(1) == jobs.place_of(2) == "elsewhere"
    for backend, places in {"threading": "process process", "multiprocessing": "process elsewhere"}.items():
        with joblib.parallel_config(backend=backend):
            assert [jobs.place_of(1), jobs.place_of(2)] == places.split()


def test_what_a_worker_cannot_import_is_named():
    with pytest.raises(ModuleNotFoundError, match="must be importable on every worker"):
        jobs._unpacked(b"cabsent_module\nmake_task\n.", {})


@pytest.fixture(scope="module")
def client():
    """A Dask cluster of two worker processes on loopback."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:
        with distributed.Client(cluster) as client:
            yield client


def test_a_cluster_gives_the_sweep_in_one_piece_with_a_rule_of_ones_own(client):
    joblib = pytest.importorskip("joblib")

    def signs(x, g, state, t, *, lr=1e-3, momentum=0.0):
        return x - lr * g.sign() * (1 - momentum), state

    own = rules.Rule("signs", "element", signs, (), {"lr": 1e-3, "momentum": 0.0}, "")
    for rule in ("momentum", own):
        whole = sweep(closure_task(), rule, **GRID)
        with joblib.parallel_config(backend="dask"):
            split = sweep(closure_task(), rule, jobs=-1, **GRID)
        assert_same(whole, split)
        assert "2 parts by joblib (DaskDistributed)" in split.path_reason


def test_a_worker_killed_in_mid_sweep_loses_nothing(client, tmp_path):
    joblib = pytest.importorskip("joblib")
    whole = sweep(closure_task(), "momentum", **GRID)
    workers = list(client.run(os.getpid).values())
    killed = []

    def kill_the_first_that_works():
        while not killed and threading.main_thread().is_alive():
            for pid in [int(p.name) for p in tmp_path.iterdir() if int(p.name) in workers]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_the_first_that_works, daemon=True)
    killer.start()
    with joblib.parallel_config(backend="dask"):
        split = sweep(closure_task(tmp_path, pause=0.2), "momentum", jobs=3, **GRID)
    killer.join()
    assert_same(whole, split)
    survivors = {int(p.name) for p in tmp_path.iterdir()} - set(killed)
    assert killed and survivors, "one worker was killed in the midst of its part, another made it again"


def test_a_sweep_that_was_broken_off_goes_on_where_it_was(tmp_path):
    whole, shelf, calls = sweep(closure_task(), "momentum", **GRID), tmp_path / "runs", tmp_path / "calls"
    calls.mkdir()

    def stop_after_two(event):
        if event.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(closure_task(), "momentum", folder=shelf, on_event=stop_after_two, **GRID)
    kept = sorted(shelf.iterdir())
    assert len(kept) == 2
    again = sweep(closure_task(), "momentum", folder=shelf, **GRID)
    assert_same(whole, again)
    assert "2 of them taken from" in again.path_reason and len(list(shelf.iterdir())) == 3
    kept[0].write_bytes(b"broken")
    assert_same(whole, sweep(closure_task(), "momentum", folder=shelf, **GRID))
    assert sweep(closure_task(), "momentum", folder=shelf, **GRID).path_reason.count("3 of them taken") == 1


def test_a_folder_gives_back_only_what_the_same_sweep_has_made(tmp_path):
    x, y = torch.ones(4, 5), torch.ones(4)

    def task(scale=1.0, data=x):
        return tasks.Task(
            "same name",
            lambda: tasks.mlp([5, 1]),
            (data, y),
            None,
            None,
            lambda o, y: scale * tasks.binary_loss(o, y),
            tasks.binary_accuracy,
            None,
            3,
        )

    sweep(task(), lr=[0.1], folder=tmp_path)
    for changed in (
        {"task": task(2.0)},
        {"task": task(data=2 * x)},
        {"seeds": [1]},
        {"steps": 2},
        {"weight_decay": 0.1},
        {"plan": cosine(3)},
        {"plan": lambda t: 0.5},
        {"rule": "momentum"},
        {"dtype": torch.float64},
        {"lr": [0.1 + 1e-12]},
    ):
        arguments = {"task": task(), "lr": [0.1], **changed}
        assert "taken" not in sweep(folder=tmp_path, **arguments).path_reason, changed
    assert "1 of them taken" in sweep(task(), lr=[0.2, 0.1], folder=tmp_path).path_reason
    with pytest.raises(ValueError, match="folder must be a folder"):
        sweep(task(), folder=next(tmp_path.iterdir()))
    for wrong in (3, True, b"parts"):
        with pytest.raises(TypeError, match=f"^folder must be a path, as a str or an os.PathLike; got {wrong!r}"):
            sweep(task(), folder=wrong)


@pytest.mark.parametrize(
    "one, other",
    [
        (np.int64(10), np.int64(20)),
        (np.float32(0.5), np.float32(0.25)),
        (range(0, 9, 2), range(0, 9, 4)),
        (collections.deque([1]), collections.deque([2])),
        (operator.itemgetter(1), operator.itemgetter(2)),
        (re.compile("a"), re.compile("b")),
        (np.sin, np.cos),
        (fractions.Fraction(1, 2), fractions.Fraction(1, 3)),
    ],
)
def test_the_digest_tells_values_of_every_kind_apart(one, other):
    assert digest(one) == digest(copy.copy(one)) != digest(other)
