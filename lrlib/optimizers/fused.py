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
        """Update the parameters of ``active``, a list of (group, parameters, gradients); return those without flat form.

        Raises `lrlib.optimizers.program.Unfusable` before anything changes.
        """
        jobs, rest = [], []
        for place, (group, tensors, gradients) in enumerate(active):
            kinds = {}
            for p, g in zip(tensors, gradients):
                slot = self._slot(p, optimizer)
                kinds.setdefault(slot.kind, []).append((slot, g))
            left = kinds.pop(None, ())
            rest.append((group, [slot.p for slot, _ in left], [g for _, g in left]))
            options = optimizer.options_of(group)
            for kind, pairs in kinds.items():
                made = program(self.rule, *kind, options, group["maximize"], self.backend)
                head = self.heads.get((place, made)) or self.heads.setdefault((place, made), Head(made))
                jobs.append((made.run, head, options, pairs))
        for job in jobs:
            _run(*job)
        return rest

    def _slot(self, p, optimizer):
        slot, store = self.slots.get(id(p)), optimizer.state
        if slot is None or slot.p is not p or slot.store is not store or slot.pointer != p.data_ptr():
            slot = self.slots[id(p)] = Slot(p, store, optimizer.state_of(p), self.rule.state_names)
        for name, kept in slot.kept:
            if slot.state[name] is not kept:
                slot = self.slots[id(p)] = Slot(p, store, slot.state, self.rule.state_names)
                break
        return slot


class Slot:
    """A parameter with flat views of it and of its state; ``kind`` is (dtype, device), or None if it has none."""

    __slots__ = ("contiguous", "flat", "kept", "kind", "p", "pointer", "state", "store")

    def __init__(self, p, store, state, names):
        self.p, self.store, self.state, self.pointer = p, store, state, p.data_ptr()
        self.kept = [(name, state[name]) for name in names]
        values = [value for _, value in self.kept]
        self.contiguous = p.is_contiguous()
        alike = all(v.shape == p.shape and v.dtype == p.dtype and v.device == p.device and v.stride() == p.stride()
                    for v in values)
        self.kind = (p.dtype, p.device) if alike and _dense(p) else None
        self.flat = [_flat(v) for v in (p.detach(), *values)] if self.kind else None

    def in_order(self, g):
        """The gradient ``g`` with its entries in memory in the order of the parameter's."""
        return g if g.stride() == self.p.stride() else torch.empty_like(self.p).copy_(g)


def _run(run, head, options, pairs):
    numbers_at = {}
    for slot, g in pairs:
        state = slot.state
        t = state["step"] = state["step"] + 1
        if t not in numbers_at:
            numbers_at[t] = head(t, options)
        if not (slot.contiguous and g.is_contiguous()):
            g = slot.in_order(g)
        x, *kept = slot.flat
        run([x, g, *kept, *numbers_at[t]])


def _dense(tensor):
    return torch._prims_common.is_non_overlapping_and_dense_or_false(tensor)


def _flat(tensor):
    return tensor.as_strided((tensor.numel(),), (1,))
