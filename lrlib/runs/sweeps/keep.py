"""Parts of a sweep on disk, so that a sweep that was broken off goes on where it was."""

import collections
import copyreg
import dataclasses
import functools
import hashlib
import types
from pathlib import Path

import numpy as np
import torch

from ..record import Record
from ..._base.streams import initial_model, seeded


class Shelf:
    """Records in a folder, under the digest of everything that decides their numbers.

    Two sweeps share a part only if task, rule and settings agree (`digest`) and the first weights, the training data
    and the loss of the first seed as well. A file that cannot be read counts as missing.
    """

    def __init__(self, folder, setup, settings):
        self.folder, self.taken = Path(folder), 0
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"folder must be a folder; got the file {str(folder)!r}")
        self.key = digest(setup.task, setup.rule, settings, _first(setup.task, setup.seeds[0]))

    def path(self, *part):
        """The file of one part; ``part``: what sets it apart from the others."""
        return self.folder / f"part-{digest(self.key, part)}.npz"

    def get(self, *part):
        """The part's Record, or None."""
        try:
            record = Record.load(self.path(*part))
        except (OSError, ValueError, KeyError):
            return None
        self.taken += 1
        return record

    def put(self, record, *part):
        """Store the part's Record, in one piece."""
        record.save(self.path(*part))


def _first(task, seed):
    """First weights, training data and first loss: what a change in a function deep inside a task would move."""
    model = initial_model(task, seed)
    x, y = task.train_for(seed)
    with seeded(seed), torch.no_grad():
        loss = task.loss(model(x[:2].float() if x.is_floating_point() else x[:2]), y[:2])
    return list(model.state_dict().values()), x, y, loss


def digest(*things):
    """A text that is the same in another process if the things are: data by their bytes, functions by their code.

    >>> digest(1, lambda x: x + 1) == digest(1, lambda x: x + 1), digest(1) == digest(2)
    (True, False)
    """
    hashed = hashlib.blake2b(digest_size=12)
    _feed(hashed.update, things, set())
    return hashed.hexdigest()


def _feed(put, thing, seen):
    """Give ``put`` the bytes of a thing; what was met before inside it, as in a cycle, only counts as met."""
    put(f"{type(thing).__module__}.{type(thing).__qualname__}(".encode())
    if isinstance(thing, (torch.Tensor, np.ndarray)):
        array = thing.detach().cpu().numpy() if isinstance(thing, torch.Tensor) else thing
        put(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    elif isinstance(
        thing, (type(None), bool, int, float, complex, str, bytes, np.generic, range, torch.dtype, torch.device, type)
    ):
        put(repr(thing).encode())
    elif id(thing) not in seen:
        for part in _parts(thing):
            _feed(put, part, seen | {id(thing)})
    put(b")")


def _parts(thing):
    """What an object is made of."""
    if isinstance(thing, (tuple, list, collections.deque)):
        return thing
    if isinstance(thing, dict):
        return sorted(thing.items(), key=lambda item: str(item[0]))
    if isinstance(thing, (set, frozenset)):
        return sorted(thing, key=str)
    if isinstance(thing, functools.partial):
        return thing.func, thing.args, thing.keywords
    if isinstance(thing, types.MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, types.FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        return thing.__qualname__, thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells
    if isinstance(thing, types.CodeType):
        return thing.co_code, thing.co_names, thing.co_consts
    if isinstance(thing, (types.ModuleType, types.BuiltinFunctionType)):
        return (thing.__name__,)
    if dataclasses.is_dataclass(thing):
        return [(field.name, getattr(thing, field.name)) for field in dataclasses.fields(thing)]
    if not hasattr(thing, "__dict__") and not any("__slots__" in vars(kind) for kind in type(thing).__mro__):
        return _pickled(thing)
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()) if name != "__dict__"]
    return [
        *((name, getattr(thing, name, None)) for name in slots if name != "__weakref__"),
        *sorted(getattr(thing, "__dict__", {}).items()),
    ]


def _pickled(thing):
    """What pickling would keep of an object of a class written in C; where it keeps none, a text."""
    try:
        kept = copyreg.dispatch_table.get(type(thing), lambda it: it.__reduce_ex__(2))(thing)
    except TypeError:
        kept = repr(thing)
    return kept if isinstance(kept, tuple) else (kept,)
