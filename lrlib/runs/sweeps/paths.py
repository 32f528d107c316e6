"""How the steps of stacked lanes are computed: one by one (eager), or compiled into one program.

The compiled program holds the whole step (batch, forward, backward, update, masks) several times over, so that a call
makes `STEPS` steps. Rates are tensors in it, so a new rate never compiles again. Programs are kept for the process
under the text of their traced graph: two sweeps whose program is the same share it.
"""

import hashlib
import operator

import torch
from torch import fx
from torch.fx.experimental.proxy_tensor import make_fx

STEPS = 4
_PROGRAMS = {}


class Eager:
    """Step by step, with one call of PyTorch for each operation."""

    size = 1

    def __init__(self, lanes):
        self.lanes = lanes

    def __call__(self, carry, inputs):
        """One step: → (carry, loss [1, L], applied [1, 1 + P, L])."""
        with torch.no_grad():
            carry, loss, applied = self.lanes.step(carry, self.lanes.data, inputs.like(inputs.at(0)))
        return carry, loss[None], applied[None]


class Compiled:
    """`STEPS` steps a call, compiled by ``torch.compile``. Raises what the compiler raises if it cannot."""

    size = STEPS

    def __init__(self, lanes):
        self.lanes = lanes
        carry, inputs = lanes.begin(), lanes.inputs(0, min(lanes.description.steps, STEPS)).slice(0, 1, STEPS)
        with torch.no_grad():
            self.program = self._program(carry, inputs)
            self.program(*self._flat(carry, inputs))  # compiles now, so that a failure shows here

    def _flat(self, carry, inputs):
        return [*carry.flat(), *self.lanes.data, *inputs.flat()]

    def _program(self, carry, inputs):
        lanes, many = self.lanes, len(carry.flat())

        def step(*tensors):
            after, loss, applied = lanes.step(
                carry.like(tensors[:many]), tensors[many : many + 2], inputs.like(tensors[many + 2 :])
            )
            return (*after.flat(), loss, applied)

        one = [*carry.flat(), *lanes.data, *inputs.at(0)]
        traced = make_fx(step)(*one)
        key = _key(traced, self._flat(carry, inputs))
        if key not in _PROGRAMS:
            _PROGRAMS[key] = torch.compile(_unrolled(traced, many, 2), dynamic=False, fullgraph=True)
        return _PROGRAMS[key]

    def __call__(self, carry, inputs):
        """`STEPS` steps: → (carry, loss [STEPS, L], applied [STEPS, 1 + P, L])."""
        with torch.no_grad():
            *after, loss, applied = self.program(*self._flat(carry, inputs))
        return carry.like(after), loss, applied


def _unrolled(traced, carried, fixed):
    """The traced step, `STEPS` times in a row, as one graph; inputs that vary get a leading step axis."""
    graph = fx.Graph()
    holders = [node for node in traced.graph.nodes if node.op == "placeholder"]
    inputs = [graph.placeholder(f"input_{i}") for i in range(len(holders))]
    values, rows = inputs[:carried], []
    for j in range(STEPS):
        varying = [graph.call_function(operator.getitem, (v, j)) for v in inputs[carried + fixed :]]
        out = graph.graph_copy(
            traced.graph, dict(zip(holders, [*values, *inputs[carried : carried + fixed], *varying]))
        )
        values = list(out[:carried])
        rows.append(out[carried:])
    stacked = [graph.call_function(torch.stack, (list(column),)) for column in zip(*rows)]
    graph.output((*values, *stacked))
    return fx.GraphModule(traced, graph)


def _key(traced, tensors):
    """What makes a program: its code, the tensors inside it, and the shapes that it is called with."""
    digest = hashlib.blake2b(traced.code.encode("utf-8"))
    for name, value in sorted({**dict(traced.named_buffers()), **dict(traced.named_parameters())}.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode("utf-8"))
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    shapes = [(tuple(t.shape), t.dtype, str(t.device), t.stride()) for t in tensors]
    return STEPS, digest.hexdigest(), str(shapes)
