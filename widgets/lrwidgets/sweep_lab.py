"""SweepLab: many rates at once, as one batched program."""

from __future__ import annotations

import math
from collections import deque

import traitlets as tl

from . import runs
from .base import LiveFigure
from .strings import say
from .traits import Choice, Number, RefusedValue, Whole

PICTURES = 60  # rows kept of a run
WINDOW = 20  # batch losses in the running mean
# what torch.optim takes where nobody names a rate
DEFAULTS = {
    "sgd": 1e-3,
    "momentum": 1e-3,
    "nesterov": 1e-3,
    "adagrad": 1e-2,
    "rmsprop": 1e-2,
    "adam": 1e-3,
    "adamw": 1e-3,
}


class SweepLab(LiveFigure):
    """Train the same network at many rates at once; the curve of loss against rate fills in as they train.

    Marked are the rate that PyTorch's optimizer takes by default, what the published rules read off a range test
    (``suggestions``), and the convergence threshold: the largest rate whose run ended with a loss below ``target``.
    The loss of a lane is the mean over its last 20 batches; a lane that has diverged has none.

    Args:
        task, optimizer, momentum, steps, seed, device, lang: as for ``TrainingLab``; ``steps`` 10 to 5,000, default 300.
        low, high: the least and the greatest rate, 1e-7 to 100; default 1e-4 and 10.
        lanes: how many rates, 32 to 256, equally spaced on a log axis; default 41.
        target: loss below which a run counts as converged, 1e-4 to 10; default 0.3.

    ``rates``, ``losses()``, ``threshold`` (a rate, or None) and ``best`` (the rate of the least loss, or None)
    follow the run.

    Raises:
        ValueError: a value outside what is allowed; the old one stays. ``run()`` raises it for low ≥ high.

    >>> lab = SweepLab(optimizer="adam", lanes=32)
    >>> len(lab.rates), lab.default_lr
    (32, 0.001)
    """

    kind = tl.Unicode("sweep_lab").tag(sync=True)
    task = Choice("digits", runs.TASKS)
    optimizer = Choice("sgd", runs.OPTIMIZERS)
    momentum = Number(0.9, 0.0, 0.999)
    steps = Whole(300, 10, 5_000)
    seed = Whole(0, 0, 999_999)
    device = Choice("cpu", runs.DEVICES)
    devices = tl.List(tl.Unicode(), ["cpu"]).tag(sync=True)
    low = Number(1e-4, 1e-7, 100.0)
    high = Number(10.0, 1e-7, 100.0)
    lanes = Whole(41, 32, 256)
    target = Number(0.3, 1e-4, 10.0)
    rates = tl.List(tl.Float()).tag(sync=True)
    default_lr = tl.Float(1e-3).tag(sync=True)
    suggestions = tl.Dict().tag(sync=True)
    step = tl.Int(0, help="steps made").tag(sync=True)
    threshold = tl.Float(None, allow_none=True)
    best = tl.Float(None, allow_none=True)

    def __init__(self, **controls):
        self._recent: deque = deque(maxlen=WINDOW)
        super().__init__(**controls)
        self.observe(lambda _change: self._read(), "target")
        self.observe(lambda _change: self._prepare(), ["low", "high", "lanes", "optimizer"])
        self._prepare()

    def _prepare(self) -> None:
        """Show the rates and the default of the next run while nothing runs or has run."""
        if self.status == "idle":
            self.default_lr = DEFAULTS[self.optimizer]
            self.rates, self.width = runs.spaced(self.low, self.high, self.lanes), self.lanes + 1

    def reset(self) -> None:
        """Stop, and clear the picture, which then shows the rates and the default of the next run."""
        with self._lock:
            super().reset()
            self.suggestions = {}
            self._prepare()

    def job(self):
        if not self.low < self.high:
            raise RefusedValue(say("order", self.lang, low=f"{self.low:g}", high=f"{self.high:g}"))
        rates = runs.spaced(self.low, self.high, self.lanes)
        name, n, seed, device, optimizer = self.task, self.steps, self.seed, self.device, self.optimizer
        options = runs.options(optimizer, self.momentum)
        self.rates, self.width, self.suggestions = rates, len(rates) + 1, {}
        self.default_lr = DEFAULTS[optimizer]
        self._length, serial = n, self._serial + 1

        def make():
            from lrlib import sweep_steps

            task = runs.task(name)
            found = runs.suggestions(task, optimizer, seed, device, options)
            with self._lock:
                if serial == self._serial:  # else the run was reset meanwhile
                    self.suggestions = found
            return sweep_steps(
                task, optimizer, lr=rates, seeds=[seed], steps=n, device=device, path="eager", **options
            )  # a compiler would keep the reader waiting

        return make

    def row(self, event):
        """``[step, loss of each lane]`` at every sixtieth of the run, else nothing; nan for a diverged lane."""
        self._recent.append([math.nan if gone else float(x) for x, gone in zip(event.loss, event.diverged)])
        every = max(1, self._length // PICTURES)
        if (event.step + 1) % every and event.step + 1 != self._length:
            return []
        return [float(event.step + 1), *map(runs.latest_mean, zip(*self._recent))]

    def accept(self, events):
        super().accept(events)
        self.step = events[-1].step + 1
        self._read()

    def _clear(self):
        self._recent.clear()
        super()._clear()
        self.step = 0
        self._read()

    def _read(self) -> None:
        losses = self.losses()
        good = [(rate, loss) for rate, loss in zip(self.rates, losses) if math.isfinite(loss)]
        below = [rate for rate, loss in good if loss < self.target]
        self.threshold = max(below, default=None)
        self.best = min(good, key=lambda pair: pair[1])[0] if good else None

    def losses(self) -> list[float]:
        """Return the latest loss of each lane, in the order of ``rates``: nan before the run and where it diverged."""
        with self._lock:
            last = self._rows[-self.width :].tolist()
        return last[1:] if last else [math.nan] * len(self.rates)

    def hello(self):
        runs.warm_up(lambda names: setattr(self, "devices", [n for n in names if n in runs.DEVICES]))
