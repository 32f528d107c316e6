"""The measures by which E20 compares the options of SGD, on tables of scores with a known answer."""

import numpy as np
import pytest


def crossed(*effects, seeds=3):
    """An additive table [*options, seed] of these effects, the same for every seed."""
    return np.repeat(sum(np.ix_(*map(np.asarray, effects)))[..., None], seeds, axis=-1).astype(float)


def test_shares_of_an_additive_table_are_those_of_its_effects():
    from importance import variance

    main, total = variance(crossed([-2, 2], [-1, 0, 1], [0, 0]))
    expected = np.array([4, 2 / 3, 0]) / (4 + 2 / 3)
    np.testing.assert_allclose(main, np.repeat(expected[:, None], 3, 1), atol=1e-12)
    np.testing.assert_allclose(total, main, atol=1e-12)


def test_what_two_options_do_together_counts_for_both_and_is_no_main_effect():
    from importance import variance

    table = np.repeat(np.outer([-1, 1], [-1, 1])[:, :, None], 2, axis=-1).astype(float)
    main, total = variance(table)
    assert np.allclose(main, 0) and np.allclose(total, 1)
    assert np.allclose(variance(np.zeros((2, 3, 2))), 0), "where nothing varies there is nothing to share"


def test_an_option_that_the_others_make_up_for_costs_nothing():
    from importance import place, regret

    valid = np.array([[0.2, 0.9], [1.0, 0.5]])[..., None]  # either of two combinations is good
    assert place(valid) == (1, 0) and place(valid, 0, 0) == (0, 1)
    lost = regret(np.stack([valid, 2 * valid]), [0, 1])
    np.testing.assert_allclose(lost[..., 0], [[0.1, 0.1], [0.2, 0.2]])


def test_combinations_are_chosen_by_validation_scores_and_judged_by_test_scores():
    from importance import regret

    valid, test = np.array([[1.0, 1.0], [0.9, 0.9]]), np.array([[0.5, 0.7], [0.8, 0.8]])  # [option, seed]
    np.testing.assert_allclose(regret(np.stack([valid, test]), [1])[1], [[-0.3, -0.1]], err_msg="may be negative")


def test_the_value_of_the_other_tasks_leaves_the_own_one_out():
    from importance import elsewhere

    one, two, own = (np.array([peak, 0.5])[None, :, None] * [[[1.0]], [[1.0]]] for peak in (1.0, 0.8, 0.0))
    found = {"one": one, "two": two, "own": own}
    assert elsewhere(found, "own") == (0,) and elsewhere({**found, "two": 1 - one}, "one") == (1,)


def test_the_rate_leads_by_what_it_has_over_the_strongest_other_option():
    from importance import lead

    valid = np.array([[[0.3], [0.1], [0.4]], [[0.3], [0.1], [0.0]]])  # [task, option, seed]
    test = np.array([[[0.3, 0.5], [9, 9], [0.2, 0.2]], [[0.1, 0.1], [9, 9], [0.4, 0.2]]])
    values, other = lead(valid, test)
    assert other == 2 and values == pytest.approx([-0.1, 0.1])


def test_scores_run_from_chance_to_the_tuned_combination():
    from importance import scores

    gain = np.array([[[0.2, 0.4], [-0.1, 0.1]], [[0.6, 0.2], [0.1, -0.5]]])  # [part, option, seed]
    np.testing.assert_allclose(scores(gain)[1], [[1.5, 0.5], [0.25, 0.0]])


def test_first_weights_are_scaled_and_biases_are_not():
    import torch
    from importance import scaled

    made = scaled(lambda: torch.nn.Linear(3, 2), 2.0)
    assert made.bias.abs().max() <= 3**-0.5
    torch.manual_seed(0)
    plain = torch.nn.Linear(3, 2)
    torch.manual_seed(0)
    made = scaled(lambda: torch.nn.Linear(3, 2), 2.0)
    assert torch.equal(made.weight, 2 * plain.weight) and torch.equal(made.bias, plain.bias)


def test_options_are_crossed_in_order_and_nesterov_needs_momentum(monkeypatch):
    import importance

    size = dict(seeds=1, values={}, sgd={"digits": 640})
    monkeypatch.setattr(importance, "problem", lambda *_: None)
    seen = []

    def ended(task, name, size, examples, batch, lr, rule, momentum, weight_decay):
        seen.append((rule, batch))
        code = np.log10(lr) + 10 * batch + 1e4 * momentum + 1e5 * weight_decay + 1e6 * (rule == "nesterov")
        return np.stack([code, -code])[..., None]

    monkeypatch.setattr(importance, "ended", ended)
    valid, test = importance.crossed("digits", size)
    assert sorted(seen) == sorted((rule, b) for rule in ("momentum", "nesterov") for b in (16, 64, 256))
    assert np.array_equal(valid, -test) and not np.isnan(valid).any()
    for r, b, m, d, n in np.ndindex(valid.shape[:-1]):
        expected = (
            np.log10(importance.RATES[r])
            + 10 * (16, 64, 256)[b]
            + 1e4 * (0, 0.9)[m]
            + 1e5 * (0, 0.01)[d]
            + 1e6 * (n and m)
        )
        assert valid[r, b, m, d, n, 0] == pytest.approx(expected)
