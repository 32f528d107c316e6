"""Every schedule against independent implementations: what the optimizer really used in each of 200 steps and more."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_peers import CASES
from table import note
from torch.optim import lr_scheduler as torch_lr

from lrlib import Plateau, attach, plans as s

few = settings(max_examples=10, deadline=None, derandomize=True)


class Watched(torch.optim.Optimizer):
    """Gradient descent on one number a group, gradient 1, which writes down what it uses inside its step."""

    def __init__(self, groups, momentum):
        super().__init__(groups, {"lr": 1.0, "momentum": momentum})
        self.rates, self.momenta, self.x = [], [], np.zeros(len(self.param_groups))

    def step(self, closure=None):
        self.rates.append([float(group["lr"]) for group in self.param_groups])
        self.momenta.append([group["momentum"] for group in self.param_groups])
        self.x -= self.rates[-1]


def optimizer_with(bases, momentum=0.0, tensor=False):
    """A `Watched` optimizer whose groups have these base rates."""
    rate = lambda base: torch.tensor(base, dtype=torch.float64) if tensor else base
    return Watched([{"params": [torch.zeros(1)], "lr": rate(base)} for base in bases], momentum)


def run(optimizer, steps, advance=lambda t: None):
    """What the optimizer used: rates, momenta [steps, groups], and where its numbers ended."""
    for t in range(steps):
        optimizer.step()
        advance(t)
    return np.array(optimizer.rates), np.array(optimizer.momenta), optimizer.x


def used(setting, tensor):
    """(ours, theirs), each rates, momenta and ends."""
    ours = optimizer_with(setting.bases, setting.momentum, tensor)
    handle = attach(ours, setting.plan, **setting.plans)
    mine = run(ours, setting.steps)
    np.testing.assert_array_equal(handle.applied, mine[0])
    theirs = optimizer_with(setting.bases, setting.momentum, tensor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mine, run(theirs, setting.steps, setting.peer(theirs))


@pytest.mark.parametrize("case", CASES, ids=[f"{c.row}-{c.name}" for c in CASES])
@given(data=st.data())
@few
def test_the_optimizer_uses_what_the_peer_would_have_set(case, data):
    setting = case.draw(data)
    tensor = case.tensor_rate and data.draw(st.booleans(), label="tensor rate")
    ours, theirs = used(setting, tensor)
    assert len(ours[0]) >= 200
    for mine, peers in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, peers, rtol=1e-11, atol=1e-12)
    for row, mine, peers in (("rate", ours[0], theirs[0]), ("momentum", ours[1], theirs[1])):
        if row == "rate" or setting.plans:
            name = case.row if row == "rate" else f"{case.row}, momentum"
            note("schedule", name, f"{case.oracle} {case.name}", float(np.abs(mine - peers).max()))


def test_the_defaults_are_those_of_torch_and_of_the_papers():
    optimizer = optimizer_with([1.0], 0.95)
    scheduler = torch_lr.OneCycleLR(optimizer, max_lr=1.0, total_steps=100)
    seen = []
    for _ in range(99):
        seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        scheduler.step()
    rates, momenta = np.array(seen).T
    t = np.arange(99)
    np.testing.assert_allclose(s.one_cycle(100)(t), rates, rtol=1e-9)
    np.testing.assert_allclose(0.95 * s.one_cycle_momentum(100)(t), momenta, rtol=1e-9)
    assert s.exp_range(10)(30) == pytest.approx(0.25 + 0.75 * 0.99994**30, rel=1e-12)
    assert s.logarithmic_cooling(3)(7) == pytest.approx(math.log(2) / math.log(2 + 7 / 3), rel=1e-12)


def test_no_scheduler_of_torch_is_left_out():
    compared = {case.name for case in CASES if case.oracle == "torch"}
    assert set(torch_lr.__all__) - compared == {"LRScheduler", "ReduceLROnPlateau"}  # the base, and the test below


# -- reduce on plateau ------------------------------------------------------------------------------------------------

metrics = st.lists(  # not negative: for those torch's margin points the wrong way (below)
    st.one_of(st.floats(0, 3), st.sampled_from([0.0, 1.0, math.nan, math.inf])), min_size=200, max_size=230
)


@given(
    values=metrics,
    mode=st.sampled_from(["min", "max"]),
    factor=st.floats(0.1, 0.99),
    patience=st.integers(0, 12),
    threshold=st.sampled_from([0.0, 1e-4, 0.3, 2.0]),
    threshold_mode=st.sampled_from(["rel", "abs"]),
    cooldown=st.integers(0, 7),
    least=st.sampled_from([0.0, 1e-3, 0.3]),
)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_plateau_reduces_where_torchs_does(values, mode, factor, least, **options):
    bases = (1.0, 0.5, 2.0)
    ours, theirs = optimizer_with(bases), optimizer_with(bases)
    handle = attach(ours, s.constant(), plateau=Plateau(mode, factor, least=least, **options))
    scheduler = torch_lr.ReduceLROnPlateau(theirs, mode, factor, min_lr=[least * b for b in bases], eps=0, **options)
    mine = run(ours, len(values), lambda t: handle.report(values[t]))
    peers = run(theirs, len(values), lambda t: scheduler.step(values[t]))
    for a, b in zip(mine, peers):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-300)
    np.testing.assert_array_equal(handle.applied, handle.planned())
    note("schedule", "Plateau", "torch ReduceLROnPlateau", float(np.abs(mine[0] - peers[0]).max()))


# -- where torch and others differ, and why ---------------------------------------------------------------------------


def theirs(make, steps, bases=(1.0,), momentum=0.0):
    """Rates that a peer's scheduler sets."""
    optimizer = optimizer_with(bases, momentum)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        return run(optimizer, steps, lambda t: scheduler.step())[0]


def rises_again():
    t = np.arange(60)
    found = theirs(lambda o: torch_lr.CosineAnnealingLR(o, 20), 60)[:, 0]
    wave = (s.cosine(20) >> s.ramp(20, 0, 1, shape="cosine")).repeat()
    np.testing.assert_allclose(found, wave(t), atol=1e-12)
    assert found[40] > 0.99 and s.cosine(20)(40) == 0


def absolute_floor():
    found = theirs(lambda o: torch_lr.CosineAnnealingLR(o, 20, eta_min=0.1), 21, (1.0, 0.1))
    np.testing.assert_allclose(found[20], [0.1, 0.1], rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], 0.1, rtol=1e-12)
    assert s.cosine(20, final=0.1)(20) == 0.1


def peak_between_steps():
    found = theirs(lambda o: torch_lr.OneCycleLR(o, 1.0, 205, pct_start=0.3, cycle_momentum=False), 204)[:, 0]
    ours = s.one_cycle(205, rise=0.3)(np.arange(204))
    assert found.max() < 1 == ours.max() and np.abs(found - ours).max() < 0.05


def leaves_the_end():
    optimizer = optimizer_with((1.0,))
    scheduler = torch_lr.OneCycleLR(optimizer, 1.0, 50, cycle_momentum=False)
    values = []
    for _ in range(50):
        optimizer.step()
        scheduler.step()
        values.append(optimizer.param_groups[0]["lr"])
    assert values[49] > values[48]
    with pytest.raises(ValueError, match="total steps"):
        scheduler.step()
    assert s.one_cycle(50)(49) == s.one_cycle(50)(10_000)


def takes_the_rates_over():
    found = theirs(lambda o: torch_lr.OneCycleLR(o, 1.0, 50, cycle_momentum=False), 49, (1.0, 0.1))
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


def cycles_momentum_unasked():
    optimizer = optimizer_with((1.0,), momentum=0.5)
    torch_lr.CyclicLR(optimizer, 0.1, 1.0)
    assert optimizer.param_groups[0]["momentum"] == 0.9


def cannot_start_at_zero():
    with pytest.raises(ValueError, match="[Ss]tarting"):
        torch_lr.LinearLR(optimizer_with((1.0,)), start_factor=0)
    assert s.ramp(5, 0, 1)(0) == 0


def small_reductions_skipped():
    optimizer = optimizer_with((1e-7,))
    scheduler = torch_lr.ReduceLROnPlateau(optimizer, factor=0.95, patience=0)
    handle = attach(ours := optimizer_with((1e-7,)), s.constant(), plateau=Plateau(factor=0.95, patience=0))
    for _ in range(2):
        scheduler.step(1.0)
        handle.report(1.0)
    ours.step()
    assert optimizer.param_groups[0]["lr"] == 1e-7 and handle.last == [0.95 * 1e-7]


def worse_counts_as_better():
    optimizer = optimizer_with((1.0,))
    scheduler = torch_lr.ReduceLROnPlateau(optimizer, patience=0)
    handle = attach(ours := optimizer_with((1.0,)), s.constant(), plateau=Plateau(patience=0))
    for loss in (-5.0, -4.9999, -4.9998, -4.9997):
        scheduler.step(loss)
        handle.report(loss)
    ours.step()
    assert scheduler.best == -4.9997 and optimizer.param_groups[0]["lr"] == 1
    np.testing.assert_allclose(handle.last, [1e-3], rtol=1e-12)


def loads_old_settings():
    def scheduler(n):
        return torch_lr.CosineAnnealingLR(optimizer_with((1.0,)), n)

    new = scheduler(500)
    new.load_state_dict(scheduler(10).state_dict())
    assert new.T_max == 10
    old = optimizer_with((1.0,))
    attach(old, s.cosine(10))
    fresh = optimizer_with((1.0,))
    handle = attach(fresh, s.cosine(500))
    fresh.load_state_dict(old.state_dict())
    assert handle.plan == s.cosine(500)


def milestone_one_early():
    from oracles import timm

    optimizer = optimizer_with((1.0,))
    scheduler = timm("timm.scheduler.multistep_lr").MultiStepLRScheduler(optimizer, [10], 0.1, t_in_epochs=False)
    rates = run(optimizer, 20, lambda t: scheduler.step_update(t + 1))[0][:, 0]
    assert np.flatnonzero(rates < 1)[0] == 9 and s.multi_step([10]).when(0.1) == 10


def floor_ignored():
    from pytorch_optimizer.lr_scheduler import get_wsd_schedule

    make = lambda o: get_wsd_schedule(o, 5, 5, 20, min_lr_ratio=0.1, cooldown_type="linear")
    found = theirs(make, 40)[:, 0]
    assert found[29] < 0.1 and found[30] == 0.1
    ours = (s.warmup(5, start=0) >> s.wsd(25, cool=20, shape="linear", final=0.1))(np.arange(40))
    assert (np.diff(ours[10:]) <= 0).all() and ours[30] == 0.1


QUIRKS = {
    rises_again: "CosineAnnealingLR goes up again after T_max: it is periodic. A plan holds its last value.",
    absolute_floor: "eta_min is one rate for all groups, so groups end alike (and a small one rises). A plan's final "
    "value is a factor: groups keep their ratio.",
    peak_between_steps: "Where rise · n is not whole, OneCycleLR's highest rate lies between two steps and is never used.",
    leaves_the_end: "OneCycleLR rises at step total_steps and raises an error after it. A plan holds its last value.",
    takes_the_rates_over: "OneCycleLR and CyclicLR replace the groups' own rates. A plan multiplies them.",
    cycles_momentum_unasked: "CyclicLR and OneCycleLR change the momentum unless told not to. Only attach(…, momentum=plan) "
    "does.",
    cannot_start_at_zero: "LinearLR multiplies from step to step, so it cannot start at 0. A plan is a closed form.",
    small_reductions_skipped: "ReduceLROnPlateau makes no reduction by less than eps = 1e-8, which stops small rates.",
    worse_counts_as_better: "ReduceLROnPlateau never reduces for a negative loss that stays or rises: best · (1 − threshold) "
    "lies above a negative best. Plateau's margin is threshold · |best|.",
    loads_old_settings: "load_state_dict brings the old settings back, T_max say. A plan is code, and only t is state.",
    milestone_one_early: "timm's MultiStepLRScheduler drops one step before its milestone.",
    floor_ignored: "pytorch-optimizer's WSD goes below min_lr_ratio and then jumps up to it (all shapes but cosine).",
}


@pytest.mark.parametrize("quirk", QUIRKS, ids=[f.__name__ for f in QUIRKS])
def test_where_others_differ(quirk):
    quirk()
    assert QUIRKS[quirk].endswith(".")
