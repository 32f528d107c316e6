"""`check("q1")`: instant feedback in the notebook on a function that the student wrote."""

import contextlib
import copy
import io
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from dataclasses import dataclass
from html import escape

from ..language import check_language, language, t
from .assignment import read_assignment
from .values import Miss, number

LIMIT = 5.0  # seconds a check, where the system has timers


class TooSlow(BaseException):
    """Not an `Exception`, so that a student's own `except Exception` lets it through."""


@dataclass(frozen=True)
class Item:
    """One check that ran: did it pass, its title, and for a miss the hint (key, words) and the call."""

    passed: bool
    points: int
    title: str
    hint: str = ""
    words: str = ""
    call: str = ""


@dataclass(frozen=True)
class Result:
    """What `check` found; shown as text or as HTML in the notebook's language."""

    question: str
    earned: int
    points: int
    items: tuple
    note: str
    lang: str

    @property
    def hints(self):
        """Keys of the hints of all missed checks."""
        return tuple(item.hint for item in self.items if item.hint)

    def _head(self):
        return t("check.points", lang=self.lang, question=self.question, earned=self.earned, points=self.points)

    def _mark(self, item):
        return ("✓", t("check.right", lang=self.lang)) if item.passed else ("✗", t("check.wrong", lang=self.lang))

    def __repr__(self):
        lines = [self._head()] if self.points else []
        for item in self.items:
            mark, word = self._mark(item)
            lines.append(f"{mark} {word} {item.title}")
            lines += [f"    {line}" for line in (item.call, item.words) if line]
        return "\n".join([*lines, self.note])

    def _repr_html_(self):
        rows = "".join(self._row(item) for item in self.items)
        kind = "right" if self.points and self.earned == self.points else "open"
        return (
            f'<div class="lr-check lr-check-{kind}" role="status" lang="{self.lang}">'
            f"<p><strong>{escape(self._head())}</strong></p>"
            + (f"<ul>{rows}</ul>" if rows else "")
            + f'<p class="lr-check-note">{escape(self.note)}</p></div>'
        )

    def _row(self, item):
        mark, word = self._mark(item)
        call = f"<br><code>{escape(item.call)}</code>" if item.call else ""
        words = "<br>" + re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(item.words)) if item.words else ""
        return (
            f'<li><span aria-hidden="true">{mark}</span> <strong>{escape(word)}</strong> '
            f"{escape(item.title)}{call}{words}</li>"
        )


class Ask:
    """Calls the student's function, each time with fresh copies of the arguments, and remembers the last call."""

    def __init__(self, function, name):
        self.function, self.name, self.call = function, name, ""

    def __call__(self, *args):
        self.call = f"{self.name}({', '.join(map(repr, args))})"
        value = self.function(*copy.deepcopy(args))
        self.call += f" → {_shown(value)}"
        return value

    def number(self, *args):
        """The answer as a float; `Miss` if it is none."""
        return number(self(*args))


def _shown(value):
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "…"


def check(question, assignment="pedal", *, namespace=None, lang=None):
    """Run the checks of `question` on the function of that name in the caller's notebook.

    Shows what passed and, for what did not, a hint. An error in the student's code is shown, not raised; what the
    code prints or warns costs nothing and is not shown; random states stay as they were; a loop that
    runs away is stopped after `LIMIT` seconds (not on Windows). Under nbgrader (`NBGRADER_EXECUTION` set) an answer without points
    raises an `AssertionError`, and one with part of them gives their number, as nbgrader's marks need.

    Args:
        namespace: where to look for the function; default: the caller's variables.
        lang: "en" or "ja"; default: the notebook's language.

    Raises:
        ValueError: `question` or `assignment` does not exist.
    """
    work, lang = read_assignment(assignment), check_language(lang or language())
    if question not in work.points:
        raise ValueError(f"question must be one of {', '.join(work.points)}, not {question!r}")
    if question in work.manual:
        return Result(question, 0, work.points[question], (), t("check.manual", lang=lang), lang)
    frame = sys._getframe(1)
    space = {**frame.f_globals, **frame.f_locals} if namespace is None else namespace
    return _for_nbgrader(_judged(work, question, space, lang))


def _judged(work, question, space, lang):
    name, points = work.functions[question], work.points[question]
    if not callable(space.get(name)):
        return Result(question, 0, points, (), t("check.missing", lang=lang, name=name), lang)
    ask = Ask(space[name], name)
    with _quiet(), _random_states():
        try:
            items = tuple(_one(one, ask, work.hints, lang) for one in work.of(question))
        except NotImplementedError:
            return Result(question, 0, points, (), t("check.blank", lang=lang, name=name), lang)
    earned = sum(item.points for item in items if item.passed)
    return Result(question, earned, points, items, t("check.public", lang=lang), lang)


def _one(one, ask, hints, lang):
    title, ask.call = one.title[lang], ""
    try:
        with _time_limit(LIMIT):
            one.run(ask)
        return Item(True, one.points, title)
    except Miss as miss:
        return Item(False, one.points, title, miss.hint, hints[miss.hint][lang], ask.call)
    except (NotImplementedError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit, TooSlow) as error:
        kind = type(error).__name__
        key = one.crash.get(kind, "slow" if kind == "TooSlow" else "crash")
        said = "" if kind == "TooSlow" else traceback.format_exception_only(error)[-1].strip()[:200]
        return Item(False, one.points, title, key, hints[key][lang], f"{ask.call}: {said}".rstrip(": "))


def _for_nbgrader(result):
    if os.environ.get("NBGRADER_EXECUTION") not in ("autograde", "validate") or result.earned == result.points:
        return result
    if not result.earned:
        raise AssertionError(repr(result))
    return float(result.earned)


@contextlib.contextmanager
def _quiet():
    """Prints and warnings go nowhere."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield


@contextlib.contextmanager
def _random_states():
    if "torch" not in sys.modules:  # loading it takes seconds
        import random

        import numpy as np

        python, numpy = random.getstate(), np.random.get_state()
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
    else:
        from lrlib import random_states

        with random_states():
            yield


@contextlib.contextmanager
def _time_limit(seconds):
    """Raise `TooSlow` inside after `seconds`; without timers, or off the main thread, there is no limit."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
