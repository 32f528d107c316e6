"""Curvature in float64 against the dense Hessian of `torch.func`, `curvlinops` and `scipy`."""

import copy

import curvlinops
import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from table import difference, note
from torch import nn
from torch.func import functional_call, hessian

from lrlib import optimizers, preconditioner, record_model, sharpness, sharpness_lanes, streams, sweep, tasks, trace
from lrlib.looking.curvature.products import of_model


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=streams.generator(seed, "curvature"), dtype=torch.float64)


def filled(net, seed, scale=1.0):
    """The net in float64 with weights of the seed."""
    net = net.double()
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(scale * normal(*p.shape, seed=100 * seed + i) / max(1, p[0].numel()) ** 0.5)
    return net


def concave(output, y):
    """A loss whose Hessian is mostly negative."""
    return -output.square().sum(1).mean()


def cases():
    x, y, classes = normal(20, 4), normal(20, 3, seed=1), torch.arange(20) % 3
    tanh = lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    conv = nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 3, 2), nn.GELU(), nn.Flatten(), nn.Linear(9, 3))
    norm = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))
    return {
        "tanh net, squares": (filled(tanh(), 1), nn.functional.mse_loss, x, y),
        "conv net, cross-entropy": (filled(conv, 2), nn.functional.cross_entropy, x, classes),
        "batch norm, cross-entropy": (filled(norm, 3).eval(), nn.functional.cross_entropy, x, classes),
        "tanh net, negative-dominant": (filled(tanh(), 4), concave, x, y),
    }


CASES = cases()


def dense(model, loss, x, y):
    own = dict(model.named_parameters())
    sizes = [p.numel() for p in own.values()]

    def value(flat):
        pieces = dict(zip(own, flat.split(sizes)))
        return loss(functional_call(model, {n: v.reshape(own[n].shape) for n, v in pieces.items()}, (x,)), y)

    return hessian(value)(torch.cat([p.detach().reshape(-1) for p in own.values()]))


def operator(model, loss, x, y):
    """curvlinops' Hessian."""

    class Mean(nn.Module):
        reduction = "mean"

        def forward(self, output, target):
            return loss(output, target)

    own = [p for p in model.parameters() if p.requires_grad]
    return curvlinops.HessianLinearOperator(model, Mean(), own, [(x, y)], check_deterministic=False)


def compare(row, oracle, ours, theirs, least=1e-10):
    """Note the difference, and fail where it exceeds `least` of the largest entry."""
    ours, theirs = (torch.as_tensor(v, dtype=torch.float64).detach() for v in (ours, theirs))
    note("curvature", row, oracle, difference(ours, theirs))
    assert float((ours - theirs).abs().max()) < least * float(theirs.abs().max())


@pytest.mark.parametrize("name", CASES)
def test_products_equal_the_dense_hessian_and_curvlinops(name):
    matrix = dense(*CASES[name])
    ours, theirs = of_model(*CASES[name]), operator(*CASES[name])
    chunked = of_model(*CASES[name], chunk=7)
    for seed in range(3):
        v = normal(ours.size, seed=seed)
        rows = {"Hessian-vector product": ours(v[None])[0], "product on data in pieces": chunked(v[None])[0]}
        for kind, found in rows.items():
            for oracle, expected in (("torch.func", matrix @ v), ("curvlinops", theirs @ v)):
                compare(kind, oracle, found, expected, 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_sharpness_is_the_largest_algebraic_eigenvalue(name):
    eigenvalues = torch.linalg.eigvalsh(dense(*CASES[name]))
    if "negative" in name:
        assert -eigenvalues[0] > 1.2 * eigenvalues[-1] > 0  # power iteration would find the other end
    found = sharpness(*CASES[name], tol=1e-10)
    linear = operator(*CASES[name]).to_scipy()
    (peer,) = scipy.sparse.linalg.eigsh(linear, k=1, which="LA", return_eigenvectors=False, tol=1e-12)
    for oracle, expected in (("torch.func", eigenvalues[-1]), ("curvlinops + scipy", peer)):
        compare("sharpness", oracle, found, expected)


@pytest.mark.parametrize("name", CASES)
def test_the_trace_where_every_direction_is_known_and_within_its_error_elsewhere(name):
    matrix = dense(*CASES[name])
    n, expected = len(matrix), float(matrix.trace())
    exact = trace(*CASES[name], products=2 * n + 2, rank=n)
    scale = float(torch.linalg.eigvalsh(matrix).abs().sum())
    compare("trace, full rank", "torch.func", exact.value, expected)
    assert exact.error < 1e-10 * scale
    basis = torch.eye(n, dtype=torch.float64)
    peer = float((operator(*CASES[name]) @ basis).detach().trace())
    compare("trace, full rank", "curvlinops", exact.value, peer)
    for rank in (0, None):
        guess = trace(*CASES[name], products=24, rank=rank, seed=3)
        assert abs(guess.value - expected) < 5 * guess.error + 1e-12 * scale


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p, lr=1e-3),
        lambda p: torch.optim.AdamW(p, lr=1e-3, amsgrad=True),
        lambda p: torch.optim.RMSprop(p),
        lambda p: torch.optim.Adagrad(p),
        lambda p: optimizers.make("adamw", p),
        lambda p: optimizers.make("rmsprop", p),
        lambda p: optimizers.make("adagrad", p),
    ],
)
def test_preconditioned_sharpness(make):
    model, loss, x, y = CASES["tanh net, squares"]
    model = copy.deepcopy(model)
    optimizer = make(list(model.parameters()))
    for _ in range(3):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    root = torch.cat([p.reshape(-1) for p in preconditioner(model, optimizer).values()]).rsqrt()
    expected = torch.linalg.eigvalsh(root[:, None] * dense(model, loss, x, y) * root)[-1]
    found = sharpness(model, loss, x, y, preconditioner=optimizer, tol=1e-10)
    compare("preconditioned sharpness", "torch.func", found, expected, 1e-8)


def test_lanes_of_a_sweep():
    task = tasks.digits()
    task.train = tuple(t[:40] for t in task.train)
    task.batch, task.valid, task.test = 8, None, None
    task.model = lambda: nn.Sequential(nn.Linear(64, 2), nn.Tanh(), nn.Linear(2, 10))
    record = sweep(task, lr=[0.01, 0.3], seeds=2, steps=20, dtype=torch.float64, path="eager")
    x, y = (t.double() if t.is_floating_point() else t for t in task.train)
    model = record_model(task, record)
    found = sharpness_lanes(model, task.loss, record.parameters, x, y, tol=1e-9)
    for lane in range(4):
        matrix = dense(record_model(task, record, lane), task.loss, x, y)
        expected = torch.linalg.eigvalsh(matrix)[-1]
        compare("sharpness of lanes", "torch.func", found.value[lane], expected)
    assert np.all(found.converged)
