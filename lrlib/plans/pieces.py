"""The pieces that plans are made of: ``ramp``, ``hold`` and, without an end, ``fade``."""

from __future__ import annotations

import math
import numbers

from .._base import arguments
from . import checks
from .plan import Plan

# Shapes s(u) with s(0) = 0 and s(1) = 1; lib is math, numpy or torch.
SHAPES = {
    "linear": lambda u, lib: u,
    "cosine": lambda u, lib: (1 - lib.cos(math.pi * u)) / 2,
    "1-sqrt": lambda u, lib: lib.sqrt(u),
    "1-square": lambda u, lib: u * u,
    "exponential": None,  # multiplies by the same number each step, so s depends on the two ends
}

# Their sums over the steps 0 … m − 1 of n, where there is a closed form.
SUMS = {
    "linear": lambda m, n: m * (m - 1) / (2 * n),
    "cosine": lambda m, n: (m - _cosines(m, math.pi / n)) / 2,
    "1-square": lambda m, n: m * (m - 1) * (2 * m - 1) / (6 * n * n),
}


def _cosines(m, x):
    """1 + cos x + … + cos (m − 1)x."""
    return math.sin(m * x / 2) * math.cos((m - 1) * x / 2) / math.sin(x / 2)


# Falls f(u) from f(0) = 1 towards 0, without end.
FADES = {
    "exponential": lambda u, lib: lib.exp(-u),
    "logarithmic": lambda u, lib: math.log(2) / lib.log(2 + u),
}


@checks.makes_plan
def ramp(n: int, start: float, stop: float, shape: str | float = "linear") -> Plan:
    """Go from ``start`` to ``stop`` in ``n`` steps: start + (stop − start)·s(t/n) for t < n, ``stop`` from t = n on.

    ``shape`` gives s(u): ``"linear"`` u, ``"cosine"`` (1 − cos πu)/2, ``"1-sqrt"`` √u, ``"1-square"`` u² (falling
    from 1 to 0 these are 1 − √u and 1 − u²), ``"exponential"`` start·(stop/start)^u, whose ends must be above 0; a
    number p above 0 is the polynomial 1 − (1 − u)^p. ``n = 0`` is ``stop`` at once. Raises ``ValueError`` for a
    negative ``n``, ends that are negative or not finite, and an unknown shape; ``TypeError`` for an ``n`` that is not
    a whole number.

    >>> [ramp(4, 1, 0, shape="1-sqrt")(t) for t in (0, 1, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    >>> ramp(4, 1, 0, shape=2)(2)
    0.25
    """
    return Ramp(n, start, stop, shape)


@checks.makes_plan
def hold(n: int, value: float = 1) -> Plan:
    """Stay at ``value`` for ``n`` steps (and after them, if nothing follows).

    Raises ``ValueError`` for a negative ``n`` or a ``value`` that is negative or not finite.

    >>> (hold(2) >> hold(3, 0.1))(2)
    0.1
    """
    return Hold(n, value)


@checks.makes_plan
def fade(tau: float, shape: str | float = "exponential") -> Plan:
    """Fall from 1 towards 0 for ever: f(t/τ), with ``tau`` in steps.

    ``shape`` gives f(u): ``"exponential"`` e⁻ᵘ, ``"logarithmic"`` ln 2/ln(2 + u); a number p above 0 is the power law
    (1 + u)⁻ᵖ. Endless, so nothing can follow it; ``.cut(n)`` ends it. Raises ``ValueError`` for a ``tau`` that is not
    above 0 and an unknown shape.

    >>> [round(fade(10, shape=0.5)(t), 4) for t in (0, 10, 30)]
    [1.0, 0.7071, 0.5]
    >>> fade(10).length
    inf
    """
    return Fade(tau, shape)


class Ramp(Plan):
    """See `ramp`."""

    __slots__ = ("n", "start", "stop", "shape")

    def __init__(self, n, start, stop, shape):
        self.n, self.shape = checks.steps("n", n), _shape(shape, SHAPES)
        self.start = checks.factor("start", start, positive=shape == "exponential")
        self.stop = checks.factor("stop", stop, positive=shape == "exponential")
        self.length = self.n

    def _inside(self, t, lib):
        u = t / self.n
        if self.shape == "exponential":
            return _multiplied(u, self.start, self.stop, lib)
        s = SHAPES[self.shape](u, lib) if isinstance(self.shape, str) else 1 - (1 - u) ** self.shape
        return self.start + (self.stop - self.start) * s

    def _at(self, t):
        return self._inside(t, math) if t < self.n else self.stop

    def _on(self, t, lib):
        out = t * 0 + self.stop
        inside = t < self.n
        if inside.any():
            out[inside] = self._inside(t[inside], lib)
        return out

    def _resized(self, n):
        return Ramp(n, self.start, self.stop, self.shape)

    def _area(self, stop):
        inside = min(stop, self.n)
        after = (stop - inside) * self.stop
        if self.start == self.stop:
            return stop * self.stop
        if self.shape == "exponential":
            fall = -abs(math.log(self.stop) - math.log(self.start)) / self.n  # from the higher end to the lower
            top = self.start if self.stop < self.start else self._at(max(0, inside - 1))
            return after + top * math.expm1(inside * fall) / math.expm1(fall) if inside else after
        if self.shape not in SUMS:
            return super()._area(stop)
        return after + inside * self.start + (self.stop - self.start) * SUMS[self.shape](inside, self.n)

    def _top(self):
        return max(self.start, self.stop)

    def _words(self, start):
        if self.n == 0:
            return []
        if self.start == self.stop:
            return [f"{_steps(start, self.n)}: stays at {self.start:.4g}"]
        way = "rises" if self.stop > self.start else "falls"
        return [f"{_steps(start, self.n)}: {way} from {self.start:.4g} to {self.stop:.4g} ({_shown(self.shape)})"]

    def __repr__(self):
        shape = "" if self.shape == "linear" else f", shape={self.shape!r}"
        return f"ramp({self.n}, {self.start!r}, {self.stop!r}{shape})"


class Hold(Plan):
    """See `hold`."""

    __slots__ = ("n", "value")

    def __init__(self, n, value):
        self.n, self.value = checks.steps("n", n), checks.factor("value", value)
        self.length = self.n

    def _at(self, t):
        return self.value

    def _on(self, t, lib):
        return t * 0 + self.value

    def _resized(self, n):
        return Hold(n, self.value)

    def _area(self, stop):
        return stop * self.value

    def _top(self):
        return self.value

    def __rmul__(self, number: float) -> Plan:
        scaled = super().__rmul__(number)
        return scaled if scaled is NotImplemented else Hold(self.n, scaled.number * self.value)

    def _words(self, start):
        return [f"{_steps(start, self.n)}: stays at {self.value:.4g}"] if self.n else []

    def __repr__(self):
        return f"hold({self.n})" if self.value == 1 else f"hold({self.n}, {self.value!r})"


class Fade(Plan):
    """See `fade`."""

    __slots__ = ("tau", "shape")

    def __init__(self, tau, shape):
        self.tau, self.shape = checks.factor("tau", tau, positive=True), _shape(shape, FADES)
        self.length = math.inf

    def _value(self, t, lib):
        if isinstance(self.shape, str):
            return FADES[self.shape](t / self.tau, lib)
        return (1 + t / self.tau) ** -self.shape

    def _at(self, t):
        return self._value(t, math)

    def _on(self, t, lib):
        return self._value(t, lib)

    def _area(self, stop):
        if self.shape != "exponential":
            return super()._area(stop)
        return math.expm1(-stop / self.tau) / math.expm1(-1 / self.tau)

    def _top(self):
        return 1

    def _words(self, start):
        return [f"from step {start}: falls from 1 without end ({_shown(self.shape)}, τ = {self.tau:.4g})"]

    def __repr__(self):
        shape = "" if self.shape == "exponential" else f", shape={self.shape!r}"
        return f"fade({self.tau!r}{shape})"


def _multiplied(u, start, stop, lib):
    """start·(stop/start)^u, also where the ratio leaves a float's range."""
    ratio = stop / start
    if 1e-300 < ratio < 1e300:
        return start * lib.exp(u * math.log(ratio))
    return lib.exp((1 - u) * math.log(start) + u * math.log(stop))


def _shape(shape, known):
    if isinstance(shape, numbers.Real) and not isinstance(shape, bool):
        return checks.factor("shape", shape, positive=True)
    if not isinstance(shape, str) or shape not in known:
        raise ValueError(f"shape must be one of {', '.join(known)}, or a power above 0; got {arguments.shown(shape)}")
    return shape


def _shown(shape):
    return shape if isinstance(shape, str) else f"power {shape:.4g}"


def _steps(start, n):
    return f"step {start}" if n == 1 else f"steps {start} to {start + n - 1}"
