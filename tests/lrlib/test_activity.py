"""Sparsity, silent units and effective rank of networks whose answers are known."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lrlib import activity, effective_rank, record_model, sweep, tasks
from lrlib.looking import units as module

few = settings(max_examples=20, deadline=None)


def net_with_silent_units(silent, units=6):
    """Inputs are positive; the silent units have negative weights, the others positive ones."""
    net = nn.Sequential(nn.Linear(3, units, bias=False), nn.ReLU(), nn.Linear(units, 2))
    with torch.no_grad():
        net[0].weight.copy_(torch.rand(units, 3) + 0.1)
        net[0].weight[silent] *= -1
    return net


@few
@given(st.lists(st.integers(0, 5), unique=True), st.integers(1, 40), st.sampled_from([4, 60, 2**24]))
def test_silent_units_are_found(silent, n, room):
    net, x, before = net_with_silent_units(silent), torch.rand(n, 3) + 0.1, module.CELLS
    try:
        module.CELLS = room
        (found,) = activity(net, x)
    finally:
        module.CELLS = before
    assert np.flatnonzero(found.never_active).tolist() == sorted(silent)
    assert found.layer == "1" and found.sparsity == pytest.approx(len(silent) / 6) == found.dead
    expected = effective_rank(torch.relu(net[0](x)).detach())
    assert found.effective_rank == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_a_unit_of_a_convolution_is_a_channel():
    net = nn.Sequential(nn.Conv1d(1, 2, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(6, 2), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[[1.0, 1.0]], [[-1.0, -1.0]]]))
        net[0].bias.zero_()
    x = torch.tensor([[[1.0, 1.0, -2.0, -3.0]], [[1.0, 2.0, 3.0, 4.0]]])  # sums: 2 -1 -5 and 3 5 7
    convolution, activation = activity(net, x, layers=["0", "1"])
    assert convolution.layer == "0" and convolution.sparsity == 0  # the copy from before the in-place ReLU
    assert activation.sparsity == pytest.approx(6 / 12) and activation.never_active.tolist() == [False, False]
    (second,) = activity(net, x[1:], layers="1")
    assert second.never_active.tolist() == [False, True]
    (places,) = activity(net, x[:1], layers="1", axis=2)
    assert places.never_active.tolist() == [False, False, False]


class Twice(nn.Module):
    """One ReLU that is used twice."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(-self.act(x))


def test_a_module_used_twice_is_reported_twice():
    first, second = activity(Twice(), torch.tensor([[1.0, 2.0], [-3.0, 4.0]]))
    assert (first.layer, first.sparsity, second.layer, second.sparsity) == ("act", 0.25, "act#2", 1.0)
    assert math.isnan(second.effective_rank) and second.dead == 1


@few
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 99))
def test_effective_rank_of_known_matrices(k, extra, seed):
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(k + extra, k, dtype=torch.float64, generator=generator))
    assert effective_rank(3 * q) == pytest.approx(k)  # k equal singular values
    sigma = torch.rand(k, dtype=torch.float64, generator=generator) + 0.01
    p = sigma / sigma.sum()
    found = effective_rank((q * sigma).numpy())
    assert found == pytest.approx(float(torch.exp(-(p * p.log()).sum()))) and 1 - 1e-9 <= found <= k + 1e-9
    assert effective_rank(torch.stack([q, 2 * q])) == pytest.approx([k, k])


def test_effective_rank_of_what_has_none():
    assert math.isnan(effective_rank(torch.zeros(3, 2))) and math.isnan(effective_rank(torch.full((2, 2), math.nan)))
    with pytest.raises(ValueError, match="features must have the shape"):
        effective_rank(torch.ones(3))


def test_lanes_of_a_record_equal_their_models():
    task = tasks.digits()
    record = sweep(task, lr=[0.01, 0.5], seeds=2, steps=10, path="eager")
    x = task.train[0][:100]
    together = activity(task.model(), x, parameters=record.parameters)
    for lane in range(4):
        for all_lanes, alone in zip(together, activity(record_model(task, record, lane), x), strict=True):
            assert all_lanes.layer == alone.layer
            assert all_lanes.sparsity[lane] == pytest.approx(alone.sparsity, abs=1e-3)
            assert (all_lanes.never_active[lane] == alone.never_active).mean() > 0.98
            assert all_lanes.effective_rank[lane] == pytest.approx(alone.effective_rank, rel=1e-3)
    assert together[0].dead.shape == (4,)


def test_a_lane_of_a_record_as_a_model():
    task = tasks.quadratic(curvatures=(4.0, 1.0))
    record = sweep(task, lr=[0.1, 0.25], seeds=2, steps=3, dtype=torch.float64, path="eager")
    for lane in range(4):
        model = record_model(task, record, lane)
        assert model.training and model.x.tolist() == record.parameters["x"][lane].tolist()
    for lane in (4, -1, True, 1.0):
        with pytest.raises(ValueError, match="lane must be a whole number from 0 to 3"):
            record_model(task, record, lane)
    with pytest.raises(ValueError, match="record has no parameters"):
        record_model(tasks.digits(), record)


def test_hooks_modes_and_buffers_are_put_back():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
    net[1].eval()
    before, modes = copy.deepcopy(net.state_dict()), [m.training for m in net.modules()]
    x, state = torch.randn(5, 3), torch.random.get_rng_state()
    activity(net, x)
    assert torch.equal(state, torch.random.get_rng_state())
    with pytest.raises(RuntimeError):
        activity(net, torch.randn(5, 7))
    with pytest.raises(ValueError, match="axis must be one of the layer's output"):
        activity(net, torch.randn(5, 3), axis=2)
    assert not any(m._forward_hooks for m in net.modules()) and modes == [m.training for m in net.modules()]
    assert all(torch.equal(before[n], t) for n, t in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": ["9"]}, "the model has no"),
        ({"layers": []}, "layers: none is named"),
        ({"buffers": {"a": 1}}, "give parameters too"),
        ({"parameters": {"0.weight": torch.ones(2, 3)}}, "must have shape"),
        ({"axis": 0}, "axis must be a whole number"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        activity(net_with_silent_units([]), torch.ones(2, 3), **arguments)


def test_layers_that_say_nothing_are_refused():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.spare = nn.LSTM(3, 2), nn.ReLU()

        def forward(self, x):
            return self.cell(x)[0]

    with pytest.raises(ValueError, match=r"makes no use of \['spare'\]"):
        activity(Net(), torch.ones(4, 3), layers="spare")
    with pytest.raises(TypeError, match="the output of 'cell' must be a tensor; got tuple"):
        activity(Net(), torch.ones(4, 3), layers=["cell"])
    with pytest.raises(ValueError, match="x must hold at least one example"):
        activity(Net(), torch.ones(0, 3), layers=["cell"])


def test_a_net_without_rectifiers_needs_names():
    with pytest.raises(ValueError, match="no ReLU module; name the layers"):
        activity(nn.Linear(2, 2), torch.ones(1, 2))
