"""What plans and averages ask of an optimizer: the options of its groups, read and written, and which steps count.

Options are plain numbers, tensors of one number, and the members of ``betas``.
"""

import numbers
import re

import torch

_BETA = re.compile(r"beta([1-9])")
_OURS = ("params", "initial_lr", "plan_step", "plateau")
_STEP_HOOKS = "_optimizer_step_pre_hooks"
_HOOKS = (
    _STEP_HOOKS,
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def options(group):
    """Names of the options of a parameter group that are numbers, ``beta1``, ``beta2`` in place of ``betas``.

    What `lrlib.attach` keeps in a group for itself is left out.

    >>> optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    >>> options(optimizer.param_groups[0])
    ['lr', 'beta1', 'beta2', 'eps', 'weight_decay']
    """
    own = {key for option in planned(group) for key in keys(option)}.union(_OURS)
    names = []
    for name, value in group.items():
        if name == "betas":
            names += [f"beta{k + 1}" for k in range(len(value))]
        elif name not in own and is_number(value) and not isinstance(value, bool):
            names.append(name)
    return names


def planned(group):
    """Names of the options of a group that follow, or in a saved run followed, a plan."""
    found = (key.removeprefix("applied_") for key in group if key.startswith("applied_"))
    return [option for option in found if f"base_{option}" in group]


def keys(option):
    """The keys under which a group keeps the base value and the value last applied."""
    return f"base_{option}", f"applied_{option}"


def is_beta(option):
    """Whether an option is the memory of a running average, which stays below 1."""
    return _BETA.fullmatch(option) is not None


def held(group, option):
    """The value of an option as a Python number."""
    value = group.get(option)
    if type(value) is float:  # nearly always, and in every step
        return value
    value = _kept(group, option)
    return value.item() if isinstance(value, torch.Tensor) else value


def put(group, option, value):
    """Set an option, a tensor in place; return what it holds then: a tensor rounds to its own precision."""
    if type(group.get(option)) is float:
        group[option] = value
        return value
    old = _kept(group, option)
    if isinstance(old, torch.Tensor):
        old.detach().fill_(value)
        return torch.tensor(value, dtype=old.dtype).item()
    _keep(group, option, value)
    return value


def restore(group, option):
    """Give an option that followed a plan its base value back, and forget the plan."""
    base, last = keys(option)
    if base in group:
        put(group, option, group.pop(base))
    group.pop(last, None)


def check_one_number(group, option, name):
    """Raise ``ValueError`` unless a group holds the option as one number that may take any value.

    ``name`` is that of the optimizer, for the message.

    >>> check_one_number({"lr": torch.tensor(1)}, "lr", "SGD")
    Traceback (most recent call last):
    ...
    ValueError: lr of SGD is a tensor of torch.int64, which would cut off what a plan puts there; make it a float tensor
    """
    value = _kept(group, option)
    if value is None and option not in group:
        raise ValueError(f"{name} has no {option} to put a plan on; its options are {', '.join(options(group))}")
    tensor = isinstance(value, torch.Tensor)
    if value.numel() != 1 if tensor else not is_number(value):
        raise ValueError(f"{option} of {name} must be one number or a tensor of one; got {value!r}")
    if tensor and not value.is_floating_point():
        raise ValueError(
            f"{option} of {name} is a tensor of {value.dtype}, which would cut off what a plan puts there; "
            "make it a float tensor"
        )


def separate(optimizer, option):
    """Give every group a tensor of its own where groups, or the defaults of groups to come, share one.

    Groups that name no rate share the tensor that the optimizer was made with, so what one is given all would have.

    >>> rate, (p, q) = torch.tensor(0.5), (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    >>> optimizer = torch.optim.SGD([{"params": [p]}, {"params": [q]}], lr=rate)
    >>> separate(optimizer, "lr")
    >>> [group["lr"] is rate for group in (*optimizer.param_groups, optimizer.defaults)]
    [True, False, False]
    """
    seen = set()
    for holder in (*optimizer.param_groups, optimizer.defaults):
        value = _kept(holder, option)
        if id(value) in seen:
            copy_tensor(holder, option)
        seen.add(id(value))


def copy_tensor(group, option):
    """Put a copy in the place of an option that is a tensor."""
    value = _kept(group, option)
    if isinstance(value, torch.Tensor):
        _keep(group, option, value.detach().clone())


def stepped(optimizer):
    """The optimizer whose steps are counted: ``optimizer`` itself, or the one inside a wrapper that only hands on.

    Such a wrapper, as accelerate's, shows the groups and the state of the inner optimizer as its own and has no step
    hooks. A wrapper that does more (Lookahead, schedule-free averages, …) is refused, because its step is not the inner
    one; its inner optimizer can be given. Raises ``TypeError`` with the name of it.
    """
    while True:
        name, inner = _inside(optimizer)
        own, hands_on = getattr(optimizer, "__dict__", {}), inner is not None and _hands_on(optimizer, inner)
        if isinstance(optimizer, torch.optim.Optimizer) and all(hooks in own for hooks in _HOOKS) and not hands_on:
            return optimizer
        if not hands_on:
            break
        optimizer = inner
    kind = type(optimizer).__name__
    if inner is not None:
        does = (
            f"{kind} wraps {type(inner).__name__} and does more than hand its steps on; give what it wraps, its .{name}"
        )
    elif isinstance(optimizer, torch.optim.Optimizer):
        does = f"{kind} lacks the hooks that torch.optim.Optimizer.__init__ makes"
    else:
        does = f"got {kind}"
    raise TypeError(f"optimizer must be a torch.optim.Optimizer; {does}")


def _inside(optimizer):
    """Name and value of the optimizer that ``optimizer`` wraps, or (None, None)."""
    for name in ("optimizer", "base_optimizer", *getattr(optimizer, "__dict__", ())):
        inner = getattr(optimizer, name, None)
        if isinstance(inner, torch.optim.Optimizer) and inner is not optimizer:
            return name, inner
    return None, None


def _hands_on(outer, inner):
    hooks = getattr(outer, "__dict__", {}).get(_STEP_HOOKS)
    shown = getattr(outer, "param_groups", None) is inner.param_groups and getattr(outer, "state", None) is inner.state
    return shown and (hooks is None or hooks is vars(inner).get(_STEP_HOOKS))


def rehearsed(optimizer):
    """Whether the step about to be made can only fill an empty state.

    torch.distributed.checkpoint makes such a step before it saves or loads, with every rate and every gradient 0.
    """
    if optimizer.state or any(held(group, "lr") != 0 for group in optimizer.param_groups if "lr" in group):
        return False
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    return bool(gradients) and all(map(_is_zero, gradients))


def _is_zero(gradient):
    part = gradient.to_local() if hasattr(gradient, "to_local") else gradient  # of a sharded one what is here
    return part.layout is torch.strided and not part.any()


def skipped(optimizer):
    """Whether the step that ``optimizer`` was just called for did not happen, as seen from a hook after it.

    GradScaler calls a fused optimizer even where it skips the step, and leaves the reason there.
    """
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found.item())


def is_number(value):
    """Whether an option is one number, a plain one or a 0-D tensor; True and False count as 1 and 0.

    >>> is_number(0.5), is_number(torch.tensor(0.5)), is_number((0.9, 0.999)), is_number(None)
    (True, True, False, False)
    """
    return value.ndim == 0 if isinstance(value, torch.Tensor) else isinstance(value, numbers.Real)


def _kept(holder, option):
    """What a group, or the defaults, keep of an option: a number or a tensor; None where it has no such option."""
    if option in holder or not is_beta(option):
        return holder.get(option)
    betas, k = holder.get("betas", ()), _place(option)
    return betas[k] if k < len(betas) else None


def _keep(holder, option, value):
    if option in holder:
        holder[option] = value
    else:
        betas, k = holder["betas"], _place(option)
        holder["betas"] = type(betas)((*betas[:k], value, *betas[k + 1 :]))


def _place(option):
    return int(_BETA.fullmatch(option)[1]) - 1
