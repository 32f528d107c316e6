"""Checks of arguments: each names the argument, the value, and what is allowed."""

import numbers

from lrlib import arguments


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
