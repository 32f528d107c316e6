"""Checks of arguments: each names the argument, the value, and what is allowed."""

import numbers

from .._base import arguments


def count(name, value, least=0):
    """Return ``value`` as an int of at least ``least``; raise ``TypeError`` or ``ValueError`` otherwise.

    >>> count("n", 0, least=1)
    Traceback (most recent call last):
    ...
    ValueError: n must be a whole number of at least 1; got 0
    """
    return arguments.whole(name, value, least)


def factor(name, value, positive=False):
    """Return ``value`` as a finite Python number of at least 0 (above 0 if ``positive``); an int stays one.

    >>> factor("final", -0.1)
    Traceback (most recent call last):
    ...
    ValueError: final must be a finite number of at least 0; got -0.1
    """
    found = arguments.number(name, value, above=0 if positive else None)
    return int(value) if isinstance(value, numbers.Integral) else found


def power(name, value, k):
    """Return value**k for a ``value`` above 0; raise ``ValueError`` where a float cannot hold it.

    >>> power("rate", 0.5, 2)
    0.25
    >>> power("rate", 2.0, 5000)
    Traceback (most recent call last):
    ...
    ValueError: rate to the power of 5000 must be a finite number; got rate=2.0
    """
    value = factor(name, value, positive=True)
    try:
        float(value) ** k
    except OverflowError:
        raise ValueError(f"{name} to the power of {k} must be a finite number; got {name}={value!r}") from None
    return value**k
