"""Records as files: one ``.npz`` with a JSON header, and the checks of what is read."""

import json

import numpy as np

from .._base.arguments import file_of
from .._base.files import write_atomically

SCHEMA = 2
ARRAYS = ("lr0", "seed", "status", "step", "loss", "lr")
GROUPS = ("evaluations", "parameters", "buffers", "options")
TEXTS = ("path", "path_reason", "device", "task", "optimizer", "plan", "dtype", "metric_name")
STATUSES = ("finished", "diverged", "stopped")  # of a run that is over


def write(record, path, identity=""):
    """Write a `Record`, in one piece, under a text that says of which run it is; returns the path."""
    rest = {name: getattr(record, name) for name in (*TEXTS, "versions", "seconds")}
    header = json.dumps({"schema": SCHEMA, "identity": identity, **rest}, ensure_ascii=False)
    arrays = {"header": np.array(header)} | {name: getattr(record, name) for name in ARRAYS}
    for group in GROUPS:
        arrays |= {f"{group}/{key}": value for key, value in getattr(record, group).items()}
    for step, kept in record.snapshots.items():
        arrays |= {f"snapshots/{step}/{kind}/{key}": v for kind, part in kept.items() for key, v in part.items()}
    return write_atomically(path, lambda file: np.savez_compressed(file, **arrays))


def read(path, identity=None):
    """The fields of a `Record` as keywords.

    Raises ``ValueError`` for what is no record of this version, whose parts do not fit together, or, where ``identity``
    is given, for one that was written under another; ``FileNotFoundError`` where there is no file.
    """
    wanted = f"path must be a record written by lrlib (schema {SCHEMA}); got {str(path)!r}"
    with open(file_of("path", path), "rb") as file:
        try:
            parts, header = _opened(file)
        except Exception as error:  # what is broken in a file may raise anything in those who read it
            raise ValueError(f"{wanted}, which cannot be read: {error}") from error
    schema = header.pop("schema", None)
    if schema != SCHEMA:
        older = " of another version of lrlib: run it again" if schema == 1 else ""
        raise ValueError(f"{wanted}{older}")
    written = header.pop("identity", "")
    if identity is not None and written != identity:
        raise ValueError(f"{wanted}, which is of another run")
    problem = _problem(parts, header)
    if problem:
        raise ValueError(f"{wanted}, in which {problem}")
    groups = {group: _group(parts, group) for group in GROUPS}
    return {name: parts[name] for name in ARRAYS} | groups | header | {"snapshots": _snapshots(parts)}


def _opened(file):
    """The arrays by name, and the header, of an open file."""
    with np.load(file, allow_pickle=False) as stored:
        parts = {name: stored[name] for name in stored.files}
    header = json.loads(str(parts.pop("header", "{}")))
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    return parts, header


def _group(parts, group):
    return {key.partition("/")[2]: value for key, value in parts.items() if key.startswith(f"{group}/")}


def _snapshots(parts):
    """The snapshots among the entries of a file."""
    found = {}
    for key in [key for key in parts if key.startswith("snapshots/")]:
        _, step, kind, name = key.split("/", 3)
        found.setdefault(int(step), {"parameters": {}, "buffers": {}})[kind][name] = parts[key]
    return dict(sorted(found.items()))


def _problem(parts, header):
    """What is wrong with the parts of a record, or None."""
    lacks = [name for name in ARRAYS if name not in parts]
    unknown = sorted(set(header) - {*TEXTS, "versions", "seconds"})
    if lacks or unknown:
        return f"{', '.join(lacks + unknown)} is missing or unknown"
    texts = [name for name in TEXTS if name in header and not isinstance(header[name], str)]
    if (
        texts
        or not isinstance(header.get("versions", {}), dict)
        or not isinstance(header.get("seconds", 0.0), (int, float))
    ):
        return f"{', '.join(texts) or 'versions or seconds'} is of another kind"
    lanes, steps = parts["lr0"].size, parts["step"].size
    evaluated = parts.get("evaluations/step", np.zeros(0, dtype=int)).size
    for name, value in parts.items():
        allowed = _allowed(name, lanes, steps, evaluated=evaluated)
        if allowed is None:
            return f"{name} is unknown"
        kinds, shape = allowed
        if value.dtype.kind not in kinds or value.shape[: len(shape)] != shape:
            return f"{name} has dtype {value.dtype} and shape {value.shape}; {shape}, of kind {kinds!r}, is expected"
    if not lanes or not np.isin(parts["status"], STATUSES).all():
        return f"status is not one of {', '.join(STATUSES)} in each lane"
    if steps and (parts["step"][0] < 0 or (np.diff(parts["step"]) <= 0).any()):
        return "step does not rise from 0 on"
    return None


def _allowed(name, lanes, steps, *, evaluated):
    """(kinds of dtype, the leading axes) that an entry may have; None for an entry that no record has."""
    room, _, key = name.partition("/")
    own = {"lr0": ("f", (lanes,)), "seed": ("iu", (lanes,)), "status": ("U", (lanes,)), "step": ("iu", (steps,))}
    own |= {"loss": ("f", (lanes, steps)), "lr": ("f", (lanes, steps))}
    rooms = {"options": ("f", (lanes, steps)), "evaluations": ("f", (lanes, evaluated))}
    rooms |= dict.fromkeys(("parameters", "buffers"), ("biufc", (lanes,)))
    if name == "evaluations/step":
        return "iu", (evaluated,)
    if room == "snapshots":
        step, _, kind = key.partition("/")
        return ("biufc", (lanes,)) if step.isdigit() and kind.partition("/")[0] in ("parameters", "buffers") else None
    return rooms.get(room) if key else own.get(room)
