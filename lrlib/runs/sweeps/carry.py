"""What the steps of stacked lanes hand on, and what they need from outside."""

from dataclasses import dataclass

import torch
from torch.utils import _pytree as pytree


@dataclass
class Carry:
    """What one step hands to the next: parameters, rule state, buffers, who is alive, the first loss."""

    parameters: dict  # name → [L, …], or "all" → [L, parameters]
    state: dict  # the rule's state, tensors [L, …] in dicts and lists
    buffers: dict  # name → [L, …]
    alive: torch.Tensor  # [L] bool
    first: torch.Tensor  # [L], nan before the first step

    def flat(self):
        """As one list of tensors, in a fixed order."""
        return [
            *self.parameters.values(),
            *pytree.tree_leaves(self.state),
            *self.buffers.values(),
            self.alive,
            self.first,
        ]

    def like(self, tensors):
        """The inverse of `flat`."""
        tensors, (leaves, spec) = iter(tensors), pytree.tree_flatten(self.state)
        parameters = {n: next(tensors) for n in self.parameters}
        state = pytree.tree_unflatten([next(tensors) for _ in leaves], spec)
        buffers = {n: next(tensors) for n in self.buffers}
        return Carry(parameters, state, buffers, next(tensors), first=next(tensors))


@dataclass
class Inputs:
    """What steps need from outside, for K steps at once.

    rate: [K, 1 + P, L], the rate and the P options that follow plans.  t: [K], from 1.  go: [K] bool; False for a step
    that only fills a block.  rows: None or [K, L, b] into the training examples.  noise: None or [K, seeds,
    parameters].
    x: None or augmented inputs [K, seeds, b, …].  masks: one [K, seeds, …] a dropout.
    """

    rate: torch.Tensor
    t: torch.Tensor
    go: torch.Tensor
    rows: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    x: torch.Tensor | None = None
    masks: tuple = ()

    def flat(self):
        """The tensors that are there, in a fixed order."""
        return [v for v in (self.rate, self.t, self.go, self.rows, self.noise, self.x) if v is not None] + [*self.masks]

    def like(self, tensors):
        """The inverse of `flat`, for tensors with or without the axis of steps."""
        tensors = iter(tensors)
        present = {n: next(tensors) for n in ("rate", "t", "go", "rows", "noise", "x") if getattr(self, n) is not None}
        return Inputs(**present, masks=tuple(tensors))

    def at(self, j):
        """Inputs of step j alone."""
        return [v[j] for v in self.flat()]

    def slice(self, start, stop, size):
        """Steps start … stop − 1, filled up to ``size`` steps that do nothing."""
        parts = [v[start:stop] for v in self.flat()]
        missing = size - (stop - start)
        if missing:
            parts = [torch.cat([v, v[-1:].expand(missing, *v.shape[1:])]) for v in parts]
            parts[2] = torch.arange(size, device=parts[2].device) < stop - start
        return self.like(parts)
