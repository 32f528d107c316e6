"""Named schedules: one-liners over ``ramp`` and ``hold`` that keep their name in ``repr``."""

import functools
import inspect

from lrlib.schedules import checks
from lrlib.schedules.pieces import hold, ramp
from lrlib.schedules.plan import Plan


class Named(Plan):
    """A plan that remembers the name and the arguments that it was built with."""

    __slots__ = ("name", "arguments", "body")

    def __init__(self, name, arguments, body):
        self.name, self.arguments, self.body, self.length = name, arguments, body, body.length

    def _at(self, t):
        return self.body._at(t)

    def _on(self, t, lib):
        return self.body._on(t, lib)

    def _resized(self, n):
        arguments = _RESIZE.get(self.name, _with_n)(dict(self.arguments), n)
        return _BUILDERS[self.name](**arguments) if arguments else self.body._resized(n)

    def _words(self, start):
        return self.body._words(start)

    def __repr__(self):
        shown = []
        for k, p in enumerate(inspect.signature(_BUILDERS[self.name]).parameters.values()):
            value = dict(self.arguments)[p.name]
            if k == 0:
                shown.append(repr(value))
            elif value != p.default:
                shown.append(f"{p.name}={value!r}")
        return f"{self.name}({', '.join(shown)})"


_BUILDERS = {}


def _named(build):
    """Make ``build`` return a `Named` plan around what it builds."""
    signature = inspect.signature(build)

    @functools.wraps(build)
    def builder(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        body = build(*bound.args, **bound.kwargs)
        plain = {k: _plain(v) for k, v in bound.arguments.items()}
        return Named(build.__name__, tuple(plain.items()), body)

    _BUILDERS[build.__name__] = builder
    return builder


@_named
def warmup(n, start=None):
    """Rise to 1 in ``n`` steps: (t + 1)/(n + 1), never 0, and 1 at t = n.

    With ``start`` the rise is start + (1 − start)·t/n, so ``start=0`` gives t/n, whose first step trains nothing.
    Raises ``ValueError`` for a negative ``n`` or ``start``. Source: Goyal 2017.

    >>> [round(warmup(4)(t), 4) for t in (0, 1, 2, 3, 4, 5)]
    [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    >>> [warmup(4, start=0)(t) for t in (0, 1, 4)]
    [0.0, 0.25, 1.0]
    """
    n = checks.count("n", n)
    return ramp(n, 1 / (n + 1) if start is None else start, 1)


@_named
def cosine(n, final=0, inclusive=False):
    """Fall from 1 to ``final`` along half a cosine: final + (1 − final)(1 + cos(πt/n))/2, and ``final`` from t = n on.

    Trained for ``n`` steps the minimum is therefore never used; ``inclusive=True`` reaches it at t = n − 1, the last
    of ``n`` steps. Raises ``ValueError`` for a negative ``n`` (below 1 if inclusive) or ``final``.
    Source: Loshchilov & Hutter 2017.

    >>> [round(cosine(4, final=0.1)(t), 4) for t in range(6)]
    [1.0, 0.8682, 0.55, 0.2318, 0.1, 0.1]
    >>> cosine(4, inclusive=True)(3)
    0.0
    """
    if not inclusive:
        return ramp(n, 1, final, shape="cosine")
    return ramp(checks.count("n", n, least=1) - 1, 1, final, shape="cosine") >> hold(1, final)


@_named
def linear(n, final=0):
    """Fall from 1 to ``final`` along a straight line: 1 + (final − 1)·t/n, and ``final`` from t = n on.

    Raises ``ValueError`` for a negative ``n`` or ``final``.

    >>> [linear(4)(t) for t in (0, 1, 4, 5)]
    [1.0, 0.75, 0.0, 0.0]
    """
    return ramp(n, 1, final)


@_named
def exponential(n, final=None, rate=None):
    """Multiply by the same number each step: finalᵗᐟⁿ, or rateᵗ; constant from t = n on.

    Give ``final`` (the value at t = n) or ``rate`` (the factor of one step), not both, else ``TypeError``; both
    must be above 0, and ``rate`` to the n-th power too, else ``ValueError``.

    >>> round(exponential(100, final=0.01)(50), 6)
    0.1
    >>> round(exponential(10, rate=0.9)(2), 6)
    0.81
    """
    if (final is None) == (rate is None):
        raise TypeError(f"exponential needs either final or rate; got final={final!r}, rate={rate!r}")
    if final is None:
        final = checks.factor("rate", rate, positive=True) ** checks.count("n", n)
    return ramp(n, 1, checks.factor("final", final, positive=True), shape="exponential")


@_named
def step(every, factor=0.1, times=None):
    """Drop by ``factor`` after each ``every`` steps: factor^⌊t/every⌋, for ever or for ``times`` drops.

    Raises ``ValueError`` for ``every`` or ``times`` below 1, or a ``factor`` that is not above 0 (with
    ``times=None``, also one above 1).

    >>> [step(30)(t) for t in (0, 29, 30)]
    [1.0, 1.0, 0.1]
    >>> step(30, factor=0.5, times=2)(1000)
    0.25
    """
    cycles = hold(checks.count("every", every, least=1)).repeat(times, decay=factor)
    return cycles if times is None else cycles >> hold(0, factor**times)


def _plain(value):
    """Turn NumPy scalars into Python numbers, so that repr evaluates back."""
    return value.item() if hasattr(value, "item") else value


def _with_n(arguments, n):
    return {**arguments, "n": n}


def _exponential_with_n(arguments, n):
    if arguments["final"] is None:
        arguments["final"] = arguments["rate"] ** arguments["n"]
    return {"n": n, "final": arguments["final"]}


def _step_with_n(arguments, n):
    if n == 0 or n % arguments["times"]:
        return None
    return {**arguments, "every": n // arguments["times"]}


def _cosine_with_n(arguments, n):
    return {**arguments, "n": n, "inclusive": arguments["inclusive"] and n > 0}


_RESIZE = {"exponential": _exponential_with_n, "step": _step_with_n, "cosine": _cosine_with_n}
