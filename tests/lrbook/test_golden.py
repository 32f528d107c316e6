"""Golden values: what is kept of an outcome, and what counts as moved."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbook import golden
from lrbook.experiment import Experiment
from lrbook.pieces import Outcome
from lrbook.quantity import exact, measured

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=5)


HELPER = Experiment("e98_helper", "Does the helper work?", None, None, __file__, timed=("clock",))


def outcome(values, first=((0.5, 0.25),), **more):
    quantities = {"gain": measured(values, "pp"), "limit": exact(2.0, "rate"), "clock": exact(1.0, "s")} | more
    return Outcome(quantities, [list(row) for row in first], 1.0)


def compared(old, new, anywhere=()):
    """The comparison of a new outcome with what would be read back of the old one."""
    held = json.loads(json.dumps(golden.fixture(HELPER, old, anywhere), allow_nan=False))
    return golden.compared(held, new, HELPER.timed)


@given(values=NUMBERS)
def test_what_is_stored_comes_back_as_equal(values):
    assert compared(outcome(values), outcome(values)).moved() == []


def test_a_fixture_is_written_as_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "FOLDER", tmp_path / "golden")
    document = golden.fixture(HELPER, outcome([1.0, 3.0]), anywhere={"limit"})
    golden.store(document)
    assert golden.stored("e98_helper") == document
    golden.store(document | {"first_losses": []})
    assert golden.stored("e98_helper")["first_losses"] == []


def test_the_smallest_change_of_a_number_is_a_move():
    little = compared(outcome([1.0, 2.0]), outcome([1.0, 2.0 + 1e-8]), anywhere={"gain"})
    assert "gain: moved by" in little.moved()[0] and little.moved(portable=True) == []
    assert compared(outcome([1.0, 2.0]), outcome([1.0, 2.01]), anywhere={"gain"}).moved(portable=True) != []


def test_what_hangs_on_the_clock_is_left_out():
    assert set(golden.fixture(HELPER, outcome([1.0]))["quantities"]) == {"gain", "limit"}
    assert compared(outcome([1.0]), outcome([1.0], clock=exact(9.0))).moved() == []


def test_what_holds_on_one_machine_only_may_move_on_another():
    found = compared(outcome([1.0]), outcome([3.0]), anywhere={"limit"})
    assert found.moved(portable=True) == [] and len(found.moved()) == 1


@pytest.mark.parametrize(
    "fresh",
    [
        outcome([1.0], extra=exact(1.0)),
        Outcome({"limit": exact(2.0)}, [[0.5, 0.25]], 1.0),
        outcome([float("nan")]),
        outcome([1.0, 3.0]),
        outcome([1.0], limit=exact([2.0, 2.0], axes={"lr": [1, 2]})),
    ],
    ids=["one more", "one less", "no longer a number", "more seeds", "another shape"],
)
def test_another_set_of_numbers_is_a_move(fresh):
    assert max(compared(outcome([1.0]), fresh).quantities.values()) == float("inf")


@pytest.mark.parametrize("first", [((0.5, 0.26),), ((0.5,),), ((0.5, 0.25), (0.5, 0.25)), ()])
def test_other_first_losses_are_a_move_on_any_machine(first):
    moved = compared(outcome([1.0]), outcome([1.0], first)).moved(portable=True)
    assert any("first losses" in text for text in moved)


def test_a_name_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(ValueError, match="e01_quadratic_ladder.*'e99_nothing'"):
        golden.experiment("e99_nothing")


def test_intervals_are_kept_where_they_say_something():
    kept = golden.numbers(outcome([1.0, 3.0]))
    assert set(kept["gain"]) == {"mean", "low", "high", "values"} and set(kept["limit"]) == {"mean"}
    assert set(golden.numbers(outcome([1.0]))["gain"]) == {"mean"}
    assert np.shape(kept["gain"]["values"]) == (2,)
