"""Given weights, a task's projection, snapshots, averages and evaluations: a lane is what a single run is."""

import dataclasses
import functools
import re

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import Record, evaluate_weights, fit, initial_model, record_model, streams, sweep, sweep_steps, tasks
from lrlib.runs.sweeps import paths


def sphere(parameters):
    length = torch.sqrt(sum(v.square().sum() for v in parameters.values()))
    return {name: v / length for name, v in parameters.items()}


def refuse_negative(parameters):
    """A projection that vmap cannot run: it looks at a value."""
    if any(bool((v < 0).any()) for v in parameters.values()):
        return {name: v.clamp(min=0) for name, v in parameters.items()}
    return parameters


def problem(project=sphere, model=None, **more):
    def draw(seed):
        g = torch.Generator().manual_seed(seed)
        x = torch.randn(48, 4, generator=g)
        return x, (x[:, 0] > x[:, 1]).float()

    return tasks.Task(
        "small",
        model or (lambda: tasks.mlp([4, 6, 1])),
        draw,
        draw(100),
        draw(101),
        tasks.binary_loss,
        tasks.binary_accuracy,
        8,
        20,
        project=project,
        **more,
    )


def normed():
    return tasks.mlp([4, 6, 1], batch_norm=True)


RUN = dict(steps=12, dtype=torch.float64, snapshots=[0, 5, 12])
LR, SEEDS = [0.02, 0.05], [3, 8]


def lanes():
    return enumerate((lr, seed) for lr in LR for seed in SEEDS)


def far(swept, lane, single):
    """Largest difference of losses, weights and snapshots of a lane and a single run."""
    pairs = [(swept.loss[lane], single.loss[0])]
    pairs += [(swept.parameters[n][lane], v[0]) for n, v in single.parameters.items()]
    for step, kept in single.snapshots.items():
        pairs += [(swept.snapshots[step][kind][n][lane], v[0]) for kind in kept for n, v in kept[kind].items()]
    return max(np.abs(np.asarray(a, dtype=float) - b).max() for a, b in pairs)


@pytest.fixture(scope="module")
def given():
    """A record of four lanes to start from, of a network with buffers."""
    return sweep(problem(None, normed), "momentum", lr=LR, seeds=SEEDS, **RUN)


@pytest.mark.parametrize(
    "project, rule, path",
    [
        (sphere, "sgd", "eager"),
        (sphere, "lars", "eager"),
        (sphere, "sgd", "loop"),
        (refuse_negative, "momentum", "auto"),
    ],
)
def test_a_projected_lane_is_the_projected_single_run(project, rule, path):
    task = problem(project)
    swept = sweep(task, rule, lr=LR, seeds=SEEDS, path=path, **RUN)
    assert swept.path == ("loop" if project is refuse_negative else path), swept.path_reason
    for lane, (lr, seed) in lanes():
        assert far(swept, lane, fit(task, rule, lr=lr, seed=seed, **RUN)) < 1e-12
    for kept in swept.snapshots.values():
        values = [v.reshape(4, -1) for v in kept["parameters"].values()]
        if project is sphere:
            assert np.allclose(sum((v**2).sum(1) for v in values), 1.0)
        else:
            assert min(v.min() for v in values) == 0.0


def test_a_projected_run_is_the_plain_loop_of_pytorch():
    task, rows = problem(), streams.Order(3, 48, 8).rows(0, 12)
    x, y = (part.double() for part in task.train_for(3))
    model = initial_model(task, 3, torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    rescale(model)
    for batch in rows:
        optimizer.zero_grad()
        task.loss(model(x[batch]), y[batch]).backward()
        optimizer.step()
        rescale(model)
    single = fit(task, "sgd", lr=0.05, seed=3, **RUN)
    assert all(np.allclose(single.parameters[n][0], p.detach(), rtol=1e-12) for n, p in model.named_parameters())


@torch.no_grad()
def rescale(model):
    length = torch.cat([p.flatten() for p in model.parameters()]).norm()
    for p in model.parameters():
        p /= length


@pytest.mark.parametrize("path", ["eager", "loop"])
def test_lanes_start_from_given_weights_and_buffers(given, path):
    task = problem(None, normed)
    swept = sweep(task, "momentum", lr=LR, seeds=SEEDS, path=path, start=given, **RUN)
    for lane, (lr, seed) in lanes():
        own = {n: v[lane] for n, v in {**given.buffers, **given.parameters}.items()}
        assert far(swept, lane, fit(task, "momentum", lr=lr, seed=seed, start=own, **RUN)) < 1e-12
    for kind in ("parameters", "buffers"):
        assert all(np.array_equal(v, getattr(given, kind)[n]) for n, v in swept.snapshots[0][kind].items())
    only = sweep(task, "momentum", lr=LR, seeds=SEEDS, path=path, start=given.parameters, steps=1, snapshots=[0])
    assert (only.snapshots[0]["buffers"]["1.running_mean"] == 0).all()  # a buffer that is not given is the seed's


def test_a_diverged_lane_stays_where_it_was_and_disturbs_nobody():
    safe, wild = (sweep(problem(), "sgd", lr=[0.02, rate], seeds=SEEDS, diverged_at=1.5, **RUN) for rate in (0.02, 1e4))
    assert wild.status.tolist() == ["finished"] * 2 + ["diverged"] * 2
    alone = fit(problem(), "sgd", lr=1e4, seed=3, diverged_at=1.5, **RUN)
    assert len(alone.loss[0]) < 12 and list(alone.snapshots) == list(wild.snapshots) == [0, 5, 12]
    for step, kept in alone.snapshots.items():
        for n, v in kept["parameters"].items():
            assert np.allclose(v[0], wild.snapshots[step]["parameters"][n][2], rtol=1e-9)
    for n, v in wild.parameters.items():
        assert np.array_equal(v[:2], safe.parameters[n][:2]) and np.array_equal(wild.snapshots[12]["parameters"][n], v)
        assert np.allclose(v[2], alone.parameters[n][0], rtol=1e-9)


def test_the_compiled_path_does_the_same(given, monkeypatch):
    monkeypatch.setattr(paths.torch, "compile", lambda program, **_: program)  # the traced program, as it is
    run = dict(RUN, start=given, seeds=SEEDS)
    ours, theirs = (
        sweep(problem(sphere, normed), "momentum", lr=LR, path=path, **run) for path in ("compiled", "eager")
    )
    assert ours.path == "compiled", ours.path_reason
    assert list(ours.snapshots) == [0, 5, 12] and max(far(ours, lane, one(theirs, lane)) for lane in range(4)) < 1e-12


def one(record, lane):
    """A lane as a record of its own."""

    def cut(value):
        return {k: cut(v) for k, v in value.items()} if isinstance(value, dict) else value[lane : lane + 1]

    return dataclasses.replace(
        record, loss=cut(record.loss), parameters=cut(record.parameters), snapshots=cut(record.snapshots)
    )


def test_parts_and_folders_know_start_and_snapshots(given, tmp_path):
    task, run = problem(sphere, normed), dict(RUN, seeds=SEEDS, path="eager")
    whole = sweep(task, "sgd", lr=LR, start=given, **run)
    parts = sweep(task, "sgd", lr=LR, start=given, folder=tmp_path, **run)
    again = sweep(task, "sgd", lr=LR, start=given, folder=tmp_path, **run)
    assert "2 of them taken" in again.path_reason and again == dataclasses.replace(parts, path_reason=again.path_reason)
    assert list(again.snapshots) == [0, 5, 12] and max(far(again, i, one(whole, i)) for i in range(4)) < 1e-12
    other = sweep(task, "sgd", lr=LR, start=given.average([0, 5]), folder=tmp_path, **run)
    fewer = sweep(task, "sgd", lr=LR, start=given, folder=tmp_path, **dict(run, snapshots=[5]))
    assert "taken" not in other.path_reason + fewer.path_reason


def test_parts_hold_at_most_the_lanes_that_are_asked_for(given, tmp_path):
    task, run = problem(sphere, normed), dict(RUN, seeds=SEEDS, path="eager", start=given)
    whole, seen = sweep(task, "sgd", lr=LR, **run), []
    parts = sweep(task, "sgd", lr=LR, lanes=3, folder=tmp_path, on_event=lambda event: seen.append(event.lanes), **run)
    assert sorted(map(len, seen)) == [2, 2] and max(far(parts, i, one(whole, i)) for i in range(4)) < 1e-12
    assert "2 of them taken" in sweep(task, "sgd", lr=LR, lanes=3, folder=tmp_path, **run).path_reason
    for wrong, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="lanes must be a whole number"):
            sweep(task, lanes=wrong)


@pytest.mark.parametrize("lanes, parts", [(None, 2), (4, 1), (2, 2), (1, 4)])
def test_a_folder_goes_on_with_any_number_of_jobs(tmp_path, monkeypatch, lanes, parts):
    joblib = pytest.importorskip("joblib")
    run = dict(RUN, steps=2, snapshots=[2], lr=LR, seeds=SEEDS, path="eager", lanes=lanes, folder=tmp_path)
    for processors in (1, 8):
        monkeypatch.setattr(joblib, "effective_n_jobs", lambda jobs, found=processors: found)
        with joblib.parallel_config(backend="threading"):
            found = [sweep(problem(), jobs=jobs, **run).path_reason for jobs in (1, 3, -1)]
        assert all(f"{parts} of them taken" in text for text in found[processors == 1 :])
    assert len(list(tmp_path.iterdir())) == parts


def test_a_single_run_resumes_with_its_snapshots(given, tmp_path):
    start = {n: v[0] for n, v in given.parameters.items()}
    run = dict(lr=0.05, seed=3, start=start, checkpoint_every=4, **RUN)
    whole = fit(problem(sphere, normed), **run)
    path = tmp_path / "run.pt"
    fit(problem(sphere, normed), checkpoint=path, on_event=lambda event: event.step < 6, **run)
    assert fit(problem(sphere, normed), checkpoint=path, **run) == whole
    with pytest.raises(ValueError, match="belongs to another run"):
        fit(
            problem(sphere, normed),
            checkpoint=path,
            **dict(run, start={n: 2 * v for n, v in start.items()} | {"0.bias": start["0.bias"] + 1}),
        )


def clipped(parameters, limit):
    return {name: v.clamp(-limit, limit) for name, v in parameters.items()}


@pytest.mark.parametrize(
    "one, other",
    [
        ((None, {}), (None, {"1.running_mean": np.ones(6)})),
        ((None, {"1.running_mean": np.ones(6)}), (None, {})),
        ((functools.partial(clipped, limit=9.0), {}), (functools.partial(clipped, limit=8.0), {})),
    ],
)
def test_a_checkpoint_is_of_one_start_and_one_projection(given, tmp_path, one, other):
    path, start = tmp_path / "run.pt", {n: v[0] for n, v in given.parameters.items()}

    def run(project, more, **options):
        return fit(
            problem(project, normed),
            checkpoint=path,
            checkpoint_every=4,
            start={**start, **more},
            lr=0.05,
            **RUN,
            **options,
        )

    run(*one, on_event=lambda event: event.step < 6)
    with pytest.raises(ValueError, match="belongs to another run"):
        run(*other)
    assert run(*one) == fit(problem(one[0], normed), start={**start, **one[1]}, lr=0.05, **RUN)


def test_averages_are_means_to_start_from_and_to_store(given, tmp_path):
    mean = given.average([5, 12])
    expected = (given.snapshots[5]["parameters"]["0.weight"] + given.snapshots[12]["parameters"]["0.weight"]) / 2
    assert np.allclose(mean.parameters["0.weight"], expected, rtol=1e-15)
    assert np.array_equal(mean.buffers["1.running_var"], given.snapshots[12]["buffers"]["1.running_var"])
    assert (
        Record.load(mean.save(tmp_path / "mean.npz")) == mean and Record.load(given.save(tmp_path / "all.npz")) == given
    )
    begun = sweep(problem(None, normed), lr=LR, seeds=SEEDS, start=mean, **RUN)
    assert np.array_equal(begun.snapshots[0]["parameters"]["0.weight"], mean.parameters["0.weight"])
    for wrong in ([5, 7], []):
        with pytest.raises(ValueError, match=r"steps must name snapshots of this record, which has \[0, 5, 12\]"):
            given.average(wrong)


def test_weights_are_evaluated_as_their_runs_were(given, monkeypatch):
    task, names = problem(None, normed), [n for n in given.evaluations if n != "step"]
    found = evaluate_weights(task, given)
    assert sorted(found) == sorted(names) and all(np.allclose(found[n], given.final(n), rtol=1e-12) for n in names)
    monkeypatch.setattr("lrlib.runs.evaluation.CELLS", 64)  # one lane and few examples at a time
    x, y = task.test
    arrays = {n: torch.as_tensor(v) for n, v in given.parameters.items()}
    pieces = evaluate_weights(task, arrays, given.buffers, sets={"half": (x[:24], y[:24]), "test": task.test})
    assert sorted(pieces) == ["half_loss", "half_metric", "test_loss", "test_metric"]
    assert np.allclose(pieces["test_loss"], given.final("test_loss"), rtol=1e-12)
    train = evaluate_weights(task, given.parameters, given.buffers, sets=["train"], seeds=given.seed)
    assert np.allclose(train["train_loss"], given.final("train_loss"), rtol=1e-12)


def test_buffers_that_are_named_replace_those_of_a_record(given):
    task, other = problem(None, normed), {n: v + 1 for n, v in given.buffers.items() if "running" in n}
    found, plain = (evaluate_weights(task, given, b, sets="test")["test_loss"] for b in (other, None))
    assert np.allclose(found, evaluate_weights(task, given.parameters, other, sets="test")["test_loss"], rtol=1e-12)
    assert not np.isclose(found, plain).any()


def lost(parameters):
    return {name: v for name, v in parameters.items() if name != "0.bias"}


@pytest.mark.parametrize(
    "project, error, match",
    [
        (lost, ValueError, "project must give the parameters 0.weight, 0.bias"),
        (
            lambda p: {n: v[:1] for n, v in p.items()},
            ValueError,
            r"project must keep shape \(6, 4\) and torch.float32 of 0.weight",
        ),
        (lambda p: list(p.values()), TypeError, "project must give a dict of tensors by name; got list"),
    ],
)
def test_a_wrong_projection_is_named_before_anything_runs(project, error, match):
    for run in (fit, sweep, lambda task: next(sweep_steps(task))):
        with pytest.raises(error, match=match):
            run(problem(project))


def test_a_projection_must_be_a_function():
    with pytest.raises(TypeError, match="project must be callable; got 3"):
        problem(3)


def weights(lanes=None, drop=None, **more):
    lead = () if lanes is None else (lanes,)
    all_ = {n: np.zeros((*lead, *p.shape)) for n, p in nn.Module.named_parameters(tasks.mlp([4, 6, 1]))}
    return {n: v for n, v in {**all_, **more}.items() if n != drop}


@pytest.mark.parametrize(
    "run, start, error, match",
    [
        (sweep, weights(4, drop="0.bias"), ValueError, "it lacks 0.bias"),
        (sweep, weights(4, extra=np.zeros(4)), ValueError, "it has unknown extra"),
        (sweep, weights(3), ValueError, "start['0.weight'] must have shape (4, 6, 4) for 4 lanes; got (3, 6, 4)"),
        (fit, weights(1), ValueError, "start['0.weight'] must have shape (6, 4); got (1, 6, 4)"),
        (
            fit,
            weights(**{"0.bias": np.array(["a"] * 6)}),
            TypeError,
            "start['0.bias'] must be an array of real numbers",
        ),
        (fit, tasks.mlp([4, 6, 1]), TypeError, "start must be a Record or a dict of arrays"),
        (sweep, [1.0], TypeError, "start must be a Record or a dict of arrays"),
    ],
)
def test_wrong_weights_are_named_before_anything_runs(run, start, error, match):
    grid = dict(lr=LR, seeds=SEEDS) if run is sweep else {}
    with pytest.raises(error, match=re.escape(match)):
        run(problem(None), start=start, **grid)


def test_wrong_snapshots_sets_and_lanes_are_named(given):
    for wrong, error in (([21], ValueError), ([-1], ValueError), (3, TypeError), ([1.5], TypeError)):
        for run in (fit, sweep):
            with pytest.raises(error, match="snapshots"):
                run(problem(None), snapshots=wrong)
    with pytest.raises(ValueError, match="start must be a record of one lane for a single run; got one of 4 lanes"):
        fit(problem(None, normed), start=given)
    with pytest.raises(ValueError, match="sets must be among train, valid, test"):
        evaluate_weights(problem(None, normed), given, sets=["extra"])
    for wrong in (None, tasks.mlp([4, 6, 1])):
        with pytest.raises(TypeError, match="parameters must be a Record or a dict of arrays by name"):
            evaluate_weights(problem(None, normed), wrong)
    with pytest.raises(ValueError, match="parameters and seeds must have the same lanes"):
        evaluate_weights(problem(None, normed), given.parameters, seeds=[1, 2])


X, Y = torch.zeros(3, 4), torch.zeros(3)
NO_SETS = [
    (3, TypeError, "sets must be among train, valid, test, .*, or {name: .x, y.}; got 3$"),
    (["train", 3], TypeError, r"sets must be among train, .*; got \['train', 3\]$"),
    ([["train"]], TypeError, r"sets must be among train, .*; got \[\['train'\]\]$"),
    ({"a": 3}, TypeError, r"sets\['a'\] must be a pair \(x, y\) of tensors; got int"),
    ({"a": (X,)}, TypeError, r"sets\['a'\] must be a pair \(x, y\) of tensors; got \(Tensor\)"),
    ({"a": (X, 3)}, TypeError, r"sets\['a'\] must be a pair \(x, y\) of tensors; got \(Tensor, int\)"),
    ({"a": (X, Y[:2])}, ValueError, r"sets\['a'\] must have as many x as y, at least one; got 3 and 2"),
    ({"a": (X[:0], Y[:0])}, ValueError, r"sets\['a'\] must have as many x as y, at least one; got 0 and 0"),
]


@pytest.mark.parametrize(("sets", "error", "match"), NO_SETS, ids=range(len(NO_SETS)))
def test_what_is_no_set_is_refused_by_name(given, sets, error, match):
    with pytest.raises(error, match=f"^{match}"):
        evaluate_weights(problem(None, normed), given, sets=sets)


NO_WEIGHTS = [
    ({}, ValueError, "parameters and seeds must have the same lanes, at least one; got 0 and 0"),
    ({"a": 3}, ValueError, "parameters must name the parameters of task 'small' .* has unknown a"),
    ({3: np.ones(2)}, ValueError, "parameters must name the parameters of task 'small' .* has unknown 3"),
    ({"a": "b"}, TypeError, r"parameters\['a'\] must be an array of real numbers; got <U1"),
    ({"a": [[1], [1, 2]]}, TypeError, r"parameters\['a'\] must be an array of real numbers; got \[\[1\], \[1, 2\]\]"),
    ({"a": torch.eye(2).to_sparse()}, TypeError, r"parameters\['a'\] must be an array of real numbers; got tensor"),
]


@pytest.mark.parametrize(("weights", "error", "match"), NO_WEIGHTS, ids=range(len(NO_WEIGHTS)))
def test_what_is_no_weights_is_refused_by_name(weights, error, match):
    with pytest.raises(error, match=f"^{match}"):
        evaluate_weights(problem(None), weights)
    if weights:
        with pytest.raises(error, match=f"^{match.replace('parameters', 'start', 1)}"):
            fit(problem(None), start=weights)


@pytest.mark.parametrize("seeds", ["a", [0, 1, 2, 2**70], [[0, 1, 2, 3]], -1, 0.5, [0, 1, [2], 3]], ids=repr)
def test_what_is_no_seed_is_refused_by_name(given, seeds):
    with pytest.raises((TypeError, ValueError), match="^seeds must be "):
        evaluate_weights(problem(None, normed), given.parameters, seeds=seeds)


@pytest.mark.parametrize("call", [evaluate_weights, record_model])
def test_tasks_records_and_devices_are_checked_by_name(given, call):
    with pytest.raises(TypeError, match="^task must be a lrlib.Task; got 3"):
        call(3, given)
    with pytest.raises(ValueError, match="^device 'abacus' is not available here; this machine has: cpu"):
        call(problem(None, normed), given, device="abacus")
    for wrong in (3, None, Record, given.parameters):
        with pytest.raises(TypeError, match="^record must be a lrlib.Record; got "):
            record_model(problem(None, normed), wrong)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.body(x[:, None])[0][:, -1])


def test_weights_that_vmap_cannot_run_are_evaluated_lane_by_lane():
    def share(output, y):
        return float((output.argmax(1) == y).double().mean())

    x = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))
    pair = x, (x.sum(1) > 0).long()
    task = tasks.Task("recurrent", Recurrent, pair, pair, None, nn.functional.cross_entropy, share, 8, 5)
    record = sweep(task, lr=[0.1, 0.2])
    found = evaluate_weights(task, record)
    assert record.path == "loop"
    for name in ("valid_loss", "valid_metric"):
        assert np.allclose(found[name], record.final(name), rtol=1e-6)
