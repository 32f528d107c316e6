"""Plans: the stated conventions at their joints, the algebra, and agreement of numbers, arrays and tensors."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrlib import FADES, SHAPES, Plan, cosine, exponential, fade, hold, linear, plans, ramp, step, warmup

lengths = st.integers(0, 12)
values = st.one_of(st.integers(0, 3), st.floats(0.001, 4.0))
positive = st.floats(0.01, 4.0)


@st.composite
def ramps(draw):
    shape = draw(st.one_of(st.sampled_from(sorted(SHAPES)), st.floats(0.3, 4)))
    ends = positive if shape == "exponential" else values
    return ramp(draw(lengths), draw(ends), draw(ends), shape=shape)


leaves = st.one_of(
    ramps(),
    st.builds(hold, lengths, values),
    st.builds(warmup, lengths),
    st.builds(warmup, lengths, st.floats(0, 1)),
    st.builds(cosine, st.integers(1, 12), final=values, inclusive=st.booleans()),
    st.builds(linear, lengths, final=values),
    st.builds(exponential, lengths, final=positive),
    st.builds(exponential, lengths, rate=st.floats(0.5, 1.2)),
    st.builds(step, st.integers(1, 6), factor=positive, times=st.integers(1, 4)),
)


few = st.integers(1, 6)
fades = st.builds(fade, positive, st.one_of(st.sampled_from(sorted(FADES)), st.floats(0.3, 3)))
endless = st.one_of(
    fades,
    st.builds(step, few, factor=st.floats(0.1, 1)),
    st.builds(exponential, rate=st.floats(0.5, 1)),
    st.builds(plans.inverse_time, positive, st.floats(0.3, 2)),
    st.builds(plans.inverse_sqrt, few),
    st.builds(plans.cosine_restarts, few, decay=st.floats(0.1, 1), final=st.floats(0, 0.5)),
    st.builds(plans.triangular, few, low=st.floats(0, 1), down=few),
    st.builds(plans.triangular2, few, low=st.floats(0, 1)),
    st.builds(plans.exp_range, few, low=st.floats(0, 1), rate=st.floats(0.5, 1)),
    st.builds(plans.geometric_cooling, st.floats(0.1, 1), every=few),
    st.builds(plans.logarithmic_cooling, positive),
    st.builds(plans.fast_cooling, positive),
    st.builds(plans.reheat, fades, every=few, height=st.floats(0.1, 1)),
)
steps_and_values = st.lists(st.tuples(st.integers(0, 9), values), min_size=1, max_size=4, unique_by=lambda row: row[0])
named = st.one_of(
    st.builds(plans.constant, st.floats(0, 1)),
    st.builds(plans.multi_step, st.lists(few, min_size=1, max_size=3).map(sorted), st.floats(0.1, 1)),
    st.builds(plans.polynomial, few, power=st.floats(0.3, 3), final=st.floats(0, 1)),
    st.builds(warmup, few, st.floats(0, 1), shape=st.sampled_from(["cosine", "1-sqrt", 2])),
    st.builds(plans.one_cycle, st.integers(8, 12), three_phase=st.booleans(), inclusive=st.booleans()),
    st.builds(plans.one_cycle_momentum, st.integers(8, 12), shape=st.sampled_from(["linear", "cosine"])),
    st.builds(plans.slanted_triangular, st.integers(8, 12), rise=st.floats(0.2, 0.7)),
    st.builds(
        plans.cosine_restarts,
        few,
        few,
        stretch=st.sampled_from([1, 2]),
        decay=st.floats(0.1, 1),
        final=st.floats(0, 0.5),
    ),
    st.builds(plans.triangular2, few, times=few),
    st.builds(plans.wsd, st.integers(9, 12), warm=st.integers(0, 4), cool=st.integers(0, 4), final=st.floats(0, 1)),
    st.builds(plans.reheat, fades, every=few, times=few),
)
tables = steps_and_values.map(lambda rows: plans.piecewise([(0, 1), *sorted((t + 1, v) for t, v in rows)], "linear"))
leaves = st.one_of(leaves, named, tables, st.builds(lambda plan, n: plan.cut(n), endless, few))


def grown(children):
    nonempty = children.filter(lambda p: p.length > 0)
    return st.one_of(
        st.builds(lambda a, b: a >> b, children, children),
        st.builds(lambda a, b: a * b, children, children),
        st.builds(lambda a, b: a + b, children, children),
        st.builds(lambda c, a: c * a, values, children),
        st.builds(lambda c, a: c + a, values, children),
        st.builds(lambda a, n: a.cut(n), children, few),
        st.builds(
            lambda a, times, stretch, decay: a.repeat(times, stretch, decay),
            nonempty,
            st.integers(1, 4),
            st.sampled_from([1, 2, 1.5, 0.5]),
            st.sampled_from([1, 0.5]),
        ),
    )


any_plan = st.recursive(leaves, grown, max_leaves=5)
quick = settings(max_examples=30, deadline=None, derandomize=True)


def on(plan, count):
    return np.array([plan(t) for t in range(count)])


# -- the stated conventions -------------------------------------------------------------------------------------------


@given(
    n=st.integers(1, 60), start=values, stop=values, shape=st.sampled_from(["linear", "cosine", "1-sqrt", "1-square"])
)
@quick
def test_a_ramp_follows_its_formula(n, start, stop, shape):
    s = {
        "linear": lambda u: u,
        "cosine": lambda u: math.sin(math.pi * u / 2) ** 2,
        "1-sqrt": math.sqrt,
        "1-square": lambda u: u**2,
    }[shape]
    plan = ramp(n, start, stop, shape=shape)
    for t in range(n):
        assert plan(t) == pytest.approx(start + (stop - start) * s(t / n), rel=1e-12, abs=1e-12)
    assert plan(0) == start
    assert plan(n) == plan(n + 1) == plan(10 * n) == stop
    assert plan.length == n


@given(n=st.integers(1, 60), start=positive, stop=positive)
@quick
def test_an_exponential_ramp_multiplies_by_one_number(n, start, stop):
    plan = ramp(n, start, stop, shape="exponential")
    v = on(plan, n + 1)
    np.testing.assert_allclose(v[1:] / v[:-1], (stop / start) ** (1 / n), rtol=1e-9)


@given(n=st.integers(0, 100))
@quick
def test_warmup_never_starts_at_zero_and_arrives_at_step_n(n):
    np.testing.assert_allclose(on(warmup(n), n + 3), np.minimum(1, (np.arange(n + 3) + 1) / (n + 1)), rtol=1e-15)
    if n:
        np.testing.assert_allclose(on(warmup(n, start=0), n + 3), np.minimum(1, np.arange(n + 3) / n), rtol=1e-15)
    assert warmup(n)(n) == 1


def test_cosine_reaches_its_minimum_at_n_or_at_the_last_step():
    assert cosine(10, final=0.1)(10) == cosine(10, final=0.1)(500) == 0.1
    assert cosine(10, final=0.1)(9) > 0.1
    inclusive = cosine(10, final=0.1, inclusive=True)
    assert inclusive(9) == inclusive(10) == 0.1 and inclusive(8) > 0.1 and inclusive.length == 10
    assert cosine(1, inclusive=True)(0) == 0.0


def test_a_joint_belongs_to_the_piece_that_begins_there():
    plan = ramp(5, 0, 0.5) >> hold(3, 2) >> linear(4)
    assert plan(5) == 2 and plan(7) == 2 and plan(8) == 1 and plan(12) == plan(99) == 0
    assert plan(4.999) < 0.5 < plan(5.0)


def test_no_last_value_leaks_when_repeating_or_following():
    saw = linear(10).repeat(3)
    assert saw(9) == pytest.approx(0.1) and saw(10) == 1 and saw(29) == pytest.approx(0.1) and saw(30) == saw(99) == 0
    assert (linear(10) >> cosine(10))(10) == 1


def test_step_equals_torchs_step_lr():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.3)
    for t in range(40):
        assert step(7, factor=0.3)(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_step_stops_after_its_drops():
    plan = step(30, factor=0.1, times=2)
    assert plan.length == 60 and plan(59) == pytest.approx(0.1) and plan(60) == plan(9999) == pytest.approx(0.01)
    assert step(30).length == math.inf and step(30)(10**6) < 1e-300


@given(n=st.integers(1, 50), rate=st.floats(0.5, 1.5))
@quick
def test_exponential_by_rate_or_by_final(n, rate):
    np.testing.assert_allclose(on(exponential(n, rate=rate), n + 1), rate ** np.arange(n + 1.0), rtol=1e-11)
    assert exponential(n, final=rate)(n) == rate


def test_the_one_cycle_and_triangle_of_the_design():
    clr = (ramp(10, 0.1, 1) >> ramp(10, 1, 0.1)).repeat(4)
    t = np.arange(80)
    x = np.abs(t / 10 - 2 * np.floor(1 + t / 20) + 1)
    np.testing.assert_allclose(clr(t), 0.1 + 0.9 * np.maximum(0, 1 - x), rtol=1e-12)


def test_restarts_equal_torchs_warm_restarts():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 10, T_mult=2)
    plan = cosine(10).repeat(3, stretch=2)
    for t in range(70):
        assert plan(t) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        scheduler.step()


# -- the algebra ------------------------------------------------------------------------------------------------------


@given(plan=any_plan)
@quick
def test_repr_evaluates_back(plan):
    again = eval(repr(plan), dict(vars(plans)))
    assert again == plan and hash(again) == hash(plan) and repr(again) == repr(plan)
    np.testing.assert_allclose(again(np.arange(30)), plan(np.arange(30)), rtol=1e-12)


@given(plan=any_plan)
@quick
def test_numbers_arrays_and_tensors_agree(plan):
    count = plan.length + 5
    expected = on(plan, count)
    array = plan(np.arange(count))
    assert array.dtype == np.float64
    np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-14)
    for dtype in (torch.int64, torch.float64):
        tensor = plan(torch.arange(count, dtype=dtype))
        assert tensor.dtype == torch.float64
        np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-12, atol=1e-14)


@given(plan=any_plan, extra=st.integers(0, 1000))
@quick
def test_the_last_value_is_held(plan, extra):
    assert plan(plan.length + extra) == plan(plan.length)


@given(a=any_plan, b=any_plan, t=st.integers(0, 60))
@quick
def test_then_plays_one_after_the_other(a, b, t):
    joined = a >> b
    assert joined.length == a.length + b.length
    assert joined(t) == pytest.approx(a(t) if t < a.length else b(t - a.length), rel=1e-12)


@given(a=any_plan, b=any_plan, c=any_plan)
@quick
def test_then_and_times_are_associative(a, b, c):
    assert (a >> b) >> c == a >> (b >> c)
    left, right = (a * b) * c, a * (b * c)
    assert left.parts == right.parts and left.number == pytest.approx(right.number, rel=1e-12)


@given(a=any_plan, b=any_plan, c=values, t=st.integers(0, 60))
@quick
def test_times_multiplies(a, b, c, t):
    assert (a * b)(t) == pytest.approx(a(t) * b(t), rel=1e-12)
    assert (c * a)(t) == pytest.approx(c * a(t), rel=1e-12)
    assert (a * b).length == max(a.length, b.length)


@given(plan=any_plan.filter(lambda p: p.length > 0), times=st.integers(1, 4), decay=positive)
@quick
def test_repeat_starts_again(plan, times, decay):
    cycles = plan.repeat(times, decay=decay)
    assert cycles.length == times * plan.length
    one = plan(np.arange(plan.length))
    expected = np.concatenate([one * decay**k for k in range(times)])
    np.testing.assert_allclose(cycles(np.arange(cycles.length)), expected, rtol=1e-12)


@given(plan=any_plan.filter(lambda p: p.length > 0), n=st.integers(1, 500))
@quick
def test_resize_is_exact(plan, n):
    resized = plan.resize(n)
    assert resized.length == n
    assert resized(n) == pytest.approx(plan(plan.length), rel=1e-9)
    assert plan.resize(plan.length) == plan


@given(n=st.integers(1, 20), k=st.integers(1, 9), shape=st.sampled_from(["linear", "cosine", "1-sqrt"]))
@quick
def test_resize_by_a_whole_number_stretches_time(n, k, shape):
    plan = (ramp(n, 0.1, 1) >> ramp(n, 1, 0, shape=shape)).repeat(3, stretch=2, decay=0.5)
    t = np.arange(plan.length)
    np.testing.assert_allclose(plan.resize(k * plan.length)(k * t), plan(t), rtol=1e-9, atol=1e-12)


def test_resize_moves_joints_to_the_nearest_step():
    assert (warmup(100) >> cosine(900)).resize(1005) == warmup(101) >> cosine(904)
    assert cosine(200).repeat(3, stretch=2).resize(700) == cosine(100).repeat(3, stretch=2)
    assert cosine(200).repeat(3).resize(100) == cosine(33) >> cosine(34) >> cosine(33)
    assert step(30, times=3).resize(9) == step(3, times=3)
    np.testing.assert_allclose(on(step(3, times=2).resize(5), 7), [1, 1, 1, 0.1, 0.1, 0.01, 0.01])


@given(plan=endless)
@quick
def test_endless_plans_keep_every_promise(plan):
    assert plan.length == math.inf
    again = eval(repr(plan), dict(vars(plans)))
    assert again == plan and hash(again) == hash(plan)
    expected = on(plan, 40)
    assert (expected >= 0).all() and (expected <= 1 + 1e-12).all()
    np.testing.assert_allclose(plan(np.arange(40)), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(plan(torch.arange(40)).numpy(), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(plan.cut(20)(np.arange(40))[:20], expected[:20], rtol=1e-12)
    assert "without end" in plan.explain() and plan(10**7) < math.inf
    with pytest.raises(ValueError, match="nothing can follow"):
        plan >> hold(1)


@given(plan=named)
@quick
def test_named_plans_stay_between_zero_and_one(plan):
    found = plan(np.arange(plan.length + 2))
    assert (found >= 0).all() and (found <= 1 + 1e-12).all()


@given(plan=endless, n=st.integers(4, 12), k=st.integers(2, 5))
@quick
def test_an_endless_plan_that_is_cut_can_be_stretched(plan, n, k):
    t = np.arange(n + 1)
    np.testing.assert_allclose(plan.cut(n).resize(n)(t), plan(t), rtol=1e-12)
    assert plan.cut(n).resize(k * n).length == k * n
    np.testing.assert_allclose(plan.cut(n).resize(k * n)(k * t), plan(t), rtol=1e-12)
    assert plan.cut(n).resize(k * n).resize(n) == plan.cut(n)


@given(a=any_plan, b=any_plan, c=values, t=st.integers(0, 60))
@quick
def test_plus_adds(a, b, c, t):
    assert (a + b)(t) == pytest.approx(a(t) + b(t), rel=1e-12)
    assert (c + a)(t) == pytest.approx(c + a(t), rel=1e-12)
    assert (a + b).length == max(a.length, b.length)


@given(plan=any_plan, n=st.integers(1, 40), t=st.integers(0, 60))
@quick
def test_cut_is_the_beginning(plan, n, t):
    cut = plan.cut(n)
    assert cut.length == n and cut(t) == plan(min(t, n))


def test_endless_cycles():
    fading = linear(4).repeat(decay=0.5)
    np.testing.assert_allclose(fading(np.arange(12)), np.repeat([1, 0.5, 0.25], 4) * np.tile([1, 0.75, 0.5, 0.25], 3))
    assert fading.length == math.inf and eval(repr(fading), dict(vars(plans))) == fading
    assert (warmup(3) >> fading).length == math.inf and (warmup(3) >> fading)(7) == 0.5


@pytest.mark.parametrize("t", [np.nextafter(9.0, 0), np.nextafter(21.0, 0), np.nextafter(3e6, 0)])
def test_a_time_just_before_a_joint_is_no_trap(t):
    plan = ramp(3, 1, 0, shape="1-sqrt").repeat()
    assert 0 <= plan(t) <= 1 and 0 <= plan(np.array([t]))[0] <= 1


# -- the named schedules at their joints ------------------------------------------------------------------------------


def test_one_cycle_has_its_peak_and_its_end_where_it_says():
    plan = plans.one_cycle(200, rise=0.25, div=20, final_div=100)
    v = plan(np.arange(203))
    assert v.argmax() == 49 and v[49] == 1 and v[0] == 1 / 20 and v[199] == v[202] == 1 / 2000
    open_ended = plans.one_cycle(200, rise=0.25, inclusive=False)
    assert open_ended(50) == 1 and open_ended(199) > open_ended(200) == open_ended(999) == 1 / 25e4
    three = plans.one_cycle(100, rise=0.3, three_phase=True)
    assert three(29) == 1 and three(58) == 0.04 and three(99) == 4e-6
    momentum = plans.one_cycle_momentum(200, rise=0.25)(np.arange(200))
    assert momentum.argmin() == 49 and momentum[49] == 0.85 / 0.95 and momentum[0] == momentum[199] == 1


def test_fastais_one_cycle_ends_at_a_hundred_thousandth():
    plan = plans.one_cycle(400, rise=0.25, final_div=4000, inclusive=False)
    t = np.arange(400)
    up, down = t / 100, (t - 100) / 300
    cos = lambda a, b, u: a + (1 - np.cos(np.pi * u)) * (b - a) / 2
    np.testing.assert_allclose(plan(t), np.where(t < 100, cos(1 / 25, 1, up), cos(1, 1e-5, down)), rtol=1e-12)


def test_noams_rate_is_inverse_sqrt():
    d, n, t = 512, 400, np.arange(3000)
    noam = d**-0.5 * np.minimum((t + 1.0) ** -0.5, (t + 1) * n**-1.5)
    np.testing.assert_allclose((d * n) ** -0.5 * plans.inverse_sqrt(n)(t), noam, rtol=1e-12)


def test_slanted_triangles_follow_the_papers_formula():
    n, ratio, t = 500, 32, np.arange(500)
    cut = n // 10
    p = np.where(t < cut, t / cut, 1 - (t - cut) / (cut * (1 / 0.1 - 1)))
    np.testing.assert_allclose(plans.slanted_triangular(n)(t), (1 + p * (ratio - 1)) / ratio, rtol=1e-12)


def test_wsd_is_its_three_phases():
    plan = plans.wsd(1000, warm=50, cool=150)
    whole = warmup(50) >> hold(800) >> ramp(150, 1, 0, shape="1-sqrt")
    np.testing.assert_array_equal(plan(np.arange(1100)), whole(np.arange(1100)))
    assert plans.wsd(1000).joints() == [800] and plan.resize(100) == whole.resize(100)


def test_tables_and_milestones():
    table = plans.piecewise({0: 0.5, 4: 1, 10: 0})
    assert on(table, 12).tolist() == [0.5] * 4 + [1] * 6 + [0] * 2
    np.testing.assert_allclose(
        on(plans.piecewise([(0, 0), (4, 1), (6, 0.5)], "linear"), 8),
        np.interp(np.arange(8), [0, 4, 6], [0, 1, 0.5]),
    )
    smooth = plans.piecewise([(0, 0), (4, 1)], "cosine")
    np.testing.assert_allclose(on(smooth, 6), on(ramp(4, 0, 1, shape="cosine"), 6))
    assert repr(table) == "piecewise(((0, 0.5), (4, 1), (10, 0)))"
    assert table.resize(20) == plans.piecewise({0: 0.5, 8: 1, 20: 0})
    assert plans.multi_step(np.array([3, 6])).resize(12) == plans.multi_step([6, 12])
    np.testing.assert_allclose(on(plans.multi_step([3, 3, 5], 0.5), 6), [1, 1, 1, 0.25, 0.25, 0.125])


def test_reheating_starts_again_from_a_lower_temperature():
    plan = plans.reheat(plans.logarithmic_cooling(), every=8, times=3, height=0.5)
    one = np.log(2) / np.log(2 + np.arange(8))
    np.testing.assert_allclose(plan(np.arange(24)), np.concatenate([one, one / 2, one / 4]), rtol=1e-12)


def test_only_the_peaks_decay():
    plan = plans.cosine_restarts(10, 3, decay=0.5, final=0.2)
    assert [plan(t) for t in (0, 10, 20)] == pytest.approx([1, 0.5, 0.25]) and plan(30) == plan(99) == 0.2
    assert plan(29) > 0.2


# -- looking at a plan ------------------------------------------------------------------------------------------------


def test_a_table_shows_joints_and_prints():
    plan = warmup(4) >> hold(30) >> linear(7)
    table = plan.table()
    assert {0, 4, 34, 41} <= set(table.step.tolist()) and len(table.step) <= 14
    np.testing.assert_array_equal(table.value, plan(table.step))
    assert repr(plan.table([0, 41], base=0.5)).splitlines() == [
        "  step      value",
        "     0        0.1",
        "    41          0",
    ]
    steps, found = plan.table([3])
    assert steps.tolist() == [3] and found.tolist() == [0.8]
    assert plans.constant(2).table().value.tolist() == [2]
    with pytest.raises(ValueError, match="stop=None: this plan has no end"):
        step(3).table()
    for at in ([-1], [[0, 1]], "all", [10**30], [None], [np.inf]):
        with pytest.raises(ValueError, match="^at must be a list of steps of at least 0; got"):
            plan.table(at)


@given(plan=any_plan, stop=st.integers(0, 70))
@quick
def test_area_is_the_sum_of_the_factors(plan, stop):
    assert plan.area(stop) == pytest.approx(sum(plan(t) for t in range(stop)), rel=1e-12, abs=1e-12)
    assert plan.area() == pytest.approx(sum(plan(t) for t in range(plan.length)), rel=1e-12, abs=1e-12)


def test_area_of_a_long_plan_and_of_an_endless_one():
    assert linear(3_000_000).area() == pytest.approx(1_500_000.5, rel=1e-12)
    with pytest.raises(ValueError, match="stop=None"):
        step(3).area()


@given(plan=endless, stop=st.integers(0, 70))
@quick
def test_area_of_an_endless_plan_is_the_sum_of_the_factors(plan, stop):
    assert plan.area(stop) == pytest.approx(sum(plan(t) for t in range(stop)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "shape, part", [("linear", 1 / 2), ("cosine", 1 / 2), ("1-square", 1 / 3), ("exponential", 0.9 / math.log(10))]
)
@pytest.mark.parametrize("n", [10**11, 2**52])
def test_a_ramp_of_any_length_is_added_at_once(shape, part, n):
    up, down = ramp(n, 0.1, 1, shape), ramp(n, 1, 0.1, shape)
    share = part if shape == "exponential" else 0.1 + 0.9 * part
    assert up.area() == pytest.approx(n * share, rel=1e-9)
    assert down.area() == pytest.approx(n * (share if shape == "exponential" else 1 - 0.9 * part), rel=1e-9)
    assert (up >> down).area() == pytest.approx(up.area() + down.area(), rel=1e-9)


LONG = [
    (lambda: linear(10**11), 5e10),
    (lambda: plans.one_cycle(10**9), 1e9 * (0.3 * 0.52 + 0.7 * 0.500002)),
    (lambda: warmup(10**15) >> hold(10**15), 1.5e15),
    (lambda: warmup(3).repeat(10**9), 1.5e9),
    (lambda: (warmup(3) >> cosine(2)).repeat(10**15), (1.5 + 1.5) * 1e15),
    (lambda: step(1, times=10**8), 1 / 0.9),
    (lambda: plans.cosine_restarts(10).cut(10**8), 5.5e7),
    (lambda: plans.triangular(10).cut(10**15), 0.625e15),
    (lambda: 0.5 * linear(10**11) + 0.5, 7.5e10),
]


@pytest.mark.parametrize("build, area", LONG)
def test_a_long_plan_is_looked_at_as_fast_as_a_short_one(build, area):
    plan = build()
    assert plan.area() == pytest.approx(area, rel=1e-6) and plan.area(plan.length // 2) <= plan.area(plan.length)
    assert plan.area(2**53) == pytest.approx(plan.area() + (2**53 - plan.length) * plan(plan.length), rel=1e-9)
    assert len(plan.explain().splitlines()) < 12 and 2 <= len(plan.table().step) <= 32
    assert plan.joints(10) == [t for t in plan.joints(1000) if t <= 10]
    assert plan.resize(10 * plan.length if plan.length < 2**49 else plan.length)(1) <= 1


@pytest.mark.parametrize(
    "look, words",
    [
        (lambda: linear(10**11).when(0.5), "stop must be at most 100,000,000, the most steps that are searched"),
        (lambda: step(1).when(0.5, stop=10**9), "stop must be at most 100,000,000"),
        (lambda: ramp(10**11, 1, 0, shape=2).area(), "stop must be at most 100,000,000 where steps must be added one"),
        (lambda: (fade(3) * fade(2, shape=0.5)).area(10**9), "stop must be at most 100,000,000"),
        (lambda: linear(4).area(10**30), "stop must be at most 9,007,199,254,740,992"),
        (lambda: step(1, times=10**8).joints(), "stop must leave at most 1,000,000 joints"),
        (lambda: step(1).cut(10**15).resize(10).joints(), "stop must leave at most 1,000,000 joints"),
        (lambda: step(1, times=10**8).resize(10**8 + 1), "n must be a multiple of 100000000"),
        (lambda: linear(3).cut(10**30), "n must be at most 9,007,199,254,740,992"),
        (lambda: linear(3).resize(10**30), "n must be at most 9,007,199,254,740,992"),
        (lambda: warmup(10**400), "n must be at most 9,007,199,254,740,992; got a whole number of 1329 bits"),
        (lambda: plans.wsd(10**30), "n must be at most"),
        (lambda: plans.multi_step([5, 10**30]), "a step of milestones must be at most"),
        (lambda: linear(5).repeat(10**9, stretch=2), "times must be at most 10,000 with a stretch other than 1"),
        (lambda: linear(5).repeat(60, stretch=2), "times must give at most 9,007,199,254,740,992 steps"),
        (lambda: linear(5).repeat(2, stretch=1e308), "times must give at most 9,007,199,254,740,992 steps"),
        (lambda: linear(5).repeat(10**30), "times must be at most 9,007,199,254,740,992"),
        (lambda: step(3, times=10**30), "times must be at most 9,007,199,254,740,992"),
        (lambda: linear(5).repeat(2**53), "times must give at most 9,007,199,254,740,992 steps"),
        (lambda: plans.cosine_restarts(10, times=10**30), "times must be at most"),
        (lambda: linear(2**53) >> linear(1), "a plan must be at most 9,007,199,254,740,992 steps long"),
    ],
)
def test_what_would_not_end_is_refused_before_it_begins(look, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        look()


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: cosine(5).repeat(3, decay=1e308), "decay to the power of 2 must be a finite number"),
        (lambda: hold(5, 1e300).repeat(2, decay=1e10), "decay must keep 2 cycles to what a float can hold"),
        (lambda: hold(5, 1e300).repeat(2, stretch=2, decay=1e10), "decay must keep 2 cycles"),
        (lambda: plans.reheat(linear(5), 3, times=3, height=1e308), "height to the power of 2"),
        (lambda: 1e200 * (1e200 * linear(3)), "plans must combine to what a float can hold; these reach 1e.200"),
        (lambda: hold(3, 1e200) * ramp(3, 0, 10**200), "plans must combine to what a float can hold"),
        (lambda: 1e308 + (1e308 + linear(3)), "plans must combine to what a float can hold"),
        (lambda: 2 * hold(3, 1e308), "plans must combine to what a float can hold; these reach 2 . 1e.308"),
        (lambda: plans.one_cycle(10, div=5e-324), "div must be large enough to divide 1 by; got 5e-324"),
        (lambda: plans.one_cycle(10, final_div=5e-324), "final_div must be large enough to divide 0.04 by"),
        (lambda: plans.slanted_triangular(10, ratio=5e-324), "ratio must be large enough"),
        (lambda: linear(3)(10**400), "t must be at least 0 and finite; got a whole number of 1329 bits"),
    ],
)
def test_values_that_a_float_cannot_hold_are_refused_when_a_plan_is_made(build, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        build()


@given(plan=st.one_of(any_plan, endless), t=st.one_of(st.floats(0, 1.7e308), st.integers(0, 10**308)))
@quick
def test_a_plan_has_a_finite_value_at_every_step_that_a_float_can_hold(plan, t):
    assert 0 <= plan(t) < math.inf


@pytest.mark.parametrize("start, stop", [(1e308, 1e-308), (1e-308, 1e308), (1e-307, 1), (1e307, 10**-307)])
def test_an_exponential_ramp_spans_all_that_floats_hold(start, stop):
    plan = ramp(1000, start, stop, "exponential")
    t = np.arange(1001)
    expected = (1 - t / 1000) * math.log10(start) + t / 1000 * math.log10(stop)
    np.testing.assert_allclose(np.log10(plan(t)), expected, atol=1e-2)
    assert plan(t).tolist() == pytest.approx([plan(int(k)) for k in t], rel=1e-9)
    assert plan.area() == pytest.approx(plan(t[:-1]).sum(), rel=1e-6)


@given(plan=any_plan, number=values)
@quick
def test_a_number_may_stand_on_either_side_of_a_plan(plan, number):
    assert plan * number == number * plan and plan + number == number + plan
    assert (plan * np.float64(number))(1) == pytest.approx(number * plan(1))


def test_plans_nest_as_deep_as_all_that_looks_at_them_can_follow():
    plan = linear(3)
    with pytest.raises(
        ValueError, match="^a plan must hold other plans at most 50 levels deep; this one would reach 51"
    ):
        for _ in range(500):
            deepest, plan = plan, 0.5 + plan.cut(2)
    t = np.arange(3)
    assert copy.deepcopy(deepest) == deepest == pickle.loads(pickle.dumps(deepest)) and hash(deepest) == hash(deepest)
    assert deepest(t).tolist() == [deepest(int(k)) for k in t] and deepest.area() == pytest.approx(deepest(t[:2]).sum())
    assert deepest.explain() and deepest.joints() == [] and "cut(2)" in repr(deepest.resize(8))


@pytest.mark.parametrize("n", [60.0, np.float64(60)])
def test_a_length_that_is_a_float_is_told_so_and_how_shares_of_a_run_are_written(n):
    for build in (warmup, cosine, hold, step, linear(3).cut, linear(3).resize):
        with pytest.raises(TypeError, match=r"as an int; got the float .*60.0.*write int\(.*\.resize\(n\)"):
            build(n)
    with pytest.raises(
        TypeError, match=r"^n must be a whole number of at least 0; got 0.06 \(shares of .*\.resize\(n\)"
    ):
        warmup(0.06)


@pytest.mark.parametrize("name", sorted(set(plans.__all__) - {"Plan", "Table", "SHAPES", "FADES"}))
def test_a_misspelt_keyword_names_the_schedule_and_what_it_takes(name):
    schedule = getattr(plans, name)
    taken = inspect.signature(schedule).parameters.values()
    needed = [1 for one in taken if one.default is one.empty]
    allowed = "" if name in ("ramp", "hold", "fade") else ", ".join(one.name + ".*" for one in taken)
    with pytest.raises(TypeError, match=rf"^{name}\({allowed}\).* got an unexpected keyword argument 'min_lr'"):
        schedule(*needed, min_lr=0.1)


@given(plan=any_plan, value=st.floats(0, 4))
@quick
def test_when_is_the_first_step_at_or_beyond_the_value(plan, value):
    v = on(plan, plan.length + 1)
    there = np.isclose(v, value, rtol=1e-12, atol=1e-15) | ((v > value) != (v[0] > value))
    assert plan.when(value) == (int(there.argmax()) if there.any() else None)


def test_when_looks_far_and_says_none():
    assert cosine(100).when(0) == 100 and warmup(9).when(1) == 9 and cosine(100).when(1) == 0
    assert plans.inverse_time(1).when(1e-6) == 999_999
    assert step(3).when(0.001) == 9 and step(3).when(0) is not None
    assert linear(5).when(2) is None and linear(5).when(0.1, stop=3) is None
    with pytest.raises(ValueError, match="value must be a finite number of at least 0"):
        linear(5).when(-1)


def test_joints_are_the_steps_at_which_phases_begin():
    assert (warmup(4) >> cosine(6).repeat(3)).joints() == [4, 10, 16]
    assert step(10).joints(35) == [10, 20, 30]
    assert (linear(10) * (hold(3) >> hold(9))).joints() == [3]
    assert plans.triangular(5).joints(20) == [5, 10, 15, 20]
    assert linear(10).joints() == []


# -- shapes, kinds and derivatives ------------------------------------------------------------------------------------


def test_shapes_are_kept():
    plan = warmup(3) >> cosine(4)
    assert plan(np.zeros((2, 3, 1))).shape == (2, 3, 1)
    assert plan(np.array(2)).shape == () and isinstance(plan(np.array(2)), np.ndarray)
    assert plan(torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0) and plan(torch.tensor(1)).ndim == 0
    assert type(plan(np.int64(2))) is float and type(hold(3)(1)) is float
    assert plan(torch.ones(2, dtype=torch.float32)).dtype == torch.float32


@pytest.mark.parametrize(
    "plan",
    [
        warmup(5) >> cosine(9),
        (linear(4) * cosine(9)).repeat(2, decay=0.5),
        exponential(8, 0.1),
        exponential(rate=0.9),
        plans.polynomial(9, 1.7) + 0.5 * plans.inverse_sqrt(5),
        plans.logarithmic_cooling(3).cut(20),
        plans.one_cycle(20),
        plans.exp_range(5, rate=0.9),
    ],
)
def test_derivative_in_t_equals_finite_differences(plan):
    t = torch.tensor([0.3, 2.2, 6.1, 7.7, 12.4, 99.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(plan(t).sum(), t)
    h = 1e-6
    central = (plan(t.detach() + h) - plan(t.detach() - h)) / (2 * h)
    torch.testing.assert_close(slope, central, rtol=1e-6, atol=1e-8)


def test_a_square_root_elsewhere_does_not_poison_the_derivative():
    plan = ramp(4, 1, 0, shape="1-sqrt") >> linear(4)
    t = torch.tensor([5.0], requires_grad=True)
    (slope,) = torch.autograd.grad(plan(t).sum(), t)
    assert slope.item() == pytest.approx(-0.25)


def test_a_long_array_is_evaluated_like_a_short_one():
    plan = (warmup(100) >> cosine(900)).repeat(70, decay=0.9)
    t = np.random.default_rng(0).permutation(72_000).reshape(8, 9_000)
    np.testing.assert_array_equal(plan(t), np.stack([plan(row) for row in t]))


def test_lambda_lr_takes_a_plan_as_it_is():
    plan = warmup(3) >> cosine(5)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, plan)
    for t in range(10):
        assert optimizer.param_groups[0]["lr"] == 0.5 * plan(t)
        optimizer.step()
        scheduler.step()


def test_a_loaded_scheduler_keeps_the_new_plan(tmp_path):
    def scheduler(plan):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        return torch.optim.lr_scheduler.LambdaLR(optimizer, plan)

    torch.save(scheduler(warmup(3) >> cosine(5)).state_dict(), tmp_path / "s.pt")
    new = warmup(3) >> cosine(50)
    scheduler(new).load_state_dict(torch.load(tmp_path / "s.pt", weights_only=True))
    assert new == warmup(3) >> cosine(50)


@given(plan=any_plan)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_plans_survive_pickle_and_copy(plan):
    assert pickle.loads(pickle.dumps(plan)) == copy.deepcopy(plan) == plan


@given(plan=any_plan)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_explain_ends_with_what_is_held(plan):
    last = plan.explain().splitlines()[-1]
    assert last == f"from step {plan.length}: stays at {plan(plan.length):.4g}"


def test_explain_reads_well():
    assert (2 * step(3, times=2) * warmup(2)).explain().splitlines() == [
        "from step 0: 2 times the product of",
        "    steps 0 to 5: 2 cycles of 3 steps, each 0.1 times the one before",
        "        steps 0 to 2: stays at 1",
        "  and",
        "    steps 0 to 1: rises from 0.3333 to 1 (linear)",
        "from step 6: stays at 0.02",
    ]
    assert "without end" in step(3).explain()


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: ramp(-1, 0, 1), ValueError, "n must be a whole number of at least 0; got -1"),
        (lambda: ramp(2.5, 0, 1), TypeError, "n must be a whole number.*2.5"),
        (lambda: ramp(True, 0, 1), TypeError, "n must be a whole number"),
        (lambda: ramp("3", 0, 1), TypeError, "n must be a whole number"),
        (lambda: ramp(3, 0, 1)(True), TypeError, "t must be a number.*True"),
        (lambda: ramp(3, 0, 1)(np.array([True])), TypeError, "t must be a number"),
        (lambda: ramp(3, math.nan, 1), ValueError, "start must be a finite number.*nan"),
        (lambda: ramp(3, 0, math.inf), ValueError, "stop must be a finite number.*inf"),
        (lambda: ramp(3, 0, -0.5), ValueError, "stop .*-0.5"),
        (lambda: ramp(3, "a", 1), TypeError, "start must be a finite number"),
        (lambda: ramp(3, 0, 1, shape="sine"), ValueError, "shape must be one of linear, cosine.*sine"),
        (lambda: ramp(3, 1, 0, shape="exponential"), ValueError, "stop must be a finite number above 0"),
        (lambda: hold(3, None), TypeError, "value must be"),
        (lambda: warmup(-3), ValueError, "n must be a whole number of at least 0"),
        (lambda: cosine(0, inclusive=True), ValueError, "n must be a whole number of at least 1"),
        (lambda: ramp(3, 1, 0, shape=0), ValueError, "shape must be a finite number above 0; got 0"),
        (lambda: ramp(3, 1, 0, shape=True), ValueError, "shape must be one of .*a power above 0; got True"),
        (lambda: ramp(3, 1, 0, shape=["linear"]), ValueError, "shape must be one of"),
        (lambda: fade(0), ValueError, "tau must be a finite number above 0; got 0"),
        (lambda: fade(3, shape="cosine"), ValueError, "shape must be one of exponential, logarithmic.*'cosine'"),
        (lambda: fade(3) >> hold(1), ValueError, "nothing can follow an endless plan"),
        (lambda: fade(3).resize(5), ValueError, "cannot be resized"),
        (lambda: linear(3).cut(0), ValueError, "n must be a whole number of at least 1; got 0"),
        (lambda: -1 + linear(3), ValueError, "a number that is added to a plan must be .* at least 0; got -1"),
        (lambda: linear(3) + -1, ValueError, "a number that is added to a plan must be .* at least 0; got -1"),
        (lambda: True + linear(3), TypeError, "unsupported operand"),
        (lambda: linear(3) + "2", TypeError, "unsupported operand"),
        (lambda: plans.constant(-1), ValueError, "value must be a finite number of at least 0"),
        (lambda: plans.polynomial(3, power=0), ValueError, "power must be a finite number above 0"),
        (lambda: exponential(final=0.1), TypeError, "exponential without n is endless and needs rate"),
        (lambda: exponential(rate=1.1), ValueError, "rate must be at most 1 without n"),
        (lambda: plans.inverse_time(-1), ValueError, "tau must be"),
        (lambda: plans.inverse_sqrt(0), ValueError, "n must be a whole number of at least 1"),
        (lambda: plans.multi_step([]), ValueError, "milestones must be one or more steps"),
        (lambda: plans.multi_step([5, 3]), ValueError, r"milestones must have.*in increasing order; got \[5, 3\]"),
        (lambda: plans.multi_step([1.5]), TypeError, "a step of milestones must be a whole number"),
        (lambda: plans.multi_step(30), TypeError, "milestones must be a list"),
        (lambda: plans.piecewise({}), ValueError, "table must give at least one pair"),
        (lambda: plans.piecewise([1, 2]), ValueError, "table must give at least one pair"),
        (lambda: plans.piecewise({5: 1}), ValueError, "at step 0; it begins at 5"),
        (lambda: plans.piecewise({0: 1, 5: -1}), ValueError, "a value of table must be"),
        (lambda: plans.piecewise({0: 1, 5: 2}, between="sine"), ValueError, "between must be"),
        (lambda: plans.piecewise([(0, 1), (5, 1), (3, 1)]), ValueError, "in increasing order"),
        (lambda: plans.one_cycle(1), ValueError, "n must be a whole number of at least 2"),
        (lambda: plans.one_cycle(10, rise=0.1), ValueError, "rise must leave at least one step.*0.1 of 10"),
        (lambda: plans.one_cycle(10, rise=1.0), ValueError, "rise must be a number"),
        (lambda: plans.one_cycle(10, rise=0.6, three_phase=True), ValueError, "rise must be a number.*below 0.5"),
        (lambda: plans.one_cycle(10, div=0), ValueError, "div must be"),
        (lambda: plans.one_cycle_momentum(10, low=0.95, high=0.85), ValueError, "low must be at most high"),
        (lambda: plans.triangular(0), ValueError, "up must be"),
        (lambda: plans.triangular(5, low=1.5), ValueError, "low must be at most 1"),
        (lambda: plans.exp_range(5, rate=1.5), ValueError, "rate must be at most 1"),
        (lambda: plans.wsd(10, warm=5, cool=6), ValueError, r"warm \+ cool must be at most n = 10; got 5 \+ 6"),
        (lambda: plans.reheat(0.5, every=3), TypeError, "plan must be a Plan; got 0.5"),
        (lambda: plans.geometric_cooling(1.5), ValueError, "rate must be at most 1"),
        (lambda: exponential(5), TypeError, "either final or rate"),
        (lambda: exponential(5, final=0.1, rate=0.1), TypeError, "either final or rate"),
        (lambda: exponential(5, rate=0), ValueError, "rate must be a finite number above 0"),
        (lambda: step(0), ValueError, "every must be a whole number of at least 1"),
        (lambda: step(3, times=0), ValueError, "times must be a whole number of at least 1"),
        (lambda: step(3, factor=2), ValueError, "factor must be at most 1 without times"),
        (lambda: step(3, factor=-1), ValueError, "factor must be a finite number above 0"),
        (lambda: plans.reheat(linear(5), 3, height=2), ValueError, "height must be at most 1 without times"),
        (lambda: plans.reheat(linear(5), 3, height=0), ValueError, "height must be a finite number above 0"),
        (lambda: cosine(3, final=-1), ValueError, "final must be a finite number of at least 0"),
        (lambda: linear(3, final=-1), ValueError, "final must be a finite number of at least 0"),
        (lambda: plans.cosine_restarts(3, final=-1), ValueError, "final must be a finite number of at least 0"),
        (lambda: plans.cosine_restarts(0), ValueError, "n must be a whole number of at least 1"),
        (lambda: plans.wsd(9, shape="exponential"), ValueError, "final must be a finite number above 0"),
        (lambda: exponential(5000, rate=2), ValueError, "rate to the power of 5000"),
        (lambda: step(1, factor=2.0, times=3000), ValueError, "factor to the power of 3000"),
        (lambda: plans.multi_step([5, 6, 7], factor=1e200), ValueError, "factor to the power of 2"),
        (lambda: ramp(4, 1, 10**400), ValueError, "stop must be.*1329 bits, too large for a float"),
        (lambda: plans.piecewise(5), ValueError, "table must give at least one pair"),
        (lambda: hold(0).repeat(3), ValueError, "finite length above 0"),
        (lambda: step(3).repeat(3), ValueError, "finite length above 0.*inf"),
        (lambda: linear(3).repeat(2, stretch=0), ValueError, "stretch must be"),
        (lambda: linear(3).repeat(stretch=2), ValueError, "times=None needs stretch=1"),
        (lambda: step(3) >> hold(1), ValueError, "nothing can follow an endless plan"),
        (lambda: linear(3).resize(0), ValueError, "n must be a whole number of at least 1"),
        (lambda: step(3).resize(10), ValueError, "cannot be resized"),
        (lambda: -1 * linear(3), ValueError, "a number that multiplies a plan must be .* at least 0; got -1"),
        (lambda: hold(3) * -1, ValueError, "a number that multiplies a plan must be .* at least 0; got -1"),
        (lambda: linear(3) >> 2, TypeError, "unsupported operand"),
        (lambda: linear(3) * None, TypeError, "unsupported operand"),
        (
            lambda: plans.Table([1, 2], [3]),
            ValueError,
            r"^step and value must be two lists of one length; .*\(2,\) and \(1,",
        ),
        (lambda: plans.Table([[1]], [[3]]), ValueError, "^step and value must be two lists of one length"),
        (lambda: plans.Table(3, [3]), ValueError, r"^step and value must be two lists of one length; .*\(\) and"),
        (lambda: plans.Table(["a"], [3]), TypeError, "^step must be numbers; got"),
        (lambda: plans.Table([1], None), TypeError, "^value must be numbers; got None"),
    ],
)
def test_wrong_arguments_are_named(build, error, words):
    with pytest.raises(error, match=words):
        build()


@pytest.mark.parametrize(
    "t", [-1, -0.5, math.nan, math.inf, np.array([1, -2]), np.array([math.nan]), torch.tensor([3.0, -2])]
)
def test_wrong_times_are_refused(t):
    with pytest.raises(ValueError, match="t must be at least 0 and finite; got"):
        cosine(5)(t)


@pytest.mark.parametrize("t", ["3", None, [1, 2], 1j, np.array(["a"]), torch.tensor([1j])])
def test_other_types_are_refused(t):
    with pytest.raises(TypeError, match="t must be a number"):
        cosine(5)(t)


def test_the_base_class_is_what_every_schedule_returns():
    assert all(isinstance(p, Plan) for p in (ramp(1, 0, 1), hold(1), warmup(1), step(1), linear(1) >> hold(1)))


def test_plot_draws_what_the_plan_gives():
    pytest.importorskip("matplotlib").use("Agg")
    plan = warmup(3) >> cosine(5)
    line = plan.plot().axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), plan(np.asarray(line.get_xdata())), rtol=1e-12)
    assert len(line.get_xdata()) > plan.length
    with pytest.raises(ValueError, match="steps"):
        step(3).plot()


def test_plot_marks_the_phases_and_draws_momentum():
    pytest.importorskip("matplotlib").use("Agg")
    plan = warmup(3) >> hold(5) >> cosine(5)
    left, right = plan.plot(momentum=plans.one_cycle_momentum(13), base=0.1).axes
    assert [segment[0][0] for segment in left.collections[0].get_segments()] == [3, 8]
    np.testing.assert_allclose(left.lines[0].get_ydata(), 0.1 * plan(np.arange(14)))
    assert right.lines[0].get_ydata().min() == pytest.approx(0.85 / 0.95)
    assert not step(1).plot(steps=100).axes[0].collections


def test_cycles_explain_themselves():
    assert plans.triangular2(5).explain().splitlines() == [
        "from step 0: 0.25 plus",
        "    from step 0: 0.75 times",
        "        from step 0: cycles of 10 steps without end, each 0.5 times the one before",
        "            steps 0 to 4: rises from 0 to 1 (linear)",
        "            steps 5 to 9: falls from 1 to 0 (linear)",
    ]
    assert plans.reheat(fade(3), every=4, times=2).explain().splitlines() == [
        "steps 0 to 7: 2 cycles of 4 steps",
        "    steps 0 to 3: the first 4 steps of",
        "        from step 0: falls from 1 without end (exponential, τ = 3)",
        "from step 8: stays at 0.2636",
    ]


@pytest.mark.gpu
def test_plans_on_a_gpu_stay_there():
    plan = warmup(3) >> cosine(5).repeat(2, decay=0.5)
    t = torch.arange(20, device="cuda")
    assert plan(t).is_cuda
    torch.testing.assert_close(plan(t).cpu(), plan(t.cpu()), rtol=1e-12, atol=1e-14)
