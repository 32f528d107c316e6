"""The run of a sweep: drives the lanes along their path, and says what happens."""

import time
from dataclasses import dataclass

import numpy as np

from ..._base.arguments import first_line
from ..evaluation import evaluate_lanes, names
from ..log import Log
from .choose import decide
from .lanes import Lanes
from .packages import Package
from .paths import Compiled, Eager, Program, unrolled


@dataclass
class SweepEvent:
    """One step of all lanes.

    step: counted from 0.  loss: batch loss before the update [L].  lr: applied rate [L], nan where no update was made.
    diverged: [L] bool.  evaluation: None, or {"step": updates made, "train_loss": [L], …} after this step.
    """

    step: int
    loss: np.ndarray
    lr: np.ndarray
    diverged: np.ndarray
    evaluation: dict | None = None


class BatchedRun:
    """All lanes of a `Description` at once, eager or compiled."""

    def __init__(self, description):
        self.description, self.lanes, self.began = description, Lanes(description), time.perf_counter()
        self.path, self.reason, self.compiled_from = decide(description.path, self.lanes, description.steps)
        self.log = Log(description)
        self.engine, self.package = self._engine(), self._package()
        self.carry = self.lanes.begin()
        self.block = None  # what the latest steps came from, to make fewer of them: (carry, inputs, place of the first)
        self.sets = self.lanes.sets()

    def _engine(self):
        if self.path == "compiled":
            self.lanes.pack(False)
            try:
                return Compiled(self.lanes)
            except Exception as error:  # no compiler, or one that fails: the eager path gives the same
                self.path = "eager"
                self.reason = f"compiling failed: {first_line(error)}"
                self.lanes.pack(True)
        return Eager(self.lanes)

    def _package(self):
        """The program of the later steps, which another process compiles from now on; None where there is none."""
        if self.compiled_from is None:
            return None
        self.lanes.pack(False)
        try:
            return Package(*unrolled(self.lanes))
        except Exception as error:  # what cannot be traced or handed over stays eager
            self.reason += f"; but {first_line(error)}"
        finally:
            self.lanes.pack(True)

    def _hand_over(self):
        """Let the compiled program make the steps from here on; without one they stay eager."""
        try:
            program, carry = self.package.load(), self.lanes.apart(self.carry)
            self.package.check(carry.flat())
        except Exception as error:  # no compiler, or one that fails
            self.lanes.pack(True)
            self.reason += f"; but {first_line(error)}"
        else:
            self.engine, self.carry, self.block, self.path = Program(self.lanes, program), carry, None, "compiled"
            self.reason += f", which makes the steps from {self.compiled_from} on"

    @property
    def diverged(self):
        """Which lanes have diverged, [L] bool."""
        return ~self.carry.alive.cpu().numpy()

    def evaluation(self):
        """Evaluate all lanes now; diverged ones are nan."""
        gone = self.diverged
        if gone.all():
            values = {n: np.full(len(gone), np.nan) for n in names(self.sets)}
        else:
            parameters = self.lanes.parameters(self.carry)
            values = evaluate_lanes(
                self.description.task, self.lanes.model, parameters, self.carry.buffers, sets=self.sets
            )
            values = {n: np.where(gone, np.nan, v) for n, v in values.items()}
        self.log.evaluations.append({"step": self.log.done, **values})
        return self.log.evaluations[-1]

    def _reached(self):
        """Keep the weights and evaluate, as it was asked for after this many updates; → evaluation or None."""
        if self.log.done in self.description.snapshots:
            self.log.snapshots[self.log.done] = self._weights()
        return self.evaluation() if self.log.done in self.description.when else None

    def _weights(self):
        """{"parameters": {name: array [L, …]}, "buffers": the same} of now."""
        tensors = {"parameters": self.lanes.parameters(self.carry), "buffers": self.carry.buffers}
        return {kind: {n: v.cpu().numpy().copy() for n, v in part.items()} for kind, part in tensors.items()}

    def blocks(self):
        """Run; yield ``(first step, loss [k, L], rate [k, L], evaluation or None)`` after every few steps."""
        switch = [] if self.package is None else [self.compiled_from]
        stops = sorted({0, *self.description.when, *self.description.snapshots, *switch})
        self._reached()
        try:
            for stop in stops[1:]:
                while self.log.done < stop:
                    ahead = min(stop, self.log.done + self.lanes.ahead(self.engine.size))
                    yield from self._skipped(ahead, stop) if self.diverged.all() else self._ahead(ahead, stop)
                if stop in switch and not self.diverged.all():
                    self._hand_over()
        finally:
            if self.package is not None:
                self.package.end()

    def _ahead(self, stop, end):
        start, size = self.log.done, self.engine.size
        inputs = self.lanes.inputs(start, stop)
        for a in range(0, stop - start, size):
            b = min(a + size, stop - start)
            self.block = self.carry, inputs, a
            self.carry, loss, applied = self.engine(self.carry, inputs.slice(a, b, size))
            applied = applied[: b - a].cpu().numpy().astype(float)
            yield self._logged(loss[: b - a].cpu().numpy(), applied, end)
            if np.isnan(applied[-1]).all():  # all have diverged: `_skipped` fills in the rest
                return

    def _skipped(self, stop, end):
        """The steps up to ``stop`` of lanes that have all diverged, without making them."""
        self.block, (options, lanes, _) = None, self.log.applied.shape
        lost = np.full((stop - self.log.done, options, lanes), np.nan)
        yield self._logged(lost[:, 0].astype(self.log.loss.dtype), lost, end)

    def _logged(self, loss, applied, end):
        first = self.log.done
        self.log.add(loss, applied)
        return first, loss, applied[:, 0], self._reached() if self.log.done == end else None

    def _cut(self, first, done):
        """Be where ``done`` updates lead, inside the latest block, which began after ``first``."""
        if self.block is not None and done < self.log.done:
            carry, inputs, a = self.block
            self.carry, _, _ = self.engine(carry, inputs.slice(a, a + done - first, self.engine.size))
        self.log.cut(done)

    def events(self):
        """Run; yield one `SweepEvent` a step. Where it is closed, the run ends after the step that was told last."""
        gone = np.zeros(len(self.description.lr0), dtype=bool)
        for first, loss, lr, evaluation in self.blocks():
            for j in range(len(loss)):
                gone = gone | np.isnan(lr[j])
                last = j == len(loss) - 1
                try:
                    yield SweepEvent(first + j, loss[j], lr[j], diverged=gone, evaluation=evaluation if last else None)
                except GeneratorExit:
                    self._cut(first, first + j + 1)
                    raise

    def drain(self):
        """Run to the end without events."""
        for _ in self.blocks():
            pass

    def record(self):
        """The Record of the run up to now."""
        how = {"path": self.path, "path_reason": self.reason, "seconds": time.perf_counter() - self.began}
        return self.log.record(self.diverged, self._weights(), self.sets, **how)
