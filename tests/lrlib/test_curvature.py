"""The largest Hessian eigenvalue against the dense Hessian, and the stability limits that follow from it."""

import copy
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, hessian

from lrlib.curvature import largest_stable_rate, sharpness

mse = torch.nn.functional.mse_loss


def small_net(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
        x, y = torch.randn(12, 3, dtype=torch.float64), torch.randn(12, 2, dtype=torch.float64)
    return net, x, y


def dense_hessian(model, loss, x, y):
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    shapes = [model.get_parameter(n).shape for n in names]

    def value(flat):
        pieces = flat.split([s.numel() for s in shapes])
        return loss(functional_call(model, {n: v.reshape(s) for n, v, s in zip(names, pieces, shapes)}, (x,)), y)

    return hessian(value)(torch.cat([model.get_parameter(n).detach().reshape(-1) for n in names]))


class Bowl(torch.nn.Module):
    """wᵀ A w / 2 for a given symmetric A."""

    def __init__(self, matrix):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(len(matrix), dtype=matrix.dtype))
        self.register_buffer("matrix", matrix)

    def forward(self, x):
        return self.w @ self.matrix @ self.w / 2


def itself(output, y):
    return output


def symmetric(eigenvalues, seed):
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(len(eigenvalues), len(eigenvalues), generator=generator, dtype=torch.float64))
    return q @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ q.T


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_dense_hessian_in_float64(seed):
    net, x, y = small_net(seed)
    assert sharpness(net, mse, x, y, tol=1e-9) == pytest.approx(
        float(torch.linalg.eigvalsh(dense_hessian(net, mse, x, y))[-1]), rel=1e-10
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12), st.integers(0, 99))
def test_is_the_largest_algebraic_eigenvalue(eigenvalues, seed):
    scale = max(map(abs, eigenvalues))
    found = sharpness(Bowl(symmetric(eigenvalues, seed)), itself, None, tol=1e-10)
    assert found == pytest.approx(max(eigenvalues), abs=1e-9 * scale + 1e-13)


def test_works_where_the_largest_magnitude_is_negative():
    assert sharpness(Bowl(symmetric([-50.0, -3.0, 0.5, 2.0], 0)), itself, None) == pytest.approx(2.0)
    assert sharpness(Bowl(symmetric([-50.0, -3.0, -1.0], 0)), itself, None) == pytest.approx(-1.0)


def test_vector_and_residual_belong_to_the_value():
    net, x, y = small_net(1)
    top = sharpness(net, mse, x, y, tol=1e-9, details=True)
    v = torch.cat([top.vector[n].reshape(-1) for n, _ in net.named_parameters()])
    h = dense_hessian(net, mse, x, y)
    assert float(v.norm()) == pytest.approx(1)
    assert float((h @ v - top.value * v).norm()) == pytest.approx(top.residual, abs=1e-8 * top.value)
    assert top.converged and top.products < v.numel()


def test_float32_and_the_dtype_argument():
    net, x, y = small_net(2)
    exact = sharpness(net, mse, x, y)
    rough = copy.deepcopy(net).float()
    assert sharpness(rough, mse, x.float(), y.float()) == pytest.approx(exact, rel=1e-5)
    assert sharpness(rough, mse, x.float(), y.float(), dtype=torch.float64) == pytest.approx(exact, rel=1e-6)
    assert {p.dtype for p in rough.parameters()} == {torch.float32}


def test_frozen_and_unused_parameters():
    net, x, y = small_net(3)
    net[0].weight.requires_grad_(False)
    net.register_parameter("idle", torch.nn.Parameter(torch.ones(2, dtype=torch.float64)))
    trainable = dense_hessian(net, mse, x, y)
    assert sharpness(net, mse, x, y) == pytest.approx(float(torch.linalg.eigvalsh(trainable)[-1]), rel=1e-8)
    for p in net.parameters():
        p.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter requires a gradient"):
        sharpness(net, mse, x, y)


def test_a_loss_without_curvature_has_sharpness_zero():
    net = torch.nn.Linear(3, 1)
    assert sharpness(net, lambda output, y: output.mean(), torch.ones(4, 3)) == 0


def test_leaves_everything_untouched():
    nn = torch.nn
    net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    x, y = torch.randn(16, 3), torch.randn(16, 1)
    net(x).sum().backward()
    before = {n: t.clone() for n, t in net.state_dict().items()}
    grads = {n: p.grad.clone() for n, p in net.named_parameters()}
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first = sharpness(net, mse, x, y)
    assert all(torch.equal(before[n], t) for n, t in net.state_dict().items())
    assert all(torch.equal(grads[n], p.grad) for n, p in net.named_parameters())
    assert torch.equal(states[0], torch.random.get_rng_state()) and net.training
    assert (states[1] == np.random.get_state()[1]).all() and states[2] == random.getstate()
    assert sharpness(net, mse, x, y) == first  # same random state, same mask, same seed
    with torch.no_grad():
        assert sharpness(net, mse, x, y) == first


def test_not_finite_is_a_value_and_a_poor_budget_a_warning():
    net, x, y = small_net(0)
    assert math.isnan(sharpness(net, mse, x * math.nan, y))
    with pytest.warns(RuntimeWarning, match="after 2 products"):
        assert not sharpness(net, mse, x, y, products=2, details=True).converged
    with pytest.raises(ValueError, match="products must be a whole number of at least 1; got 0"):
        sharpness(net, mse, x, y, products=0)
    with pytest.raises(ValueError, match="one element"):
        sharpness(net, lambda output, y: output, x, y)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 100), st.floats(0, 0.95), st.booleans())
def test_the_limit_parts_descent_from_divergence(curvature, momentum, nesterov):
    limit = largest_stable_rate(curvature, momentum, nesterov)
    for factor, leaves in ((0.98, False), (1.02, True)):
        w, v, far = 1.0, 0.0, 0.0
        for t in range(6000):
            g = curvature * w
            v = momentum * v + g
            w -= factor * limit * (g + momentum * v if nesterov else v)
            far = max(far, abs(w)) if t > 5000 else far
            if abs(w) > 1e6:
                break
        assert (abs(w) > 1e6) == leaves and (leaves or far < 1e-3)


def test_limits_without_curvature_and_bad_momentum():
    assert largest_stable_rate(0.0) == math.inf == largest_stable_rate(-3.0)
    assert math.isnan(largest_stable_rate(math.nan))
    with pytest.raises(ValueError, match="momentum=1.0"):
        largest_stable_rate(4.0, momentum=1.0)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_sharpness():
    net, x, y = small_net(4)
    expected = sharpness(net, mse, x, y, tol=1e-9)
    state = torch.cuda.get_rng_state()
    assert sharpness(net.cuda(), mse, x.cuda(), y.cuda(), tol=1e-9) == pytest.approx(expected, rel=1e-9)
    assert torch.equal(state, torch.cuda.get_rng_state())
