"""Proofs of claims and parts of kind exact; `book/claims.csv` and `book/claim_parts.csv` name these tests."""

import inspect
import math

import numpy as np
import torch

from lrlib import constant, exponential, rules, sweep, tasks


def points(n=20):
    generator = torch.Generator().manual_seed(69)
    return 4 * torch.randn(n, generator=generator, dtype=torch.float64)


def test_c13_exponential_decay_is_the_first_rate_times_a_power():
    plan, base = exponential(50, rate=0.9), 0.3
    for epoch in range(50):
        assert math.isclose(base * plan(epoch), base * 0.9**epoch, rel_tol=1e-12)


def test_c36_adam_is_momentum_over_the_root_of_rmsprop():
    adam = rules.get("adam")
    b1, b2, eps, lr = 0.9, 0.99, 1e-8, 0.1
    x, y = points(), points()
    state, mean, square = adam.init(x), torch.zeros_like(x), torch.zeros_like(x)
    for t in range(1, 30):
        g = torch.cos(x)
        x, state = adam(x, g, state, t, lr=lr, beta1=b1, beta2=b2, eps=eps)
        mean = b1 * mean + (1 - b1) * g  # the first moment: momentum
        square = b2 * square + (1 - b2) * g**2  # the second moment: RMSProp
        y = y - lr * (mean / (1 - b1**t)) / ((square / (1 - b2**t)).sqrt() + eps)
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


def test_c69_a_weight_moves_by_minus_the_rate_times_the_gradient():
    rule = rules.get("sgd")
    for lr in (0.01, 0.4, 3.0):
        w = points().requires_grad_()
        error = (w**4 - 3 * w**2 + w).sum()
        (gradient,) = torch.autograd.grad(error, w)
        after, _ = rule(w.detach(), gradient, rule.init(w.detach()), 1, lr=lr)
        step = after - w.detach()
        torch.testing.assert_close(after, w.detach() - lr * gradient, rtol=1e-14, atol=0)
        assert (step * gradient <= 0).all(), "downhill"
        torch.testing.assert_close(step.abs(), lr * gradient.abs(), rtol=1e-9, atol=1e-12)


def steps_on_a_parabola(rate, curvature, start=1.0, n=6):
    """Where n steps of plain gradient descent on λw²/2 lead."""
    w, path = torch.tensor([start], dtype=torch.float64), [start]
    for t in range(1, n + 1):
        w, _ = rules.get("sgd")(w, curvature * w, {}, t, lr=rate)
        path.append(w.item())
    return path


RATES = [0.05, 0.4, 0.9, 1.1, 1.6, 1.9, 2.1, 3.0, 40.0]  # times one over the curvature


def test_a_step_changes_side_where_the_rate_is_above_one_over_the_curvature():
    for curvature in (0.3, 7.0):
        for multiple in RATES:
            path = steps_on_a_parabola(multiple / curvature, curvature)
            crossed = [before * after < 0 for before, after in zip(path, path[1:])]
            assert crossed == [multiple > 1] * len(crossed)


def test_steps_move_away_where_the_rate_is_above_two_over_the_curvature():
    for curvature in (0.3, 7.0):
        for multiple in RATES:
            path = steps_on_a_parabola(multiple / curvature, curvature)
            away = [abs(after) > abs(before) for before, after in zip(path, path[1:])]
            assert away == [multiple > 2] * len(away)


def test_a_move_is_proportional_to_the_rate():
    w, g = points(), torch.cos(points())
    unit = rules.get("sgd")(w, g, {}, 1, lr=1.0)[0] - w
    for rate in (0.0, 0.01, 1e6):
        torch.testing.assert_close(rules.get("sgd")(w, g, {}, 1, lr=rate)[0] - w, rate * unit, rtol=1e-9, atol=1e-9)


def test_adaptive_strides_are_each_weight_s_own():
    """A weight whose gradients are a thousand times smaller moves as far; under plain descent a thousand times less."""
    size = torch.tensor([1.0, 1e-3], dtype=torch.float64)
    moved = {}
    for name in ("adagrad", "rmsprop", "adam", "sgd"):
        rule = rules.get(name)
        w = torch.zeros(2, dtype=torch.float64)
        state = rule.init(w)
        for t in range(1, 20):
            w, state = rule(w, size * math.cos(t / 9), state, t, lr=0.01)
        moved[name] = (w[0] / w[1]).item()
    assert all(abs(moved[name] - 1) < 1e-3 for name in ("adagrad", "rmsprop", "adam"))
    assert math.isclose(moved["sgd"], 1e3, rel_tol=1e-9)


def test_a_fixed_rate_is_one_number():
    assert list(inspect.signature(constant).parameters) == ["value"]
    assert {constant(0.3)(t) for t in range(100)} == {0.3}


def test_a_sweep_trains_once_for_each_rate():
    task = tasks.quadratic()
    for rates in ([0.1], [0.1, 0.2, 0.3]):
        assert np.isfinite(sweep(task, lr=rates, steps=4).lr).sum() == 4 * len(rates)
