"""The step of stacked lanes as a graph of tensor operations: traced once, and freed of what changes no number.

Run as it is, the graph spares what PyTorch does anew in each step: differentiating, batching, looking up modules. Its
operations are those of the step as it is written, in their order and on the same numbers, so that it gives the same
bits; what `simplify` leaves out are views that change nothing, products with one, and repetitions.
"""

import copy

import torch
from torch import fx
from torch.fx.experimental.proxy_tensor import make_fx

aten = torch.ops.aten
PLAIN = (bool, int, float, str, list, dict, tuple)
VIEWS = (aten.view.default, aten._unsafe_view.default, aten.expand.default)


def flat_step(lanes, carry, inputs):
    """The step of lanes as a function of tensors, (carry …, data …, inputs …) → (carry …, loss, applied).

    carry, inputs: of the kind that it will be called with; of the inputs one step.
    """
    many = len(carry.flat())

    def step(*tensors):
        after, loss, applied = lanes.step(
            carry.like(tensors[:many]), tensors[many : many + 2], inputs.like(tensors[many + 2 :])
        )
        return (*after.flat(), loss, applied)

    return step


def trace(lanes, carry, inputs):
    """The step as an `fx.GraphModule`; ``inputs`` of several steps, the first of which is traced.

    Raises `ValueError` where a forward pass changes attributes of the model, such as a count of its calls: a graph
    would not. They are then put back.
    """
    before = _attributes(lanes.model)
    with torch.no_grad():
        traced = make_fx(flat_step(lanes, carry, inputs))(*carry.flat(), *lanes.data, *inputs.at(0))
    changed = [name for name, value in _attributes(lanes.model).items() if value != before.get(name)]
    if changed:
        for path, name in before:
            setattr(lanes.model.get_submodule(path), name, before[path, name])
        raise ValueError(f"each forward pass changes {'.'.join(filter(None, changed[0]))} of the model")
    return traced


def _attributes(model):
    """{(path of the module, name): value} of what a model holds besides tensors and modules, as far as it is plain."""
    found = {
        (path, name): value
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, PLAIN) and not name.startswith("_")
    }
    return copy.deepcopy(found)


def simplify(traced):
    """The graph without views that change nothing, products with one, repetitions, and constants made anew each time.

    Nothing in the graph may write into a tensor, so that one that is equal can stand for another. Returns the graph, or
    the same one untouched where something in it does.
    """
    if any(_writes(node) for node in traced.graph.nodes):
        return traced
    seen = {}
    for node in list(traced.graph.nodes):
        if node.op == "call_function":
            key = node.target, str(node.args), str(node.kwargs)
            twin = _idle(node) or seen.setdefault(key, node)
            if twin is not node:
                node.replace_all_uses_with(twin)
                traced.graph.erase_node(node)
    _hoist(traced)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced


def _writes(node):
    return node.op == "call_function" and getattr(getattr(node.target, "_schema", None), "is_mutable", False)


def _idle(node):
    """The node whose value this one only repeats, or None."""
    source = node.args[0] if node.args else None
    if not isinstance(source, fx.Node) or not _alike(node, source):
        twice = node.target is aten.transpose.int and isinstance(source, fx.Node) and source.target is node.target
        return source.args[0] if twice and source.args[1:] == node.args[1:] else None
    return source if node.target in VIEWS or (node.target is aten.mul.Scalar and node.args[1] == 1) else None


def _alike(node, source):
    one, other = node.meta.get("val"), source.meta.get("val")
    if not (isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)):
        return False
    return (one.shape, one.stride(), one.dtype) == (other.shape, other.stride(), other.dtype)


def _hoist(traced):
    """Make each constant once."""
    for place, node in enumerate(traced.graph.find_nodes(op="call_function", target=aten.scalar_tensor.default)):
        name = f"constant_{place}"
        traced.register_buffer(name, node.target(*node.args, **node.kwargs), persistent=False)
        with traced.graph.inserting_before(node):
            constant = traced.graph.get_attr(name)
        node.replace_all_uses_with(constant)
        traced.graph.erase_node(node)
