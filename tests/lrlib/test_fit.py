"""fit and steps: one run against a plain PyTorch loop, changed, stopped, killed and resumed."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lrlib import (
    Plateau,
    Stalling,
    Worsening,
    cosine,
    exponential,
    find,
    fit,
    initial_model,
    one_cycle_momentum,
    range_test,
    rules,
    sharpness,
    steps,
    streams,
    sweep,
    tasks,
    trace,
    warmup,
)

PLAN = warmup(5) >> cosine(25)


def small(noise=0.0, model=None):
    g = torch.Generator().manual_seed(1)
    x = torch.randn(40, 4, generator=g)
    return tasks.Task(
        "small",
        model or (lambda: tasks.mlp([4, 6, 2])),
        (x, (x[:, 0] > 0).long()),
        None,
        (x[:10], (x[:10, 0] > 0).long()),
        nn.functional.cross_entropy,
        tasks.accuracy,
        7,
        30,
        noise,
    )


def torchs_plateau():
    return torch.optim.lr_scheduler.ReduceLROnPlateau(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1))


def test_a_run_is_the_plain_loop_of_pytorch():
    task, seed = tasks.digits(), 4
    record = fit(task, "momentum", lr=0.02, plan=PLAN, seed=seed, steps=40, dtype=torch.float64, momentum=0.8)
    with streams.seeded(seed):
        model = task.model().double()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.8)
    order = streams.Order(seed, len(task.train[0]), task.batch)
    v, losses = {p: torch.zeros_like(p) for p in model.parameters()}, []
    for t in range(40):
        rows = order.rows(t, t + 1)[0]
        optimizer.zero_grad()
        loss = task.loss(model(task.train[0][rows].double()), task.train[1][rows])
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            for p in model.parameters():
                v[p] = 0.8 * v[p] + p.grad
                p -= 0.02 * PLAN(t) * v[p]
    assert np.abs(record.loss[0] - losses).max() < 1e-12
    for name, p in model.named_parameters():
        assert np.abs(record.parameters[name][0] - p.detach().numpy()).max() < 1e-12
    assert np.allclose(record.lr[0], 0.02 * PLAN(np.arange(40)), rtol=1e-15)


def test_any_optimizer_of_pytorch_can_be_given():
    record = fit(small(), lambda parameters: torch.optim.Adam(parameters, lr=0.01), plan=PLAN)
    assert (
        record.optimizer == "adam" and record.lr0.tolist() == [0.01] and record.final("train_loss") < record.loss[0, 0]
    )
    assert record == fit(small(), "adam", lr=0.01, plan=PLAN) or np.allclose(
        record.loss, fit(small(), "adam", lr=0.01, plan=PLAN).loss, atol=1e-5
    )


def test_events_evaluations_and_a_change_in_mid_run():
    run = steps(small(), "momentum", lr=0.1, steps=8, evaluate=[0, 3, 8])
    events = [next(run) for _ in range(4)]
    events.append(run.send({"lr": 0.01, "momentum": 0.5}))
    events += list(run)
    assert [e.step for e in events] == list(range(8)) and [e.lr[0] for e in events] == [0.1] * 4 + [0.01] * 4
    assert [e.evaluation["step"] for e in events if e.evaluation] == [3, 8]
    assert events[-1].status == "finished" and {"train_metric", "test_loss"} <= set(events[-1].evaluation)
    assert events[:4] == list(steps(small(), "momentum", lr=0.1, steps=8, evaluate=[0, 3, 8]))[:4]
    for change in ({"momentum": 0.5}, {"plan_step": 0}):
        run = steps(small(), "sgd", lr=0.1)
        next(run)
        with pytest.raises(ValueError, match=f"cannot change '{next(iter(change))}' of sgd"):
            run.send(change)


def test_stopping_and_divergence_are_statuses():
    stopped = fit(small(), lr=0.1, on_event=lambda event: event.step < 4)
    assert stopped.status.tolist() == ["stopped"] and len(stopped.step) == 5
    gone = fit(tasks.quadratic(), lr=5.0, steps=50, evaluate=10)
    assert gone.status.tolist() == ["diverged"] and np.isnan(gone.lr[0, -1]) and np.isnan(gone.final("train_loss"))
    assert np.isfinite(gone.lr[0, :-1]).all() and gone.loss[0, -1] > 1e3 * gone.loss[0, 0]
    free = fit(tasks.quadratic(), lr=5.0, steps=12, diverged_at=np.inf)
    assert free.status.tolist() == ["finished"] and free.loss[0, -1] > 1e6


def test_the_callers_random_state_and_modes_stay():
    torch.manual_seed(9)
    before = torch.get_rng_state()
    fit(small(noise=0.1, model=lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 2))), steps=3)
    assert torch.equal(before, torch.get_rng_state()) and torch.is_grad_enabled()


def test_random_numbers_in_the_metric_come_from_the_seed():
    task, before = small(), torch.get_rng_state()
    task.metric = lambda output, y: tasks.accuracy(output, y) + torch.rand(())
    one, again, other = (fit(task, seed=seed, steps=3, evaluate=1) for seed in (1, 1, 2))
    assert one == again and torch.equal(before, torch.get_rng_state())
    assert len({*one.evaluations["test_metric"][0], *other.evaluations["test_metric"][0]}) == 6


def test_dropout_and_batch_norm_come_from_the_seed():
    task = small(model=lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2)))
    first, again, other = (fit(task, lr=0.1, seed=s) for s in (1, 1, 2))
    assert first == again and not np.array_equal(first.loss, other.loss)


@pytest.mark.parametrize(
    "change, match, kind",
    [
        ({"lr": -1}, "lr must be finite and at least 0; got -1", ValueError),
        ({"lr": [0.1, 0.2]}, "lr must be one number", ValueError),
        ({"lr": [[0.1], [0.1, 0.2]]}, "lr must be one number in a single run", ValueError),
        ({"rule": "sdg"}, "unknown rule 'sdg'; known rules: sgd", ValueError),
        ({"device": "tpu"}, "device 'tpu' is not available", ValueError),
        ({"dtype": torch.float16}, "dtype must be", TypeError),
        ({"steps": 0}, "steps must be", ValueError),
        ({"seed": -1}, "seed must be", ValueError),
        ({"evaluate": 0}, "evaluate must be", ValueError),
        ({"evaluate": [99]}, "evaluate must lie between 0 and 30 updates", ValueError),
        ({"evaluate": [[1, 2], [3]]}, r"evaluate must be a whole number of at least 0; got \[1, 2\]", TypeError),
        ({"snapshots": [[1, 2], [3]]}, r"snapshots must be a whole number of at least 0; got \[1, 2\]", TypeError),
        ({"diverged_at": 0.5}, "diverged_at must be above 1", ValueError),
        ({"beta": 1}, "unknown option 'beta'", TypeError),
        ({"plan": 3}, "plan must be a Plan or a function", TypeError),
        ({"checkpoint_every": 0}, "checkpoint_every must be", ValueError),
        ({"lr": True}, "lr must be a number", TypeError),
        ({"steps": 1.7}, "steps must be a whole number", TypeError),
        ({"steps": True}, "steps must be", TypeError),
        ({"seed": 1.7}, "seed must be a whole number", TypeError),
        ({"evaluate": 1.7}, "evaluate must be a whole number", TypeError),
        ({"evaluate": [1.7]}, "evaluate must be a whole number", TypeError),
        ({"checkpoint_every": 1.7}, "checkpoint_every must be a whole", TypeError),
        ({"plans": [3]}, "plans must map options to plans", TypeError),
        ({"plans": {"lr": PLAN}}, "that of lr is the argument plan", ValueError),
        ({"plans": {"trust": PLAN}}, "unknown option 'trust'", TypeError),
        ({"rule": "adam", "plans": {"beta1": lambda t: 1 + t}}, "beta1 must be", ValueError),
        ({"stop": 3, "evaluate": 2}, "stop must be a stopping rule, as lrlib.Stalling.*; got 3", TypeError),
        ({"stop": Stalling, "evaluate": 2}, "stop must be a stopping rule, .*; got <class", TypeError),
        ({"stop": Plateau(), "evaluate": 2}, r"stop must be a stopping rule, .*; got Plateau\(", TypeError),
        ({"stop": {}, "evaluate": 2}, r"stop must be a stopping rule, .*; got {}", TypeError),
        ({"plateau": Stalling(), "evaluate": 2}, "plateau must be a lrlib.Plateau; got Stalling", TypeError),
        ({"plateau": torchs_plateau(), "evaluate": 2}, "plateau must be a lrlib.Plateau; got <torch", TypeError),
        ({"plateau": Plateau, "evaluate": 2}, "plateau must be a lrlib.Plateau; got <class", TypeError),
        ({"seed": 2**70}, r"^seed must be at most 9,223,372,036,854,775,807; got 1180591620717411303424", ValueError),
        ({"checkpoint": os.curdir}, r"^checkpoint must be a file; got the folder '\.'", ValueError),
        ({"checkpoint": ""}, "^checkpoint must be a file; got the folder ''", ValueError),
        ({"checkpoint": 3}, "^checkpoint must be a path, as a str or an os.PathLike; got 3", TypeError),
        ({"checkpoint": b"run.pt"}, "^checkpoint must be a path, .*; got b'run.pt'", TypeError),
        ({"checkpoint": True}, "^checkpoint must be a path, .*; got True", TypeError),
        ({"stop": Worsening()}, "stop needs evaluate=n", ValueError),
        ({"stop": Worsening(), "evaluate": 2}, "which task 'small' lacks", ValueError),
        ({"plateau": Plateau()}, "plateau needs evaluate=n", ValueError),
        ({"diverged_at": "far"}, "diverged_at must be a number above 1", TypeError),
        ({"on_event": 3}, "on_event must be a function", TypeError),
        ({"lr": None, "rule": lambda p: 3}, "function that gives a torch.optim.Optimizer", TypeError),
        ({"task": 3}, "task must be a lrlib.Task; got 3", TypeError),
        ({"optimizer": "sgd"}, "the method is the argument rule", TypeError),
        ({"momentum": [0.9], "rule": "momentum"}, "momentum must be one number in a single run", ValueError),
    ],
)
def test_mistakes_are_named_before_anything_runs(change, match, kind):
    with pytest.raises(kind, match=match):
        fit(**{"task": small(), "rule": "sgd", "lr": 0.1} | change)


def test_inference_mode_is_named_where_a_gradient_is_needed():
    task = small()
    model, (x, y) = initial_model(task, 0), task.train
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for call in (
        lambda: fit(task, lr=0.1, steps=2),
        lambda: sweep(task, lr=[0.1], steps=2),
        lambda: find(task, steps=2),
        lambda: sharpness(model, task.loss, x, y),
        lambda: trace(model, task.loss, x, y),
        lambda: range_test(model, optimizer, [(x, y)], task.loss),
    ):
        with torch.inference_mode(), pytest.raises(RuntimeError, match=r"^inside torch.inference_mode\(\) no gradient"):
            call()
    with torch.no_grad():
        assert fit(task, lr=0.1, steps=2) == fit(small(), lr=0.1, steps=2)


@settings(max_examples=12)
@given(stop=st.integers(1, 29), every=st.integers(1, 9), rule=st.sampled_from(["sgd", "adam", "nesterov"]))
def test_a_stopped_run_resumes_bit_by_bit(tmp_path_factory, stop, every, rule):
    path = tmp_path_factory.mktemp("run") / "run.pt"
    arguments = dict(rule=rule, lr=0.05, plan=PLAN, evaluate=10)
    whole = fit(small(noise=0.01), **arguments)
    run = fit(
        small(noise=0.01),
        **arguments,
        checkpoint=path,
        checkpoint_every=every,
        on_event=lambda event: event.step < stop - 1,
    )
    assert run.status.tolist() == ["stopped"]
    assert fit(small(noise=0.01), **arguments, checkpoint=path) == whole
    assert fit(small(noise=0.01), **arguments, checkpoint=path) == whole  # finished: returns at once


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    def run(**options):
        return fit(small(), "sgd", lr=0.1, plan=PLAN, **options)

    run(checkpoint=tmp_path / "a.pt", on_event=lambda event: event.step < 9)
    with pytest.raises(ValueError, match="belongs to another run: its plan is"):
        fit(small(), "sgd", lr=0.1, checkpoint=tmp_path / "a.pt")
    with pytest.raises(ValueError, match="belongs to another run: its lr is 0.1, not 0.2"):
        fit(small(), "sgd", lr=0.2, plan=PLAN, checkpoint=tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="is not a whole checkpoint of lrlib.fit"):
        run(checkpoint=tmp_path / "b.pt")
    torch.save({"format": 2, "signature": {}, "state": {}}, tmp_path / "c.pt")
    with pytest.raises(ValueError, match="of this version: it does not begin as"):
        run(checkpoint=tmp_path / "c.pt")


def watched(seed=1):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(60, 4, generator=g)
    y = (x[:, 0] > 0).long()
    return tasks.Task(
        "watched",
        lambda: tasks.mlp([4, 6, 2], dropout=0.2, batch_norm=True),
        (x[:40], y[:40]),
        (x[40:], y[40:]),
        None,
        nn.functional.cross_entropy,
        tasks.accuracy,
        7,
        60,
    )


def test_a_run_with_plateau_stopping_rule_and_plans_resumes_bit_by_bit(tmp_path):
    arguments = dict(
        rule="momentum",
        lr=0.3,
        plan=warmup(5),
        plans={"momentum": one_cycle_momentum(60)},
        evaluate=2,
        plateau=Plateau(factor=0.5, patience=0),
        stop=Stalling(patience=5),
    )
    whole = fit(watched(), **arguments)
    assert whole.status[0] == "stopped" and 10 < len(whole.step) < 60 and len(np.unique(whole.lr[0, 10:])) > 2
    for at in (3, 8, len(whole.step) - 1):
        path = tmp_path / f"{at}.pt"
        fit(watched(), **arguments, checkpoint=path, on_event=lambda event: event.step < at - 1)
        assert fit(watched(), **arguments, checkpoint=path) == whole
    assert fit(watched(), **arguments, checkpoint=path) == whole  # stopped by its rule: returns at once
    with pytest.raises(ValueError, match="its stop is"):
        fit(watched(), **arguments | {"stop": Stalling(patience=6)}, checkpoint=path)
    with pytest.raises(ValueError, match="another plans"):
        fit(watched(), **arguments | {"plans": None}, checkpoint=path)


def test_the_stopping_rule_stops_where_it_says_and_stays_the_callers():
    rule = Worsening(patience=2)
    run = dict(lr=0.5, steps=60, evaluate=3)
    whole, stopped = fit(watched(), **run), fit(watched(), **run, stop=rule)
    assert rule.count == 0
    at = rule.first(whole.evaluations["valid_loss"][0])
    assert stopped.status[0] == "stopped" and stopped.evaluations["step"][-1] == whole.evaluations["step"][at]
    assert np.array_equal(stopped.loss[0], whole.loss[0, : len(stopped.step)])


def test_a_rule_for_which_more_is_better_watches_the_metric():
    rule, run = Stalling(patience=3, mode="max"), dict(lr=0.5, steps=60, evaluate=3)
    whole, stopped = fit(watched(), **run), fit(watched(), **run, stop=rule)
    at = rule.first(whole.evaluations["valid_metric"][0])
    assert stopped.evaluations["step"][-1] == whole.evaluations["step"][at] < 60


@pytest.mark.parametrize("watcher", [{"stop": Stalling(mode="max")}, {"plateau": Plateau("max")}])
@pytest.mark.parametrize("name", ["cross-entropy", "accuracy", "distance"])
def test_a_metric_that_is_best_low_is_not_watched_as_if_more_were_better(watcher, name):
    task, said = watched(), []
    task.metric_name = name
    task.metric = task.loss if name != "distance" else lambda output, y: output.square().mean()
    with pytest.raises(ValueError, match=f'{[*watcher][0]} must have mode="min".*metric {name!r}.* is best low'):
        fit(task, evaluate=3, **watcher, on_event=said.append)
    assert not said


def test_a_plateau_lowers_the_rate_after_reports_without_improvement():
    record = fit(watched(), lr=0.5, steps=60, evaluate=3, plateau=Plateau(factor=0.5, patience=1), plan=warmup(10))
    values, plateau = record.evaluations["valid_loss"][0], Plateau(factor=0.5, patience=1)
    memory, scales = plateau.start(), []
    for value in values[:-1]:
        scales += [memory["scale"]] * 3
        memory = plateau.update(memory, value)
    scales += [memory["scale"]] * 3
    assert min(scales) < 1 and np.allclose(record.lr[0], 0.5 * warmup(10)(np.arange(60)) * scales)


def test_options_that_follow_plans_are_recorded_and_can_be_changed():
    plan = one_cycle_momentum(30)
    run = steps(small(), "momentum", lr=0.1, momentum=0.8, plans={"momentum": plan})
    events = [next(run) for _ in range(10)]
    run.send({"momentum": 0.4})
    try:
        while True:
            events.append(next(run))
    except StopIteration as end:
        record = end.value
    base = np.where(np.arange(30) < 10, 0.8, 0.4)
    assert np.allclose(record.options["momentum"][0], base * plan(np.arange(30)), rtol=1e-14)
    theirs = fit(small(), lambda p: torch.optim.Adam(p, lr=0.01), plans={"beta1": plan})
    assert np.allclose(theirs.options["beta1"][0], 0.9 * plan(np.arange(30)), rtol=1e-14)


def test_an_optimizer_that_needs_a_closure_gets_one():
    quadratic = fit(tasks.quadratic(), lambda p: torch.optim.LBFGS(p, line_search_fn="strong_wolfe"), steps=5)
    assert quadratic.status[0] == "finished" and quadratic.loss[0, 4] < 1e-9 * quadratic.loss[0, 0]
    gone = fit(tasks.quadratic(), "annealed_sgd", lr=50.0, temperature=1e9, steps=50)
    assert gone.status[0] == "diverged" and np.isnan(gone.lr[0, -1]) and np.isfinite(gone.lr[0, :-1]).all()
    calm = fit(tasks.quadratic(), "annealed_sgd", lr=50.0, temperature=0.0, steps=50)
    assert (np.diff(calm.loss[0]) <= 0).all()


def test_a_rule_of_ones_own_runs_in_fit_and_sweep():
    @rules.rule("halving", "element", ("n",))
    def halving(x, g, state, t, *, lr=0.1):
        return x - lr * g / (1 + state["n"]), {"n": 2 * state["n"] + 1}

    try:
        single, swept = fit(small(), halving, lr=0.2), sweep(small(), "halving", lr=[0.1, 0.2])
        assert single.optimizer == "halving" and np.abs(swept.loss[1] - single.loss[0]).max() < 1e-6
    finally:
        rules.RULES.pop("halving")


def test_augmented_batches_are_those_of_the_seed_and_the_step():
    seen = []
    task = small()
    task.augment = lambda x, g: seen.append(x + torch.randn(x.shape, generator=g)) or seen[-1]
    fit(task, lr=0.1, steps=6, seed=2)
    first = [x.clone() for x in seen[-6:]]
    order, x = streams.Order(2, 40, 7), task.train[0]
    for t, made in enumerate(first):
        assert torch.equal(made, task.augmented(x[order.rows(t, t + 1)[0]], 2, t))


def test_a_checkpoint_is_read_on_the_cpu(tmp_path, monkeypatch):
    seen = {}
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda path, **options: seen.update(options) or load(path, **options))
    for _ in range(2):
        fit(small(), lr=0.1, steps=3, checkpoint=tmp_path / "a.pt")
    assert seen["map_location"] == "cpu" and seen["weights_only"]


SCRIPT = """
import sys, torch
torch.set_num_threads(1)
from lrlib import cosine, fit, tasks
RUN = dict(rule="adam", lr=0.01, plan=cosine(900), seed=3, steps=900, evaluate=300, checkpoint_every=7)
def run(checkpoint, on_event):
    return fit(tasks.breast_cancer(width=8), checkpoint=checkpoint, on_event=on_event, **RUN)
"""
KILLED = SCRIPT + "run(sys.argv[1], lambda event: print(event.step, flush=True))"


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_run_killed_at_any_moment_ends_bit_identical(tmp_path, one_thread):
    chance, killed_at, here, seen = random.Random(0), tmp_path / "killed.pt", {}, []
    exec(SCRIPT, here)
    for _ in range(2):
        killed = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(killed_at)],
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=dict(os.environ),
        )
        for _ in range(chance.randint(20, 150)):
            killed.stdout.readline()
        time.sleep(chance.random() * 0.05)
        killed.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        killed.communicate()
        assert killed.returncode != 0, "it was over before it could be killed"
    resumed, whole = here["run"](killed_at, lambda event: seen.append(event.step)), here["run"](None, None)
    assert 0 < seen[0] < 899 and seen[-1] == 899
    assert resumed == whole


def test_a_checkpoint_knows_its_problem_and_a_plain_function(tmp_path):
    """A plan without a repr is known by its values, a task by its data and first weights."""

    def run(curvature=4.0, slope=0.01, **options):
        return fit(
            tasks.quadratic(curvatures=(curvature,)),
            "momentum",
            lr=0.1,
            momentum=np.float64(0.5),
            steps=9,
            plan=lambda t: 1 - slope * t,
            checkpoint=tmp_path / "c.pt",
            **options,
        )

    assert run(on_event=lambda event: event.step < 4).status.tolist() == ["stopped"]
    with pytest.raises(ValueError, match="another plan"):
        run(slope=0.02)
    with pytest.raises(ValueError, match="another data, another first weights and loss"):
        run(curvature=5.0)
    assert run().status.tolist() == ["finished"]


def test_a_run_that_begins_at_the_minimum_has_not_diverged():
    record = fit(tasks.quadratic(start=(0.0,), noise=0.1), "sgd", lr=0.01, steps=20)
    swept = sweep(tasks.quadratic(start=(0.0,), noise=0.1), "sgd", lr=[0.01], steps=20)
    assert record.status.tolist() == swept.status.tolist() == ["finished"]


def test_bad_plans_and_changes_are_refused_before_anything_runs():
    for run in (fit, sweep):
        with pytest.raises(ValueError, match="^plan at t=11 must be a finite number of at least 0"):
            run(tasks.quadratic(), "sgd", lr=[0.1] if run is sweep else 0.1, plan=lambda t: 1 - t / 10, steps=20)
    running = steps(tasks.quadratic(), "adam", lr=0.1)
    next(running)
    with pytest.raises(ValueError, match="beta1"):
        running.send({"beta1": 1.5})


def test_frozen_parameters_stay_and_vanishing_rates_are_no_fault():
    def frozen():
        model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        model[0].weight.requires_grad_(False)
        return model

    g = torch.Generator().manual_seed(0)
    data = torch.randn(20, 3, generator=g), torch.randint(2, (20,), generator=g)
    task = tasks.Task(
        "frozen", frozen, data, None, None, nn.functional.cross_entropy, nn.functional.cross_entropy, 5, 10
    )
    swept, single = sweep(task, "sgd", lr=[0.1]), fit(task, "sgd", lr=0.1)
    assert swept.path == "loop" and "frozen" in swept.path_reason
    assert all(np.array_equal(swept.parameters[n], single.parameters[n]) for n in single.parameters)
    assert (
        sweep(tasks.quadratic(), "sgd", lr=[0.1], plan=exponential(1000, rate=0.9), steps=1000).status[0] == "finished"
    )


class _Third:
    """A stopping rule of one's own, without a text of its own: stops at the third value."""

    def __init__(self):
        self.count = 0

    def update(self, value):
        self.count += 1
        return self.count == 3


def test_a_stopping_rule_of_ones_own_goes_on_from_a_checkpoint(tmp_path):
    task = small()
    task.valid = task.test
    arguments = dict(lr=0.1, evaluate=5, stop=_Third(), checkpoint=tmp_path / "run.pt")
    fit(task, **arguments, on_event=lambda event: event.step < 7)
    record = fit(task, **arguments | {"stop": _Third()})
    assert record.status.tolist() == ["stopped"] and len(record.step) == 15


def missed(output, y):
    """A metric of scikit-learn, which refuses nan."""
    return sklearn.metrics.mean_absolute_error(y, output[:, 1])


PATHS = {
    "fit": lambda task, lr, **how: fit(task, lr=lr, **how),
    "in lanes if they can be": lambda task, lr, **how: sweep(task, lr=[lr], **how),
    "loop": lambda task, lr, **how: sweep(task, lr=[lr], path="loop", **how),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("steps", [1, 4])
def test_a_metric_that_refuses_nan_is_nan_where_the_loss_is_not_finite(steps, path):
    """After one step of a huge rate the weights are lost before a loss has shown it; after four the run has diverged."""
    task = small()
    task.metric, task.metric_name = missed, "absolute error"
    record = PATHS[path](task, 1e38, steps=steps, evaluate=[*range(steps)])
    assert record.status.tolist() == ["finished" if steps == 1 else "diverged"]
    for part in ("train", "test"):
        losses, metrics = (record.evaluations[f"{part}_{what}"][0] for what in ("loss", "metric"))
        assert np.isfinite([losses[0], metrics[0]]).all() and not np.isfinite([losses[1:], metrics[1:]]).any()


@pytest.mark.parametrize("path", PATHS)
def test_a_metric_that_gives_a_value_where_the_loss_is_not_finite_keeps_it(path):
    record = PATHS[path](small(), 1e38, steps=1)
    assert np.isnan(record.evaluations["test_loss"]).all() and np.isfinite(record.evaluations["test_metric"]).all()


def zeroed(layer):
    for p in layer.parameters():
        nn.init.zeros_(p)
    return layer


@pytest.mark.parametrize("path", PATHS)
def test_a_metric_that_fails_while_the_run_is_sound_is_an_error(path):
    def fails(output, y):
        if float(output.detach().abs().max()) > 0:
            raise RuntimeError("no metric")
        return 0.0

    task = small(model=lambda: zeroed(nn.Linear(4, 2)))
    task.metric = fails
    with pytest.raises(RuntimeError, match="no metric"):
        PATHS[path](task, 0.1, steps=3)
