"""Put everything of the user's back as it was: what makes a trial run on their own model safe."""

from __future__ import annotations

import copy
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


@contextmanager
def random_states(batches: Iterable[Any] | None = None) -> Iterator[None]:
    """Restore the random state of Python, NumPy and torch (every device in use) on leaving, however one leaves.

    Args:
        batches: a `DataLoader` or other iterable; the `torch.Generator` of it, of its sampler and of its batch
            sampler are restored too, so that the next epoch comes in the same order as without the trial.

    Example:
        >>> state = torch.random.get_rng_state()
        >>> with random_states():
        ...     _ = torch.rand(3)
        >>> torch.equal(state, torch.random.get_rng_state())
        True
    """
    restore = remembered(batches)
    try:
        yield
    finally:
        restore()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work in one thread, and in as many as before on leaving, however one leaves.

    >>> before = torch.get_num_threads()
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def remembered(batches=None):
    """A function that puts back the random states of now, as `random_states` does on leaving, as often as it is called.

    >>> restore = remembered()
    >>> first = torch.rand(3)
    >>> restore()
    >>> torch.equal(first, torch.rand(3))
    True
    """
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    own = [(generator, generator.get_state()) for generator in _generators(batches)]

    def restore():
        random.setstate(python)
        np.random.set_state(numpy)
        torch.random.set_rng_state(cpu)
        for device, state in enumerate(cuda):
            torch.cuda.set_rng_state(state, device)
        if mps is not None:
            torch.mps.set_rng_state(mps)
        for generator, state in own:
            generator.set_state(state)

    return restore


def _generators(batches):
    batch_sampler = getattr(batches, "batch_sampler", None)
    owners = (batches, getattr(batches, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None))
    found = [getattr(owner, "generator", None) for owner in owners]
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())


@contextmanager
def preserved(model, optimizer, batches=None):
    """Restore model, optimizer and random state on leaving, also when an exception is raised inside.

    Restored: parameters, buffers, gradients and train/eval mode of every module; each parameter group with all
    its settings, and the defaults of new ones (tensors in place, so that a compiled step still sees its own tensor, and
    groups that share one share it again); the optimizer's state; the counters that PyTorch's schedulers keep on it;
    the random states of `random_states`. The memory of one copy of model and optimizer state is needed meanwhile.

    Example:
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with preserved(model, optimizer):
        ...     _ = torch.nn.init.zeros_(model.weight)
        ...     optimizer.param_groups[0]["lr"] = 7.0
        >>> bool(model.weight.any()), optimizer.param_groups[0]["lr"]
        (True, 0.1)
    """
    undo_model, undo_optimizer = _remember_model(model, optimizer), _remember_optimizer(optimizer)
    with random_states(batches):
        try:
            yield
        finally:
            undo_optimizer()
            undo_model()


def _remember_model(model, optimizer):
    parameters = {id(p): p for p in model.parameters()}
    parameters |= {id(p): p for group in optimizer.param_groups for p in group["params"]}
    saved = [(p, p.detach().clone(), p.grad) for p in parameters.values()]
    buffers = [
        (module, name, b, None if b is None else b.clone())
        for module in model.modules()
        for name, b in module._buffers.items()
    ]
    modes = [(module, module.training) for module in model.modules()]
    for p in parameters.values():
        p.grad = None  # the user's gradients wait aside: nothing is added to them

    @torch.no_grad()
    def undo():
        for p, value, grad in saved:
            p.data.copy_(value)
            p.grad = grad
        for module, name, buffer, value in buffers:
            module._buffers[name] = buffer if value is None else buffer.copy_(value)
        for module, mode in modes:
            module.training = mode

    return undo


def _remember_optimizer(optimizer):
    groups = list(optimizer.param_groups)
    undo_groups = [_remember_dict(options, skip=("params",)) for options in (*groups, optimizer.defaults)]
    undo_state = _remember_dict(optimizer.state)
    plain = _plain_attributes(optimizer)

    def undo():
        optimizer.param_groups[:] = groups
        for restore in (*undo_groups, undo_state):
            restore()
        for name in _plain_attributes(optimizer):
            if name not in plain:
                delattr(optimizer, name)
        vars(optimizer).update(plain)

    return undo


def _plain_attributes(optimizer):
    return {name: v for name, v in vars(optimizer).items() if isinstance(v, (bool, int, float, str, type(None)))}


def _remember_dict(entries, skip=()):
    """A function that gives the dictionary its entries back: tensors and inner dictionaries in place."""
    undo_inner, tensors, others = [], {}, {}
    for key, value in entries.items():
        if key in skip:
            continue
        if isinstance(value, torch.Tensor):
            tensors[key] = (value, value.detach().clone())
        elif isinstance(value, dict):
            undo_inner.append(_remember_dict(value))
            tensors[key] = (value, None)
        else:
            others[key] = copy.deepcopy(value)

    @torch.no_grad()
    def restore():
        for key in [key for key in entries if key not in tensors and key not in others and key not in skip]:
            del entries[key]
        for key, (value, kept) in tensors.items():
            entries[key] = value
            if kept is not None:
                value.data.copy_(kept)
        entries.update(others)
        for undo in undo_inner:
            undo()

    return restore
