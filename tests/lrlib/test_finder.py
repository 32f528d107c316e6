"""The range test leaves nothing behind; the suggestion rules are the published ones; the threshold is found."""

import copy
import dataclasses
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lrlib import (
    SUGGESTION_RULES,
    Finding,
    RangeTest,
    attach,
    convergence_threshold,
    hold,
    initial_model,
    range_test,
    reached,
    rules,
    smooth,
    tasks,
    threshold_curve,
)
from lrlib import find
from lrlib.choosing.finder.suggestions import longest_fall
from lrlib.choosing.finder.threshold import search_threshold
from lrlib.choosing.finder.trial import Watch

mse = torch.nn.functional.mse_loss
RATES = np.geomspace(1e-7, 10, 100)


def problem(seed=0, optimizer="adam"):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1)
    )
    x = torch.randn(96, 4)
    data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
    batches = torch.utils.data.DataLoader(data, 16, shuffle=True, generator=torch.Generator().manual_seed(seed))
    groups = [{"params": model[0].parameters(), "lr": 0.02}, {"params": model[1:].parameters(), "lr": 0.04}]
    nameless = [{"params": model[0].parameters()}, {"params": model[1:].parameters()}]
    made = {
        "adam": lambda: torch.optim.Adam(groups),
        "tensor": lambda: torch.optim.Adam(model.parameters(), lr=torch.tensor(0.04), foreach=False),
        "shared": lambda: torch.optim.Adam(nameless, lr=torch.tensor(0.04), foreach=False),
        "momentum": lambda: torch.optim.SGD(groups, momentum=0.9),
        "lbfgs": lambda: torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2),
    }[optimizer]()
    return model, made, batches


def train(model, optimizer, batches):
    for x, y in batches:

        def closure(x=x, y=y):
            optimizer.zero_grad()
            value = mse(model(x), y)
            value.backward()
            return value

        optimizer.step(closure)


def freeze(value):
    if isinstance(value, torch.Tensor):
        return value.tolist(), id(value)
    if isinstance(value, dict):
        return {str(k): freeze(v) for k, v in value.items() if k != "params"}
    if isinstance(value, (list, tuple)):
        return [v.tolist() if isinstance(v, torch.Tensor) else v for v in value]
    return value


def everything(model, optimizer, batches):
    """All that a range test could disturb, with the identity of each tensor."""
    return {
        "model": freeze(dict(model.named_parameters()) | dict(model.named_buffers())),
        "grads": [freeze(p.grad) for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "groups": [freeze(g) for g in optimizer.param_groups],
        "defaults": freeze(optimizer.defaults),
        "same groups": [id(g) for g in optimizer.param_groups],
        "state": [freeze(optimizer.state.get(p, {})) for p in model.parameters()],
        "random": (torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()),
        "order": batches.generator.get_state().tolist(),
    }


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "tensor", "shared", "momentum", "lbfgs"])
def test_everything_is_restored(optimizer, trained):
    model, optimizer, batches = problem(optimizer=optimizer)
    if trained:
        train(model, optimizer, batches)
    model[3].eval()  # a module that its owner froze
    before = everything(model, optimizer, batches)
    test = range_test(model, optimizer, batches, mse, steps=40)
    changed = {k for k, v in everything(model, optimizer, batches).items() if v != before[k]}
    assert not changed and test.lr.size > 2


def test_training_goes_on_as_if_there_had_been_no_test():
    weights = []
    for tested in (False, True):
        model, optimizer, batches = problem()
        train(model, optimizer, batches)
        if tested:
            range_test(model, optimizer, batches, mse, steps=30)
        train(model, optimizer, batches)
        weights.append(torch.cat([t.reshape(-1).double() for t in model.state_dict().values()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_everything_is_restored_after_an_exception(error):
    model, optimizer, batches = problem()
    train(model, optimizer, batches)
    before, calls = everything(model, optimizer, batches), []

    def breaks(output, y):
        random.random(), np.random.rand()
        calls.append(1)
        if len(calls) == 7:
            raise error("stop here")
        return mse(output, y)

    with pytest.raises(error, match="stop here"):
        range_test(model, optimizer, batches, breaks)
    assert everything(model, optimizer, batches) == before
    attach(optimizer, hold(1)).detach()  # nothing is left attached


def test_a_scheduler_of_pytorch_keeps_its_count():
    model, optimizer, batches = problem()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    range_test(model, optimizer, batches, mse, steps=20)
    with pytest.warns(UserWarning, match="lr_scheduler.step"):  # no step of the user's own was made yet
        scheduler.step()


def test_the_ramp_is_exponential_and_keeps_the_proportions_of_the_groups():
    model, optimizer, batches = problem(optimizer="momentum")
    seen = []
    hook = optimizer.register_step_post_hook(lambda o, *_: seen.append([g["lr"] for g in o.param_groups]))
    test = range_test(model, optimizer, batches, mse, low=1e-5, high=1e-2, steps=31)
    hook.remove()
    assert test.status == "finished" and test.stopped_at == pytest.approx(1e-2)
    np.testing.assert_allclose(test.lr, np.geomspace(1e-5, 1e-2, 31), rtol=1e-9)
    np.testing.assert_allclose(np.array(seen), test.lr[:, None] * [0.5, 1], rtol=1e-9)


def test_a_model_in_eval_mode_is_tested_in_training_mode():
    model, optimizer, batches = problem()
    model.eval()
    modes = []
    model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    range_test(model, optimizer, batches, mse, steps=5)
    assert all(modes) and not any(m.training for m in model.modules())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_the_test_and_stays_out_of_the_curve(bad):
    model, optimizer, batches = problem()
    calls = []

    def loss(output, y):
        calls.append(1)
        return mse(output, y) * (bad if len(calls) == 30 else 1)

    test = range_test(model, optimizer, batches, loss, high=1e-3)
    assert test.status == "not finite" and len(calls) == 30
    assert test.loss.size == test.lr.size == 29 and np.isfinite(test.loss).all()
    assert test.lr[-1] < test.stopped_at < 1e-3
    assert all(np.isfinite(rate) for rate in test.suggestions().values())


def test_a_growing_loss_stops_the_test():
    model, optimizer, batches = problem(optimizer="momentum")
    test = range_test(model, optimizer, batches, mse, high=1e4)
    assert test.status in ("diverged", "not finite") and test.stopped_at < 1e4
    if test.status == "diverged":
        assert test.smoothed[-1] > 4 * test.smoothed[:-1].min() >= 4 * test.smoothed.min()


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=60), st.floats(1.1, 10))
def test_the_watch_stops_where_the_smoothed_loss_says(losses, stop):
    watch, smoothed = Watch(stop), smooth(losses)
    for k, value in enumerate(losses):
        best = smoothed[: k + 1].min()
        over = smoothed[k] - (best + (stop - 1) * abs(best))
        if abs(over) > 1e-9:
            assert (watch(value) == "diverged") == (over > 0)
        else:
            watch(value)


class TestBatches:
    def test_a_short_list_is_read_again(self):
        model, optimizer, _ = problem()
        x = torch.randn(8, 4)
        assert range_test(model, optimizer, [(x, x[:, :1])] * 3, mse, high=1e-3, steps=20).loss.size == 20

    def test_an_iterator_that_ends_too_soon_is_an_error_and_all_is_restored(self):
        model, optimizer, batches = problem()
        x = torch.randn(8, 4)
        before = everything(model, optimizer, batches)
        with pytest.raises(ValueError, match="ended after 3 of 20 batches"):
            range_test(model, optimizer, iter([(x, x[:, :1])] * 3), mse, high=1e-3, steps=20)
        assert everything(model, optimizer, batches) == before

    def test_a_long_enough_iterator_serves(self):
        model, optimizer, _ = problem()
        x = torch.randn(8, 4)
        assert range_test(model, optimizer, iter([(x, x[:, :1])] * 20), mse, high=1e-3, steps=20).loss.size == 20

    @pytest.mark.parametrize("batches, error", [([], ValueError), ([torch.ones(2, 4)], TypeError)])
    def test_wrong_batches(self, batches, error):
        model, optimizer, _ = problem()
        with pytest.raises(error, match="batches: "):
            range_test(model, optimizer, batches, mse)


@pytest.mark.parametrize(
    "wrong, error, named",
    [
        ({"low": 0.0}, ValueError, "low must be .* above 0; got 0.0"),
        ({"low": 2.0, "high": 1.0}, ValueError, "high=1.0"),
        ({"high": math.inf}, ValueError, "high must be .* got inf"),
        ({"low": True}, TypeError, "low must be .* got True"),
        ({"steps": 1}, ValueError, "steps must be .* got 1"),
        ({"steps": 2.5}, TypeError, "steps must be .* got 2.5"),
        ({"steps": True}, TypeError, "steps must be .* got True"),
        ({"stop": 1.0}, ValueError, "stop must be .* above 1; got 1.0"),
    ],
)
def test_wrong_numbers_are_named(wrong, error, named):
    with pytest.raises(error, match=named):
        range_test(*problem(), mse, **wrong)


def test_wrong_losses_and_optimizers_are_named():
    model, optimizer, batches = problem()
    with pytest.raises(ValueError, match=r"loss: returned shape \(16, 1\)"):
        range_test(model, optimizer, batches, lambda output, y: output)
    attachment = attach(optimizer, hold(1))
    with pytest.raises(ValueError):
        range_test(model, optimizer, batches, mse)
    attachment.detach()
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    with pytest.raises(ValueError, match="rate 0"):
        range_test(model, optimizer, batches, mse)


def first_is_replaced(model):
    model[0] = torch.nn.Linear(4, 8)


@pytest.mark.parametrize("stranger", ["a copy", "a layer that is gone", "frozen"])
def test_an_optimizer_that_trains_nothing_is_said_and_all_is_restored(stranger):
    model, optimizer, batches = problem()
    optimizer.param_groups.pop()  # the first layer is left
    if stranger == "a copy":
        model = copy.deepcopy(model)
    elif stranger == "a layer that is gone":
        first_is_replaced(model)
    else:
        model[0].requires_grad_(False)
    before = everything(model, optimizer, batches)
    with pytest.raises(ValueError, match="optimizer: none of its parameters gets a gradient from the loss"):
        range_test(model, optimizer, batches, mse)
    assert everything(model, optimizer, batches) == before


def test_an_optimizer_of_a_part_of_the_model_is_tested():
    model, optimizer, batches = problem()
    first_is_replaced(model)  # the other group still trains
    assert range_test(model, optimizer, batches, mse, high=1e-2, steps=12).status == "finished"


@pytest.mark.parametrize("frozen", [True, False])
def test_a_loss_without_a_gradient_is_said(frozen):
    model, optimizer, batches = problem()
    model.requires_grad_(not frozen)
    with pytest.raises(ValueError, match="loss: has no gradient; every parameter is frozen, or the loss was detached"):
        range_test(model, optimizer, batches, lambda output, y: mse(output if frozen else output.detach(), y))


def test_a_flat_curve_gives_no_rate_and_says_why():
    model, optimizer, batches = problem()
    test = range_test(model, optimizer, batches, lambda output, y: 0 * output.sum() + 1, steps=40)
    assert test.status == "finished" and test.reason.startswith("the loss is the same at every rate")
    assert all(math.isnan(rate) for rate in test.suggestions().values())
    with pytest.raises(ValueError, match="rule='best'"):
        test.suggest("best")


def test_a_loss_that_is_not_finite_from_the_start_says_where_to_look():
    model, optimizer, _ = problem()
    batches = [(torch.full((8, 4), math.nan), torch.zeros(8, 1))]
    test = range_test(model, optimizer, batches, mse)
    assert test.status == "not finite" and test.loss.size == 0
    assert test.reason == "the loss is not finite before the first update: look at the data and at the loss"
    found = find(dataclasses.replace(three_blobs(), loss=lambda output, y: output.sum() * math.nan), seeds=1, steps=20)
    assert found.tests[0].reason == test.reason


def test_a_curve_that_can_be_read_has_no_reason_and_a_short_one_says_so():
    assert range_test(*problem(), mse, steps=40).reason == ""
    short = range_test(*problem(), mse, steps=6, high=1e-2)
    assert short.reason.startswith("the curve is too short, with 6 of 6 steps (finished), for the rules")


@pytest.mark.parametrize(
    "lengths, begin",
    [
        ([30, 3, 0], ""),
        ([3, 30], ""),
        ([3, 0, 5], "the curve is too short, with 5 of 30 steps"),
        ([0, 0], "the loss is not finite before the first update"),
    ],
)
def test_a_finding_has_a_reason_where_no_seed_has_a_rate(lengths, begin):
    rates, loss = np.geomspace(1e-3, 1, 30), np.linspace(2, 1, 30)
    tests = tuple(RangeTest(rates[:k], loss[:k], "finished" if k == 30 else "not finite", steps=30) for k in lengths)
    found = Finding(tests, np.arange(len(tests)), record=None)
    assert found.reason.startswith(begin) and (not found.reason) == bool(np.isfinite(found.suggest("valley")))
    assert found.reason in ("", *(test.reason for test in tests))


def test_an_optimizer_whose_step_takes_no_closure_is_tested_alike():
    class Plain(torch.optim.SGD):
        def step(self):
            return super().step()

    curves = []
    for kind in (torch.optim.SGD, Plain):
        model, _, batches = problem()
        curves.append(range_test(model, kind(model.parameters(), lr=0.1), batches, mse, low=1e-3, steps=30))
    np.testing.assert_array_equal(curves[0].loss, curves[1].loss)
    np.testing.assert_array_equal(curves[0].lr, curves[1].lr)


def test_a_wrapper_is_followed_or_named():
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, optimizer):
            self.optimizer, self.calls = optimizer, 0

        param_groups = property(lambda self: self.optimizer.param_groups)
        state = property(lambda self: self.optimizer.state)

    curves = []
    for wrapped in (False, True):
        model, optimizer, batches = problem()
        before = everything(model, optimizer, batches)
        curves.append(range_test(model, Wrapper(optimizer) if wrapped else optimizer, batches, mse, steps=20).loss)
        assert everything(model, optimizer, batches) == before
    np.testing.assert_array_equal(*curves)
    Wrapper.state = {}
    with pytest.raises(TypeError, match=r"Wrapper wraps Adam .* its \.optimizer"):
        range_test(model, Wrapper(optimizer), batches, mse)


@pytest.mark.parametrize(
    ("lr", "words"),
    [(None, "got None"), (torch.tensor(1), "torch.int64"), (torch.ones(2), "one number")],
)
def test_a_rate_that_is_none_is_named(lr, words):
    model, optimizer, batches = problem()
    optimizer.param_groups[1]["lr"] = lr
    with pytest.raises(ValueError, match=f"lr of Adam .*{words}"):
        range_test(model, optimizer, batches, mse)


def test_rates_that_a_scheduler_has_moved_are_only_proportions(recwarn):
    model, optimizer, batches = problem(optimizer="momentum")
    plain = range_test(model, optimizer, batches, mse, low=1e-4, steps=20)
    torch.optim.lr_scheduler.LinearLR(optimizer, 0.25)
    moved = range_test(model, optimizer, batches, mse, low=1e-4, steps=20)
    np.testing.assert_allclose(moved.lr, plain.lr, rtol=1e-12)
    assert not recwarn.list


# the rules


def noisy_curve(seed):
    """A fall centred at 2.5e-3, divergence past 0.3: the synthetic range test on which the tools disagree."""
    x = np.log10(RATES / 2.5e-3) / 0.25
    loss = 2.3 - 1.8 / (1 + np.exp(-x)) + np.clip((RATES / 0.3) ** 2 - 1, 0, None)
    loss = loss + 0.05 * np.random.default_rng(seed).standard_normal(RATES.size)
    smoothed = smooth(loss)
    over = np.flatnonzero(smoothed > 4 * np.minimum.accumulate(smoothed))
    end = over[0] + 1 if over.size else RATES.size
    return RATES[:end], loss[:end]


def test_the_tools_disagree_as_measured():
    rates = {name: [rule(*noisy_curve(s), 100) for s in range(60)] for name, rule in SUGGESTION_RULES.items()}
    middle = {name: np.median(values) for name, values in rates.items()}
    assert middle["linear-slope"] < 1e-5 < 1e-3 < middle["valley"] < middle["steepest"] < middle["minimum/10"]
    assert middle["minimum/10"] / middle["linear-slope"] > 1e4
    assert 2.5e-3 < middle["steepest"] < 3e-2 and 2.5e-3 < middle["index-slope"] < 3e-2  # the mean lags behind


def test_rules_on_a_curve_that_can_be_read_by_hand():
    """Flat at 1, one straight fall by 0.02 a step over the points 40…59, flat again, then up."""
    loss = np.interp(np.arange(100), [0, 39, 60, 80, 99], [1.0, 1.0, 0.5, 0.5, 2.0])
    index = {name: int(np.argmin(abs(RATES - rule(RATES, loss)))) for name, rule in SUGGESTION_RULES.items()}
    assert 40 <= index["steepest"] <= 62 and 40 <= index["index-slope"] <= 62
    lowest = 10 + int(np.argmin(smooth(loss)[10:-5]))
    assert SUGGESTION_RULES["minimum/10"](RATES, loss) == pytest.approx(RATES[lowest] / 10)
    smoothed = smooth(loss)[10:-5]
    end, n = longest_fall(smoothed)
    assert SUGGESTION_RULES["valley"](RATES, loss) == RATES[10 + end - n + n // 3 + n // 6]
    derivative = np.gradient(smooth(loss)[10:-1], RATES[10:-1])
    assert SUGGESTION_RULES["linear-slope"](RATES, loss) == RATES[10 + np.argmin(derivative)]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9))
def test_the_longest_fall_against_every_subsequence(loss):
    lengths = [1] * len(loss)  # by dynamic programming: the longest one that ends at each point
    for i in range(len(loss)):
        for j in range(i):
            if loss[i] < loss[j]:
                lengths[i] = max(lengths[i], lengths[j] + 1)
    assert longest_fall(loss) == (int(np.argmax(lengths)), max(lengths))


@given(st.lists(st.floats(0.1, 10), min_size=0, max_size=40))
def test_rules_stay_on_the_curve_or_say_that_it_is_too_short(loss):
    lr, loss = np.geomspace(1e-5, 1, 40)[: len(loss)], np.array(loss)
    for name, rule in SUGGESTION_RULES.items():
        rate = rule(lr, loss, 40)
        scale = 10 if name == "minimum/10" else 1
        assert np.isnan(rate) == (loss.size < {"linear-slope": 13, "index-slope": 17}.get(name, 11))
        assert np.isnan(rate) or np.isclose(lr, rate * scale).any()


@given(st.lists(st.floats(0.1, 10), min_size=20, max_size=40), st.integers(-6, 6))
def test_rules_ignore_a_power_of_two_in_the_unit_of_the_loss(loss, power):
    lr, loss = np.geomspace(1e-5, 1, 40)[: len(loss)], np.array(loss)
    for rule in SUGGESTION_RULES.values():
        np.testing.assert_equal(rule(lr, loss * 2.0**power, 40), rule(lr, loss, 40))


@given(st.floats(-100, 100), st.floats(0, 0.999), st.integers(1, 50))
def test_a_constant_is_its_own_running_mean(value, beta, n):
    for debias in (True, False):
        np.testing.assert_allclose(smooth([value] * n, beta, debias), value, rtol=1e-9, atol=1e-12)


def test_smoothing_takes_rows_and_wants_a_weight():
    table = np.random.default_rng(0).standard_normal((3, 20))
    np.testing.assert_array_equal(smooth(table)[1], smooth(table[1]))
    with pytest.raises(ValueError, match="^beta must be a number of at least 0 and below 1; got 1.0"):
        smooth([1.0], beta=1.0)


def test_unknown_rules_are_named_with_the_known_ones():
    test = range_test(*problem(), mse, steps=30)
    with pytest.raises(ValueError, match="rule='best'.*valley"):
        test.suggest("best")


# several seeds


def three_blobs():
    y = torch.arange(300) % 3
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0)) + 1.5 * torch.eye(8)[y]
    loss = torch.nn.functional.cross_entropy
    return tasks.Task("blobs", lambda: tasks.mlp([8, 16, 3]), (x, y), None, None, loss, tasks.accuracy, 32, 60)


@pytest.fixture(scope="module")
def finding():
    return find(three_blobs(), "sgd", seeds=4, low=1e-4, high=1000.0, steps=60)


def test_find_runs_the_ramp_for_every_seed(finding):
    assert finding.loss.shape == finding.smoothed.shape == (4, finding.lr.size)
    np.testing.assert_allclose(finding.lr, np.geomspace(1e-4, 1000, 60)[: finding.lr.size], rtol=1e-5)
    assert all(test.status != "finished" and test.stopped_at < 1000 for test in finding.tests)
    assert len({float(test.loss[0]) for test in finding.tests}) == 4  # own weights and batches


def test_find_agrees_with_the_range_test_on_the_same_model():
    """With the full batch there is no order of batches, so both must draw the same curve."""
    task = dataclasses.replace(three_blobs(), batch=None)
    found = find(task, seeds=[3], low=1e-3, high=1000.0, steps=50, dtype=torch.float64).tests[0]
    model = initial_model(task, 3, torch.float64)
    x, y = task.train_for(3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    test = range_test(model, optimizer, [(x.double(), y)], task.loss, low=1e-3, high=1000.0, steps=50)
    assert test.status == found.status != "finished" and test.stopped_at == pytest.approx(found.stopped_at)
    np.testing.assert_allclose(test.lr, found.lr, rtol=1e-9)
    np.testing.assert_allclose(test.loss[:30], found.loss[:30], rtol=1e-9)


def test_the_lane_of_a_seed_is_a_run_of_its_own(finding):
    alone = find(three_blobs(), "sgd", seeds=[2], low=1e-4, high=1000.0, steps=60)
    n = min(alone.lr.size, finding.tests[2].lr.size, 25)  # later steps amplify rounding
    np.testing.assert_allclose(alone.tests[0].loss[:n], finding.tests[2].loss[:n], rtol=1e-4)


def test_intervals_over_seeds_hold_the_suggestion(finding):
    for rule in SUGGESTION_RULES:
        low, high = finding.interval(rule)
        assert low <= finding.suggest(rule) * (1 + 1e-9) and finding.suggest(rule) <= high * (1 + 1e-9)
        assert finding.per_seed(rule).min() <= low * (1 + 1e-9) and high <= finding.per_seed(rule).max() * (1 + 1e-9)
        assert finding.interval(rule) == (low, high)
    assert set(finding.suggestions()) == set(SUGGESTION_RULES)


def test_find_takes_an_optimizer_of_the_users(finding):
    own = find(three_blobs(), lambda p: torch.optim.SGD(p, lr=0.3), seeds=2, low=1e-4, high=1000.0, steps=60)
    n = min(own.tests[1].lr.size, finding.tests[1].lr.size, 25)
    np.testing.assert_allclose(own.tests[1].lr[:n], finding.tests[1].lr[:n], rtol=1e-5)
    np.testing.assert_allclose(own.tests[1].loss[:n], finding.tests[1].loss[:n], rtol=1e-3)


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"seeds": []}, "seeds"),
        ({"seeds": 1.7}, "seeds"),
        ({"seeds": True}, "seeds"),
        ({"steps": 4001}, "steps=4001"),
        ({"low": -1}, "low must be .* got -1"),
    ],
)
def test_find_names_wrong_arguments(wrong, named):
    with pytest.raises(ValueError, match=named):
        find(tasks.quadratic(), **wrong)


def test_an_optimizer_without_a_rate_and_other_kinds_are_named():
    with pytest.raises(ValueError, match="every parameter group has rate 0"):
        find(tasks.quadratic(), lambda parameters: torch.optim.SGD(parameters, lr=0.0), seeds=1)
    model, batches = torch.nn.Linear(1, 1), [(torch.zeros(2, 1), torch.zeros(2, 1))]
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=0.1), torch.nn.functional.mse_loss
    for named, wrong in {
        "model": (None, optimizer, batches, loss),
        "optimizer": (model, None, batches, loss),
        "loss": (model, optimizer, batches, None),
    }.items():
        with pytest.raises(TypeError, match=f"^{named} must be"):
            range_test(*wrong)


# the threshold


@pytest.mark.parametrize("curvature", [0.7, 4.0])
def test_the_threshold_of_a_quadratic_is_its_stability_limit(curvature):
    task = tasks.quadratic(curvatures=(curvature,))
    found = convergence_threshold(task, start=0.8 / curvature, seeds=1, precision=0.02, steps=300, path="loop")
    limit = 2 / curvature
    assert found.low <= limit and found.high >= limit * 0.98
    assert found.high / found.low <= 10**0.02 and found.low < found.rate < found.high
    assert found.trainings == len(found.tried) < 16


def test_the_threshold_needs_a_start_that_works_and_says_when_nothing_fails():
    task = tasks.quadratic(curvatures=(4.0,))
    with pytest.raises(ValueError, match=r"start=1.0: only 0% of 2 seeds"):
        convergence_threshold(task, start=1.0, seeds=2, steps=20)
    found = convergence_threshold(task, start=0.2, seeds=1, limit=0.45, steps=50, path="loop")
    assert found.high == math.inf == found.rate and found.low == pytest.approx(0.4)
    for wrong in ({"factor": 1.0}, {"precision": 0.0}, {"limit": 0.01}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            convergence_threshold(task, start=0.1, **wrong)


def test_a_majority_of_seeds_decides():
    shares = iter([1.0, 1.0, 0.6, 0.4, 0.5])

    def criterion(record):
        share = next(shares)
        return np.arange(len(record.lr0)) < share * len(record.lr0)

    found = convergence_threshold(tasks.quadratic(), criterion=criterion, start=0.1, seeds=10, steps=2, precision=0.16)
    assert [round(share, 1) for _, share in found.tried] == [1.0, 1.0, 0.6, 0.4, 0.5]
    assert found.low == pytest.approx(0.4) and found.high == pytest.approx(0.4 * math.sqrt(2))
    assert found.trainings == 50


def test_reached_wants_a_run_that_did_not_diverge():
    task = tasks.quadratic(curvatures=(4.0,))
    found = convergence_threshold(
        task, criterion=reached(1e-3, "train_loss"), start=0.2, seeds=1, limit=0.3, steps=40, evaluate=10
    )
    assert found.low == 0.2 and found.trainings == 1


def test_targets_and_names_of_a_criterion_are_checked():
    for wrong, kind in (("a", TypeError), (True, TypeError), (math.nan, ValueError)):
        with pytest.raises(kind, match="target must be a finite number"):
            reached(wrong)
    record = dataclasses.make_dataclass("Some", ["evaluations"])({"train_loss": np.ones((1, 1))})
    with pytest.raises(ValueError, match="name must be loss or one of train_loss; got 'nope'"):
        reached(0.1, "nope")(record)
    with pytest.raises(TypeError, match="criterion must be a function"):
        convergence_threshold(tasks.quadratic(), start=0.1, criterion=5)


@pytest.mark.parametrize("lowest, reach", [(True, [True, False, False]), (False, [False, True, False])])
def test_a_criterion_reaches_a_metric_from_the_side_that_is_said(lowest, reach):
    record = dataclasses.make_dataclass("Some", ["evaluations", "status"])(
        {"valid_metric": np.array([[0.2, 0.4], [0.6, 0.95], [0.2, 0.95]])}, ["finished", "finished", "diverged"]
    )
    target = 0.2 if lowest else 0.9
    assert reached(target, "valid_metric", lowest=lowest)(record).tolist() == reach


def test_a_criterion_on_a_metric_must_say_which_end_is_best():
    with pytest.raises(ValueError, match="lowest must say which end of 'test_metric' is best: lowest=True"):
        reached(0.9, "test_metric")
    with pytest.raises(ValueError, match="lowest must be True or None for loss"):
        reached(0.9, "loss", lowest=False)
    with pytest.raises(TypeError, match="lowest must be True or False; got 'no'"):
        reached(0.9, "valid_metric", lowest="no")


class Below:
    """Trials that converge below a rate."""

    seeds = [0]

    def __init__(self, rate):
        self.rate, self.asked = rate, 0

    def share(self, rate, budget):
        self.asked += 1
        return float(rate < self.rate)


def test_the_finest_bracket_takes_few_trainings():
    found = search_threshold(trials := Below(0.5), 1, 0.3, precision=1e-9, limit=10.0)
    assert found.low < 0.5 <= found.high < found.low * (1 + 3e-9) and trials.asked < 40


@pytest.mark.parametrize("edge", [3e-320, 1e300])
def test_a_search_ends_where_the_floats_do(edge):
    found = search_threshold(trials := Below(edge), 1, 1e-322, precision=1e-9, limit=math.inf)
    assert found.low < edge <= found.high and trials.asked < 3000
    assert search_threshold(Below(math.inf), 1, 1e300, precision=1e-9, limit=math.inf).high == math.inf


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("precision", 1e-320, "at least 1e-09; got 1e-320"),
        ("precision", 0.0, "at least 1e-09; got 0.0"),
        ("factor", 1 + 1e-12, "factor must reach limit from start in at most 10,000 steps; got 1.0000"),
        ("limit", 10**400, "too large for a float"),
        ("limit", math.nan, "limit must be"),
        ("start", 5e-324, "factor must reach limit from start in at most 10,000 steps"),
    ],
)
def test_a_search_that_would_not_end_is_refused_before_it_begins(name, value, words):
    trials = Below(0.5)
    usual = dict(start=0.3, factor=1.05, precision=0.05, limit=10.0) | {name: value}
    with pytest.raises(ValueError, match=words):
        search_threshold(trials, 1, **usual)
    assert not trials.asked


def test_a_curve_that_is_the_same_everywhere_suggests_nothing():
    lr = np.geomspace(1e-5, 1, 60)
    for rule in SUGGESTION_RULES.values():
        assert np.isnan(rule(lr, np.full(60, 0.7))) and np.isnan(rule(lr[:0], lr[:0]))
        assert np.isfinite(rule(lr, 0.7 - 1e-3 * np.arange(60)))


@pytest.mark.parametrize("values", ["a", ["a"], None, [1, "b"], [[1], [1, 2]], {}, [True], [1j], lambda: 1])
def test_what_is_no_array_of_numbers_is_named(values):
    with pytest.raises(TypeError, match="^loss must be numbers; got "):
        smooth(values)


@pytest.mark.parametrize("name, evaluate", [("loss", None), ("train_loss", 7)])
def test_a_curve_gives_the_thresholds_of_its_budgets_one_by_one(name, evaluate):
    task, criterion, budgets = noisy_bowl(), reached(2e-3, name), [40, 12]
    usual = dict(start=0.2, seeds=3, precision=0.05, path="eager", evaluate=evaluate)
    curve = threshold_curve(task, "momentum", criterion, budgets=budgets, momentum=0.3, **usual)
    alone = [
        convergence_threshold(task, "momentum", criterion, steps=b, momentum=0.3, **usual) for b in sorted(budgets)
    ]
    assert curve.budgets == (12, 40) and list(curve.thresholds) == alone
    assert curve.separate_trainings == sum(t.trainings for t in alone) > curve.trainings
    assert curve.trainings == 3 * len({rate for t in alone for rate, _ in t.tried})
    assert (np.diff(curve.rates) >= 0).all() and curve.rates[0] < curve.rates[-1]
    assert curve.rates.tolist() == [t.rate for t in alone]


def noisy_bowl():
    """Two directions, one of them steep, and batches that disagree: the threshold depends on the budget."""
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([2.0, 0.7])

    def model():
        return torch.nn.Linear(2, 1, bias=False)

    return tasks.Task("bowl", model, (x, x.sum(1, keepdim=True)), None, None, mse, mse, 32, 40)


def test_a_run_that_diverges_after_a_budget_still_converged_within_it():
    task = tasks.quadratic(curvatures=(4.0,))

    def plan(t):
        return 0.2 if t < 10 else 50.0

    usual = dict(start=1.0, seeds=1, limit=1.9, path="eager", plan=plan)
    curve = threshold_curve(task, criterion=reached(1e-2, "loss"), budgets=[10], **usual)
    assert curve.thresholds[0].low == 1.0
    with pytest.raises(ValueError, match="start=1.0: only 0% of 1 seeds converged there in 40 steps"):
        threshold_curve(task, criterion=reached(1e-2, "loss"), budgets=[10, 40], **usual)


def test_a_grid_of_the_same_precision_would_cost_more():
    found = convergence_threshold(
        tasks.quadratic(curvatures=(4.0,)), start=0.1, seeds=2, factor=10.0, precision=0.1, steps=300, path="loop"
    )
    assert found.grid_trainings == 2 * 11 and found.trainings == 2 * 6  # 1 decade in tenths; 2 + 4 halvings


def test_a_rule_object_is_taken_like_its_name_and_a_function_is_refused_where_there_is_no_sweep():
    task, rule = tasks.quadratic(curvatures=(4.0,)), rules.get("momentum")
    by_name, by_rule = (find(task, r, seeds=2, low=1e-3, steps=20, momentum=0.5) for r in ("momentum", rule))
    assert np.array_equal(by_name.loss, by_rule.loss, equal_nan=True)
    usual = dict(start=0.1, seeds=1, steps=30, precision=0.3, path="eager")
    assert convergence_threshold(task, rule, **usual) == convergence_threshold(task, "momentum", **usual)
    with pytest.raises(ValueError, match="rule must be a rule or its name in a sweep"):
        convergence_threshold(task, torch.optim.SGD, **usual)
    with pytest.raises(ValueError, match="sdg"):
        find(task, "sdg")


@pytest.mark.parametrize(
    "wrong, match, kind",
    [
        ({"budgets": []}, "budgets must be", ValueError),
        ({"budgets": [10, 10]}, "budgets must be", ValueError),
        ({"budgets": [10, 1.5]}, "budgets must be a whole", TypeError),
        ({"budgets": [True]}, "budgets must be a whole", TypeError),
        ({"budgets": [0]}, "budgets must be a whole", ValueError),
        ({"budgets": 5, "steps": 3}, "steps: the budgets", ValueError),
        ({"budgets": 5, "start": True}, "start must be", TypeError),
        ({"budgets": 5, "start": 1e5}, "start must be below limit", ValueError),
        ({"budgets": 5, "seeds": 1.7}, "seeds must be", ValueError),
        ({"budgets": 5, "precision": -1.0}, "precision must be", ValueError),
    ],
)
def test_wrong_arguments_of_a_curve_are_named(wrong, match, kind):
    with pytest.raises(kind, match=match):
        threshold_curve(tasks.quadratic(), **{"start": 0.1} | wrong)


@pytest.mark.gpu
def test_everything_is_restored_on_a_gpu():
    model, _, batches = problem()
    model.cuda()
    optimizer = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.02, device="cuda"), capturable=True)
    x, y = next(iter(batches))
    train(model, optimizer, [(x.cuda(), y.cuda())])
    before, state = everything(model, optimizer, batches), torch.cuda.get_rng_state().tolist()
    test = range_test(model, optimizer, batches, mse, steps=40)  # batches come from the CPU
    assert everything(model, optimizer, batches) == before and test.lr.size > 2
    assert torch.cuda.get_rng_state().tolist() == state


def test_what_is_no_sequence_of_batches_is_named():
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for wrong in (-1, None, np.float64(2.0), "data", {"x": 1}, list, object()):
        with pytest.raises(TypeError, match="^batches must be a DataLoader, a list or another iterable of pairs"):
            range_test(model, optimizer, wrong, mse)
    batch = (torch.zeros(4, 3), torch.ones(4, 1))
    for options in ({"steps": 10**30}, {"high": 1e308}, {"stop": np.array([2.0])}, {"stop": np.zeros(0)}):
        with pytest.raises((TypeError, ValueError), match=f"^{next(iter(options))} must be"):
            range_test(model, optimizer, [batch], mse, **options)


def test_a_network_with_lazy_layers_is_tested_after_its_first_call():
    model = torch.nn.LazyLinear(1)
    batch = (torch.zeros(4, 3), torch.ones(4, 1))
    with pytest.raises(ValueError, match="^model has lazy layers without weights yet"):
        range_test(model, torch.optim.SGD(model.parameters(), lr=0.1), [batch], mse)
    model(batch[0])
    assert len(range_test(model, torch.optim.SGD(model.parameters(), lr=0.1), [batch], mse).loss)
