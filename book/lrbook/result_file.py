"""The result file of an experiment: what is written, and how a quick run is compared with it."""

import json
import os
import platform
import re

import numpy as np

from . import results
from .quantity import entries


def machine():
    """Processor and number of cores, as a result names them.

    >>> machine().endswith("cores")
    True
    """
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = re.search(r"model name\s*:\s*(.+)", file.read()).group(1)
    except (OSError, AttributeError):
        pass
    return f"{platform.system()} {platform.machine()}, {name}, {os.cpu_count()} cores"


def versions():
    """Versions of Python, torch and NumPy."""
    import torch

    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def instructions():
    """The vector instructions that torch computes with, as "AVX2"."""
    import torch

    return torch.backends.cpu.get_cpu_capability()


def quick_part(quantities, code):
    """What a result file holds of the quick run: its numbers, and where every digit of them comes again."""
    where = {"machine": machine(), "instructions": instructions(), "versions": versions()}
    return where | {"code": code, "quantities": entries(quantities)}


def check_free(path, mode, begin):
    """Raise `ValueError` where a file holds the result of another mode, or of seeds from another origin."""
    if path.exists():
        about = json.loads(path.read_text(encoding="utf-8"))
        held = about["mode"], about.get("seeds_from", 0)
        if held != (mode, begin):
            raise ValueError(
                f"{str(path)!r} holds a {held[0]} run with seeds from {held[1]}, not a {mode} run with seeds from "
                f"{begin}; name another folder"
            )


def save(path, document):
    """Write a result document, one line a quantity, after checking schema and size."""
    results.check(document)
    text = _layout(document)
    if len(text.encode("utf-8")) > results.LIMIT:
        raise ValueError(f"{path.name} would have {len(text)} bytes; a result may have {results.LIMIT}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _layout(document):
    lines = [f" {json.dumps(key)}: {_written(key, value)}" for key, value in document.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _written(key, value):
    if key == "quick":
        return "{" + ", ".join(f"{json.dumps(name)}: {_written(name, part)}" for name, part in value.items()) + "}"
    if key == "quantities":
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items())
        return "{\n" + rows + "\n }"
    return json.dumps(value, ensure_ascii=False)


def moved(old, new):
    """Names of the quantities, as JSON, whose axes or numbers are not the same in both, sorted."""
    return sorted(name for name in {*old, *new} if _numbers(old.get(name)) != _numbers(new.get(name)))


def _numbers(entry):
    return None if entry is None else {key: entry.get(key) for key in ("axes", "values", "mean", "low", "high")}


def differences(document, fresh, timed=()):
    """Sentences about how a fresh quick run differs from the one that a result file holds, as JSON.

    Every digit on a machine like the one that stored it, but for what is `timed`; elsewhere every mean within its band,
    as `compare` says it.
    """
    held, now = document["quick"], quick_part(fresh, "")
    if all(held.get(key) == now[key] for key in ("machine", "instructions", "versions")):
        names = moved(held["quantities"], json.loads(json.dumps(now["quantities"])))
        return [f"{name}: other digits than stored" for name in names if name not in timed]
    return compare(results.parse(json.dumps(document)).quick, fresh)


def compare(stored, fresh):
    """Sentences about every fresh mean outside the band around the stored mean.

    `stored`: `{name: Measured}`, `fresh`: `{name: Quantity}`. An empty list means
    that they agree.
    """
    problems = [f"{name} is stored but was not computed" for name in stored if name not in fresh]
    for name in fresh:
        if name not in stored:
            problems.append(f"{name} was computed but is not stored")
            continue
        old, new = np.asarray(stored[name].mean), np.asarray(fresh[name].mean)
        problems += [f"{name}: {text}" for text in _outside(old, new, band_of(stored[name], fresh[name]))]
    return problems


def band_of(stored, fresh):
    """The band around a stored quick mean: the quantity's own, or 5 % and its half-width."""
    if fresh.band is not None:
        return np.full(np.shape(fresh.mean), float(fresh.band))
    half = (np.asarray(stored.high) - np.asarray(stored.low)) / 2
    return 0.05 * np.abs(stored.mean) + np.nan_to_num(half) + 1e-9


def _outside(old, new, band):
    old, new = (np.where(np.isfinite(v), v, np.nan) for v in (old, new))  # a result holds no infinity
    if old.shape != new.shape:
        return [f"has shape {new.shape}, stored {old.shape}"]
    bad = (np.abs(new - old) > band) | (np.isnan(new) != np.isnan(old))
    return [
        f"{new[tuple(i)]:.6g} is further than {band[tuple(i)]:.3g} from {old[tuple(i)]:.6g}" for i in np.argwhere(bad)
    ]
