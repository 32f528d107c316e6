"""Regimes of large rates: closed cases, and what holds of every grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrlib import Borders, borders, interval, run_losses, sweep, tasks
from lrlib.choosing.regimes import BORDERS, REGIMES

RATES = np.geomspace(0.1, 10, 5)  # borders at 10**(-0.75, -0.25, 0.25, 0.75)
LOSS = np.array([0.001, 0.005, 0.4, 0.9, 2.5])
SCORE = np.array([[0.8, 0.8], [0.8, 0.81], [0.83, 0.835], [0.6, 0.7], [0.1, 0.1]])
WALL = np.array([30.0, 0.0, 1.0, 9.0, 40.0])


def column(*values):
    return np.array(values)[..., None]


def test_five_rates_lie_in_the_four_regimes():
    found = borders(RATES, LOSS, 2.3, finetuned=column(*SCORE), barrier=WALL)
    assert found.regime[:, 0].tolist() == ["1", "1", "2A", "2B", "3"] and not found.exceptions.any()
    assert np.allclose(np.log10([found.threshold[0], found.split[0], found.divergence[0]]), [-0.25, 0.25, 0.75])
    assert np.allclose(found.band, 0.5)


def test_the_order_of_the_rates_does_not_matter():
    order = [3, 0, 4, 2, 1]
    shuffled = borders(RATES[order], LOSS[order], 2.3, finetuned=column(*SCORE[order]), barrier=WALL[order])
    assert shuffled.lr.tolist() == RATES.tolist() and shuffled.regime[:, 0].tolist() == ["1", "1", "2A", "2B", "3"]


@pytest.mark.parametrize(
    "change, regime",
    [
        ({"barrier": [0, 0, 2.0, 0, 0]}, "2B"),  # the barrier must be under 2 points
        ({"barrier": [0, 0, 1.99, 0, 0]}, "2A"),
        ({"barrier": [0, 0, np.nan, 0, 0]}, "2B"),
        ({"barrier": None, "margin": 0.004}, "2B"),  # the scores there differ by 0.005
        ({"barrier": None, "margin": 0.006}, "2A"),
        ({"barrier": None, "margin": 0.004, "finetuned": None}, "2"),
        ({"converged": 0.5}, "1"),
        ({"untrained_loss": 0.3}, "3"),
        ({"tail_loss": [0, 0, np.inf, 1, 3]}, "3"),
    ],
)
def test_each_rule_decides_on_the_rate_in_the_middle(change, regime):
    settings = {"untrained_loss": 2.3, "finetuned": column(*SCORE), "barrier": WALL, **change}
    assert borders(RATES, LOSS, **settings).by_rule[2, 0] == regime


def test_the_untrained_loss_itself_is_no_learning_and_the_limit_itself_no_convergence():
    assert borders([1.0, 2.0], [0.01, 2.3], 2.3).by_rule[:, 0].tolist() == ["2", "3"]


def test_rates_too_slow_to_converge_count_as_regime_1_and_as_exceptions():
    found = borders(RATES, [0.2, 0.001, 0.5, 0.6, 0.7], 2.3)
    assert found.regime[:, 0].tolist() == ["1", "1", "2", "2", "2"]
    assert found.exceptions[:, 0].tolist() == [True, False, False, False, False]
    assert np.isinf(found.divergence[0]) and np.isnan(found.split[0])


def test_a_lone_divergence_below_a_rate_that_learns_is_no_border():
    found = borders(RATES, [0.001, np.nan, 0.5, 3.0, np.inf], 2.3)
    assert found.regime[:, 0].tolist() == ["1", "2", "2", "3", "3"] and found.by_rule[1, 0] == "3"


@pytest.mark.parametrize(
    "loss, edges",
    [
        (np.zeros(5), (np.inf, np.inf)),
        (np.ones(5), (0, np.inf)),
        (np.full(5, np.nan), (0, 0)),
    ],
)
def test_borders_outside_the_grid(loss, edges):
    found = borders(RATES, loss, 2.3)
    assert (found.threshold[0], found.divergence[0]) == edges and np.isnan(found.band[0])
    assert ("above" in found.table()) == (np.inf in edges) and ("below" in found.table()) == (0 in edges)


def test_empty_halves_of_regime_2():
    only_b = borders(RATES, LOSS, 2.3, barrier=np.full(5, 9.0))
    only_a = borders(RATES, LOSS, 2.3, barrier=np.zeros(5))
    assert only_b.split == only_b.threshold and only_b.band == 0 and only_a.split == only_a.divergence
    open_end = borders(RATES, np.minimum(LOSS, 1), 2.3, barrier=np.zeros(5))
    assert np.isinf(open_end.split[0]) and np.isinf(open_end.band[0])


def test_intervals_over_seeds_are_those_of_the_logarithms():
    loss = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [3, 3, 3]], dtype=float)
    found = borders(RATES, loss, [2.3, 2.3, 2.0])
    assert np.allclose(np.log10(found.threshold), [-0.75, -0.25, 0.25])
    assert np.allclose(np.log10(found.interval("threshold")), interval([-0.75, -0.25, 0.25])[:3])
    rate, low, high = found.interval("divergence")
    assert np.allclose([rate, low, high], 10**0.75)
    assert np.isnan(borders(RATES, LOSS, 2.3).interval("threshold")[1:]).all()


def test_seeds_whose_border_is_outside_the_grid_pull_the_median_only():
    loss = np.ones((5, 9))
    loss[:3, :6], loss[:, 6:8] = 0, 0  # 6 seeds inside, 2 above, 1 below
    rate, low, high = borders(RATES, loss, 2.3).interval("threshold")
    assert np.isclose(np.log10(rate), 0.25) and low <= rate <= high == np.inf


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([1.0, 1.0], [0, 0], 1), "lr must be different"),
        (("ab", [0, 0], 1), "lr must be an array of numbers"),
        (([1, 2], [[0], [0, 1]], 1), "pretrain_loss must be an array of numbers"),
        (([1, 2], [0, 0], "x"), "untrained_loss must be an array of numbers"),
        (([1.0, -1.0], [0, 0], 1), "above 0"),
        (([], np.zeros((0, 1)), 1), "at least one"),
        (([1.0, 2.0], [0, 0, 0], 1), r"pretrain_loss must have the shape \[2, any\]"),
        (([1.0, 2.0], np.zeros((2, 0)), 1), "pretrain_loss"),
        (([1.0, 2.0], [0, 0], [1, 2]), "untrained_loss"),
        (([1.0, 2.0], [0, 0], np.nan), "untrained_loss"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        borders(*arguments)


@pytest.mark.parametrize(
    "more, error, message",
    [
        ({"finetuned": np.zeros((2, 1, 1))}, ValueError, "at least 2 fine-tuning rates"),
        ({"finetuned": np.zeros((2, 2, 3))}, ValueError, r"finetuned must have the shape \[2, any, 1\]"),
        ({"barrier": np.zeros(3)}, ValueError, "barrier"),
        ({"tail_loss": np.zeros((2, 2))}, ValueError, "tail_loss"),
        ({"margin": -1}, ValueError, "margin"),
        ({"converged": "small"}, TypeError, "converged"),
    ],
)
def test_settings_that_do_not_fit_are_named(more, error, message):
    with pytest.raises(error, match=message):
        borders([1.0, 2.0], [0, 0], 2.3, **more)
    with pytest.raises(ValueError, match="name must be one of threshold"):
        borders([1.0], [0], 2.3).interval("middle")


def grids(flr=3):
    """Losses, scores and barriers of any kind, on 1 to 6 rates and 1 to 4 seeds."""
    loss = st.sampled_from([0.0, 0.009, 0.01, 0.5, 2.2, 2.3, 9.0, np.nan, np.inf])
    cell = st.tuples(loss, st.sampled_from([0.0, 0.005, 0.02, np.nan]), st.sampled_from([0.0, 1.9, 2.0, np.nan]))
    return st.integers(1, 4).flatmap(lambda s: st.lists(st.lists(cell, min_size=s, max_size=s), min_size=1, max_size=6))


@settings(max_examples=60, deadline=None)
@given(grids())
def test_borders_are_in_order_and_labels_lie_between_them(cells):
    loss, spread, wall = np.moveaxis(np.array(cells), 2, 0)
    rates = 2.0 ** np.arange(len(loss))
    found = borders(rates, loss, 2.3, finetuned=np.stack([0 * spread, spread], axis=1), barrier=wall)
    assert isinstance(found, Borders)
    assert (found.threshold <= found.split).all() and (found.split <= found.divergence).all()
    place = sum((rates[:, None] > getattr(found, name)).astype(int) for name in BORDERS)
    assert (np.array(REGIMES)[place] == found.regime).all()
    assert sum(found.counts().values()).tolist() == [loss.shape[1]] * len(rates)
    rising = np.sort(place, axis=0)
    assert (rising == place).all()


@settings(max_examples=30, deadline=None)
@given(grids(), st.integers(0, 5))
def test_one_seed_does_not_touch_another(cells, k):
    loss = np.moveaxis(np.array(cells), 2, 0)[0]
    rates, k = 2.0 ** np.arange(len(loss)), k % loss.shape[1]
    alone, together = borders(rates, loss[:, [k]], 2.3), borders(rates, loss, 2.3)
    assert (alone.regime[:, 0] == together.regime[:, k]).all() and alone.threshold[0] == together.threshold[k]


def test_of_a_quadratic_the_divergence_border_is_2_over_the_curvature():
    rates = np.geomspace(0.05, 5, 21)
    record = sweep(tasks.quadratic(curvatures=(4.0,)), lr=rates, seeds=2, steps=300, evaluate=100, path="eager")
    lowest, tail = run_losses(record)
    found = borders(rates, lowest, untrained_loss=record.loss[:2, 0], tail_loss=tail)
    assert np.allclose(np.log10(found.divergence), np.log10(0.5), atol=0.051)
    assert (found.threshold == found.divergence).all() and set(found.regime.ravel()) == {"1", "3"}


def test_the_last_tenth_is_that_of_the_steps_and_a_lost_run_is_nan():
    record = sweep(tasks.quadratic(curvatures=(4.0,)), lr=[0.1, 0.25, 9.0], steps=20, evaluate=5, path="eager")
    lowest, tail = run_losses(record, "loss")
    assert tail[0, 0] == record.loss[0, 18:].mean() and lowest[0, 0] == record.loss[0].min()
    assert np.isnan(lowest[2, 0]) and np.isnan(tail[2, 0])
    with pytest.raises(ValueError, match="name must be loss or one of train_loss"):
        run_losses(record, "valid_loss")
    with pytest.raises(ValueError, match="name must be loss or one of train_loss; got 'train_metric'"):
        run_losses(record, "train_metric")
