"""Sweeps: lanes are single runs, neighbours do not notice each other, every path gives the same."""

import os
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import cosine, fit, one_cycle_momentum, rules, sharpness, sweep, sweep_steps, tasks, warmup
from lrlib.runs.sweeps import choose, graph, packages, paths
from lrlib.runs.sweeps.lanes import ROOM, Lanes
from lrlib.runs.sweeps import describe_lanes

PLAN = warmup(20) >> cosine(180)


def binary(model=None, batch=8, noise=0.0, fresh=False, **more):
    def draw(seed):
        g = torch.Generator().manual_seed(seed)
        x = torch.randn(64, 5, generator=g)
        return x, (x[:, 0] > x[:, 1]).float()

    return tasks.Task(
        "binary",
        model or (lambda: tasks.mlp([5, 8, 8, 1])),
        draw if fresh else draw(0),
        draw(100),
        draw(101),
        tasks.binary_loss,
        tasks.binary_accuracy,
        batch,
        40,
        noise,
        **more,
    )


def gap(swept, lane, single):
    values = [np.abs(swept.loss[lane] - single.loss[0])]
    values += [np.abs(swept.parameters[n][lane] - single.parameters[n][0]).ravel() for n in single.parameters]
    return max(v.max() for v in values)


def same_lanes(a, b, lanes):
    arrays = [(a.loss, b.loss), (a.lr, b.lr), *((a.parameters[n], b.parameters[n]) for n in a.parameters)]
    return all(np.array_equal(x[lanes], y[lanes], equal_nan=True) for x, y in arrays)


def normed():
    return tasks.mlp([5, 8, 8, 1], dropout=0.3, batch_norm=True)


def convolved():
    return nn.Sequential(
        nn.Unflatten(1, (1, 5)),
        nn.Conv1d(1, 4, 3, padding=1),
        nn.BatchNorm1d(4, momentum=0.3),
        nn.ReLU(),
        nn.Dropout1d(0.4),
        nn.Unflatten(2, (5, 1)),
        nn.Conv2d(4, 3, 1, bias=False),
        nn.BatchNorm2d(3, affine=False),
        nn.Flatten(),
        nn.Linear(15, 8),
        nn.Dropout(0.5, inplace=True),
        nn.Linear(8, 1),
    )


def differences(swept, lane, single):
    """Largest difference of anything that a lane and a single run both record."""
    pairs = [(swept.loss[lane], single.loss[0]), (swept.lr[lane], single.lr[0])]
    for group in ("parameters", "buffers", "options", "evaluations"):
        ours, theirs = getattr(swept, group), getattr(single, group)
        assert ours.keys() == theirs.keys()
        pairs += [(ours[n][lane], theirs[n][0]) for n in ours if n != "step"]
    return max(np.abs(a - b).max() for a, b in pairs)


@pytest.mark.parametrize(
    "options",
    [
        {"model": normed},
        {"model": convolved},
        {"model": convolved, "batch": None},
        {
            "model": lambda: nn.Sequential(
                nn.Linear(5, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.Linear(8, 1)
            )
        },
        {"augment": lambda x, g: x + torch.randn(x.shape, generator=g, dtype=x.dtype), "fresh": True},
        {"l1": 0.01, "l2": 0.1},
    ],
)
def test_layers_with_a_memory_or_with_chance_do_in_lanes_what_they_do_alone(options):
    run = dict(steps=25, evaluate=10, plan=PLAN, dtype=torch.float64)
    task = binary(**options)
    swept = sweep(task, "momentum", lr=[0.02, 0.05], seeds=[3, 8], **run)
    assert swept.path == "eager", swept.path_reason
    for lane, (lr, seed) in enumerate([(0.02, 3), (0.02, 8), (0.05, 3), (0.05, 8)]):
        assert differences(swept, lane, fit(task, "momentum", lr=lr, seed=seed, **run)) < 1e-10


def test_dropout_masks_of_a_seed_are_the_same_whatever_the_other_lanes_and_pieces(monkeypatch):
    whole = sweep(binary(normed, noise=0.1), lr=[0.3, 0.1], seeds=[1, 7, 4], dtype=torch.float64, steps=20)
    monkeypatch.setattr("lrlib.runs.sweeps.lanes.ROOM", 1)  # the inputs of one step at a time
    few = sweep(binary(normed, noise=0.1), lr=[0.1], seeds=[7], dtype=torch.float64, steps=20)
    assert gap(whole, 4, few) < 1e-12 and not np.allclose(whole.loss[4], whole.loss[5])


def test_inputs_are_prepared_in_bounded_memory():
    lanes = Lanes(describe_lanes(binary(normed, noise=0.1), "sgd", [0.1], seeds=256, steps=400))
    ahead = lanes.ahead(4)
    inputs = lanes.inputs(0, ahead)
    assert ahead % 4 == 0 and ahead >= 4 and sum(v.nbytes for v in (inputs.noise, *inputs.masks)) <= ROOM


@pytest.mark.parametrize(
    "rule, options",
    [
        ("hypergradient_sgd", {"hyper_lr": 0.01}),
        ("lars", {"lr": [0.5, 1.0]}),
        ("hypergradient_adam", {"hyper_lr": [1e-4, 1e-3], "multiplicative": True}),
    ],
)
def test_rules_that_look_at_whole_tensors_or_all_of_them_run_as_lanes(rule, options):
    options = {"lr": [0.01, 0.03], **options}
    swept = sweep(binary(), rule, seeds=2, dtype=torch.float64, **options)
    assert swept.path == "eager", swept.path_reason
    for lane in range(4):
        own = {name: value[lane // 2] if isinstance(value, list) else value for name, value in options.items()}
        assert gap(swept, lane, fit(binary(), rule, seed=lane % 2, dtype=torch.float64, **own)) < 1e-9


class Looking(nn.Linear):
    """A forward pass that looks at its inputs."""

    def forward(self, x):
        return super().forward(x if float(x.detach().sum()) < 1e9 else -x)


@pytest.mark.parametrize(
    "options, path",
    [
        ({}, "loop"),
        ({"batch": None, "fresh": True}, "loop"),
        ({"batch": None}, "eager"),
        ({"batch": None, "augment": lambda x, g: x}, "loop"),
    ],
)
def test_a_network_that_looks_at_its_inputs_runs_as_lanes_only_where_all_see_the_same(options, path):
    task, run = binary(lambda: Looking(5, 1), **options), dict(steps=5, dtype=torch.float64)
    swept = sweep(task, lr=[0.1, 0.2], seeds=2, **run)
    assert swept.path == path and (path == "eager" or "vmap cannot run" in swept.path_reason)
    assert gap(swept, 3, fit(task, lr=0.2, seed=1, **run)) < 1e-12


def test_a_rule_that_asks_for_losses_takes_the_loop():
    record = sweep(binary(), "annealed_sgd", lr=[1.0], seeds=2, steps=8, rates=(0.1, 0.3))
    assert record.path == "loop" and "kind 'closure'" in record.path_reason
    assert np.array_equal(record.loss[1], fit(binary(), "annealed_sgd", seed=1, steps=8, rates=(0.1, 0.3)).loss[0])


@pytest.mark.parametrize("path", ["eager", "loop"])
def test_options_follow_plans_of_their_own(path):
    plans = {"momentum": one_cycle_momentum(40), "weight_decay": cosine(40)}
    swept = sweep(
        binary(),
        "momentum",
        lr=[0.02, 0.05],
        momentum=[0.5, 0.9],
        weight_decay=0.1,
        plan=PLAN,
        plans=plans,
        dtype=torch.float64,
        path=path,
    )
    for lane, (lr, mu) in enumerate([(0.02, 0.5), (0.05, 0.9)]):
        single = fit(
            binary(), "momentum", lr=lr, momentum=mu, weight_decay=0.1, plan=PLAN, plans=plans, dtype=torch.float64
        )
        assert differences(swept, lane, single) < 1e-10
        assert np.allclose(swept.options["momentum"][lane], mu * one_cycle_momentum(40)(np.arange(40)), rtol=1e-12)
    with pytest.raises(ValueError, match="beta1 must be"):
        sweep(binary(), "adam", lr=[0.1], plans={"beta1": lambda t: 2.0})
    with pytest.raises(TypeError, match="unknown option 'trust'"):
        sweep(binary(), "sgd", lr=[0.1], plans={"trust": cosine(40)})


def test_lanes_that_have_all_diverged_end_early_with_the_same_record(monkeypatch):
    made = []
    step = Lanes.step
    monkeypatch.setattr(Lanes, "step", lambda self, *args: made.append(1) or step(self, *args))
    events = []
    settings = {"steps": 500, "evaluate": [0, 200, 500], "path": "eager"}
    gone = sweep(binary(), lr=[1e6, 1e7], **settings)
    told = sweep(binary(), lr=[1e6, 1e7], on_event=lambda e: events.append(e.step), **settings)
    assert len(made) == 2 * 2 and gone == told and events == list(range(500))  # the second step shows it
    beside = sweep(binary(), lr=[1e6, 1e7, 0.01], **settings)
    assert same_lanes(gone, beside, [0, 1]) and np.array_equal(gone.step, beside.step)
    for name, values in gone.evaluations.items():
        assert np.array_equal(
            values, beside.evaluations[name] if name == "step" else beside.evaluations[name][:2], equal_nan=True
        )


def test_random_numbers_in_the_loss_come_from_the_seed():
    def loss(output, y):
        return tasks.binary_loss(output + 0.1 * torch.randn_like(output), y)

    task = binary()
    task.loss = loss
    before = torch.get_rng_state()
    first, again = (fit(task, lr=0.1, seed=1, steps=9, evaluate=4) for _ in range(2))
    assert first == again and torch.equal(before, torch.get_rng_state())
    swept = sweep(task, lr=[0.1], seeds=2, steps=9, evaluate=4)
    assert (
        swept.path == "loop" and "random numbers" in swept.path_reason and np.array_equal(swept.loss[1], first.loss[0])
    )
    assert not np.array_equal(swept.loss[0], swept.loss[1])


@pytest.mark.parametrize("rule", sorted(rules.RULES))
def test_a_lane_is_a_single_run_in_float64(rule):
    rates = {"adam": 0.003, "adamw": 0.003, "rmsprop": 0.001, "adagrad": 0.01}
    lr = rates.get(rule, 0.02)
    swept = sweep(binary(), rule, lr=[lr, lr / 3], seeds=[5, 2], plan=PLAN, steps=200, dtype=torch.float64)
    for lane, (rate, seed) in enumerate([(lr, 5), (lr, 2), (lr / 3, 5), (lr / 3, 2)]):
        single = fit(binary(), rule, lr=rate, seed=seed, plan=PLAN, steps=200, dtype=torch.float64)
        assert gap(swept, lane, single) < 1e-9
        for name in single.evaluations:
            assert np.allclose(swept.evaluations[name][lane] if name != "step" else 200, single.evaluations[name][0])


def test_below_the_stability_limit_full_batch_float64_and_float32():
    task = binary(batch=None)
    model = tasks.mlp([5, 8, 8, 1])
    limit = 2 / sharpness(model, task.loss, task.train)
    rates = np.array([0.1, 0.5, 0.9]) * limit
    double = sweep(task, lr=rates, steps=200, dtype=torch.float64)
    single = sweep(task, lr=rates, steps=20)
    for lane, lr in enumerate(rates):
        assert gap(double, lane, fit(task, lr=lr, steps=200, dtype=torch.float64)) < 1e-9
        assert gap(single, lane, fit(task, lr=lr, steps=20)) < 1e-4


@pytest.mark.parametrize(
    "options",
    [{"fresh": True}, {"fresh": True, "batch": None}, {"noise": 0.1}, {"noise": lambda x: 0.1 * (1 + x.abs())}],
)
def test_own_training_sets_and_noise_are_those_of_the_seed(options):
    swept = sweep(binary(**options), "momentum", lr=[0.02, 0.05], seeds=[3, 8], dtype=torch.float64)
    for lane, (lr, seed) in enumerate([(0.02, 3), (0.02, 8), (0.05, 3), (0.05, 8)]):
        single = fit(binary(**options), "momentum", lr=lr, seed=seed, dtype=torch.float64)
        assert gap(swept, lane, single) < 1e-9
        assert np.allclose(swept.final("train_loss")[lane], single.final("train_loss"))


def test_a_seed_is_the_same_whatever_the_other_lanes():
    few = sweep(binary(noise=0.1), lr=[0.1], seeds=[7], dtype=torch.float64)
    many = sweep(binary(noise=0.1), lr=[0.3, 0.1, 0.2], seeds=[1, 7, 4], dtype=torch.float64)
    lane = np.flatnonzero((many.seed == 7) & (many.lr0 == 0.1))[0]
    assert gap(many, lane, few) < 1e-12


def test_options_may_differ_by_rate():
    swept = sweep(binary(), "momentum", lr=[0.05, 0.05], momentum=[0.0, 0.9], weight_decay=0.01, dtype=torch.float64)
    for lane, mu in enumerate([0.0, 0.9]):
        single = fit(binary(), "momentum", lr=0.05, momentum=mu, weight_decay=0.01, dtype=torch.float64)
        assert gap(swept, lane, single) < 1e-9
    with pytest.raises(ValueError, match="momentum must be a number or have one value for each of the 3 rates"):
        sweep(binary(), "momentum", lr=[1, 2, 3], momentum=[0.1, 0.2])


def test_a_diverged_lane_disturbs_nobody_eager():
    safe = sweep(binary(), lr=[0.1, 0.1, 0.2], seeds=2)
    wild = sweep(binary(), lr=[0.1, 1e6, 0.2], seeds=2, evaluate=10)
    assert wild.status.tolist() == ["finished"] * 2 + ["diverged"] * 2 + ["finished"] * 2
    assert same_lanes(safe, wild, [0, 1, 4, 5])
    assert np.isnan(wild.final("test_loss")[2:4]).all() and np.isnan(wild.lr[2:4, -1]).all()
    alone = fit(binary(), lr=1e6, seed=1)
    made = len(alone.step)
    assert np.array_equal(np.isnan(wild.lr[3, :made]), np.isnan(alone.lr[0])) and np.isnan(wild.loss[3, made:]).all()


@pytest.fixture(scope="module")
def compiled():
    """One sweep with a diverging lane and the same with a safe rate there: one program serves both.

    Of two steps a call and a small network, since compiling takes long; `test_weights` unrolls the usual number.
    """
    if " " in sys.prefix:
        pytest.skip("PyTorch's compiler cannot use headers in a folder with a space: the eager path serves there")

    def run(middle, **options):
        return sweep(
            binary(lambda: tasks.mlp([5, 8, 1], dropout=0.3, batch_norm=True), noise=0.01),
            "momentum",
            lr=[0.01, middle, 0.03],
            seeds=2,
            steps=42,
            plan=PLAN,
            evaluate=[9, 42],
            **options,
        )

    before = len(paths._PROGRAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "STEPS", 2)
        patch.setattr(paths.Compiled, "size", 2)
        made = {middle: run(middle, path="compiled") for middle in (1e6, 0.02)}
    return run, made, len(paths._PROGRAMS) - before


def test_compiled_gives_what_eager_gives(compiled):
    run, made, programs = compiled
    eager = run(0.02, path="eager")
    assert made[0.02].path == "compiled", made[0.02].path_reason
    assert programs == 1  # a new rate does not compile again
    assert np.array_equal(made[0.02].step, eager.step) and np.allclose(made[0.02].lr, eager.lr, rtol=1e-6)
    assert np.abs(made[0.02].loss - eager.loss).max() < 1e-4
    assert made[0.02].evaluations["step"].tolist() == [9, 42]
    assert np.allclose(made[0.02].evaluations["valid_loss"], eager.evaluations["valid_loss"], atol=1e-4)
    assert all(np.allclose(made[0.02].buffers[n], eager.buffers[n], atol=1e-4) for n in eager.buffers)


def test_a_diverged_lane_disturbs_nobody_compiled(compiled):
    _, made, _ = compiled
    assert made[1e6].status.tolist() == ["finished"] * 2 + ["diverged"] * 2 + ["finished"] * 2
    assert same_lanes(made[1e6], made[0.02], [0, 1, 4, 5])


def test_without_a_compiler_the_eager_path_serves_and_says_so(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr(torch, "compile", broken)
    record = sweep(tasks.quadratic(), lr=[0.1, 0.2], steps=7, path="compiled")
    assert record.path == "eager" and record.path_reason == "compiling failed: RuntimeError: no C++ compiler found"
    assert record.status.tolist() == ["finished"] * 2


def test_auto_compiles_only_what_is_long_enough():
    def compiled_from(steps):
        lanes = Lanes(describe_lanes(tasks.digits(), "sgd", np.full(8, 0.1), seeds=4, steps=steps))
        return choose.decide("auto", lanes, steps)[2]

    assert compiled_from(100) is None and 0 < compiled_from(100_000) == compiled_from(200_000) < 50_000


HANDED = {"lr": [0.05, 0.1], "seeds": 2, "steps": 90, "evaluate": 30}


@pytest.fixture
def early(monkeypatch, tmp_path):
    """Sweeps of `HANDED` take up a compiled program after a third of their steps; packages lie in a folder of their own."""
    monkeypatch.setattr(choose, "eager_seconds", lambda lanes, steps: 3 * choose.COMPILE_SECONDS)
    monkeypatch.setenv("LRLIB_CACHE", str(tmp_path))
    return tmp_path / "programs"


def test_a_program_of_another_process_takes_over_at_a_fixed_step(early):
    """Momentum has a state to take apart; the bits are the same whether the program had to be made or was there."""
    first, again = (sweep(binary(), "momentum", **HANDED) for _ in range(2))
    assert len(list(early.glob("*.pt2"))) == 1
    assert first.path == "compiled" and "makes the steps from 30 on" in first.path_reason
    assert same_lanes(first, again, slice(None))
    eager = sweep(binary(), "momentum", path="eager", **HANDED)
    assert np.array_equal(first.loss[:, :30], eager.loss[:, :30])
    np.testing.assert_allclose(first.loss, eager.loss, rtol=1e-3)
    np.testing.assert_allclose(first.evaluations["valid_loss"], eager.evaluations["valid_loss"], rtol=1e-3)


@pytest.mark.parametrize("after", [0, 29])
def test_a_run_that_ends_early_ends_the_process_that_compiles(early, after, monkeypatch):
    made, begin = [], packages.Package._begin

    def kept(package, *rest):
        begin(package, *rest)
        made.append(package.process)

    monkeypatch.setattr(packages.Package, "_begin", kept)
    events = sweep_steps(binary(), "sgd", **HANDED)
    while next(events).step < after:
        pass
    assert made[0].poll() is None
    events.close()
    assert made[0].poll() is not None and not early.exists()


def test_without_a_compiler_the_steps_stay_eager_and_the_record_says_why(early, monkeypatch):
    monkeypatch.setattr(packages.sys, "executable", sys.executable)
    monkeypatch.setenv("CXX", "no-such-compiler")
    record = sweep(binary(), "adam", **HANDED)
    assert record.path == "eager" and "; but " in record.path_reason
    assert same_lanes(record, sweep(binary(), "adam", path="eager", **HANDED), slice(None))


def test_a_rule_whose_state_cannot_be_taken_apart_stays_eager():
    lanes = Lanes(describe_lanes(binary(), "momentum", [0.1], seeds=2, steps=9))
    carry = lanes.begin()
    whole, apart = lanes.parameters(carry), lanes.apart(carry)
    assert all(torch.equal(apart.parameters[n], whole[n]) and apart.parameters[n].is_contiguous() for n in whole)
    assert not lanes.packed and [*apart.state] == [*apart.parameters]
    lanes.pack(True)
    carry = lanes.begin()
    carry.state["all"] = [torch.zeros(2)]
    with pytest.raises(ValueError, match="state of the rule 'momentum' cannot be taken apart"):
        lanes.apart(carry)


def test_the_folder_keeps_the_packages_that_were_used_last(tmp_path):
    for place in range(5):
        (tmp_path / f"{place}.pt2").touch()
        os.utime(tmp_path / f"{place}.pt2", (place, place))
    packages.prune(tmp_path, kept=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.pt2", "4.pt2"]


def test_the_arithmetic_of_a_step_is_counted():
    """Of 2 lanes: forward, and backward but to the inputs, of 5 → 8 → 8 → 1 on batches of 8; a parabola has no product."""
    with choose._Arithmetic() as counted:
        lanes = Lanes(describe_lanes(binary(), "sgd", [0.1], seeds=2, steps=9))
        before, carry, inputs = counted.total, lanes.begin(), lanes.inputs(0, 1)
        lanes.step(carry, lanes.data, inputs.like(inputs.at(0)))
    assert counted.total - before == 2 * 8 * 2 * (3 * (5 * 8 + 8 * 8 + 8) - 5 * 8)
    parabola = Lanes(describe_lanes(tasks.quadratic(curvatures=(4.0,)), "sgd", [0.1], seeds=2, steps=9))
    assert choose.eager_seconds(parabola, 9) == pytest.approx(9 * choose.OPERATION * 65)


def test_auto_chooses_by_the_description_and_never_by_the_clock(monkeypatch):
    """The second network does the arithmetic of a convolution with few weights, which their number does not tell."""
    monkeypatch.setattr("time.perf_counter", lambda: pytest.fail("a clock was read"))
    for task, most in ((binary(), 0.01), (binary(convolved), 0.02)):
        lanes = Lanes(describe_lanes(task, "sgd", [0.1], seeds=2, steps=9))
        assert choose.eager_seconds(lanes, 9) == choose.eager_seconds(lanes, 9) < most
        assert choose.decide("auto", lanes, 9)[2] is None
        assert choose.decide("auto", lanes, 1_000_000)[2] > 9


@pytest.mark.parametrize(
    "layer, reason",
    [
        (lambda: nn.AlphaDropout(0.2), "draw random numbers in other ways than by dropout"),
        (lambda: nn.BatchNorm1d(8, momentum=None), "vmap cannot run this model"),
        (lambda: Odd(), "vmap cannot run this model"),
    ],
)
def test_what_cannot_be_stacked_takes_the_loop(layer, reason):
    def model():
        return nn.Sequential(nn.Linear(5, 8), layer(), nn.Linear(8, 1))

    task = binary(model)
    record = sweep(task, lr=[0.05, 1e6], seeds=2, steps=12, evaluate=[0, 6])
    assert record.path == "loop" and reason in record.path_reason
    single = fit(task, lr=0.05, seed=1, steps=12, evaluate=[0, 6])
    assert np.array_equal(record.loss[1], single.loss[0]) and record.evaluations["step"].tolist() == [0, 6, 12]
    assert np.array_equal(record.evaluations["valid_loss"][1], single.evaluations["valid_loss"][0])
    assert np.array_equal(record.parameters["0.weight"][1], single.parameters["0.weight"][0])


class Odd(nn.Module):
    """Looks at a value, which no batched program can."""

    def forward(self, x):
        return x * 2 if x.sum().item() > 0 else x


def test_the_loop_path_can_be_asked_for_and_agrees():
    loop, eager = (
        sweep(binary(), "adam", lr=[0.01, 0.02], seeds=2, plan=PLAN, path=p, dtype=torch.float64)
        for p in ("loop", "eager")
    )
    assert np.abs(loop.loss - eager.loss).max() < 1e-9 and np.array_equal(loop.status, eager.status)
    assert loop.evaluations.keys() == eager.evaluations.keys() and np.allclose(loop.lr, eager.lr)


def test_events_come_step_by_step_and_a_sweep_can_be_stopped():
    events = []
    record = sweep(binary(), lr=[0.1, 1e6], steps=20, evaluate=5, on_event=lambda e: events.append(e) or e.step < 10)
    assert record.status.tolist() == ["stopped", "diverged"] and len(record.step) == 11
    assert [e.step for e in events] == list(range(11)) and events[-1].diverged.tolist() == [False, True]
    assert [e.evaluation["step"] for e in events if e.evaluation] == [5, 10]
    assert np.array_equal(np.stack([e.loss for e in events], 1), record.loss, equal_nan=True)
    run = sweep_steps(binary(), lr=[0.1], steps=20)
    assert next(run).step == 0 and torch.is_grad_enabled()
    run.close()
    assert list(run) == []


def uncompiled(patch):
    """The compiled path without its compiler: programs of several steps, run as they were traced."""
    patch.setattr(torch, "compile", lambda program, **_: program)
    patch.setattr(paths, "_PROGRAMS", {})


STOPPED = {
    "steps": 11,
    "plan": PLAN,
    "dtype": torch.float64,
    "evaluate": [0, 3, 8],
    "snapshots": [0, 2, 6, 11],
}
WEIGHTS = ("parameters", "buffers")


def stopped(last, run, batch_norm=False, **given):
    """A run or a sweep that an event stops after step ``last``."""
    task = binary(lambda: tasks.mlp([5, 8, 1], dropout=0.3, batch_norm=batch_norm), noise=0.01)
    return run(task, "momentum", on_event=lambda event: event.step < last, **STOPPED | given)


def near(one, other):
    """Whether two results, or dicts of them, are the same but for rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(near(one[name], other[name]) for name in one)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("lr", [[0.05, 1e6], [1e6, 1e7]], ids=["one rate diverges", "all diverge"])
@pytest.mark.parametrize("last", [0, 2, 5, 9, 10])
def test_a_sweep_that_an_event_stops_ends_after_that_step_on_every_path(last, lr, monkeypatch):
    uncompiled(monkeypatch)
    records = {path: stopped(last, sweep, lr=lr, path=path) for path in ("eager", "loop", "compiled")}
    ended = "finished" if last == 10 else "stopped"
    for path, record in records.items():
        assert record.path == path and record.step.tolist() == list(range(last + 1))
        assert record.evaluations["step"].tolist() == [k for k in (0, 3, 8, 11) if k <= last + 1]
        assert [*record.snapshots] == [k for k in (0, 2, 6, 11) if k <= last + 1]
        assert {*record.status} <= {"diverged", ended} and np.array_equal(record.status, records["eager"].status)
        for name in ("loss", "lr", "evaluations", "snapshots", *WEIGHTS):
            assert near(getattr(record, name), getattr(records["eager"], name)), (path, name)


@pytest.mark.parametrize("path", ["eager", "loop", "compiled"])
def test_a_lane_of_a_stopped_sweep_is_a_run_that_is_stopped_there(path, monkeypatch):
    uncompiled(monkeypatch)
    found, alone = stopped(5, sweep, True, lr=[0.05], path=path), stopped(5, fit, True, lr=0.05)
    assert found.status.tolist() == alone.status.tolist() == ["stopped"]
    for name in ("loss", "lr", "evaluations", "snapshots", *WEIGHTS):
        assert near(getattr(found, name), getattr(alone, name)), name


def test_a_sweep_that_no_event_stops_is_the_same_with_and_without_events(monkeypatch):
    uncompiled(monkeypatch)
    for path in ("eager", "loop", "compiled"):
        told = sweep(binary(noise=0.1), lr=[0.1, 1e6], path=path, on_event=lambda event: None, **STOPPED)
        assert told == sweep(binary(noise=0.1), lr=[0.1, 1e6], path=path, **STOPPED)


def test_the_callers_random_state_stays():
    before = torch.get_rng_state()
    sweep(binary(noise=0.1), lr=[0.1], seeds=2, steps=3)
    assert torch.equal(before, torch.get_rng_state())


def test_large_evaluations_are_cut_into_pieces(monkeypatch):
    whole = sweep(binary(), lr=[0.1, 0.2], seeds=2, steps=5, dtype=torch.float64)
    monkeypatch.setattr("lrlib.runs.evaluation.CELLS", 300)
    pieces = sweep(binary(), lr=[0.1, 0.2], seeds=2, steps=5, dtype=torch.float64)
    for name in whole.evaluations:
        assert np.allclose(whole.evaluations[name], pieces.evaluations[name], rtol=1e-12)


def r2(output, y):
    """The coefficient of determination, which is no mean over the examples."""
    return 1 - ((output.squeeze(-1) - y) ** 2).mean() / y.var(correction=0)


def summed(output, y):
    return ((output.squeeze(-1) - y) ** 2).sum()


@pytest.mark.parametrize("path", ["eager", "loop"])
def test_a_metric_that_is_no_mean_is_that_of_the_whole_set_however_large(path, monkeypatch):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(60, 3, generator=g)
    y = x.sum(1).sort().values
    task = tasks.Task("sorted", lambda: tasks.mlp([3, 8, 1]), (x, y), (x, y), None, summed, r2, None, 3)
    call = dict(lr=[1e-4, 2e-4], path=path, dtype=torch.float64)
    whole = sweep(task, **call)
    monkeypatch.setattr("lrlib.runs.evaluation.CELLS", 100)
    pieces = sweep(task, **call)
    for name in ("valid_loss", "valid_metric"):
        assert np.allclose(whole.final(name), pieces.final(name), rtol=1e-12)


class Spare(torch.nn.Module):
    """A network with a layer that its outputs do not use."""

    def __init__(self):
        super().__init__()
        self.body, self.spare = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)

    def forward(self, x):
        return self.body(x)


@pytest.mark.parametrize("path", ["eager", "loop"])
def test_a_lane_that_diverges_keeps_weights_and_buffers_as_fit_does(path):
    def net():
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))

    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    task = tasks.Task("normed", net, (x, x.sum(1)), None, None, summed, summed, 10, 9)
    found, alone = sweep(task, lr=[1.0], path=path), fit(task, lr=1.0)
    assert found.status.tolist() == alone.status.tolist() == ["diverged"]
    for kept, expected in ((found.buffers, alone.buffers), (found.parameters, alone.parameters)):
        for name, values in expected.items():
            assert np.allclose(kept[name], values, rtol=1e-4, equal_nan=True), name


@pytest.mark.parametrize(
    "rule, options", [("adamw", {"weight_decay": 0.5}), ("hypergradient_sgd", {"weight_decay": 0.5})]
)
def test_a_layer_that_the_loss_does_not_use_stays_as_fit_leaves_it(rule, options):
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    task = tasks.Task("spare", Spare, (x, x.sum(1)), None, None, summed, summed, None, 4)
    found, alone = sweep(task, rule, lr=[1e-3], **options), fit(task, rule, lr=1e-3, **options)
    for name, values in alone.parameters.items():
        assert np.array_equal(found.parameters[name], values), name
    assert found.path == "loop" and "spare.weight" in found.path_reason


@pytest.mark.parametrize(
    "change, match, kind",
    [
        ({"path": "fast"}, "path must be one of 'auto'", ValueError),
        ({"seeds": 0}, "seeds must be", ValueError),
        ({"seeds": [1, 1]}, "different seeds", ValueError),
        ({"lr": [0.1, -1]}, "lr must be finite", ValueError),
        ({"rule": "adan"}, "unknown rule 'adan'", ValueError),
        ({"lr": [[1]]}, "lr must be a number", ValueError),
        ({"device": "cuda:99"}, "device 'cuda:99' is not available here; this machine has: cpu", ValueError),
        ({"steps": -1}, "steps must be", ValueError),
        ({"plan": lambda t: np.nan}, "plan at t=0 must be a finite number of at least 0", ValueError),
        ({"plan": lambda t: "0.5"}, "plan at t=0 must be a finite number of at least 0; got '0.5'", TypeError),
        ({"lr": (0.1 * k for k in (1, 2))}, "lr must be a number, or a tensor or list of numbers; got <gen", TypeError),
        ({"lr": [[0.1], [0.1, 0.2]]}, "lr must be a number, or a tensor or list of numbers; got", TypeError),
        ({"rule": torch.optim.SGD}, "rule must be a rule or its name in a sweep; got <class", ValueError),
        ({"plan": cosine}, "plan must be a Plan or a function of the step; got cosine, which makes", TypeError),
        ({"rule": "momentum", "plans": {"momentum": lambda t: None}}, r"plans\['momentum'\] at t=0 must", TypeError),
        ({"plans": {"momentum": warmup}}, r"plans\['momentum'\] must be a Plan .*; got warmup, which", TypeError),
    ],
)
def test_mistakes_are_named_before_anything_runs(change, match, kind):
    with pytest.raises(kind, match=match):
        sweep(binary(), **{"lr": [0.1]} | change)


def test_rates_may_be_tensors_with_a_gradient():
    rates = torch.tensor([0.125, 0.25], requires_grad=True)
    assert sweep(binary(), lr=rates, steps=2) == sweep(binary(), lr=[0.125, 0.25], steps=2)
    assert fit(binary(), lr=rates[0], steps=2) == fit(binary(), lr=0.125, steps=2)


@pytest.mark.gpu
@pytest.mark.parametrize("path", ["eager", "compiled"])
def test_lanes_agree_on_a_gpu(path):
    here = sweep(binary(), lr=[0.05, 0.1], seeds=2, steps=20)
    there = sweep(binary(), lr=[0.05, 0.1], seeds=2, steps=20, device="cuda", path=path)
    assert there.device == "cuda" and np.abs(here.loss - there.loss).max() < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("model", [normed, convolved])
def test_layers_with_chance_do_in_lanes_on_a_gpu_what_they_do_alone_there(model):
    swept = sweep(binary(model), "momentum", lr=[0.02, 0.05], seeds=2, steps=12, dtype=torch.float64, device="cuda")
    assert swept.path == "eager", swept.path_reason
    for lane, (lr, seed) in enumerate([(0.02, 0), (0.02, 1), (0.05, 0), (0.05, 1)]):
        single = fit(binary(model), "momentum", lr=lr, seed=seed, steps=12, dtype=torch.float64, device="cuda")
        assert differences(swept, lane, single) < 1e-8


class _Odd(nn.Module):
    """A model with a habit that stacked lanes must notice, or take over."""

    def __init__(self, habit):
        super().__init__()
        self.inner, self.habit = nn.Linear(5, 1), habit
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        if self.habit == "assigns" and self.training:
            self.seen = 0.9 * self.seen + 0.1 * x.detach().abs().mean()
        if self.habit == "always drops":
            x = nn.functional.dropout(x, 0.5)
        if self.habit == "draws in evaluation" and not self.training:
            x = x + torch.randn_like(x)
        assert self.habit != "silent" or not torch._C._functorch.is_batchedtensor(self.inner.weight)
        return self.inner(x) * (1 + self.seen)


@pytest.mark.parametrize(
    "habit, path",
    [
        ("assigns", "eager"),
        ("always drops", "loop"),
        ("draws in evaluation", "loop"),
        ("silent", "loop"),
        ("metric as a number", "loop"),
    ],
)
def test_lanes_of_odd_models_are_single_runs(habit, path):
    task = binary(lambda: _Odd(habit))
    if habit == "metric as a number":
        task.metric = lambda output, y: tasks.binary_accuracy(output, y).item()
    swept = sweep(task, lr=[0.1, 0.3], seeds=2, steps=6, evaluate=3, dtype=torch.float64)
    assert swept.path == path
    for lane in range(4):
        torch.rand(lane)  # the caller's generator has no say
        single = fit(task, lr=swept.lr0[lane], seed=swept.seed[lane], steps=6, evaluate=3, dtype=torch.float64)
        assert differences(swept, lane, single) < 1e-12


class _Counting(nn.Module):
    """A model that opens its gate after so many forward passes, which a graph of one of them does not know."""

    def __init__(self):
        super().__init__()
        self.inner, self.calls = nn.Linear(5, 1), 0

    def forward(self, x):
        self.calls += self.training
        return self.inner(x) * (1.0 if self.calls < 30 else 3.0)


@pytest.mark.parametrize("untraced", [0, 7, 1000])
def test_a_model_that_counts_its_calls_is_run_as_it_is_written(untraced, monkeypatch):
    monkeypatch.setattr(paths, "UNTRACED", untraced)
    losses = sweep(binary(_Counting), lr=[0.1], seeds=2, steps=60, path="eager").loss
    monkeypatch.setattr(paths.Eager, "_traced", lambda *_: False)
    assert np.array_equal(losses, sweep(binary(_Counting), lr=[0.1], seeds=2, steps=60, path="eager").loss)


@pytest.mark.parametrize(
    "task, rule, options",
    [
        (binary(), "sgd", {"lr": [0.1, 1e6]}),
        (binary(noise=0.1, fresh=True), "adam", {"plan": cosine(30)}),
        (binary(normed), "momentum", {"plans": {"momentum": cosine(30, final=0.5)}}),
        (binary(convolved), "adamw", {"weight_decay": [0.01, 0.1]}),
        (binary(batch=None), "lars", {}),
        (binary(), "hypergradient_sgd", {}),
        (binary(project=lambda p: {n: v.clamp(-1, 1) for n, v in p.items()}), "rmsprop", {}),
    ],
    ids=["diverging", "own data and noise", "normed", "convolved", "layers", "all tensors", "projected"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_graph_of_a_step_gives_its_bits(task, rule, options, dtype, monkeypatch):
    settings = {"lr": [0.01, 0.05], "seeds": 2, "steps": 30, "dtype": dtype, "path": "eager"} | options
    monkeypatch.setattr(paths, "UNTRACED", 3)
    made, simplified = [], paths.simplify
    monkeypatch.setattr(paths, "simplify", lambda traced: made.append(simplified(traced)) or made[-1])
    found = sweep(task, rule, **settings)
    assert len(made) == 1
    monkeypatch.setattr(paths.Eager, "_traced", lambda *_: False)
    assert same_lanes(found, sweep(task, rule, **settings), slice(None))


def test_a_graph_loses_what_changes_no_number():
    def step(x):
        y = x.view(x.shape) * 1
        return y.transpose(0, 1).transpose(0, 1) + torch.relu(x) + torch.relu(x) + torch.where(x > 0, x, 0.0)

    x = torch.randn(3, 4)
    traced = graph.make_fx(step)(x)
    before, expected = len(traced.graph.nodes), traced(x)
    assert torch.equal(graph.simplify(traced)(x), expected) and len(traced.graph.nodes) <= before - 4


def test_a_graph_that_writes_into_a_tensor_is_left_as_it_is():
    def step(x):
        y = torch.zeros(3)
        y.copy_(x)
        return y + torch.zeros(3)

    traced = graph.make_fx(step)(torch.ones(3))
    before = len(traced.graph.nodes)
    assert len(graph.simplify(traced).graph.nodes) == before


class Told(torch.nn.Module):
    """A network that gives more than a tensor: a pair with something else, or an object."""

    def __init__(self, beside):
        super().__init__()
        self.layer, self.beside = torch.nn.Linear(3, 1), beside

    def forward(self, x):
        return self.layer(x), self.beside


@pytest.mark.parametrize("beside", [None, True, types.SimpleNamespace(size=3)])
@pytest.mark.parametrize("cells", [2**24, 50])
def test_outputs_that_hold_more_than_tensors_are_evaluated_on_every_path(beside, cells, monkeypatch):
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))

    def loss(output, y):
        return summed(output[0], y)

    task = tasks.Task("told", lambda: Told(beside), (x, x.sum(1)), (x, x.sum(1)), None, loss, loss, 10, 5)
    whole = fit(task, lr=1e-3)
    monkeypatch.setattr("lrlib.runs.evaluation.CELLS", cells)
    for record in (fit(task, lr=1e-3), sweep(task, lr=[1e-3], path="loop"), sweep(task, lr=[1e-3])):
        assert np.allclose(record.final("valid_loss"), whole.final("valid_loss"), rtol=1e-4)


class Centred(torch.nn.Module):
    """A network in which every example changes the outputs of all others."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x):
        return self.layer((x - x.mean(0)) / x.std(0).clamp(min=0.1))


def test_examples_that_see_each_other_are_evaluated_together(monkeypatch):
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)).sort(0).values
    task = tasks.Task("centred", Centred, (x, x.sum(1)), (x, x.sum(1)), None, summed, summed, 10, 5)
    whole = fit(task, lr=1e-3)
    monkeypatch.setattr("lrlib.runs.evaluation.CELLS", 50)
    for record in (fit(task, lr=1e-3), sweep(task, lr=[1e-3]), sweep(task, lr=[1e-3], path="loop")):
        assert np.allclose(record.final("valid_loss"), whole.final("valid_loss"), rtol=1e-4)


class Scaled(torch.nn.Module):
    """A network with a parameter that is a single number."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = torch.nn.Linear(3, 1), torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return self.scale * self.layer(x)


@pytest.mark.parametrize("rule", ["sgd", "adam", "lars", "hypergradient_sgd"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_parameter_that_is_a_single_number_trains_alike_on_every_path(rule, noise):
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    task = tasks.Task("scaled", Scaled, (x, x.sum(1)), None, None, summed, summed, 10, 6, noise=noise)
    alone = fit(task, rule, lr=1e-3)
    for path in ("eager", "loop", "auto"):
        found = sweep(task, rule, lr=[1e-3, 2e-3], path=path)
        assert found.parameters["scale"].shape == (2,)
        assert np.allclose(found.parameters["scale"][0], alone.parameters["scale"][0], rtol=1e-4)
