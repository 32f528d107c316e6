"""The bias-corrected and accelerated bootstrap: against another library, and what it promises about chance."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from lrbook import bca


@pytest.mark.parametrize("statistic", [np.mean, np.std, lambda v: np.mean(v) ** 3])
def test_the_ends_are_those_of_scipy_up_to_chance(statistic):
    values = np.random.default_rng(1).exponential(size=12)
    _, low, high, error, _ = bca.interval(lambda seeds: statistic(values[seeds]), 12, "gap")
    other = bootstrap((values,), statistic, n_resamples=20_000, method="BCa", vectorized=False, rng=0)
    assert abs(low - other.confidence_interval.low) < 4 * error
    assert abs(high - other.confidence_interval.high) < 4 * error


def test_a_statistic_may_be_an_array_and_each_place_has_its_own_ends():
    values = np.random.default_rng(2).normal(size=(3, 9))
    together = bca.interval(lambda seeds: values[:, seeds].mean(axis=1), 9, "gap")
    alone = [bca.interval(lambda seeds, row=row: row[seeds].mean(), 9, "gap") for row in values]
    for part in range(4):
        np.testing.assert_allclose(together[part], [one[part] for one in alone])


def test_the_name_seeds_the_draws_and_the_error_says_how_far_they_move_the_ends():
    values = np.random.default_rng(3).normal(size=20)
    of = lambda name, draws=1000: bca.interval(lambda seeds: values[seeds].mean(), 20, name, draws)
    assert of("gap")[:4] == of("gap")[:4] and of("gap")[1] != of("gain")[1]
    ends = np.array([[of(f"gap {k}")[part] for part in (1, 2)] for k in range(30)])
    assert 0.4 < ends.std(axis=0).max() / np.mean([of(f"gap {k}")[3] for k in range(10)]) < 2


def test_what_has_no_value_in_a_draw_has_no_ends():
    values = np.array([1.0, 2.0, np.nan, 4.0])
    value, low, high, error, _ = bca.interval(lambda seeds: values[seeds].mean(), 4, "gap", draws=100)
    assert np.isnan([value, low, high, error]).all()
