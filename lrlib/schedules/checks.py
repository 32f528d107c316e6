"""Checks of arguments: each names the argument, the value, and what is allowed."""

import math
import numbers
import operator


def count(name, value, least=0):
    """Return ``value`` as an int of at least ``least``; raise ``TypeError`` or ``ValueError`` otherwise.

    >>> count("n", 0, least=1)
    Traceback (most recent call last):
    ...
    ValueError: n must be at least 1; got 0
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number of steps, at least {least}; got {value!r}") from None
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    return value


def factor(name, value, positive=False):
    """Return ``value`` as a finite Python number of at least 0 (above 0 if ``positive``).

    >>> factor("final", -0.1)
    Traceback (most recent call last):
    ...
    ValueError: final must be a finite number of at least 0; got -0.1
    """
    allowed = "above 0" if positive else "of at least 0"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a finite number {allowed}; got {value!r}")
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        raise ValueError(f"{name} must be a finite number {allowed}; got {value!r}")
    return int(value) if isinstance(value, numbers.Integral) else float(value)
