"""A sweep in parts: the lanes are divided under joblib, on this machine or on a cluster, and put together again.

Nothing here distributes work by itself: joblib does, on whatever backend the caller has set with
``joblib.parallel_config`` (processes of this machine unless told otherwise; Dask; Ray). Each part is a plain `sweep`.
"""

import contextlib
import dataclasses
import pickle
import threading
import time

import numpy as np

from ..._base import device as devices
from ..._base.arguments import whole
from ..._base.preserve import one_thread
from ..log import joined
from ..record import Record
from ...methods import rules
from ...methods.rules import RULES
from ...methods.rules.base import unlisted
from ..._base.streams import seeds_from
from .shelf import Shelf

_ALONE = threading.Lock()  # a run sets PyTorch's global generator for its weights: one part a process at a time


@dataclasses.dataclass
class PartEvent:
    """A part of a sweep that has arrived.

    lanes: their numbers in the whole sweep [k].  record: the part's Record.  done, of: lanes arrived, lanes in all.

    >>> from lrlib import sweep, tasks
    >>> heard = []
    >>> record = sweep(tasks.quadratic(), lr=[0.1, 0.2], steps=3, lanes=1, on_event=heard.append)
    >>> [(event.lanes.tolist(), event.done, event.of) for event in heard]
    [([0], 1, 2), ([1], 2, 2)]
    """

    lanes: np.ndarray
    record: Record
    done: int
    of: int


@dataclasses.dataclass(frozen=True)
class Part:
    """A block of the grid rates × seeds: a slice of each, and the numbers of its lanes in the whole sweep."""

    rates: slice
    seeds: slice
    lanes: np.ndarray


def divide(description, jobs, *, folder=None, largest=None, on_event=None):
    """Return the Record of the described lanes, computed in ``jobs`` parts under joblib.

    The grid is cut by rates and, where that gives too few parts, by seeds, and into parts of at most ``largest`` lanes
    if that is given; a part runs on one thread. ``on_event`` is called with a `PartEvent` as each part
    arrives (all at the end where the backend hands out nothing earlier, as multiprocessing and Ray); its answer is not
    looked at. With a ``folder`` every rate is a part, or as few as ``largest`` allows, whatever ``jobs`` is, stored
    there when it arrives; what is there already from the same sweep is not computed again. The Record says in
    ``path_reason`` that it was made in parts and how many were taken, ``seconds`` is the time that passed here, a
    version in which workers differ is listed with all its values.

    Raises:
        ImportError: joblib is missing.
        TypeError: something in the description cannot be sent to another process.
        ValueError: an argument outside its range, before anything runs.
        RuntimeError: a part failed; the message names its lanes and the reason.
    """
    began = time.perf_counter()
    _check_jobs(jobs)
    largest = None if largest is None else whole("lanes", largest)
    joblib, seeds = _joblib(), len(description.seeds)
    rates = len(description.lr0) // seeds
    parts = split(rates, seeds, _count(joblib, jobs, folder, largest, rates=rates), largest)
    shelf = None if folder is None else Shelf(folder, description)
    arrivals = _Arrivals(parts, [description.part(part.lanes) for part in parts], shelf, on_event)
    backend = _compute(joblib, jobs, arrivals)
    text = f"{len(parts)} part{'s' * (len(parts) > 1)} by joblib ({backend})"
    text += f", {shelf.taken} of them taken from {folder}" if shelf and shelf.taken else ""
    records = [arrivals.found[k] for k in range(len(parts))]
    return joined(records, [part.lanes for part in parts], reason=text, seconds=time.perf_counter() - began)


def _check_jobs(jobs):
    if jobs != -1:
        whole("jobs (or -1 for one part a processor)", jobs)


def place_of(jobs):
    """Where joblib sends ``jobs`` parts: "process", this one; "machine", fresh ones here; "elsewhere", where it knows.

    Elsewhere also stands for forked processes, which can use no GPU that their parent has asked for.

    >>> place_of(1), place_of(2)
    ('process', 'machine')
    """
    _check_jobs(jobs)
    backend = _joblib().parallel.get_active_backend()[0]
    own = type(backend).__module__ == "joblib._parallel_backends"  # and not Dask's or Ray's, which reach other machines
    if getattr(backend, "uses_threads", False) or own and backend.effective_n_jobs(jobs) == 1:
        return "process"
    return "machine" if type(backend).__name__ == "LokyBackend" else "elsewhere"


def _count(joblib, jobs, folder, largest, *, rates):
    """Into how many parts at least: in a folder the same ones for any number of jobs, on any machine."""
    if folder is not None:
        return rates if largest is None else 1
    return jobs if jobs > 0 else joblib.effective_n_jobs(jobs)


class _Arrivals:
    """The Records of the parts as they come: first those on the shelf, then those that are computed."""

    def __init__(self, parts, pieces, shelf, on_event):
        self.parts, self.pieces, self.shelf, self.on_event = parts, pieces, shelf, on_event
        self.found, self.done, self.of = {}, 0, sum(len(part.lanes) for part in parts)
        for k, piece in enumerate(pieces if shelf else ()):
            record = shelf.get(piece)
            if record is not None:
                self._count(k, record)

    def missing(self):
        """{number: description} of the parts that are still to be computed."""
        return {k: piece for k, piece in enumerate(self.pieces) if k not in self.found}

    def add(self, k, record):
        """Part k has been computed."""
        if self.shelf:
            self.shelf.put(record, self.pieces[k])
        self._count(k, record)

    def _count(self, k, record):
        self.found[k], self.done = record, self.done + len(self.parts[k].lanes)
        if self.on_event is not None:
            self.on_event(PartEvent(self.parts[k].lanes, record, self.done, self.of))


def split(rates, seeds, count, largest=None):
    """Cut a grid of lanes into at most ``count`` blocks, the largest as small as can be, with whole rates if equal.

    Into more where a block would have more than ``largest`` lanes.

    >>> [part.lanes.tolist() for part in split(4, 2, 2)]
    [[0, 1, 2, 3], [4, 5, 6, 7]]
    >>> [part.lanes.tolist() for part in split(1, 5, 2)]
    [[0, 1, 2], [3, 4]]
    >>> [part.lanes.tolist() for part in split(3, 2, 1, largest=3)]
    [[0, 2, 4], [1, 3, 5]]
    """
    count = count if largest is None else max(count, -(-rates * seeds // largest))
    while True:
        ways = [(a, min(seeds, count // a)) for a in range(1, min(rates, count) + 1)]
        size, b, a = min((-(-rates // a) * -(-seeds // b), b, a) for a, b in ways)
        if largest is None or size <= largest:
            break
        count += 1
    grid = np.arange(rates * seeds).reshape(rates, seeds)
    return [Part(r, s, grid[r, s].ravel()) for r in _slices(rates, a) for s in _slices(seeds, b)]


def _slices(n, parts):
    ends = [-(-n * k // parts) for k in range(parts + 1)]
    return [slice(a, b) for a, b in zip(ends, ends[1:])]


def packed(description):
    """A description as bytes that another process can read, functions and closures with them.

    Bytes, because Dask would keep one copy of a larger object on a single worker, and lose it with that worker.
    Raises ``TypeError`` naming what cannot be sent.
    """
    things = dataclasses.replace(description, rule=None), _portable(description.rule)
    try:
        return _pickler().dumps(things)
    except Exception as error:  # pickling runs the objects' own code, which may raise anything
        name, reason = _culprit(description, error)
        raise TypeError(
            f"{name} cannot be sent to another process: {reason}. Open it inside the function that uses "
            "it, or leave jobs out"
        ) from error


def _culprit(description, error):
    """Which part of a description, or which field of its task, refuses to be pickled, and what it says."""
    task = {f"task.{name}": value for name, value in vars(description.task).items()}
    own = {name: getattr(description, name) for name in ("task", "plan", "plans", "start", "hyper")}
    for name, value in {**task, **own, "rule": _portable(description.rule)}.items():
        try:
            _pickler().dumps(value)
        except Exception as found:
            return name, f"{type(found).__name__}: {found}"
    return "the sweep", f"{type(error).__name__}: {error}"


def _compute(joblib, jobs, arrivals):
    """Have the missing parts computed; returns the backend's name.

    Where everything stays in this process nothing is packed: unpacking a class of the caller's own notebook would put
    copies in the place of its methods.
    """
    workers, backend, here = _workers(joblib, jobs)
    missing = arrivals.missing()
    load = None if here or not missing else packed(next(iter(missing.values())).part([]))
    calls = [(k, piece if here else _lane_wise(piece), load) for k, piece in missing.items()]
    titles = {k: _title(piece, arrivals.parts[k]) for k, piece in missing.items()}
    for k, record in workers(joblib.delayed(_part)(*call, title=titles[call[0]]) for call in calls):
        arrivals.add(k, record)
    return backend


def _lane_wise(piece):
    """What of a part's description differs from lane to lane."""
    hyper = {name: value for name, value in piece.hyper.items() if isinstance(value, np.ndarray)}
    return {"lr0": piece.lr0, "seed": piece.seed, "hyper": hyper, "start": piece.start}


def _workers(joblib, jobs):
    """joblib's pool, handing out each part as it arrives if its backend can; the backend's name; whether it is here."""
    backend = joblib.parallel.get_active_backend()[0]
    early = "generator_unordered" if backend.supports_return_generator else "list"
    pool = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as=early)
    return pool, type(backend).__name__.removesuffix("Backend"), place_of(jobs) == "process"


def _part(k, piece, load=None, *, title):
    """Run part k where joblib has sent it, on one thread; → (k, Record).

    ``piece``: its description; with a ``load``, packed, what differs there from lane to lane.
    """
    from . import train

    try:
        description = piece if load is None else _unpacked(load, piece)
        with _ALONE, one_thread(), seeds_from(description.origin):
            devices.choose(str(description.device), description.dtype)
            with _known(description.rule):
                return k, train(description)
    except Exception as error:  # a user's task may raise anything, and it may not travel back
        raise RuntimeError(f"{title}: {type(error).__name__}: {error}") from error


def _unpacked(load, piece):
    """The description of a part from what all parts share, packed, and from what is its own."""
    try:
        description, rule = pickle.loads(load)
    except (ImportError, AttributeError) as error:
        raise type(error)(
            f"{error}. What a task is made of must be importable on every worker: install it there, put "
            "its folder on PYTHONPATH, or send it along with cloudpickle.register_pickle_by_value("
            "module)"
        ) from error
    hyper = {**description.hyper, **piece["hyper"]}
    return dataclasses.replace(
        description, **{**piece, "hyper": hyper}, rule=rules.get(rule) if isinstance(rule, str) else unlisted(rule)
    )


def _portable(rule):
    """A rule that lrlib lists by its name, another one with all that it is."""
    listed = RULES.get(rule.name) is rule and rule.update.__module__.partition(".")[0] == __name__.partition(".")[0]
    return rule.name if listed else vars(rule)


@contextlib.contextmanager
def _known(rule):
    """A rule that has come along can be had by its name, as at home, and leaves nothing behind in a worker."""
    before = dict(RULES)
    RULES[rule.name] = rule
    try:
        yield
    finally:
        RULES.clear()
        RULES.update(before)


def _title(piece, part):
    lr, seed, lanes = piece.lr0, piece.seed, part.lanes
    return f"lanes {lanes[0]} to {lanes[-1]} (rates {lr[0]:.4g} to {lr[-1]:.4g}, seeds {seed[0]} to {piece.seeds[-1]})"


def _joblib():
    try:
        import joblib
    except ImportError as error:
        raise ImportError("jobs needs joblib, which is not installed: pip install learning-rates[jobs]") from error
    return joblib


def send_along(module):
    """From now on, send the functions of this module to workers with their code, not by name.

    Does nothing where joblib is missing, and so no sweep can be divided.
    """
    with contextlib.suppress(ImportError):
        _pickler().register_pickle_by_value(module)


def _pickler():
    """The installed cloudpickle, which knows what the caller has registered with it, or joblib's own copy."""
    try:
        import cloudpickle
    except ImportError:
        from joblib.externals import cloudpickle
    return cloudpickle
