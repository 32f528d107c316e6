"""An element-wise rule as a tape: its operations in order, each writing into memory that is there already.

The eager path plays it, with the same operations on the same numbers as the rule itself, and so with the same results
bit by bit; what it saves is the memory that every operation would allocate. Long vectors are played in blocks that
stay in the processor's cache. A product with a number that is then added or subtracted takes one pass instead of two:
``addcmul`` with a factor of one rounds as the two do, where ``add`` with its ``alpha`` rounds once. Tapes are made of
this library's rules alone: a rule of your own runs as it is written.

Why it is here: a rule is written for reading, and run as it is written it takes 1.5 to 3 times as long as torch's own
loop over tensors; its tape takes 0.9 to 1.15 times as long. Milliseconds a step, 2.6 million float32 entries in 80
tensors, one thread of an AMD EPYC, torch 2.13, medians of 15 interleaved rounds:

========  ===============  ====  ============
rule      rule as written  tape  torch's loop
========  ===============  ====  ============
sgd                  3.29  1.25          1.10
momentum             5.08  2.49          2.60
adam                14.1   8.1           7.0
adamw               14.7   8.4           7.3
radam               14.2   8.7           9.5
========  ===============  ====  ============

``tests/benchmarks/optimizers.py`` measures the last two columns again. What it uses of torch that is private stands in
`lrlib.methods.optimizers.compiled.program`.
"""

import operator

import torch
from torch import fx

from ...._base.groups import held, is_number

BLOCK = 1 << 18
TAPES = {}
COMMUTING = (operator.mul, operator.add)
# How an operation is written: {0}, {1} … are its operands, in the order of the node's arguments.
WRITTEN = {
    operator.mul: "torch.mul({0}, {1}, out={out})",
    operator.add: "torch.add({0}, {1}, out={out})",
    operator.sub: "torch.sub({0}, {1}, out={out})",
    operator.truediv: "torch.div({0}, {1}, out={out})",
    operator.pow: "torch.pow({0}, {1}, out={out})",
    operator.neg: "torch.neg({0}, out={out})",
    torch.maximum: "torch.maximum({0}, {1}, out={out})",
    "sqrt": "torch.sqrt({0}, out={out})",
    "reciprocal": "torch.reciprocal({0}, out={out})",
    "plus": "torch.addcmul({0}, {1}, one, value={2}, out={out})",
    "minus": "torch.addcmul({0}, {1}, one, value=-{2}, out={out})",
}
SIGNS = {"plus": 1, "minus": -1}
ONES = {}


class Untraceable(RuntimeError):
    """Why a rule runs as it is written."""


class Recorder(fx.proxy.GraphAppendingTracer):
    """Records a call of a rule; a branch on numbers is followed as it falls now, and kept as a guard."""

    def __init__(self):
        super().__init__(fx.Graph())
        self.numbers, self.guards = {}, {}

    def proxy(self, node):
        """A node as the rule sees it."""
        return Recorded(node, self)

    def proxies(self, names):
        """One input for each name."""
        return [self.create_proxy("placeholder", name, (), {}) for name in names]

    def to_bool(self, proxy):
        """The truth of a condition on numbers."""
        outcome = bool(_number_at(proxy.node, self.numbers))
        self.guards[proxy.node] = outcome
        return outcome


class Recorded(fx.Proxy):
    """A value of a rule while it is recorded, on the device where tapes are played."""

    device = torch.device("cpu")


class Tape:
    """``tape.run([x, g, *state, *numbers, *scratch])`` updates x and the state; the numbers come from ``head``."""

    def __init__(self, rule, maximize, options, t):
        recorder = Recorder()
        x, g, *state = recorder.proxies(["x", "g", *rule.state_names])
        numbers = recorder.proxies(["t", *(f"option_{name}" for name in options)])
        recorder.numbers = dict(zip([p.node for p in numbers], [t, *options.values()], strict=True))
        new, kept = rule(
            x, -g if maximize else g, dict(zip(rule.state_names, state)), numbers[0], **dict(zip(options, numbers[1:]))
        )
        results = [new.node, *(kept[name].node for name in rule.state_names)]
        targets = [x.node, *(p.node for p in state)]
        self.inputs, self.guards = [p.node for p in numbers], recorder.guards
        own = {x.node, g.node, *targets}
        _without_quotients(recorder.graph, _reached(recorder.graph.nodes, own))
        results = _merged(recorder.graph, results, _reached(recorder.graph.nodes, own))
        used = _ancestors([*results, *self.guards])
        nodes = [n for n in recorder.graph.nodes if n in used]
        vectors = _reached([n for n in nodes if n not in self.inputs], own)
        self.sums = [n for n in nodes if n not in vectors and n.op != "placeholder"]
        self.needed = [n for n in nodes if n not in vectors and any(user in vectors for user in n.users)]
        self.wide = 2 + len(rule.state_names)
        self.allocation = Allocation(
            [x.node, g.node, *targets[1:], *self.needed], vectors, dict(zip(results, targets, strict=True))
        )
        steps = [n for n in nodes if n in vectors and n.op != "placeholder"]
        self._lay_out(steps, nodes, (x.node, g.node))

    def _lay_out(self, steps, nodes, vectors):
        """Lay out the operations ``steps``; ``alone``: the only one is x plus or minus a changing number times g."""
        for node in steps:
            self.allocation.add(node, nodes)
        self.play = self.allocation.function()
        self.alone = len(steps) == len(self.needed) == 1 and steps[0].target in SIGNS and steps[0].args[:2] == vectors
        self.sign = SIGNS.get(steps[-1].target)

    def head(self, t, options):
        """The numbers that the vectors meet at step t, or None where the rule would branch otherwise than here."""
        values = dict(zip(self.inputs, [t, *options.values()]))
        for node in (*self.inputs, *self.sums):
            if node not in values:
                values[node] = node.target(*[values[a] if isinstance(a, fx.Node) else a for a in node.args])
            if node in self.guards and bool(values[node]) != self.guards[node]:
                return None
        return [values[node] for node in self.needed]

    def run(self, given):
        """Play the tape, block by block if the vectors are long and there is more than one operation."""
        x = given[0]
        one = _one(x.dtype)
        if x.numel() <= BLOCK or len(self.allocation.lines) == 1:
            return self.play(one, *given)
        middle = self.wide + len(self.needed)
        numbers, scratch = given[self.wide : middle], given[middle:]
        for blocks in zip(*(v.split(BLOCK) for v in given[: self.wide])):
            m = len(blocks[0])
            self.play(one, *blocks, *numbers, *(scratch if m == BLOCK else [s[:m] for s in scratch]))
        return None

    def run_all(self, x, g, number):
        """Play a tape that is x plus or minus a number times g (``alone``) on lists of tensors of any shapes."""
        torch._foreach_addcmul_(x, g, [_one(x[0].dtype)] * len(x), value=self.sign * number)


class Allocation:
    """A tape as a function: where each operation writes (into x or a state that is read no more, or into scratch)."""

    def __init__(self, given, vectors, target_of):
        self.place = {node: i for i, node in enumerate(given)}
        self.holder = {self.place[target]: target for target in target_of.values()}
        self.first, self.vectors, self.target_of, self.lines = len(given), vectors, target_of, []
        self.free, self.registers = [], 0

    def add(self, node, nodes):
        """Append one operation."""
        left = nodes[nodes.index(node) + 1 :]
        written, operands = self._operation(node)
        for operand in set(node.all_input_nodes):
            if self.place[operand] >= self.first and operand.users.keys().isdisjoint(left):
                self.free.append(self.place[operand])
        out = self._own(node, left)
        if out is None and self.free:
            out = self.free.pop()
        elif out is None:
            out, self.registers = self.first + self.registers, self.registers + 1
        self.place[node] = out
        self.lines.append("    " + written.format(*operands, out=f"v{out}"))

    def function(self):
        """The operations as one Python function of ``one``, the given values and scratch memory."""
        names = ", ".join(f"v{i}" for i in range(self.first + self.registers))
        space = {"torch": torch}
        exec("\n".join([f"def play(one, {names}, *_):", *self.lines, "    return None"]), space)
        return space["play"]

    def _own(self, node, left):
        """The memory of the value that this operation replaces, or helps to replace, if that is read no more."""
        user = next(iter(node.users)) if len(node.users) == 1 else None
        target = self.target_of.get(node, self.target_of.get(user))
        place = self.place.get(target)
        if place is not None and self.holder[place].users.keys().isdisjoint(left):
            self.holder[place] = node
            return place
        if node in self.target_of:
            raise Untraceable("a new value is found before the old one has served")
        return None

    def _operation(self, node):
        """How a node is computed into given memory, and its operands as they are written."""
        written, args = WRITTEN.get(node.target), list(node.args)
        if node.target in COMMUTING and args[0] not in self.vectors:
            args.reverse()
        if written is None or node.kwargs or args[0] not in self.vectors:
            raise Untraceable(f"no tape for {node.target}")
        return written, [f"v{self.place[a]}" if isinstance(a, fx.Node) else repr(a) for a in args]


def tape(rule, maximize, options, t):
    """The tape of a rule at step t and its numbers there, recorded when it is first asked for: → (tape, numbers).

    Raises `Untraceable` where the rule is to run as it is written.
    """
    tapes = TAPES.setdefault((rule, maximize), [])
    for found in tapes:
        numbers = None if found is None else found.head(t, options)
        if found is None:
            raise Untraceable(f"{rule.name} has no tape")
        if numbers is not None:
            return found, numbers
    try:
        if not rule.update.__module__.startswith("lrlib.methods.rules."):
            raise Untraceable("a rule of the user's own")
        tapes.append(Tape(rule, maximize, options, t))
    except Exception as error:  # noqa: BLE001  the rule itself serves
        tapes.append(None)
        raise Untraceable(str(error)) from error
    return tapes[-1], tapes[-1].head(t, options)


def numbers_of(options):
    """The options as plain numbers; raises `Untraceable` where one is none."""
    found = {name: held(options, name) if is_number(value) else value for name, value in options.items()}
    if not all(isinstance(value, (int, float)) for value in found.values()):
        raise Untraceable("an option that is not one number")
    return found


def _one(dtype):
    return ONES[dtype] if dtype in ONES else ONES.setdefault(dtype, torch.ones((), dtype=dtype))


def _number_at(node, numbers):
    if node in numbers:
        return numbers[node]
    if node.op != "call_function":
        raise Untraceable("the rule branches on its tensors")
    return node.target(*[_number_at(a, numbers) if isinstance(a, fx.Node) else a for a in node.args])


def _ancestors(nodes):
    found, left = set(), list(nodes)
    while left:
        node = left.pop()
        if node not in found:
            found.add(node)
            left.extend(node.all_input_nodes)
    return found


def _merged(graph, results, vectors):
    """Make one node of a product with a number and the sum that it goes into; return ``results`` with the new nodes."""
    for node in list(graph.nodes):
        if node.target not in (operator.add, operator.sub) or not vectors.issuperset(node.args):
            continue
        w, product = node.args
        if node.target is operator.add and not _scaled(product, vectors):
            w, product = product, w
        if w is product or product in results or len(product.users) > 1 or not _scaled(product, vectors):
            continue
        y, c = product.args if product.args[0] in vectors else reversed(product.args)
        kind = "plus" if node.target is operator.add else "minus"
        with graph.inserting_before(node):
            merged = graph.create_node("call_method", kind, (w, y, c))
        vectors.add(merged)
        node.replace_all_uses_with(merged)
        results = [merged if result is node else result for result in results]
        graph.erase_node(node)
        graph.erase_node(product)
    return results


def _without_quotients(graph, vectors):
    """Write a number over a vector as PyTorch computes it: the reciprocal of the vector, times the number."""
    for node in graph.find_nodes(op="call_function", target=operator.truediv):
        number, vector = node.args
        if vector in vectors and number not in vectors:
            with graph.inserting_before(node):
                inverse = graph.create_node("call_method", "reciprocal", (vector,))
            node.target, node.args = operator.mul, (inverse, number)


def _scaled(node, vectors):
    """Whether a node is a vector times a number."""
    return node.target is operator.mul and sum(arg in vectors for arg in node.args) == 1


def _reached(nodes, start):
    found = set(start)
    found.update(node for node in nodes if not found.isdisjoint(node.all_input_nodes) and not found.add(node))
    return found
