"""One background job: a generator run in a thread, steered through a mailbox.

The job drives a plain generator that yields one event a step and takes a dict of changed settings::

    changed = yield event           # a change may be answered by the next event, or by None before it

Stop is ``generator.close()`` between two steps, so the generator's ``finally`` blocks run. Status goes

    loading -> running <-> paused -> stopping -> done | stopped | failed

and every change is published from inside ``lock``, which the widget shares: a page never sees two
changes in the wrong order, and no second lock exists that could be taken the other way round.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import threading
import time
import traceback
from collections.abc import Callable, Generator

IDLE, WAITING, LOADING, RUNNING = "idle", "waiting", "loading", "running"
PAUSED, STOPPING, DONE, STOPPED, FAILED = "paused", "stopping", "done", "stopped", "failed"
STATUSES = (IDLE, WAITING, LOADING, RUNNING, PAUSED, STOPPING, DONE, STOPPED, FAILED)
FINAL = frozenset({DONE, STOPPED, FAILED})
PREFIX = "lrwidgets-job-"

_numbers = itertools.count(1)
_turn = threading.Lock()  # a laptop with two cores trains one thing at a time


class Job:
    """Run ``make()``'s generator in a daemon thread.

    Args:
        make: returns the generator; called in the thread, so that slow imports hold nobody up.
        on_events: called with a list of events, at most ``hz`` times a second, and once more at the end.
        on_status: called with ``(status, error)`` whenever the status changes, ``lock`` held.
        lock: the reentrant lock of whoever owns the job.
        context: the context in which the page's last command arrived. ipykernel answers a comm from the
            (sub)shell that its last message came from; a thread that publishes in the context of a busy
            cell would pull the next Stop behind that cell.
        hz: upper limit of updates a second.
        around: makes a context in which the whole run takes place, entered in the thread.
    """

    def __init__(
        self,
        make: Callable[[], Generator],
        *,
        on_events,
        on_status,
        lock,
        context: contextvars.Context | None = None,
        hz: float = 15.0,
        around=contextlib.nullcontext,
    ):
        self._around = around
        self._make, self._on_events, self._on_status = make, on_events, on_status
        self._lock, self._context, self._period = lock, context, 1.0 / hz
        self._mail: dict = {}
        self._stop, self._go, self._over = threading.Event(), threading.Event(), threading.Event()
        self._go.set()
        self._thread: threading.Thread | None = None
        self.status, self.error, self.steps = IDLE, "", 0

    def start(self) -> "Job":
        """Start the thread and return at once."""
        source = self._context.run if self._context is not None else (lambda f: f())
        context = source(contextvars.copy_context)
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), daemon=True, name=f"{PREFIX}{next(_numbers)}"
        )
        self._thread.start()
        return self

    def send(self, **changed) -> None:
        """Hand changed settings to the generator at its next step; the latest value wins."""
        with self._lock:
            self._mail.update(changed)

    def pause(self) -> None:
        """Hold before the next step."""
        with self._lock:
            if self.status in (LOADING, RUNNING):
                self._go.clear()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._go.set()

    def stop(self) -> None:
        """Ask for a stop between two steps and return at once."""
        with self._lock:
            self._stop.set()
            if self.status not in FINAL and self.status != IDLE:
                self._set(STOPPING)
        self._go.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block the calling cell until the job is over; Interrupt stops the training and keeps its results."""
        end = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._over.wait(0.05):
                if end is not None and time.monotonic() > end:
                    return False
        except KeyboardInterrupt:
            self.stop()
            self._over.wait(10)
            return False
        return True

    def alive(self) -> bool:
        """Return whether the job's thread still runs."""
        return self._thread is not None and self._thread.is_alive()

    def _set(self, status: str, error: str = "") -> None:
        self.status, self.error = status, error
        self._on_status(status, error)

    def _enter(self, status: str) -> None:
        with self._lock:
            if self.status not in FINAL and not self._stop.is_set():
                self._set(status)

    def _run(self) -> None:
        held, final, error = False, DONE, ""
        try:
            held = self._take_turn()
            final = self._train() if held else STOPPED
        except BaseException as problem:  # a thread has no cell to show it: the widget does
            final, error = FAILED, _text(problem)
        finally:
            if held:
                _turn.release()
            with self._lock:
                try:
                    self._set(final, error)
                finally:
                    self._over.set()

    def _take_turn(self) -> bool:
        if not _turn.acquire(blocking=False):
            self._enter(WAITING)
            while not _turn.acquire(timeout=0.05):
                if self._stop.is_set():
                    return False
        if self._stop.is_set():
            _turn.release()
            return False
        return True

    def _train(self) -> str:
        self._enter(LOADING)
        with self._around():
            generator, events = self._make(), []
            try:
                return self._drive(generator, events)
            finally:
                generator.close()
                if events:
                    self._on_events(events)

    def _drive(self, generator, events: list) -> str:
        last = 0.0
        while not self._stop.is_set():
            if not self._go.is_set():
                self._hold(events)
                continue
            try:
                event = generator.send(self._take_mail())
            except StopIteration:
                return DONE
            if event is None:  # the answer to a change: the step comes with the next call
                continue
            events.append(event)
            if self.steps == 0:
                self._enter(RUNNING)
            self.steps += 1
            now = time.monotonic()
            if now - last >= self._period:
                self._on_events(events)
                events.clear()
                last = now
        return STOPPED

    def _take_mail(self) -> dict | None:
        """Return what changed since the last step; a generator that has not begun takes nothing yet."""
        if self.steps == 0:
            return None
        with self._lock:
            changed, self._mail = self._mail or None, {}
        return changed

    def _hold(self, events: list) -> None:
        if events:
            self._on_events(events)
            events.clear()
        self._enter(PAUSED)
        self._go.wait()
        self._enter(RUNNING)


def _text(problem: BaseException) -> str:
    return "".join(traceback.format_exception(problem))


def job_threads() -> list[threading.Thread]:
    """Return the job threads that are alive now: empty when nothing trains."""
    return [t for t in threading.enumerate() if t.name.startswith(PREFIX)]
