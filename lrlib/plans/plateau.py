"""Reduce on plateau, as a factor that multiplies any plan.

A plan knows the step alone; whether a measured value still improves is known only while the run goes on. So the
settings (`Plateau`) are a value, the memory is a plain dictionary that rides in ``optimizer.state_dict()``, and one
pure function, `Plateau.update`, takes one to the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._base import arguments

if TYPE_CHECKING:
    from .._types import State


@dataclass(frozen=True)
class Plateau:
    r"""Multiply the scale by ``factor`` when a value has not improved for more than ``patience`` reports.

    A value *improves* with ``mode="min"`` where it is below best − margin, with ``mode="max"`` where it is above best +
    margin; the margin is the threshold times the absolute value of best (``threshold_mode="rel"``), so 0 where best is
    0, or the threshold itself (``"abs"``). nan never improves. After a reduction ``cooldown`` reports are not counted,
    and the scale never falls below ``least``.

    These are the semantics and defaults of torch's ``ReduceLROnPlateau``, with ``least`` = min_lr / base rate. Two
    things differ. For a negative best torch's margin points the wrong way, so that a negative loss that is constant or
    grows worse counts as improved for ever. Its ``eps`` (a reduction of the rate by at most 1e-8 is not made) is left
    out, because it is in units of the rate.

    `lrlib.attach` multiplies the scale with its plan, so that warm-up and plateau compose:

    >>> import torch
    >>> from lrlib import attach, warmup
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    >>> handle = attach(optimizer, warmup(1), plateau=Plateau(factor=0.1, patience=1))
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 2.0):
    ...     optimizer.step()
    ...     scale = handle.report(loss)
    >>> scale, handle.applied.tolist()
    (0.1, [[0.25], [0.5], [0.5], [0.5], [0.05]])

    Raises ``ValueError`` or ``TypeError`` for a ``factor`` outside 0 … 1, counts that are not whole numbers of at least
    0, a ``threshold`` or ``least`` below 0 and unknown modes.
    """

    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    least: float = 0.0

    def __post_init__(self):
        for name, allowed in (("mode", ("min", "max")), ("threshold_mode", ("rel", "abs"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}; got {getattr(self, name)!r}")
        arguments.number("factor", self.factor, below=1)
        arguments.whole("patience", self.patience, least=0)
        arguments.whole("cooldown", self.cooldown, least=0)
        arguments.number("threshold", self.threshold)
        arguments.number("least", self.least)

    def start(self) -> State:
        """The memory before the first report: scale, best value, bad reports in a row, reports left to cool down."""
        return {"scale": 1.0, "best": math.inf if self.mode == "min" else -math.inf, "bad": 0, "cooling": 0}

    def improves(self, value: float, best: float) -> bool:
        """Whether ``value`` is better than ``best`` by more than the margin.

        >>> Plateau(threshold=0.1).improves(0.89, 1.0), Plateau(threshold=0.1).improves(-1.05, -1.0)
        (True, False)
        """
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "abs":
            return sign * value > sign * best + self.threshold
        side = sign if best >= 0 or best == self.start()["best"] else -sign
        return sign * value > sign * best * (1 + side * self.threshold)

    def update(self, memory: State, value: float) -> State:
        """The memory after a report of ``value``; ``memory`` itself stays as it is.

        Raises ``TypeError`` for a value that is no number.

        >>> plateau = Plateau(patience=0, factor=0.5, cooldown=1)
        >>> memory = plateau.start()
        >>> for loss in (1.0, 1.0, 1.0, 1.0):
        ...     memory = plateau.update(memory, loss)
        >>> memory
        {'scale': 0.25, 'best': 1.0, 'bad': 0, 'cooling': 1}
        """
        value = arguments.real("value", value, "one number, the metric that should improve")
        better = self.improves(value, memory["best"])
        best, bad = (value, 0) if better else (memory["best"], memory["bad"] + 1)
        scale, cooling = memory["scale"], memory["cooling"]
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        if bad > self.patience:
            scale, cooling, bad = max(scale * self.factor, min(self.least, scale)), self.cooldown, 0
        return {"scale": scale, "best": best, "bad": bad, "cooling": cooling}
