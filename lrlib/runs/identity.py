"""Which run it is: a digest of everything that decides its numbers, so that only the very same run is taken up again.

Data count by their bytes, functions by their code and by what that code reads: closures, defaults, and the functions,
classes and values of the user's own modules that it names. What Python, lrlib and installed packages contain counts by
its name.
"""

import collections
import copyreg
import dataclasses
import functools
import hashlib
import sys
import sysconfig
import types

import numpy as np
import torch

from .._base.streams import initial_model, seeded

CODE = (types.FunctionType, type)
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, range, torch.dtype, torch.device)


def identity(description):
    """{part: digest} of a `Description`: what must agree for a stored result to be of the same run.

    Besides what was asked for, the first weights, the training data and the first loss of the first seed count: they
    move where something deep inside a task has changed that its code does not show.

    >>> from lrlib import tasks
    >>> from lrlib.runs.description import describe
    >>> one, other = (identity(describe(tasks.quadratic(), lr=lr)) for lr in (0.1, 0.2))
    >>> [part for part in one if one[part] != other[part]]
    ['lr']
    """
    d, task = description, description.task
    evaluated = {name: getattr(task, name) for name in ("valid", "test", "metric")}
    objective = {name: getattr(task, name) for name in ("loss", "l1", "l2", "penalise")}
    trained = {name: getattr(task, name) for name in ("train", "batch", "augment", "noise", "project")}
    parts = {
        "task": task.name,
        "model": task.model,
        "loss": objective,
        "data": trained,
        "evaluation": (evaluated, d.when),
        "rule": d.rule,
        "lr": d.lr0,
        "seed": d.seed,
        "seeds from": d.origin,
        "options": d.hyper,
        "plan": d.factors["lr"],
        "plans": {name: factors for name, factors in d.factors.items() if name != "lr"},
        "steps": d.steps,
        "dtype": d.dtype,
        "device": d.device.type,
        "path": d.path,
        "diverged_at": d.diverged_at,
        "start": d.start,
        "snapshots": d.snapshots,
        "plateau": d.plateau,
        "stop": d.stop,
        "first weights and loss": _first(task, d.seeds[0]),
        "versions": (torch.__version__, np.__version__),
    }
    return {name: digest(part) for name, part in parts.items()}


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
    _feed(hashed.update, things, frozenset(), {})
    return hashed.hexdigest()


def _feed(put, thing, around, code):
    """Give ``put`` the bytes of a thing.

    A thing that lies inside itself (``around``: the ids of what is being fed) only counts as met; so does code that was
    fed before (``code``: id → its number, and the thing, which must live as long as its id is kept).
    """
    put(f"{type(thing).__module__}.{type(thing).__qualname__}(".encode())
    if isinstance(thing, (torch.Tensor, np.ndarray)):
        array = thing.detach().cpu().numpy() if isinstance(thing, torch.Tensor) else thing
        put(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    elif isinstance(thing, PLAIN):
        put(repr(thing).encode())
    elif isinstance(thing, CODE) and installed(thing):
        put(f"{thing.__module__}.{thing.__qualname__}".encode())
    elif id(thing) in code:
        put(str(code[id(thing)][0]).encode())
    elif id(thing) not in around:
        if isinstance(thing, CODE):
            code[id(thing)] = len(code), thing
        for part in _parts(thing):
            _feed(put, part, around | {id(thing)}, code)
    put(b")")


def _parts(thing):
    """What an object is made of."""
    if isinstance(thing, (tuple, list, collections.deque)):
        return thing
    if isinstance(thing, (dict, types.MappingProxyType)):
        return sorted(thing.items(), key=lambda item: str(item[0]))
    if isinstance(thing, (set, frozenset)):
        return sorted(thing, key=str)
    if isinstance(thing, functools.partial):
        return thing.func, thing.args, thing.keywords
    if isinstance(thing, types.MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, types.FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        return thing.__qualname__, thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells, _read(thing)
    if isinstance(thing, types.CodeType):
        return thing.co_code, thing.co_names, thing.co_consts
    if isinstance(thing, type):
        own = {name: v for name, v in vars(thing).items() if name not in ("__doc__", "__dict__", "__weakref__")}
        return thing.__qualname__, thing.__bases__, own
    if isinstance(thing, (property, staticmethod, classmethod)):
        return [getattr(thing, name, None) for name in ("fget", "fset", "__func__")]
    if isinstance(thing, (types.ModuleType, types.BuiltinFunctionType)):
        return (thing.__name__,)
    if dataclasses.is_dataclass(thing):
        return type(thing), [(field.name, getattr(thing, field.name)) for field in dataclasses.fields(thing)]
    if not hasattr(thing, "__dict__") and not any("__slots__" in vars(kind) for kind in type(thing).__mro__):
        return _pickled(thing)
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()) if name != "__dict__"]
    return [
        type(thing),
        *((name, getattr(thing, name, None)) for name in slots if name != "__weakref__"),
        *sorted(getattr(thing, "__dict__", {}).items()),
    ]


def _read(function):
    """What a function of the user's reads from its module, as (name, value): it names it, or a function inside it does.

    Of another module of the user's it is what the code names in that.
    """
    names, waiting = set(), [function.__code__]
    while waiting:
        code = waiting.pop()
        names |= set(code.co_names)
        waiting += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
    found = [(name, function.__globals__[name]) for name in sorted(names) if name in function.__globals__]
    own = [module for _, module in found if isinstance(module, types.ModuleType) and not _ships(module)]
    inside = [(name, vars(module)[name]) for module in own for name in sorted(names) if name in vars(module)]
    return [(name, value) for name, value in found + inside if name != function.__name__ or value is not function]


@functools.cache
def _places():
    """Folders whose code counts by its name: those of Python, of installed packages, and lrlib's own."""
    library = sys.modules[__name__.partition(".")[0]].__path__[0]
    return tuple({*map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")), library})


def _ships(module):
    """Whether a module is part of Python, of an installed package or of lrlib."""
    file = getattr(module, "__file__", None)
    return module.__name__ != "__main__" and (file is None or file.startswith(_places()))


def installed(thing):
    """Whether a function or class is code that others ship, and none of the user's.

    >>> installed(torch.nn.Linear), installed(lambda x: x)
    (True, False)
    """
    module = sys.modules.get(thing.__module__)
    return module is not None and _ships(module) and "<" not in thing.__qualname__  # closures hold values of their own


def _pickled(thing):
    """What pickling would keep of an object of a class written in C; where it keeps none, a text."""
    try:
        kept = copyreg.dispatch_table.get(type(thing), lambda it: it.__reduce_ex__(2))(thing)
    except TypeError:
        kept = repr(thing)
    return kept if isinstance(kept, tuple) else (kept,)
