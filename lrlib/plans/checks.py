"""Checks of arguments: each names the argument, the value, and what is allowed."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING

import numpy as np

from .._base import arguments

if TYPE_CHECKING:
    from collections.abc import Callable
    from .._types import P, R

LONGEST = 2**53  # steps: a float64 tells each step from the next up to there
DEEPEST = 50  # levels of plans inside plans: each takes several of the about 1,000 calls that Python nests


def makes_plan(build: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that makes a plan: one that was not called is no plan (`arguments.plan_of`)."""
    vars(build)["makes_plan"] = True
    return build


def steps(name, value, least=0):
    """Return ``value``, a number of steps, as an int of at least ``least``, or raise ``TypeError`` or ``ValueError``.

    The error for a float, perhaps a share of a run, says how such shares are written.

    >>> steps("n", 0.06)
    Traceback (most recent call last):
    ...
    TypeError: n must be a whole number of at least 0; got 0.06 (shares of a run: (warmup(6) >> cosine(94)).resize(n))
    """
    try:
        return arguments.whole(name, value, least, LONGEST)
    except TypeError as error:
        if isinstance(value, (float, np.floating)) and math.isfinite(value):
            raise TypeError(f"{error} (shares of a run: (warmup(6) >> cosine(94)).resize(n))") from None
        raise


def length(value):
    """Return ``value``, the length of a plan made of others; raise ``ValueError`` above `LONGEST`.

    >>> length(10), length(math.inf)
    (10, inf)
    """
    if LONGEST < value < math.inf:
        raise ValueError(f"a plan must be at most {LONGEST:,} steps long; these parts together have {value:,}")
    return value


def depth(parts):
    """Return how many levels of plans a plan made of ``parts`` has; raise ``ValueError`` beyond `DEEPEST`."""
    found = 1 + max(part._depth for part in parts)
    if found > DEEPEST:
        raise ValueError(f"a plan must hold other plans at most {DEEPEST} levels deep; this one would reach {found}")
    return found


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
