"""Attached plans: what is applied is what was planned, whatever happens to the optimizer in between."""

import copy
import gc
import math
import pickle
import warnings
import weakref

import numpy as np
import pytest
import pytorch_optimizer
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)

from lrlib import (
    Plan,
    Plateau,
    attach,
    cosine,
    geometric_cooling,
    hold,
    linear,
    one_cycle,
    one_cycle_momentum,
    optimizers,
    plans,
    warmup,
)

BUILDERS = [name for name in plans.__all__ if name.islower()]
PLAN = warmup(3) >> cosine(9, final=0.1)
FALL = linear(10, final=0.5)


def parameters(count=1):
    made = [torch.nn.Parameter(torch.full((2,), 1.0 + k, dtype=torch.float64)) for k in range(count)]
    for p in made:
        p.grad = torch.ones_like(p)
    return made


def sgd(lr=0.5, count=1, **options):
    return torch.optim.SGD(parameters(count), lr=lr, **options)


def changed(**options):
    optimizer = sgd()
    optimizer.param_groups[0].update(options)
    return optimizer


def without(option):
    optimizer = sgd()
    del optimizer.param_groups[0][option]
    return optimizer


def run(optimizer, count):
    for _ in range(count):
        optimizer.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.5),
        lambda p: torch.optim.AdamW(p, lr=0.5, foreach=True),
        lambda p: torch.optim.Adam(p, lr=0.5, fused=True),
        lambda p: optimizers.Momentum(p, lr=0.5),
        lambda p: torch.optim.Adam([{"params": q, "lr": 0.5 / (k + 1)} for k, q in enumerate(p)]),
    ],
)
def test_applied_equals_planned(make):
    optimizer = make(parameters(3))
    base = [group["lr"] for group in optimizer.param_groups]
    handle = attach(optimizer, PLAN)
    run(optimizer, 15)
    assert handle.t == 15 and handle.applied.dtype == np.float64
    np.testing.assert_array_equal(handle.applied, handle.planned())
    np.testing.assert_allclose(handle.applied, PLAN(np.arange(15))[:, None] * base, rtol=1e-15)
    assert handle.last == handle.applied[-1].tolist()


def test_the_parameters_move_by_the_recorded_rates():
    optimizer = sgd()
    handle = attach(optimizer, PLAN)
    run(optimizer, 12)
    moved = 1.0 - optimizer.param_groups[0]["params"][0].detach().numpy()
    np.testing.assert_allclose(moved, handle.applied.sum(), rtol=1e-14)


def test_equals_lambda_lr_step_by_step():
    ours, theirs = sgd(), sgd()
    handle = attach(ours, PLAN)
    scheduler = torch.optim.lr_scheduler.LambdaLR(theirs, PLAN)
    for t in range(15):
        rate = theirs.param_groups[0]["lr"]
        ours.step()
        theirs.step()
        scheduler.step()
        assert handle.applied[t, 0] == rate
    assert torch.equal(ours.param_groups[0]["params"][0], theirs.param_groups[0]["params"][0])


def test_the_record_shows_what_was_held_and_not_what_was_planned():
    optimizer = sgd()
    handle = attach(optimizer, hold(9))
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: opt.param_groups[0].update(lr=0.125))
    run(optimizer, 2)
    assert handle.applied.tolist() == [[0.125], [0.125]] and handle.planned().tolist() == [[0.5], [0.5]]


def test_a_plain_function_is_a_plan():
    optimizer = sgd(lr=1.0)
    handle = attach(optimizer, lambda t: torch.tensor(1 / (t + 1)))
    run(optimizer, 3)
    assert type(optimizer.param_groups[0]["lr"]) is float
    np.testing.assert_allclose(handle.applied[:, 0], [1, 1 / 2, 1 / 3], rtol=1e-7)


# -- resume -----------------------------------------------------------------------------------------------------------


def test_resume_into_a_fresh_attached_optimizer_is_exact(tmp_path):
    straight = sgd(momentum=0.9)
    whole = attach(straight, PLAN)
    run(straight, 12)
    first = sgd(momentum=0.9)
    attach(first, PLAN)
    run(first, 5)
    torch.save([first.state_dict(), first.param_groups[0]["params"]], tmp_path / "c.pt")
    state, (parameter,) = torch.load(tmp_path / "c.pt", weights_only=True)
    parameter.grad = torch.ones_like(parameter)
    second = torch.optim.SGD([parameter], lr=99.0, momentum=0.9)
    handle = attach(second, PLAN)
    second.load_state_dict(state)
    run(second, 7)
    assert (handle.t, handle.first, handle.base) == (12, 5, [0.5])
    np.testing.assert_array_equal(handle.applied, whole.applied[5:])
    np.testing.assert_array_equal(handle.applied, handle.planned())
    assert torch.equal(parameter, straight.param_groups[0]["params"][0])


def test_attach_after_loading_continues_too():
    first = sgd()
    attach(first, PLAN)
    run(first, 5)
    second = sgd(lr=99.0)
    second.load_state_dict(first.state_dict())
    handle = attach(second, PLAN)
    run(second, 1)
    assert handle.t == 6 and handle.applied[0, 0] == 0.5 * PLAN(5)


def test_attach_at_a_given_step():
    optimizer = sgd()
    handle = attach(optimizer, PLAN, t=7)
    run(optimizer, 1)
    assert handle.t == 8 and handle.applied[0, 0] == 0.5 * PLAN(7)


def test_a_state_kept_in_memory_does_not_move_with_the_optimizer():
    optimizer = sgd(lr=torch.tensor(0.5, dtype=torch.float64))
    handle = attach(optimizer, PLAN)
    run(optimizer, 4)
    state = optimizer.state_dict()
    run(optimizer, 5)
    optimizer.load_state_dict(state)
    assert handle.t == 4 and len(handle.applied) == 0
    run(optimizer, 1)
    assert handle.applied[0, 0] == 0.5 * PLAN(4)


def test_a_state_saved_without_a_plan_starts_the_plan():
    optimizer = sgd()
    handle = attach(optimizer, PLAN)
    run(optimizer, 4)
    optimizer.load_state_dict(sgd(lr=0.25).state_dict())
    run(optimizer, 1)
    assert (handle.t, handle.base, handle.applied.tolist()) == (1, [0.25], [[0.25 * PLAN(0)]])


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_is_free_and_can_be_attached_where_it_stood(clone):
    optimizer = sgd()
    handle = attach(optimizer, PLAN)
    run(optimizer, 5)
    twin = clone(optimizer)
    for p in twin.param_groups[0]["params"]:
        p.grad = torch.ones_like(p)
    run(twin, 3)
    assert twin.param_groups[0]["lr"] == 0.5 * PLAN(4) and handle.t == 5
    other = attach(twin, PLAN)
    run(twin, 1)
    assert other.applied.tolist() == [[0.5 * PLAN(5)]] and other.t == 6 and handle.t == 5


@given(k=st.integers(0, 14), n=st.integers(1, 6), cycle=st.integers(1, 6), decay=st.floats(0.2, 1))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_resuming_at_any_step_equals_running_through_it(k, n, cycle, decay):
    plan = warmup(n) >> cosine(cycle).repeat(decay=decay)
    straight, first, second = sgd(momentum=0.9), sgd(momentum=0.9), sgd(momentum=0.9)
    whole = attach(straight, plan, momentum=FALL)
    run(straight, 15)
    attach(first, plan, momentum=FALL)
    run(first, k)
    second.load_state_dict(first.state_dict())
    second.param_groups[0]["params"][0].data.copy_(first.param_groups[0]["params"][0])
    handle = attach(second, plan, momentum=FALL)
    run(second, 15 - k)
    np.testing.assert_array_equal(handle.applied, whole.applied[k:])
    np.testing.assert_array_equal(handle.applied_of("momentum"), whole.applied_of("momentum")[k:])
    assert torch.equal(second.param_groups[0]["params"][0], straight.param_groups[0]["params"][0])


# -- groups, tensors, closures, mixed precision -----------------------------------------------------------------------


def test_groups_added_later_follow_with_their_own_rate():
    optimizer = sgd(lr=1.0)
    handle = attach(optimizer, linear(4))
    run(optimizer, 2)
    optimizer.add_param_group({"params": parameters(1), "lr": 0.25})
    run(optimizer, 2)
    expected = [[1, np.nan], [0.75, np.nan], [0.5, 0.125], [0.25, 0.0625]]
    np.testing.assert_array_equal(handle.applied, expected)
    np.testing.assert_array_equal(handle.planned(), expected)
    handle.detach()
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.25]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tensor_rate_is_filled_in_place(dtype):
    rate = torch.tensor(0.5, dtype=dtype)
    optimizer = sgd(lr=rate)
    handle = attach(optimizer, PLAN)
    run(optimizer, 6)
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == handle.applied[-1, 0]
    np.testing.assert_allclose(handle.applied, handle.planned(), rtol=1e-6 if dtype == torch.float32 else 0)
    handle.detach()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.5


def test_the_base_rate_can_change_in_mid_run():
    optimizer = torch.optim.SGD([{"params": p} for p in parameters(2)], lr=1.0)
    handle = attach(optimizer, linear(4))
    run(optimizer, 1)
    handle.set_base(2.0)
    run(optimizer, 1)
    handle.set_base([1.0, 4.0])
    run(optimizer, 1)
    assert handle.applied.tolist() == handle.planned().tolist() == [[1, 1], [1.5, 1.5], [0.5, 2]]
    with pytest.raises(ValueError, match="rates must be one number or 2"):
        handle.set_base([1.0])
    with pytest.raises(ValueError, match="finite number of at least 0"):
        handle.set_base([1.0, math.nan])
    assert handle.base == [1.0, 4.0]


def test_a_closure_sees_the_rate_of_its_step_and_counts_once():
    (x,) = parameters()
    optimizer = torch.optim.LBFGS([x], lr=0.5, max_iter=4)
    handle, seen = attach(optimizer, PLAN), []

    def closure():
        optimizer.zero_grad()
        loss = (x**4).sum()
        loss.backward()
        seen.append((handle.t, optimizer.param_groups[0]["lr"]))
        return loss

    for _ in range(3):
        optimizer.step(closure)
    assert len(seen) > 3 and set(seen) == {(t, 0.5 * PLAN(t)) for t in range(3)}
    assert handle.t == len(handle.applied) == 3


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_skipped_by_mixed_precision_does_not_count(fused):
    x = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([x], lr=0.5, fused=fused)
    handle, scaler = attach(optimizer, PLAN), torch.amp.GradScaler("cpu", init_scale=4.0)
    for t in range(6):
        optimizer.zero_grad()
        loss = (x * (math.inf if t in (2, 3) else 1.0)).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert handle.t == 4
    np.testing.assert_array_equal(handle.applied[:, 0], [0.5 * PLAN(t) for t in range(4)])
    np.testing.assert_allclose(x.detach().numpy(), 1 - handle.applied.sum(), rtol=1e-6)


def test_a_step_that_raises_does_not_count():
    optimizer = sgd()
    handle = attach(optimizer, PLAN)

    def fail():
        raise RuntimeError("no loss today")

    with pytest.raises(RuntimeError, match="no loss today"):
        optimizer.step(fail)
    assert handle.t == 0 and len(handle.applied) == 0


# -- other options ----------------------------------------------------------------------------------------------------

OTHERS = {
    "torch momentum": (lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9), "momentum", 0.9),
    "torch weight decay": (lambda p: torch.optim.SGD(p, lr=0.5, weight_decay=0.1), "weight_decay", 0.1),
    "torch beta1": (lambda p: torch.optim.Adam(p, lr=0.5, betas=(0.8, 0.99)), "beta1", 0.8),
    "torch beta2, fused": (lambda p: torch.optim.AdamW(p, lr=0.5, betas=(0.8, 0.99), fused=True), "beta2", 0.99),
    "our momentum": (lambda p: optimizers.Momentum(p, lr=0.5, momentum=0.9), "momentum", 0.9),
    "our beta1": (lambda p: optimizers.Adam(p, lr=0.5, beta1=0.8), "beta1", 0.8),
    "our weight decay": (lambda p: optimizers.AdamW(p, lr=0.5, weight_decay=0.1), "weight_decay", 0.1),
}


@pytest.mark.parametrize(("make", "option", "base"), OTHERS.values(), ids=list(OTHERS))
def test_any_option_follows_its_plan(make, option, base):
    optimizer = make(parameters(2))
    before = dict(optimizer.param_groups[0], params=None)
    handle = attach(optimizer, PLAN, **{option: FALL})
    run(optimizer, 12)
    expected = base * FALL(np.arange(12))[:, None]
    np.testing.assert_allclose(handle.applied_of(option), expected, rtol=1e-15)
    np.testing.assert_array_equal(handle.applied_of(option), handle.planned(option))
    np.testing.assert_array_equal(handle.applied, handle.planned())
    assert handle.base_of(option) == [base] and option in repr(handle)
    handle.detach()
    assert dict(optimizer.param_groups[0], params=None) == before


def test_a_momentum_plan_moves_the_parameters_as_by_hand():
    optimizer, x, v = sgd(lr=0.1, momentum=0.9), 1.0, 0.0
    attach(optimizer, hold(5), momentum=FALL)
    for t in range(5):
        optimizer.step()
        v = 0.9 * FALL(t) * v + 1
        x -= 0.1 * v
    np.testing.assert_allclose(optimizer.param_groups[0]["params"][0].detach(), x, rtol=1e-14)


def test_one_cycle_of_rate_and_momentum():
    optimizer = sgd(lr=1.0, momentum=0.95)
    handle = attach(optimizer, one_cycle(20), momentum=one_cycle_momentum(20))
    run(optimizer, 20)
    top = handle.applied[:, 0].argmax()
    assert top == handle.applied_of("momentum")[:, 0].argmin() == 5
    assert handle.applied_of("momentum")[5, 0] == pytest.approx(0.85)


def test_other_options_resume_and_groups_added_later_follow():
    optimizer = torch.optim.Adam(parameters(1), lr=1.0, betas=(0.9, 0.99), weight_decay=0.2)
    handle = attach(optimizer, PLAN, beta1=FALL, weight_decay=FALL)
    run(optimizer, 3)
    optimizer.add_param_group({"params": parameters(1), "betas": (0.5, 0.99)})
    run(optimizer, 3)
    assert np.isnan(handle.applied_of("beta1")[:3, 1]).all()
    np.testing.assert_allclose(handle.applied_of("beta1")[3:, 1], 0.5 * FALL(np.arange(3, 6)), rtol=1e-15)
    other = torch.optim.Adam([{"params": p} for p in parameters(2)], lr=9.0, betas=(0.1, 0.1), weight_decay=9.0)
    again = attach(other, PLAN, beta1=FALL, weight_decay=FALL)
    other.load_state_dict(optimizer.state_dict())
    run(other, 1)
    assert again.t == 7 and again.base_of("beta1") == [0.9, 0.5] and again.base_of("weight_decay") == [0.2, 0.2]
    np.testing.assert_allclose(again.applied_of("beta1"), [[0.9 * FALL(6), 0.5 * FALL(6)]], rtol=1e-15)


def test_an_option_that_follows_no_plan_any_more_gets_its_base_back():
    optimizer = sgd(momentum=0.9)
    attach(optimizer, PLAN, momentum=FALL)
    run(optimizer, 5)
    other = sgd(momentum=0.1)
    handle = attach(other, PLAN)
    other.load_state_dict(optimizer.state_dict())
    run(other, 1)
    assert other.param_groups[0]["momentum"] == 0.9 and "applied_momentum" not in other.param_groups[0]
    assert handle.t == 6


def test_tensor_options_are_filled_in_place():
    beta = torch.tensor(0.8, dtype=torch.float64)
    optimizer = torch.optim.Adam(parameters(), lr=0.5, betas=(beta, torch.tensor(0.99)), foreach=False)
    optimizer.param_groups[0]["weight_decay"] = decay = torch.tensor(0.5, dtype=torch.float64)
    attach(optimizer, PLAN, beta1=FALL, weight_decay=FALL)
    run(optimizer, 2)
    assert optimizer.param_groups[0]["betas"][0] is beta and beta.item() == 0.8 * FALL(1)
    assert optimizer.param_groups[0]["weight_decay"] is decay and decay.item() == 0.5 * FALL(1)


def test_the_base_of_an_option_can_change_in_mid_run():
    optimizer = sgd(momentum=0.9)
    handle = attach(optimizer, PLAN, momentum=FALL)
    run(optimizer, 1)
    handle.set_base(0.5, "momentum")
    run(optimizer, 1)
    np.testing.assert_allclose(handle.applied_of("momentum")[:, 0], [0.9, 0.5 * FALL(1)], rtol=1e-15)
    np.testing.assert_array_equal(handle.applied_of("momentum"), handle.planned("momentum"))
    with pytest.raises(ValueError, match="'weight_decay' follows no plan here; those that do: lr, momentum"):
        handle.set_base(0.5, "weight_decay")


def test_a_beta_that_would_reach_one_stops_before_anything_changes():
    optimizer = torch.optim.Adam(parameters(), lr=0.5)
    handle = attach(optimizer, PLAN, beta1=lambda t: 1.0 if t < 2 else 1.2)
    run(optimizer, 2)
    before = optimizer.param_groups[0]["params"][0].clone()
    with pytest.raises(ValueError, match="beta1 must stay below 1; at t=2 its plan gives 1.08"):
        optimizer.step()
    assert torch.equal(optimizer.param_groups[0]["params"][0], before) and handle.t == 2
    assert optimizer.param_groups[0]["lr"] == 0.5 * PLAN(1)
    with pytest.raises(ValueError, match="beta1 must be a number of at least 0 and below 1"):
        handle.set_base(1.0, "beta1")


def test_a_rules_own_range_holds_for_its_plan():
    optimizer = optimizers.RMSprop(parameters(), lr=0.5, alpha=0.9)
    attach(optimizer, PLAN, alpha=lambda t: 1.2)
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 1\); got 1.08"):
        optimizer.step()
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 1\); got 1.5"):
        optimizer.attachment.set_base(1.5, "alpha")
    assert optimizer.attachment.base_of("alpha") == [0.9]


def test_the_temperature_of_annealed_descent_cools_by_its_plan():
    (x,) = parameters()
    optimizer = optimizers.AnnealedSGD([x], temperature=2.0)
    handle = attach(optimizer, hold(1), temperature=geometric_cooling(0.5))

    def closure():
        optimizer.zero_grad()
        loss = (x**2).sum()
        loss.backward()
        return loss

    for _ in range(4):
        optimizer.step(closure)
    assert handle.applied_of("temperature").ravel().tolist() == [2.0, 1.0, 0.5, 0.25]


# -- steps that are none ----------------------------------------------------------------------------------------------

STATEFUL = {
    "torch AdamW": lambda p, lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.1),
    "torch SGD": lambda p, lr: torch.optim.SGD(p, lr=lr, weight_decay=0.1),
    "torch momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, weight_decay=0.1, momentum=0.9),
    "our AdamW": lambda p, lr: optimizers.AdamW(p, lr=lr, weight_decay=0.1),
    "our SGD": lambda p, lr: optimizers.SGD(p, lr=lr, weight_decay=0.1),
    "our LARS": lambda p, lr: optimizers.LARS(p, lr=lr, weight_decay=0.1),
    "our HypergradientAdam": lambda p, lr: optimizers.HypergradientAdam(p, lr=lr, weight_decay=0.1),
}


def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)).double()


def learn(model, optimizer, count):
    for t in range(count):
        optimizer.zero_grad()
        model(torch.ones(2, 3, dtype=torch.float64) + t).square().mean().backward()
        optimizer.step()


def grouped(model):
    return [{"params": model[0].parameters()}, {"params": model[1].parameters()}]


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("rate", [0.01, torch.tensor(0.01, dtype=torch.float64)])
@pytest.mark.parametrize("make", STATEFUL.values(), ids=list(STATEFUL))
def test_torchs_own_step_with_rate_0_moves_nothing_and_does_not_count(make, rate, flat):
    """torch.distributed.checkpoint fills an empty state by a step with rate 0, when it saves and when it loads."""
    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    model, plateau = net(), Plateau(factor=0.5, patience=0)
    optimizer = make(grouped(model), copy.deepcopy(rate))
    handle, before = attach(optimizer, PLAN, plateau=plateau), [p.detach().clone() for p in model.parameters()]
    get_optimizer_state_dict(model, optimizer, options=options)
    assert handle.t == 0 and len(handle.applied) == 0 and all(map(torch.equal, model.parameters(), before))
    learn(model, optimizer, 5)
    handle.report(1.0), handle.report(1.0)
    np.testing.assert_array_equal(handle.applied, handle.planned())
    assert handle.t == 5 and handle.scale == 0.5
    saved = copy.deepcopy(get_optimizer_state_dict(model, optimizer, options=options))
    other = net()
    other.load_state_dict(model.state_dict())
    fresh = make(grouped(other), 7.0 if isinstance(rate, float) else torch.tensor(7.0, dtype=torch.float64))
    again = attach(fresh, PLAN, plateau=plateau)
    set_optimizer_state_dict(other, fresh, saved, options=options)
    assert again.t == 5 and all(map(torch.equal, model.parameters(), other.parameters()))
    learn(model, optimizer, 4)
    learn(other, fresh, 4)
    np.testing.assert_array_equal(again.applied, handle.applied[5:])
    assert all(map(torch.equal, model.parameters(), other.parameters()))


def test_a_step_with_rate_0_and_gradient_0_counts_where_it_is_the_plans():
    optimizer = sgd()
    optimizer.param_groups[0]["params"][0].grad.zero_()
    handle = attach(optimizer, linear(2, final=0) >> hold(2, 0) >> linear(4))
    run(optimizer, 8)
    assert handle.t == 8 and handle.applied[2:5, 0].tolist() == [0, 0, 0.5]


def test_a_step_that_calls_its_parents_counts_once():
    """torch calls the hooks around both, if the parent class was ever used by itself."""

    class Own(torch.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    sgd()
    optimizer = Own(parameters(), lr=0.5)
    handle = attach(optimizer, PLAN)
    run(optimizer, 4)
    assert handle.t == 4
    np.testing.assert_array_equal(handle.applied[:, 0], [0.5 * PLAN(t) for t in range(4)])


# -- values set by others ---------------------------------------------------------------------------------------------


def scheduled(scheduler, optimizer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it was made before the plan was attached
        scheduler.step()


MEDDLING = {
    "halved": lambda o, s: o.param_groups[1].update(lr=o.param_groups[1]["lr"] / 2),
    "zero": lambda o, s: o.param_groups[1].update(lr=0.0),
    "nan": lambda o, s: o.param_groups[1].update(lr=math.nan),
    "a scheduler": lambda o, s: scheduled(s, o),
    "momentum": lambda o, s: o.param_groups[1].update(momentum=0.1),
}


@pytest.mark.parametrize("out", ["set_base", "detach"])
@pytest.mark.parametrize("meddle", MEDDLING.values(), ids=list(MEDDLING))
def test_a_value_set_by_others_is_said_before_anything_moves(meddle, out):
    optimizer = torch.optim.SGD([{"params": [p]} for p in parameters(2)], lr=1.0, momentum=0.8)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    handle = attach(optimizer, linear(10), momentum=FALL)
    run(optimizer, 2)
    meddle(optimizer, scheduler)
    held = [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]
    for _ in range(2):
        with pytest.raises(ValueError, match="under a plan a value set by hand, or by another.*set_base.*detach"):
            optimizer.step()
    assert all(map(torch.equal, held, [p for group in optimizer.param_groups for p in group["params"]]))
    assert handle.t == 2 and len(handle.applied) == 2
    if out == "set_base":
        handle.set_base([1.0, 0.0])
        handle.set_base(0.5, "momentum")
        run(optimizer, 1)
        assert handle.applied[2].tolist() == [1 * linear(10)(2), 0]
        assert handle.applied_of("momentum")[2].tolist() == [0.5 * FALL(2)] * 2
    else:
        handle.detach()
        meddle(optimizer, scheduler)
        run(optimizer, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tensor_filled_by_others_is_said_too(dtype):
    optimizer = sgd(lr=torch.tensor(0.3, dtype=dtype))
    handle = attach(optimizer, linear(10))
    run(optimizer, 3)
    optimizer.param_groups[0]["lr"].mul_(0.5)
    with pytest.raises(ValueError, match="lr of group 0 is .* set_base"):
        optimizer.step()
    handle.set_base(0.1)
    run(optimizer, 1)
    assert handle.t == 4 and handle.last == [torch.tensor(0.1 * linear(10)(3), dtype=dtype).item()]


def test_a_value_in_a_state_is_newer_than_its_base():
    saved = sgd()
    attach(saved, linear(10))
    run(saved, 3)
    state = saved.state_dict()
    state["param_groups"][0]["lr"] = 0.01
    loaded = sgd(lr=9.0)
    handle = attach(loaded, linear(10))
    loaded.load_state_dict(state)
    run(loaded, 1)
    assert handle.applied.tolist() == [[0.01 * linear(10)(3)]]


@pytest.mark.parametrize("attached_first", [True, False])
def test_a_state_in_memory_keeps_the_value_of_a_tensor_that_moves_on(attached_first):
    rate, *betas = [torch.tensor(x, dtype=torch.float64) for x in (0.5, 0.5, 0.9)]
    optimizer = torch.optim.Adam(parameters(), lr=rate, betas=tuple(betas), foreach=False)
    handle = attach(optimizer, PLAN, beta1=FALL)
    run(optimizer, 4)
    state = optimizer.state_dict()
    run(optimizer, 3)
    other = torch.optim.Adam(parameters(), lr=9.0)
    again = attach(other, PLAN, beta1=FALL) if attached_first else None
    other.load_state_dict(state)
    again = again or attach(other, PLAN, beta1=FALL)
    run(other, 3)
    assert again.base == [0.5] and again.base_of("beta1") == [0.5]
    np.testing.assert_array_equal(again.applied, handle.applied[4:])
    np.testing.assert_array_equal(again.applied_of("beta1"), handle.applied_of("beta1")[4:])


def test_a_rate_that_a_scheduler_has_moved_is_said_with_the_one_it_began_at():
    optimizer = torch.optim.SGD([{"params": [p]} for p in parameters(2)], lr=0.5)
    optimizer.param_groups[1]["lr"] = 0.25
    torch.optim.lr_scheduler.LinearLR(optimizer, 0.25)
    with pytest.warns(
        UserWarning, match=r"rates of now, \[0.125, 0.0625\].*initial_lr, \[0.5, 0.25\].*set_base\(\[0.5"
    ):
        handle = attach(optimizer, linear(10))
    handle.set_base([0.5, 0.25])
    run(optimizer, 2)
    state = optimizer.state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a base that a plan has had is no guess
        handle.detach()
        optimizer.load_state_dict(state)
        assert attach(optimizer, linear(10)).base == [0.5, 0.25]


def test_loading_a_state_of_a_scheduler_in_mid_run_says_what_the_base_is():
    saved = sgd(lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(saved, 1, gamma=0.5)
    run(saved, 1)
    scheduler.step()
    loaded = sgd(lr=9.0)
    handle = attach(loaded, linear(10))
    with pytest.warns(UserWarning, match=r"rates of now, \[0.25\].*initial_lr, \[0.5\]"):
        loaded.load_state_dict(saved.state_dict())
    assert handle.base == [0.25]


# -- groups that share, come and go -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tensor", [False, True])
def test_groups_that_name_no_rate_follow_alike_with_a_tensor_and_a_number(tensor):
    """torch gives all of them one and the same tensor, and one added later what that holds by then."""
    rate, *betas = [torch.tensor(x, dtype=torch.float64) if tensor else x for x in (0.1, 0.9, 0.99)]
    one, two, late = parameters(3)
    optimizer = torch.optim.Adam([{"params": [one]}, {"params": [two]}], lr=rate, betas=tuple(betas), foreach=False)
    handle = attach(optimizer, linear(10), beta1=FALL)
    handle.set_base([0.1, 0.3])
    run(optimizer, 3)
    optimizer.add_param_group({"params": [late]})
    run(optimizer, 2)
    assert handle.base == [0.1, 0.3, 0.1] and handle.base_of("beta1") == [0.9, 0.9, 0.9]
    np.testing.assert_array_equal(handle.applied, handle.planned())
    np.testing.assert_array_equal(handle.applied_of("beta1"), handle.planned("beta1"))
    np.testing.assert_allclose(handle.applied[4], np.array([0.1, 0.3, 0.1]) * linear(10)(4), rtol=1e-15)
    handle.detach()
    assert [float(group["lr"]) for group in optimizer.param_groups] == [0.1, 0.3, 0.1]
    assert [float(group["betas"][0]) for group in optimizer.param_groups] == [0.9, 0.9, 0.9]
    assert float(optimizer.defaults["lr"]) == 0.1 and (not tensor or optimizer.param_groups[0]["lr"] is rate)


def removed_first(optimizer):
    del optimizer.param_groups[0]


def removed_last(optimizer):
    optimizer.param_groups.pop()


def reordered(optimizer):
    optimizer.param_groups.reverse()


def replaced(optimizer):
    optimizer.param_groups[1] = dict(optimizer.param_groups[1])


def rebuilt(optimizer):
    optimizer.param_groups = [{**optimizer.defaults, "params": group["params"]} for group in optimizer.param_groups]


def exchanged(optimizer):
    del optimizer.param_groups[2]
    optimizer.add_param_group({"params": parameters(1)})


@pytest.mark.parametrize("edit", [removed_first, removed_last, reordered, replaced, rebuilt, exchanged])
def test_groups_that_go_are_said_before_anything_moves_and_the_plan_goes_on_after_a_new_attach(edit):
    optimizer = torch.optim.SGD([{"params": [p]} for p in parameters(3)], lr=0.5, momentum=0.9)
    handle = attach(optimizer, linear(10), plateau=Plateau())
    run(optimizer, 3)
    edit(optimizer)
    held = [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]
    with pytest.raises(
        ValueError, match=r"taken out, replaced or reordered.*detach\(\) and attach\(optimizer, plan, t=3\)"
    ):
        optimizer.step()
    assert all(map(torch.equal, held, [p for group in optimizer.param_groups for p in group["params"]]))
    for told in (lambda: handle.report(1.0), lambda: handle.set_base(1.0)):
        with pytest.raises(ValueError, match="taken out, replaced or reordered"):
            told()
    assert handle.t == 3 and handle.scale == 1
    handle.detach()
    again = attach(optimizer, linear(10), t=handle.t)
    run(optimizer, 1)
    assert again.t == 4 and again.base == [0.5] * len(optimizer.param_groups)
    np.testing.assert_allclose(again.applied[0], 0.5 * linear(10)(3), rtol=1e-15)


def test_a_later_group_that_cannot_follow_is_said_before_anything_moves():
    optimizer = sgd()
    handle = attach(optimizer, linear(10))
    run(optimizer, 1)
    optimizer.add_param_group({"params": parameters(1), "lr": None})
    before = optimizer.param_groups[0]["params"][0].detach().clone()
    with pytest.raises(ValueError, match="lr of SGD must be one number or a tensor of one; got None"):
        optimizer.step()
    assert torch.equal(before, optimizer.param_groups[0]["params"][0]) and handle.t == 1
    optimizer.param_groups[1]["lr"] = 0.25
    run(optimizer, 1)
    assert handle.applied[1].tolist() == [0.5 * linear(10)(1), 0.25 * linear(10)(1)]


def steps_with(optimizer, found_inf):
    optimizer.found_inf = torch.tensor(found_inf)  # as GradScaler leaves it for a fused optimizer
    optimizer.step()


def fails(optimizer):
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)


def rehearses(optimizer):
    """What torch.distributed.checkpoint does to fill an empty state."""
    column = optimizer.param_groups
    held = [(group["lr"], group["params"][0].grad) for group in column]
    for group in column:
        group["lr"] = torch.tensor(0.0) if isinstance(group["lr"], torch.Tensor) else 0.0
        group["params"][0].grad = torch.zeros(2, dtype=torch.float64)
    optimizer.step()
    for group, (lr, gradient) in zip(column, held, strict=True):
        group["lr"], group["params"][0].grad = lr, gradient


def copied(optimizer, handle):
    optimizer, handle = copy.deepcopy((optimizer, handle))
    for group in optimizer.param_groups:
        group["params"][0].grad = torch.ones(2, dtype=torch.float64)
    return optimizer, handle


@given(
    actions=st.lists(st.sampled_from("step fail skip rehearse base add load copy".split()), max_size=25),
    tensor=st.booleans(),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_whatever_happens_in_between_the_steps_that_count_have_the_planned_rates(actions, tensor):
    optimizer = sgd(lr=torch.tensor(0.5, dtype=torch.float64) if tensor else 0.5, fused=True)
    handle, bases, expected = attach(optimizer, PLAN), [0.5], []
    for action in actions:
        if action == "step":
            steps_with(optimizer, 0.0)
            expected = [*expected, [base * PLAN(len(expected)) for base in bases]]
        elif action == "skip":
            steps_with(optimizer, 1.0)
        elif action == "fail":
            fails(optimizer)
        elif action == "rehearse":
            rehearses(optimizer)
        elif action == "base":
            bases = [base * 0.75 for base in bases]
            handle.set_base(bases)
        elif action == "add":
            optimizer.add_param_group({"params": parameters(1)})
            bases = [*bases, 0.5]
        elif action == "load":
            optimizer.load_state_dict(optimizer.state_dict())
        else:
            optimizer, handle = copied(optimizer, handle)
    assert handle.t == len(expected) == handle.first + len(handle.applied)
    np.testing.assert_array_equal(handle.applied, handle.planned())
    for found, row in zip(handle.applied, expected[handle.first :], strict=True):
        np.testing.assert_allclose(found[: len(row)], row, rtol=1e-15)
        assert np.isnan(found[len(row) :]).all()
    handle.detach()
    np.testing.assert_allclose([float(group["lr"]) for group in optimizer.param_groups][: len(bases)], bases)


# -- copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["optimizer", "handle"])
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_of_optimizer_and_handle_goes_on_by_itself(clone, first):
    optimizer = optimizers.Momentum(parameters(), lr=0.5)
    handle = attach(optimizer, PLAN, plateau=Plateau(factor=0.5, patience=0), momentum=FALL)
    run(optimizer, 2)
    both = (
        {"optimizer": optimizer, "handle": handle}
        if first == "optimizer"
        else {"handle": handle, "optimizer": optimizer}
    )
    twins = clone(both)
    twin, its = twins["optimizer"], twins["handle"]
    assert twin.attachment is its and optimizer.attachment is handle
    twin.param_groups[0]["params"][0].grad = torch.ones(2, dtype=torch.float64)
    its.set_base(0.1)
    its.report(1.0), its.report(1.0)
    run(twin, 3)
    run(optimizer, 1)
    assert (its.t, its.base, its.scale) == (5, [0.1], 0.5) and (handle.t, handle.base, handle.scale) == (3, [0.5], 1)
    np.testing.assert_array_equal(its.applied[:2], handle.applied[:2])
    np.testing.assert_array_equal(its.applied, its.planned())
    np.testing.assert_array_equal(its.applied_of("momentum"), its.planned("momentum"))
    its.detach()
    assert twin.param_groups[0]["lr"] == 0.1 and optimizer.param_groups[0]["lr"] == 0.5 * PLAN(2)


def test_a_copied_handle_alone_keeps_the_record_and_a_detached_one_stays_detached():
    optimizer = sgd()
    handle = attach(optimizer, PLAN)
    run(optimizer, 2)
    alone = copy.deepcopy(handle)
    assert alone.t == 2 and np.array_equal(alone.applied, handle.applied) and alone.base == []
    with pytest.raises(ValueError, match="already follows"):
        copy.copy(handle)
    handle.detach()
    for gone in (copy.deepcopy(handle), copy.copy(handle), pickle.loads(pickle.dumps(handle))):
        assert gone.t == 2 and "detached at t=2" in repr(gone) and np.array_equal(gone.applied, handle.applied)
    run(optimizer, 1)
    assert attach(optimizer, PLAN).t == 0


def test_a_plan_that_cannot_be_pickled_says_so():
    optimizer = sgd()
    attach(optimizer, lambda t: 1.0)
    pickle.loads(pickle.dumps(optimizer))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(optimizer.attachment)


# -- wrappers ---------------------------------------------------------------------------------------------------------


class HandsOn(torch.optim.Optimizer):
    """As accelerate's AcceleratedOptimizer: no hooks of its own, groups and state are the inner ones."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    param_groups = property(lambda self: self.optimizer.param_groups)
    state = property(lambda self: self.optimizer.state)

    def step(self, closure=None):
        return self.optimizer.step(closure)


class Mirror:
    """As Lightning's LightningOptimizer: no subclass, but the attributes of the inner optimizer."""

    def __init__(self, optimizer):
        self.__dict__ = {**vars(optimizer), "_optimizer": optimizer}


class Averaging(torch.optim.Optimizer):
    """A wrapper with a state of its own, which acts between the inner steps."""

    def __init__(self, optimizer):
        self.base_optimizer, self.state = optimizer, {}

    param_groups = property(lambda self: self.base_optimizer.param_groups)


class Foreign:
    """A wrapper that is no subclass and shows nothing."""

    def __init__(self, optimizer):
        self.inside = optimizer


@pytest.mark.parametrize("wrap", [HandsOn, Mirror, lambda o: HandsOn(HandsOn(o))])
def test_a_wrapper_that_only_hands_on_is_followed_to_what_it_wraps(wrap):
    inner = sgd()
    outer = wrap(inner)
    handle = attach(outer, PLAN)
    for _ in range(3):
        (outer if isinstance(outer, HandsOn) else inner).step()
    assert inner.attachment is handle and handle.t == 3
    np.testing.assert_array_equal(handle.applied, handle.planned())
    with pytest.raises(ValueError, match="already follows"):
        attach(inner, PLAN)


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (Averaging, r"Averaging wraps SGD and does more.*its \.base_optimizer"),
        (Foreign, r"Foreign wraps SGD and does more.*its \.inside"),
        (lambda o: HandsOn(Averaging(o)), r"Averaging wraps SGD.*its \.base_optimizer"),
        (pytorch_optimizer.Lookahead, r"Lookahead wraps SGD.*its \.optimizer"),
        (pytorch_optimizer.ScheduleFreeWrapper, r"ScheduleFreeWrapper wraps SGD.*its \.optimizer"),
        (pytorch_optimizer.OrthoGrad, r"OrthoGrad wraps SGD.*its \.optimizer"),
    ],
)
def test_a_wrapper_that_does_more_is_refused_with_the_name_of_what_it_wraps(wrap, words):
    inner = sgd()
    before = dict(inner.param_groups[0])
    with pytest.raises(TypeError, match=words):
        attach(wrap(inner), PLAN)
    assert {k: v for k, v in inner.param_groups[0].items() if k in before} == before
    attach(inner, PLAN)


def test_a_method_with_an_inner_optimizer_and_hooks_of_its_own_is_followed_itself():
    optimizer = pytorch_optimizer.SAM(parameters(), torch.optim.SGD, lr=0.5)
    handle = attach(optimizer, PLAN)
    assert optimizer.attachment is handle


# -- leaving ----------------------------------------------------------------------------------------------------------


def test_detach_restores_base_rates_and_leaves_nothing_behind():
    optimizer = torch.optim.SGD([{"params": p, "lr": 0.5 / (k + 1)} for k, p in enumerate(parameters(2))])
    keys = set(optimizer.param_groups[0])
    handle = attach(optimizer, PLAN)
    run(optimizer, 5)
    handle.detach()
    handle.detach()
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25]
    assert set(optimizer.param_groups[0]) == keys
    run(optimizer, 3)
    assert handle.t == 5 and len(handle.applied) == 5 and "detached at t=5" in repr(handle)
    again = attach(optimizer, PLAN)
    assert again.t == 0 and again.base == [0.5, 0.25]
    with pytest.raises(ValueError, match="was detached"):
        handle.set_base(1.0)


def test_the_handle_keeps_no_optimizer_alive():
    optimizer = sgd()
    handle = attach(optimizer, PLAN)
    run(optimizer, 2)
    gone = weakref.ref(optimizer)
    gc.disable()
    try:
        del optimizer
        assert gone() is None
    finally:
        gc.enable()
    assert handle.t == 2 and len(handle.applied) == 2 and handle.base == []
    handle.detach()


# -- errors -----------------------------------------------------------------------------------------------------------


def test_a_second_attach_is_refused():
    optimizer = sgd()
    handle = attach(optimizer, PLAN)
    with pytest.raises(ValueError, match="already follows warmup.*detach"):
        attach(optimizer, hold(3))
    run(optimizer, 1)
    assert handle.t == 1 and "t=1" in repr(handle)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (lambda: (None, PLAN), TypeError, "optimizer must be a torch.optim.Optimizer; got NoneType"),
        (lambda: (sgd(), 0.1), TypeError, "plan must be a Plan or a function of the step; got 0.1"),
        (lambda: (sgd(), Plan), TypeError, "plan must be a Plan or a function of the step; got <class"),
        (lambda: (sgd(), PLAN, -1), ValueError, "t must be a whole number of at least 0; got -1"),
        (lambda: (sgd(), PLAN, 1.5), TypeError, "t must be a whole number"),
        (lambda: (sgd(lr=torch.tensor(1)), PLAN), ValueError, "lr of SGD is a tensor of torch.int64.*a float tensor"),
        (lambda: (without("lr"), PLAN), ValueError, "SGD has no lr to put a plan on; its options are momentum"),
        (lambda: (changed(lr=None), PLAN), ValueError, "lr of SGD must be one number or a tensor of one; got None"),
        (lambda: (changed(lr=torch.ones(2)), PLAN), ValueError, "lr of SGD must be one number or a tensor of one"),
        (lambda: (changed(lr=[0.1]), PLAN), ValueError, "lr of SGD must be one number or a tensor of one"),
        (lambda: (torch.optim.Optimizer.__new__(torch.optim.SGD), PLAN), TypeError, "SGD lacks the hooks"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        attach(*arguments())


@pytest.mark.parametrize(
    ("make", "plans", "error", "words"),
    [
        (
            sgd,
            {"beta1": FALL},
            ValueError,
            "'beta1' cannot follow a plan in SGD, which has momentum, dampening, weight_decay",
        ),
        (sgd, {"applied_lr": FALL}, ValueError, "'applied_lr' cannot follow a plan"),
        (lambda: sgd(momentum=0.9), {"momentum": 0.5}, TypeError, "momentum must be a Plan or a function"),
        (sgd, {"momentum": FALL}, ValueError, "momentum is 0 in every group.*its largest momentum"),
        (
            lambda: torch.optim.LBFGS(parameters()),
            {"history_size": FALL},
            ValueError,
            "history_size of LBFGS counts something, 100 now.*give the optimizer 100.0",
        ),
        (
            lambda: torch.optim.Muon([torch.nn.Parameter(torch.ones(2, 2))]),
            {"ns_steps": FALL},
            ValueError,
            "ns_steps of Muon counts something, 5 now",
        ),
        (
            lambda: optimizers.AnnealedSGD(parameters(), seed=3),
            {"seed": FALL},
            ValueError,
            "seed of AnnealedSGD counts",
        ),
    ],
)
def test_wrong_plans_are_named_before_anything_changes(make, plans, error, words):
    optimizer = make()
    before = dict(optimizer.param_groups[0])
    with pytest.raises(error, match=words):
        attach(optimizer, PLAN, **plans)
    assert optimizer.param_groups[0] == before and getattr(optimizer, "attachment", None) is None


NO_FACTORS = [math.nan, -0.1, math.inf, 10**400, "0.5", b"1", None, True, np.True_, 1j, [0.5], {}, np.ones(2), hold(3)]
NO_FACTORS += [np.array(["0.5"]), torch.tensor([0.5, 0.5]), torch.tensor(True), torch.tensor(math.nan)]


@pytest.mark.parametrize("bad", NO_FACTORS, ids=repr)
@pytest.mark.parametrize(("option", "named"), [("lr", "plan"), ("momentum", "the plan of momentum")])
def test_a_bad_factor_stops_before_anything_changes(option, named, bad):
    optimizer = sgd(momentum=0.5)
    plans = {"lr": hold(9), option: lambda t: bad if t == 2 else 1.0}
    handle = attach(optimizer, plans.pop("lr"), **plans)
    run(optimizer, 2)
    before = optimizer.param_groups[0]["params"][0].clone()
    with pytest.raises((TypeError, ValueError), match=f"^{named} at t=2 must be a finite number of at least 0; got "):
        optimizer.step()
    assert torch.equal(optimizer.param_groups[0]["params"][0], before)
    assert handle.t == 2 and optimizer.param_groups[0][option] == 0.5


ONES = [1, np.float32(1), np.array([1.0]), torch.tensor([1.0], requires_grad=True)]


@pytest.mark.parametrize("one", ONES, ids=repr)
def test_a_factor_may_be_any_one_number(one):
    optimizer = sgd()
    handle = attach(optimizer, lambda t: one)
    run(optimizer, 2)
    assert handle.applied.tolist() == handle.planned().tolist() == [[0.5], [0.5]]


@pytest.mark.parametrize("builder", list(map(plans.__dict__.get, BUILDERS)), ids=lambda each: each.__name__)
def test_a_builder_of_plans_that_was_not_called_is_refused_at_once(builder):
    words = f"must be a Plan or a function of the step; got {builder.__name__}, which makes a Plan: call it"
    optimizer = sgd(momentum=0.9)
    before = dict(optimizer.param_groups[0])
    for given_plans in ({"plan": builder}, {"plan": PLAN, "momentum": builder}):
        with pytest.raises(TypeError, match=f"^{list(given_plans)[-1]} {words}"):
            attach(optimizer, **given_plans)
    assert optimizer.param_groups[0] == before and getattr(optimizer, "attachment", None) is None


@pytest.mark.gpu
@pytest.mark.parametrize("tensor", [False, True])
def test_on_a_gpu_applied_equals_planned(tensor):
    x = torch.nn.Parameter(torch.ones(2, device="cuda"))
    x.grad = torch.ones_like(x)
    optimizer = torch.optim.Adam([x], lr=torch.tensor(0.5, device="cuda") if tensor else 0.5, capturable=tensor)
    handle = attach(optimizer, PLAN)
    run(optimizer, 12)
    np.testing.assert_allclose(handle.applied, handle.planned(), rtol=1e-6 if tensor else 0)


@pytest.mark.parametrize("changed, t, applied", [(0.01, 0, 0.01), (None, None, 0.5 * linear(10)(3))])
def test_a_rate_set_after_loading_is_newer_than_the_saved_base(changed, t, applied):
    """A loaded state brings its base rate and step; what the user sets afterwards replaces them."""
    saved = sgd()
    attach(saved, linear(10))
    for _ in range(3):
        saved.step()
    loaded = sgd(lr=0.1)
    loaded.load_state_dict(saved.state_dict())
    if changed is not None:
        loaded.param_groups[0]["lr"] = changed
    handle = attach(loaded, linear(10), t=t)
    loaded.step()
    assert handle.applied.tolist() == [[applied]]
