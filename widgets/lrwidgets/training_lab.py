"""TrainingLab: one training run of a small network, steered while it runs."""

from __future__ import annotations

import math

import traitlets as tl

from . import runs
from .base import LiveFigure
from .traits import Choice, Number, Whole


class TrainingLab(LiveFigure):
    """Train a small network and watch its loss and the rate that each step applied.

    ``lr`` and ``momentum`` take effect in mid-run; the other controls at the next Run. The previous run stays as a
    ghost. Without a kernel the page plays recorded real runs.

    Args:
        task: ``"digits"`` or ``"mnist1d"``.
        optimizer: ``"sgd"``, ``"momentum"``, ``"nesterov"``, ``"adagrad"``, ``"rmsprop"``, ``"adam"``, ``"adamw"``.
        lr: base rate, 1e-6 to 100; default 0.1.
        momentum: 0 to 0.999, used by ``momentum`` and ``nesterov``; default 0.9.
        schedule: ``"constant"``, ``"step"``, ``"exponential"``, ``"cosine"``, ``"warmup"``, ``"warmup-cosine"``.
        steps: length of a run, 10 to 20,000; default 400.
        seed: of weights and batches, 0 to 999,999.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``; one that is not there is refused when the run begins.
        lang: ``"en"`` or ``"ja"``.

    ``status``, ``step`` and ``loss`` follow the run. ``run()``, ``pause()``, ``resume()``, ``stop()``, ``reset()``
    return at once; ``wait()`` blocks until the run is over; ``history()`` gives what was drawn.

    Raises:
        ValueError: a value outside what is allowed; the old one stays.

    >>> lab = TrainingLab(lr=0.05, optimizer="momentum")
    >>> lab.status, lab.lr
    ('idle', 0.05)
    """

    kind = tl.Unicode("training_lab").tag(sync=True)
    width = tl.Int(3).tag(sync=True)
    task = Choice("digits", runs.TASKS)
    optimizer = Choice("sgd", runs.OPTIMIZERS)
    lr = Number(0.1, 1e-6, 100.0)
    momentum = Number(0.9, 0.0, 0.999)
    schedule = Choice("constant", runs.SCHEDULES)
    steps = Whole(400, 10, 20_000)
    seed = Whole(0, 0, 999_999)
    device = Choice("cpu", runs.DEVICES)
    devices = tl.List(tl.Unicode(), ["cpu"]).tag(sync=True)
    step = tl.Int(0, help="steps made").tag(sync=True)
    loss = tl.Float(math.nan, help="training loss of the last step's batch")

    def __init__(self, **controls):
        self._trained = ""  # the optimizer of the last run; the menu may name the next one's
        super().__init__(**controls)
        self.observe(self._steer, ["lr", "momentum"])

    def _steer(self, change) -> None:
        if self._job is not None and (change["name"] == "lr" or self._trained in runs.WITH_MOMENTUM):
            self._job.send(**{change["name"]: change["new"]})

    def job(self):
        name, n, seed, device = self.task, self.steps, self.seed, self.device
        optimizer, schedule, lr = self.optimizer, self.schedule, self.lr
        options = runs.options(optimizer, self.momentum)
        self._trained = optimizer

        def make():
            from lrlib import steps

            return steps(
                runs.task(name),
                optimizer,
                lr=lr,
                plan=runs.plan(schedule, n),
                seed=seed,
                steps=n,
                device=device,
                **options,
            )

        return make

    def row(self, event):
        """``[step, loss of the batch, applied rate]``."""
        rate = event.lr[0] if isinstance(event.lr, (list, tuple)) else event.lr
        return [float(event.step), float(event.loss), float(rate)]

    def accept(self, events):
        super().accept(events)
        self.step, self.loss = len(self._rows) // self.width, float(events[-1].loss)

    def _clear(self):
        super()._clear()
        self.step, self.loss = 0, math.nan

    def history(self):
        """Return what was drawn as a dict of lists: ``step``, ``loss``, ``lr`` (the applied rate)."""
        with self._lock:
            rows = self._rows.tolist()
        return {"step": [int(x) for x in rows[0::3]], "loss": rows[1::3], "lr": rows[2::3]}

    def hello(self):
        runs.warm_up(lambda names: setattr(self, "devices", [n for n in names if n in runs.DEVICES]))
