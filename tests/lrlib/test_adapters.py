"""Low-rank adapters: they start as the network, learn beside it, and a swept lane is the run that it is alone."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import evaluate_weights, fit, initial_model, sweep, tasks
from lrlib.tasks import adapter_start, low_rank, merge_adapters

DOUBLE = dict(dtype=torch.float64)


def task(model=None, **changes):
    """Forty examples of three classes for a network 6-8-3."""
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(3))
    y = torch.randint(3, (40,), generator=torch.Generator().manual_seed(4))
    fields = dict(batch=10, steps=6) | changes
    return tasks.Task(
        "small",
        model or (lambda: tasks.mlp([6, 8, 3])),
        (x, y),
        None,
        (x, y),
        nn.functional.cross_entropy,
        tasks.accuracy,
        **fields,
    )


def pretrained(one, seeds=2):
    return sweep(one, lr=0.1, seeds=seeds, steps=5, path="eager", **DOUBLE)


def test_the_start_is_the_pretrained_network_and_only_the_adapters_learn():
    one, before = task(), pretrained(task())
    adapted = low_rank(one, rank=2)
    start = adapter_start(adapted, before)
    scores = evaluate_weights(adapted, start, seeds=[0, 1])
    np.testing.assert_array_equal(scores["train_loss"], before.final("train_loss"))
    after = sweep(adapted, lr=0.3, seeds=2, start=start, path="eager", **DOUBLE)
    assert sorted(after.parameters) == ["0.A", "0.B", "2.A", "2.B"]
    for name, value in before.parameters.items():
        np.testing.assert_array_equal(after.buffers[name], value)
    assert (after.final("train_loss") < before.final("train_loss")).all()


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_a_lane_is_the_run_that_it_is_alone(rule):
    adapted, before = low_rank(task(), rank=2, alpha=4.0, rate_ratio=4.0), pretrained(task())
    rates, start = [0.03, 0.1], adapter_start(low_rank(task(), rank=2), before, repeat=2)
    swept = sweep(adapted, rule, lr=rates, seeds=2, start=start, path="eager", **DOUBLE)
    for lane in range(4):
        own = {name: value[lane] for name, value in start.items()}
        alone = fit(adapted, rule, lr=rates[lane // 2], seed=lane % 2, start=own, **DOUBLE)
        for name, value in alone.parameters.items():
            np.testing.assert_allclose(swept.parameters[name][lane], value[0], rtol=1e-9, atol=1e-12)


def test_given_weights_are_those_of_a_lane_that_starts_from_them():
    one, before = task(), fit(task(), lr=0.1, steps=5, **DOUBLE)
    inside = fit(low_rank(one, rank=2, weights=before), lr=0.2, **DOUBLE)
    handed = fit(
        low_rank(one, rank=2),
        lr=0.2,
        **DOUBLE,
        start={n: v[0] for n, v in adapter_start(low_rank(one, rank=2), before).items()},
    )
    for name, value in inside.parameters.items():
        np.testing.assert_allclose(handed.parameters[name], value, rtol=1e-6)


@pytest.mark.parametrize(
    "rule, adaptive, hyper", [("sgd", False, {}), ("momentum", False, {}), ("adam", True, {"eps": 0.0})]
)
def test_the_ratio_of_rates_is_that_of_two_parameter_groups(rule, adaptive, hyper):
    ratio, one = 9.0, task(batch=None)
    plain, scaled = (low_rank(one, 2, 6.0, rate_ratio=r, adaptive=adaptive) for r in (1.0, ratio))
    found = merge_adapters(scaled, fit(scaled, rule, lr=0.01, steps=4, **hyper, **DOUBLE))
    model = initial_model(plain, 0, torch.float64)
    groups = [
        {"params": [p for n, p in model.named_parameters() if n.endswith(end)], "lr": 0.01 * k}
        for end, k in (("A", 1.0), ("B", ratio))
    ]
    made = {"sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "adam": torch.optim.Adam}[rule]
    optimizer = made(groups, **({"momentum": 0.9} if rule == "momentum" else hyper))
    x, y = one.train_for(0)
    for _ in range(4):
        optimizer.zero_grad()
        one.loss(model(x.double()), y).backward()
        optimizer.step()
    for name, value in merge_adapters(plain, {n: v[None] for n, v in _arrays(model).items()}).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-9)


def _arrays(model):
    return {n: v.detach().numpy() for n, v in (*model.named_parameters(), *model.named_buffers())}


def test_merged_weights_are_the_adapted_network():
    one = task()
    adapted = low_rank(one, rank=1, alpha=5.0, rate_ratio=4.0)
    after = sweep(adapted, lr=[0.003, 0.01], seeds=2, path="eager", **DOUBLE)
    merged = merge_adapters(adapted, after)
    assert merged.keys() == dict(initial_model(one, 0).named_parameters()).keys()
    same = evaluate_weights(one, merged, seeds=after.seed)
    np.testing.assert_allclose(same["train_loss"], after.final("train_loss"), rtol=1e-12)
    change = merged["0.weight"] - after.buffers["0.weight"]
    assert (np.linalg.matrix_rank(change, tol=1e-8) == 1).all()


def test_layers_are_chosen_by_name_and_everything_else_is_frozen():
    one = task(lambda: tasks.mlp([6, 8, 3], batch_norm=True))
    model = initial_model(low_rank(one, rank=2, layers="^3$"), 0)
    assert [n for n, _ in model.named_parameters()] == ["3.A", "3.B"]
    kept = dict(model.named_buffers())
    assert {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "3.weight"} <= kept.keys()
    bare = task(lambda: nn.Linear(6, 3))
    assert [n for n, _ in initial_model(low_rank(bare, rank=2), 0).named_parameters()] == ["A", "B"]
    record = sweep(low_rank(bare, rank=2), lr=[0.1], seeds=2, path="eager")
    assert merge_adapters(low_rank(bare, rank=2), record)["weight"].shape == (2, 3, 6)


def test_adapters_leave_the_generator_alone_and_can_be_sent_to_other_processes():
    before = torch.get_rng_state()
    adapted = low_rank(tasks.digits(width=8), rank=2)
    assert torch.equal(torch.get_rng_state(), before)
    again = pickle.loads(pickle.dumps(adapted))
    one, two = (initial_model(t, 5).state_dict() for t in (adapted, again))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(rank=0), ValueError, "rank"),
        (dict(rank=2.5), TypeError, "rank"),
        (dict(rank=10**30), ValueError, "rank must be at most"),
        (dict(rank=2, adaptive="False"), TypeError, "adaptive must be True or False"),
        (dict(rank=2, layers=b"0"), ValueError, "layers must be a regular expression"),
        (dict(rank=2, alpha=0), ValueError, "alpha"),
        (dict(rank=2, rate_ratio=-1), ValueError, "rate_ratio"),
        (dict(rank=2, adaptive=1), TypeError, "adaptive"),
        (dict(rank=2, layers="7"), ValueError, "layers: '7' fits none of the linear layers 0, 2"),
        (dict(rank=2, layers="("), ValueError, "layers"),
        (dict(rank=2, weights={}), ValueError, "weights.*lacks 0.weight"),
        (dict(rank=2, weights=3), TypeError, "weights"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        low_rank(task(), **arguments)


def test_networks_that_cannot_be_adapted_are_refused():
    def tied():
        model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
        model[2].weight = model[0].weight
        return model

    with pytest.raises(ValueError, match="share"):
        low_rank(task(tied), rank=2)
    with pytest.raises(ValueError, match="projection"):
        low_rank(task(project=lambda p: p), rank=2)
    with pytest.raises(TypeError, match="Linear"):
        tasks.LowRankLinear(nn.Conv1d(1, 1, 1), 1)
    with pytest.raises(ValueError, match="rank must be at most"):
        tasks.LowRankLinear(nn.Linear(3, 2), 10**30)
    with pytest.raises(ValueError, match="lazy layers"):
        low_rank(task(lambda: nn.LazyLinear(2)), rank=2)


def test_weights_of_lanes_are_checked():
    adapted, before = low_rank(task(), rank=2), pretrained(task())
    with pytest.raises(TypeError, match="low_rank"):
        adapter_start(task(), before)
    with pytest.raises(TypeError, match="low_rank"):
        merge_adapters(task(), before)
    with pytest.raises(ValueError, match="seeds"):
        adapter_start(adapted, before, seeds=[0, 1, 2])
    for wrong in ([0, 1.5], [0, -1], [0, 2**70], [0, [1]], "ab", 3):
        with pytest.raises((TypeError, ValueError), match="^seeds must "):
            adapter_start(adapted, before, seeds=wrong)
    with pytest.raises(TypeError, match=r"^weights\['a'\] must be an array of real numbers; got \[\[1\], \[1, 2\]\]"):
        adapter_start(adapted, {"a": [[1], [1, 2]]})
    with pytest.raises(ValueError, match="repeat must be at most"):
        adapter_start(adapted, before, repeat=10**30)
    with pytest.raises(TypeError, match="weights"):
        adapter_start(adapted, 3)
    with pytest.raises(ValueError, match="0.weight"):
        adapter_start(adapted, {n: v for n, v in before.parameters.items() if n != "0.weight"})
    with pytest.raises(ValueError, match="lack 0.weight"):
        merge_adapters(adapted, sweep(adapted, lr=0.1, steps=1).parameters)
