"""EdgeOfStability: full-batch gradient descent whose sharpness climbs to 2/rate.

The page can train the same network by itself, so the figure lives without a kernel; a test holds the two sides equal.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import traitlets as tl

from .base import LiveFigure
from .traits import Number, Whole

POINTS = 20
EVERY = 20  # steps from one measurement of the sharpness to the next


@dataclass
class Event:
    """One step: the loss before it, the rate applied (nan where the run diverged), the sharpness or nan."""

    step: int
    loss: float
    lr: float
    sharpness: float


def uniform(seed: int):
    """Yield numbers in [0, 1) of the xorshift32 generator of Marsaglia (2003), the same as in the page.

    >>> numbers = uniform(0)
    >>> [round(next(numbers), 6) for _ in range(3)]
    [0.103648, 0.973033, 0.428795]
    """
    s, made = (seed + 1) * 2654435769 % 2**32, 0
    while True:
        s ^= s << 13 & 0xFFFFFFFF
        s ^= s >> 17
        s ^= s << 5 & 0xFFFFFFFF
        made += 1
        if made > 10:
            yield s / 2**32


def network(units: int, seed: int):
    """Return the tanh network 1-units-units-1 in float64; weights and biases uniform within ±1/√(inputs)."""
    import torch
    from torch import nn

    net = nn.Sequential(
        nn.Linear(1, units), nn.Tanh(), nn.Linear(units, units), nn.Tanh(), nn.Linear(units, 1)
    ).double()
    numbers = uniform(seed)
    with torch.no_grad():
        for layer in net[::2]:
            for p in (layer.weight, layer.bias):
                values = [(2 * next(numbers) - 1) / math.sqrt(layer.in_features) for _ in range(p.numel())]
                p.copy_(torch.tensor(values, dtype=torch.float64).view_as(p))
    return net


def data():
    """Return x, y [20, 1]: equally spaced points of [−1, 1] and the Chebyshev polynomial 16x⁵ − 20x³ + 5x."""
    import torch

    x = torch.linspace(-1, 1, POINTS, dtype=torch.float64)[:, None]
    return x, 16 * x**5 - 20 * x**3 + 5 * x


def descent(units: int, seed: int, lr: float, steps: int, every: int = EVERY):
    """Train on all points at once, loss = mean (f − y)²; a generator of ``Event``, to which ``{"lr": …}`` may be sent."""
    from lrlib import sharpness, steps as training, tasks
    from torch.nn.functional import mse_loss

    built = []

    def model():
        built.append(network(units, seed))
        return built[-1]

    x, y = data()
    task = tasks.Task("edge of stability", model, (x, y), None, None, mse_loss, mse_loss, batch=None, steps=steps)
    run, found, change = training(task, "sgd", lr=lr, steps=steps, dtype=x.dtype), None, None
    net = built[-1]  # the one that the run trains
    for t in range(steps):
        if t % every == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # a value that is good to 1 % is drawn, too
                found = sharpness(net, mse_loss, x, y, accuracy=1e-3, start=found, details=True)
        try:
            event = run.send(change)
        except StopIteration:
            return
        change = yield Event(event.step, event.loss, event.lr[0], found.value if t % every == 0 else math.nan)


class EdgeOfStability(LiveFigure):
    """Full-batch training of a small network: its sharpness, the line 2/rate, and its loss.

    A tanh network with two hidden layers learns a Chebyshev polynomial from 20 points by plain gradient descent on
    the mean squared error. The sharpness, the largest eigenvalue of that loss's Hessian, is measured every 20 steps.
    ``lr`` takes effect in mid-run; the other controls at the next Run. Without a kernel the page trains by itself.

    Args:
        lr: the rate, 0.0001 to 10; default 0.05.
        units: units in each hidden layer, 5 to 100; default 50.
        steps: length of a run, 100 to 20,000; default 3,000.
        seed: of the first weights, 0 to 9,999.
        lang: ``"en"`` or ``"ja"``.

    ``status``, ``step``, ``loss`` and ``sharpness`` follow the run; ``run()``, ``pause()``, ``resume()``, ``stop()``,
    ``reset()`` return at once, ``wait()`` blocks; ``history()`` gives what was drawn.

    Raises:
        ValueError: a value outside what is allowed; the old one stays.

    >>> figure = EdgeOfStability(lr=0.1)
    >>> figure.status, figure.units
    ('idle', 50)

    Source: Cohen, Kaur, Li, Kolter & Talwalkar (2021), "Gradient descent on neural networks typically occurs at the
    edge of stability".
    """

    kind = tl.Unicode("edge_of_stability").tag(sync=True)
    width = tl.Int(4).tag(sync=True)
    every = tl.Int(EVERY).tag(sync=True)
    lr = Number(0.05, 1e-4, 10.0)
    units = Whole(50, 5, 100)
    steps = Whole(3_000, 100, 20_000)
    seed = Whole(0, 0, 9_999)
    step = tl.Int(0, help="steps made").tag(sync=True)
    loss = tl.Float(math.nan, help="loss before the last step")
    sharpness = tl.Float(math.nan, help="the sharpness as last measured")

    def __init__(self, **controls):
        super().__init__(**controls)
        self.observe(lambda change: self._job is not None and self._job.send(lr=change["new"]), "lr")

    def job(self):
        settings = self.units, self.seed, self.lr, self.steps, self.every
        return lambda: descent(*settings)

    def row(self, event):
        """``[step, loss, applied rate, sharpness]``."""
        return [float(event.step), event.loss, event.lr, event.sharpness]

    def accept(self, events):
        super().accept(events)
        self.step, self.loss = len(self._rows) // self.width, events[-1].loss
        measured = [e.sharpness for e in events if not math.isnan(e.sharpness)]
        self.sharpness = measured[-1] if measured else self.sharpness

    def _clear(self):
        super()._clear()
        self.step, self.loss, self.sharpness = 0, math.nan, math.nan

    def history(self):
        """Return what was drawn as a dict of lists: ``step``, ``loss``, ``lr``, ``sharpness`` (nan between measurements)."""
        with self._lock:
            rows = self._rows.tolist()
        return {"step": [int(x) for x in rows[0::4]], "loss": rows[1::4], "lr": rows[2::4], "sharpness": rows[3::4]}
