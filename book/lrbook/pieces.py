"""A run of an experiment in pieces: what is finished is taken up again, by the very same code, seeds and settings only.

The pieces of a run lie in a folder of its own, under the digest of its key: everything that decides its numbers.
"""

import contextlib
import dataclasses
import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lrlib._base.files import write_atomically

from .quantity import Quantity

FIRST = (0, 1, 3, 9)  # steps whose losses are noted of every sweep: too early for chaos


@dataclass
class Run:
    """A run that is going on: the folder of its pieces, or None, and the first losses of each of its sweeps.

    The seconds of a run that was broken off count too, up to the last piece that it finished.
    """

    folder: Path | None = None
    first_losses: list = field(default_factory=list)
    before: float = field(init=False, default=0.0)
    start: float = field(init=False)

    def __post_init__(self):
        self.start = time.perf_counter()
        if self.folder is not None:
            with contextlib.suppress(OSError, ValueError):
                self.before = float(self._clock.read_text(encoding="utf-8"))

    @property
    def seconds(self):
        """How long it has taken, what was broken off included."""
        return self.before + time.perf_counter() - self.start

    @property
    def _clock(self):
        return self.folder / "seconds.txt"

    def note_seconds(self):
        """Keep the seconds beside the pieces."""
        if self.folder is not None:
            write_atomically(self._clock, lambda file: file.write(str(self.seconds).encode("utf-8")))

    def watch(self, loss):
        """Note the first losses of a sweep, [lane, step]: their geometric mean over the lanes, infinities left out."""
        early = np.asarray(loss, dtype=float)[:, [step for step in FIRST if step < np.shape(loss)[1]]]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log10(early)
        known = np.isfinite(logs)
        mean = np.where(known, logs, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        self.first_losses.append((10**mean).tolist())


@dataclass
class Outcome:
    """What a run gave: {name: `Quantity`}, the first losses of its sweeps, and the seconds that it took."""

    quantities: dict
    first_losses: list
    seconds: float

    def save(self, path):
        """Write it to a JSON file, every digit kept; the file appears in one piece."""
        entries = {name: _exact(q) for name, q in self.quantities.items()}
        document = {"seconds": self.seconds, "first_losses": self.first_losses, "quantities": entries}
        return write_atomically(path, lambda file: file.write(json.dumps(document).encode("utf-8")))

    @classmethod
    def load(cls, path):
        """Read what `save` wrote.

        >>> import tempfile
        >>> q = Quantity("rate", {}, "exact", *[np.array(1 / 3)] * 3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Outcome({"limit": q}, [[0.1]], 2.0).save(Path(folder) / "outcome.json")
        ...     bool(Outcome.load(path).quantities["limit"].mean == 1 / 3)
        True
        """
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        quantities = {name: _quantity(entry) for name, entry in document["quantities"].items()}
        return cls(quantities, document["first_losses"], document["seconds"])


def _exact(quantity):
    parts = {f.name: getattr(quantity, f.name) for f in dataclasses.fields(quantity)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in parts.items()}


def _quantity(entry):
    arrays = {
        name: np.array(entry[name], dtype=float)
        for name in ("mean", "low", "high", "values")
        if entry[name] is not None
    }
    return Quantity(**entry | arrays)


def folder_of(folder, name, key):
    """The folder of the pieces of a run: below `folder`, by the experiment's name and the digest of the key."""
    return Path(folder) / "pieces" / f"{name}-{digest(key)}"


def digest(key):
    """Sixteen hexadecimal digits for a dict that JSON can write.

    >>> digest({"mode": "full", "seeds_from": 0}) == digest({"seeds_from": 0, "mode": "full"})
    True
    """
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode("utf-8")).hexdigest()[:16]


_going_on = Run()


def current():
    """The `Run` that is going on; outside of one, a `Run` that keeps nothing."""
    return _going_on


@contextlib.contextmanager
def going_on(run):
    """Inside the block, `current()` is this run."""
    global _going_on
    before, _going_on = _going_on, run
    try:
        yield run
    finally:
        _going_on = before


def kept(path, make, save, load):
    """``load(path)`` where that succeeds; else ``make()``, saved there by ``save(value, path)``.

    A file that is missing, or cannot be read, is made again.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return load(path)
    value = make()
    save(value, path)
    _going_on.note_seconds()
    return value
