"""Every experiment at its full protocol with one seed, against its golden values."""

import importlib
import json

import numpy as np
import pytest

from lrbook import golden, golden_values

CHEAP = [
    "e01_quadratic_ladder",
    "e02_stability_limit",
    "e05_last_iterate_bound",
    "e06_double_well",
    "e52_catapult",
]


@pytest.mark.parametrize("name", CHEAP)
def test_no_golden_value_has_moved_by_more_than_another_machine_would_move_it(name):
    """Of what holds on any machine; every digit is compared by `python -m lrbook.golden`."""
    _, found = golden.check(golden.experiment(name))
    assert found.moved(portable=True) == []


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
        if not np.all(np.equal(single, value)) and not isinstance(single, str):
            counts = list(single.values()) if isinstance(single, dict) else [single]
            assert {*counts} <= {1, 2}, entry
