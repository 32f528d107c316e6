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

from lrlib import (
    initial_model,
    largest_stable_rate,
    optimizers,
    preconditioner,
    sharpness,
    sharpness_lanes,
    tasks,
    trace,
)
from lrlib.looking.curvature.lanczos import largest

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
    with pytest.raises(ValueError, match="^momentum must be a number of at least 0 and below 1; got 1.0"):
        largest_stable_rate(4.0, momentum=1.0)


class Matrices:
    """Products with given symmetric matrices [L, n, n], counted lane by lane."""

    def __init__(self, matrices):
        self.matrices = matrices

    def __call__(self, v):
        return torch.bmm(self.matrices, v[:, :, None])[:, :, 0]

    def only(self, chosen):
        return Matrices(self.matrices[chosen])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=9, max_size=30), st.integers(4, 12), st.integers(0, 99))
def test_a_search_with_little_memory_finds_the_same(eigenvalues, basis, seed):
    matrix = symmetric(eigenvalues, seed)[None]
    start = torch.randn(1, len(eigenvalues), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = largest(Matrices(matrix), start, 2000, 1e-9, basis=basis)
    assert float(found.value) == pytest.approx(max(eigenvalues), abs=1e-7 * max(map(abs, eigenvalues)) + 1e-13)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(2, 10), st.integers(0, 99))
def test_lanes_of_a_search_do_not_disturb_each_other(lanes, n, seed):
    generator = torch.Generator().manual_seed(seed)
    matrices = torch.randn(lanes, n, n, dtype=torch.float64, generator=generator)
    matrices = matrices + matrices.mT
    if lanes > 2:
        matrices[1] = math.nan
    start = torch.randn(1, n, dtype=torch.float64, generator=generator).expand(lanes, -1)
    together = largest(Matrices(matrices), start, 50, 1e-10)
    for k in range(lanes):
        alone = largest(Matrices(matrices[k : k + 1]), start[:1], 50, 1e-10)
        assert float(together.value[k]) == pytest.approx(float(alone.value), rel=1e-9, nan_ok=True)
        assert together.products[k] == alone.products and together.converged[k] == alone.converged
    assert torch.isnan(together.value).sum() == (lanes > 2)


def wide_net(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = torch.nn.Sequential(torch.nn.Linear(10, 40), torch.nn.Tanh(), torch.nn.Linear(40, 5)).double()
        x, y = torch.randn(100, 10, dtype=torch.float64), torch.randint(5, (100,))
    return net, torch.nn.functional.cross_entropy, x, y


def test_a_warm_start_and_a_stated_accuracy_save_products():
    net, loss, x, y = wide_net()
    exact = sharpness(net, loss, x, y, details=True, tol=1e-8)
    rough = sharpness(net, loss, x, y, accuracy=0.01, details=True)
    assert rough.value == pytest.approx(exact.value, rel=0.01) and rough.products < exact.products / 2
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(1.002)
    truth = sharpness(net, loss, x, y, tol=1e-8)
    for start in (rough, rough.vector):
        warm = sharpness(net, loss, x, y, accuracy=0.01, start=start, details=True)
        assert warm.value == pytest.approx(truth, rel=0.01) and warm.products < rough.products
    assert sharpness(net, loss, x, y, tol=1e-8, start=rough) == pytest.approx(truth, rel=1e-10)


def test_a_rough_search_on_a_subset_saves_products_on_all_data():
    task = tasks.digits()
    nets, (x, y) = [initial_model(task, seed) for seed in range(3)], task.train
    cold, saving = (
        [sharpness(net, task.loss, x, y, accuracy=0.01, subset=n, details=True) for net in nets] for n in (None, 75)
    )
    assert [s.value for s in saving] == pytest.approx([c.value for c in cold], rel=0.01)
    assert sum(s.products for s in saving) < sum(c.products for c in cold)
    stacked = {n: torch.stack([net.get_parameter(n).detach() for net in nets]) for n, _ in nets[0].named_parameters()}
    lanes = sharpness_lanes(nets[0], task.loss, stacked, x, y, accuracy=0.01, subset=75)
    assert lanes.value == pytest.approx([c.value for c in cold], rel=0.01)
    assert lanes.products == pytest.approx([s.products for s in saving], abs=1)
    net, cold = nets[0], cold[0]
    with pytest.raises(ValueError, match="start and subset exclude each other"):
        sharpness(net, task.loss, x, y, subset=10, start=cold)


def test_an_eigenvalue_that_overtakes_another_is_found():
    values = [*torch.linspace(-1, 1, 30).tolist(), 4.0, 5.0]
    net, after = Bowl(symmetric(values, 0)), Bowl(symmetric([*values[:-2], 5.0, 4.0], 0))
    before = sharpness(net, itself, None, accuracy=0.01, details=True)
    found = sharpness(after, itself, None, accuracy=0.01, start=before, details=True)
    assert before.value == pytest.approx(5.0, rel=0.01) and found.value == pytest.approx(5.0, rel=0.01)
    exactly = torch.linalg.eigh(net.matrix).eigenvectors[:, -2]
    assert sharpness(net, itself, None, start={"w": exactly}) == pytest.approx(5.0)


def test_starts_that_do_not_fit():
    net = Bowl(symmetric([5.0, 4.0, 1.0, 0.5, 0.1], 0))
    assert sharpness(net, itself, None, start={"w": torch.full((5,), math.nan)}) == pytest.approx(5.0)
    with pytest.raises(ValueError, match="start: must be a vector of an earlier search"):
        sharpness(net, itself, None, start={"w": torch.ones(4)})


def test_data_in_pieces_give_the_same_and_keep_their_dropout_mask():
    net, loss, x, y = wide_net()
    whole = sharpness(net, loss, x, y, tol=1e-9)
    assert sharpness(net, loss, x, y, tol=1e-9, chunk=33) == pytest.approx(whole, rel=1e-9)
    assert trace(net, loss, x, y, chunk=33).value == pytest.approx(trace(net, loss, x, y).value, rel=1e-9)
    dropping = torch.nn.Sequential(net[0], torch.nn.Dropout(0.5), net[1], net[2])
    state = torch.random.get_rng_state()
    found = sharpness(dropping, loss, x, y, tol=1e-9, chunk=50, details=True)
    assert found.converged and torch.equal(state, torch.random.get_rng_state())
    with pytest.raises(TypeError, match="chunk=5: x and y must be tensors"):
        sharpness(Bowl(symmetric([1.0, 2.0], 0)), itself, None, chunk=5)


def stacked_nets(count, scale=0.3):
    nets = [wide_net(seed)[0] for seed in range(count)]
    for i, net in enumerate(nets):
        with torch.no_grad():
            for p in net.parameters():
                p.mul_(1 + scale * i)
    names = [n for n, _ in nets[0].named_parameters()]
    return nets, {n: torch.stack([net.get_parameter(n).detach() for net in nets]) for n in names}


def test_lanes_equal_single_models():
    nets, stacked = stacked_nets(5)
    model, loss, x, y = wide_net()
    stacked["0.weight"][3] = math.nan
    before = {n: p.clone() for n, p in model.state_dict().items()}
    found = sharpness_lanes(model, loss, {n: p.numpy() for n, p in stacked.items()}, x, y, tol=1e-8)
    for k in (0, 1, 2, 4):
        alone = sharpness(nets[k], loss, x, y, tol=1e-8, details=True)
        assert found.value[k] == pytest.approx(alone.value, rel=1e-9)
        assert found.products[k] == pytest.approx(alone.products, abs=1) and found.converged[k]
        cosine = sum(float((found.vector[n][k] * v).sum()) for n, v in alone.vector.items())
        assert abs(cosine) == pytest.approx(1, abs=1e-6)
    assert math.isnan(found.value[3]) and not found.converged[3]
    assert all(torch.equal(p, before[n]) for n, p in model.state_dict().items())
    warm = sharpness_lanes(model, loss, stacked, x, y, accuracy=0.01, start=found)
    good = [0, 1, 2, 4]
    assert warm.value[good] == pytest.approx(found.value[good], rel=0.01)
    assert (warm.products[good] < found.products[good]).all()


def test_lanes_with_data_and_buffers_of_their_own():
    nn = torch.nn
    model = nn.Sequential(nn.Linear(10, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 5)).double().eval()
    x, y = torch.randn(3, 30, 10, dtype=torch.float64), torch.randint(5, (3, 30))
    stacked = {
        n: p.detach().expand(3, *p.shape) * torch.tensor([1.0, 1.5, 2.0]).view(-1, *[1] * p.dim())
        for n, p in model.named_parameters()
    }
    means = {"1.running_mean": torch.randn(3, 4, dtype=torch.float64)}
    found = sharpness_lanes(model, nn.functional.cross_entropy, stacked, x, y, buffers=means, own_data=True, tol=1e-9)
    for k in range(3):
        one = copy.deepcopy(model)
        one.load_state_dict({n: (stacked | means).get(n, [b] * 3)[k] for n, b in model.state_dict().items()})
        alone = sharpness(one, nn.functional.cross_entropy, x[k], y[k], tol=1e-9)
        assert found.value[k] == pytest.approx(alone, rel=1e-9)


@pytest.mark.parametrize("chunk", [None, 16])
def test_lanes_in_training_mode_share_the_dropout_mask_of_a_single_model(chunk):
    nn = torch.nn
    net = nn.Sequential(nn.Linear(10, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 5)).double()
    _, loss, x, y = wide_net()
    before = {n: t.clone() for n, t in net.state_dict().items()}
    stacked = {n: torch.stack([2 * p.detach(), p.detach()]) for n, p in net.named_parameters()}
    found = sharpness_lanes(net, loss, stacked, x, y, chunk=chunk)
    assert found.value[1] == pytest.approx(sharpness(net, loss, x, y, chunk=chunk), rel=1e-6)
    assert net.training and all(torch.equal(before[n], t) for n, t in net.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {}, "must name at least one"),
        (lambda s: s | {"9.bias": s["0.bias"]}, "the model has no"),
        (lambda s: s | {"0.bias": s["0.bias"][:2]}, "'0.bias' must have shape"),
    ],
)
def test_lanes_refuse_parameters_that_do_not_fit(change, message):
    model, loss, x, y = wide_net()
    with pytest.raises(ValueError, match=message):
        sharpness_lanes(model, loss, change(stacked_nets(3)[1]), x, y)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"products": 1.5}, TypeError),
        ({"products": True}, TypeError),
        ({"tol": -1.0}, ValueError),
        ({"tol": math.nan}, ValueError),
        ({"accuracy": 0.0}, ValueError),
        ({"accuracy": 1.0}, ValueError),
        ({"basis": 3}, ValueError),
        ({"seed": 1.5}, TypeError),
        ({"seed": -1}, ValueError),
        ({"chunk": 0}, ValueError),
        ({"subset": 100}, ValueError),
        ({"subset": True}, TypeError),
    ],
)
def test_bad_arguments_are_refused(arguments, error):
    model, loss, x, y = wide_net()
    with pytest.raises(error, match=next(iter(arguments))):
        sharpness(model, loss, x, y, **arguments)


def test_data_that_do_not_fit_are_refused():
    model, loss, x, y = wide_net()
    with pytest.raises(ValueError, match="x must hold at least one example"):
        sharpness(model, loss, x[:0], y[:0])
    for longer in ({"chunk": 7}, {"subset": 5}):
        with pytest.raises(ValueError, match="the same number of examples"):
            sharpness(model, lambda output, y: output.square().mean(), x, torch.cat([y, y]), **longer)
    lanes = {n: torch.stack([p.detach()] * 3) for n, p in model.named_parameters()}
    with pytest.raises(ValueError, match="for each of 3 lanes; got 4, 4"):
        sharpness_lanes(model, loss, lanes, torch.stack([x] * 4), torch.stack([y] * 4), own_data=True)
    with pytest.raises(ValueError, match="at least one lane"):
        sharpness_lanes(model, loss, {n: p[:0] for n, p in lanes.items()}, x, y)
    with pytest.raises(TypeError, match="seed must be a whole number"):
        trace(model, loss, x, y, seed=True)


def test_trace_of_few_large_eigenvalues_is_sharper_with_a_basis():
    net = Bowl(symmetric([100.0, 50.0, *[0.1] * 40], 1))
    plain, better = (trace(net, itself, None, products=30, rank=rank) for rank in (0, None))
    assert better.value == pytest.approx(154.0, rel=1e-3) and better.error < plain.error / 100
    assert abs(plain.value - 154.0) < 5 * plain.error and plain.products == better.products == 30
    assert math.isnan(trace(net, itself, None, products=1).error)
    broken = Bowl(torch.full((3, 3), math.nan))
    assert math.isnan(trace(broken, itself, None).value)
    with pytest.raises(ValueError, match="rank must be below half of products=10; got 5"):
        trace(net, itself, None, products=10, rank=5)


def test_gradient_descent_with_adam_is_unstable_beyond_the_preconditioned_limit():
    """On a quadratic with a fixed P the averaged heavy ball with rate η diverges just where 38/η is exceeded."""
    limit = largest_stable_rate(4.0, momentum=0.9, averaged=True)
    assert limit == pytest.approx(38 / 4)
    for factor, leaves in ((0.98, False), (1.02, True)):
        w, m = 1.0, 0.0
        for _ in range(4000):
            m = 0.9 * m + 0.1 * 4.0 * w
            w -= factor * limit * m
            if abs(w) > 1e6:
                break
        assert (abs(w) > 1e6) == leaves
    with pytest.raises(ValueError, match="averaged and nesterov exclude each other"):
        largest_stable_rate(4.0, momentum=0.9, averaged=True, nesterov=True)


def stepped(net, optimizer):
    for _ in range(3):
        for k, p in enumerate(net.parameters()):
            p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(k)).to(p)
        optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    "make",
    [
        torch.optim.RAdam,
        torch.optim.NAdam,
        torch.optim.Adadelta,
        optimizers.RAdam,
        optimizers.HypergradientAdam,
        optimizers.LARS,
    ],
)
def test_an_optimizer_that_divides_by_something_else_has_no_preconditioner(make):
    net = wide_net()[0]
    with pytest.raises(TypeError, match=f"{make.__name__} keeps no average of squared gradients"):
        preconditioner(net, stepped(net, make(net.parameters())))


def test_the_preconditioner_is_what_a_centered_rmsprop_divides_by():
    net = wide_net()[0]
    optimizer = stepped(net, torch.optim.RMSprop(net.parameters(), lr=1.0, centered=True))
    found, before = preconditioner(net, optimizer), copy.deepcopy(dict(net.named_parameters()))
    optimizer.param_groups[0]["alpha"] = 1.0  # the averages stay; the next step divides by them
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for name, p in net.named_parameters():
        assert torch.allclose(before[name] - p, 1 / found[name], rtol=1e-9)


def test_preconditioners_that_do_not_fit_are_refused():
    net, loss, x, y = wide_net()
    with pytest.raises(ValueError, match="has made no step yet"):
        sharpness(net, loss, x, y, preconditioner=torch.optim.Adam(net.parameters()))
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    plain = torch.optim.SGD(net.parameters(), lr=0.0, momentum=0.9)
    plain.step()
    with pytest.raises(TypeError, match="SGD keeps no average of squared gradients"):
        preconditioner(net, plain)
    ones = {n: torch.ones_like(p) for n, p in net.named_parameters()}
    assert sharpness(net, loss, x, y, preconditioner=ones) == pytest.approx(sharpness(net, loss, x, y), rel=1e-9)
    with pytest.raises(ValueError, match="'0.bias' must be positive"):
        sharpness(net, loss, x, y, preconditioner=ones | {"0.bias": torch.zeros(40)})
    with pytest.raises(ValueError, match="'2.bias' must be a tensor of shape"):
        sharpness(net, loss, x, y, preconditioner={n: p for n, p in ones.items() if n != "2.bias"})


@pytest.mark.gpu
def test_a_gpu_gives_the_same_sharpness():
    net, x, y = small_net(4)
    expected = sharpness(net, mse, x, y, tol=1e-9)
    state = torch.cuda.get_rng_state()
    assert sharpness(net.cuda(), mse, x.cuda(), y.cuda(), tol=1e-9) == pytest.approx(expected, rel=1e-9)
    assert torch.equal(state, torch.cuda.get_rng_state())


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "4", None, 10**400, 1j, [4.0]], ids=repr)
def test_the_largest_stable_rate_of_no_number_is_an_error_that_names_it(value):
    with pytest.raises((TypeError, ValueError), match="^curvature must be a finite number"):
        largest_stable_rate(value)
    with pytest.raises((TypeError, ValueError), match="^momentum must be a number"):
        largest_stable_rate(4.0, momentum=value)


@pytest.mark.parametrize("name", ["nesterov", "averaged"])
def test_a_switch_of_the_largest_stable_rate_is_true_or_false(name):
    with pytest.raises(TypeError, match=f"^{name} must be True or False; got 'False'"):
        largest_stable_rate(4.0, **{name: "False"})
    assert largest_stable_rate(4.0, **{name: np.False_}) == 0.5


def test_targets_of_another_number_are_named_where_the_loss_refuses_them():
    net, x, y = small_net(0)
    apart = lambda output, target: (output - target).square().mean()  # noqa: E731
    stacked = {name: p.detach()[None] for name, p in net.named_parameters()}
    for call in (
        lambda: sharpness(net, apart, x, y[:5]),
        lambda: trace(net, apart, x, y[:5]),
        lambda: sharpness_lanes(net, apart, stacked, x, y[:5]),
        lambda: sharpness_lanes(net, apart, stacked, x[None], y[None, :5], own_data=True),
    ):
        with pytest.raises(ValueError, match="^x and y must hold the same number of examples; got 12 and 5: "):
            call()


def test_a_loss_may_take_targets_of_another_number():
    net, x, y = small_net(0)
    halves = lambda output, target: mse(output, target.repeat(2, 1))  # noqa: E731
    doubled = torch.cat([y[:6], y[:6]])
    assert sharpness(net, halves, x, y[:6]) == sharpness(net, mse, x, doubled)


def test_an_error_of_the_loss_itself_stays_as_it_is():
    net, x, y = small_net(0)

    def broken(output, target):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        sharpness(net, broken, x, y)
