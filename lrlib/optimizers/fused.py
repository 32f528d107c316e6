"""The fused path of an optimizer: the compiled rule, called tensor by tensor.

A gradient is read where autograd left it, and a parameter is written where it is, so the path needs no buffer and no
copies; parameters, gradients and state stay the user's own tensors. What a call needs apart from the gradient is kept
between steps: flat views of the parameter and of its state.
"""

import torch

from .program import Head, program


class Fused:
    """The fused path of one optimizer. ``backend`` is one of `lrlib.optimizers.program.BACKENDS`."""

    def __init__(self, rule, backend="inductor"):
        self.rule, self.backend = rule, backend
        self.slots, self.heads = {}, {}

    def step(self, optimizer, active):
        """Update the parameters of ``active``, a list of (group, parameters); return those that have no flat form.

        Raises `lrlib.optimizers.program.Unfusable` before anything changes.
        """
        jobs, rest = [], []
        for place, (group, tensors) in enumerate(active):
            kinds = {}
            for p in tensors:
                slot = self._slot(p, optimizer.state_of(p))
                kinds.setdefault(slot.kind, []).append(slot)
            rest.append((group, [slot.p for slot in kinds.pop(None, ())]))
            options = optimizer.options_of(group)
            for kind, slots in kinds.items():
                made = program(self.rule, *kind, options, group["maximize"], self.backend)
                head = self.heads.setdefault((place, made), None) or Head(made)
                self.heads[place, made] = head
                jobs.append((made.run, head, options, slots))
        for job in jobs:
            _run(*job)
        return rest

    def _slot(self, p, state):
        slot = self.slots.get(id(p))
        if slot is None or not slot.holds(p, state, self.rule.state_names):
            slot = self.slots[id(p)] = Slot(p, state, self.rule.state_names)
        return slot


class Slot:
    """A parameter with flat views of it and of its state; ``kind`` is (dtype, device), or None if it has none."""

    __slots__ = ("contiguous", "flat", "kept", "kind", "p", "pointer", "state")

    def __init__(self, p, state, names):
        self.p, self.state, self.pointer = p, state, p.data_ptr()
        self.kept = [state[name] for name in names]
        self.contiguous = all(v.is_contiguous() for v in (p, *self.kept))
        alike = all(v.shape == p.shape and v.dtype == p.dtype and v.device == p.device and v.stride() == p.stride()
                    for v in self.kept)
        self.kind = (p.dtype, p.device) if alike and _dense(p) else None
        self.flat = [_flat(v) for v in (p.detach(), *self.kept)] if self.kind else None

    def holds(self, p, state, names):
        """Whether the views are still those of this parameter and of this state."""
        if self.p is not p or self.state is not state or p.data_ptr() != self.pointer:
            return False
        return all(state[name] is kept for name, kept in zip(names, self.kept))

    def gradient(self):
        """The gradient as a vector in the order of the parameter."""
        g = self.p.grad
        if self.contiguous and g.is_contiguous():
            return g.view(-1)
        if g.stride() != self.p.stride():
            g = torch.empty_like(self.p).copy_(g)
        return _flat(g)


def _run(run, head, options, slots):
    numbers_at = {}
    for slot in slots:
        state = slot.state
        t = state["step"] = state["step"] + 1
        if t not in numbers_at:
            numbers_at[t] = head(t, options)
        run([slot.flat[0], slot.gradient(), *slot.flat[1:], *numbers_at[t]])


def _dense(tensor):
    return torch._prims_common.is_non_overlapping_and_dense_or_false(tensor)


def _flat(tensor):
    return tensor.as_strided((tensor.numel(),), (1,))
