"""Reduce on plateau: the memory, its place in the optimizer, and its way with a plan."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lrlib import Plateau, attach, constant, warmup

PLATEAU = Plateau(factor=0.5, patience=1)
LOSSES = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, math.nan, 1.0, 0.5, 0.5]


def sgd(lr=0.5):
    x = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    x.grad = torch.ones_like(x)
    return torch.optim.SGD([x], lr=lr, momentum=0.9)


KEPT = sgd()
attach(KEPT, constant())


def train(optimizer, handle, losses):
    for loss in losses:
        optimizer.step()
        handle.report(loss)


def scales(plateau, losses):
    memory, found = plateau.start(), []
    for loss in losses:
        memory = plateau.update(memory, loss)
        found.append(memory["scale"])
    return found


def test_the_scale_falls_after_more_than_patience_bad_reports():
    assert scales(PLATEAU, LOSSES) == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.125]
    assert scales(Plateau(mode="max", patience=0), [1, 2, 2, 3]) == [1, 1, 0.1, 0.1]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@given(best=st.integers(-40, 40), value=st.integers(-40, 40), threshold=st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]))
def test_a_value_improves_where_it_passes_the_margin_on_either_side_of_0(mode, threshold_mode, best, value, threshold):
    margin = threshold * (abs(best) if threshold_mode == "rel" else 1)
    improved = value < best - margin if mode == "min" else value > best + margin
    assert Plateau(mode, threshold=threshold, threshold_mode=threshold_mode).improves(value, best) == improved


@given(st.lists(st.one_of(st.floats(-3, 3), st.sampled_from([0.0, math.nan, math.inf, -math.inf])), max_size=40))
def test_a_loss_and_its_mirror_image_reduce_alike(values):
    for options in ({"threshold": 0.0}, {"threshold": 0.3}, {"threshold": 0.3, "threshold_mode": "abs"}):
        lower = Plateau(patience=1, factor=0.5, **options)
        higher = Plateau("max", patience=1, factor=0.5, **options)
        assert scales(lower, values) == scales(higher, [-value for value in values])


@pytest.mark.parametrize(
    "values", [[-5.0] * 5, [-5.0, -4.9999, -4.9998, -4.9997, -4.9996], [-5.0, -4.0, -3.0, 0.0, 2.0]]
)
def test_a_negative_loss_that_stays_or_rises_is_on_a_plateau(values):
    assert scales(Plateau(factor=0.5, patience=1), values) == [1, 1, 0.5, 0.5, 0.25]
    assert scales(Plateau(factor=0.5, patience=1), [-v for v in [5.0, 5.1, 5.2, 5.3, 5.4]]) == [1] * 5


def test_the_scale_stops_at_least_and_never_rises_to_it():
    assert min(scales(Plateau(patience=0, factor=0.5, least=0.2), [1.0] * 9)) == 0.2
    assert max(scales(Plateau(patience=0, least=3.0), [1.0] * 9)) == 1


def test_update_leaves_the_old_memory_as_it_was():
    memory = PLATEAU.start()
    PLATEAU.update(memory, torch.tensor(2.0))
    assert memory == PLATEAU.start()


def test_warm_up_and_plateau_compose():
    optimizer = sgd()
    handle = attach(optimizer, warmup(4), plateau=PLATEAU)
    train(optimizer, handle, LOSSES)
    before = np.array([1, *scales(PLATEAU, LOSSES)[:-1]])
    np.testing.assert_allclose(handle.applied[:, 0], 0.5 * warmup(4)(np.arange(12)) * before, rtol=1e-15)
    np.testing.assert_array_equal(handle.applied, handle.planned())
    assert handle.scale == 0.125
    handle.detach()
    assert optimizer.param_groups[0]["lr"] == 0.5 and "plateau" not in optimizer.param_groups[0]
    assert handle.scale == 0.125


@pytest.mark.parametrize("attached_first", [True, False])
def test_resume_is_exact(attached_first, tmp_path):
    straight = sgd()
    whole = attach(straight, warmup(4), plateau=PLATEAU)
    train(straight, whole, LOSSES)
    first = sgd()
    train(first, attach(first, warmup(4), plateau=PLATEAU), LOSSES[:7])
    torch.save(first.state_dict(), tmp_path / "state.pt")
    state, second = torch.load(tmp_path / "state.pt", weights_only=True), sgd(lr=9.0)
    if not attached_first:
        second.load_state_dict(state)
    handle = attach(second, warmup(4), plateau=PLATEAU)
    if attached_first:
        second.load_state_dict(state)
    train(second, handle, LOSSES[7:])
    np.testing.assert_array_equal(handle.applied, whole.applied[7:])
    np.testing.assert_array_equal(handle.applied, handle.planned())


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: Plateau(mode="least"), ValueError, "mode must be 'min' or 'max'; got 'least'"),
        (lambda: Plateau(threshold_mode="none"), ValueError, "threshold_mode must be 'rel' or 'abs'"),
        (lambda: Plateau(factor=1.0), ValueError, "factor must be a number of at least 0 and below 1; got 1.0"),
        (lambda: Plateau(factor=True), TypeError, "factor"),
        (lambda: Plateau(patience=1.5), TypeError, "patience must be a whole number of at least 0; got 1.5"),
        (lambda: Plateau(cooldown=-1), ValueError, "cooldown must be"),
        (lambda: Plateau(threshold=math.nan), ValueError, "threshold must be"),
        (lambda: Plateau(least=-1), ValueError, "least must be"),
        (lambda: PLATEAU.update(PLATEAU.start(), "low"), TypeError, "value must be one number.*'low'"),
        (lambda: PLATEAU.update(PLATEAU.start(), torch.ones(2)), TypeError, "value must be one number"),
        (lambda: attach(sgd(), constant(), plateau=0.1), TypeError, "plateau must be a lrlib.Plateau; got 0.1"),
        (lambda: KEPT.attachment.report(1.0), ValueError, "report needs a plateau"),
    ],
)
def test_wrong_arguments_are_named(build, error, words):
    with pytest.raises(error, match=words):
        build()


def test_the_handle_of_an_optimizer_that_is_gone_cannot_be_told_anything():
    with pytest.raises(ValueError, match="report needs an attached plan"):
        attach(sgd(), constant(), plateau=PLATEAU).report(1.0)
