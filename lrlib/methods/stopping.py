"""Early stopping by both rules: when validation worsens, and when it stops improving.

A rule is a small object: `EarlyStopping.update` takes the next value of a metric and says whether to stop now;
`EarlyStopping.first` reads stored values. ``fit(…, stop=Stalling(5))`` feeds it the evaluations of a run.

>>> values = [1.0, 0.6, 0.5, 0.5, 0.5, 0.49, 0.55, 0.6]
>>> Worsening().first(values), Stalling(patience=2).first(values)         # the index of the value that stops
(6, 4)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .._base.arguments import number, real, whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from .._types import State

MODES = ("min", "max")
_STATE = ("best", "best_index", "reference", "count", "bad", "stopped")


class EarlyStopping:
    """What both rules share; use `Worsening` or `Stalling`.

    Args:
        patience: values in a row that must fail before the rule stops, at least 1.
        min_delta: how far a value must be from the reference to count, in units of the value, at least 0.
        mode: "min" where lower is better, "max" where higher is.

    Attributes:
        best: best value seen, inf (−inf for "max") before the first.
        best_index: which value that was, counted from 0; None before the first.
        count: values seen.
        bad: values in a row, up to now, that failed.
        stopped: whether the rule has stopped; then `update` goes on saying so.

    Raises:
        TypeError, ValueError: a patience that is no whole number, a negative min_delta, an unknown mode.

    Example:
        >>> rule: EarlyStopping = Stalling(patience=2, mode="max")
        >>> [rule.update(accuracy) for accuracy in (0.8, 0.9, 0.9)], rule.bad
        ([False, False, False], 1)
        >>> again = Stalling(patience=2, mode="max")
        >>> again.load_state_dict(rule.state_dict())
        >>> again.update(0.85), again.best
        (True, 0.9)
    """

    best: float
    best_index: int | None
    count: int
    bad: int
    stopped: bool

    def __init__(self, patience: int = 1, min_delta: float = 0.0, mode: str = "min") -> None:
        self.patience, self.min_delta = whole("patience", patience), number("min_delta", min_delta)
        if mode not in MODES:
            raise ValueError(f'mode must be "min" or "max"; got {mode!r}')
        self.mode = mode
        self.reset()

    def reset(self) -> None:
        """Forget all values."""
        self.best = self.reference = math.inf if self.mode == "min" else -math.inf
        self.best_index, self.count, self.bad, self.stopped = None, 0, 0, False

    def update(self, value: float) -> bool:
        """Take the next value; return whether to stop now. NaN fails; ``TypeError`` for what is no number."""
        value = real("value", value)
        self.bad = self.bad + 1 if self._fails(value) else 0
        if self._gain(value, self.best) > 0:
            self.best, self.best_index = value, self.count
        self.count += 1
        self.stopped = self.stopped or self.bad >= self.patience
        return self.stopped

    def _gain(self, value, reference):
        """By how much ``value`` is better than ``reference``; NaN gains nothing."""
        if math.isnan(value) or value == reference:
            return -math.inf if math.isnan(value) else 0.0
        return reference - value if self.mode == "min" else value - reference

    def _fails(self, value):
        raise NotImplementedError("use Worsening or Stalling")

    def first(self, values: Iterable[float]) -> int | None:
        """Index of the value at which a fresh rule of this kind stops: values [n] → int, or None if it never does.

        The state of this object stays as it is.
        """
        fresh = type(self)(self.patience, self.min_delta, self.mode)
        return next((i for i, value in enumerate(values) if fresh.update(value)), None)

    def state_dict(self) -> State:
        """What `load_state_dict` needs to go on, as plain numbers, and the rule as text."""
        return {"rule": repr(self), **{name: getattr(self, name) for name in _STATE}}

    def load_state_dict(self, state: State) -> None:
        """Go on from a `state_dict`.

        Raises ``ValueError`` where a name is missing or unknown and for the state of another rule or of other settings,
        changing nothing.
        """
        names = ("rule", *_STATE)
        if set(state) != set(names):
            raise ValueError(f"state must hold {', '.join(names)}; got {', '.join(map(str, state)) or 'nothing'}")
        if state["rule"] != repr(self):
            raise ValueError(f"state must be that of {self!r}; got one of {state['rule']}")
        for name in _STATE:
            setattr(self, name, state[name])

    def __repr__(self):
        return f"{type(self).__name__}(patience={self.patience}, min_delta={self.min_delta!r}, mode={self.mode!r})"


class Worsening(EarlyStopping):
    r"""Stop when the metric has become worse: ``patience`` values in a row beyond the best so far.

    .. math:: v_t > \min_{s<t} v_s + \text{min\_delta} \quad\text{(for "min")}

    A flat curve goes on for ever: a value equal to the best is no worse. Default ``patience=1``: the first worse
    value stops.

    Example:
        >>> rule = Worsening(patience=2)
        >>> [rule.update(loss) for loss in (1.0, 0.5, 0.6, 0.7)], rule.best, rule.best_index
        ([False, False, False, True], 0.5, 1)

    Source: Prechelt (1998), "Early stopping – but when?", criterion GL, with a margin in place of a percentage.
    """

    def _fails(self, value):
        return self._gain(value, self.best) < -self.min_delta


class Stalling(EarlyStopping):
    r"""Stop when the metric has stopped improving: ``patience`` values in a row without a gain.

    .. math:: v_t \ge r - \text{min\_delta} \quad\text{(for "min")}

    The reference r is the value of the last gain, so that many small gains add up to one. A flat curve stops, too.
    Default ``patience=10``.

    Example:
        >>> rule = Stalling(patience=2)
        >>> [rule.update(loss) for loss in (1.0, 0.5, 0.5, 0.5)], rule.best_index
        ([False, False, False, True], 1)

    Source: Goodfellow, Bengio & Courville (2016), "Deep Learning", algorithm 7.1.
    """

    def __init__(self, patience: int = 10, min_delta: float = 0.0, mode: str = "min") -> None:
        super().__init__(patience, min_delta, mode)

    def _fails(self, value):
        gained = self._gain(value, self.reference) > self.min_delta
        if gained:
            self.reference = value
        return not gained
