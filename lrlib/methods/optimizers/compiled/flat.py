"""A step of an element-wise rule on all parameters, one call a parameter: of a compiled program, or of a tape.

A gradient is read where autograd left it, and a parameter is written where it is, so there is no buffer and no copy;
parameters, gradients and state stay the user's own tensors. What a call needs apart from the gradient is kept between
steps: views of the parameter and of its state as vectors, and scratch memory for a tape.
"""

import torch

from . import program, tape


SMALL = 2048  # up to this many entries, calling costs more than copying


class Flat:
    """Steps of one optimizer: fused with a ``backend`` of `program.BACKENDS`, else by tape."""

    def __init__(self, rule, backend=None):
        self.rule, self.backend = rule, backend
        self.slots, self.heads, self.scratch = {}, {}, {}

    def step(self, optimizer, active):
        """Update the parameters of ``active``, [(group, parameters, gradients)]; return those without flat form.

        Raises `Unfusable` or `Untraceable` before anything changes.
        """
        jobs, rest = [], []
        for place, (group, tensors, gradients) in enumerate(active):
            kinds = {}
            for p, g in zip(tensors, gradients):
                slot = self._slot(p, optimizer)
                kinds.setdefault(slot.kind, []).append((slot, g))
            left = kinds.pop(None, ())
            rest.append((group, [slot.p for slot, _ in left], [g for _, g in left]))
            for kind, pairs in kinds.items():
                jobs.append(
                    (pairs, self._calls(pairs, place, kind, optimizer.options_of(group), maximize=group["maximize"]))
                )
        for pairs, calls in jobs:
            self._run(self._run_together(pairs, calls) if self.backend is None else pairs, calls)
        self._forget_others(optimizer.param_groups)
        return rest

    def _forget_others(self, groups):
        """Let go of parameters that were taken out of the optimizer."""
        if len(self.slots) > sum(len(group["params"]) for group in groups):
            held = {id(p) for group in groups for p in group["params"]}
            self.slots = {key: slot for key, slot in self.slots.items() if key in held}

    def _calls(self, pairs, place, kind, options, maximize):
        """What is to be run at each step number among the parameters: {t: (made, numbers, registers)}."""
        steps = {slot.state["step"] + 1 for slot, _ in pairs}
        if self.backend is None:
            options = tape.numbers_of(options)
            found = {t: tape.tape(self.rule, maximize, options, t) for t in steps}
            return {t: (made, numbers, made.allocation.registers) for t, (made, numbers) in found.items()}
        made = program.program(self.rule, *kind, options, maximize=maximize, backend=self.backend)
        head = self.heads.get((place, made)) or self.heads.setdefault((place, made), program.Head(made))
        return {t: (made, head(t, options), 0) for t in steps}

    def _run(self, pairs, calls):
        for slot, g in pairs:
            state = slot.state
            t = state["step"] = state["step"] + 1
            made, numbers, registers = calls[t]
            if not (slot.contiguous and g.is_contiguous()):
                g = slot.in_order(g)
            if slot.blocks:
                g = _flat(g)
            if len(slot.scratch) < registers:
                slot.scratch = self._scratch(slot, registers)
            made.run([slot.x, g, *slot.values, *numbers, *slot.scratch])

    def _run_together(self, pairs, calls):
        """Play a tape once for all small tensors that are at the same step, or for all of them if it is one operation.

        Return the other pairs.
        """
        together, rest = {}, []
        for pair in pairs:
            slot, g = pair
            t = slot.state["step"] + 1
            if (slot.contiguous if calls[t][0].alone else slot.lines) and g.is_contiguous():
                together.setdefault(t, []).append(pair)
            else:
                rest.append(pair)
        for t, some in together.items():
            if calls[t][0].alone:
                _play_alone(some, *calls[t])
            elif len(some) < 3:
                rest += some
            else:
                _play_together(some, *calls[t])
        return rest

    def _slot(self, p, optimizer):
        slot = self.slots.get(id(p))
        if slot is None or not slot.holds(p, optimizer.state.get(p)):
            slot = self.slots[id(p)] = Slot(p, optimizer.state_of(p), self.rule.state_names, self.backend)
        return slot

    def _scratch(self, slot, registers):
        memory = self.scratch.setdefault(slot.kind, [])
        while len(memory) < registers:
            memory.append(torch.empty(tape.BLOCK, dtype=slot.p.dtype))
        if slot.blocks:
            return memory[:registers]
        return [m.as_strided(slot.p.size(), slot.p.stride()) for m in memory[:registers]]


class Slot:
    """A parameter and its state as vectors; ``kind`` is (dtype, device), or None where they are none of equal order."""

    __slots__ = (
        "blocks",
        "contiguous",
        "kept",
        "kind",
        "lines",
        "p",
        "pointer",
        "scratch",
        "state",
        "values",
        "x",
    )

    def __init__(self, p, state, names, backend):
        self.p, self.state, self.pointer = p, state, p.data_ptr()
        self.kept, self.scratch, self.contiguous = [(name, state[name]) for name in names], (), p.is_contiguous()
        values = [p.detach(), *(value for _, value in self.kept)]
        alike = all(
            (v.shape, v.dtype, v.device, v.stride()) == (p.shape, p.dtype, p.device, p.stride()) for v in values
        )
        possible = alike and _dense(p) and (backend or p.device.type == "cpu")
        self.kind = (p.dtype, p.device) if possible else None
        self.blocks = backend is None and p.numel() > tape.BLOCK
        if possible and (backend or self.blocks):
            values = [_flat(v) for v in values]
        self.x, *self.values = values
        small = possible and not backend and self.contiguous and p.numel() <= min(SMALL, tape.BLOCK)
        self.lines = [_flat(v) for v in values] if small else None  # for tensors that are played together

    def holds(self, p, state):
        """Whether this is still what the optimizer keeps of ``p``: its user may load, clear or exchange any of it."""
        if self.p is not p or self.pointer != p.data_ptr() or self.state is not state:
            return False
        return "step" in state and all(state.get(name) is kept for name, kept in self.kept)

    def in_order(self, g):
        """The gradient ``g`` with its entries in memory in the order of the parameter's."""
        return g if g.stride() == self.p.stride() else torch.empty_like(self.p).copy_(g)


def _play_alone(pairs, made, numbers, _):
    for slot, _ in pairs:
        slot.state["step"] += 1
    made.run_all([slot.p for slot, _ in pairs], [g for _, g in pairs], *numbers)


def _play_together(pairs, made, numbers, registers):
    for slot, _ in pairs:
        slot.state["step"] += 1
    columns = list(zip(*(slot.lines for slot, _ in pairs)))
    x, *values = [torch.cat(column) for column in columns]
    g = torch.cat([g if g.dim() == 1 else g.view(-1) for _, g in pairs])
    scratch = [torch.empty_like(x[: tape.BLOCK]) for _ in range(registers)]
    made.run([x, g, *values, *numbers, *scratch])
    sizes = [slot.p.numel() for slot, _ in pairs]
    for column, joined in zip(columns, (x, *values)):
        torch._foreach_copy_(column, joined.split(sizes))


def _dense(tensor):
    return torch._prims_common.is_non_overlapping_and_dense_or_false(tensor)


def _flat(tensor):
    return tensor.as_strided((tensor.numel(),), (1,))
