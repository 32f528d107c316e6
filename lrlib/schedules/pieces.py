"""The pieces that plans are made of: ``ramp`` and ``hold``."""

import math

from lrlib.schedules import checks
from lrlib.schedules.plan import Plan

# Shapes s(u) with s(0) = 0 and s(1) = 1; lib is math, numpy or torch.
SHAPES = {
    "linear": lambda u, lib: u,
    "cosine": lambda u, lib: (1 - lib.cos(math.pi * u)) / 2,
    "1-sqrt": lambda u, lib: lib.sqrt(u),
    "1-square": lambda u, lib: u * u,
    "exponential": None,  # multiplies by the same number each step, so s depends on the two ends
}


def ramp(n, start, stop, shape="linear"):
    """Go from ``start`` to ``stop`` in ``n`` steps: start + (stop − start)·s(t/n) for t < n, ``stop`` from t = n on.

    ``shape`` gives s(u): ``"linear"`` u, ``"cosine"`` (1 − cos πu)/2, ``"1-sqrt"`` √u, ``"1-square"`` u² (falling
    from 1 to 0 these are 1 − √u and 1 − u²), ``"exponential"`` start·(stop/start)^u, whose ends must be above 0.
    ``n = 0`` is ``stop`` at once. Raises ``ValueError`` for a negative ``n``, ends that are negative or not finite,
    and an unknown shape; ``TypeError`` for an ``n`` that is not a whole number.

    >>> [ramp(4, 1, 0, shape="1-sqrt")(t) for t in (0, 1, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    return Ramp(n, start, stop, shape)


def hold(n, value=1):
    """Stay at ``value`` for ``n`` steps (and after them, if nothing follows).

    Raises ``ValueError`` for a negative ``n`` or a ``value`` that is negative or not finite.

    >>> (hold(2) >> hold(3, 0.1))(2)
    0.1
    """
    return Hold(n, value)


class Ramp(Plan):
    """See `ramp`."""

    __slots__ = ("n", "start", "stop", "shape")

    def __init__(self, n, start, stop, shape):
        self.n = checks.count("n", n)
        if shape not in SHAPES:
            raise ValueError(f"shape must be one of {', '.join(SHAPES)}; got {shape!r}")
        self.start = checks.factor("start", start, positive=shape == "exponential")
        self.stop = checks.factor("stop", stop, positive=shape == "exponential")
        self.shape, self.length = shape, self.n

    def _inside(self, t, lib):
        u = t / self.n
        if self.shape == "exponential":
            return self.start * lib.exp(u * math.log(self.stop / self.start))
        return self.start + (self.stop - self.start) * SHAPES[self.shape](u, lib)

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

    def _words(self, start):
        if self.n == 0:
            return []
        if self.start == self.stop:
            return [f"{_steps(start, self.n)}: stays at {self.start:.4g}"]
        way = "rises" if self.stop > self.start else "falls"
        return [f"{_steps(start, self.n)}: {way} from {self.start:.4g} to {self.stop:.4g} ({self.shape})"]

    def __repr__(self):
        shape = "" if self.shape == "linear" else f", shape={self.shape!r}"
        return f"ramp({self.n}, {self.start!r}, {self.stop!r}{shape})"


class Hold(Plan):
    """See `hold`."""

    __slots__ = ("n", "value")

    def __init__(self, n, value):
        self.n, self.value = checks.count("n", n), checks.factor("value", value)
        self.length = self.n

    def _at(self, t):
        return self.value

    def _on(self, t, lib):
        return t * 0 + self.value

    def _resized(self, n):
        return Hold(n, self.value)

    def __rmul__(self, number):
        scaled = super().__rmul__(number)
        return scaled if scaled is NotImplemented else Hold(self.n, scaled.number * self.value)

    def _words(self, start):
        return [f"{_steps(start, self.n)}: stays at {self.value:.4g}"] if self.n else []

    def __repr__(self):
        return f"hold({self.n})" if self.value == 1 else f"hold({self.n}, {self.value!r})"


def _steps(start, n):
    return f"step {start}" if n == 1 else f"steps {start} to {start + n - 1}"
