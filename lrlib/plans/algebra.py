"""The algebra of plans: then, times, plus, repeat, cut."""

import bisect
import heapq
import itertools
import math

from .._base import arguments
from . import checks
from .pieces import hold
from .plan import Plan, scaled

CYCLES = 10_000  # most cycles of different lengths, each of which is a part of its own


class Chain(Plan):
    """``a >> b``: one plan after another. At a joint the plan that begins there rules."""

    __slots__ = ("parts", "_joints", "_depth")

    def __init__(self, parts):
        self.parts = tuple(q for p in parts for q in (p.parts if isinstance(p, Chain) else [p]))
        for part in self.parts[:-1]:
            if part.length == math.inf:
                raise ValueError(f"nothing can follow an endless plan; got {part!r} before >>")
        self._joints = [0, *itertools.accumulate(part.length for part in self.parts)]
        self.length, self._depth = checks.length(self._joints[-1]), checks.depth(self.parts)

    def _pieces(self, stop):
        """(part, its first step, the step after its last) of the parts that begin before ``stop``."""
        pieces = zip(self.parts, self._joints, [*self._joints[1:-1], math.inf], strict=False)
        return itertools.takewhile(lambda piece: piece[1] < stop, pieces)

    def _at(self, t):
        k = min(bisect.bisect_right(self._joints, t), len(self.parts)) - 1
        return self.parts[k]._at(t - self._joints[k])

    def _on(self, t, lib):
        out = lib.empty_like(t)
        for part, start, stop in self._pieces(math.inf):
            here = (t >= start) & (t < stop)
            if here.any():
                out[here] = part._on(t[here] - start, lib)
        return out

    def _resized(self, n):
        return _fitted(self.parts, self._joints, n)

    def _begins(self, stop):
        for part, s, e in self._pieces(stop):
            yield from (s + t for t in part._begins(min(e, stop) - s))

    def _area(self, stop):
        return math.fsum(part._area(min(e, stop) - s) for part, s, e in self._pieces(stop))

    def _top(self):
        return max(part._top() for part in self.parts)

    def _words(self, start):
        return [line for part, s in zip(self.parts, self._joints, strict=False) for line in part._words(start + s)]

    def __repr__(self):
        return " >> ".join(map(repr, self.parts))


class Combined(Plan):
    """Several plans, and a number, whose values are combined; as long as the longest part."""

    __slots__ = ("number", "parts", "_depth")
    neutral = sign = None

    def __init__(self, parts):
        kind = type(self)
        parts = [q for p in parts for q in ([p.number, *p.parts] if isinstance(p, kind) else [p])]
        self.parts = tuple(p for p in parts if isinstance(p, Plan))
        self._depth = checks.depth(self.parts)
        tops = [float(p._top() if isinstance(p, Plan) else p) for p in parts]
        if self.combined(tops) == math.inf:
            shown = f" {self.sign} ".join(f"{top:.4g}" for top in tops)
            raise ValueError(f"plans must combine to what a float can hold; these reach {shown}")
        self.number = self.combined(p for p in parts if not isinstance(p, Plan))
        self.length = max(p.length for p in self.parts)

    def _resized(self, n):
        return type(self)([self.number, *(p._resized(scaled(p.length, n, self.length)) for p in self.parts)])

    def _begins(self, stop):
        return heapq.merge(*(p._begins(stop) for p in self.parts))

    def _top(self):
        return self.combined([self.number, *(p._top() for p in self.parts)])

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
    neutral, sign = 1, "*"
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

    def _area(self, stop):
        return self.number * self.parts[0]._area(stop) if len(self.parts) == 1 else super()._area(stop)

    def _words(self, start):
        return self._described(start, f"{self.number:.4g} times ", "the product of")

    def __repr__(self):
        return " * ".join(self._operands((Chain, Sum)))


class Sum(Combined):
    """``a + b`` or ``0.1 + a``: values add."""

    __slots__ = ()
    neutral, sign = 0, "+"
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

    def _area(self, stop):
        return math.fsum([stop * self.number, *(p._area(stop) for p in self.parts)])

    def _words(self, start):
        return self._described(start, f"{self.number:.4g} plus ", "the sum of")

    def __repr__(self):
        return " + ".join(self._operands(Chain))


class Cut(Plan):
    """``plan.cut(n)``, or that resized, which plays the first n steps in ``size`` steps."""

    __slots__ = ("plan", "n", "size", "_depth")

    def __init__(self, plan, n, size=None):
        self.plan, self.n, self._depth = plan, checks.steps("n", n, least=1), checks.depth([plan])
        self.size = self.length = self.n if size is None else size

    def _at(self, t):
        t = min(t, self.size)
        return self.plan._at(t if self.size == self.n else t * self.n / self.size)

    def _on(self, t, lib):
        return self.plan._on(lib.clip(t if self.size == self.n else t * self.n / self.size, 0, self.n), lib)

    def _resized(self, n):
        return Cut(self.plan, self.n, n) if n else hold(0, self._at(self.size))

    def _begins(self, stop):
        begins = (-(-b * self.size // self.n) for b in self.plan._begins(self.n))
        return itertools.takewhile(lambda t: t < stop, begins)

    def _area(self, stop):
        if self.size != self.n:
            return super()._area(stop)
        inside = min(stop, self.n)
        return self.plan._area(inside) + (stop - inside) * self.plan._at(self.n)

    def _top(self):
        return self.plan._top()

    def _words(self, start):
        head = f"steps {start} to {start + self.size - 1}: the first {self.n} steps of"
        return [head, *_indented(self.plan, 0)]

    def __repr__(self):
        resized = "" if self.size == self.n else f".resize({self.size})"
        return f"{_bracketed(self.plan)}.cut({self.n}){resized}"


class Repeat(Plan):
    """``plan.repeat(times, stretch, decay)``."""

    __slots__ = ("plan", "times", "stretch", "decay", "_cycles", "_depth")

    def __init__(self, plan, times, stretch, decay):
        self.plan = plan
        self.times = None if times is None else arguments.whole("times", times, most=checks.LONGEST)
        self.stretch = checks.factor("stretch", stretch, positive=True)
        self.decay = checks.factor("decay", decay, positive=True)
        if not 0 < plan.length < math.inf:
            raise ValueError(f"only a plan with a finite length above 0 can be repeated; got length {plan.length}")
        if times is None and (self.stretch != 1 or self.decay > 1):
            raise ValueError(f"times=None needs stretch=1 and decay at most 1; got stretch={stretch}, decay={decay}")
        if self._top() == math.inf:
            raise ValueError(f"decay must keep {times} cycles to what a float can hold; got {decay!r}")
        self._depth = checks.depth([plan])
        if self.stretch == 1:
            self.length = math.inf if times is None else self._checked(self.times * plan.length)
            self._cycles = None
        else:
            joints = self._stretched()
            self.length, self._cycles = joints[-1], _fitted(self._decayed(), joints, joints[-1])

    def _checked(self, length):
        """The length of all cycles, if a plan can be so long."""
        if length > checks.LONGEST:
            raise ValueError(
                f"times must give at most {checks.LONGEST:,} steps; got times={self.times} and stretch="
                f"{self.stretch!r} for {self.plan.length} steps"
            )
        return length

    def _stretched(self):
        """Steps at which cycles of different lengths begin, and the end."""
        if self.times > CYCLES:
            raise ValueError(f"times must be at most {CYCLES:,} with a stretch other than 1; got {self.times}")
        joints = [0]
        for k in range(self.times):
            size = self._checked(self.plan.length * self.stretch**k)
            joints.append(self._checked(joints[-1] + max(1, round(size))))
        return joints

    def _decayed(self):
        return [self.plan if self.decay**k == 1 else self.decay**k * self.plan for k in range(self.times)]

    def _top(self):
        last = 0 if self.times is None else self.times - 1
        return float(self.plan._top()) * max(1, checks.power("decay", self.decay, last))

    def _at(self, t):
        if self._cycles:
            return self._cycles._at(t)
        k = t // self.plan.length
        if self.times is not None:
            k = min(k, self.times - 1)
        inside = max(0, t - k * self.plan.length)  # k times the length may have been rounded up
        return self.plan._at(inside) * self.decay**k

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
        if self.stretch != 1:
            return self._stretched_to(n)
        if n % self.times == 0:
            return Repeat(self.plan._resized(n // self.times), self.times, 1, self.decay)
        if self.times > CYCLES:
            raise ValueError(f"n must be a multiple of {self.times}, the number of cycles; got {n}")
        return _fitted(self._decayed(), range(0, self.length + 1, self.plan.length), n)

    def _stretched_to(self, n):
        """The cycles of different lengths in ``n`` steps."""
        joints = self._stretched()
        moved = [scaled(joint, n, self.length) for joint in joints]
        if moved[1] > 0:
            like = Repeat(self.plan._resized(moved[1]), self.times, self.stretch, self.decay)
            if like._stretched() == moved:
                return like
        return _fitted(self._decayed(), joints, n)

    def _begins(self, stop):
        if self._cycles:
            return self._cycles._begins(stop)
        n = self.plan.length
        begins = (s + t for s in itertools.count(0, n) for t in self.plan._begins(n))
        return itertools.takewhile(lambda t: t < min(stop, self.length), begins)

    def _area(self, stop):
        if self._cycles:
            return self._cycles._area(stop)
        whole, rest = divmod(min(stop, self.length), self.plan.length)
        area = self.plan._area(self.plan.length) * geometric(self.decay, whole)
        if rest:
            area += self.plan._area(rest) * self.decay**whole
        return area + (stop - self.length) * self._at(self.length) if stop > self.length else area

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


def geometric(ratio, k):
    """1 + ratio + … + ratioᵏ⁻¹, also where k is large and the ratio close to 1.

    >>> geometric(0.5, 3), geometric(1, 10**9)
    (1.75, 1000000000)
    """
    return k if ratio == 1 else math.expm1(k * math.log(ratio)) / math.expm1(math.log(ratio))


def _indented(plan, start):
    return ["    " + line for line in plan._words(start)]


def _bracketed(plan):
    return f"({plan!r})" if isinstance(plan, Chain | Combined) else repr(plan)


def _fitted(parts, joints, n):
    """Chain ``parts`` so that the joints move in proportion and the last one lands on ``n``."""
    moved = [scaled(joint, n, joints[-1]) for joint in joints]
    return Chain([p._resized(stop - start) for p, start, stop in zip(parts, moved[:-1], moved[1:], strict=True)])
