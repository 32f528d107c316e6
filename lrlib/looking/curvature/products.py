"""Hessian-vector products, of one model or of all lanes of a sweep, on data of any size, counted."""

import contextlib
import numbers

import numpy as np
import torch
from torch.func import functional_call, vmap
from torch.utils.data import DataLoader, Dataset

from ..._base.arguments import check_gradients, filled, first_line, shown, whole

MOST_PRODUCTS = 1_000_000  # that a search or an estimate may spend
NO_INPUTS = (numbers.Number, np.generic, np.ndarray, str, bytes, type)  # what no network takes


class Products:
    """The Hessian H of a loss as a function v → H v on flat vectors, one row a lane: [L, n] → [L, n].

    Where the data are one piece, the gradient is recorded once and each product is one more backward pass through
    it (Pearlmutter 1994), so that dropout draws one mask for all of them. In several pieces the gradient is recorded
    anew for each product and only one piece's graph is held; the random state is put back before each, to the same
    end. `count` is the number of products made; with `scale` s [L, n] the matrix is diag(s) H diag(s).

    value: function (leaves, fixed, x, y) → 0-D loss, or the sum of the lanes' losses.
    leaves: name → trainable parameter; fixed: name → any other parameter or buffer.
    pieces: list of (weight, x, y). own: whether x and y have a lane axis too. lanes: L, or None for one model.
    """

    def __init__(self, value, leaves, fixed, pieces, lanes=None, own=False):
        check_gradients()
        self.value, self.leaves, self.fixed, self.pieces = value, leaves, fixed, pieces
        self.lanes, self.own, self.scale, self.count = lanes, own, None, 0
        self.sizes = [leaf.numel() // (lanes or 1) for leaf in leaves.values()]
        self.size = sum(self.sizes)
        self.state = torch.random.get_rng_state()
        self.recorded = self._gradient(*pieces[0][1:]) if len(pieces) == 1 else None

    def __call__(self, v):
        """H v, or diag(s) H diag(s) v."""
        self.count += 1
        scaled = v if self.scale is None else v * self.scale
        if self.recorded is not None:
            result = self._curve(self.recorded, scaled, keep=True)
        else:
            torch.random.set_rng_state(self.state)
            result = torch.zeros_like(scaled)
            for weight, x, y in self.pieces:
                result += weight * self._curve(self._gradient(x, y), scaled)
        return result if self.scale is None else result * self.scale

    def only(self, chosen):
        """The same for some of the lanes (bool [L]); the count goes on."""
        leaves = {n: leaf.detach()[chosen].requires_grad_() for n, leaf in self.leaves.items()}
        fixed = {n: t[chosen] for n, t in self.fixed.items()}
        pieces = [(w, x[chosen], y[chosen]) for w, x, y in self.pieces] if self.own else self.pieces
        torch.random.set_rng_state(self.state)
        fewer = Products(self.value, leaves, fixed, pieces, lanes=int(chosen.sum()), own=self.own)
        fewer.count, fewer.scale = self.count, self.scale if self.scale is None else self.scale[chosen]
        return fewer

    def named(self, rows):
        """Flat [L, n] as {name: tensor of the leaf's shape}."""
        return {
            n: row.reshape(leaf.shape) for (n, leaf), row in zip(self.leaves.items(), rows.split(self.sizes, dim=1))
        }

    def flat(self, tensors):
        """The inverse: {name: tensor} as [L, n]."""
        like = next(iter(self.leaves.values()))
        rows = [torch.as_tensor(tensors[n]).to(like).reshape(self.lanes or 1, -1) for n in self.leaves]
        return torch.cat(rows, dim=1)

    def _gradient(self, x, y):
        with torch.enable_grad(), of_one_length(x, y, int(self.own)):
            value = scalar("loss", self.value(self.leaves, self.fixed, x, y))
            if not value.requires_grad:
                raise ValueError("loss: its value does not depend on any trainable parameter")
            leaves = list(self.leaves.values())
            return torch.autograd.grad(value, leaves, create_graph=True, materialize_grads=True)

    def _curve(self, gradient, v, keep=False):
        curved = [(g, row) for g, row in zip(gradient, self.named(v).values()) if g.requires_grad]
        if not curved:  # a loss linear in the parameters
            return torch.zeros_like(v)
        outputs, weights = zip(*curved)
        leaves = list(self.leaves.values())
        rows = torch.autograd.grad(outputs, leaves, weights, retain_graph=keep, materialize_grads=True)
        return torch.cat([row.reshape(len(v), -1) for row in rows], dim=1)


def scalar(name, value):
    """What a function called ``name`` returned, as a 0-D tensor; raises unless it is a tensor of one element."""
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        raise ValueError(f"{name}: returned {getattr(value, 'shape', type(value))}; one element is needed")
    return value.reshape(())


def pair(x, y):
    """`(inputs, targets)`, also where they came as one argument; raises where there is no example."""
    x, y = x if y is None and isinstance(x, (tuple, list)) and len(x) == 2 else (x, y)
    return inputs("x", x), y


def inputs(name, x):
    """`x`, a tensor or whatever else a network may take; raises for what it cannot be, and where it is empty.

    >>> inputs("x", [1, 2]), inputs("x", None)
    ([1, 2], None)
    >>> inputs("x", DataLoader([1, 2]))
    Traceback (most recent call last):
    ...
    TypeError: x must be one batch, as next(iter(loader)) gives it; got a DataLoader
    """
    if isinstance(x, (DataLoader, Dataset)) or hasattr(x, "__next__"):
        raise TypeError(f"{name} must be one batch, as next(iter(loader)) gives it; got a {type(x).__name__}")
    if isinstance(x, NO_INPUTS) or callable(x):
        raise TypeError(f"{name} must be a tensor, or what else the model takes; got {shown(x)}")
    return filled(name, x)


def of_model(model, loss, x, y=None, chunk=None, dtype=None, scale=None):
    """`Products` of one model at its own parameters; `scale` {name: s} for diag(s) H diag(s)."""
    x, y = pair(x, y)
    own = dict(model.named_parameters())
    leaves, fixed = _parts(model, own, {n: b.clone() for n, b in model.named_buffers()}, dtype)

    def value(leaves, fixed, a, b):
        return loss(functional_call(model, {**leaves, **fixed}, (a,)), b)

    hessian = Products(value, leaves, fixed, pieces(_cast(x, dtype), _cast(y, dtype), chunk))
    hessian.scale = None if scale is None else hessian.flat(scale)
    return hessian


def of_lanes(model, loss, parameters, x, y, buffers=None, own=False, chunk=None, dtype=None):
    """`Products` at stacked parameters {name: [L, …]}, all lanes in one batched program."""
    lanes = len(next(iter(parameters.values())))
    given = {n: p.expand(lanes, *p.shape) for n, p in model.named_parameters()} | parameters
    kept = {n: b.expand(lanes, *b.shape).clone() for n, b in model.named_buffers()} | (buffers or {})
    leaves, fixed = _parts(model, given, kept, dtype)

    def one(tensors, a, b):
        return scalar("loss", loss(functional_call(model, tensors, (a,)), b))

    def value(leaves, fixed, a, b):
        axis = 0 if own else None
        return vmap(one, (0, axis, axis), randomness="same")({**leaves, **fixed}, a, b).sum()

    return Products(
        value, leaves, fixed, pieces(_cast(x, dtype), _cast(y, dtype), chunk, int(own)), lanes=lanes, own=own
    )


def pieces(x, y, chunk, axis=0):
    """[(weight, x, y)]: the examples along `axis` in pieces of `chunk`, weighted by their share; None for all."""
    if chunk is None:
        return [(1.0, x, y)]
    if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
        raise TypeError(f"chunk={chunk}: x and y must be tensors to be taken in pieces; got {type(x)} and {type(y)}")
    n = alike(x, y, axis)
    chunk = min(whole("chunk", chunk), n)
    return [(a.shape[axis] / n, a, b) for a, b in zip(x.split(chunk, axis), y.split(chunk, axis))]


def alike(x, y, axis=0):
    """The number of examples in the tensors x and y; raises where it is not the same in both."""
    if x.shape[axis] != y.shape[axis]:
        raise ValueError(_lengths(x, y, axis))
    return x.shape[axis]


def _lengths(x, y, axis):
    return f"x and y must hold the same number of examples; got {x.shape[axis]} and {y.shape[axis]}"


@contextlib.contextmanager
def of_one_length(x, y, axis=0):
    """An error from a user's network or loss inside is said to be one of x and y, where their numbers differ.

    A loss may take targets of another length, so the numbers alone are no mistake.
    """
    try:
        yield
    except Exception as error:
        if (
            all(isinstance(data, torch.Tensor) and data.ndim > axis for data in (x, y))
            and x.shape[axis] != y.shape[axis]
        ):
            raise ValueError(f"{_lengths(x, y, axis)}: {first_line(error)}") from error
        raise


def _parts(model, parameters, buffers, dtype):
    """Copies of the trainable parameters as leaves; frozen parameters and buffers."""
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    if not names:
        raise ValueError("model: no parameter requires a gradient, so there is no Hessian")
    leaves = {n: _cast(parameters[n].detach().clone(), dtype).requires_grad_() for n in names}
    fixed = {n: _cast(p.detach(), dtype) for n, p in parameters.items() if n not in leaves}
    return leaves, fixed | {n: _cast(b, dtype) for n, b in buffers.items()}


def _cast(value, dtype):
    floating = isinstance(value, torch.Tensor) and value.is_floating_point() and dtype is not None
    return value.to(dtype) if floating else value
