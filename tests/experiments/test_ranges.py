"""The range of the best rates, and rates by layer, on curves and networks with a known answer."""

import numpy as np
import pytest
import torch


def test_ends_of_a_range_lie_where_a_straight_line_crosses_a_point_below_the_best():
    from best_range import decades, ends, middle

    lr, score = 10.0 ** np.arange(-2, 3), np.array([0.0, 0.49, 0.5, 0.48, 0.495])
    assert ends(lr, score) == pytest.approx((-1, 0.5)), "a second rise beyond a dip does not count"
    assert (middle(lr, score), decades(lr, score)) == pytest.approx((-0.25, 1.5))
    assert ends(lr, np.array([0.5, 0.5, 0.3, 0.1, 0.1])) == pytest.approx((-2, -0.95)), "the grid bounds the range"


def test_a_bootstrapped_shift_holds_the_shift_and_shrinks_with_the_seeds():
    from best_range import bootstrapped, middle, over_arms

    lr, rng = 10.0 ** np.arange(-2, 2.1, 0.25), np.random.default_rng(0)
    peaks = np.array([0.5, -0.5])[:, None, None] + rng.normal(0, 0.1, (2, 1, 40))
    scores = 0.5 - 0.1 * (np.log10(lr)[:, None] - peaks) ** 2

    def shift(n):
        place = over_arms(middle, lr, scores[..., :n])
        return bootstrapped(lambda s: place(s)[1] - place(s)[0], n, "decades", {}, "")

    few, many = shift(10), shift(40)
    assert many.low < -1 < many.high and many.high - many.low < few.high - few.low
    assert many.values.shape == (40,)


def test_the_cost_of_another_arms_rate_is_a_difference_of_test_scores_at_rates_chosen_on_validation():
    from best_range import carried

    valid = np.array([[[0.1], [0.9]], [[0.8], [0.2]]])
    test = np.array([[[0.3], [0.5]], [[0.7], [0.4]]])
    assert carried(valid, test, 1, 0) == pytest.approx([0.3])
    assert carried(valid, test, 1, 1) == pytest.approx([0.0])


def test_layers_move_at_their_own_rates_and_one_rate_is_plain_descent():
    from layer_rates import layered
    from shifted import repeated

    from lrlib import initial_model, sweep
    from lrlib.tasks import digits

    task, seeds = digits(width=4, depth=1), [0, 1]
    options = dict(seeds=seeds, steps=3, path="eager", dtype=torch.float64)
    plain = sweep(task, "sgd", lr=[0.1], **options)
    mine = sweep(task, layered(2), lr=[1.0, 1.0], layer0=[0.1, 0.0], layer1=[0.1, 0.1], **options)
    first = torch.stack(
        [initial_model(task, s, torch.float64).get_parameter("0.weight").detach() for s in seeds]
    ).numpy()
    for name, value in plain.parameters.items():
        np.testing.assert_allclose(mine.parameters[name][:2], value, rtol=1e-12)
    np.testing.assert_array_equal(mine.parameters["0.weight"][2:], first)
    assert not np.allclose(mine.parameters["2.weight"][2:], plain.parameters["2.weight"])
    np.testing.assert_array_equal(repeated({"w": first}, 2)["w"][2:], first)


def test_a_search_takes_the_best_single_change_and_stops_where_none_helps(monkeypatch):
    import layer_rates

    goal, rounds = np.array([0.0, -1.0, -0.5]), []

    def trained(task, rates, seeds, steps, start=None):
        rounds.append(len(rates))
        return np.stack([-np.abs(np.log10(rates) - goal).sum(axis=1, keepdims=True)] * 2)

    monkeypatch.setattr(layer_rates, "trained", trained)
    found = layer_rates.searched(None, [0.1, 0.1, 0.1], [0], 1, rounds=5)
    assert np.log10(found) == pytest.approx(goal)
    assert rounds == [1, 12, 12, 12], "two changes, and a round without one"
    assert np.log10(layer_rates.searched(None, [0.1, 0.1, 0.1], [0], 1, rounds=1)) == pytest.approx([0, -1, -1])
