"""The largest eigenvalue of a symmetric matrix that is known by its products, for many matrices at once."""

from dataclasses import dataclass

import torch

from ..._base.device import widest

CELLS = 2**26  # numbers that the search directions of all lanes may hold
MIXTURE = (1.0, 0.5, 0.25)  # of the leading Ritz vectors, for a later start: one that overtakes the first is found
LEAST = 8  # directions that a search needs at least to go on after a restart


@dataclass
class Search:
    """What a search found, lane by lane.

    value: [L], float64; nan where the matrix is not finite.  vector: [L, n], of unit length.
    start: [L, n], a mixture of the three leading Ritz vectors, from which a search on a matrix nearby should start.
    residual: norm of H v - value·v.  scale: largest magnitude of any Ritz value seen.
    products: spent by each lane, [L].  converged: [L] bool.
    """

    value: torch.Tensor
    vector: torch.Tensor
    start: torch.Tensor
    residual: torch.Tensor
    scale: torch.Tensor
    products: torch.Tensor
    converged: torch.Tensor


@torch.no_grad()
def largest(product, start, products, tol, accuracy=None, basis=None):
    r"""Largest algebraic eigenvalue of each matrix, by Lanczos with full reorthogonalisation and thick restarts.

    The search keeps an orthonormal basis V of the Krylov space of `start` and T = VᵀHV; the largest eigenvalue θ₁ of
    T, with its vector, is the estimate. When `basis` directions are used up it goes on from the leading third of the
    Ritz vectors (Wu & Simon 2000). A lane ends when its residual r is at most tol·scale or, given `accuracy`, when
    the error of θ₁ is estimated to be at most accuracy·\|θ₁\| after two products in succession, the fourth or a
    later one: min(r, r²/gap), where the gap to the second Ritz value is lessened by that one's own residual
    (Parlett 1980).

    Args:
        product: function [L, n] → [L, n] with a method ``only(bool [L])``.
        start: [L, n].
        products: most products of a lane.
        tol, accuracy: see above; None for never.
        basis: most directions held; default: as many as 2²⁶ numbers allow, at least 8.
    """
    lanes, n = start.shape
    room = max(LEAST, CELLS // max(1, start.numel())) if basis is None else basis
    state = _Basis(start, min(room, products, n))
    found = _nothing(start)
    index, running = torch.arange(lanes), torch.ones(lanes, dtype=torch.bool)
    near = torch.zeros_like(running)
    for spent in range(1, products + 1):
        state.add(product(state.last))
        value, residual, error = state.top()
        converged = residual <= tol * state.scale
        before, near = near, error <= (accuracy or 0.0) * value.abs()
        converged |= before & near & (spent > 3)
        ended = running & (converged | ~torch.isfinite(value) | (state.dimension == n) | (spent == products))
        if bool(ended.any()):
            state.store(found, index, ended, converged, spent=spent)
            running &= ~ended
            if not bool(running.any()):
                break
            if 2 * int(running.sum()) <= len(running):
                product = product.only(running.to(start.device))
                state.only(running)
                index, near, running = index[running], near[running], running[running]
        state.grow()
    return found


def _nothing(start):
    lanes = len(start)
    numbers = [torch.full((lanes,), torch.nan, dtype=torch.float64) for _ in range(3)]
    vectors = [torch.full_like(start, torch.nan) for _ in range(2)]
    return Search(
        value=numbers[0],
        vector=vectors[0],
        start=vectors[1],
        residual=numbers[1],
        scale=numbers[2],
        products=torch.zeros(lanes, dtype=torch.long),
        converged=torch.zeros(lanes, dtype=torch.bool),
    )


class _Basis:
    """Orthonormal directions [L, d, n] on the matrix's device, and T = VᵀHV [L, d, d] in float64 on the CPU."""

    def __init__(self, start, most):
        self.most, self.dimension = most, 1
        self.directions = start.new_empty(len(start), min(most, 16), start.shape[1])
        self.directions[:, 0] = start / start.norm(dim=1, keepdim=True)
        self.projected = torch.zeros(len(start), most, most, dtype=torch.float64)
        self.scale = torch.zeros(len(start), dtype=torch.float64)

    @property
    def last(self):
        """The newest direction, [L, n]."""
        return self.directions[:, self.dimension - 1]

    def add(self, w):
        """Take in w = H·last: a column of T, its eigenvalues, and the next direction."""
        d, span = self.dimension, self.directions[:, : self.dimension]
        column = torch.bmm(span, w[:, :, None])
        self.projected[:, :d, d - 1] = self.projected[:, d - 1, :d] = _wide(column[:, :, 0]).cpu()
        self.projected[:, d - 1, d - 1] = (_wide(self.last) * _wide(w)).sum(1).cpu()
        w = w - torch.bmm(column.mT, span)[:, 0]
        w = w - torch.bmm(torch.bmm(span, w[:, :, None]).mT, span)[:, 0]  # again: once leaves errors of cancellation
        norm = w.norm(dim=1)
        self.next = w / torch.where(norm > 0, norm, torch.ones_like(norm))[:, None]
        self._decompose(_wide(norm).cpu())

    def _decompose(self, norm):
        inner = self.projected[:, : self.dimension, : self.dimension]
        bad = ~(torch.isfinite(inner).all(-1).all(-1) & torch.isfinite(norm))
        self.values, self.vectors = torch.linalg.eigh(torch.where(bad[:, None, None], 0.0, inner))
        self.values[bad] = torch.nan
        self.residuals = norm[:, None] * self.vectors[:, -1].abs()
        self.scale = torch.maximum(self.scale, self.values.abs().amax(1))

    def top(self):
        """Largest Ritz value, its residual, and the estimated error of the value, each [L]."""
        value, residual = self.values[:, -1], self.residuals[:, -1]
        if self.dimension == 1:
            return value, residual, residual
        gap = value - self.values[:, -2] - self.residuals[:, -2]
        quadratic = torch.where(gap > 0, residual.square() / gap, torch.inf)
        return value, residual, torch.minimum(residual, quadratic)

    def store(self, found, index, ended, converged, spent):
        """Write what the ended lanes have found."""
        at = index[ended]
        found.value[at], found.residual[at] = self.values[ended, -1], self.residuals[ended, -1]
        found.scale[at], found.products[at], found.converged[at] = self.scale[ended], spent, converged[ended]
        mine = ended.to(self.directions.device)
        weights = self.vectors[ended].flip(-1)[:, :, : len(MIXTURE)].mT.to(self.directions)
        ritz = torch.bmm(weights, self.directions[mine, : self.dimension])  # [ended, 3 or fewer, n]
        lost = torch.isnan(found.value[at]).to(ritz.device)[:, None]
        mixture = torch.einsum("lkn,k->ln", ritz, ritz.new_tensor(MIXTURE[: ritz.shape[1]]))
        for target, rows in ((found.vector, ritz[:, 0]), (found.start, mixture)):
            target[at.to(ritz.device)] = torch.where(lost, torch.nan, rows / rows.norm(dim=1, keepdim=True))

    def only(self, chosen):
        """Drop the other lanes."""
        mine = chosen.to(self.directions.device)
        self.directions, self.next = self.directions[mine], self.next[mine]
        for name in ("projected", "scale", "values", "vectors", "residuals"):
            setattr(self, name, getattr(self, name)[chosen])

    def grow(self):
        """Append the next direction, after a restart from the leading Ritz vectors where the room is used up."""
        if self.dimension == self.most:
            kept = max(2, self.most // 3)
            weights = self.vectors[:, :, -kept:].mT.to(self.directions)
            self.directions[:, :kept] = torch.bmm(weights, self.directions[:, : self.dimension])
            self.projected.zero_()
            self.projected.diagonal(dim1=1, dim2=2)[:, :kept] = self.values[:, -kept:]
            self.dimension = kept
        if self.dimension == self.directions.shape[1]:
            room = min(self.most, 2 * self.dimension) - self.dimension
            lanes, _, n = self.directions.shape
            self.directions = torch.cat([self.directions, self.directions.new_empty(lanes, room, n)], dim=1)
        self.directions[:, self.dimension] = self.next
        self.dimension += 1


def _wide(v):
    return v.to(widest(v.device))
