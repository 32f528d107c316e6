"""Augmentation: pure functions ``(x, generator) -> x`` of the same shape and dtype, for `lrlib.Task.augment`.

All random numbers are drawn from the CPU generator that is given, in float32, and then moved to x; so a batch is
augmented alike on every device, in single and in double precision up to rounding, and the global generator is left
alone. Each example of a batch gets draws of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, conv1d, grid_sample

from .._base.arguments import held, generator_of, number, shown, whole

FARTHEST = 1_000_000  # places or pixels of a shift


@dataclass(frozen=True)
class Signals:
    r"""Augment signals x [n, length] by the steps of the MNIST-1D generator.

    .. math:: x'_i = (1 + \text{scale}\,(u - \tfrac12))\, x_{(i - k) \bmod n} + \text{noise}\, z_i
              + \text{correlated}\,(\varphi_2 * z')_i - \text{shear}\,(v - \tfrac12)\,(\tfrac{i}{n-1} - \tfrac12)

    with k a whole number in −shift … shift, u and v uniform on [0, 1), z and z′ standard normal, φ₂ a Gaussian kernel
    of standard deviation 2 places (so the correlated noise is about 0.38 of ``correlated``).

    Args:
        shift: largest translation in places, circular; default 2.
        scale: width of the interval of factors; default 0.4, the generator's.
        noise: standard deviation of independent noise; default 0.02, the generator's.
        correlated: size of correlated noise before filtering; default 0 (the generator adds 0.25).
        shear: width of the interval of slopes; default 0 (the generator's is 0.75).

    Raises:
        TypeError, ValueError: a number outside its range when it is made; x without two axes or without
            floating-point numbers when it is called.

    Example:
        >>> x = torch.eye(2, 6)
        >>> Signals(shift=2, scale=0.0, noise=0.0)(x, torch.Generator().manual_seed(0))
        tensor([[0., 0., 1., 0., 0., 0.],
                [0., 0., 0., 1., 0., 0.]])

    Source: Greydanus & Kobak (2024), "Scaling down deep learning with MNIST-1D", section 2.
    """

    shift: int = 2
    scale: float = 0.4
    noise: float = 0.02
    correlated: float = 0.0
    shear: float = 0.0

    def __post_init__(self):
        whole("shift", self.shift, 0, FARTHEST)
        for name in ("scale", "noise", "correlated", "shear"):
            held(name, number(name, getattr(self, name)), torch.float32)

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """x [n, length] → augmented, the same shape and dtype."""
        _check(x, 2, "[n, length]"), _given(generator)
        n, length = x.shape
        k = torch.randint(-self.shift, self.shift + 1, (n, 1), generator=generator)
        u, v = torch.rand(2, n, 1, generator=generator).to(x)
        noise = self.noise * torch.randn(n, length, generator=generator)
        if self.correlated:
            noise = noise + self.correlated * _filtered(torch.randn(n, 1, length, generator=generator))[:, 0]
        places = (torch.arange(length) - k).remainder(length).to(x.device)
        ramp = torch.linspace(-0.5, 0.5, length, dtype=x.dtype, device=x.device)
        return (1 + self.scale * (u - 0.5)) * x.gather(1, places) + noise.to(x) - self.shear * (v - 0.5) * ramp


def _filtered(noise):
    """Noise [n, 1, length] through a Gaussian of standard deviation 2, its ends mirrored."""
    radius = 8
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / 2.0) ** 2)
    inside = torch.arange(-radius, noise.shape[-1] + radius).remainder(2 * noise.shape[-1])
    mirrored = torch.where(inside < noise.shape[-1], inside, 2 * noise.shape[-1] - 1 - inside)
    return conv1d(noise[..., mirrored], (kernel / kernel.sum()).view(1, 1, -1))


@dataclass(frozen=True)
class Images:
    r"""Augment images by a shift of whole pixels and a small rotation about the centre.

    Args:
        shape: (height, width) of an image.
        shift: largest shift in pixels along each axis, drawn from −shift … shift; default 1.
        degrees: largest rotation, drawn uniformly from ±degrees, with bilinear interpolation; default 0, none.
        fill: value of pixels that come from outside; default None, the smallest pixel of the same image.

    Raises:
        TypeError, ValueError: an argument outside its range when it is made; x that does not hold such images
            ([n, height·width], [n, height, width] or [n, channels, height, width]) when it is called.

    Example:
        >>> x = torch.arange(9.0).view(1, 3, 3)
        >>> Images((3, 3), shift=1)(x, torch.Generator().manual_seed(2))
        tensor([[[4., 5., 0.],
                 [7., 8., 0.],
                 [0., 0., 0.]]])

    Source: Simard, Steinkraus & Platt (2003), "Best practices for convolutional neural networks", section 2.
    """

    shape: tuple
    shift: int = 1
    degrees: float = 0.0
    fill: float | None = None

    def __post_init__(self):
        if not isinstance(self.shape, (tuple, list)) or len(self.shape) != 2:
            raise ValueError(f"shape must be (height, width); got {shown(self.shape)}")
        least = min(whole(f"shape: {name}", size) for name, size in zip(("height", "width"), self.shape))
        if whole("shift", self.shift, least=0) >= least:
            raise ValueError(f"shift must be smaller than the image, {tuple(self.shape)}; got {self.shift}")
        number("degrees", self.degrees)
        if self.fill is not None:
            held("fill", number("fill", self.fill, least=-math.inf), torch.float32)

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images x [n, …] → augmented, the same shape and dtype."""
        _check(x, None, "images"), _given(generator)
        height, width = self.shape
        if x.shape[1:] != (height * width,) and (x.ndim not in (3, 4) or x.shape[-2:] != (height, width)):
            raise ValueError(f"x must hold images {height}×{width}, flat or not; got shape {tuple(x.shape)}")
        n = len(x)
        if not n:
            return x.clone()
        images = x.reshape(n, x.shape[1] if x.ndim == 4 else 1, height, width)
        down, right = torch.randint(-self.shift, self.shift + 1, (2, n, 1), generator=generator)
        angles = torch.rand(n, generator=generator) * 2 - 1
        fill = images.amin((1, 2, 3), keepdim=True) if self.fill is None else x.new_tensor(self.fill)
        if self.degrees:
            images = _rotated(images - fill, angles.to(x) * math.radians(self.degrees)) + fill
        return _shifted(images, down, right, fill).reshape(x.shape)


def _shifted(images, down, right, fill):
    """images [n, c, h, w] moved by ``down`` and ``right`` [n, 1] pixels."""
    n, channels, height, width = images.shape
    i, j = torch.arange(height) - down, torch.arange(width) - right  # [n, h], [n, w]
    outside = (((i < 0) | (i >= height))[:, :, None] | ((j < 0) | (j >= width))[:, None]).to(images.device)
    source = i.clamp(0, height - 1)[:, :, None] * width + j.clamp(0, width - 1)[:, None]
    source = source.view(n, 1, -1).expand(n, channels, -1).to(images.device)
    moved = images.reshape(n, channels, -1).gather(2, source).view_as(images)
    return torch.where(outside[:, None], fill, moved)


def _rotated(images, angles):
    """images [n, c, h, w] turned counter-clockwise by ``angles`` [n] in radians, zero outside."""
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    ratio = images.shape[-1] / images.shape[-2]
    turn = torch.stack([torch.stack([cos, -sin / ratio, zero], -1), torch.stack([sin * ratio, cos, zero], -1)], 1)
    grid = affine_grid(turn, list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def _given(generator):
    if generator_of("generator", generator) is None:
        raise TypeError("generator must be a torch.Generator; got None")


def _check(x, axes, what):
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        raise TypeError(f"x must be a floating-point tensor; got {getattr(x, 'dtype', type(x).__name__)}")
    if x.ndim < 2 or (axes is not None and x.ndim != axes):
        raise ValueError(f"x must be a batch, {what}; got shape {tuple(x.shape)}")
