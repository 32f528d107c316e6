"""Every experiment in its quick mode, and what is stored of it."""

import importlib
import json

import numpy as np
import pytest
import torch

from lrbook import results

from .conftest import FOLDER

SCRIPTS = sorted(path.stem for path in FOLDER.glob("e[0-9][0-9]_*.py"))


def script(name):
    return importlib.import_module(name)


@pytest.mark.parametrize("name", SCRIPTS)
def test_quick_mode_shows_the_orderings_and_agrees_with_what_is_stored(name):
    experiment = script(name).EXPERIMENT
    quantities = experiment.quick()
    assert experiment.differences(quantities) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_stored_result_is_full_and_explains_itself(name):
    module, stored = script(name), results.result(name)
    document = json.loads((results.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert (module.ID, module.EXPERIMENT.id, stored.mode) == (name, name, "full")
    assert all(entry["about"] for entry in document["quantities"].values())
    judged = {key: q for key, q in stored.quantities.items() if not key.startswith("pilot_")}
    assert all(q.n >= 10 for q in judged.values() if q.n), "ten seeds or more"
    assert set(stored.quick) == set(document["quick"]["quantities"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_best_rates_are_interior(name):
    """A curve over rates that was used to choose a rate has its best inside the grid."""
    for key, q in results.result(name).quantities.items():
        if list(q.axes) == ["rate"] and key.startswith(("pilot_", "valid_accuracy", "valid_loss_")):
            sign = -1 if "loss" in key else 1
            best = int(np.nanargmax(sign * np.asarray(q.mean)))
            assert 0 < best < len(q.axes["rate"]) - 1, f"{key}: best at the edge"


def test_the_number_of_expected_trials_of_a_known_curve():
    e20 = script("e20_tunability")
    lr = 10.0 ** np.arange(-3, 3)
    width, trials = e20.trials(np.array([0.0, 0.0, 0.9, 0.9, 0.0, 0.0]), lr)
    edge = 0.01 / 0.9
    assert width == pytest.approx(1 + 2 * edge)
    assert trials == pytest.approx(6 / width)


def test_seeds_that_agree_all_give_the_range_of_their_curve():
    e20 = script("e20_tunability")
    lr, curve = 10.0 ** np.arange(-3, 3), np.array([0.0, 0.0, 0.9, 0.9, 0.0, 0.0])
    found = e20.jackknifed(np.tile(curve[:, None], 4), lr)
    np.testing.assert_allclose(found, np.tile(np.array(e20.trials(curve, lr))[:, None], 4))


def test_accuracy_at_a_training_loss_is_read_between_two_evaluations():
    e03, tuning = script("e03_rate_sweep"), script("tuning")
    metrics = {"train_loss": np.array([[[1.0, 0.1, 0.01]]]), "test_metric": np.array([[[0.2, 0.6, 0.8]]])}
    one = tuning.Curve(np.array([0.1]), np.array([0, 10, 20]), metrics, np.zeros((1, 1), dtype=bool))
    assert e03.test_at(one, 0, np.array([10**-0.5]))[0] == pytest.approx(0.4)
    assert np.isnan(e03.test_at(one, 0, np.array([0.001]))[0])


def test_a_grid_is_widened_until_its_best_rate_is_interior(monkeypatch):
    tuning, asked = script("tuning"), []

    def made(task, rule, lr, seeds, **options):
        asked.append(np.round(np.log10(lr), 2).tolist())
        score = -np.abs(np.log10(lr) - 0.5)[:, None, None] * np.ones((1, 2, 1))
        return tuning.Curve(np.asarray(lr), np.array([1]), {"valid_metric": score}, np.zeros((len(lr), 2), dtype=bool))

    monkeypatch.setattr(tuning, "curve", made)
    found = tuning.tuned(None, "sgd", tuning.grid(-1, 0), 2)
    assert np.log10(found.lr[found.best(failed=-9)]) == pytest.approx(0.5)
    assert found.best(failed=-9) == len(found.lr) - 2
    assert (np.diff(found.lr) > 0).all() and len(asked) == 4


def test_a_diverged_run_never_wins():
    tuning = script("tuning")
    metrics = {"valid_metric": np.array([[[0.3]], [[0.9]]]), "valid_loss": np.array([[[0.5]], [[0.1]]])}
    one = tuning.Curve(np.array([0.1, 1.0]), np.array([1]), metrics, np.array([[False], [True]]))
    assert one.best() == 0 and one.best("valid_loss") == 0


def test_stride_of_plain_descent_is_its_rate_for_every_feature():
    from lrlib import tasks

    e07 = script("e07_sparse_features")
    task = tasks.sparse_logistic(features=12, train=200, valid=10, test=10)
    stride = e07.strides(task, "sgd", 0.25, [0, 1], 20)
    np.testing.assert_allclose(stride[np.isfinite(stride)], 0.25, rtol=1e-3)


def test_raw_pixels_are_the_scanned_grey_levels():
    from sklearn.datasets import load_digits

    from lrlib import tasks

    raw = script("e24_default_rate").raw_pixels(tasks.digits())
    grey = torch.cat([x for x, _ in (raw.train, raw.valid, raw.test)])
    assert torch.allclose(grey, grey.round(), atol=1e-4)
    assert float(grey.sum()) == pytest.approx(load_digits().data.sum(), rel=1e-4)
