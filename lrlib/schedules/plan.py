"""The algebra of plans: then, times, repeat, resize."""

import bisect
import itertools
import math
import numbers

import numpy as np
import torch

from lrlib.schedules import checks

_BLOCK = 16_384  # long arrays are evaluated in blocks that stay in the processor's cache


class Plan:
    """A learning-rate schedule: a function of the step t = 0, 1, 2, … that gives a factor of the base rate.

    ``plan(t)`` takes a number (gives a float), a NumPy array (float64) or a tensor (its own dtype if floating, else
    float64; differentiable in t) of any shape, with entries of at least 0; other values raise ``ValueError``, other
    types ``TypeError``. ``plan.length`` is the number of steps until the plan holds its last value (``math.inf`` for
    an endless one). Two plans are equal if they are built alike; ``repr`` evaluates back to an equal plan. As a
    plain function of the step, a plan also works in ``torch.optim.lr_scheduler.LambdaLR(optimizer, plan)``.

    >>> from lrlib.schedules import cosine, warmup
    >>> plan = warmup(3) >> cosine(4)
    >>> plan(np.arange(8)).round(2)
    array([0.25, 0.5 , 0.75, 1.  , 0.85, 0.5 , 0.15, 0.  ])
    >>> plan.length, plan(-1)
    Traceback (most recent call last):
    ...
    ValueError: t must be at least 0 and finite; got -1
    """

    # Plans keep their data in slots: LambdaLR saves and restores a callable's __dict__, so an empty one makes its
    # state loadable everywhere and never overwrites a new plan with an old one.
    __slots__ = ("length", "__dict__")
    __array_ufunc__ = None

    def _at(self, t):
        """Value at one number t."""
        raise NotImplementedError

    def _on(self, t, lib):
        """Values on a flat floating array t, with ``lib`` numpy or torch."""
        raise NotImplementedError

    def _resized(self, n):
        raise NotImplementedError

    def _words(self, start):
        """Lines that describe the steps from ``start`` to ``start + length``."""
        raise NotImplementedError

    def __call__(self, t):
        if isinstance(t, (int, float)) or isinstance(t, numbers.Real):
            if not 0 <= t < math.inf:
                raise ValueError(f"t must be at least 0 and finite; got {t!r}")
            return float(self._at(t))
        if isinstance(t, np.ndarray) and t.dtype.kind in "iuf":
            flat, lib = t.astype(np.float64).reshape(-1), np
        elif isinstance(t, torch.Tensor) and not t.is_complex() and t.dtype != torch.bool:
            flat, lib = (t if t.is_floating_point() else t.to(_widest(t.device))).reshape(-1), torch
        else:
            raise TypeError(f"t must be a number, or an array or tensor of real numbers; got {t!r}")
        bad = ~((flat >= 0) & (flat < math.inf))
        if bad.any():
            raise ValueError(f"t must be at least 0 and finite; got {flat[bad][0].item()!r}")
        if lib is torch:
            return self._on(flat, torch).reshape(t.shape)
        blocks = [self._on(flat[k : k + _BLOCK], np) for k in range(0, max(1, flat.size), _BLOCK)]
        return (blocks[0] if len(blocks) == 1 else np.concatenate(blocks)).reshape(t.shape)

    def __rshift__(self, other):
        if not isinstance(other, Plan):
            return NotImplemented
        return Chain([self, other])

    def __mul__(self, other):
        if not isinstance(other, Plan):
            return NotImplemented
        return Product([self, other])

    def __rmul__(self, other):
        if isinstance(other, bool) or not isinstance(other, numbers.Real):
            return NotImplemented
        return Product([checks.factor("the number before *", other), self])

    def repeat(self, times=None, stretch=1, decay=1):
        """Play the plan ``times`` times: cycle k (from 0) is the plan resized to length · stretchᵏ, times decayᵏ.

        Lengths are rounded to whole steps. ``times=None`` repeats for ever and then needs ``stretch=1`` and
        ``decay`` ≤ 1. Raises ``ValueError`` for a plan that is empty or endless, ``times`` < 1, or a ``stretch`` or
        ``decay`` that is not above 0.

        >>> from lrlib.schedules import cosine, linear
        >>> sgdr = cosine(200).repeat(3, stretch=2)
        >>> sgdr.length, sgdr(199) < 0.001, sgdr(200), sgdr(600)
        (1400, True, 1.0, 1.0)
        >>> linear(2).repeat(2, decay=0.5)(np.arange(5))
        array([1.  , 0.5 , 0.5 , 0.25, 0.  ])
        """
        return Repeat(self, times, stretch, decay)

    def resize(self, n):
        """Return the same shape stretched to ``length == n``: joints move in proportion, to the nearest whole step.

        Raises ``ValueError`` for ``n`` < 1 and for plans that are empty or endless.

        >>> from lrlib.schedules import cosine, warmup
        >>> (warmup(100) >> cosine(900)).resize(55)
        warmup(6) >> cosine(49)
        """
        n = checks.count("n", n, least=1)
        if not 0 < self.length < math.inf:
            raise ValueError(f"a plan of length {self.length} cannot be resized; allowed: a finite length above 0")
        return self if n == self.length else self._resized(n)

    def explain(self):
        """Return the phases in words, one a line.

        >>> from lrlib.schedules import cosine, warmup
        >>> print((warmup(4) >> cosine(20)).explain())
        steps 0 to 3: rises from 0.2 to 1 (linear)
        steps 4 to 23: falls from 1 to 0 (cosine)
        from step 24: stays at 0
        """
        lines = self._words(0)
        if self.length < math.inf:
            lines = [*lines, f"from step {self.length}: stays at {self(self.length):.4g}"]
        return "\n".join(lines)

    def plot(self, steps=None, ax=None):
        """Draw the plan with matplotlib over ``steps`` steps (default: its length) on ``ax`` or a new figure.

        Returns the matplotlib ``Figure``; an endless plan needs ``steps``, else ``ValueError``.
        """
        from lrlib import plot

        return plot.plan(self, steps=steps, ax=ax)

    def _key(self):
        return tuple(getattr(self, name) for name in self.__slots__ if not name.startswith("_"))

    def __eq__(self, other):
        if not isinstance(other, Plan):
            return NotImplemented
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self):
        return hash((type(self), self._key()))


class Chain(Plan):
    """``a >> b``: one plan after another. At a joint the plan that begins there rules."""

    __slots__ = ("parts", "_joints")

    def __init__(self, parts):
        self.parts = tuple(q for p in parts for q in (p.parts if isinstance(p, Chain) else [p]))
        for part in self.parts[:-1]:
            if part.length == math.inf:
                raise ValueError(f"nothing can follow an endless plan; got {part!r} before >>")
        self._joints = [0, *itertools.accumulate(part.length for part in self.parts)]
        self.length = self._joints[-1]

    def _at(self, t):
        k = min(bisect.bisect_right(self._joints, t), len(self.parts)) - 1
        return self.parts[k]._at(t - self._joints[k])

    def _on(self, t, lib):
        out = lib.empty_like(t)
        for part, start, stop in zip(self.parts, self._joints, [*self._joints[1:-1], math.inf], strict=False):
            here = (t >= start) & (t < stop)
            if here.any():
                out[here] = part._on(t[here] - start, lib)
        return out

    def _resized(self, n):
        return _fitted(self.parts, self._joints, n)

    def _words(self, start):
        return [line for part, s in zip(self.parts, self._joints, strict=False) for line in part._words(start + s)]

    def __repr__(self):
        return " >> ".join(map(repr, self.parts))


class Product(Plan):
    """``a * b`` or ``2 * a``: values multiply; it is as long as its longest factor."""

    __slots__ = ("number", "factors")

    def __init__(self, factors):
        factors = [f for g in factors for f in ([g.number, *g.factors] if isinstance(g, Product) else [g])]
        self.factors = tuple(f for f in factors if isinstance(f, Plan))
        self.number = math.prod(f for f in factors if not isinstance(f, Plan))
        self.length = max(f.length for f in self.factors)

    def _at(self, t):
        value = self.number
        for f in self.factors:
            value *= f._at(t)
        return value

    def _on(self, t, lib):
        value = self.number
        for f in self.factors:
            value = value * f._on(t, lib)
        return value

    def _resized(self, n):
        return Product([self.number, *(f._resized(_scaled(f.length, n, self.length)) for f in self.factors)])

    def _words(self, start):
        times = f"{self.number:.4g} times " if self.number != 1 else ""
        if len(self.factors) == 1:
            return [f"from step {start}: {times.rstrip()}", *_indented(self.factors[0], start)]
        lines = [f"from step {start}: {times}the product of", *_indented(self.factors[0], start)]
        for f in self.factors[1:]:
            lines += ["  and", *_indented(f, start)]
        return lines

    def __repr__(self):
        shown = [f"({f!r})" if isinstance(f, Chain) else repr(f) for f in self.factors]
        number = [repr(self.number)] if self.number != 1 or len(shown) == 1 else []
        return " * ".join([*number, *shown])


class Repeat(Plan):
    """``plan.repeat(times, stretch, decay)``."""

    __slots__ = ("plan", "times", "stretch", "decay", "_cycles")

    def __init__(self, plan, times, stretch, decay):
        self.plan = plan
        self.times = None if times is None else checks.count("times", times, least=1)
        self.stretch = checks.factor("stretch", stretch, positive=True)
        self.decay = checks.factor("decay", decay, positive=True)
        if not 0 < plan.length < math.inf:
            raise ValueError(f"only a plan with a finite length above 0 can be repeated; got length {plan.length}")
        if times is None and (self.stretch != 1 or self.decay > 1):
            raise ValueError(f"times=None needs stretch=1 and decay at most 1; got stretch={stretch}, decay={decay}")
        self.length = math.inf if times is None else self._joints()[-1]
        self._cycles = None if self.stretch == 1 else _fitted(self._decayed(), self._joints(), self.length)

    def _joints(self):
        """Steps at which the cycles begin, and the end."""
        if self.stretch == 1:
            return range(0, (self.times + 1) * self.plan.length, self.plan.length)
        cycles = (max(1, round(self.plan.length * self.stretch**k)) for k in range(self.times))
        return [0, *itertools.accumulate(cycles)]

    def _decayed(self):
        return [self.plan if self.decay**k == 1 else self.decay**k * self.plan for k in range(self.times)]

    def _at(self, t):
        if self._cycles:
            return self._cycles._at(t)
        k = t // self.plan.length
        if self.times is not None:
            k = min(k, self.times - 1)
        return self.plan._at(t - k * self.plan.length) * self.decay**k

    def _on(self, t, lib):
        if self._cycles:
            return self._cycles._on(t, lib)
        k = lib.floor(t / self.plan.length)
        if self.times is not None:
            k = lib.clip(k, 0, self.times - 1)
        inside = lib.clip(t - k * self.plan.length, 0, None)  # t / length may have been rounded up
        value = self.plan._on(inside, lib)
        return value if self.decay == 1 else value * self.decay**k

    def _resized(self, n):
        first = _scaled(self._joints()[1], n, self.length)
        moved = [_scaled(joint, n, self.length) for joint in self._joints()]
        if first > 0:
            like = Repeat(self.plan._resized(first), self.times, self.stretch, self.decay)
            if list(like._joints()) == moved:
                return like
        return _fitted(self._decayed(), self._joints(), n)

    def _words(self, start):
        if self._cycles:
            return self._cycles._words(start)
        n, fading = self.plan.length, "" if self.decay == 1 else f", each {self.decay:.4g} times the one before"
        if self.times is None:
            head = f"from step {start}: cycles of {n} steps without end{fading}"
        else:
            head = f"steps {start} to {start + self.length - 1}: {self.times} cycles of {n} steps{fading}"
        return [head, *_indented(self.plan, 0)]

    def __repr__(self):
        inner = f"({self.plan!r})" if isinstance(self.plan, Chain | Product) else repr(self.plan)
        options = "" if self.times is None else repr(self.times)
        for name in ("stretch", "decay"):
            if getattr(self, name) != 1:
                options += f"{', ' if options else ''}{name}={getattr(self, name)!r}"
        return f"{inner}.repeat({options})"


def _indented(plan, start):
    return ["    " + line for line in plan._words(start)]


def _scaled(joint, n, total):
    """Return joint · n / total, rounded half up, in whole numbers."""
    return (2 * joint * n + total) // (2 * total) if total else 0


def _fitted(parts, joints, n):
    """Chain ``parts`` so that the joints move in proportion and the last one lands on ``n``."""
    moved = [_scaled(joint, n, joints[-1]) for joint in joints]
    return Chain([p._resized(stop - start) for p, start, stop in zip(parts, moved[:-1], moved[1:], strict=True)])


def _widest(device):
    return torch.float32 if device.type == "mps" else torch.float64
