"""Trait types that refuse a wrong value with a sentence a reader can act on.

A refusal names the trait, the value and what is allowed; the old value stays. It is both a
``TraitError`` (so that traitlets rolls back a message from the page) and a ``ValueError``.
"""

from __future__ import annotations

import math
import numbers

import traitlets as tl

from .strings import say


class RefusedValue(tl.TraitError, ValueError):
    """A control was given a value outside what it allows."""


class _Control(tl.TraitType):
    """A synced scalar; subclasses say what is allowed and turn a value into the stored form."""

    control = True

    def allowed(self, obj: tl.HasTraits) -> str:
        raise NotImplementedError

    def accept(self, obj: tl.HasTraits, value: object) -> object:
        """Return the value to store, or raise ``ValueError`` without a message."""
        raise NotImplementedError

    def validate(self, obj, value):
        try:
            return self.accept(obj, value)
        except (TypeError, ValueError, OverflowError):
            old = obj._trait_values.get(self.name, self.default_value)
            text = say(
                "refused",
                getattr(obj, "lang", None),
                name=self.name,
                value=repr(value),
                allowed=self.allowed(obj),
                old=repr(old),
            )
            raise RefusedValue(text) from None


class Number(_Control):
    """A finite number from ``low`` to ``high``, both included."""

    def __init__(self, default: float, low: float, high: float):
        self.low, self.high = low, high
        super().__init__(default)
        self.tag(sync=True)

    def allowed(self, obj):
        return say("between", getattr(obj, "lang", None), low=self.low, high=self.high)

    def accept(self, obj, value):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError
        x = float(value)
        if not math.isfinite(x) or not self.low <= x <= self.high:
            raise ValueError
        return x


class Whole(_Control):
    """A whole number from ``low`` to ``high``, both included; ``20.0`` counts as 20."""

    def __init__(self, default: int, low: int, high: int):
        self.low, self.high = low, high
        super().__init__(default)
        self.tag(sync=True)

    def allowed(self, obj):
        return say("whole", getattr(obj, "lang", None), low=self.low, high=self.high)

    def accept(self, obj, value):
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or float(value) != int(value):
            raise ValueError
        n = int(value)
        if not self.low <= n <= self.high:
            raise ValueError
        return n


class Choice(_Control):
    """One of a few names; ``choices`` may be a function of the widget that returns them."""

    def __init__(self, default: str, choices):
        self.choices = choices
        super().__init__(default)
        self.tag(sync=True)

    def names(self, obj) -> tuple[str, ...]:
        return tuple(self.choices(obj) if callable(self.choices) else self.choices)

    def allowed(self, obj):
        return say("choice", getattr(obj, "lang", None), choices=", ".join(self.names(obj)))

    def accept(self, obj, value):
        if not isinstance(value, str) or value not in self.names(obj):
            raise ValueError
        return value
