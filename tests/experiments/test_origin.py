"""What the scripts draw themselves: from another origin, other numbers."""

import importlib

import numpy as np
import pytest

from lrbook import pieces
from lrlib._base.streams import moved, seeds_from

DRAWN = {
    "e01_quadratic_ladder": lambda script: script.draws(3),
    "e06_double_well": lambda script: script.walk("dent", np.array([0.1]), 1.0, [1.0] * 3, 2, 3),
    "e28_cost": lambda script: script.Trainer(8, "sgd").x,
    "e38_pattern_order": lambda script: script.signatures()[1],
    "e39_robustness": lambda script: script.jolted({"w": np.ones((2, 3))}, 0.1, 0)["w"],
    "e52_catapult": lambda script: script.starts(3),
}


@pytest.mark.parametrize("name", DRAWN)
def test_another_origin_moves_what_a_script_draws(name):
    script = importlib.import_module(name)

    def drawn(origin):
        with seeds_from(origin):
            return np.asarray(DRAWN[name](script))

    np.testing.assert_array_equal(drawn(0), np.asarray(DRAWN[name](script)))
    assert not np.array_equal(drawn(0), drawn(5)) and not np.array_equal(drawn(5), drawn(6))
    np.testing.assert_array_equal(drawn(5), drawn(5))


def test_shared_networks_and_changed_data_are_remembered_for_their_origin(monkeypatch):
    large_rates, robustness = (importlib.import_module(name) for name in ("large_rates", "e39_robustness"))
    made = {"threshold": np.ones(1), "weights/way/w": np.ones((1, 1)), "scores/way/train_loss": np.ones((1, 1))}
    monkeypatch.setitem(large_rates.SIZES, "tiny", large_rates.SIZES["quick"])
    monkeypatch.setattr(large_rates, "arrays", lambda task, size, seeds: {n: v * moved(3) for n, v in made.items()})
    for origin in (0, 5, 0):
        with seeds_from(origin):
            assert (large_rates.trained("tiny").weights["way"]["w"] == float(moved(3))).all()
    one = robustness.redrawn("shear", 10)[0]
    with seeds_from(5):
        assert not np.array_equal(robustness.redrawn("shear", 10)[0], one)
    assert robustness.redrawn("shear", 10)[0] is one


def test_pairs_are_kept_in_the_folder_of_their_run_and_counted_from_its_origin(monkeypatch, tmp_path):
    ticks, pair, measured = (*map(importlib.import_module, ("e34_ticks", "ticks_pair")), [])

    def measure(size, seeds):
        measured.append(seeds)
        return {"value": np.array([float(moved(s)) for s in seeds])}

    monkeypatch.setattr(pair, "measure", measure)
    assert ticks.pairs({}, range(3))["value"].tolist() == [0, 1, 2] and len(measured) == 2, "nothing is kept"
    with pieces.going_on(pieces.Run(tmp_path)), seeds_from(5):
        first, again = (ticks.pairs({}, range(3))["value"] for _ in range(2))
        assert first.tolist() == again.tolist() == [float(moved(s)) for s in range(3)]
    assert len(measured) == 4 and pair.kept(tmp_path, 5, {}, [0, 1])["value"].tolist() == first[:2].tolist()
    assert pair.kept(tmp_path, 0, {}, [0, 1])["value"].tolist() == [0, 1], "another origin shares no file"
