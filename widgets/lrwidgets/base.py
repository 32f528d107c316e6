"""What every widget shares: its page code, its language, its refusals and, where it trains, its job.

``Figure`` holds controls only. ``LiveFigure`` adds a job whose events stream to the page as numbered
float32 rows (custom messages, at most 15 a second) and are sent once more, whole, when it ends: stored
notebooks keep state, never messages.
"""

from __future__ import annotations

import atexit
import contextvars
import functools
import pathlib
import threading
import traceback
import weakref
from array import array

import anywidget
import traitlets as tl

from . import strings
from .job import FINAL, IDLE, LOADING, Job
from .runs import one_thread
from .traits import Choice, RefusedValue

STATIC = pathlib.Path(__file__).parent / "static"
_live: "weakref.WeakSet[LiveFigure]" = weakref.WeakSet()
_made_by: dict[str, tuple[str, list]] = {}


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def guarded(method):
    """Show an exception of ``method`` in the widget: JupyterLab itself would show a number in the status bar."""

    @functools.wraps(method)
    def inner(self, *args, **kwargs):
        try:
            return method(self, *args, **kwargs)
        except RefusedValue as refusal:
            self.error = str(refusal)
        except Exception as problem:
            self.error = "".join(traceback.format_exception(problem))

    return inner


class Figure(anywidget.AnyWidget):
    """A widget whose page code is the kit; ``kind`` names its view.

    Controls are scalar traits, so ``jslink`` and ``observe`` work on each, in both directions.

    Args:
        lang: ``"en"`` or ``"ja"``; default: :func:`lrwidgets.strings.language`.

    Raises:
        RefusedValue: (a ``ValueError``) a control was given a value outside what it allows.
    """

    _esm = tl.Unicode(_read("kit.js")).tag(sync=True)
    _css = tl.Unicode(_read("kit.css")).tag(sync=True)
    kind = tl.Unicode("").tag(sync=True)
    lang = Choice("en", strings.LANGUAGES)
    error = tl.Unicode("").tag(sync=True)

    def __init__(self, **controls):
        self._lock = threading.RLock()
        self._context: contextvars.Context | None = None
        unknown = [name for name in controls if not self.has_trait(name)]
        if unknown:
            names = ", ".join(sorted(self.controls()))
            raise TypeError(f"{type(self).__name__}() has no control {unknown[0]!r}: it has {names}")
        controls.setdefault("lang", strings.language())
        super().__init__(**{"lang": controls.pop("lang"), **controls})

    @classmethod
    def controls(cls) -> tuple[str, ...]:
        """Return the names of the traits that a reader or Python may write."""
        return tuple(n for n, t in cls.class_traits().items() if getattr(t, "control", False))

    def set_state(self, sync_data):
        """Take what the page wrote; a refused value is shown there and replaced by the old one."""
        with self._lock:
            self._context = contextvars.copy_context()
            try:
                super().set_state(sync_data)
            except tl.TraitError as refusal:
                self.error = str(refusal)
                self.send_state([name for name in sync_data if name in self.keys])
            else:
                if self.error and self._may_clear_error():
                    self.error = ""

    def _may_clear_error(self) -> bool:
        return True

    def __repr__(self):
        return strings.say("repr", self.lang)

    def __del__(self):
        try:
            super().__del__()
        except Exception:  # the interpreter may be half gone: nobody is left to tell
            pass


def _stop_older_of_this_cell(figure: "LiveFigure") -> None:
    """Stop the jobs of widgets that an earlier run of the same cell made: nobody can reach them any more."""
    try:
        from IPython import get_ipython

        parent = get_ipython().get_parent()
        cell, run = parent["metadata"]["cellId"], parent["header"]["msg_id"]
    except (ImportError, AttributeError, KeyError, TypeError):
        return
    before, figures = _made_by.get(cell, (run, []))
    if before != run:
        for old in filter(None, (ref() for ref in figures)):
            old.stop()
        figures = []
    _made_by[cell] = (run, [*figures, weakref.ref(figure)])


class LiveFigure(Figure):
    """A figure that trains: Run, Pause, Resume, Stop and Reset, from the page and from Python.

    Subclasses give ``width`` (numbers in a row), ``job()`` (settings → generator of events) and
    ``row(event)`` (event → numbers), and may extend ``accept(events)``.
    """

    status = tl.Unicode(IDLE).tag(sync=True)
    width = tl.Int(2).tag(sync=True)
    snapshot = tl.Any(b"").tag(sync=True, to_json=lambda _value, figure: figure._pack())

    def __init__(self, **controls):
        self._rows, self._serial, self._job = array("f"), 0, None
        super().__init__(**controls)
        self.on_msg(self._command)
        _live.add(self)
        _stop_older_of_this_cell(self)

    def job(self):
        """Return a function without arguments that makes the generator of one run from the settings now."""
        raise NotImplementedError

    def hello(self) -> None:
        """A page shows the widget: a good moment for slow imports."""

    def row(self, event) -> list[float]:
        """Return the ``width`` numbers that the page draws for one event."""
        raise NotImplementedError

    def run(self) -> Job:
        """Start training in the background and return the job at once; a run that is under way goes on."""
        with self._lock:
            if self._job is not None and self._job.status not in FINAL:
                return self._job
            make = self.job()
            self._clear()
            self.error, self.status = "", LOADING
            serial = self._serial
            self._job = Job(
                make,
                lock=self._lock,
                context=self._context,
                around=one_thread,
                on_events=lambda events: self._on_events(serial, events),
                on_status=lambda status, error: self._on_status(serial, status, error),
            )
            return self._job.start()

    def pause(self) -> None:
        """Hold before the next step."""
        if self._job is not None:
            self._job.pause()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        if self._job is not None:
            self._job.resume()

    def stop(self) -> None:
        """Stop between two steps; what was drawn stays."""
        if self._job is not None:
            self._job.stop()

    def reset(self) -> None:
        """Stop, and clear the picture."""
        with self._lock:
            job, self._job = self._job, None
            self._clear()
            self.status, self.error = IDLE, ""
            self.send_state("snapshot")
        if job is not None:
            job.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Block the calling cell until the run is over (Interrupt stops it); True if it ended by itself."""
        return True if self._job is None else self._job.wait(timeout)

    def close(self) -> None:
        """Stop the job and take the widget off the page."""
        if hasattr(self, "_job"):
            self.stop()
        super().close()

    @guarded
    def _command(self, _widget, message, _buffers):
        with self._lock:
            self._context = contextvars.copy_context()
        name = message.get("do") if isinstance(message, dict) else None
        if name == "hello":
            with self._lock:
                self.send({"is": "live", "serial": self._serial, "rows": len(self._rows) // self.width})
            self.hello()
        elif name == "resync":
            with self._lock:  # no row may overtake the snapshot
                self.send_state("snapshot")
        elif name in ("run", "pause", "resume", "stop", "reset"):
            getattr(self, name)()
        else:
            raise ValueError(strings.say("command", self.lang, name=repr(name)))

    def _clear(self) -> None:
        self._serial += 1
        self._rows = array("f")
        self.send({"is": "clear", "serial": self._serial})

    def accept(self, events: list) -> None:
        """Keep and send the rows of ``events``; called in the job's thread with the lock held."""
        first = len(self._rows) // self.width
        rows = array("f", [x for event in events for x in self.row(event)])
        if not rows:
            return
        self._rows.extend(rows)
        self.send({"is": "rows", "serial": self._serial, "first": first}, buffers=[rows.tobytes()])

    def _on_events(self, serial: int, events: list) -> None:
        with self._lock:
            if serial == self._serial:  # a run that was reset has nothing more to say
                self.accept(events)

    def _on_status(self, serial: int, status: str, error: str) -> None:
        if serial != self._serial:
            return
        if error:
            self.error = error
        if status in FINAL:
            self.send_state("snapshot")
        self.status = status

    def _may_clear_error(self) -> bool:
        return self._job is None or not self._job.error

    def _pack(self) -> memoryview:
        with self._lock:
            return memoryview(self._rows.tobytes())


@atexit.register
def stop_all() -> None:
    """Stop every job and wait for its last step; runs when Python ends."""
    jobs = [figure._job for figure in _live if figure._job is not None]
    for job in jobs:
        job.stop()
    for job in jobs:
        job.wait(5)
