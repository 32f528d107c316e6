"""Augmentation: same shape, dtype and draws everywhere; each move is what it says; random state left alone."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, rotate

from lrlib import Images, Signals
from lrlib.methods.augmentation import _filtered

FEW = settings(max_examples=25, deadline=None)
KINDS = [Signals(), Signals(5, 0.4, 0.1, 0.25, 0.75), Images((4, 5)), Images((4, 5), 2, 30.0, fill=-1.0)]


def g(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(n=st.integers(1, 5), seed=st.integers(0, 99), double=st.booleans())
def test_pure_same_shape_and_the_draws_of_the_generator_alone(kind, n, seed, double):
    x = torch.randn(n, 20, generator=g(seed), dtype=torch.float64 if double else torch.float32)
    before, kept = torch.get_rng_state(), x.clone()
    first, again, other = kind(x, g(seed)), kind(x, g(seed)), kind(x.to(torch.float64), g(seed))
    assert first.shape == x.shape and first.dtype == x.dtype and torch.equal(first, again) and torch.equal(x, kept)
    assert torch.allclose(first.double(), other, atol=1e-5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(pickle.loads(pickle.dumps(kind))(x, g(seed)), first)


@FEW
@given(shift=st.integers(0, 7), seed=st.integers(0, 99))
def test_signals_are_rolled_by_at_most_the_shift(shift, seed):
    x = torch.randn(30, 12, generator=g(seed))
    moved = Signals(shift, scale=0.0, noise=0.0)(x, g(seed))
    rolled = torch.stack([x.roll(k, 1) for k in range(-shift, shift + 1)])
    assert (rolled == moved).all(-1).any(0).all()


def test_signals_scale_shear_and_noise_have_their_sizes():
    x = torch.ones(4000, 40, dtype=torch.float64)
    factor = Signals(0, 0.4, 0.0)(x, g())
    assert factor.min() >= 0.8 and factor.max() <= 1.2 and factor.mean().item() == pytest.approx(1, abs=0.01)
    assert (factor == factor[:, :1]).all()
    assert (Signals(0, 0.0, 0.3)(x, g()) - 1).std().item() == pytest.approx(0.3, rel=0.02)
    slope = Signals(0, 0.0, 0.0, shear=0.75)(x, g())
    assert slope.diff(n=2).abs().max() < 1e-12 and (slope[:, 0] - 1).abs().max() <= 0.1875
    correlated = Signals(0, 0.0, 0.0, correlated=1.0)(x, g()) - 1
    assert correlated.std().item() == pytest.approx(0.38, rel=0.05)
    assert (correlated[:, 10] * correlated[:, 11]).mean() > 0.1


def test_correlated_noise_is_scipys_filter_of_the_same_noise():
    noise = torch.randn(3, 1, 40, generator=g())
    expected = np.stack([gaussian_filter(row.numpy(), 2) for row in noise[:, 0]])
    assert np.allclose(_filtered(noise)[:, 0], expected, atol=1e-6)


@FEW
@given(shift=st.integers(0, 3), seed=st.integers(0, 99))
def test_images_move_by_whole_pixels_and_are_filled(shift, seed):
    x = torch.rand(20, 4, 5, generator=g(seed)) + 1
    moved = Images((4, 5), shift, fill=0.0)(x, g(seed))
    padded = torch.nn.functional.pad(x, (shift,) * 4)
    windows = [padded[:, i : i + 4, j : j + 5] for i in range(2 * shift + 1) for j in range(2 * shift + 1)]
    assert (torch.stack(windows) == moved).all(-1).all(-1).any(0).all()
    least = Images((4, 5), shift)(x, g(seed))
    assert (least.amin((1, 2)) == x.amin((1, 2))).all()


def test_layouts_agree_and_channels_move_together():
    x = torch.rand(6, 3, 4, 5)
    kind = Images((4, 5), 1, 20.0)
    together = kind(x[:, :1], g())
    assert torch.equal(kind(x[:, 0], g()), together[:, 0]) and torch.equal(
        kind(x[:, 0].flatten(1), g()), together.flatten(1)
    )
    assert torch.equal(Images((4, 5), 1, fill=0.0)(x, g())[:, 2], Images((4, 5), 1, fill=0.0)(x[:, 2], g()))


def test_a_batch_without_examples_stays_empty():
    for x in (torch.zeros(0, 64), torch.zeros(0, 2, 8, 8)):
        assert Images((8, 8), degrees=10.0)(x, g()).shape == x.shape


def test_a_rotation_turns_by_the_angle_that_was_drawn():
    image = np.zeros((33, 33))
    image[10:22, 8:14] = 1.0
    x = torch.tensor(gaussian_filter(image, 1.5))[None].expand(8, -1, -1)
    turned = Images((33, 33), 0, 40.0, fill=0.0)(x, g(4))
    draws = g(4)
    torch.randint(0, 1, (2, 8, 1), generator=draws)
    for one, u in zip(turned, torch.rand(8, generator=draws) * 2 - 1):
        expected = rotate(x[0].numpy(), float(u) * 40, reshape=False, order=1)
        assert np.abs(one.numpy() - expected).max() < 0.01


@pytest.mark.parametrize(
    ("make", "match", "kind"),
    [
        (lambda: Signals(shift=1.7), "shift must be a whole number", TypeError),
        (lambda: Signals(shift=True), "shift must be", TypeError),
        (lambda: Signals(noise=-1.0), "noise must be a finite number", ValueError),
        (lambda: Signals(scale=True), "scale must be", TypeError),
        (lambda: Images((8,)), "shape must be", ValueError),
        (lambda: Images((8, 8), shift=8), "shift must be smaller", ValueError),
        (lambda: Images((8, 8), degrees=float("nan")), "degrees must be", ValueError),
        (lambda: Signals()(torch.zeros(2, 1, 4), g()), r"x must be a batch, \[n, length\]", ValueError),
        (lambda: Signals()(torch.zeros(2, 4, dtype=torch.long), g()), "floating-point", TypeError),
        (lambda: Images(8), "shape must be", ValueError),
        (lambda: Images((8, 8))(torch.zeros(8, 8), g()), "x must hold images 8×8", ValueError),
        (lambda: Images((8, 8))(torch.zeros(2, 1, 1, 8, 8), g()), "x must hold images 8×8", ValueError),
        (lambda: Images((8, 8))(torch.zeros(2, 63), g()), "x must hold images 8×8", ValueError),
    ],
)
def test_wrong_arguments_are_named(make, match, kind):
    with pytest.raises(kind, match=match):
        make()
