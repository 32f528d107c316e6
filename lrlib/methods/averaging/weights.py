"""What is averaged, as tensors by the names of the plain model."""

import numpy as np
import torch

from ..._base.streams import is_lazy

_WRAPPING = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


def tensors_of(source, buffers):
    """{name: detached tensor} of a module, a record, a dict or a list, whose names are the places."""
    if isinstance(source, torch.nn.Module):
        if is_lazy(source):
            raise ValueError("source has lazy layers without weights yet; call the network on one batch before")
        named = dict(source.named_parameters()) | (dict(source.named_buffers()) if buffers else {})
        if not named:
            raise ValueError(f"source must have weights to average; got {type(source).__name__} without any")
        return _plainly({name: tensor.detach() for name, tensor in named.items()}, dict(source.named_parameters()))
    source = getattr(source, "parameters", source)
    if isinstance(source, (list, tuple)):
        source = {str(place): value for place, value in enumerate(source)}
    if not isinstance(source, dict) or not source:
        raise TypeError(
            "source must be a module, a Record, a dict name → tensor or a list of tensors, not empty; "
            f"got {type(source).__name__}"
        )
    return _plainly({name: torch.as_tensor(value).detach() for name, value in source.items()}, source)


def array_names(source):
    """Names of what is a NumPy array in ``source``."""
    source = getattr(source, "parameters", source)
    if not isinstance(source, dict):
        return []
    return [name for name, value in _plainly(source, source).items() if isinstance(value, np.ndarray)]


def _plainly(named, weights):
    """``named`` without what wrappers put into names; "module." before all names of ``weights`` is a wrapper's.

    >>> _plainly({"module._orig_mod.0.weight": 1, "module._orig_mod.0.bias": 2}, ["module._orig_mod.0.weight"])
    {'0.weight': 1, '0.bias': 2}
    """
    first = [_unwrapped(name) for name in weights]
    prefix = ""
    while first and all(name.startswith(prefix + "module.") for name in first):
        prefix += "module."
    found = {_unwrapped(name).removeprefix(prefix): value for name, value in named.items()}
    if len(found) < len(named):
        raise ValueError(f"source: two weights have one name without what wrappers add: {', '.join(named)}")
    return found


def _unwrapped(name):
    return ".".join(part for part in str(name).split(".") if part not in _WRAPPING)


def check_like(known, tensors):
    """Raise ``ValueError`` unless names and shapes are the known ones."""
    wanted, given = ({n: tuple(t.shape) for n, t in named.items()} for named in (known, tensors))
    if wanted != given:
        name = next(n for n in [*wanted, *given] if wanted.get(n) != given.get(n))
        raise ValueError(
            f"weights must be those averaged so far: {name!r} had shape {wanted.get(name, 'none')}, now "
            f"{given.get(name, 'none')}"
        )


@torch.no_grad()
def fill(tensors, values):
    """Copy ``values`` into the tensors of the same names."""
    for name, value in values.items():
        tensors[name].copy_(value)
