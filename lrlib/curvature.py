"""Curvature of a loss at a point: its largest Hessian eigenvalue, and the rates that it permits."""

import math
import warnings
from dataclasses import dataclass

import torch
from torch.func import functional_call

from .preserve import random_states


@dataclass(frozen=True)
class TopEigenvalue:
    """What the Lanczos iteration found.

    Attributes:
        value: the largest algebraic eigenvalue of the Hessian (unit: loss per squared parameter).
        vector: its unit eigenvector, dict from parameter name to tensor of the parameter's shape.
        residual: norm of H v - value·v; some eigenvalue lies within it of `value`.
        products: Hessian-vector products that were spent.
        converged: whether the residual reached the tolerance (False where the curvature is not finite).
    """

    value: float
    vector: dict
    residual: float
    products: int
    converged: bool


def sharpness(model, loss, x, y=None, *, products=100, tol=1e-6, seed=0, dtype=None, details=False):
    r"""Largest algebraic eigenvalue of the Hessian of the loss in the trainable parameters.

    .. math:: \lambda_{\max} = \max_{\|v\|=1} v^\top \nabla^2 L(w)\, v

    by the Lanczos iteration with full reorthogonalisation on exact Hessian-vector products (a second backward pass
    through one recorded graph, so that dropout draws one mask for all of them). Unlike power iteration it finds
    the largest eigenvalue even where the one of largest magnitude is negative. Model, buffers, mode, gradients and
    random state stay as they are; the model is evaluated in the mode that it is in.

    Args:
        model: module; only parameters that require a gradient count.
        loss: `loss(model(x), y)` gives a scalar tensor.
        x, y: the batch, on the model's device; `x=(inputs, targets)` with `y=None` serves as well.
        products: most Hessian-vector products, each about two gradients; as many vectors are held in memory.
        tol: stop when the residual is at most `tol` times the largest magnitude of any eigenvalue seen.
        seed: of the random first vector, drawn on the CPU, so the same on every device.
        dtype: compute in this precision on copies of parameters, buffers and floating inputs; default: as they are.
        details: return the `TopEigenvalue` instead of the number.

    Returns:
        float, nan where loss or curvature is not finite; or `TopEigenvalue`.

    Raises:
        ValueError: no trainable parameter, a loss that is not scalar, `products` below 1.

    Warns:
        RuntimeWarning: the residual did not reach the tolerance.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False).double()
        >>> x = torch.diag(torch.tensor([1.0, 2.0], dtype=torch.float64))
        >>> half_square = lambda output, y: output.square().sum() / 2       # Hessian: diag(1, 4)
        >>> round(sharpness(model, half_square, x), 9)
        4.0

    Source: Lanczos (1950); Pearlmutter (1994) for the products; Cohen et al. (2021) for the use.
    """
    if products < 1:
        raise ValueError(f"products={products!r}: at least one Hessian-vector product is needed")
    with random_states():
        names, parameters, gradient = _gradient(model, loss, x, y, dtype)
        start = _start(parameters, seed)
        value, vector, residual, spent, scale = _lanczos(
            lambda v: _product(gradient, parameters, v), start, products, tol
        )
    converged = residual <= tol * scale
    if residual > tol * scale:
        warnings.warn(f"sharpness: after {spent} products the residual is {residual:.2g} of a value {value:.6g}; "
                      "raise products or tol", RuntimeWarning, stacklevel=2)  # fmt: skip
    if not details:
        return value
    parts = vector.split([p.numel() for p in parameters])
    vector = {name: part.reshape(p.shape) for name, part, p in zip(names, parts, parameters)}
    return TopEigenvalue(value, vector, residual, spent, converged)


def largest_stable_rate(curvature, momentum=0.0, nesterov=False):
    r"""The rate beyond which gradient descent leaves a quadratic of that largest curvature.

    .. math:: \frac{2(1+\beta)}{\lambda} \quad\text{(heavy ball)}, \qquad
              \frac{2(1+\beta)}{(1+2\beta)\lambda} \quad\text{(Nesterov)}, \qquad \beta = \text{momentum}

    with the updates of `torch.optim.SGD`, v = βv + g, w = w - ηv (Nesterov: w = w - η(g + βv)), full gradients, no
    dampening. At the limit itself the iterate oscillates for ever.

    Args:
        curvature: λ, the largest eigenvalue; at or below 0 nothing bounds the rate and the result is inf.
        momentum: β, 0 <= β < 1.
        nesterov: which of the two updates.

    Raises:
        ValueError: `momentum` outside [0, 1).

    Example:
        >>> largest_stable_rate(4.0)
        0.5
        >>> largest_stable_rate(4.0, momentum=0.5), largest_stable_rate(4.0, momentum=0.5, nesterov=True)
        (0.75, 0.375)

    Source: Polyak (1964) for the heavy ball; Cohen et al. (2021), "Gradient descent on neural networks typically
    occurs at the edge of stability", appendix on momentum, for both.
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum={momentum!r}: must lie in [0, 1)")
    if math.isnan(curvature):
        return math.nan
    if curvature <= 0:
        return math.inf
    return 2 * (1 + momentum) / (curvature * (1 + 2 * momentum if nesterov else 1))


def _gradient(model, loss, x, y, dtype):
    """Names and copies of the trainable parameters, and the gradient there, with its graph."""
    if y is None and isinstance(x, (tuple, list)) and len(x) == 2:
        x, y = x

    def cast(tensor):
        floating = isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and dtype is not None
        return tensor.to(dtype) if floating else tensor

    trainable = {n: cast(p.detach().clone()).requires_grad_() for n, p in model.named_parameters() if p.requires_grad}
    if not trainable:
        raise ValueError("model: no parameter requires a gradient, so there is no Hessian")
    frozen = {n: cast(p.detach()) for n, p in model.named_parameters() if not p.requires_grad}
    buffers = {n: cast(b.clone()) for n, b in model.named_buffers()}
    with torch.enable_grad():
        value = loss(functional_call(model, {**trainable, **frozen, **buffers}, (cast(x),)), cast(y))
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise ValueError(f"loss: returned {getattr(value, 'shape', type(value))}; one element is needed")
        parameters = list(trainable.values())
        if not value.requires_grad:
            raise ValueError("loss: its value does not depend on any trainable parameter")
        gradient = torch.autograd.grad(value.reshape(()), parameters, create_graph=True, materialize_grads=True)
    return list(trainable), parameters, gradient


def _start(parameters, seed):
    generator = torch.Generator().manual_seed(seed)
    size = sum(p.numel() for p in parameters)
    return torch.randn(size, generator=generator, dtype=torch.float64).to(parameters[0])


def _product(gradient, parameters, v):
    """H v for a flat v."""
    pieces = [piece.reshape(p.shape) for piece, p in zip(v.split([p.numel() for p in parameters]), parameters)]
    curved = [(g, piece) for g, piece in zip(gradient, pieces) if g.requires_grad]
    if not curved:  # a loss linear in the parameters
        return torch.zeros_like(v)
    outputs, weights = zip(*curved)
    rows = torch.autograd.grad(outputs, parameters, weights, retain_graph=True, materialize_grads=True)
    return torch.cat([row.reshape(-1) for row in rows])


@torch.no_grad()
def _lanczos(product, start, products, tol):
    """Largest Ritz value, its vector, its residual norm, the number of products, the largest magnitude seen."""
    basis, alpha, beta = [start / start.norm()], [], []
    while True:
        w = product(basis[-1])
        alpha.append(float(_wide(basis[-1]) @ _wide(w)))
        if not math.isfinite(alpha[-1]) or not bool(w.isfinite().all()):
            return math.nan, torch.full_like(start, math.nan), math.nan, len(alpha), math.nan
        for _ in range(2):  # twice: once leaves errors of the size of the cancellation
            span = torch.stack(basis)
            w = w - span.T @ (span @ w)
        beta.append(float(w.norm()))
        values, vectors = _ritz(alpha, beta)
        residual, scale = beta[-1] * abs(float(vectors[-1, -1])), float(values.abs().max())
        if residual <= tol * scale or len(alpha) in (products, start.numel()):
            top = span.T @ vectors[:, -1].to(start)
            return float(values[-1]), top / top.norm(), residual, len(alpha), scale
        basis.append(w / beta[-1])


def _wide(v):
    return v if v.device.type == "mps" else v.double()  # Apple's GPUs have no float64


def _ritz(alpha, beta):
    tridiagonal = torch.diag(torch.tensor(alpha, dtype=torch.float64))
    if len(alpha) > 1:
        off = torch.tensor(beta[: len(alpha) - 1], dtype=torch.float64)
        tridiagonal += torch.diag(off, 1) + torch.diag(off, -1)
    return torch.linalg.eigh(tridiagonal)
