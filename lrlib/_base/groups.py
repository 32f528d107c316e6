"""The options of a parameter group, read and written: plain numbers, 0-D tensors, and the members of ``betas``."""

import numbers
import re

import torch

_BETA = re.compile(r"beta([1-9])")
_OURS = ("params", "initial_lr", "plan_step", "plateau")


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
    value = group[option] if option in group else group["betas"][_place(option)]
    return value.item() if isinstance(value, torch.Tensor) else value


def put(group, option, value):
    """Set an option; a tensor is filled in place."""
    if type(group.get(option)) is float:
        group[option] = value
        return
    inside = option not in group
    old = group["betas"][_place(option)] if inside else group[option]
    if isinstance(old, torch.Tensor):
        old.detach().fill_(value)
    elif inside:
        betas, k = group["betas"], _place(option)
        group["betas"] = type(betas)((*betas[:k], value, *betas[k + 1 :]))
    else:
        group[option] = value


def restore(group, option):
    """Give an option that followed a plan its base value back, and forget the plan."""
    base, last = keys(option)
    if base in group:
        put(group, option, group.pop(base))
    group.pop(last, None)


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


def _place(option):
    return int(_BETA.fullmatch(option)[1]) - 1
