"""Where a task comes from: a ready-made one, a module, or a file."""

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path

from ..runs.sweeps.jobs import send_along
from .expression import evaluated

READY = (
    "breast_cancer",
    "character_transformer",
    "convex_logistic",
    "digits",
    "double_well",
    "mnist1d",
    "mnist1d_sphere",
    "quadratic",
    "sparse_logistic",
    "ticks",
)


def task(text):
    """The `lrlib.Task` that ``text`` names.

    ``text``: a ready-made task, with options if wanted; or ``module:name``, ``path/to/file.py:name``, where the name
    is a task or a function without arguments that returns one. Raises ``ValueError`` saying what is wrong.

    >>> task("digits(width=8, steps=20)")
    <task digits: batch 64, 20 steps>
    """
    from .. import tasks

    place, colon, name = text.rpartition(":")
    if not colon and "(" not in text and text not in READY:
        raise ValueError(
            f"{text!r} is no ready-made task ({', '.join(READY)}); write one of your own as "
            "module:function or path/to/file.py:function"
        )
    if not colon or "(" in place:
        call = text if "(" in text else f"{text}()"
        return evaluated(call, {ready: getattr(tasks, ready) for ready in READY})
    made = _made(_module(place), place, name)
    if not isinstance(made, tasks.Task):
        raise ValueError(f"{text!r} gives {type(made).__name__}; a lrlib.Task is needed")
    return made


def _made(module, place, name):
    if not hasattr(module, name):
        found = ", ".join(n for n, v in vars(module).items() if callable(v) and not n.startswith("_")) or "none"
        raise ValueError(f"{place!r} has no {name!r}; functions in it: {found}")
    thing = getattr(module, name)
    return _guarded(thing, f"{place}:{name}") if callable(thing) else thing


def _module(place):
    """Import a module by its name or by its file; the working folder counts as a place to look."""
    if not place.endswith(".py"):
        _look_in(os.getcwd())
        return _guarded(lambda: importlib.import_module(place), place)
    path = Path(place).resolve()
    if not path.is_file():
        raise ValueError(f"{place!r}: there is no such file")
    _look_in(str(path.parent))  # where the file's own imports are, as when it is run
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_file"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _guarded(lambda: spec.loader.exec_module(module), place)
    send_along(module)  # no worker of a cluster has this file
    return module


def _look_in(folder):
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _guarded(call, where):
    """``call()``; what the user's code raises, an exit included, becomes one line that says where."""
    try:
        return call()
    except (Exception, SystemExit) as error:
        frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        frames = [(name, line) for name, line in frames if name != __file__ and not name.startswith("<frozen")]
        line = f", line {frames[-1][1]} of {Path(frames[-1][0]).name}" if frames else ""
        raise ValueError(f"{where!r} failed: {type(error).__name__}: {error}{line}") from error
