"""The trace of the Hessian, estimated, with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..._base.device import widest
from ..._base.arguments import LARGEST_SEED, function, module, precision_of, whole
from ..._base.preserve import random_states
from ..._base.streams import numbered
from .products import MOST_PRODUCTS, of_model

if TYPE_CHECKING:
    from ..._types import Data, Loss


@dataclass(frozen=True)
class Trace:
    """An estimated trace.

    Attributes:
        value: the estimate, nan where the curvature is not finite.
        error: its standard error, from the spread of the random directions; nan for a single one.
        products: Hessian-vector products that were spent.
    """

    value: float
    error: float
    products: int


def trace(
    model: torch.nn.Module,
    loss: Loss,
    x: Data,
    y: torch.Tensor | None = None,
    *,
    products: int = 60,
    rank: int | None = None,
    chunk: int | None = None,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> Trace:
    r"""Trace of the Hessian, the sum of its eigenvalues, by Hutch++ (or Hutchinson's estimator, ``rank=0``).

    .. math:: \mathrm{tr}\,H \approx \mathrm{tr}\,Q^\top H Q + \frac1k \sum_{i=1}^{k} z_i^\top H z_i, \qquad
              z_i = (I - QQ^\top) g_i, \quad g_i \in \{-1, 1\}^n

    where Q is an orthonormal basis of `rank` random directions multiplied by H: the few large eigenvalues, which would
    dominate the spread, are summed exactly, the many small ones estimated. Costs 2·rank + k = `products` products.

    Args:
        model, loss, x, y, chunk, dtype: as in `sharpness`; model, buffers, mode and random state stay as they are.
        products: Hessian-vector products to spend, at least 2·rank + 1.
        rank: columns of Q; default a third of the products; 0 for Hutchinson's estimator.
        seed: of the random signs, drawn on the CPU.

    Returns:
        `Trace`.

    Raises:
        ValueError, TypeError: as `sharpness`; a rank that leaves no product for the second term.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False).double()
        >>> x = torch.diag(torch.tensor([1.0, 2.0], dtype=torch.float64))
        >>> half_square = lambda output, y: output.square().sum() / 2       # Hessian: diag(1, 4)
        >>> found = trace(model, half_square, x, products=6)
        >>> round(found.value, 9), round(found.error, 9), found.products
        (5.0, 0.0, 6)

    Source: Hutchinson (1989); Meyer, Musco, Musco & Woodruff (2021), "Hutch++".
    """
    module("model", model), function("loss", loss, "(output, y) -> scalar"), precision_of("dtype", dtype)
    whole("products", products, most=MOST_PRODUCTS)
    whole("seed", seed, 0, LARGEST_SEED)
    if chunk is not None:
        whole("chunk", chunk)
    rank = products // 3 if rank is None else whole("rank", rank, least=0)
    if 2 * rank >= products:
        raise ValueError(f"rank must be below half of products={products}; got {rank}")
    with random_states():
        hessian = of_model(model, loss, x, y, chunk=chunk, dtype=dtype)
        signs = _Signs(hessian, seed)
        known, basis = _known(hessian, signs, min(rank, hessian.size))
        samples = [_sample(hessian, signs, basis) for _ in range(products - 2 * rank)]
    samples = torch.tensor(samples, dtype=torch.float64)
    error = float(samples.std() / math.sqrt(len(samples))) if len(samples) > 1 else math.nan
    return Trace(known + float(samples.mean()), error, hessian.count)


class _Signs:
    """Random vectors [1, n] of ±1."""

    def __init__(self, hessian, seed):
        self.generator, self.size = numbered(seed), hessian.size
        self.like = next(iter(hessian.leaves.values()))

    def draw(self):
        """The next one."""
        bits = torch.randint(0, 2, (1, self.size), generator=self.generator)
        return (2 * bits - 1).to(self.like)


@torch.no_grad()
def _known(hessian, signs, rank):
    """The trace within the span of Q, and Q [n, rank]."""
    if not rank:
        return 0.0, signs.like.new_zeros(hessian.size, 0)
    sketch = torch.cat([hessian(signs.draw()) for _ in range(rank)]).T
    if not bool(torch.isfinite(sketch).all()):
        return math.nan, torch.zeros_like(sketch)
    basis, _ = torch.linalg.qr(sketch)
    return sum(float(_dot(q[None], hessian(q[None]))) for q in basis.T), basis


@torch.no_grad()
def _sample(hessian, signs, basis):
    z = signs.draw()
    z = z - (z @ basis) @ basis.T
    return float(_dot(z, hessian(z)))


def _dot(a, b):
    wide = widest(a.device)
    return (a.to(wide) * b.to(wide)).sum()
