"""The last-iterate bound: the formula written out, its minimum, plans that end in 0, and that it really bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrlib import LastIterateBound, cosine, hold, last_iterate_bound, linear, ramp, warmup

FEW = settings(max_examples=40, deadline=None)
RATES = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 10)), min_size=1, max_size=12).filter(any)


def written_out(eta, distance, gradient):
    """Theorem 10 as it stands, term by term, for rates above 0."""
    T = len(eta)
    total = sum(eta)
    t1 = distance**2 / (2 * total)
    t2 = sum((e * g) ** 2 for e, g in zip(eta, gradient)) / (2 * total)
    t3 = (
        sum(
            eta[k]
            / sum(eta[t] for t in range(k + 1, T))
            * sum((eta[t] * gradient[t]) ** 2 for t in range(k, T))
            / sum(eta[t] for t in range(k, T))
            for k in range(T - 1)
        )
        / 2
    )
    return t1, t2, t3


@FEW
@given(eta=RATES, distance=st.floats(0.1, 10), scale=st.floats(0.1, 10), varying=st.booleans())
def test_the_terms_are_the_formula_without_the_steps_of_rate_zero(eta, distance, scale, varying):
    gradient = [scale * (1 + 0.1 * t * varying) for t in range(len(eta))]
    kept = [t for t, e in enumerate(eta) if e > 0]
    expected = written_out([eta[t] for t in kept], distance, [gradient[t] for t in kept])
    bound = last_iterate_bound(eta, distance=distance, gradient=gradient if varying else scale)
    assert np.allclose((bound.t1, bound.t2, bound.t3), expected, rtol=1e-12)
    assert bound == last_iterate_bound([*eta, 0.0, 0.0], distance=distance, gradient=gradient[0]) or varying


@FEW
@given(eta=RATES, lr=st.floats(1e-4, 1e3), distance=st.floats(0.1, 10), gradient=st.floats(0.1, 10))
def test_best_is_the_least_value_and_rates_scale_out(eta, lr, distance, gradient):
    bound = last_iterate_bound(eta, distance=distance, gradient=gradient)
    assert bound.at(bound.best_rate) == pytest.approx(bound.best, rel=1e-12)
    assert bound.at(lr) >= bound.best * (1 - 1e-12)
    assert last_iterate_bound(lr * np.array(eta), distance=distance, gradient=gradient).best == pytest.approx(
        bound.best
    )
    unit = last_iterate_bound(eta)
    assert bound.best == pytest.approx(unit.best * distance * gradient)
    assert bound.best_rate == pytest.approx(unit.best_rate * distance / gradient)


@FEW
@given(eta=RATES, lr=st.floats(1e-3, 10), dims=st.integers(1, 4), seed=st.integers(0, 50))
def test_a_subgradient_method_ends_below_the_bound(eta, lr, dims, seed):
    """On f(x) = max |x_i| subgradients have length 1; x_1 is at distance 1 and x_T the point before the last move."""
    x = np.random.default_rng(seed).normal(size=dims)
    x /= np.linalg.norm(x)
    for e in [e for e in eta if e > 0][:-1]:
        i = np.abs(x).argmax()
        x[i] -= lr * e * np.sign(x[i])
    assert np.abs(x).max() <= last_iterate_bound(eta).at(lr) * (1 + 1e-12)


@pytest.mark.parametrize(
    "plan",
    [
        ramp(50, 1, 0),
        ramp(50, 1, 0, shape="1-sqrt") >> hold(5, 0.0),
        cosine(50, inclusive=True),
        warmup(10) >> linear(40),
        ramp(50, 0, 1),
    ],
)
def test_plans_that_reach_zero_have_a_finite_bound(plan):
    steps = plan.length + 1
    bound = last_iterate_bound(plan, steps)
    assert np.isfinite([bound.t1, bound.t2, bound.t3]).all() and 0 < bound.best < 1
    assert bound == last_iterate_bound(plan(np.arange(steps)))


def test_a_last_rate_of_rounding_size_counts_as_zero():
    assert last_iterate_bound([1.0, 0.5, 6e-17]) == last_iterate_bound([1.0, 0.5])


def test_known_closed_forms():
    n = 400
    flat, falling = last_iterate_bound(hold(n)), last_iterate_bound(linear(n))
    harmonic = sum(1 / k for k in range(1, n))
    assert (flat.t1, flat.t2) == (pytest.approx(0.5 / n), pytest.approx(0.5))
    assert flat.t3 == pytest.approx(harmonic / 2)
    assert falling.best == pytest.approx(2 / np.sqrt(n), rel=0.01)  # no log factor for linear decay


def test_a_million_steps_take_no_quadratic_time():
    assert 0 < last_iterate_bound(linear(10**6)).best < 2.01e-3


def test_at_takes_arrays():
    values = LastIterateBound(1.0, 0.5, 0.5).at(np.array([[1.0, 2.0]]))
    assert values.tolist() == [[2.0, 2.5]]


@pytest.mark.parametrize(
    ("call", "match", "kind"),
    [
        (lambda: last_iterate_bound([0.0, 0.0]), "above 0", ValueError),
        (lambda: last_iterate_bound([1.0, -1.0]), "at least 0", ValueError),
        (lambda: last_iterate_bound([]), "above 0", ValueError),
        (lambda: last_iterate_bound([[1.0]]), "one finite rate", ValueError),
        (lambda: last_iterate_bound(lambda t: 1.0), "steps must be given", ValueError),
        (lambda: last_iterate_bound(hold(5), 1.7), "steps must be a whole", TypeError),
        (lambda: last_iterate_bound(hold(5), True), "steps must be a whole", TypeError),
        (lambda: last_iterate_bound([1.0], 2), "steps must be the number of rates", ValueError),
        (lambda: last_iterate_bound([1.0], distance=0), "distance must be", ValueError),
        (lambda: last_iterate_bound([1.0], gradient=-1), "gradient must", ValueError),
        (lambda: last_iterate_bound([1.0], gradient=[1.0, 2.0]), "gradient must", ValueError),
        (lambda: last_iterate_bound([1e300] * 4), "beyond a float's range", ValueError),
        (lambda: last_iterate_bound([1e-300]), "beyond a float's", ValueError),
        (lambda: last_iterate_bound("fast"), "plan must be numbers; got 'fast'", TypeError),
        (lambda: last_iterate_bound([1.0], gradient="a"), "gradient must be numbers", TypeError),
        (lambda: last_iterate_bound([1.0]).at("a"), "lr must be n", TypeError),
        (lambda: last_iterate_bound([1.0]).at(0.0), "lr must be above 0", ValueError),
        (lambda: last_iterate_bound(cosine), "plan must be a Plan or a function of the step; got cosine", TypeError),
        (lambda: last_iterate_bound(lambda t: "1", 3), "plan at t=0 must be a finite number .*; got '1'", TypeError),
    ],
)
def test_wrong_arguments_are_named(call, match, kind):
    with pytest.raises(kind, match=match):
        call()
