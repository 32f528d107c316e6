"""Golden values: what is kept of an outcome, and what counts as moved."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbook import golden, golden_values
from lrbook.experiment import Experiment
from lrbook.pieces import Outcome
from lrbook.quantity import exact, measured

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=5)


HELPER = Experiment("e98_helper", "Does the helper work?", None, None, __file__, timed=("clock",))
SWEEP = "first losses of sweep 0"


def outcome(values, first=((0.5, 0.25),), **more):
    quantities = {"gain": measured(values, "pp"), "limit": exact(2.0, "rate"), "clock": exact(1.0, "s")} | more
    return Outcome(quantities, [list(row) for row in first], 1.0)


def compared(old, new, anywhere=()):
    """The comparison of a new outcome with what would be read back of the old one."""
    held = json.loads(json.dumps(golden_values.fixture(HELPER, old, anywhere), allow_nan=False))
    return golden_values.compared(held, new, HELPER.timed)


@given(values=NUMBERS)
def test_what_is_stored_comes_back_as_equal(values):
    assert compared(outcome(values), outcome(values)).moved() == []


def test_a_fixture_is_written_as_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(golden_values, "FOLDER", tmp_path / "golden")
    document = golden_values.fixture(HELPER, outcome([1.0, 3.0]), anywhere={"limit"})
    golden_values.store(document)
    assert golden_values.stored("e98_helper") == document


def test_the_smallest_change_of_a_number_is_a_move():
    little = compared(outcome([1.0, 2.0]), outcome([1.0, 2.0 + 1e-8]), anywhere={"gain"})
    assert "gain: moved by" in little.moved()[0] and little.moved(portable=True) == []
    assert compared(outcome([1.0, 2.0]), outcome([1.0, 2.01]), anywhere={"gain"}).moved(portable=True) != []


@pytest.mark.parametrize("same", [True, False])
def test_only_equal_values_confirm_a_result(same, monkeypatch):
    noted, found = [], compared(outcome([1.0]), outcome([1.0 if same else 1.5]))
    monkeypatch.setattr(golden, "check", lambda one, folder: (1.0, found))
    monkeypatch.setattr(golden, "experiment", lambda name: HELPER)
    monkeypatch.setattr(Experiment, "note_confirmed", lambda self: noted.append(self.id))
    assert golden.main(["--confirm", "e98_helper"]) == (not same)
    assert noted == ["e98_helper"] * same


def test_what_hangs_on_the_clock_is_left_out():
    assert set(golden_values.fixture(HELPER, outcome([1.0]))["quantities"]) == {"gain", "limit", SWEEP}
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
    assert max(compared(outcome([1.0]), fresh).gaps.values()) == float("inf")


@pytest.mark.parametrize("first", [((0.5, 0.26),), ((0.5,),), ((0.5, 0.25), (0.5, 0.25)), ()])
def test_other_first_losses_are_a_move(first):
    assert len(compared(outcome([1.0]), outcome([1.0], first)).moved()) == 1


def test_a_name_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(ValueError, match="e01_quadratic_ladder.*'e99_nothing'"):
        golden.experiment("e99_nothing")


def test_intervals_are_kept_where_they_say_something():
    kept = golden_values.numbers(outcome([1.0, 3.0]))
    assert set(kept["gain"]) == {"mean", "low", "high", "values"} and set(kept["limit"]) == {"mean"}
    assert set(golden_values.numbers(outcome([1.0]))["gain"]) == {"mean"}
    assert np.shape(kept["gain"]["values"]) == (2,)


@pytest.fixture
def one(tmp_path, monkeypatch):
    """An experiment whose values are stored with the instructions "AVX2", and are others with "NEON"."""
    monkeypatch.setattr(golden_values, "FOLDER", tmp_path)
    own = {"now": "AVX2"}
    for module in (golden, golden_values):
        monkeypatch.setattr(module, "instructions", lambda: own["now"])

    def run(mode):
        other = own["now"] != "AVX2"
        return {"chaos": exact(1 + other), "still": exact(3 + 1e-8 * other), "grid": exact(1.0), "clock": exact(0.0)}

    return Experiment(HELPER.id, HELPER.question, run, None, __file__, timed=("clock",)), own


def test_other_instructions_tell_what_holds_anywhere(one):
    experiment, own = one
    golden.renew(experiment)
    with pytest.raises(ValueError, match="computed with AVX2 too"):
        golden.mark(experiment)
    own["now"] = "NEON"
    assert golden.mark(experiment) == ["still"]
    _, found = golden.check(experiment)
    assert found.moved(portable=True) == [] and len(found.moved()) == 2
    own["now"] = "AVX2"
    assert golden.renew(experiment)["quantities"]["still"]["holds"] == "anywhere", "taken over"
    assert golden.check(experiment)[1].moved() == []


def test_the_command_fails_where_a_number_moved(one, monkeypatch, capsys):
    experiment, own = one
    monkeypatch.setattr(golden, "names", lambda: [experiment.id])
    monkeypatch.setattr(golden, "experiment", lambda name: experiment)
    assert golden.main(["--store"]) == 0 and golden.main([]) == 0
    own["now"] = "NEON"
    assert golden.main(["--portable"]) == 0 and golden.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "1 of 3" in lines[-3] and "holds anywhere" in lines[-3]
    assert "chaos: moved by 1" in lines[-2] and "still: moved by 3" in lines[-1]


def test_the_command_skips_what_is_done_with_this_code(one, tmp_path):
    experiment, own = one
    golden.renew(experiment, tmp_path / "kept")
    own["now"] = "NEON"
    assert golden.check(experiment, tmp_path / "kept")[1].moved() == [], "taken from the folder"
    assert golden.check(experiment)[1].moved() != []
