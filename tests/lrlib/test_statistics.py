"""Intervals: how often they hold the truth, how they agree with scipy's, and that no other module computes one."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrlib import Finding, bootstrap, interval, jackknife, leave_one_out, plot, share_interval
from lrlib._base import statistics
from lrlib._base.statistics import t_quantile

ROOT = Path(statistics.__file__).parents[2]
PACKAGES = ("lrlib", "widgets/lrwidgets", "book/lrbook", "book/experiments", "tools")
NUMBERS = st.lists(st.floats(-10, 10), min_size=2, max_size=12)


# Student's t


def test_an_interval_of_normal_values_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(3, 2, (2000, 5))
    for confidence in (0.5, 0.95):
        _, low, high, _ = interval(draws, confidence)
        assert abs(((low <= 3) & (3 <= high)).mean() - confidence) < 0.025


@given(st.integers(0, 4), st.integers(2, 6))
def test_an_array_gives_the_intervals_of_its_rows(rows, n):
    values = np.random.default_rng(rows).normal(size=(2, rows, n))
    mean, low, high, count = interval(values)
    assert mean.shape == low.shape == high.shape == (2, rows) and count == n
    for place in np.ndindex(2, rows):
        assert (mean[place], low[place], high[place], n) == interval(values[place])


def test_what_too_few_values_do_not_give_is_nan():
    mean, low, high, n = interval([1.0])
    assert mean == 1 and np.isnan([low, high]).all() and n == 1
    assert np.isnan(interval([])[:3]).all() and interval([])[3] == 0
    assert np.isnan(interval(np.ones((3, 0)))[0]).tolist() == [True] * 3
    assert np.isnan(interval([[1.0, 2.0], [1.0, np.nan]])[1]).tolist() == [False, True]


@pytest.mark.parametrize("confidence", [0.05, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("freedom", [1, 1.5, 2, 3.7, 9, 41, 1000, 10**4, 9e7])
def test_quantiles_are_those_of_scipy(confidence, freedom):
    special = pytest.importorskip("scipy.special")
    assert t_quantile(confidence, freedom) == pytest.approx(special.stdtrit(freedom, 0.5 + confidence / 2), rel=1e-12)


@given(st.floats(0.01, 0.999))
def test_quantiles_of_one_and_two_degrees_of_freedom_are_closed_forms(c):
    assert t_quantile(c, 1) == pytest.approx(math.tan(math.pi * c / 2), rel=1e-9)
    assert t_quantile(c, 2) == pytest.approx(c * math.sqrt(2 / (1 - c**2)), rel=1e-9)


def test_intervals_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).normal(size=(5, 8))
    peer = stats.ttest_1samp(values, 0.0, axis=1).confidence_interval(0.9)
    np.testing.assert_allclose(interval(values, 0.9)[1:3], peer, rtol=1e-12)


# bootstrap


@given(NUMBERS, st.floats(0.5, 0.99))
def test_a_bootstrap_stays_inside_the_data_and_grows_with_the_confidence(values, confidence):
    low, high = bootstrap(values, confidence, resamples=200)
    wide = bootstrap(values, (1 + confidence) / 2, resamples=200)
    assert min(values) - 1e-9 <= wide[0] <= low + 1e-9 and high - 1e-9 <= wide[1] <= max(values) + 1e-9


def test_a_bootstrap_covers_the_mean_about_as_often_as_it_says():
    data = np.random.default_rng(0).standard_normal((400, 20))
    low, high = bootstrap(data, 0.9, resamples=500)
    assert 0.8 < ((low < 0) & (0 < high)).mean() < 0.95


def test_means_leave_out_what_is_missing():
    data = np.random.default_rng(0).standard_normal((9, 20))
    gaps = np.where(np.arange(20) < 5, np.nan, data)
    np.testing.assert_array_equal(bootstrap(gaps, 0.9, 500)[0], bootstrap(data[:, 5:], 0.9, 500)[0])
    assert np.isnan(bootstrap([1.0, np.nan])).all()


@given(NUMBERS, st.integers(0, 3))
def test_a_mean_is_resampled_like_any_other_statistic(values, seed):
    mine = bootstrap(values, 0.9, 300, seed)
    np.testing.assert_allclose(mine, bootstrap(values, 0.9, 300, seed, statistic=np.mean), rtol=1e-12, atol=1e-12)


def test_a_statistic_of_places_may_have_axes():
    data = np.random.default_rng(0).normal(size=(3, 7))
    low, high = bootstrap(range(7), resamples=300, statistic=lambda s: data[:, s].mean(axis=1))
    np.testing.assert_allclose((low, high), bootstrap(data, resamples=300), rtol=1e-12)
    assert np.isnan(bootstrap([4], statistic=lambda s: data[:, s].mean(axis=1))).tolist() == [[True] * 3] * 2


def test_a_statistic_may_be_infinite_where_quantiles_are_values():
    values = [0.0, 1.0, 2.0, np.inf, np.inf, -np.inf]
    low, high = bootstrap(values, statistic=lambda drawn: np.sort(drawn)[2], method="inverted_cdf")
    assert low == -np.inf and high == np.inf


def test_a_bootstrap_of_a_mean_agrees_with_scipys():
    stats = pytest.importorskip("scipy.stats")
    data = np.random.default_rng(3).exponential(size=40)
    peer = stats.bootstrap((data,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(0))
    ends = bootstrap(data, resamples=20_000)
    np.testing.assert_allclose(ends, peer.confidence_interval, atol=0.02 * data.std())


# jackknife


@given(NUMBERS)
def test_the_jackknife_of_a_mean_is_the_values(values):
    np.testing.assert_allclose(jackknife(values, np.mean), values, atol=1e-11)
    total = sum(values)
    np.testing.assert_allclose(leave_one_out(values, np.sum), [total - v for v in values], atol=1e-11)


@given(NUMBERS)
def test_the_jackknife_takes_the_bias_of_a_variance_away(values):
    assert jackknife(values, np.var).mean() == pytest.approx(np.var(values, ddof=1), abs=1e-9)


def test_a_statistic_with_axes_has_pseudo_values_on_the_last():
    data = np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(jackknife(range(4), lambda s: data[:, s].mean(axis=1)), data)
    assert leave_one_out(range(4), lambda s: data[:, s].mean(axis=1)).shape == (3, 4)


# arguments


@pytest.mark.parametrize("values", ["a", ["a"], None, [1, "b"], [[1], [1, 2]], {}, [True], [1j], lambda: 1])
@pytest.mark.parametrize(
    "function", [bootstrap, interval, lambda v: bootstrap(v, statistic=np.mean), lambda v: jackknife(v, np.mean)]
)
def test_what_is_no_array_of_numbers_is_named(function, values):
    with pytest.raises(TypeError, match="^values must be numbers; got "):
        function(values)


@pytest.mark.parametrize(
    "name, value",
    [
        ("confidence", 1.0),
        ("confidence", "a"),
        ("resamples", 0),
        ("resamples", 10**30),
        ("seed", -1),
        ("statistic", 3),
        ("method", "median_unbiased"),
        ("method", None),
    ],
)
def test_wrong_arguments_of_a_bootstrap_are_named(name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
        bootstrap([1.0, 2.0], **{name: value})


@pytest.mark.parametrize("values", [[], 1.0, [[1.0, 2.0]]])
@pytest.mark.parametrize("function", [leave_one_out, jackknife, lambda v, s: bootstrap(v, statistic=s)])
def test_a_statistic_is_of_a_list_with_something_in_it(function, values):
    with pytest.raises(ValueError, match="^values must "):
        function(values, np.mean)


@pytest.mark.parametrize("name", ["confidence", "freedom"])
def test_wrong_arguments_of_a_quantile_are_named(name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        t_quantile(**{"confidence": 0.9, "freedom": 3} | {name: 0})


@pytest.mark.parametrize(
    "function", [bootstrap, interval, Finding.interval, plot.losses, plot.rate_curve, plot.range_test]
)
def test_coverage_has_one_name(function):
    with pytest.raises(TypeError, match="unexpected keyword argument 'level'"):
        function([1.0, 2.0], level=0.9)


# one room

QUANTILES = {"quantile", "nanquantile", "percentile", "nanpercentile", "ppf", "isf", "stdtrit", "ndtri", "t_quantile"}
NO_INTERVAL = {
    ("lrlib/methods/initialization.py", "quantile"): "bins of inputs",
    ("lrlib/choosing/recipe/figures.py", "quantile"): "how far an axis reaches",
    ("book/lrbook/bca.py", "quantile"): "bias-corrected draws of the book's evidence, with their Monte-Carlo error",
    ("book/lrbook/bca.py", "ppf"): "their levels",
    ("book/lrbook/chance.py", "ppf"): "the standard error of a stored interval, for its p value",
}


def quantiles(text):
    """Names of quantiles that a text calls or imports, by its syntax tree."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.name in QUANTILES)
        elif isinstance(node, ast.Attribute) and node.attr in QUANTILES:
            yield node.attr


def test_no_other_module_computes_an_interval():
    found = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        if path != Path(statistics.__file__):
            found |= {(path.relative_to(ROOT).as_posix(), name) for name in quantiles(path.read_text(encoding="utf-8"))}
    assert found == set(NO_INTERVAL), "intervals are computed in lrlib/_base/statistics.py alone"


@pytest.mark.parametrize(
    "text",
    ["np.percentile(x, 5)", "from numpy import quantile", "t.ppf(0.975, 3)", "from scipy.special import stdtrit"],
)
def test_a_quantile_is_seen(text):
    assert list(quantiles(text))


# shares


@given(st.integers(1, 300), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.975]))
def test_a_share_has_the_interval_of_clopper_and_pearson(n, share, confidence):
    beta = pytest.importorskip("scipy.stats").beta
    hits, tail = round(share * n), 0.5 - confidence / 2
    low, high = share_interval(hits, n, confidence)
    assert low == pytest.approx(beta.ppf(tail, hits, n - hits + 1) if hits else 0, abs=1e-12)
    assert high == pytest.approx(beta.ppf(1 - tail, hits + 1, n - hits) if hits < n else 1, abs=1e-12)
    assert low <= hits / n <= high


def test_a_share_is_covered_at_least_as_often_as_it_says():
    draws = np.random.default_rng(0)
    for truth in (0.02, 0.3, 0.5, 0.97):
        ends = [share_interval(int(hits), 20) for hits in draws.binomial(20, truth, 2000)]
        assert np.mean([low <= truth <= high for low, high in ends]) >= 0.945


@pytest.mark.parametrize("wrong", [dict(hits=-1), dict(hits=11), dict(n=0), dict(hits=1.5), dict(confidence=1.0)])
def test_a_share_that_cannot_be_is_named(wrong):
    with pytest.raises((ValueError, TypeError), match=f"^{next(iter(wrong))} must be"):
        share_interval(**dict(hits=3, n=10) | wrong)
