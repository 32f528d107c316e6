"""Which path a sweep takes: "eager", "compiled" or "loop", and why."""

import torch
from torch.func import functional_call, vmap

from ..streams import initial_model, seeded

PATHS = ("auto", "eager", "compiled", "loop")
COMPILE_SECONDS = 15.0          # what a compilation takes on a slow machine
WORTH = 2.0                     # compile when the eager steps would take that many compilations
OPERATION, FLOPS = 8e-6, 2e9    # rough costs of an eager step: seconds an operation, arithmetic a second


def obstacle(task, rule, seed, device, dtype):
    """Return why ``vmap`` cannot run this task and rule as lanes, or None if it can.

    A trial on two examples: the forward pass must draw no random numbers, change no buffer, and give under ``vmap``
    what it gives alone.
    """
    if rule.kind not in ("element", "tensor"):
        return f"the rule {rule.name!r} is of kind {rule.kind!r}, which looks at more than one tensor"
    model = initial_model(task, seed, dtype, device)
    if not all(p.requires_grad for p in model.parameters()):
        return "some parameters are frozen (requires_grad=False)"
    x, y = (d[:2].to(device, dtype if d.is_floating_point() else None) for d in task.train_for(seed))
    before = {n: b.clone() for n, b in model.named_buffers()}
    with seeded(0), torch.no_grad():
        state = torch.get_rng_state()
        expected = task.loss(model(x), y)
        if not torch.equal(state, torch.get_rng_state()):
            return "the model draws random numbers in its forward pass, as dropout does"
    changed = [n for n, b in model.named_buffers() if not torch.equal(b, before[n])]
    if changed:
        return f"the forward pass changes the buffer {changed[0]!r}, as batch normalisation does"
    return _trial(task, model, x, y, expected)


def _trial(task, model, x, y, expected):
    def loss(parameters, buffers):
        return task.loss(functional_call(model, (parameters, buffers), (x,)), y)

    stacked = [{n: torch.stack([v.detach()] * 2) for n, v in named} for named in
               (model.named_parameters(), model.named_buffers())]
    try:
        losses = vmap(torch.func.grad_and_value(loss))(*stacked)[1]
    except Exception as error:                     # whatever a user's module raises here is the reason to report
        return f"vmap cannot run this model: {type(error).__name__}: {str(error).splitlines()[0]}"
    if not torch.allclose(losses, expected.expand(2), rtol=1e-3, equal_nan=True):
        return "vmap gives another loss than the model alone"
    return None


def eager_seconds(task, lanes_count, parameters, examples, steps):
    """Rough seconds of an eager sweep: ``steps`` × (operations of a step + its arithmetic).

    ``parameters``: list of tensors of one lane; ``examples``: of a batch.
    """
    operations = OPERATION * (40 + 25 * len(parameters))
    arithmetic = 6.0 * lanes_count * sum(p.numel() for p in parameters) * (examples + 3) / FLOPS
    return steps * (operations + arithmetic)


def decide(path, lanes, steps):
    """Return ``(path, reason)`` for lanes that ``vmap`` can run."""
    if path != "auto":
        return path, "asked for"
    examples = lanes.n if lanes.task.batch is None else lanes.task.batch
    seconds = eager_seconds(lanes.task, len(lanes.lr0), list(lanes.model.parameters()), examples, steps)
    limit = WORTH * COMPILE_SECONDS
    if seconds > limit:
        return "compiled", f"about {seconds:.0f} s of eager steps are worth a compilation"
    return "eager", f"about {seconds:.1f} s of eager steps are not worth a compilation (limit {limit:.0f} s)"
