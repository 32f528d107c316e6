"""The checks of arguments that all rooms share: what passes, and what the errors say."""

import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lrlib import convergence_threshold, find, fit, large_rate, steps, sweep, sweep_steps, tasks, threshold_curve
from lrlib._base import arguments

NO_FLAGS = [None, 0, 1, 0.0, math.nan, "", "False", "no", [], [True], {}, np.array([True]), torch.tensor(True), object]


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_a_flag_is_true_or_false(value):
    assert arguments.flag("log", value) is bool(value)


@pytest.mark.parametrize("value", NO_FLAGS, ids=repr)
def test_what_only_counts_as_true_or_false_is_no_flag(value):
    with pytest.raises(TypeError, match="^log must be True or False; got "):
        arguments.flag("log", value)


@given(st.integers(), st.integers(), st.integers())
def test_a_whole_number_lies_between_its_ends(value, least, most):
    if least <= value <= most:
        assert arguments.whole("n", value, least, most) == value
    else:
        with pytest.raises(ValueError, match="^n must be "):
            arguments.whole("n", value, least, most)


@pytest.mark.parametrize("value", [60.0, np.float64(60), np.float32(60), -2.0, 0.0])
def test_a_float_that_is_whole_is_refused_as_a_float(value):
    with pytest.raises(
        TypeError, match=r"^n must be a whole number of at least 1, as an int; got the float .*: write int"
    ):
        arguments.whole("n", value)


@pytest.mark.parametrize("value", [0.06, math.nan, math.inf, True, np.True_, "3", None, 1j, [3], object(), int])
def test_what_is_no_whole_number_is_refused_as_such(value):
    with pytest.raises(TypeError, match="^n must be a whole number of at least 1; got "):
        arguments.whole("n", value)


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**5000, Fraction(10**400)], ids=["+", "-", "long", "ratio"])
@pytest.mark.parametrize("check", [arguments.number, arguments.real])
def test_a_number_that_no_float_holds_is_refused_by_name(check, value):
    with pytest.raises(ValueError, match="^rate must be .*too large for a float"):
        check("rate", value)


@given(st.one_of(st.floats(0, 1e308), st.integers(0, 10**300), st.fractions(0, 10**30)))
def test_a_number_that_a_float_holds_is_that_float(value):
    assert arguments.number("rate", value) == float(value)


class Shy:
    def __repr__(self):
        raise RuntimeError("not shown")


@pytest.mark.parametrize("value", ["a" * 10**6, list(range(10**5)), 10**10_000, [10**10_000], Shy()], ids=range(5))
def test_an_error_shows_a_value_in_a_line(value):
    assert 0 < len(arguments.shown(value)) < 250
    with pytest.raises(TypeError, match="^log must be True or False; got .{1,250}$"):
        arguments.flag("log", value)


@pytest.mark.parametrize("seeds", [10**30, 10**10, 10**6 + 1, [2**63], [0, 10**30], 0, -1, [], [3, 3], "3", None, 1.0])
def test_seeds_that_no_run_can_have_are_refused_with_the_most_that_are_allowed(seeds):
    with pytest.raises(ValueError, match="^seeds must be .*at most 1,000,000 seeds, each below 2"):
        arguments.seed_list(seeds)


def test_seeds_that_runs_can_have_are_listed():
    assert arguments.seed_list(10**6)[-1] == 10**6 - 1 and arguments.seed_list([2**63 - 1]) == [2**63 - 1]
    assert arguments.seed_list(np.array([7, 5])) == [7, 5]


@pytest.mark.parametrize("steps", [10**30, 10**10, 10**8 + 1])
def test_more_steps_than_a_run_can_have_are_refused_with_the_most_that_are_allowed(steps):
    with pytest.raises(ValueError, match="^steps must be at most 100,000,000; got "):
        arguments.steps_of(SimpleNamespace(steps=5), steps)
    with pytest.raises(ValueError, match="^steps must be at most 100,000,000; got "):
        arguments.steps_of(SimpleNamespace(steps=steps), None)


@given(st.floats(0, 3.4e38), st.floats(3.5e38, 1e308))
def test_a_rate_is_held_by_the_precision_it_is_used_in(small, large):
    assert arguments.held("lr", [small, -small], torch.float32) == [small, -small]
    assert arguments.held("lr", large, torch.float64) == large
    for values in (large, [small, large], np.array([[small], [-large]])):
        with pytest.raises(ValueError, match=r"^lr must be at most 3.40282e\+38 in torch.float32; got "):
            arguments.held("lr", values, torch.float32)


@pytest.mark.parametrize("value", [3, None, "model", torch.nn.Linear, [torch.nn.Linear(1, 1)], lambda x: x])
def test_what_is_no_network_is_refused_by_name(value):
    with pytest.raises(TypeError, match=r"^model must be a torch.nn.Module; got \w+$"):
        arguments.module("model", value)


@pytest.mark.parametrize("value", [1.0, lambda t: "a", lambda t: None, lambda t: [1, 2], lambda t: 10**400, math.nan])
def test_a_plan_that_gives_no_numbers_is_refused_by_name(value):
    with pytest.raises((TypeError, ValueError), match="^plan (at t=0 )?must be "):
        arguments.factors_of(value, 3)


@pytest.mark.parametrize("value", [1, 0.5, math.nan, -math.inf, 10**400, True, "2", None])
def test_a_limit_of_divergence_is_a_number_above_one(value):
    with pytest.raises((TypeError, ValueError), match="^diverged_at must be "):
        arguments.check_diverged_at(value)
    arguments.check_diverged_at(math.inf)


SMALL = tasks.breast_cancer(width=4, depth=1, steps=12)
CALLS = {
    "fit": lambda **given: fit(SMALL, "momentum", **given),
    "steps": lambda **given: steps(SMALL, "momentum", **given),
    "sweep": lambda **given: sweep(SMALL, "momentum", **given),
    "sweep_steps": lambda **given: sweep_steps(SMALL, "momentum", **given),
    "find": lambda **given: find(SMALL, "momentum", **{"steps": 12, "low": 1e-3, "seeds": 1} | given),
    "convergence_threshold": lambda **given: convergence_threshold(SMALL, start=0.1, **given),
    "threshold_curve": lambda **given: threshold_curve(SMALL, start=0.1, budgets=[5, 9], **given),
    "large_rate": lambda **given: large_rate(SMALL, **given),
    "fit, an optimizer": lambda **given: fit(SMALL, lambda parameters: torch.optim.SGD(parameters, lr=0.1), **given),
}
SINGLE = ["fit", "steps", "fit, an optimizer"]
DIVIDED = ["fit", "steps", "sweep_steps", "fit, an optimizer"]
SWEPT = [name for name in CALLS if name not in SINGLE]
NO_EVENTS = ["steps", "sweep_steps", "convergence_threshold", "threshold_curve"]
MISPLACED = [
    *((call, {"seeds": 3}, "a single run has one seed=, lrlib.sweep takes seeds=") for call in SINGLE),
    *((call, {"seed": 3}, "lrlib.sweep takes seeds=") for call in SWEPT if call != "large_rate"),
    *((call, {"path": "loop"}, "lrlib.sweep takes it") for call in SINGLE),
    *((call, {name: 2}, "lrlib.sweep takes it") for call in DIVIDED for name in ("jobs", "lanes", "folder")),
    *((call, {"checkpoint": "run.pt"}, "lrlib.fit takes it") for call in [*SWEPT, "steps"]),
    *((call, {"plateau": None}, "lrlib.fit takes it") for call in SWEPT),
    *((call, {"on_event": print}, "lrlib.fit and lrlib.sweep take it") for call in NO_EVENTS),
    *((call, {"here": False}, "") for call in CALLS if call != "fit, an optimizer"),
    *((call, {"hyper": {}}, "") for call in CALLS if call != "fit, an optimizer"),
]


@pytest.mark.parametrize("call, given, hint", MISPLACED, ids=lambda value: str(value))
def test_an_argument_of_another_function_is_no_option_of_a_rule(call, given, hint):
    with pytest.raises(TypeError) as found:
        CALLS[call](**given)
    (name,), said = given, str(found.value)
    assert said.startswith(f"unknown option {name!r}") and hint in said
    allowed = said.partition(": allowed are ")[2].split(", ")
    assert {"steps", "device"} <= {*allowed} and name not in allowed
    assert call == "fit, an optimizer" or "weight_decay" in allowed


@pytest.mark.parametrize("call, name", [("find", "lr"), ("find", "plan"), ("convergence_threshold", "lr")])
def test_what_a_function_sets_itself_is_left_out(call, name):
    with pytest.raises(TypeError, match=f"^{name}: .* sets it itself; leave it out$"):
        CALLS[call](**{name: 0.1})


def test_a_rule_that_draws_has_the_seed_of_its_run():
    with pytest.raises(TypeError, match="unknown option 'seed' .*lrlib.sweep takes seeds="):
        sweep(SMALL, "annealed_sgd", seed=3)
    lanes, alone = (
        sweep(SMALL, "annealed_sgd", 0.1, seeds=[3], steps=3),
        fit(SMALL, "annealed_sgd", 0.1, seed=3, steps=3),
    )
    assert np.array_equal(lanes.loss, alone.loss)


NO_SEQUENCES = {
    "a generator": lambda: (k for k in (1, 3)),
    "an iterator": lambda: iter([1, 3]),
    "a map": lambda: map(int, "13"),
    "a set": lambda: {1, 3},
    "a dict": lambda: {1: 3},
    "its keys": lambda: {1: 3}.keys(),
    "a text": lambda: "13",
    "bytes": lambda: b"13",
}
SEQUENCES = {"a list": [3, 1, 3], "a tuple": (1, 3), "a range": range(1, 4, 2), "an array": np.array([1, 3])}
SEQUENCES |= {"a tensor": torch.tensor([1, 3]), "numbers of numpy": [np.int64(1), np.int32(3)]}
TRAIN = [call for call in CALLS if call != "large_rate"]  # which sets both itself


@pytest.mark.parametrize("call", TRAIN)
@pytest.mark.parametrize(
    "name, allowed", [("evaluate", "None, a number n .*, or a sequence"), ("snapshots", "a sequence")]
)
@pytest.mark.parametrize("kind", NO_SEQUENCES)
def test_numbers_of_updates_that_can_be_read_only_once_or_in_no_order_are_refused(kind, name, allowed, call):
    with pytest.raises(TypeError, match=f"^{name} must be {allowed} of numbers of updates; got "):
        CALLS[call](**{name: NO_SEQUENCES[kind]()})


@pytest.mark.parametrize("name", ["evaluate", "snapshots"])
@pytest.mark.parametrize("kind", SEQUENCES)
def test_numbers_of_updates_are_any_sequence_of_whole_numbers(kind, name):
    given = {name: SEQUENCES[kind]}
    for record in (fit(SMALL, steps=4, **given), sweep(SMALL, steps=4, **given), find(SMALL, steps=4, **given).record):
        evaluated, kept = record.evaluations["step"].tolist(), [*record.snapshots]
        assert (evaluated, kept) == (([1, 3, 4], []) if name == "evaluate" else ([4], [1, 3]))


@pytest.mark.parametrize("name", ["evaluate", "snapshots"])
def test_numbers_of_updates_lie_inside_the_run(name):
    for wrong, error in (
        ([5], ValueError),
        ([-1], ValueError),
        ([1.0], TypeError),
        ([True], TypeError),
        ([[1], 2], TypeError),
    ):
        with pytest.raises(error, match=f"^{name} must (lie between 0 and 4 updates|be a whole number of at least 0)"):
            fit(SMALL, steps=4, **{name: wrong})
