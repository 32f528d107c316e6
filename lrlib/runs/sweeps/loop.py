"""The loop path: lanes that ``vmap`` cannot run are trained one beside the other, by `lrlib.fit`."""

import numpy as np

from ..evaluation import evaluation_steps
from ..single import Run
from ..._base.start import weights_of
from .run import Log, SweepEvent


class LoopRun:
    """One `Run` a lane, all advanced step by step together; same seeds and same Record as batched lanes."""

    def __init__(self, setup, reason):
        self.setup, self.path, self.reason = setup, "loop", reason
        self.log = Log(setup, setup.dtype)
        self.when = evaluation_steps(setup.evaluate, setup.steps)
        self.runs = [
            Run(
                setup.task,
                setup.rule,
                float(lr),
                setup.plan,
                int(seed),
                setup.steps,
                setup.device,
                setup.dtype,
                setup.evaluate,
                setup.diverged_at,
                setup.hyper_of(lane),
                setup.plans,
                start=setup.start_of(lane),
            )
            for lane, (lr, seed) in enumerate(zip(setup.lr0, setup.seed))
        ]

    @property
    def diverged(self):
        """Which lanes have diverged, [L] bool."""
        return np.array([run.status == "diverged" for run in self.runs])

    def events(self):
        """Run; yield one `SweepEvent` a step."""
        if self.when[0] == 0:
            self._evaluated([run.evaluation() for run in self.runs])
        self._keep()
        for t in range(self.setup.steps):
            before = self.diverged
            made = [None if gone else run.step() for run, gone in zip(self.runs, before)]
            loss = np.array([np.nan if e is None else e.loss for e in made], dtype=self.log.loss.dtype)
            lr = np.array([np.nan if e is None else e.lr[0] for e in made])
            self.log.add(loss[None], np.stack([lr, *self._options(made, lr)])[None])
            self._keep()
            evaluation = self._evaluated([e and e.evaluation for e in made]) if t + 1 in self.when else None
            yield SweepEvent(t, loss, lr, self.diverged, evaluation)

    def _keep(self):
        """Keep the weights, if that was asked for after this many updates."""
        if self.log.done in self.setup.snapshots:
            self.log.snapshots[self.log.done] = self._weights()

    def _weights(self):
        """{"parameters": {name: array [L, …]}, "buffers": the same} of now."""
        return weights_of(run.model for run in self.runs)

    def _options(self, made, lr):
        """What was applied of each option that follows a plan: [L]."""
        for name in self.setup.plans:
            values = [np.nan if e is None else run.optimizer.param_groups[0][name] for e, run in zip(made, self.runs)]
            yield np.where(np.isnan(lr), np.nan, values)

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
        return self.log.record(
            self.diverged, **self._weights(), path=self.path, reason=self.reason, parts=self.runs[0].sets
        )
