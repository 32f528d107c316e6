"""Proofs of the claims of kind exact; `book/claims.csv` names these tests."""

import math

import torch

from lrlib import exponential, rules


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
