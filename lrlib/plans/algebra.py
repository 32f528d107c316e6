"""The algebra of plans: then, times, plus, repeat, cut."""

import bisect
import itertools
import math

from . import checks
from .pieces import hold
from .plan import Plan, scaled


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

    def _begins(self, stop):
        pieces = zip(self.parts, self._joints, [*self._joints[1:-1], math.inf], strict=False)
        return [s + t for part, s, e in pieces if s < stop for t in part._begins(min(e, stop) - s)]

    def _words(self, start):
        return [line for part, s in zip(self.parts, self._joints, strict=False) for line in part._words(start + s)]

    def __repr__(self):
        return " >> ".join(map(repr, self.parts))


class Combined(Plan):
    """Several plans, and a number, whose values are combined; as long as the longest part."""

    __slots__ = ("number", "parts")
    neutral = None

    def __init__(self, parts):
        kind = type(self)
        parts = [q for p in parts for q in ([p.number, *p.parts] if isinstance(p, kind) else [p])]
        self.parts = tuple(p for p in parts if isinstance(p, Plan))
        self.number = self.combined(p for p in parts if not isinstance(p, Plan))
        self.length = max(p.length for p in self.parts)

    def _resized(self, n):
        return type(self)([self.number, *(p._resized(scaled(p.length, n, self.length)) for p in self.parts)])

    def _begins(self, stop):
        return [t for p in self.parts for t in p._begins(stop)]

    def _key(self):
        return self.number, self.parts

    def _operands(self, bracketed):
        shown = [f"({p!r})" if isinstance(p, bracketed) else repr(p) for p in self.parts]
        return [repr(self.number)] * (self.number != self.neutral or len(shown) == 1) + shown

    def _described(self, start, first, several):
        first = first if self.number != self.neutral else ""
        lines = [f"from step {start}: {first}{several if len(self.parts) > 1 else ''}".rstrip()]
        lines += _indented(self.parts[0], start)
        for p in self.parts[1:]:
            lines += ["  and", *_indented(p, start)]
        return lines


class Product(Combined):
    """``a * b`` or ``2 * a``: values multiply."""

    __slots__ = ()
    neutral = 1
    combined = staticmethod(math.prod)

    def _at(self, t):
        value = self.number
        for p in self.parts:
            value *= p._at(t)
        return value

    def _on(self, t, lib):
        value = self.number
        for p in self.parts:
            value = value * p._on(t, lib)
        return value

    def _words(self, start):
        return self._described(start, f"{self.number:.4g} times ", "the product of")

    def __repr__(self):
        return " * ".join(self._operands((Chain, Sum)))


class Sum(Combined):
    """``a + b`` or ``0.1 + a``: values add."""

    __slots__ = ()
    neutral = 0
    combined = staticmethod(sum)

    def _at(self, t):
        value = self.number
        for p in self.parts:
            value += p._at(t)
        return value

    def _on(self, t, lib):
        value = self.number
        for p in self.parts:
            value = value + p._on(t, lib)
        return value

    def _words(self, start):
        return self._described(start, f"{self.number:.4g} plus ", "the sum of")

    def __repr__(self):
        return " + ".join(self._operands(Chain))


class Cut(Plan):
    """``plan.cut(n)``, or that resized, which plays the first n steps in ``size`` steps."""

    __slots__ = ("plan", "n", "size")

    def __init__(self, plan, n, size=None):
        self.plan, self.n = plan, checks.count("n", n, least=1)
        self.size = self.length = n if size is None else size

    def _at(self, t):
        return self.plan._at(min(t if self.size == self.n else t * self.n / self.size, self.n))

    def _on(self, t, lib):
        return self.plan._on(lib.clip(t if self.size == self.n else t * self.n / self.size, 0, self.n), lib)

    def _resized(self, n):
        return Cut(self.plan, self.n, n) if n else hold(0, self._at(self.size))

    def _begins(self, stop):
        return [t for b in self.plan._begins(self.n) if (t := -(-b * self.size // self.n)) < stop]

    def _words(self, start):
        head = f"steps {start} to {start + self.size - 1}: the first {self.n} steps of"
        return [head, *_indented(self.plan, 0)]

    def __repr__(self):
        resized = "" if self.size == self.n else f".resize({self.size})"
        return f"{_bracketed(self.plan)}.cut({self.n}){resized}"


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
        first = scaled(self._joints()[1], n, self.length)
        moved = [scaled(joint, n, self.length) for joint in self._joints()]
        if first > 0:
            like = Repeat(self.plan._resized(first), self.times, self.stretch, self.decay)
            if list(like._joints()) == moved:
                return like
        return _fitted(self._decayed(), self._joints(), n)

    def _begins(self, stop):
        if self._cycles:
            return self._cycles._begins(stop)
        n = self.plan.length
        inside = [t for t in self.plan._begins(n) if t < n]
        starts = range(0, int(min(stop, self.length)), n)
        return [s + t for s in starts for t in inside if s + t < stop]

    def _words(self, start):
        if self._cycles:
            return self._cycles._words(start)
        n, fading = self.plan.length, "" if self.decay == 1 else f", each {self.decay:.4g} times the one before"
        size = "1 step" if n == 1 else f"{n} steps"
        if self.times is None:
            head = f"from step {start}: cycles of {size} without end{fading}"
        else:
            head = f"steps {start} to {start + self.length - 1}: {self.times} cycles of {size}{fading}"
        return [head, *_indented(self.plan, 0)]

    def __repr__(self):
        options = "" if self.times is None else repr(self.times)
        for name in ("stretch", "decay"):
            if getattr(self, name) != 1:
                options += f"{', ' if options else ''}{name}={getattr(self, name)!r}"
        return f"{_bracketed(self.plan)}.repeat({options})"


def _indented(plan, start):
    return ["    " + line for line in plan._words(start)]


def _bracketed(plan):
    return f"({plan!r})" if isinstance(plan, Chain | Combined) else repr(plan)


def _fitted(parts, joints, n):
    """Chain ``parts`` so that the joints move in proportion and the last one lands on ``n``."""
    moved = [scaled(joint, n, joints[-1]) for joint in joints]
    return Chain([p._resized(stop - start) for p, start, stop in zip(parts, moved[:-1], moved[1:], strict=True)])
