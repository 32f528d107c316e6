"""The parts that the experiments on geometry, sparsity and robustness are made of, on networks with a known answer."""

import numpy as np
import pytest
import torch

from lrlib import barrier, sharpness, tasks


@pytest.fixture
def small():
    """A small task with a network of three layers, and two lanes of weights."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(30, 40, generator=generator), torch.arange(30) % 10
    task = tasks.Task(
        "small",
        lambda: tasks.mlp([40, 64, 64, 10]),
        (x, y),
        None,
        (x, y),
        torch.nn.functional.cross_entropy,
        tasks.accuracy,
        10,
        10,
    )
    lanes = []
    for seed in range(2):
        torch.manual_seed(seed)
        lanes.append(task.model())
    weights = {
        n: np.stack([dict(m.named_parameters())[n].detach().numpy() for m in lanes])
        for n, _ in lanes[0].named_parameters()
    }
    return task, lanes, weights


def test_the_sharpness_of_lanes_is_that_of_each_network(small):
    import flatness

    task, lanes, weights = small
    alone = [sharpness(m, task.loss, *task.train) for m in lanes]
    np.testing.assert_allclose(flatness.plain(task, weights, [0, 0], 30), alone, rtol=0.03)


def test_only_the_plain_sharpness_sees_a_rescaling_and_the_flattest_form_is_no_sharper(small):
    import flatness

    task, _, weights = small
    place = flatness.moved(weights, ("0", "2"), [5, 5])
    plain = [flatness.plain(task, w, [0, 0], 30) for w in (weights, place)]
    assert (plain[1] > 100 * plain[0]).all()
    adaptive = [flatness.adaptive(task, w, [0, 0], 30) for w in (weights, place)]
    np.testing.assert_allclose(*adaptive, rtol=1e-4)
    assert (flatness.flattest(task, place, [0, 0], 30, rounds=1) < plain[1]).all()


def test_units_needed_counts_the_units_that_carry_the_answer():
    import e37_activity as e37

    net = tasks.mlp([2, 2, 3])
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2)), net[0].bias.zero_()
        net[2].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])), net[2].bias.zero_()
    x = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
    assert e37.units_needed(net, x) == pytest.approx(0.5), "the means already answer 0; class 1 takes one unit"


def test_pruning_drops_only_units_that_never_fire(small):
    import e37_activity as e37

    task, lanes, _ = small
    net, x = lanes[0], task.train[0]
    with torch.no_grad():
        net[0].bias[:5] = -1e3
    less, share = e37.pruned(net, x)
    assert share >= 5 / 128 and less[0].out_features <= 59
    torch.testing.assert_close(less(x), net(x))


def test_batched_barriers_are_those_of_the_library(small):
    import e36_geometry as e36
    from lrlib import evaluate_weights

    task, lanes, weights = small
    one, two = ({n: w[i : i + 1] for n, w in weights.items()} for i in (0, 1))
    ends = [(w, evaluate_weights(task, w, sets=("train", "test"))) for w in (one, two)]
    alone = barrier(*lanes, task.loss, *task.train, metric=task.metric, points=len(e36.WITHIN) + 2)
    found = e36.heights(task, *ends, [0])["train"]
    np.testing.assert_allclose(found, [alone.error_barrier], atol=0.1)


def test_shifts_go_both_ways_and_noise_is_the_same_at_every_size():
    import e39_robustness as e39

    x = torch.arange(4.0).expand(2, 4)
    assert e39.shifted(x, 1).tolist() == [[0, 0, 1, 2], [1, 2, 3, 3]]
    torch.testing.assert_close(e39.noisy(x, 0.2) - x, 2 * (e39.noisy(x, 0.1) - x))


def test_the_marks_around_the_goal_are_found_lane_by_lane():
    from types import SimpleNamespace

    import large_rates

    task = tasks.quadratic(curvatures=(4.0,))  # loss 2x²
    course = {1: [[1.0], [1.0]], 2: [[0.5], [0.9]], 3: [[0.1], [0.8]]}
    kept = {k: {"parameters": {"x": np.array(x)}} for k, x in course.items()}
    record = SimpleNamespace(snapshots=kept, seed=np.array([0, 1]))
    found = large_rates.crossing(task, {"converged": 0.6}, record, [1, 2, 3], (1, 2))
    np.testing.assert_allclose([found[f"scores/{way}/train_loss"][0, 0] for way in ("before", "after")], [2.0, 0.5])
    assert np.isnan(found["scores/after/train_loss"][0, 1]), "never there"
    assert found["weights/after/x"].tolist() == [[[0.5], [0.8]]]


def test_rates_far_below_the_threshold_get_the_steps_that_they_need():
    import large_rates

    size = dict(multiples=[0.01, 0.1, 1.0], steps=100, reach=20)
    assert large_rates.steps_of(size).tolist() == [2000, 200, 100]
    assert [g.tolist() for g in large_rates.groups(size)] == [[2], [1], [0]]
