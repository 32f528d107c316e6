"""Every experiment at its full protocol with one seed, against its golden values."""

import importlib
import json

import numpy as np
import pytest

from lrbook import golden, golden_values, results, verdicts


def grouped(name):
    """An experiment, in one process with those that share its networks, so that they are trained once."""
    family = golden.experiment(name).family
    return pytest.param(name, marks=pytest.mark.xdist_group(family[0] if family else name))


@pytest.mark.parametrize("name", [grouped(name) for name in golden.names()])
def test_no_golden_value_has_moved(name):
    """Every digit on a machine like the one that stored them; elsewhere what holds on any machine."""
    _, found = golden.check(golden.experiment(name))
    assert found.moved(portable=not golden_values.here(golden_values.stored(name))) == []


def test_every_experiment_has_golden_values():
    assert sorted(path.stem for path in golden_values.FOLDER.glob("*.json")) == golden.names()
    assert sum(path.stat().st_size for path in golden_values.FOLDER.glob("*.json")) < 2e6


@pytest.mark.parametrize("name", golden.names())
def test_golden_values_say_how_far_they_hold(name):
    fixture = golden_values.stored(name)
    assert {entry["holds"] for entry in fixture["quantities"].values()} <= {"anywhere", "same machine"}
    assert not {*fixture["quantities"]} & {*golden.experiment(name).timed}
    assert json.dumps(fixture, allow_nan=False)


@pytest.mark.parametrize("name", golden.names())
def test_the_single_size_is_the_full_one_with_fewer_seeds(name):
    sizes = getattr(importlib.import_module(name), "SIZES", {"full": {}, "single": {}})
    assert {*sizes["full"]} == {*sizes["single"]}
    for entry, value in sizes["full"].items():
        single = sizes["single"][entry]
        if isinstance(single, list) and single == value[: len(single)]:
            continue  # the first of several sizes, where even one seed of all of them takes minutes
        if not np.all(np.equal(single, value)) and not isinstance(single, str):
            counts = list(single.values()) if isinstance(single, dict) else [single]
            assert {*counts} <= {1, 2}, entry


def judged(number):
    """The rules that rest on an experiment, illustrations left out."""
    rules = [rule for claim in verdicts.rules().values() for rule in claim if rule.number == number]
    return [rule for rule in rules if rule.role != "illustration"]


def matters(rule, library):
    """Whether turning the sign of what a rule found would change its verdict."""
    found = verdicts.measure(rule, library)
    return found.verdict not in (None, verdicts.SMALLER, verdicts.NO_VARIATION) and rule.direction != "="


@pytest.mark.parametrize("name", golden.names())
def test_an_effect_with_its_sign_turned_is_noticed(name):
    """By its golden value, or by its quick value where a single seed shows no effect; every digit of both is compared."""
    one, held, quick = golden.experiment(name), golden_values.stored(name)["quantities"], results.result(name).quick
    for rule in judged(one.number):
        bare = rule.quantity.partition("[")[0]
        if bare not in one.timed and matters(rule, results.Library()):
            effect = np.array(held[bare]["mean"], dtype=float)
            assert golden_values.apart(effect, -effect) > 0 or np.any(quick[bare].mean), rule
