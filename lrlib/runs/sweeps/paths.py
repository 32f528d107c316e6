"""How the steps of stacked lanes are computed: one by one (eager), or compiled into one program.

The compiled program holds the whole step (batch, forward, backward, update, masks) several times over, so that a call
makes `STEPS` steps. Rates are tensors in it, so a new rate never compiles again. Programs are kept for the process
under the text of their traced graph: two sweeps whose program is the same share it.
"""

import hashlib
import operator

import torch
from torch import fx

from .graph import simplify, trace

STEPS = 4
UNTRACED = 20  # eager steps before their graph is made
_PROGRAMS = {}


class Eager:
    """Step by step, with one call of PyTorch for each operation: after a few steps by their graph, to the same bits."""

    size = 1

    def __init__(self, lanes, untraced=None):
        """untraced: steps before the graph is made, which takes as long as some of them; default `UNTRACED`."""
        self.lanes, self.graph = lanes, None
        self.untraced = UNTRACED if untraced is None else untraced

    def __call__(self, carry, inputs):
        """One step: → (carry, loss [1, L], applied [1, 1 + P, L])."""
        if self.untraced == 0 and self.graph is None:
            self.graph = self._traced(carry, inputs)
        with torch.no_grad():
            if self.graph:
                *after, loss, applied = self.graph(*carry.flat(), *self.lanes.data, *inputs.at(0))
                return carry.like(after), loss[None], applied[None]
            self.untraced -= 1
            carry, loss, applied = self.lanes.step(carry, self.lanes.data, inputs.like(inputs.at(0)))
        return carry, loss[None], applied[None]

    def _traced(self, carry, inputs):
        """The step's graph, or False where it cannot be traced."""
        try:
            return simplify(trace(self.lanes, carry, inputs)).forward
        except Exception:  # whatever a user's module raises under tracing: the step as it is written gives the same
            return False


class Program:
    """`STEPS` steps a call, by a function of tensors that `unrolled` describes."""

    size = STEPS

    def __init__(self, lanes, program):
        self.lanes, self.program = lanes, program

    def __call__(self, carry, inputs):
        """`STEPS` steps: → (carry, loss [STEPS, L], applied [STEPS, 1 + P, L])."""
        with torch.no_grad():
            *after, loss, applied = self.program(*carry.flat(), *self.lanes.data, *inputs.flat())
        return carry.like(after), loss, applied


class Compiled(Program):
    """Compiled here and now by ``torch.compile``. Raises what the compiler raises if it cannot."""

    def __init__(self, lanes):
        key, graph, tensors = unrolled(lanes)
        if key not in _PROGRAMS:
            _PROGRAMS[key] = torch.compile(graph, dynamic=False, fullgraph=True)
        super().__init__(lanes, _PROGRAMS[key])
        with torch.no_grad():
            self.program(*tensors)  # compiles now, so that a failure shows here


def unrolled(lanes):
    """What `STEPS` steps of lanes are as a program: its key, its graph, and tensors to call it with."""
    carry, inputs = lanes.begin(), lanes.inputs(0, min(lanes.description.steps, STEPS)).slice(0, 1, STEPS)
    traced, tensors = trace(lanes, carry, inputs), [*carry.flat(), *lanes.data, *inputs.flat()]
    return _key(traced, tensors), _unrolled(traced, len(carry.flat()), 2), tensors


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
