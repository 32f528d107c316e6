"""Slices, barriers, angles and ratios against evaluations one by one, and what they leave untouched."""

import copy
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lrlib import plot, sharpness, tasks
from lrlib.looking import landscape
from lrlib.looking.landscape import points

few = settings(max_examples=12, deadline=None)
ce = nn.functional.cross_entropy


def seeded_net(seed, *extra):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 6), *extra, nn.ReLU(), nn.Linear(6, 3)).double()


def data(n=24):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 4, dtype=torch.float64, generator=generator), torch.arange(n) % 3


def moved(model, *steps):
    """A copy of the model at w + Σ c·d."""
    result = copy.deepcopy(model)
    with torch.no_grad():
        for c, d in steps:
            for n, p in result.named_parameters():
                p.add_(c * d[n])
    return result


@torch.no_grad()
def one(model, x, y):
    model = copy.deepcopy(model).eval()
    return float(ce(model(x), y)), float(tasks.task.accuracy(model(x), y))


@few
@given(
    st.lists(st.floats(-2, 2), min_size=1, max_size=5),
    st.lists(st.floats(-2, 2), min_size=1, max_size=4),
    st.integers(0, 50),
    st.sampled_from([10, 400, 2**24]),
)
def test_slices_equal_evaluation_one_by_one(a, b, seed, room):
    model, (x, y) = seeded_net(seed), data()
    d, e = (landscape.filter_normalised(model, s, vectors=True) for s in (seed, seed + 1))
    before = points.CELLS
    try:
        points.CELLS = room  # pieces of points and of examples
        line = landscape.loss_line(model, ce, x, y, direction=d, at=a, metric=tasks.task.accuracy)
        plane = landscape.loss_plane(model, ce, (x, y), directions=[d, e], at=(a, b))
    finally:
        points.CELLS = before
    expected = [one(moved(model, (c, d)), x, y) for c in a]
    assert np.allclose(line.loss, [v for v, _ in expected], rtol=1e-10)
    assert np.allclose(line.metric, [v for _, v in expected])
    grid = [[one(moved(model, (c, d), (f, e)), x, y)[0] for f in b] for c in a]
    assert plane.loss.shape == (len(a), len(b)) and np.allclose(plane.loss, grid, rtol=1e-10)


def test_a_metric_that_is_no_mean_is_that_of_all_examples(monkeypatch):
    model, (x, y) = seeded_net(0), data()
    d = landscape.filter_normalised(model, 0, vectors=True)

    def span(output, y):
        return output.max() - output.min()

    whole = landscape.loss_line(model, ce, x, y, direction=d, at=[0.0, 1.0], metric=span)
    monkeypatch.setattr(points, "CELLS", 10)
    pieces = landscape.loss_line(model, ce, x, y, direction=d, at=[0.0, 1.0], metric=span)
    assert np.allclose(whole.metric, pieces.metric) and np.allclose(whole.loss, pieces.loss)


@few
@given(st.integers(0, 50), st.integers(2, 9))
def test_a_barrier_is_the_height_above_the_mean_of_the_ends(seed, count):
    first, second, (x, y) = seeded_net(seed), seeded_net(seed + 1), data()
    found = landscape.barrier(first, second, ce, x, y, metric=tasks.task.accuracy, points=count)
    way = {n: p.detach() - first.get_parameter(n).detach() for n, p in second.named_parameters()}
    rows = np.array([one(moved(first, (a, way)), x, y) for a in np.linspace(0, 1, count)])
    error = 1 - rows[:, 1]
    assert np.allclose(found.loss, rows[:, 0]) and np.allclose(found.error, error)
    assert found.loss_barrier == pytest.approx(rows[:, 0].max() - (rows[0, 0] + rows[-1, 0]) / 2)
    assert found.error_barrier == pytest.approx(100 * (error.max() - (error[0] + error[-1]) / 2))
    assert found.loss_barrier >= abs(rows[0, 0] - rows[-1, 0]) / 2 - 1e-12


@pytest.mark.parametrize("room", [150, 2**24])
def test_batch_norm_statistics_are_those_of_each_point(room, monkeypatch):
    first, second, (x, y) = seeded_net(0, nn.BatchNorm1d(6)), seeded_net(1, nn.BatchNorm1d(6)), data()
    seen = {n: b.clone() for n, b in first.named_buffers()}
    expected = []
    for a in np.linspace(0, 1, 4):
        way = {n: p.detach() - first.get_parameter(n).detach() for n, p in second.named_parameters()}
        model = moved(first, (a, way)).train()
        model[1].momentum = None
        for piece in x.split(8) if room < 200 else [x]:
            model(piece)
        expected.append(one(model, x, y)[0])
    monkeypatch.setattr(points, "CELLS", room)
    monkeypatch.setattr(points, "cells", lambda model, x: room // 8 if room < 200 else 1)
    found = landscape.barrier(first, second, ce, x, y, points=4, statistics=x)
    assert np.allclose(found.loss, expected, rtol=1e-10)
    assert all(torch.equal(b, seen[n]) for n, b in first.named_buffers()) and first[1].momentum == 0.1


def test_batch_norm_statistics_are_interpolated_by_default():
    first, (x, y) = seeded_net(0, nn.BatchNorm1d(6)), data()
    second = copy.deepcopy(first)
    second[1].running_mean += 2.0
    found = landscape.barrier(first, second, ce, x, y, points=3)
    middle = copy.deepcopy(first)
    middle[1].running_mean += 1.0
    assert np.allclose(found.loss, [one(m, x, y)[0] for m in (first, middle, second)])


def test_a_plane_goes_through_its_solutions():
    nets, (x, y) = [seeded_net(s) for s in range(3)], data()
    plane = landscape.loss_plane(nets[0], ce, x, y, through=nets[1:], at=[0.0, 1.0])
    assert plane.loss[0, 0] == pytest.approx(one(nets[0], x, y)[0])
    assert plane.loss[1, 0] == pytest.approx(one(nets[1], x, y)[0])
    (a, b) = plane.marks[2]
    third = landscape.loss_plane(nets[0], ce, x, y, through=nets[1:], at=([a], [b]))
    assert third.loss[0, 0] == pytest.approx(one(nets[2], x, y)[0])
    random_second = landscape.loss_plane(nets[0], ce, x, y, through=[nets[1]], at=[0.0, 1.0])
    assert random_second.loss[1, 0] == pytest.approx(one(nets[1], x, y)[0]) and len(random_second.marks) == 2
    assert landscape.loss_plane(nets[0], ce, x, y, at=[0.0]).loss[0, 0] == pytest.approx(one(nets[0], x, y)[0])


class Stubborn(nn.Module):
    """A module that decides on a value, which no `vmap` can run."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(2, 2))

    def forward(self, x):
        out = x @ self.w
        return out if float(out.sum()) > 0 else -out


def test_what_cannot_be_batched_is_evaluated_point_by_point():
    model, x = Stubborn(), torch.ones(3, 2)
    square = lambda output, y: output.square().mean()
    found = landscape.loss_line(model, square, x, direction={"w": torch.ones(2, 2)}, at=[-2.0, 0.0, 1.0])
    assert found.loss.tolist() == [4.0, 4.0, 16.0]
    with pytest.raises(ZeroDivisionError):
        landscape.loss_line(model, lambda output, y: 1 / 0, x, at=[0.0])


def test_the_users_model_and_random_state_are_untouched():
    model, (x, y) = seeded_net(0, nn.BatchNorm1d(6), nn.Dropout(0.5)), data()
    model[1].eval()
    ce(model(x), y).backward()
    before = copy.deepcopy(model.state_dict())
    grads, modes = [p.grad.clone() for p in model.parameters()], [m.training for m in model.modules()]
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    landscape.loss_line(model, ce, x, y, statistics=x)
    landscape.loss_plane(model, ce, x, y, at=[0.0, 1.0])
    landscape.barrier(model, seeded_net(1, nn.BatchNorm1d(6), nn.Dropout(0.5)), ce, x, y, statistics=x)
    with pytest.raises(ZeroDivisionError):
        landscape.loss_line(model, lambda output, y: 1 / 0, x, y, statistics=x)
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert all(torch.equal(g, p.grad) for g, p in zip(grads, model.parameters()))
    assert modes == [m.training for m in model.modules()] and model[1].momentum == 0.1
    assert torch.equal(states[0], torch.random.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all() and states[2] == random.getstate()


def test_filter_normalisation_follows_the_filters_not_their_scale():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(4, 2))
    d = landscape.filter_normalised(model, 3, vectors=True)
    assert torch.allclose(d["0.weight"].flatten(1).norm(dim=1), model[0].weight.flatten(1).norm(dim=1))
    assert float(d["1.bias"].norm()) == pytest.approx(float(model[1].bias.detach().norm()))
    net, (x, y) = seeded_net(0), data()
    other = landscape.rescaled(net, "0", "2", 10.0)
    slices = [landscape.loss_line(m, ce, x, y, at=[-1.0, 0.5], seed=7).loss for m in (net, other)]
    assert np.allclose(*slices, rtol=1e-8)


@few
@given(st.floats(0.05, 20), st.integers(0, 20))
def test_rescaling_keeps_the_function_and_changes_the_sharpness(alpha, seed):
    net, (x, y) = seeded_net(seed), data()
    other = landscape.rescaled(net, "0", "2", alpha)
    assert torch.allclose(other(x), net(x), rtol=1e-9, atol=1e-12)
    assert torch.equal(other[2].bias, net[2].bias) and torch.allclose(other[0].bias, alpha * net[0].bias)
    if not 0.2 < alpha < 5:
        assert sharpness(other, ce, x, y) > 2 * sharpness(net, ce, x, y)


@few
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(1e-9, 3.1), st.floats(0.1, 10))
def test_angles_are_exact_small_ones_too(values, angle, scale):
    a = torch.tensor(values, dtype=torch.float64)
    if float(a.norm()) < 1e-3:
        a = torch.ones_like(a)
    across = torch.randn(len(a), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    across -= (across @ a) / (a @ a) * a
    b = scale * (math.cos(angle) * a / a.norm() + math.sin(angle) * across / across.norm())
    found = landscape.angles({"w": a}, {"w": b})
    assert found["w"] == pytest.approx(angle, rel=1e-6, abs=1e-15) and found["all"] == found["w"]


def test_angles_and_ratios_of_layers():
    net, other = seeded_net(0), seeded_net(1)
    flat = [torch.cat([p.detach().reshape(-1) for p in m.parameters()]) for m in (net, other)]
    found = landscape.angles(net, dict(other.named_parameters()))
    cosine = float(nn.functional.cosine_similarity(*flat, dim=0))
    assert found["all"] == pytest.approx(math.acos(cosine)) and set(found) == {"all", *dict(net.named_parameters())}
    ratios = landscape.update_ratios(net, other)
    assert ratios["all"] == pytest.approx(float((flat[1] - flat[0]).norm() / flat[0].norm()))
    zero = {"w": torch.zeros(2)}
    assert math.isnan(landscape.angles(zero, {"w": torch.ones(2)})["w"])
    assert landscape.update_ratios(zero, {"w": torch.ones(2)})["w"] == math.inf
    assert math.isnan(landscape.update_ratios(zero, zero)["w"])


def test_ratios_of_every_step():
    net, (x, y) = seeded_net(0), data()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    ratios = landscape.UpdateRatios(net, optimizer)
    for _ in range(3):
        before = copy.deepcopy(net)
        optimizer.zero_grad()
        ce(net(x), y).backward()
        optimizer.step()
        assert ratios.rows[-1] == landscape.update_ratios(before, net)
    ratios.detach()
    optimizer.step()
    assert len(ratios.rows) == 3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda m, x, y: landscape.loss_line(m, ce, x, y, at=[]),
            ValueError,
            "at must be a sequence of finite numbers",
        ),
        (lambda m, x, y: landscape.loss_line(m, ce, x, y, at=[math.nan]), ValueError, "at must be a sequence"),
        (
            lambda m, x, y: landscape.loss_line(m, ce, x, y, direction={"a": x}),
            ValueError,
            "direction must have the model's",
        ),
        (
            lambda m, x, y: landscape.loss_line(m, ce, x, y, direction=3),
            TypeError,
            "direction must be a module or a dict",
        ),
        (lambda m, x, y: landscape.loss_plane(m, ce, x, y, through=[m]), ValueError, "differ from the model"),
        (lambda m, x, y: landscape.loss_plane(m, ce, x, y, through=[]), ValueError, "one or two solutions; got 0"),
        (
            lambda m, x, y: landscape.loss_plane(m, ce, x, y, directions=[dict(m.named_parameters())]),
            ValueError,
            "two; got 1",
        ),
        (
            lambda m, x, y: landscape.loss_plane(m, ce, x, y, directions=[1, 2], through=[m]),
            ValueError,
            "exclude each other",
        ),
        (lambda m, x, y: landscape.barrier(m, nn.Linear(1, 1), ce, x, y), ValueError, "second must have the model's"),
        (lambda m, x, y: landscape.barrier(m, m, ce, x, y, points=1), ValueError, "points must be a whole number"),
        (lambda m, x, y: landscape.angles(m, nn.Linear(1, 1)), ValueError, "these differ: 0.bias"),
        (lambda m, x, y: landscape.rescaled(m, "0", "1", 2.0), ValueError, "second must name a layer with a weight"),
        (lambda m, x, y: landscape.rescaled(m, "0", "0", 2.0), ValueError, "share no weight; got '0' and '0'"),
        (lambda m, x, y: landscape.loss_line(m, ce, x[:0], y[:0]), ValueError, "x must hold at least one example"),
        (lambda m, x, y: landscape.filter_normalised(m, 1.5), TypeError, "seed must be a whole number"),
        (lambda m, x, y: landscape.rescaled(m, "0", "2", 0.0), ValueError, "alpha must be"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(seeded_net(0), *data())


def test_rescaling_refuses_weights_that_are_shared_or_computed_and_takes_layers_without_bias():
    tied = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    tied[2].weight = tied[0].weight
    with pytest.raises(ValueError, match="share no weight"):
        landscape.rescaled(tied, "0", "2", 2.0)
    computed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), nn.ReLU(), nn.Linear(3, 3))
    with pytest.raises(ValueError, match="first must name a layer with a weight"):
        landscape.rescaled(computed, "0", "2", 2.0)
    words, table = torch.tensor([0, 4]), nn.Sequential(nn.Embedding(5, 3), nn.ReLU(), nn.Linear(3, 2))
    torch.testing.assert_close(landscape.rescaled(table, "0", "2", 2.0)(words), table(words))


def test_losses_without_targets_are_taken_in_pieces_too(monkeypatch):
    net, (x, _) = seeded_net(0), data()
    square = lambda output, _: output.square().mean()  # noqa: E731
    whole = landscape.loss_line(net, square, x, at=[0.0, 1.0]).loss
    monkeypatch.setattr("lrlib.looking.landscape.points.CELLS", 64)
    assert landscape.loss_line(net, square, x, at=[0.0, 1.0]).loss == pytest.approx(whole, rel=1e-5)


def test_figures_of_slices_and_barriers():
    nets, (x, y) = [seeded_net(s) for s in range(2)], data()
    line = landscape.loss_line(nets[0], ce, x, y, at=[-1.0, 0.0, 1.0])
    plane = landscape.loss_plane(
        nets[0], ce, x, y, through=[nets[1]], at=np.linspace(-1, 2, 7), metric=tasks.task.accuracy
    )
    found = landscape.barrier(*nets, ce, x, y, metric=tasks.task.accuracy, points=5)
    figure = plot.loss_line({"first": line, "again": line}, log=True)
    assert len({row.get_linestyle() for row in figure.axes[0].lines}) == 2
    assert [t.get_text() for t in plot.loss_plane(plane).axes[0].texts][-2:] == ["1", "2"]
    assert plot.loss_plane(plane, name="metric", levels=[0.4]).axes[0].collections
    assert plot.barrier(found, name="error").axes[0].texts[-1].get_text() == f"{found.error_barrier / 100:.3g}"
    with pytest.raises(TypeError, match=r"^at must be numbers; got \[\[1\], \[1, 2\]\]"):
        landscape.loss_plane(nets[0], ce, x, y, at=([[1], [1, 2]], [1.0, 2.0]))
    with pytest.raises(ValueError, match="slice must be a plane; got 1 axes"):
        plot.loss_plane(line)
    with pytest.raises(ValueError, match="name must be 'loss', or 'metric'"):
        plot.loss_line(line, name="metric")
    with pytest.raises(ValueError, match="name must be 'loss', or 'error'"):
        plot.barrier(landscape.barrier(*nets, ce, x, y, points=2), name="error")


def test_targets_of_another_number_are_named_where_the_loss_refuses_them():
    net, (x, y) = seeded_net(0), data()
    for call in (
        lambda: landscape.loss_line(net, ce, x, y[:3], at=[0.0, 1.0]),
        lambda: landscape.barrier(net, seeded_net(1), ce, x, y[:3], points=2),
    ):
        with pytest.raises(ValueError, match=f"^x and y must hold the same number of examples; got {len(x)} and 3: "):
            call()
