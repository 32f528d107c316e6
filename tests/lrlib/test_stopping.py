"""Early stopping: each rule against a plain definition over the whole history; state; bad input."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrlib import Stalling, Worsening

VALUES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0, math.inf, math.nan]), max_size=25)
FEW = settings(max_examples=40, deadline=None)


def worsening(values, patience, delta):
    """Index at which the last `patience` values all lie above the lowest before them, by the definition."""

    def worse(t):
        before = [v for v in values[:t] if not math.isnan(v)]
        return math.isnan(values[t]) or values[t] > min(before, default=math.inf) + delta

    return next((t for t in range(patience - 1, len(values)) if all(worse(t - k) for k in range(patience))), None)


def stalling(values, patience, delta):
    last, reference = -1, math.inf
    for t, v in enumerate(values):
        if v < reference - delta or (v < math.inf == reference):
            last, reference = t, v
        if t - last >= patience:
            return t
    return None


@FEW
@given(values=VALUES, patience=st.integers(1, 4), delta=st.sampled_from([0.0, 0.15]))
def test_both_rules_equal_their_definitions(values, patience, delta):
    assert Worsening(patience, delta).first(values) == worsening(values, patience, delta)
    assert Stalling(patience, delta).first(values) == stalling(values, patience, delta)


@FEW
@given(values=VALUES, patience=st.integers(1, 4), kind=st.sampled_from([Worsening, Stalling]))
def test_the_mirror_image_stops_at_the_same_value(values, patience, kind):
    mirrored = kind(patience, mode="max").first([-v for v in values])
    assert mirrored == kind(patience, mode="min").first(values)


@FEW
@given(values=VALUES, cut=st.integers(0, 25), kind=st.sampled_from([Worsening, Stalling]))
def test_a_stored_state_goes_on_as_if_never_interrupted(values, cut, kind):
    whole, resumed = kind(2, 0.05), kind(2, 0.05)
    said = [whole.update(v) for v in values]
    first = kind(2, 0.05)
    early = [first.update(v) for v in values[:cut]]
    resumed.load_state_dict(first.state_dict())
    assert early + [resumed.update(v) for v in values[cut:]] == said
    assert resumed.state_dict() == whole.state_dict() == json.loads(json.dumps(whole.state_dict()))


def test_first_leaves_the_object_alone_and_best_says_where_the_lowest_was():
    rule = Worsening(patience=2)
    rule.update(torch.tensor(2.0))
    rule.update(np.float32(1.0))
    before = rule.state_dict()
    assert rule.first(np.array([1.0, 2.0, 3.0])) == 2 and rule.state_dict() == before
    assert (rule.best, rule.best_index, rule.count) == (1.0, 1, 2)
    rule.reset()
    assert rule.best == math.inf and rule.best_index is None and not rule.stopped


def test_a_flat_curve_stalls_and_does_not_worsen():
    assert Stalling(3).first([1.0] * 9) == 3 and Worsening(1).first([1.0] * 9) is None


def test_small_gains_add_up():
    assert Stalling(2, min_delta=0.25).first([1.0, 0.8, 0.7, 0.6, 0.4]) is None
    assert Stalling(3, min_delta=0.25).first([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]) is None
    assert Stalling(3, min_delta=0.45).first([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]) == 3


def test_a_rule_that_stopped_stays_stopped():
    rule = Worsening()
    assert [rule.update(v) for v in (1.0, 2.0, 0.1)] == [False, True, True] and rule.best == 0.1


@pytest.mark.parametrize(
    ("wrong", "match", "error"),
    [
        ({"patience": 1.7}, "patience must be a whole number", TypeError),
        ({"patience": True}, "patience must be a whole number", TypeError),
        ({"patience": 0}, "patience must be a whole number of at least 1", ValueError),
        ({"min_delta": -0.1}, "min_delta must be", ValueError),
        ({"min_delta": True}, "min_delta must be", TypeError),
        ({"mode": "least"}, "mode must be", ValueError),
    ],
)
def test_wrong_arguments_are_named(wrong, match, error):
    for kind in (Worsening, Stalling):
        with pytest.raises(error, match=match):
            kind(**wrong)


def test_wrong_values_and_states_change_nothing():
    rule = Stalling()
    rule.update(1.0)
    before = rule.state_dict()
    for wrong in ("0.1", True, None, [1.0], 1j):
        with pytest.raises(TypeError, match="value must be a number"):
            rule.update(wrong)
    with pytest.raises(ValueError, match="state must hold"):
        rule.load_state_dict({"best": 0.0})
    for other in (Worsening(10), Stalling(9), Stalling(min_delta=0.1), Stalling(mode="max")):
        with pytest.raises(ValueError, match=r"state must be that of Stalling\(patience=10.*got one of"):
            rule.load_state_dict(other.state_dict())
    assert rule.state_dict() == before
