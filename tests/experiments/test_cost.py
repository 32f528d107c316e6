"""The parts that the experiments on cost, averaging and pattern order are made of, on outcomes with a known answer."""

import numpy as np
import pytest
import torch


@pytest.mark.parametrize("place", range(2, 16))
def test_the_replayed_search_finds_a_border_that_is_crossed_once(place):
    from e67_threshold import OCTAVE, search, small_loop

    places = np.arange(17)
    low, tried = search(places <= place, places > place + 3, start=0)
    assert low == place
    assert len(tried) == len(set(tried)) == 1 + (place // OCTAVE + 1) + 1, "the start, the doublings, one halving"
    ends, trainings = small_loop(tried, low)
    assert min(ends) <= place < max(ends) == min(ends) + OCTAVE
    assert trainings == place // OCTAVE + 2 + 2


def test_the_search_goes_on_while_runs_are_slow_and_stops_where_one_diverges():
    from e67_threshold import search, small_loop

    converges, diverges = np.zeros(12, bool), np.zeros(12, bool)
    assert search(converges, diverges, start=1) == (-1, [1, 3, 5, 7, 9, 11])
    diverges[6:] = True
    assert search(converges, diverges, start=1) == (-1, [1, 3, 5, 7])
    assert small_loop([1, 3, 5, 7], -1) == ([1], 5), "nothing found: the start is all it has"
    converges[4:6] = True
    assert search(converges, diverges, start=1) == (5, [1, 3, 5, 7, 6])
    assert search(np.ones(6, bool), np.zeros(6, bool), start=0) == (4, [0, 2, 4])


def test_successive_halving_keeps_the_best_and_its_steps_add_up():
    from e67_threshold import Constant, halving, halving_steps

    early, late = np.array([[0.1], [0.3], [0.2], [0.4]]), np.array([[0.9], [0.1], [0.2], [0.3]])
    runs = Constant(None, None, None, {10: early, 20: late})
    assert halving(runs, np.array([[1.0], [0.5], [0.6], [0.4]]), [(10, 3), (20, 2)]).tolist() == [2]
    assert halving_steps(4, [(10, 3), (20, 2)], 50) == 4 * 10 + 3 * 10 + 2 * 30


def test_the_replayed_search_tries_the_rates_that_the_library_tries():
    from e67_threshold import OCTAVE, search

    from lrlib import convergence_threshold
    from lrlib.tasks import quadratic

    rates = 0.1 * 2.0 ** (np.arange(17) / OCTAVE)
    found = convergence_threshold(
        quadratic(curvatures=(4.0,)), start=0.1, seeds=1, steps=100, path="loop", precision=np.log10(2) / OCTAVE + 1e-9
    )
    low, tried = search(rates < 0.5, rates > 0.5, start=0)
    assert np.allclose([rate for rate, _ in found.tried], rates[tried], rtol=1e-9)
    assert found.low == pytest.approx(rates[low])


def test_places_of_the_last_rate_that_converges():
    from e67_threshold import last, middle

    converged = np.array([[[True, False], [True, False], [False, False]]])
    assert last(converged).tolist() == [[1, -1]]
    assert middle(np.array([1.0, 2.0]), [0, -1]).tolist() == pytest.approx([2**0.25, np.nan], nan_ok=True)


def test_the_threshold_of_a_scale_is_that_of_most_seeds():
    from e70_small_budget import Scale

    converged = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
    valid = np.array([[0.1] * 3, [0.2] * 3, [0.3] * 3, [0.4] * 3])
    one = Scale(converged, valid, valid)
    assert one.threshold() == 1
    assert one.thresholds().tolist() == [2, 1, 1]
    assert (one.best(), one.best(one.threshold() + 1)) == (3, 1)
    none = Scale(np.zeros((4, 3), bool), valid, valid)
    assert none.threshold() == -1 and none.thresholds().tolist() == [-1, -1, -1]


def test_bands_of_a_signal_add_up_to_it_and_keep_their_frequencies():
    from e38_pattern_order import BANDS, only_band

    x = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    parts = {name: only_band(x, *edges) for name, edges in BANDS.items()}
    assert torch.allclose(sum(parts.values()), x, atol=1e-5)
    wave = torch.cos(2 * torch.pi * 5 * torch.arange(40) / 40)[None]
    assert torch.allclose(only_band(wave, *BANDS["4-9"]), wave, atol=1e-5)
    assert only_band(wave, *BANDS["1-3"]).abs().max() < 1e-5


def test_patches_hold_the_class_and_leave_the_signal_alone():
    from e38_pattern_order import SIZES, problem, signatures

    task, (x, y) = problem(SIZES["quick"], 0.5)
    common, own = signatures()
    assert x[:, :40].abs().max() == 0 and task.test[0][:, 40:].abs().max() == 0
    sign = ((x[:, 40:] - common) * own[y]).sum(1) / own[y].square().sum(1)
    assert torch.allclose(sign.abs(), torch.ones(len(y)), atol=1e-5) and 0.3 < (sign > 0).float().mean() < 0.7
    drawn, _ = task.train_for(3)
    assert 0.2 < (drawn[:, 40:].abs().sum(1) > 0).float().mean() < 0.8


def test_a_direction_comes_from_the_other_seeds():
    from e38_pattern_order import directed

    rng = np.random.default_rng(0)
    effect, none = rng.normal(-1, 0.1, 20), rng.normal(0, 1, (500, 20))
    assert directed(effect).mean() == pytest.approx(1, abs=0.1)
    assert abs(directed(none).mean()) < 0.05, "unbiased where there is no effect"


def test_scores_at_an_equal_loss_lie_between_two_marks():
    from e38_pattern_order import at_loss

    run = {"train_loss": np.array([[1.0, 1.0], [0.01, 0.5]]), "clean_metric": np.array([[0.2, 0.2], [0.6, 0.4]])}
    assert at_loss(run, np.array([0.1, 0.1]), "clean_metric") == pytest.approx([0.4, 0.4]), (
        "half-way on the log axis; the last"
    )


def test_an_arm_chooses_option_and_rate_on_validation_data():
    from e65_averaging import Arm

    valid = np.array([[[0.1, 0.2], [0.5, 0.1]], [[0.2, 0.2], [0.3, 0.4]]])
    assert Arm(["a", "b"], valid, valid).choice() == (1, 1)


def test_a_random_search_of_one_is_the_mean_and_of_all_the_pick():
    from e67_threshold import random_search

    valid, test = np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 3.0]]), np.array([[0.6, 0.1], [0.2, 0.3], [0.1, 0.8]])
    np.testing.assert_allclose(random_search(valid, test, 1), test.mean(axis=0))
    np.testing.assert_allclose(random_search(valid, test, 3), [0.6, 0.8])


def test_patches_are_compared_where_signals_are_read_equally_well():
    from e38_pattern_order import at_equal_accuracy

    large = {"clean_metric": np.array([[0.0], [0.2], [0.6]]), "patch_metric": np.array([[0.0], [0.1], [0.5]])}
    small = {"clean_metric": np.array([[0.0], [0.4]]), "patch_metric": np.array([[0.0], [0.8]])}
    assert at_equal_accuracy([{"large": large, "small": small}]) == pytest.approx(np.array([[0.8 - 0.3]]))
