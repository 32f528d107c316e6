"""A text for any object that is the same wherever the object is: what tells one task or setting from another.

Data count by their bytes, functions by their code and by what that code reads: closures, defaults, and the functions,
classes and values of the user's own modules that it names. What Python, lrlib and installed packages contain counts by
its name; a logger and what cannot be pickled, such as a lock, by its name or type.
"""

import collections
import copyreg
import functools
import hashlib
import inspect
import itertools
import logging
import os
import site
import sys
import sysconfig
import types

import numpy as np
import torch

CODE = (types.FunctionType, type)
KEPT_BY_PYTHON = ("__doc__", "__dict__", "__weakref__", "__slotnames__", "__firstlineno__", "__static_attributes__")
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, range, torch.dtype, torch.device)


def digest(*things):
    """A text that is the same in another process if the things are: data by their bytes, functions by their code.

    >>> digest(1, lambda x: x + 1) == digest(1, lambda x: x + 1), digest(1) == digest(2)
    (True, False)
    """
    hashed = hashlib.blake2b(digest_size=12)
    _feed(hashed.update, things, {})
    return hashed.hexdigest()


def _feed(put, thing, met):
    """Give ``put`` the bytes of a thing; one that was met before, or holds itself, counts as its number.

    ``met``: id → number, and the thing, which must live as long as its id is kept. Tuples have none, since Python
    itself decides which of the equal ones are one.
    """
    put(f"{type(thing).__module__}.{type(thing).__qualname__}(".encode())
    if isinstance(thing, torch.Tensor):
        put(f"{thing.dtype}{tuple(thing.shape)}".encode() + _bytes(thing))
    elif isinstance(thing, np.ndarray) and not thing.dtype.hasobject:
        put(f"{thing.dtype}{thing.shape}".encode() + np.ascontiguousarray(thing).tobytes())
    elif isinstance(thing, PLAIN):
        put(repr(thing).encode())
    elif isinstance(thing, CODE) and _installed(thing):
        put(f"{thing.__module__}.{thing.__qualname__}".encode())
    elif id(thing) in met:
        put(str(met[id(thing)][0]).encode())
    else:
        if not isinstance(thing, (tuple, frozenset)):
            met[id(thing)] = len(met), thing
        for part in _parts(thing):
            _feed(put, part, met)
    put(b")")


def _bytes(tensor):
    """The values of a tensor of any kind, as bytes."""
    tensor = tensor.detach().cpu()
    dense = tensor if tensor.layout == torch.strided else tensor.to_dense()
    return dense.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _parts(thing):
    """What an object is made of."""
    if isinstance(thing, (tuple, list, collections.deque)):
        return thing
    if isinstance(thing, (dict, types.MappingProxyType)):
        return sorted(thing.items(), key=lambda item: _rank(item[0]))
    if isinstance(thing, (set, frozenset)):
        return sorted(thing, key=_rank)
    if isinstance(thing, np.ndarray):
        return thing.shape, thing.tolist()
    if isinstance(thing, functools.partial):
        return thing.func, thing.args, thing.keywords
    if isinstance(thing, types.MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, types.FunctionType):
        cells = [_content(cell) for cell in thing.__closure__ or ()]
        return thing.__qualname__, thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells, _read(thing)
    if isinstance(thing, types.CodeType):
        taken = inspect.getargs(thing), thing.co_posonlyargcount, thing.co_kwonlyargcount
        return thing.co_code, thing.co_names, thing.co_consts, taken, thing.co_exceptiontable
    if isinstance(thing, type):
        own = {name: value for name, value in vars(thing).items() if name not in KEPT_BY_PYTHON}
        return thing.__qualname__, thing.__bases__, own
    if isinstance(thing, (property, staticmethod, classmethod)):
        return [getattr(thing, name, None) for name in ("fget", "fset", "__func__")]
    if isinstance(thing, (types.ModuleType, types.BuiltinFunctionType)):
        return (thing.__name__,)
    if isinstance(thing, logging.Logger):
        return (thing.name,)
    if not hasattr(thing, "__dict__") and not any("__slots__" in vars(kind) for kind in type(thing).__mro__):
        return _pickled(thing)
    return type(thing), _state(thing)


def _rank(thing):
    """What the members of a set and the keys of a dict are sorted by: the same in every process."""
    if isinstance(thing, tuple):
        return str([_rank(each) for each in thing])
    if isinstance(thing, PLAIN):
        return repr(thing)
    named = thing if isinstance(thing, CODE) else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def _content(cell):
    """What a closure holds; a variable without a value yet counts as a cell."""
    try:
        return cell.cell_contents
    except ValueError:
        return types.CellType


def _state(thing):
    """{name: value} of an object's attributes, in its slots and beside them, without those that it derived itself."""
    slots = [vars(kind).get("__slots__", ()) for kind in type(thing).__mro__]
    names = [name for each in slots for name in ([each] if isinstance(each, str) else each)]
    found = {name: getattr(thing, name, None) for name in names if name not in KEPT_BY_PYTHON}
    found |= getattr(thing, "__dict__", {})
    return {k: v for k, v in found.items() if not isinstance(getattr(type(thing), k, None), functools.cached_property)}


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
    packages = site.getsitepackages(), [site.getusersitepackages()]
    places = {*map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")), *itertools.chain(*packages)}
    return tuple(os.path.join(place, "") for place in {*places, library})


def _ships(module):
    """Whether a module is part of Python, of an installed package or of lrlib."""
    if module.__name__ == "__main__":
        return False
    package = sys.modules.get(module.__name__.partition(".")[0], module)
    file = getattr(module, "__file__", None) or getattr(package, "__file__", None)
    if file is None:  # built into Python, or made while the program runs
        return getattr(module, "__spec__", None) is not None
    return file.startswith(_places())


def _installed(thing):
    """Whether a function or class is code that others ship, and none of the user's."""
    module = sys.modules.get(thing.__module__)
    return module is not None and _ships(module) and "<" not in thing.__qualname__  # closures hold values of their own


def _pickled(thing):
    """What pickling would keep of an object of a class written in C; of one that refuses, as a lock, only its type."""
    if isinstance(thing, memoryview):
        return (thing.tobytes(),)
    try:
        kept = copyreg.dispatch_table.get(type(thing), lambda it: it.__reduce_ex__(2))(thing)
    except Exception:  # pickling runs the objects' own code, which may raise anything
        return ()
    return kept if isinstance(kept, tuple) else (kept,)
