"""The ticks example and training on the sphere: the data are as specified, the network is scale-invariant."""

import pickle

import numpy as np
import pytest
import torch

from lrlib import fit, initial_model, sweep, tasks

SMALL = dict(features=4, train=64, test=50, width=8)


def parts(x, features):
    """Pairs (a, b), and how far each lies outside the band of class 0: negative inside."""
    a, b = x.view(len(x), features, 2).unbind(-1)
    return a, b, (b - a.abs() + 1).abs() - 1


def test_every_feature_alone_separates_the_classes_with_the_margin():
    task = tasks.ticks(train=2000)
    for x, y in (task.train_for(3), task.test):
        a, b, outside = parts(x, 16)
        assert ((2 * y[:, None] - 1) * outside >= 0.1 * 2**0.5 - 1e-6).all()
        assert max(a.abs().max(), b.abs().max()) <= 2 and 0.45 < y.mean() < 0.55


def test_points_fill_their_part_of_the_square_evenly_and_pairs_are_independent():
    x, y = tasks.ticks(train=4000, margin=0.0).train_for(0)
    a, b, outside = parts(x, 16)
    for label in (0, 1):  # both parts have half of the square: 8 of 16
        for at in (a[y == label], b[y == label]):
            assert at.min() < -1.95 and at.max() > 1.95
    low = (b < 0) & (a.abs() > 1)  # a quarter of the square
    inside = outside < 0  # of it the band covers 1 of 4: half the square's share
    assert (
        abs(low.float().mean() - 0.25) < 0.01
        and abs((low & inside).float().mean() / inside.float().mean() - 0.125) < 0.01
    )
    assert np.abs(np.corrcoef(outside[y == 1].T.numpy()) - np.eye(16)).max() < 0.12


def test_single_feature_sets_carry_one_feature_and_no_other():
    task = tasks.ticks(train=20, test=20)
    sets = tasks.ticks_features(task, samples=400)
    assert len(sets) == 16
    for k, (x, y) in enumerate(sets):
        _, b, outside = parts(x, 16)
        others = [j for j in range(16) if j != k]
        assert ((2 * y - 1) * outside[:, k] >= 0.1 * 2**0.5 - 1e-6).all()
        assert outside[:, others].abs().max() < 1e-5
        share = (parts(x, 16)[1] - parts(x, 16)[0].abs() < -1)[:, others].float().mean()
        assert 0.45 < share < 0.55 and 0.4 < y.mean() < 0.6
        assert abs(b[y == 1][:, others].mean(0) - b[y == 0][:, others].mean(0)).max() < 0.4
    again = tasks.ticks_features(task, samples=400)
    assert all(torch.equal(one[0], two[0]) for one, two in zip(sets, again, strict=True))
    with pytest.raises(ValueError, match="tasks.ticks"):
        tasks.ticks_features(tasks.quadratic())


def test_each_seed_draws_its_own_training_set_and_the_test_set_is_shared():
    before = torch.get_rng_state()
    task = tasks.ticks(**SMALL)
    one, two, again = (task.train_for(s)[0] for s in (0, 1, 0))
    assert torch.equal(one, again) and not torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), before)
    same = tasks.ticks(**SMALL, fresh=False, valid=30)
    assert torch.equal(same.train[0], one) and torch.equal(same.test[0], task.test[0]) and len(same.valid[0]) == 30
    assert pickle.loads(pickle.dumps(task)).model().state_dict().keys() == task.model().state_dict().keys()


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_the_network_is_scale_invariant_and_starts_on_the_sphere(norm):
    torch.manual_seed(0)
    model, x = tasks.scale_invariant_mlp([6, 8, 8, 3], norm=norm).double(), torch.randn(40, 6, dtype=torch.float64)
    weights = list(model.parameters())
    assert len(weights) == 2 and abs(sum(p.square().sum() for p in weights).item() - 1) < 1e-6
    assert abs(model[-1].weight.norm().item() - 10) < 1e-5 and not model[-1].weight.requires_grad
    before = model(x)
    gradient = torch.autograd.grad(before.square().sum(), weights)
    for w, g in zip(weights, gradient, strict=True):  # layer by layer, up to eps
        assert abs((w * g).sum()) < 1e-4 * w.norm() * g.norm()
    with torch.no_grad():
        weights[0].mul_(5.0), weights[1].mul_(0.7)
    assert torch.allclose(model(x), before, atol=1e-3)
    scaled = torch.autograd.grad(model(x).square().sum(), weights[:1])[0]
    assert torch.allclose(scaled * 5, gradient[0], rtol=1e-3, atol=1e-3 * gradient[0].abs().max())


@pytest.mark.parametrize("radius", [1.0, 3.0])
def test_a_run_stays_on_the_sphere_and_rates_on_another_are_effective_rates(radius):
    def final(radius, lr):
        record = sweep(tasks.ticks(**SMALL, radius=radius), lr=lr, seeds=2, steps=60, path="eager", dtype=torch.float64)
        planned = np.broadcast_to(record.lr0[:, None], record.lr.shape)
        assert np.array_equal(record.lr, planned)  # what was applied is what was planned
        return record, np.concatenate([v.reshape(len(record.lr0), -1) for v in record.parameters.values()], axis=1)

    record, weights = final(radius, np.array([0.01, 1.0]) * radius**2)
    assert np.allclose(np.linalg.norm(weights, axis=1), radius, rtol=1e-12)
    _, unit = final(1.0, np.array([0.01, 1.0]))
    assert np.allclose(weights[:2], radius * unit[:2], atol=1e-3 * radius)  # eps is not scaled
    alone = fit(tasks.ticks(**SMALL, radius=radius), lr=0.01 * radius**2, seed=1, steps=60, dtype=torch.float64)
    same = np.concatenate([v.reshape(-1) for v in alone.parameters.values()])
    assert np.allclose(same, weights[1], atol=1e-9)


def test_mnist1d_on_the_sphere_and_wrong_arguments():
    before = torch.get_rng_state()
    task = tasks.mnist1d_sphere(train=50, valid=20, test=20, batch=10, width=16)
    assert torch.equal(torch.get_rng_state(), before)
    model = initial_model(task, 0)
    assert [tuple(p.shape) for p in model.parameters()] == [(16, 40), (16, 16)] and model[-1].weight.shape == (10, 16)
    for call, word in (
        (lambda: tasks.unit_sphere(0.0), "norm"),
        (lambda: tasks.scale_invariant_mlp([3, 2]), "sizes"),
        (lambda: tasks.scale_invariant_mlp([3, 4, 2], norm="group"), "norm"),
        (lambda: tasks.ticks(margin=1.0), "margin"),
        (lambda: tasks.ticks(features=0), "features"),
        (lambda: tasks.ticks(radius=-1.0), "radius"),
        (lambda: tasks.FrozenLinear(3, 2, norm=0.0), "norm"),
        (lambda: tasks.mnist1d_sphere(radius=0.0), "radius"),
        (lambda: tasks.mnist1d_sphere(norm="group"), "norm"),
        (lambda: tasks.ticks_features(tasks.ticks(**SMALL), seed=-1), "seed"),
    ):
        with pytest.raises(ValueError, match=word):
            call()
