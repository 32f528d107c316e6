"""Lanes: the runs of a sweep stacked into one batched program.

A lane is one base rate and one seed. Every tensor of the run gets a leading lane axis; the gradient of all lanes is one
``vmap(grad(loss))``; the update is the rule itself, with the rate as a vector, on one buffer that holds all parameters
(compiled, and for a rule that looks at whole tensors, on them one by one). A lane that diverges is masked: its
parameters and state are frozen with ``torch.where``, so its numbers reach no other lane.
"""

import numpy as np
import torch
from torch.func import functional_call, grad_and_value, vmap
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from ..._base.device import placed, widest
from ..._base.start import begin, projected
from ..._base.streams import Noise, Order, initial_model
from ..stepping import is_noisy, noisy, sound
from .carry import Carry, Inputs
from .dropout import Dropouts, recorded, replayed

AHEAD = 128  # steps whose inputs are prepared together, if they fit into
ROOM = 2**25  # bytes


class Lanes:
    """The stacked runs of a `Description`: starting values, data, inputs and the step."""

    def __init__(self, description):
        d = self.description = description
        self.task, self.rule, self.device, self.dtype, self.seeds = d.task, d.rule, d.device, d.dtype, d.seeds
        self.which = torch.tensor([self.seeds.index(s) for s in d.seed.tolist()])  # [L] place of the lane's seed
        constant = {k: v for k, v in d.hyper.items() if k not in d.plans}
        self.hyper = {k: self._tensor(v) if isinstance(v, np.ndarray) else v for k, v in constant.items()}
        self.packed, self.masked = d.rule.kind == "element", False
        self._load()
        models = [begin(initial_model(d.task, s, d.dtype, d.device), d.task) for s in self.seeds]
        self.model = models[0]
        self.shapes = {n: p.shape for n, p in self.model.named_parameters()}
        self._begin(models, d.start)
        size = sum(p.numel() for p in self.model.parameters())
        self.noises = [Noise(s, size) for s in self.seeds] if is_noisy(d.task) else None
        self.dropouts, self.changing = self._probe()
        lane_wise = 0 if d.task.augment is not None else self._data_dim()
        self.gradient = vmap(grad_and_value(self._loss, has_aux=True), in_dims=(0, 0, lane_wise, self._data_dim(), 0))

    def _begin(self, models, given):
        """Starting weights and buffers of all lanes: those of the seeds' models, or the given ones."""
        where = self.which.to(self.device)
        start = {n: torch.stack([dict(m.named_parameters())[n].detach() for m in models])[where] for n in self.shapes}
        self.buffers = {
            n: torch.stack([dict(m.named_buffers())[n] for m in models])[where] for n, _ in self.model.named_buffers()
        }
        for name, value in (given or {}).items():
            tensors = start if name in start else self.buffers
            tensors[name] = torch.as_tensor(value).to(tensors[name])
        self.start = self._packed(start if given is None else self._projected(start))

    def _projected(self, tensors):
        """Parameters {name: [L, …]}, each lane put where the task allows it to be."""
        return tensors if self.task.project is None else vmap(lambda p: projected(self.task, p))(tensors)

    def _probe(self):
        """What a forward pass calls dropout on, and whether it changes the buffers."""
        x, y = (part[: self.task.batch] for part in self.own[0])
        after = {n: b.clone() for n, b in self.model.named_buffers()}
        with torch.no_grad(), recorded(self.device) as calls:
            self.task.objective(functional_call(self.model, after, (x,)), y, dict(self.model.named_parameters()))
        changing = [n for n, b in self.model.named_buffers() if not torch.equal(b, after[n])]
        return Dropouts([call for call, _ in calls], self.seeds, self.dtype, self.device), bool(changing)

    def _packed(self, tensors):
        """{name: [L, …]} as {"all": [L, parameters]} for a rule that works entry by entry."""
        if not self.packed:
            return tensors
        return {"all": torch.cat([tensors[n].reshape(len(tensors[n]), -1) for n in self.shapes], dim=1)}

    def pack(self, packed):
        """Keep the parameters in one buffer from now on, or each for itself: the numbers stay the same.

        One buffer spares the eager path calls; a compiled program would only copy between the two, and masks the lanes
        that stand still.
        """
        apart = self._unpacked(self.start)
        self.packed, self.masked = packed and self.rule.kind == "element", not packed
        self.start = self._packed({n: v.contiguous() for n, v in apart.items()})

    def apart(self, carry):
        """Go on from here with each parameter for itself, as a compiled program does: the carry so, all contiguous.

        Raises ``ValueError`` where a rule's state is not of the parameters' shape.
        """
        parameters, state = self._unpacked(carry.parameters), carry.state
        if self.packed:
            size = carry.parameters["all"].shape[1]
            leaves, spec = tree_flatten(state["all"])
            if any(leaf.shape != (len(self.which), size) for leaf in leaves):
                raise ValueError(f"the state of the rule {self.rule.name!r} cannot be taken apart")
            split = [self._unpacked({"all": leaf}) for leaf in leaves]
            state = {n: tree_unflatten([pieces[n] for pieces in split], spec) for n in self.shapes}
        self.pack(False)
        whole = Carry(parameters, state, carry.buffers, carry.alive, first=carry.first)
        return whole.like([tensor.contiguous() for tensor in whole.flat()])

    def parameters(self, carry):
        """The parameters of a carry, {name: [L, …]}."""
        return self._unpacked(carry.parameters)

    def _unpacked(self, tensors):
        """The inverse of `_packed`."""
        if not self.packed:
            return tensors
        pieces = tensors["all"].split([shape.numel() for shape in self.shapes.values()], dim=1)
        return {n: piece.view(len(piece), *shape) for (n, shape), piece in zip(self.shapes.items(), pieces)}

    def _tensor(self, values):
        return torch.as_tensor(np.asarray(values, dtype=float)).to(dtype=self.dtype, device=self.device)

    def _load(self):
        """Training data: shared [n, …], or one set per seed laid end to end, [seeds·n, …]."""
        task = self.task
        own = [
            placed(task.train_for(s), self.device, self.dtype) for s in (self.seeds if task.fresh else self.seeds[:1])
        ]
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

    def _data_dim(self):
        return None if self.task.batch is None and len(self.own) == 1 else 0

    def sets(self):
        """Data sets for `evaluate_lanes`: {part: [(lanes, x, y)]}."""
        where, task = self.which.to(self.device), self.task
        everyone = torch.arange(len(where), device=self.device)
        groups = [(everyone[where == i] if len(self.own) > 1 else everyone, *pair) for i, pair in enumerate(self.own)]
        others = {
            part: [(everyone, *placed(getattr(task, part), self.device, self.dtype))]
            for part in ("valid", "test")
            if getattr(task, part) is not None
        }
        return {"train": groups, **others}

    def begin(self):
        """The carry before the first step."""
        start, count = self.start, len(self.which)
        if self.rule.kind == "global":
            state = vmap(self.rule.init)([*start.values()])
        else:
            state = {n: self.rule.init(p) for n, p in start.items()}
        return Carry(
            dict(start),
            tree_map(torch.clone, state),
            dict(self.buffers),
            torch.ones(count, dtype=torch.bool, device=self.device),
            first=torch.full((count,), torch.nan, dtype=self.dtype, device=self.device),
        )

    def ahead(self, size):
        """For how many steps inputs are prepared together: a multiple of ``size`` that needs little memory."""
        numbers = 0 if self.noises is None else self.noises[0].size
        numbers += self.dropouts.numel() + (
            0 if self.task.augment is None else self.own[0][0][: self.task.batch].numel()
        )
        bytes_of_a_step = numbers * len(self.seeds) * torch.finfo(self.dtype).bits // 8
        return max(1, min(AHEAD, ROOM // max(bytes_of_a_step, 1)) // size) * size

    def inputs(self, start, stop):
        """Inputs of steps start … stop − 1."""
        kind = widest(self.device)
        inputs = Inputs(
            self._tensor(self.description.planned(start, stop)),
            torch.arange(start + 1, stop + 1, dtype=kind, device=self.device),
            torch.ones(stop - start, dtype=torch.bool, device=self.device),
        )
        rows = None
        if self.orders is not None:
            rows = torch.stack([order.rows(start, stop) for order in self.orders], 1)  # [K, seeds, b]
            inputs.rows = (rows[:, self.which] + self.offset).to(self.device)
        if self.noises is not None:
            inputs.noise = torch.stack([z.rows(start, stop) for z in self.noises], 1).to(self.device, self.dtype)
        if self.task.augment is not None:
            inputs.x = torch.stack(
                [self._augmented(t, None if rows is None else rows[t - start]) for t in range(start, stop)]
            )
        inputs.masks = self.dropouts.rows(start, stop)
        return inputs

    def _augmented(self, t, rows):
        """Augmented inputs of step t, [seeds, b, …]."""
        sets = [self.own[i if len(self.own) > 1 else 0][0] for i in range(len(self.seeds))]
        batches = sets if rows is None else [x[r] for x, r in zip(sets, rows.to(self.device))]
        return torch.stack([self.task.augmented(x, seed, t) for x, seed in zip(batches, self.seeds)])

    def _spread(self, values):
        """One value a seed [seeds, …] as one a lane [L, …]; lanes are ordered rate first."""
        rates = len(self.which) // len(self.seeds)
        return values.expand(rates, *values.shape).reshape(-1, *values.shape[1:])

    def _loss(self, parameters, buffers, x, y, masks):
        with replayed(masks):
            output, buffers = called(self.model, parameters, buffers, x, changing=self.changing)
            return self.task.objective(output, y, parameters), buffers

    def step(self, carry, data, inputs):
        """One step of all lanes: → (carry, loss [L], applied rate and options [1 + P, L])."""
        x, y = self._batch(data, inputs)
        masks = tuple(self._spread(mask) for mask in inputs.masks)
        gradients, (loss, buffers) = self.gradient(self.parameters(carry), carry.buffers, x, y, masks)
        gradients = self._packed(gradients)
        first = torch.where(carry.first.isnan(), loss, carry.first)
        alive = carry.alive & (sound(loss, first, self.description.diverged_at) | ~inputs.go)
        moving = alive & inputs.go
        if inputs.noise is not None:
            gradients = noisy(self.task, carry.parameters, gradients, self._spread(inputs.noise))
        parameters, state = self._update(carry, gradients, moving, inputs)
        passed = carry.alive & inputs.go  # the forward pass that shows a divergence has changed the buffers, as in fit
        buffers = self._kept(passed, buffers, carry.buffers) if self.changing else carry.buffers
        applied = torch.where(moving, inputs.rate, torch.nan)
        return Carry(parameters, state, buffers, alive, first=first), torch.where(carry.alive, loss, torch.nan), applied

    def _batch(self, data, inputs):
        """(x, y) that a step trains on: its rows of the data, or all of them; x augmented where the task augments."""
        x, y = data
        if inputs.x is not None:
            x = self._spread(inputs.x)
        elif inputs.rows is not None:
            x = _taken(x, inputs.rows)
        return x, y if inputs.rows is None else _taken(y, inputs.rows)

    def _update(self, carry, gradients, moving, inputs):
        names, t, rate = list(carry.parameters), inputs.t, inputs.rate[0]
        hyper = {**self.hyper, **dict(zip(self.description.plans, inputs.rate[1:]))}
        if self.rule.kind == "global":
            x, g = ([tensors[n] for n in names] for tensors in (carry.parameters, gradients))
            x, state = self._batched(x, g, carry.state, t, rate=rate, hyper=hyper)
            new = dict(zip(names, x))
        else:
            update = self._element if self.rule.kind == "element" else self._batched
            now = {"t": t, "rate": rate, "hyper": hyper}
            pairs = {n: update(carry.parameters[n], gradients[n], carry.state[n], **now) for n in names}
            new, state = ({n: pair[i] for n, pair in pairs.items()} for i in range(2))
        if self.task.project is not None:
            new = self._packed(self._projected(self._unpacked(new)))
        return self._kept(moving, (new, state), (carry.parameters, carry.state))

    def _kept(self, moving, new, old):
        """Dicts and lists of tensors [L, …]: the new values where a lane moves, else the old.

        One call of PyTorch alone puts the old rows back sooner than it chooses entry by entry; a compiled program
        chooses while it computes.
        """
        if self.masked:
            return tree_map(lambda one, other: torch.where(_along(moving, one), one, other), new, old)
        still = (~moving).nonzero().view(-1)
        return tree_map(lambda one, other: one.index_copy(0, still, other.index_select(0, still)), new, old)

    def _element(self, x, g, state, t, rate, hyper):
        hyper = {k: _along(v, x) if isinstance(v, torch.Tensor) else v for k, v in hyper.items()}
        return self.rule(x, g, state, t, lr=_along(rate, x), **hyper)

    def _batched(self, x, g, state, t, rate, hyper):
        """A rule that looks at whole tensors, or at all of them, once a lane."""
        per_lane = {k: v for k, v in hyper.items() if isinstance(v, torch.Tensor)}
        common = {k: v for k, v in hyper.items() if k not in per_lane}
        return vmap(lambda x, g, s, lr, h: self.rule(x, g, s, t, lr=lr, **h, **common))(x, g, state, rate, per_lane)


def called(model, parameters, buffers, x, changing=True):
    """Return ``(output, buffers)`` of the model; new buffers where it changes them, in place or by assignment."""
    if not changing:
        return functional_call(model, (parameters, buffers), (x,)), buffers
    tensors = {**parameters, **{n: b.clone() for n, b in buffers.items()}}
    output = functional_call(model, tensors, (x,))  # leaves in `tensors` what the model has put in their place
    return output, {n: tensors[n] for n in buffers}


def _along(values, x):
    """[L] as [L, 1, …] beside x [L, …]."""
    return values.view(-1, *[1] * (x.dim() - 1))


def _taken(values, rows):
    """``values[rows]`` of examples [n, …] and indices [L, b], several times as fast."""
    return values.index_select(0, rows.reshape(-1)).view(*rows.shape, *values.shape[1:])
