"""Which path a sweep takes: "eager", "compiled" or "loop", and why."""

import math

import torch
from torch.func import grad_and_value, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry

from ..._base.arguments import first_line
from ..evaluation import evaluating, measure
from ..few import on_few
from ..._base.device import placed
from ..._base.start import projected
from ..._base.streams import initial_model, random_state, seeded
from .dropout import recorded, replayed
from .lanes import called

COMPILE_SECONDS = 30.0  # what a compilation in another process takes on a slow machine
WORTH = 2.0  # compile when the eager steps would take that many compilations
OPERATION, FLOPS = 4e-6, 7e10  # rough costs of an eager step: seconds an operation, arithmetic a second


def obstacle(description):
    """Return why ``vmap`` cannot run this task and rule as lanes, or None if it can.

    A trial on a few examples (`on_few`): but for dropout the forward pass must draw no random numbers, and loss,
    buffers and evaluation must become under ``vmap`` what they become alone. Where each lane has data of its own, that
    must run too.
    """
    rule, seed = description.rule, description.seeds[0]
    if rule.kind == "closure":
        return f"the rule {rule.name!r} is of kind 'closure', which computes losses of its own"
    task, device, dtype = description.task, description.device, description.dtype
    model = initial_model(task, seed, dtype, device)
    if not all(p.requires_grad for p in model.parameters()):
        return "some parameters are frozen (requires_grad=False)"
    start = [{n: v.detach().clone() for n, v in named} for named in (model.named_parameters(), model.named_buffers())]

    def loss(parameters, buffers, masks, x, y):
        with replayed(masks):
            output, buffers = called(model, parameters, buffers, x)
            return task.objective(output, y, parameters), buffers

    def alone(*data):
        x, y = placed(data, device, dtype)
        with seeded(0, device), torch.no_grad(), recorded(device) as calls:
            before = random_state(device)
            expected = loss(*start, (), x, y=y)
            return x, y, expected, [mask for _, mask in calls], all(map(torch.equal, before, random_state(device)))

    data = task.train_for(seed)
    x, y, expected, masks, still = on_few(alone, data, task.batch or len(data[0]))
    if not still:
        return "model or loss draw random numbers in other ways than by dropout"
    unused = _unused(lambda parameters: loss(parameters, start[1], masks, x, y=y)[0], start[0])
    if unused:
        return f"the loss does not use {unused[0]}, which fit leaves as it is and lanes would decay"

    def run(parameters, buffers, masks, x=x, y=y):
        return grad_and_value(loss, has_aux=True)(parameters, buffers, masks, x, y)[1]

    return (
        _trial(run, [*start, masks], expected)
        or _trial(run, [*start, masks, *_own(task, x, y)], ())  # rounds otherwise, so nothing is compared
        or _evaluation_trial(task, model, start, x, y=y)
        or _trial(lambda p: projected(task, p), start[:1], projected(task, start[0]), "projection")
    )


def _unused(loss, parameters):
    """Names of the parameters that get no gradient, not even zero."""
    leaves = {name: p.detach().clone().requires_grad_() for name, p in parameters.items()}
    with torch.enable_grad():
        found = torch.autograd.grad(loss(leaves), leaves.values(), allow_unused=True)
    return [name for name, gradient in zip(leaves, found) if gradient is None]


def _own(task, x, y):
    """What of the data each lane has for itself: nothing where all see the whole of one training set."""
    if task.batch is None and not task.fresh:
        return [] if task.augment is None else [x]
    return [x, y]


def _trial(function, arguments, expected, what="loss or other buffers"):
    stacked = tree_map(lambda v: torch.stack([v] * 2), arguments)
    try:
        found = vmap(function)(*stacked)
    except Exception as error:  # whatever a user's module raises here is the reason to report
        return f"vmap cannot run this model: {first_line(error)}"
    for one, two in zip(tree_leaves(expected), tree_leaves(found)):
        if not torch.allclose(two, one.expand_as(two), rtol=1e-3, atol=1e-6, equal_nan=True):
            return f"vmap gives another {what} than the model alone"
    return None


def _evaluation_trial(task, model, start, x, y):
    """The same for loss and metric of an evaluation, in which nothing may be drawn."""
    with evaluating(model), seeded(0, x.device):
        try:
            expected = measure(task, model, *start, x=x, y=y)
        except Exception as error:  # a metric may need more
            return f"no evaluation of {len(x)} examples: {first_line(error)}"
        return _trial(lambda p, b: measure(task, model, p, b, x=x, y=y), start, expected, "evaluation")


def eager_seconds(lanes, steps):
    """Rough seconds of an eager sweep, from its description alone: ``steps`` × (operations of a step + its arithmetic).

    The arithmetic is counted by making one step, the operations are taken from the number of parameter tensors. No
    clock is read, so that the same sweep takes the same path on every machine, busy or not.
    """
    carry, inputs = lanes.begin(), lanes.inputs(0, 1)
    with torch.no_grad(), _Arithmetic() as counted:
        lanes.step(carry, lanes.data, inputs.like(inputs.at(0)))
    operations = OPERATION * (40 + 25 * len(lanes.shapes))
    return steps * (operations + counted.total / FLOPS)


class _Arithmetic(TorchDispatchMode):
    """Counts what the products, convolutions and attentions inside it take: multiplications and additions."""

    total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found, count = function(*args, **kwargs or {}), flop_registry.get(function.overloadpacket)
        self.total += count(*args, **kwargs or {}, out_val=found) if count else 0
        return found


def decide(path, lanes, steps):
    """Return ``(path, reason, step)`` for lanes that ``vmap`` can run.

    step: None, or the one from which on a program that another process compiles makes the steps. It follows from the
    description alone, never from when the program is ready, and is late enough for it to be.
    """
    if path != "auto":
        return path, "asked for", None
    seconds = eager_seconds(lanes, steps)
    said = f"about {seconds:.{0 if seconds > 10 else 1}f} s of eager steps"
    if seconds < WORTH * COMPILE_SECONDS:
        return "eager", f"{said} are not worth a compilation (limit {WORTH * COMPILE_SECONDS:.0f} s)", None
    return "eager", f"{said} are worth a compilation", math.ceil(steps * COMPILE_SECONDS / seconds)
