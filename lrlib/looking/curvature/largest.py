"""Sharpness: the largest Hessian eigenvalue of a loss at one point."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import torch

from ..._base.arguments import LARGEST_SEED, flag, function, module, number, precision_of, shown, whole
from ..._base.preserve import random_states
from ..._base.streams import numbered
from .lanczos import largest
from .preconditioning import inverse_root
from .products import MOST_PRODUCTS, alike, of_model, pair

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal
    from ..._types import Data, Loss, Weights

ROUGH = 0.05  # accuracy of the search on a subset
FRESH = 0.1  # share of a random direction in a warm start, so that no eigenvector is out of reach


@dataclass(frozen=True)
class TopEigenvalue:
    """What the Lanczos iteration found.

    Attributes:
        value: the largest algebraic eigenvalue of the Hessian (unit: loss per squared parameter).
        vector: its unit eigenvector, dict from parameter name to tensor of the parameter's shape.
        residual: norm of H v - value·v; some eigenvalue lies within it of `value`.
        products: Hessian-vector products that were spent; those on a `subset` count by its share, rounded up.
        start: where a search nearby should start, a dict as `vector`: a mixture of the three leading Ritz vectors.
        converged: whether the tolerance was reached (False where the curvature is not finite).
    """

    value: float
    vector: dict
    residual: float
    products: int
    start: dict
    converged: bool


@overload
def sharpness(
    model: torch.nn.Module,
    loss: Loss,
    x: Data,
    y: torch.Tensor | None = ...,
    *,
    products: int = ...,
    tol: float = ...,
    accuracy: float | None = ...,
    start: TopEigenvalue | Weights | None = ...,
    subset: int | None = ...,
    preconditioner: torch.optim.Optimizer | Mapping[str, torch.Tensor] | None = ...,
    chunk: int | None = ...,
    basis: int | None = ...,
    seed: int = ...,
    dtype: torch.dtype | None = ...,
    details: Literal[False] = ...,
) -> float: ...


@overload
def sharpness(
    model: torch.nn.Module,
    loss: Loss,
    x: Data,
    y: torch.Tensor | None = ...,
    *,
    products: int = ...,
    tol: float = ...,
    accuracy: float | None = ...,
    start: TopEigenvalue | Weights | None = ...,
    subset: int | None = ...,
    preconditioner: torch.optim.Optimizer | Mapping[str, torch.Tensor] | None = ...,
    chunk: int | None = ...,
    basis: int | None = ...,
    seed: int = ...,
    dtype: torch.dtype | None = ...,
    details: Literal[True],
) -> TopEigenvalue: ...


def sharpness(
    model: torch.nn.Module,
    loss: Loss,
    x: Data,
    y: torch.Tensor | None = None,
    *,
    products: int = 100,
    tol: float = 1e-6,
    accuracy: float | None = None,
    start: TopEigenvalue | Weights | None = None,
    subset: int | None = None,
    preconditioner: torch.optim.Optimizer | Mapping[str, torch.Tensor] | None = None,
    chunk: int | None = None,
    basis: int | None = None,
    seed: int = 0,
    dtype: torch.dtype | None = None,
    details: bool = False,
) -> float | TopEigenvalue:
    r"""Largest algebraic eigenvalue of the Hessian of the loss in the trainable parameters.

    .. math:: \lambda_{\max} = \max_{\|v\|=1} v^\top \nabla^2 L(w)\, v

    by the Lanczos iteration with full reorthogonalisation on exact Hessian-vector products (a second backward pass
    through one recorded graph, so that dropout draws one mask for all of them). Unlike power iteration it finds
    the largest eigenvalue even where the one of largest magnitude is negative. Model, buffers, mode, gradients and
    random state stay as they are; the model is evaluated in the mode that it is in.

    With `preconditioner` P it is the preconditioned sharpness :math:`\lambda_{\max}(P^{-1/2} \nabla^2 L\, P^{-1/2})`,
    which decides about the stability of Adam in place of the sharpness itself.

    Args:
        model: module; only parameters that require a gradient count.
        loss: `loss(model(x), y)` gives a scalar tensor.
        x, y: the batch, on the model's device; `x=(inputs, targets)` with `y=None` serves as well.
        products: most Hessian-vector products, each about two gradients.
        tol: stop when the residual is at most `tol` times the largest magnitude of any eigenvalue seen.
        accuracy: stop also when the estimated error of the value is at most this share of it, twice in succession;
            0.01 for "to 1 %" takes far fewer products than the default `tol`. The estimate is min(r, r²/gap), r the
            residual; it can be fooled by a start that lies near a smaller eigenvalue's vector.
        start: where the search starts: the `TopEigenvalue` of an earlier call, or a dict as its `vector`. Near the old
            point this saves most of the products. A tenth of a random direction is mixed in.
        subset: examples, drawn at random, of a first rough search whose result the search on all data starts from.
            A sixteenth of the data, at least some dozens, saves about half of the products where they are ten or more.
        preconditioner: an Adam, AdamW, AMSGrad, RMSProp or AdaGrad optimizer that has made a step, of this package or
            of `torch.optim`; or P itself, a dict from parameter name to a positive tensor of the parameter's shape.
        chunk: examples that are held at once, for data too large for one recorded graph; every product then records
            anew and costs about three gradients. The loss must be a mean over the examples, and batch normalisation be
            in evaluation mode: it would take the statistics of each piece. Default: all.
        basis: most search directions held, each as large as the parameters, at least 4; beyond them the search goes
            on from a third of them. Default: as many as 2²⁶ numbers allow, at least 8.
        seed: of the random first vector, drawn on the CPU, so the same on every device.
        dtype: compute in this precision on copies of parameters, buffers and floating inputs; default: as they are.
        details: return the `TopEigenvalue` instead of the number.

    Returns:
        float, nan where loss or curvature is not finite; or `TopEigenvalue`.

    Raises:
        ValueError, TypeError: no trainable parameter, a loss that is not scalar, an argument outside its range.

    Warns:
        RuntimeWarning: the tolerance was not reached.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False).double()
        >>> x = torch.diag(torch.tensor([1.0, 2.0], dtype=torch.float64))
        >>> half_square = lambda output, y: output.square().sum() / 2       # Hessian: diag(1, 4)
        >>> round(sharpness(model, half_square, x), 9)
        4.0
        >>> P = {"weight": torch.tensor([[1.0, 8.0]])}                      # diag(1, 4 / 8)
        >>> round(sharpness(model, half_square, x, preconditioner=P), 9)
        1.0

    Source: Lanczos (1950); Pearlmutter (1994) for the products; Wu & Simon (2000) for restarts; Cohen et al. (2021) for
    the use, Cohen et al. (2022) for the preconditioned one.
    """
    module("model", model), function("loss", loss, "(output, y) -> scalar")
    limits = check_search(products, tol, accuracy, basis, seed=seed)
    check_data(chunk, subset, start, dtype)
    details = flag("details", details)
    x, y = pair(x, y)
    with random_states():
        scale = None if preconditioner is None else inverse_root(preconditioner, model)
        build = lambda a, b: of_model(model, loss, a, b, chunk=chunk, dtype=dtype, scale=scale)
        hessian, found = search(build, x, y, start, subset=subset, seed=seed, limits=limits)
    value, residual, spent = (float(found.value), float(found.residual), int(found.products))
    converged = bool(found.converged)
    if not converged and residual == residual:
        warnings.warn(
            f"sharpness: after {spent} products the residual is {residual:.2g} of a value {value:.6g}; "
            "raise products or tol",
            RuntimeWarning,
            stacklevel=2,
        )
    if not details:
        return value
    return TopEigenvalue(
        value, hessian.named(found.vector), residual, spent, start=hessian.named(found.start), converged=converged
    )


def check_search(products, tol, accuracy, basis, seed):
    """(products, tol, accuracy, basis); raises for what lies outside its range, before anything is computed."""
    whole("seed", seed, 0, LARGEST_SEED)
    return (
        whole("products", products, most=MOST_PRODUCTS),
        number("tol", tol),
        None if accuracy is None else number("accuracy", accuracy, below=1, above=0),
        None if basis is None else whole("basis", basis, least=4),
    )


def check_data(chunk, subset, start, dtype):
    """Raise for what says how the data are taken, where a search starts and in which precision it computes."""
    for name, size in (("chunk", chunk), ("subset", subset)):
        if size is not None:
            whole(name, size)
    vector = getattr(start, "start", start)
    if vector is not None and not (isinstance(vector, dict) and all(hasattr(t, "shape") for t in vector.values())):
        raise TypeError(f"start must be what an earlier search found, or a dict as its vector; got {shown(start)}")
    precision_of("dtype", dtype)


def search(build, x, y, start, subset, seed, limits, axis=0):
    """The Hessian `build(x, y)` and what a search of it found, begun on a subset of the examples if so wanted."""
    extra = 0
    if subset is not None:
        if start is not None:
            raise ValueError("start and subset exclude each other: a search starts from one of them")
        rough = build(*_sample(x, y, subset, axis))
        found = largest(rough, first(rough, None, seed), limits[0], limits[1], accuracy=ROUGH, basis=limits[3])
        start = rough.named(found.start)
        extra = torch.ceil(found.products * (subset / x.shape[axis])).long()
    hessian = build(x, y)
    found = largest(hessian, first(hessian, start, seed), *limits)
    found.products += extra
    return hessian, found


def _sample(x, y, subset, axis):
    if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor) or subset >= x.shape[axis]:
        raise ValueError(f"subset must be fewer than the examples of the tensors x and y; got {shown(subset)}")
    rows = torch.randperm(alike(x, y, axis), generator=numbered(0))[:subset].to(x.device)
    return x.index_select(axis, rows), y.index_select(axis, rows)


def first(hessian, start, seed):
    """The first direction [L, n]: random, the same for every lane; mixed into `start` where one is given."""
    generator = numbered(seed)
    random = torch.randn(hessian.size, generator=generator, dtype=torch.float64)
    leaf = next(iter(hessian.leaves.values()))
    random = random.to(leaf).expand(hessian.lanes or 1, -1)
    if start is None:
        return random
    old = hessian.flat(_checked(hessian, getattr(start, "start", start)))
    length = old.norm(dim=1, keepdim=True)
    usable = torch.isfinite(length) & (length > 0)
    mixed = old / length + FRESH * random / random.norm(dim=1, keepdim=True)
    return torch.where(usable, mixed, random)


def _checked(hessian, vector):
    shapes = {n: tuple(leaf.shape) for n, leaf in hessian.leaves.items()}
    given = {n: tuple(t.shape) for n, t in vector.items()} if isinstance(vector, dict) else vector
    if given != shapes:
        raise ValueError(f"start: must be a vector of an earlier search, of the shapes {shapes}; got {given}")
    return vector
