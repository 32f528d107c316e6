"""The determinism contract of docs/determinism.md, where no other test holds a line of it."""

import numpy as np
import pytest
import torch

from lrlib import fit, one_thread, rules, sweep, tasks, warmup, cosine

PLAN = warmup(3) >> cosine(9)
SWEPT = [name for name in rules.RULES if rules.get(name).kind != "closure"]


def blobs(batch=8):
    """A small problem of two classes with a network of two layers."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(48, 4, generator=draws)
    y = (x[:, 0] * x[:, 1] > 0).long()
    model = lambda: tasks.mlp([4, 8, 2])
    parts = (x[:32], y[:32]), (x[32:], y[32:]), None
    return tasks.Task("blobs", model, *parts, torch.nn.functional.cross_entropy, tasks.accuracy, batch, 12)


def same(one, other, lanes=slice(None)):
    """Whether the lanes of a record are bit by bit those of another: losses, applied rates, weights, evaluations."""
    pairs = [(one.loss, other.loss[lanes]), (one.lr, other.lr[lanes])]
    pairs += [(v, other.parameters[name][lanes]) for name, v in one.parameters.items()]
    pairs += [(v, other.evaluations[name][lanes]) for name, v in one.evaluations.items() if name != "step"]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam", "adamw", "lars"])
@pytest.mark.parametrize("path", ["eager", "loop"])
def test_the_same_call_gives_the_same_bits(rule, path):
    run = lambda: sweep(blobs(), rule, lr=[0.01, 0.1], seeds=2, plan=PLAN, path=path)
    assert same(run(), run())
    single = lambda: fit(blobs(), rule, lr=0.01, seed=1, plan=PLAN)
    assert single() == single()


@pytest.mark.parametrize("rule", SWEPT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_lane_of_the_loop_is_the_run_of_fit_bit_by_bit(rule, dtype):
    swept = sweep(blobs(), rule, lr=[0.01, 0.02], seeds=[4, 1], plan=PLAN, path="loop", dtype=dtype)
    for lane in range(4):
        alone = fit(blobs(), rule, lr=swept.lr0[lane], seed=int(swept.seed[lane]), plan=PLAN, dtype=dtype)
        assert same(alone, swept, [lane])


@pytest.mark.parametrize("rule", SWEPT)
def test_a_lane_of_the_loop_in_company_is_the_lane_alone_bit_by_bit(rule):
    whole = sweep(blobs(), rule, lr=[0.01, 0.1, 1e6], seeds=2, plan=PLAN, path="loop")
    assert same(sweep(blobs(), rule, lr=[0.1], seeds=[1], plan=PLAN, path="loop"), whole, [3])


@pytest.mark.parametrize("rule", SWEPT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_eager_lane_in_company_is_the_lane_alone_bit_by_bit(rule, dtype):
    settings = dict(plan=PLAN, path="eager", dtype=dtype)
    with one_thread():
        alone = sweep(blobs(), rule, lr=[0.01], seeds=[1], **settings)
        assert same(alone, sweep(blobs(), rule, lr=[0.01, 0.1, 0.02, 1e6], seeds=[1], **settings), [0])
        assert same(alone, sweep(blobs(), rule, lr=[0.3, 0.01], seeds=[5, 1, 0], **settings), [4])


def test_an_eager_lane_does_not_feel_one_that_diverges():
    """Bit by bit: the same number of lanes, one of them at a rate that blows up or not."""
    calm, wild = (sweep(blobs(), lr=[0.01, last], seeds=1, path="eager") for last in (0.02, 1e9))
    assert wild.status.tolist() == ["finished", "diverged"]
    assert np.array_equal(calm.loss[0], wild.loss[0])


@pytest.mark.parametrize("path", ["eager", "loop"])
def test_parts_are_the_whole_on_one_thread_bit_by_bit(path, tmp_path):
    settings = dict(lr=[0.01, 0.1], seeds=2, plan=PLAN, path=path)
    with one_thread():
        whole = sweep(blobs(), "momentum", **settings)
    kept = dict(jobs=1, folder=tmp_path / "parts")
    for _ in range(2):  # computed, then taken from the folder
        assert same(sweep(blobs(), "momentum", **kept, **settings), whole)
    assert same(sweep(blobs(), "momentum", jobs=1, lanes=1, **settings), whole)


def test_another_number_of_threads_changes_rounding_alone():
    """Sums of long vectors are divided among threads, so this is no promise of bits."""
    task, before = tasks.digits(width=256), torch.get_num_threads()
    settings = dict(lr=0.1, steps=20, dtype=torch.float64)
    with one_thread():
        one = fit(task, "momentum", **settings)
        torch.set_num_threads(2)
        two = fit(task, "momentum", **settings)
    assert torch.get_num_threads() == before
    np.testing.assert_allclose(two.loss, one.loss, rtol=1e-10)


def test_the_callers_random_state_has_no_say_and_is_left_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fit(blobs(), lr=0.1, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert first == fit(blobs(), lr=0.1, seed=3)
