"""Tasks: data that are right, cached, reproducible, and leave the caller's random state alone."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import tasks
from lrlib.tasks import cache

SMALL = {"train": 50, "valid": 20, "test": 20}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LRLIB_CACHE", str(tmp_path))
    tasks.data._mnist1d.cache_clear()
    yield tmp_path
    tasks.data._mnist1d.cache_clear()


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2], torch.get_rng_state().tolist()


@pytest.mark.parametrize("make", [tasks.digits, tasks.breast_cancer, tasks.sparse_logistic, tasks.convex_logistic,
                                  tasks.quadratic, tasks.double_well])
def test_every_task_gives_a_finite_loss_and_leaves_the_random_state(make):
    before = states()
    task = make()
    x, y = task.train_for(0)
    assert states() == before
    output = task.model()(x)
    assert torch.isfinite(task.loss(output, y)) and task.loss(output, y).ndim == 0
    assert torch.isfinite(task.metric(output, y)) and task.metric(output, y).ndim == 0


def test_digits_and_breast_cancer_are_standardised_and_parts_do_not_overlap():
    for task, dims in ((tasks.digits(), None), (tasks.breast_cancer(), 0)):
        x = task.train[0]
        mean, std = (x.mean(), x.std()) if dims is None else (x.mean(0), x.std(0))
        assert torch.allclose(mean, torch.zeros_like(mean), atol=1e-4)
        assert torch.allclose(std, torch.ones_like(std), atol=1e-4)
        rows = [{tuple(r) for r in part[0].tolist()} for part in (task.train, task.valid, task.test)]
        assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]


def test_mnist1d_fresh_sets_differ_by_seed_and_share_validation(folder):
    before = states()
    task = tasks.mnist1d(**SMALL)
    (x0, y0), (x1, _), again = task.train_for(0), task.train_for(1), task.train_for(0)
    assert states() == before
    assert x0.shape == (50, 40) and y0.dtype == torch.int64 and sorted(np.bincount(y0).tolist()) == [5] * 10
    assert not torch.equal(x0, x1) and torch.equal(x0, again[0])
    fixed = tasks.mnist1d(**SMALL, fresh=False)
    assert torch.equal(fixed.train[0], x0) and torch.equal(fixed.valid[0], task.valid[0])


def test_mnist1d_comes_from_disk_and_a_broken_file_is_made_again(folder, monkeypatch):
    first = tasks.mnist1d(**SMALL).train_for(3)
    calls = []
    real = tasks.data._make_mnist1d
    monkeypatch.setattr(tasks.data, "_make_mnist1d", lambda a: calls.append(a) or real(a))
    tasks.data._mnist1d.cache_clear()
    assert torch.equal(tasks.mnist1d(**SMALL).train_for(3)[0], first[0]) and calls == []
    for file in folder.glob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    tasks.data._mnist1d.cache_clear()
    assert torch.equal(tasks.mnist1d(**SMALL).train_for(3)[0], first[0]) and len(calls) == 3
    tasks.data._mnist1d.cache_clear()
    tasks.mnist1d(**SMALL).train_for(3)
    assert len(calls) == 3 and not list(folder.glob("*.tmp"))


def test_mnist1d_knobs_reach_the_generator_and_wrong_ones_are_named(folder):
    clean = tasks.mnist1d(**SMALL, iid_noise_scale=0.0, corr_noise_scale=0.0).train_for(0)[0]
    assert not torch.equal(clean, tasks.mnist1d(**SMALL).train_for(0)[0])
    with pytest.raises(ValueError, match="unknown knob 'noise'"):
        tasks.mnist1d(**SMALL, noise=1)
    with pytest.raises(ValueError, match="train must be a positive multiple of 10; got 55"):
        tasks.mnist1d(train=55)
    with pytest.raises(ValueError, match="seed is set by the task"):
        tasks.mnist1d(seed=3)


def test_cache_hashes_the_arguments_and_survives_an_unwritable_folder(folder, monkeypatch):
    assert cache.path_of("a", {"n": 1}) != cache.path_of("a", {"n": 2})
    blocker = folder / "file"
    blocker.write_text("x", encoding="utf-8")
    monkeypatch.setenv("LRLIB_CACHE", str(blocker))
    with pytest.warns(UserWarning, match="made again each time"):
        assert cache.cached("a", {}, lambda: {"y": np.ones(2)})["y"].tolist() == [1, 1]


def test_sparse_features_have_their_frequencies():
    task = tasks.sparse_logistic(train=20000)
    x, _ = task.train_for(5)
    p = task.details["frequencies"]
    assert ((x.mean(0) - p).abs() <= 5 * (p * (1 - p) / len(x)).sqrt() + 1e-6).all()
    assert task.details["weights"].abs().eq(1).all()


def test_convex_logistic_optimum_is_least():
    task = tasks.convex_logistic(train=200)
    model = task.model().double()
    x, y = (t.double() for t in task.train)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-16,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = task.loss(model(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert 0 <= closure().item() - task.optimum + 1e-12 < 1e-9
    assert torch.allclose(model.w.detach(), task.details["weights"], atol=1e-5)
    assert task.details["strong"] >= 0.01


@pytest.mark.parametrize("kind", ["tilted", "dent"])
def test_double_well_has_two_bottoms_a_bounded_slope_and_its_own_derivative(kind):
    f = tasks.Well(kind)
    x = np.linspace(-20, 20, 4001)
    assert f.left < f.barrier < f.right and f(x).min() >= -1e-9
    assert f(f.barrier) > max(f(f.left), f(f.right))
    assert np.abs(f.slope(x)).max() < 20
    t = torch.tensor(x, requires_grad=True)
    f(t).sum().backward()
    assert np.allclose(t.grad, f.slope(x), atol=1e-9)
    smooth = np.abs(np.abs(x) - f.bound) > 0.05
    assert np.allclose(np.gradient(f(x), x)[smooth], f.slope(x)[smooth], atol=0.01)
    sharper = "left" if f.curvatures[0] > f.curvatures[1] else "right"
    assert (sharper == f.lower) == (kind == "tilted")


def test_a_task_of_ones_own_from_a_data_loader_and_its_mistakes():
    x, y = torch.randn(12, 3), torch.arange(12) % 2
    data = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    usual = dict(name="mine", model=lambda: tasks.mlp([3, 4, 2]), train=loader, valid=None, test=data,
                 loss=nn.functional.cross_entropy, metric=tasks.accuracy, batch=4, steps=10)
    task = tasks.Task(**usual)
    assert torch.equal(task.train[0], x) and torch.equal(task.test[1], y)
    for change, match in (({"loss": None}, "loss must be callable"), ({"steps": 0}, "steps must be a whole number"),
                          ({"train": (x, y[:3])}, "as many x as y"), ({"valid": x}, "valid must be a pair"),
                          ({"batch": 2.5}, "batch must be a whole number"), ({"noise": -1}, "noise must be a finite number of at least 0")):
        with pytest.raises((TypeError, ValueError), match=match):
            tasks.Task(**usual | change)
