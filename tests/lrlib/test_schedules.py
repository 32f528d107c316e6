"""Plans: the stated conventions at their joints, the algebra, and agreement of numbers, arrays and tensors."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrlib import schedules
from lrlib.schedules import SHAPES, Plan, cosine, exponential, hold, linear, ramp, step, warmup

lengths = st.integers(0, 12)
values = st.one_of(st.integers(0, 3), st.floats(0.001, 4.0))
positive = st.floats(0.01, 4.0)


@st.composite
def ramps(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
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


def grown(children):
    nonempty = children.filter(lambda p: p.length > 0)
    return st.one_of(
        st.builds(lambda a, b: a >> b, children, children),
        st.builds(lambda a, b: a * b, children, children),
        st.builds(lambda c, a: c * a, values, children),
        st.builds(
            lambda a, times, stretch, decay: a.repeat(times, stretch, decay),
            nonempty,
            st.integers(1, 4),
            st.sampled_from([1, 2, 1.5, 0.5]),
            st.sampled_from([1, 0.5]),
        ),
    )


plans = st.recursive(leaves, grown, max_leaves=5)
quick = settings(max_examples=60, deadline=None, derandomize=True)


def on(plan, count):
    return np.array([plan(t) for t in range(count)])


# -- the stated conventions -------------------------------------------------------------------------------------------


@given(n=st.integers(1, 60), start=values, stop=values, shape=st.sampled_from(["linear", "cosine", "1-sqrt", "1-square"]))
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


@given(plan=plans)
@quick
def test_repr_evaluates_back(plan):
    again = eval(repr(plan), dict(vars(schedules)))
    assert again == plan and hash(again) == hash(plan) and repr(again) == repr(plan)
    np.testing.assert_allclose(again(np.arange(30)), plan(np.arange(30)), rtol=1e-12)


@given(plan=plans)
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


@given(plan=plans, extra=st.integers(0, 1000))
@quick
def test_the_last_value_is_held(plan, extra):
    assert plan(plan.length + extra) == plan(plan.length)


@given(a=plans, b=plans, t=st.integers(0, 60))
@quick
def test_then_plays_one_after_the_other(a, b, t):
    joined = a >> b
    assert joined.length == a.length + b.length
    assert joined(t) == pytest.approx(a(t) if t < a.length else b(t - a.length), rel=1e-12)


@given(a=plans, b=plans, c=plans)
@quick
def test_then_and_times_are_associative(a, b, c):
    assert (a >> b) >> c == a >> (b >> c)
    left, right = (a * b) * c, a * (b * c)
    assert left.parts == right.parts and left.number == pytest.approx(right.number, rel=1e-12)


@given(a=plans, b=plans, c=values, t=st.integers(0, 60))
@quick
def test_times_multiplies(a, b, c, t):
    assert (a * b)(t) == pytest.approx(a(t) * b(t), rel=1e-12)
    assert (c * a)(t) == pytest.approx(c * a(t), rel=1e-12)
    assert (a * b).length == max(a.length, b.length)


@given(plan=plans.filter(lambda p: p.length > 0), times=st.integers(1, 4), decay=positive)
@quick
def test_repeat_starts_again(plan, times, decay):
    cycles = plan.repeat(times, decay=decay)
    assert cycles.length == times * plan.length
    one = plan(np.arange(plan.length))
    expected = np.concatenate([one * decay**k for k in range(times)])
    np.testing.assert_allclose(cycles(np.arange(cycles.length)), expected, rtol=1e-12)


@given(plan=plans.filter(lambda p: p.length > 0), n=st.integers(1, 500))
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


def test_endless_cycles():
    fading = linear(4).repeat(decay=0.5)
    np.testing.assert_allclose(fading(np.arange(12)), np.repeat([1, 0.5, 0.25], 4) * np.tile([1, 0.75, 0.5, 0.25], 3))
    assert fading.length == math.inf and eval(repr(fading), dict(vars(schedules))) == fading
    assert (warmup(3) >> fading).length == math.inf and (warmup(3) >> fading)(7) == 0.5


@pytest.mark.parametrize("t", [np.nextafter(9.0, 0), np.nextafter(21.0, 0), np.nextafter(3e6, 0)])
def test_a_time_just_before_a_joint_is_no_trap(t):
    plan = ramp(3, 1, 0, shape="1-sqrt").repeat()
    assert 0 <= plan(t) <= 1 and 0 <= plan(np.array([t]))[0] <= 1


# -- shapes, kinds and derivatives ------------------------------------------------------------------------------------


def test_shapes_are_kept():
    plan = warmup(3) >> cosine(4)
    assert plan(np.zeros((2, 3, 1))).shape == (2, 3, 1)
    assert plan(np.array(2)).shape == () and isinstance(plan(np.array(2)), np.ndarray)
    assert plan(torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0) and plan(torch.tensor(1)).ndim == 0
    assert type(plan(np.int64(2))) is float and type(hold(3)(1)) is float
    assert plan(torch.ones(2, dtype=torch.float32)).dtype == torch.float32


@pytest.mark.parametrize("plan", [warmup(5) >> cosine(9), (linear(4) * cosine(9)).repeat(2, decay=0.5), exponential(8, 0.1)])
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


@given(plan=plans)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_plans_survive_pickle_and_copy(plan):
    assert pickle.loads(pickle.dumps(plan)) == copy.deepcopy(plan) == plan


@given(plan=plans)
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
        (lambda: ramp(3, math.nan, 1), ValueError, "start must be a finite number.*nan"),
        (lambda: ramp(3, 0, math.inf), ValueError, "stop must be a finite number.*inf"),
        (lambda: ramp(3, 0, -0.5), ValueError, "stop .*-0.5"),
        (lambda: ramp(3, "a", 1), TypeError, "start must be a finite number"),
        (lambda: ramp(3, 0, 1, shape="sine"), ValueError, "shape must be one of linear, cosine.*sine"),
        (lambda: ramp(3, 1, 0, shape="exponential"), ValueError, "stop must be a finite number above 0"),
        (lambda: hold(3, None), TypeError, "value must be"),
        (lambda: warmup(-3), ValueError, "n must be a whole number of at least 0"),
        (lambda: cosine(0, inclusive=True), ValueError, "n must be a whole number of at least 1"),
        (lambda: exponential(5), TypeError, "either final or rate"),
        (lambda: exponential(5, final=0.1, rate=0.1), TypeError, "either final or rate"),
        (lambda: exponential(5, rate=0), ValueError, "rate must be a finite number above 0"),
        (lambda: step(0), ValueError, "every must be a whole number of at least 1"),
        (lambda: step(3, times=0), ValueError, "times must be a whole number of at least 1"),
        (lambda: step(3, factor=2), ValueError, "times=None needs.*decay at most 1"),
        (lambda: hold(0).repeat(3), ValueError, "finite length above 0"),
        (lambda: step(3).repeat(3), ValueError, "finite length above 0.*inf"),
        (lambda: linear(3).repeat(2, stretch=0), ValueError, "stretch must be"),
        (lambda: linear(3).repeat(stretch=2), ValueError, "times=None needs stretch=1"),
        (lambda: step(3) >> hold(1), ValueError, "nothing can follow an endless plan"),
        (lambda: linear(3).resize(0), ValueError, "n must be a whole number of at least 1"),
        (lambda: step(3).resize(10), ValueError, "cannot be resized"),
        (lambda: -1 * linear(3), ValueError, "the number before"),
        (lambda: linear(3) >> 2, TypeError, "unsupported operand"),
        (lambda: linear(3) * 2, TypeError, "unsupported operand"),
    ],
)
def test_wrong_arguments_are_named(build, error, words):
    with pytest.raises(error, match=words):
        build()


@pytest.mark.parametrize("t", [-1, -0.5, math.nan, math.inf, np.array([1, -2]), np.array([math.nan]), torch.tensor([3.0, -2])])
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


@pytest.mark.gpu
def test_plans_on_a_gpu_stay_there():
    plan = warmup(3) >> cosine(5).repeat(2, decay=0.5)
    t = torch.arange(20, device="cuda")
    assert plan(t).is_cuda
    torch.testing.assert_close(plan(t).cpu(), plan(t.cpu()), rtol=1e-12, atol=1e-14)
