"""The loop path: lanes that ``vmap`` cannot run are trained one beside the other, as single runs."""

import dataclasses
import time

import numpy as np

from ..._base.start import weights_of
from ..log import Log
from ..single.run import Run
from .run import SweepEvent


class LoopRun:
    """One `Run` a lane, all advanced step by step together; same seeds and same Record as batched lanes."""

    def __init__(self, description, reason):
        self.description, self.reason, self.began = description, reason, time.perf_counter()
        self.log = Log(description)
        self.runs = [
            Run(dataclasses.replace(description.part([lane]), snapshots=())) for lane in range(len(description.lr0))
        ]

    @property
    def diverged(self):
        """Which lanes have diverged, [L] bool."""
        return np.array([run.status == "diverged" for run in self.runs])

    def events(self):
        """Run; yield one `SweepEvent` a step."""
        when = self.description.when
        if when[0] == 0:
            self._evaluated([run.evaluation() for run in self.runs])
        self._keep()
        for t in range(self.description.steps):
            made = [None if run.status == "diverged" else run.step() for run in self.runs]
            loss = np.array([np.nan if e is None else e.loss for e in made], dtype=self.log.loss.dtype)
            applied = np.array([self._applied(e, run) for e, run in zip(made, self.runs)]).T
            self.log.add(loss[None], applied[None])
            self._keep()
            evaluation = self._evaluated([e and e.evaluation for e in made]) if t + 1 in when else None
            yield SweepEvent(t, loss, applied[0], diverged=self.diverged, evaluation=evaluation)

    def _applied(self, event, run):
        """What one lane's step applied of the rate and of options with plans: [1 + P], nan without an update."""
        if event is None or np.isnan(event.lr[0]):
            return np.full(len(self.description.factors), np.nan)
        group = run.optimizer.param_groups[0]
        return [event.lr[0], *(float(group[name]) for name in self.description.plans)]

    def _keep(self):
        """Keep the weights, if that was asked for after this many updates."""
        if self.log.done in self.description.snapshots:
            self.log.snapshots[self.log.done] = self._weights()

    def _weights(self):
        """{"parameters": {name: array [L, …]}, "buffers": the same} of now."""
        return weights_of(run.model for run in self.runs)

    def _evaluated(self, values):
        names = self.runs[0].evaluation_names()
        lanes = {n: np.array([np.nan if v is None else v[n] for v in values]) for n in names}
        self.log.evaluations.append({"step": self.log.done, **lanes})
        return self.log.evaluations[-1]

    def drain(self):
        """Run to the end without events."""
        for _ in self.events():
            pass

    def record(self):
        """The Record of the run up to now."""
        how = {"path": "loop", "path_reason": self.reason, "seconds": time.perf_counter() - self.began}
        return self.log.record(self.diverged, self._weights(), self.runs[0].sets, **how)
