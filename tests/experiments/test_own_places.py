"""Places at multiples of each seed's own threshold: what they say of a band that is flat, threefold, or narrow."""

import numpy as np
import pytest

from lrbook.quantity import measured

PLACES, AWAY = np.arange(-6, 7), 2
SEEDS, TRIALS, DROP = 40, 1000, 0.01
NOISE = 0.02  # of an accuracy at one place, beside what the places of a seed share


def flat(place):
    return 0.0 * place


def threefold(place):
    """A parabola that falls by the drop at a factor of √3 to each side: its band is exactly a factor of three."""
    return -DROP * (place / AWAY) ** 2


def cliff(place):
    """A plateau of exactly a factor of three, and nothing learned beyond."""
    return np.where(abs(place) <= AWAY, -DROP * (abs(place) == AWAY), -0.3)


def narrow(place):
    return -4 * DROP * abs(place) / AWAY


def supported(curve, noise=NOISE):
    """Share of experiments whose interval lies above the drop."""
    from own_places import neighbours_lose

    random, hits = np.random.default_rng(0), 0
    for _ in range(TRIALS):
        shared = curve(PLACES)[:, None] + random.normal(0, noise, (len(PLACES), SEEDS))  # the network's own luck
        valid, test = (shared + random.normal(0, noise / 4, shared.shape) for _ in range(2))
        hits += measured(neighbours_lose(valid, test)).low > DROP
    return hits / TRIALS


@pytest.mark.parametrize("curve", [flat, threefold, cliff])
@pytest.mark.parametrize("noise", [0.005, 0.02])
def test_a_band_of_a_factor_of_three_or_more_is_called_narrow_in_at_most_one_of_forty_experiments(curve, noise):
    assert supported(curve, noise) <= 0.025


def test_a_narrow_band_is_called_narrow():
    assert supported(narrow, 0.015) > 0.9


def test_neighbours_are_a_factor_of_three_apart():
    import own_places

    assert (own_places.PLACES == PLACES).all() and own_places.AWAY == AWAY
    assert own_places.MULTIPLES[2 * AWAY] / own_places.MULTIPLES[0] == pytest.approx(3)
    assert 1 in own_places.MULTIPLES


def test_the_place_is_chosen_on_the_other_half_and_judged_on_this_one():
    from own_places import sides

    valid = np.repeat(threefold(PLACES - 1)[:, None], 4, axis=1)
    test = np.repeat(threefold(PLACES - 1.0)[:, None], 4, axis=1)
    test[:, 1::2] -= 5 * abs(PLACES - 1)[:, None]
    assert np.allclose(sides(valid, test)[:, 0::2], DROP)
    assert np.allclose(sides(valid, test)[:, 1::2], DROP + 10)


def test_a_choice_over_two_axes_is_that_of_the_other_half():
    from halves import picked

    rng = np.random.default_rng(0)
    valid, test = rng.normal(size=(2, 3, 5, 8))
    for choose, judge in ((slice(1, None, 2), slice(0, None, 2)), (slice(0, None, 2), slice(1, None, 2))):
        place = np.unravel_index(valid[..., choose].mean(axis=-1).argmax(), (3, 5))
        assert np.array_equal(picked(valid, test)[judge], test[place][judge])


def test_the_place_of_a_band_follows_its_rates():
    from own_places import MULTIPLES, place

    lr = MULTIPLES[:, None] * np.array([0.01, 0.1])
    score = np.repeat(threefold(1.0 * PLACES)[:, None], 2, axis=1)
    assert np.allclose(place(lr, score), [-2, -1])


@pytest.mark.parametrize("low, high", [(0.4, 1.0), (0.01, 0.02), (5.0, 8.0)])
def test_thresholds_are_bisected_side_by_side_wherever_the_search_begins(low, high):
    from own_rates import FINEST, bisected

    own = np.array([0.3, 0.7, 2.5])
    found = bisected(lambda rates: rates <= own, low, high, seeds=3)
    assert ((found <= own) & (own < found * 10**FINEST * 1.0001)).all()
    with pytest.raises(ValueError, match="no rate from .* on converges in 3 of 3 seeds"):
        bisected(lambda rates: rates < 0, low, high, seeds=3)


def test_a_seed_that_converges_nowhere_has_the_floor_for_its_threshold():
    from own_rates import FINEST, bisected

    found = bisected(lambda rates: rates <= [0.7, 0.0], 0.4, 1.0, seeds=2, floor=0.05)
    assert 0.05 <= found[1] < 0.05 * 10**FINEST and found[0] > 0.6


def test_a_seed_counts_as_near_where_its_best_place_lies_above_its_threshold():
    from own_places import best_is_near

    valid = np.eye(len(PLACES))[:, [5, 6, 7, 9, 10]]
    assert best_is_near(valid).tolist() == [0, 0, 1, 1, 0]
