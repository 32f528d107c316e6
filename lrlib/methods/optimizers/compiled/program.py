"""An element-wise rule, compiled into one program for vectors of any length, which updates them in place.

The rule is traced once, with the tensors as flat vectors of unknown length, and the step, the rate and the other
numbers as 0-D tensors. What depends on the numbers alone (1 − β₁ᵗ, …) is taken out of the trace as the `Head` and
computed once a step; the rest is compiled by Inductor, the compiler of ``torch.compile``, into one loop that reads each
entry once and writes it once. No later length, rate or step number compiles again. Programs are kept for the process.

What the compilers use of torch that is private, and what happens where it is gone, is on one page:
docs/torch-internals.md.
"""

import torch
from torch import fx
from torch.fx.experimental.proxy_tensor import make_fx

from ...._base.arguments import first_line
from ...._base.groups import is_number

DEVICES = ("cpu", "cuda", "xpu")
PROGRAMS = {}


class Unfusable(RuntimeError):
    """Why a rule cannot be compiled here."""


class Program:
    """A compiled rule: ``program.run([x, g, *state, *numbers])`` updates x and its state.

    They are flat and of one length; g may have any shape whose memory is in their order. ``numbers`` is what a `Head`
    of the program makes of the step and of the options.
    """

    def __init__(self, rule, dtype, device, options, maximize, backend):
        self.rule, self.maximize = rule, maximize
        self.varying = [name for name, value in options.items() if is_number(value)]
        self.fixed = {name: value for name, value in options.items() if name not in self.varying}
        traced, tensors = self._traced(dtype, device)
        nodes = list(traced.graph.nodes)
        inside = _numbers_only(nodes, tensors)
        self.needed = [n for n in nodes if n in inside and any(user not in inside for user in n.users)]
        self.recipe = _recipe([n for n in nodes if n in inside])
        self.places = [list(inside).index(n) for n in self.needed]
        self.run = BACKENDS[backend](self._body(traced, inside, tensors))
        self._prove(dtype, device, options)

    def _step(self, x, g, *rest):
        names = self.rule.state_names
        numbers = rest[len(names) :]
        new, kept = self.rule(
            x,
            -g if self.maximize else g,
            dict(zip(names, rest)),
            numbers[0],
            **dict(zip(self.varying, numbers[1:], strict=True)),
            **self.fixed,
        )
        return new, *(kept[name] for name in names)

    def _traced(self, dtype, device):
        """The rule as a graph of PyTorch's operations on vectors of unknown length; → (graph, number of vectors)."""
        from torch._subclasses.fake_tensor import FakeTensorMode
        from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

        fake = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
        x = torch.empty(1 << 16, dtype=dtype, device=device)
        long = StatelessSymbolicContext(dynamic_sizes=[DimDynamic.DYNAMIC])
        vectors = [fake.from_tensor(v, symbolic_context=long) for v in (x, x.clone(), *self.rule.init(x).values())]
        numbers = [fake.from_tensor(_tensor(1.0), static_shapes=True) for _ in range(1 + len(self.varying))]
        traced = make_fx(self._step, _allow_non_fake_inputs=True)(*vectors, *numbers)
        _without_divisions(traced.graph)
        _narrowed(traced.graph, torch.float64 if dtype == torch.float64 else torch.float32)
        return traced, len(vectors)

    def _body(self, traced, inside, tensors):
        """What is left of the graph, ending with the results copied into x and the state."""
        graph, copies = fx.Graph(), {}
        nodes = list(traced.graph.nodes)
        for node in [*nodes[:tensors], *self.needed]:
            copies[node] = graph.placeholder(node.name)
            copies[node].meta = dict(node.meta)
        for node in nodes:
            if node.op not in ("placeholder", "output") and node not in inside:
                copies[node] = graph.node_copy(node, copies.__getitem__)
        for target, value in zip((nodes[0], *nodes[2:tensors]), nodes[-1].args[0], strict=True):
            done = graph.call_function(torch.ops.aten.copy_.default, (copies[target], copies[value]))
            done.meta["val"] = target.meta["val"]
        graph.output(())
        return fx.GraphModule(traced, graph)

    def _prove(self, dtype, device, options):
        """Raise unless the program agrees with the rule itself on a small example."""
        wave = torch.linspace(0.3, 2.9, 37, dtype=torch.float64)
        x, g = (v.to(device, dtype) for v in (wave.cos(), wave.sin()))
        state = {name: v.add_(0.5) for name, v in self.rule.init(x).items()}
        new, kept = self.rule(x, -g if self.maximize else g, state, 7, **options)
        given = [x.clone(), g, *(v.clone() for v in state.values())]
        self.run([*given, *Head(self)(7, options)])
        for one, other in zip((given[0], *given[2:]), (new, *(kept[n] for n in self.rule.state_names)), strict=True):
            if not torch.allclose(one, other.to(dtype), rtol=100 * torch.finfo(dtype).eps ** 0.75, equal_nan=True):
                raise Unfusable("the compiled rule differs from the rule itself")


class Head:
    """The part of a program that depends on its numbers alone. What has not changed since its last call is kept."""

    def __init__(self, program):
        self.program = program
        self.values = [None] * len(program.recipe)
        self.given = [None] * (1 + len(program.varying))

    def __call__(self, t, options):
        """The 0-D tensors that the program needs at step ``t``."""
        given = [t, *(options[name] for name in self.program.varying)]
        given = [float(value) for value in given]
        values, changed = self.values, set()
        for i, (target, args, kwargs, sources) in enumerate(self.program.recipe):
            if target is None:
                if given[args] != self.given[args]:
                    values[i] = _tensor(given[args])
                    changed.add(i)
            elif values[i] is None or not changed.isdisjoint(sources):
                values[i] = target(*[values[a.place] if type(a) is _Place else a for a in args], **kwargs)
                changed.add(i)
        self.given = given
        return [values[i] for i in self.program.places]


class _Place:
    def __init__(self, place):
        self.place = place


def program(rule, dtype, device, options, maximize, backend="inductor"):
    """The program of a rule for tensors of this dtype and device, compiled when it is first asked for.

    Raises `Unfusable` with the reason, also the second time, if there can be none.
    """
    fixed = tuple((name, "number" if is_number(value) else repr(value)) for name, value in options.items())
    key = (rule, dtype, device, fixed, maximize, backend, torch.get_num_threads())
    if key not in PROGRAMS:
        try:
            if device.type not in DEVICES:
                raise Unfusable(f"there is no compiler for device {device.type!r}")
            with torch.no_grad():
                PROGRAMS[key] = Program(rule, dtype, device, options, maximize=maximize, backend=backend)
        except Exception as error:  # noqa: BLE001  whatever it was: eager serves
            PROGRAMS[key] = Unfusable(str(error) if isinstance(error, Unfusable) else first_line(error))
    if isinstance(PROGRAMS[key], Unfusable):
        raise PROGRAMS[key]
    return PROGRAMS[key]


def _tensor(value):
    return torch.tensor(value, dtype=torch.float64)


def _without_divisions(graph):
    """Divide vectors by a number through its reciprocal: one division a step in place of one an entry."""
    aten = torch.ops.aten
    for node in graph.find_nodes(op="call_function", target=aten.div.Tensor):
        number = node.args[1]
        if isinstance(number, fx.Node) and number.meta["val"].dim() == 0 < node.meta["val"].dim():
            with graph.inserting_before(node):
                inverse = graph.call_function(aten.reciprocal.default, (number,))
            inverse.meta["val"] = number.meta["val"]
            node.target, node.args = aten.mul.Tensor, (node.args[0], inverse)


def _narrowed(graph, dtype):
    """Round numbers once a step to the precision in which the vectors meet them, not once an entry."""
    made, last = {}, graph.find_nodes(op="placeholder")[-1]
    for node in list(graph.nodes):
        value = node.meta.get("val")
        if not isinstance(value, torch.Tensor) or value.dim() == 0 or value.dtype == torch.float64:
            continue
        for number in node.all_input_nodes:
            wide = number.meta.get("val")
            if isinstance(wide, torch.Tensor) and wide.dim() == 0 and wide.dtype == torch.float64 != dtype:
                if number not in made:
                    with graph.inserting_after(last if number.op == "placeholder" else number):
                        made[number] = graph.call_function(torch.ops.aten._to_copy.default, (number,), {"dtype": dtype})
                    made[number].meta["val"] = wide.to(dtype)
                node.replace_input_with(number, made[number])


def _numbers_only(nodes, tensors):
    """The nodes that depend on the numbers alone, as keys of a dict in order."""
    inside = dict.fromkeys(n for n in nodes[tensors:] if n.op == "placeholder")
    for node in nodes:
        value = node.meta.get("val")
        flat = all(not isinstance(a, (list, tuple, dict)) for a in node.args)
        if (
            node.op == "call_function"
            and flat
            and isinstance(value, torch.Tensor)
            and value.dim() == 0
            and all(n in inside for n in node.all_input_nodes)
            and not any(isinstance(v, fx.Node) for v in node.kwargs.values())
        ):
            inside[node] = None
    return inside


def _recipe(inside):
    """One row a node: (function, arguments, keywords, rows that it reads), or (None, which number, …)."""
    place = {node: i for i, node in enumerate(inside)}
    rows = []
    for i, node in enumerate(inside):
        if node.op == "placeholder":
            rows.append((None, i, None, ()))
        else:
            args = [_Place(place[a]) if isinstance(a, fx.Node) else a for a in node.args]
            rows.append((node.target, args, dict(node.kwargs), {place[n] for n in node.all_input_nodes}))
    return rows


def _inductor(body):
    from torch._guards import TracingContext, tracing
    from torch._inductor import config, cpu_vec_isa
    from torch._inductor.compile_fx import compile_fx_inner
    from torch._inductor.virtualized import V

    examples = [node.meta["val"] for node in body.graph.nodes if node.op == "placeholder"]
    fake = examples[0].fake_mode
    # What the processor can do is taken from its flags: to build a trial program for it takes longer than all the rest.
    trusted = {"size_asserts": False, "compile_threads": 1}
    trusted |= {"cpp.vec_isa_ok": True} if config.cpp.vec_isa_ok is None else {}
    with tracing(TracingContext(fake)), V.set_fake_mode(fake), config.patch(trusted):
        try:
            compiled = compile_fx_inner(body, examples, is_inference=True)
        except Exception:
            cpu_vec_isa.valid_vec_isa_list.cache_clear()  # others shall have the trial
            raise
    if examples[0].device.type == "cpu":
        return compiled.current_callable  # takes g in any shape; what is around it takes longer than a small tensor
    return _flattening(compiled)


def _eager(body):
    return _flattening(lambda inputs: body(*inputs))


def _flattening(run):
    def called(inputs):
        g = inputs[1]
        inputs[1] = g.as_strided((g.numel(),), (1,))
        return run(inputs)

    return called


BACKENDS = {"inductor": _inductor, "eager": _eager}
