"""Lanes: the runs of a sweep stacked into one batched program.

A lane is one base rate and one seed. Every tensor of the run gets a leading lane axis; the gradient of all lanes is one
``vmap(grad(loss))``; the update is the rule itself, with the rate as a vector, on one buffer that holds all parameters
(a rule that looks at whole tensors gets them one by one). A lane that diverges is masked: its
parameters and state are frozen with ``torch.where``, so its numbers reach no other lane.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.func import functional_call, grad_and_value, vmap

from ..arguments import LEAST_LOSS
from ..streams import Noise, Order, initial_model


@dataclass
class Carry:
    """What one step hands to the next: parameters, rule state, who is alive, the first loss."""

    parameters: dict            # name → [L, …], or "all" → [L, parameters]
    state: dict                 # name → {state name → [L, …]}
    alive: torch.Tensor         # [L] bool
    first: torch.Tensor         # [L], nan before the first step

    def flat(self):
        """As one list of tensors, in a fixed order."""
        states = [self.state[n][s] for n in self.parameters for s in sorted(self.state[n])]
        return [*self.parameters.values(), *states, self.alive, self.first]

    def like(self, tensors):
        """The inverse of `flat`."""
        tensors = iter(tensors)
        parameters = {n: next(tensors) for n in self.parameters}
        state = {n: {s: next(tensors) for s in sorted(self.state[n])} for n in parameters}
        return Carry(parameters, state, next(tensors), next(tensors))


@dataclass
class Inputs:
    """What steps need from outside, for K steps at once."""

    rate: torch.Tensor          # [K, L]
    t: torch.Tensor             # [K], from 1
    go: torch.Tensor            # [K] bool; False for a step that only fills a block
    rows: torch.Tensor | None   # [K, L, b] into the training examples
    noise: torch.Tensor | None  # [K, L, parameters]

    def flat(self):
        """The tensors that are there, in a fixed order."""
        return [v for v in (self.rate, self.t, self.go, self.rows, self.noise) if v is not None]

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
        present = iter(parts)
        names = ("rate", "t", "go", "rows", "noise")
        return Inputs(**{n: None if getattr(self, n) is None else next(present) for n in names})


class Lanes:
    """The stacked runs of one sweep: starting values, data, inputs and the step.

    ``lr0`` [L] and ``seed`` [L] are lane by lane; ``factors`` [steps] is the plan; ``hyper`` maps a name to a number
    or an array [L].
    """

    def __init__(self, task, rule, lr0, seed, factors, hyper, device, dtype, diverged_at):
        self.task, self.rule, self.lr0, self.seed, self.factors = task, rule, lr0, seed, factors
        self.device, self.dtype, self.diverged_at = device, dtype, float(diverged_at)
        self.seeds = list(dict.fromkeys(seed.tolist()))
        self.which = torch.tensor([self.seeds.index(s) for s in seed.tolist()])       # [L] place of the lane's seed
        self.hyper = {k: v if np.ndim(v) == 0 else self._tensor(v) for k, v in hyper.items()}
        self._load()
        models = [initial_model(task, s, dtype, device) for s in self.seeds]
        self.model = models[0]
        where = self.which.to(device)
        self.shapes = {n: p.shape for n, p in self.model.named_parameters()}
        self.start = self._packed({n: torch.stack([dict(m.named_parameters())[n].detach() for m in models])[where]
                                   for n in self.shapes})
        self.buffers = {n: torch.stack([dict(m.named_buffers())[n] for m in models])[where]
                        for n, _ in self.model.named_buffers()}
        size = sum(p.numel() for p in self.model.parameters())
        self.noises = [Noise(s, size) for s in self.seeds] if _noisy(task) else None
        self.gradient = vmap(grad_and_value(self._loss), in_dims=(0, 0, *self._data_dims()))

    def _packed(self, tensors):
        """{name: [L, …]} as {"all": [L, parameters]} for a rule that works entry by entry."""
        if self.rule.kind != "element":
            return tensors
        return {"all": torch.cat([tensors[n].flatten(1) for n in self.shapes], dim=1)}

    def parameters(self, carry):
        """The parameters of a carry, {name: [L, …]}."""
        if self.rule.kind != "element":
            return carry.parameters
        pieces = carry.parameters["all"].split([shape.numel() for shape in self.shapes.values()], dim=1)
        return {n: piece.view(-1, *shape) for (n, shape), piece in zip(self.shapes.items(), pieces)}

    def _tensor(self, values):
        return torch.as_tensor(np.asarray(values, dtype=float)).to(dtype=self.dtype, device=self.device)

    def _move(self, data):
        """To the device; floating-point data to the run's dtype."""
        return tuple(d.to(self.device, self.dtype if d.is_floating_point() else d.dtype) for d in data)

    def _load(self):
        """Training data: shared [n, …], or one set per seed laid end to end, [seeds·n, …]."""
        task = self.task
        own = [self._move(task.train_for(s)) for s in (self.seeds if task.fresh else self.seeds[:1])]
        self.own, self.n = own, len(own[0][0])
        if any(a.shape != own[0][i].shape for pair in own for i, a in enumerate(pair)):
            raise ValueError(f"task {task.name!r} draws training sets of different shapes for different seeds")
        self.orders = None if task.batch is None else [Order(s, self.n, task.batch) for s in self.seeds]
        if len(own) == 1:
            self.data = own[0]
        elif task.batch is None:
            self.data = tuple(torch.stack(part)[self.which.to(self.device)] for part in zip(*own))
        else:
            self.data = tuple(torch.cat(part) for part in zip(*own))
        self.offset = self.which[:, None] * self.n if len(own) > 1 else torch.zeros(1, 1, dtype=torch.long)

    def _data_dims(self):
        shared = self.task.batch is None and len(self.own) == 1
        return (None, None) if shared else (0, 0)

    def sets(self):
        """Data sets for `evaluate_lanes`: {part: [(lanes, x, y)]}."""
        where, task = self.which.to(self.device), self.task
        everyone = torch.arange(len(where), device=self.device)
        groups = [(everyone[where == i] if len(self.own) > 1 else everyone, *pair) for i, pair in enumerate(self.own)]
        others = {part: [(everyone, *self._move(getattr(task, part)))] for part in ("valid", "test")
                  if getattr(task, part) is not None}
        return {"train": groups, **others}

    def begin(self):
        """The carry before the first step."""
        state = {n: self.rule.init(p) for n, p in self.start.items()}
        count = len(self.lr0)
        return Carry(dict(self.start), state, torch.ones(count, dtype=torch.bool, device=self.device),
                     torch.full((count,), torch.nan, dtype=self.dtype, device=self.device))

    def inputs(self, start, stop):
        """Inputs of steps start … stop − 1."""
        rate = self._tensor(self.factors[start:stop, None] * self.lr0)
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        t = torch.arange(start + 1, stop + 1, dtype=kind, device=self.device)
        rows = noise = None
        if self.orders is not None:
            rows = torch.stack([order.rows(start, stop) for order in self.orders], 1)[:, self.which] + self.offset
            rows = rows.to(self.device)
        if self.noises is not None:
            noise = torch.stack([z.rows(start, stop) for z in self.noises], 1)[:, self.which]
            noise = noise.to(self.device, self.dtype)
        return Inputs(rate, t, torch.ones(stop - start, dtype=torch.bool, device=self.device), rows, noise)

    def _loss(self, parameters, buffers, x, y):
        return self.task.loss(functional_call(self.model, (parameters, buffers), (x,)), y)

    def step(self, carry, buffers, data, rate, t, go, *rest):
        """One step of all lanes: → (carry, loss [L], applied rate [L])."""
        rest = list(rest)
        rows = rest.pop(0) if self.orders is not None else None
        x, y = data if rows is None else (data[0][rows], data[1][rows])
        gradients, loss = self.gradient(self.parameters(carry), buffers, x, y)
        gradients = self._packed(gradients)
        first = torch.where(carry.first.isnan(), loss, carry.first)
        sound = loss.isfinite() & ~((loss > self.diverged_at * first.abs()) & (first.abs() > LEAST_LOSS))
        alive = carry.alive & (sound | ~go)
        if rest:
            gradients = self._noisy(carry.parameters, gradients, rest.pop(0))
        parameters, state = self._update(carry, gradients, alive & go, rate, t)
        applied = torch.where(alive & go, rate, torch.nan)
        return Carry(parameters, state, alive, first), torch.where(carry.alive, loss, torch.nan), applied

    def _update(self, carry, gradients, moving, rate, t):
        parameters, state = {}, {}
        for name, x in carry.parameters.items():
            new, kept = self._rule(x, gradients[name], carry.state[name], t, rate)
            mask = _along(moving, x)
            parameters[name] = torch.where(mask, new, x)
            state[name] = {s: torch.where(mask, kept[s], old) for s, old in carry.state[name].items()}
        return parameters, state

    def _rule(self, x, g, state, t, rate):
        if self.rule.kind == "element":
            hyper = {k: v if isinstance(v, (int, float)) else _along(v, x) for k, v in self.hyper.items()}
            return self.rule(x, g, state, t, lr=_along(rate, x), **hyper)
        per_lane = {k: v for k, v in self.hyper.items() if isinstance(v, torch.Tensor)}
        common = {k: v for k, v in self.hyper.items() if k not in per_lane}
        return vmap(lambda x, g, s, lr, h: self.rule(x, g, s, t, lr=lr, **h, **common))(x, g, state, rate, per_lane)

    def _noisy(self, parameters, gradients, noise):
        pieces = noise.split([p[0].numel() for p in parameters.values()], dim=1)
        scale = self.task.noise if callable(self.task.noise) else lambda _: self.task.noise
        return {n: gradients[n] + scale(p) * z.view_as(p) for (n, p), z in zip(parameters.items(), pieces)}


def _noisy(task):
    return callable(task.noise) or task.noise > 0


def _along(values, x):
    """[L] as [L, 1, …] beside x [L, …]."""
    return values.view(-1, *[1] * (x.dim() - 1))
