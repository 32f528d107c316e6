"""First weights: Xavier, He, orthogonal, and by the mutual information of each input with the target.

`initialize` draws them for a whole module. In a task, so that every seed has its own:

>>> import dataclasses
>>> from lrlib import tasks
>>> digits = tasks.digits()
>>> task = dataclasses.replace(digits, model=lambda: initialize(digits.model(), "orthogonal"))
>>> weight = task.model()[2].weight
>>> bool(torch.allclose(weight @ weight.T, torch.eye(64), atol=1e-5))
True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .._base.arguments import LARGEST_SEED, flag, generator_of, held, module, number, shown, tensor_of, whole
from .._base.streams import numbered

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing import Any
    from .._types import Model

MOST_BINS = 10_000

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def initialize(
    model: Model,
    kind: str,
    *,
    seed: int | None = None,
    generator: torch.Generator | None = None,
    bias: float | None = 0.0,
    **options: Any,
) -> Model:
    r"""Draw new weights for all linear and convolutional layers of a module, in place, and return the module.

    * ``"xavier"``: see `xavier`; options ``gain``, ``distribution``
    * ``"he"``: see `he`; options ``nonlinearity``, ``slope``, ``mode``, ``distribution``
    * ``"orthogonal"``: see `orthogonal`; option ``gain``
    * ``"mutual_information"``: `he` for every layer; then column j of the first one is multiplied by
      :math:`\sqrt{w_j/\bar w}` (`relevance`); options ``x``, ``y``, ``bins``, ``floor``, and ``placebo=True``, which
      gives the factors to the columns in a random order, after all other draws.

    Other layers (normalisation) stay as they are. Weights are drawn on the CPU, in the order of ``model.modules()``,
    and then moved, so that a seed means the same on every device; the draws are those of ``torch.nn.init``.

    Args:
        model: a module with at least one such layer.
        kind: one of the four above.
        seed, generator: a whole number, or a CPU ``torch.Generator``; default PyTorch's global generator, which a run
            sets to its seed before it calls ``task.model``.
        bias: value of all biases of these layers; None leaves them as they are.
        options: of the kind.

    Raises:
        ValueError, TypeError: unknown kind or option, a number outside its range, both seed and generator, no such
            layer, one whose weight is computed (weight norm), or data that do not fit the first layer; nothing is
            changed then.

    Example:
        >>> model = initialize(nn.Sequential(nn.Linear(100, 400), nn.ReLU(), nn.Linear(400, 10)), "he", seed=0)
        >>> round(model[0].weight.std().item(), 2), model[2].bias.abs().max().item()             # √(2/100)
        (0.14, 0.0)
    """
    layers = _layers(model)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}; got {shown(kind)}")
    if bias is not None:
        bias = number("bias", bias, least=-math.inf)
        for layer in layers:
            held("bias", bias, layer.weight.dtype)
    drawn = KINDS[kind](layers, _source(seed, generator), **options)
    with torch.no_grad():
        for layer, weight in zip(layers, drawn):
            layer.weight.copy_(weight)
            if bias is not None and layer.bias is not None:
                layer.bias.fill_(bias)
    return model


def _layers(model):
    layers = [m for m in module("model", model).modules() if isinstance(m, LAYERS)]
    if not layers:
        raise ValueError("model: it has no linear and no convolutional layer to initialise")
    if any(nn.parameter.is_lazy(m.weight) or not m.weight.numel() for m in layers):
        raise ValueError("model: a layer has no weights yet; run one batch through a lazy module first")
    if any("weight" not in m._parameters for m in layers):
        raise ValueError(
            "model: the weight of a layer is computed from other parameters (weight or spectral norm, "
            "pruning), so "
            "a value given to it would be lost; initialise first, then parametrise"
        )
    return layers


def _source(seed, generator):
    if seed is not None and generator is not None:
        raise ValueError("give seed or generator, not both")
    if seed is None:
        return generator_of("generator", generator)
    return numbered(whole("seed", seed, 0, LARGEST_SEED))


def _shape(weight):
    """The shape of a weight [out, in, …]; an error for anything else."""
    if not isinstance(weight, torch.Tensor) or not weight.is_floating_point():
        raise TypeError(
            f"weight must be a floating-point tensor; got {getattr(weight, 'dtype', type(weight).__name__)}"
        )
    if weight.ndim < 2 or not weight.numel():
        raise ValueError(f"weight must be [out, in, …], not empty; got shape {tuple(weight.shape)}")
    return weight.shape


def _fans(weight):
    """(fan-in, fan-out) of a weight [out, in, …]: inputs of an output, outputs of an input."""
    shape = _shape(weight)
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def _draw(weight, std, distribution, generator):
    """Numbers of mean 0 and standard deviation ``std`` in the shape and dtype of ``weight``, on the CPU."""
    generator_of("generator", generator)
    drawn = torch.empty(weight.shape, dtype=weight.dtype)
    if distribution == "normal":
        return drawn.normal_(0.0, std, generator=generator)
    bound = math.sqrt(3.0) * std
    return drawn.uniform_(-bound, bound, generator=generator)


def _gain(gain, weight):
    """``gain``, if the weights stay finite: normal numbers reach several standard deviations."""
    _shape(weight)
    gain, largest = number("gain", gain, above=0), torch.finfo(weight.dtype).max / 10
    if gain > largest:
        raise ValueError(f"gain must be at most {largest:g} for weights of {weight.dtype}; got {gain!r}")
    return gain


def _check_distribution(distribution):
    if not isinstance(distribution, str) or distribution not in ("normal", "uniform"):
        raise ValueError(f'distribution must be "normal" or "uniform"; got {shown(distribution)}')


def xavier(
    weight: torch.Tensor, generator: torch.Generator | None = None, *, gain: float = 1.0, distribution: str = "uniform"
) -> torch.Tensor:
    r"""Weights of variance :math:`\text{gain}^2 \cdot 2/(\text{fan-in} + \text{fan-out})`, on the CPU, like ``weight``.

    A compromise that keeps the variance both of outputs and of gradients, for layers that are nearly linear.

    Args:
        weight: tensor [out, in, …]; only its shape and dtype count.
        generator: CPU generator; default PyTorch's global one.
        gain: factor above 0; default 1.
        distribution: "uniform" (default) or "normal".

    Raises:
        TypeError, ValueError: gain not above 0 or too large for the weight's dtype, an unknown distribution, a weight
            that is no such tensor.

    Example:
        >>> w = xavier(torch.empty(300, 500), torch.Generator().manual_seed(0))
        >>> round(w.std().item(), 3), round(w.max().item(), 3)                     # √(2/800), √3 times as much
        (0.05, 0.087)

    Source: Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".
    """
    gain = _gain(gain, weight)
    _check_distribution(distribution)
    return _draw(weight, gain * math.sqrt(2.0 / float(sum(_fans(weight)))), distribution, generator)


def he(
    weight: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    nonlinearity: str = "relu",
    slope: float = 0.01,
    mode: str = "fan_in",
    distribution: str = "normal",
) -> torch.Tensor:
    r"""Weights of variance :math:`\text{gain}^2/\text{fan}`, a new CPU tensor like ``weight``.

    The gain is :math:`\sqrt2` for ReLU, which halves the second moment, and :math:`\sqrt{2/(1+a^2)}` for leaky ReLU of
    slope a; for the others it is that of `torch.nn.init.calculate_gain` (1 for "linear" and "sigmoid", 5/3 for "tanh").

    Args:
        weight: tensor [out, in, …]; only its shape and dtype count.
        generator: CPU generator; default PyTorch's global one.
        nonlinearity: what follows the layer; default "relu".
        slope: a, for "leaky_relu"; default 0.01.
        mode: "fan_in" (default) keeps the variance of outputs, "fan_out" that of gradients.
        distribution: "normal" (default) or "uniform".

    Raises:
        TypeError, ValueError: an unknown mode, distribution or nonlinearity, a slope that is no number, a weight that
            is no such tensor.

    Example:
        >>> w = he(torch.empty(500, 200), torch.Generator().manual_seed(0))
        >>> round(w.std().item(), 3)                                                             # √(2/200)
        0.1

    Source: He et al. (2015), "Delving deep into rectifiers".
    """
    if not isinstance(mode, str) or mode not in ("fan_in", "fan_out"):
        raise ValueError(f'mode must be "fan_in" or "fan_out"; got {shown(mode)}')
    _check_distribution(distribution)
    slope = number("slope", slope, least=-1e150, below=1e150)  # its square must be finite
    if not isinstance(nonlinearity, str):
        raise ValueError(f"nonlinearity must be a name such as 'relu' or 'tanh'; got {shown(nonlinearity)}")
    gain = nn.init.calculate_gain(nonlinearity, slope)
    return _draw(weight, gain / math.sqrt(_fans(weight)[mode == "fan_out"]), distribution, generator)


def orthogonal(weight: torch.Tensor, generator: torch.Generator | None = None, *, gain: float = 1.0) -> torch.Tensor:
    r"""A random matrix with orthonormal rows (or columns, whichever are fewer) times ``gain``, like ``weight``.

    Q of the QR decomposition of a Gaussian matrix, with the signs of R's diagonal, which makes it uniform (Haar). A
    convolution is taken as the matrix [out, in·size].

    Args:
        weight: tensor [out, in, …]; only its shape and dtype count.
        generator: CPU generator; default PyTorch's global one.
        gain: factor above 0; default 1.

    Raises:
        TypeError, ValueError: gain not above 0 or too large for the weight's dtype, a weight that is no such tensor.

    Example:
        >>> w = orthogonal(torch.empty(2, 5), torch.Generator().manual_seed(0), gain=3.0)
        >>> bool(torch.allclose(w @ w.T, 9 * torch.eye(2), atol=1e-5))
        True

    Source: Saxe, McClelland & Ganguli (2014), "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks".
    """
    gain, rows = _gain(gain, weight), _shape(weight)[0]
    generator_of("generator", generator)
    columns = weight.numel() // rows
    kind = weight.dtype if weight.dtype in (torch.float32, torch.float64) else torch.float32
    matrix = torch.empty(rows, columns, dtype=kind).normal_(0.0, 1.0, generator=generator)
    q, r = torch.linalg.qr(matrix if rows >= columns else matrix.T)
    q = q * r.diagonal().sign()
    return (gain * (q if rows >= columns else q.T)).reshape(weight.shape).to(weight.dtype)


def mutual_information(x: ArrayLike | torch.Tensor, y: ArrayLike | torch.Tensor, bins: int = 10) -> np.ndarray:
    r"""Mutual information of each input with the target, nats, corrected for bias: x [n, features], y [n] → [features].

    .. math:: \hat I_j - \frac{(b_j - 1)(c - 1)}{2n}, \qquad \hat I_j = \sum_{b,k} p_{bk} \ln\frac{p_{bk}}{p_b\,p_k}

    Each input is cut at its quantiles into ``bins`` bins; :math:`b_j` of them are occupied (fewer where values
    repeat), c is the number of classes. The plug-in estimate Î is too large by about the second term (Miller–Madow);
    the difference is negative for many an input without information. It sees one input at a time: of the two inputs
    of an exclusive or, either alone says nothing.

    Args:
        x: inputs, array or tensor [n, features].
        y: classes [n], whole numbers or bools; other numbers are cut into ``bins`` bins, too.
        bins: at least 2 and at most 10,000; default 10.

    Returns:
        float64 array [features].

    Raises:
        TypeError, ValueError: shapes that do not match, numbers that are not finite, bins below 2.

    Example:
        >>> a, b = np.meshgrid(np.repeat([0, 1], 50), np.repeat([0, 1], 50))
        >>> x, y = np.stack([a.ravel(), b.ravel()], 1), (a ^ b).ravel()
        >>> (mutual_information(x, y) < 0).tolist()                               # only the correction is left
        [True, True]
        >>> round(mutual_information(x, x[:, 0])[0].item(), 4)                    # ln 2 − 1/20000
        0.6931

    Source: Miller (1955), "Note on the bias of information estimates"; Battiti (1994) for selecting inputs by it.
    """
    x, y, bins = _doubles("x", x), _doubles("y", y), whole("bins", bins, 2, MOST_BINS)
    if x.ndim != 2 or y.shape != (len(x),) or not len(x):
        raise ValueError(f"x and y must be [n, features] and [n], n at least 1; got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite")
    labels = np.unique(y if (y == np.round(y)).all() else _binned(y, bins), return_inverse=True)[1]
    return np.array([_information(_binned(column, bins), labels) for column in x.T])


def _doubles(name, values):
    """Numbers or bools as a float64 array."""
    found = tensor_of(name, values).detach().cpu()
    if found.is_complex():
        raise TypeError(f"{name} must be real numbers; got {found.dtype}")
    return found.double().numpy()


def _binned(values, bins):
    """Number of the quantile bin of each value; a heap of equal values is one bin, also at either end."""
    edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf")
    below = values[values < values.max()]
    if len(below):
        edges = np.minimum(edges, below.max())
    return np.unique(np.searchsorted(np.unique(edges), values), return_inverse=True)[1]


def _information(a, b):
    """Corrected mutual information of two columns of labels 0, 1, …"""
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1.0)
    p = table / len(a)
    independent = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    seen = p > 0
    plain = np.sum(p[seen] * np.log(p[seen] / independent[seen]))
    return plain - (table.shape[0] - 1) * (table.shape[1] - 1) / (2 * len(a))


def relevance(
    x: ArrayLike | torch.Tensor, y: ArrayLike | torch.Tensor, bins: int = 10, floor: float = 1e-3
) -> np.ndarray:
    r"""Weight of each input: :math:`w_j = \max(I_j, \delta)` with the corrected `mutual_information` I, [features].

    Where no input alone tells about the target, all weights are the floor, and so "mutual_information" is plain He: an
    exclusive or is its failure case.

    Args:
        x, y, bins: as for `mutual_information`.
        floor: δ in nats, above 0, so that no input is cut off; default 0.001.

    Raises:
        TypeError, ValueError: floor not above 0, or as `mutual_information`.

    Example:
        >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 25)
        >>> relevance(x, x[:, 0] ^ x[:, 1]), relevance(x, x[:, 0]).round(4)
        (array([0.001, 0.001]), array([0.6881, 0.001 ]))

    Source: after Qiao et al. (2016), "Mutual information based weight initialization method for sigmoidal feedforward
    neural networks".
    """
    return np.maximum(mutual_information(x, y, bins), number("floor", floor, above=0))


def _each(function):
    def draw(layers, generator, **options):
        return [function(layer.weight, generator, **options) for layer in layers]

    return draw


def _by_information(layers, generator, *, x, y, bins=10, floor=1e-3, placebo=False):
    placebo, x, first = flag("placebo", placebo), _doubles("x", x), layers[0].weight
    if first.ndim != 2 or x.shape[1:] != first.shape[1:]:
        raise ValueError(
            f"x must have the {first.shape[1]} inputs of the first layer, which must be linear; "
            f"got the shape {x.shape}, weight {tuple(first.shape)}"
        )
    weights = relevance(x, y, bins, floor)
    drawn = [he(layer.weight, generator) for layer in layers]
    if placebo:
        weights = weights[torch.randperm(len(weights), generator=generator).numpy()]
    drawn[0] *= torch.from_numpy(np.sqrt(weights / weights.mean())).to(first.dtype)
    return drawn


KINDS = {
    "xavier": _each(xavier),
    "he": _each(he),
    "orthogonal": _each(orthogonal),
    "mutual_information": _by_information,
}
