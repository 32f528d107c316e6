"""Named schedules: one-liners over the pieces that keep their name in ``repr``."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING

from . import checks
from .plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from .._types import P

    Arguments = dict[str, Any]

_BUILDERS = {}
_RESIZE = {}


class Named(Plan):
    """A plan that remembers the name and the arguments that it was built with."""

    __slots__ = ("name", "arguments", "body", "_depth")

    def __init__(self, name, arguments, body):
        self.name, self.arguments, self.body, self.length = name, arguments, body, body.length
        self._depth = checks.depth([body])

    def _at(self, t):
        return self.body._at(t)

    def _on(self, t, lib):
        return self.body._on(t, lib)

    def _resized(self, n):
        arguments = _RESIZE[self.name](dict(self.arguments), n) if n else None
        try:
            return _BUILDERS[self.name](**arguments) if arguments else self.body._resized(n)
        except ValueError:  # too short for these arguments
            return self.body._resized(n)

    def _begins(self, stop):
        return self.body._begins(stop)

    def _area(self, stop):
        return self.body._area(stop)

    def _top(self):
        return self.body._top()

    def _words(self, start):
        return self.body._words(start)

    def __repr__(self):
        shown = []
        for k, p in enumerate(inspect.signature(_BUILDERS[self.name]).parameters.values()):
            value = dict(self.arguments)[p.name]
            if value != p.default:
                shown.append(repr(value) if k == 0 else f"{p.name}={value!r}")
        return f"{self.name}({', '.join(shown)})"


def named(
    resize: Callable[[Arguments, int], Arguments | None] | None = None,
) -> Callable[[Callable[P, Plan]], Callable[P, Plan]]:
    """Decorate a function that builds a plan, so that it returns a `Named` plan around what it builds.

    ``resize(arguments, n)`` gives the arguments for another length (by default those with this ``n``, if it takes
    one), or None where only the pieces can be resized.
    """

    def decorate(build: Callable[P, Plan]) -> Callable[P, Plan]:
        signature = _without_hints(inspect.signature(build))
        _RESIZE[build.__name__] = resize or (_with_n if "n" in signature.parameters else lambda arguments, n: None)

        @functools.wraps(build)
        def builder(*args: P.args, **kwargs: P.kwargs) -> Plan:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{build.__name__}{signature}: {error}") from None
            bound.apply_defaults()
            plain = {k: _plain(v) for k, v in bound.arguments.items()}
            return Named(build.__name__, tuple(plain.items()), build(**plain))

        _BUILDERS[build.__name__] = checks.makes_plan(builder)
        return builder

    return decorate


def _without_hints(signature):
    """``signature`` as an error shows it: names and defaults."""
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return inspect.Signature(parameters)


def _plain(value):
    """Turn arrays and lists into tuples and NumPy scalars into Python numbers, so that repr evaluates back."""
    if isinstance(value, dict):
        value = value.items()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)) or type(value).__name__ in ("dict_items", "range", "zip"):
        return tuple(_plain(v) for v in value)
    return value


def _with_n(arguments, n):
    return {**arguments, "n": n}
