"""The state of one run, advanced step by step: batch, loss, gradients, update, evaluation."""

import contextlib
import time
from dataclasses import dataclass

import numpy as np
import torch

from ..._base.start import begin, project_, weights_of
from ..._base.streams import Noise, generator, initial_model, random_state, seeded
from ..evaluation import evaluate_model, evaluating, names
from ..few import on_few
from ..log import kind_of, recorded
from ..stepping import is_noisy, noisy, sound
from ..watching import fresh, watched
from .batches import Batches
from .following import Following


@dataclass
class Event:
    """One step of a run.

    step: counted from 0.  loss: batch loss before the update.  lr: applied rate of each parameter group (nan where
    the run diverged instead).  status: "running", "finished", "diverged" or, by a stopping rule, "stopped".
    evaluation: None, or {"step": updates made, "train_loss": …, "train_metric": …, …} after this step.
    """

    step: int
    loss: float
    lr: list
    status: str = "running"
    evaluation: dict | None = None


class _Diverged(Exception):
    """Leaves an optimizer's step from inside its closure, before it has changed anything."""


class Run:
    """The state of the one run that a `Description` describes, advanced by `step`."""

    def __init__(self, description):
        d = self.description = description
        self.task, self.seed = d.task, int(d.seed[0])
        self.batches = Batches(d)
        self.sets = self.batches.sets()
        start = None if d.start is None else {name: value[0] for name, value in d.start.items()}
        self.model = begin(initial_model(d.task, self.seed, d.dtype, d.device), d.task, start)
        self.parameters = list(self.model.parameters())
        self.plateau, self.stop = fresh(d.plateau), fresh(d.stop)
        self.following = Following(d, self.parameters, self.plateau)
        self.noise = Noise(self.seed, sum(p.numel() for p in self.parameters)) if is_noisy(d.task) else None
        self.draws = self._draws()
        self.t, self.status, self.losses, self.evaluations = 0, "running", [], []
        self.snapshots, self.seconds = {}, 0.0

    @property
    def optimizer(self):
        """The optimizer that makes the updates."""
        return self.following.optimizer

    def _draws(self):
        """Whether model or loss draw random numbers (dropout), which must then come from the seed."""
        buffers, device = {n: b.clone() for n, b in self.model.named_buffers()}, self.description.device

        def draws(x, y):
            with seeded(0, device):
                before = random_state(device)
                self._objective(x, y)
                with evaluating(self.model):
                    self.model(x)
                return not all(map(torch.equal, before, random_state(device)))

        x, y = self.batches.x, self.batches.y
        drawn = on_few(draws, (x, y), self.task.batch or len(x))
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(buffers[name])
        return drawn

    def _objective(self, x, y):
        return self.task.objective(self.model(x), y, self.parameters)

    def _stream(self, name):
        """A context in which all that is drawn comes from the seed's own stream of that name for this step."""
        return seeded(generator(self.seed, name, self.t), self.description.device)

    def _backward(self):
        """Fill the gradients of this step; return the loss."""
        for p in self.parameters:
            p.grad = None
        x, y = self.batches.at(self.t)
        with torch.enable_grad(), self._stream("forward") if self.draws else contextlib.nullcontext():
            loss = self._objective(x, y)
            loss.backward()
        if self.noise is not None:
            self._add_noise()
        return loss.detach()

    @torch.no_grad()
    def _add_noise(self):
        row = self.noise.rows(self.t, self.t + 1).to(self.description.device, self.description.dtype)
        named = dict(self.model.named_parameters())
        gradients = {name: None if p.grad is None else p.grad[None] for name, p in named.items()}
        made = noisy(self.task, {name: p[None] for name, p in named.items()}, gradients, row)
        for name, p in named.items():
            p.grad = None if made[name] is None else made[name][0]

    def _bad(self, loss):
        """Whether this loss says that the run has diverged."""
        return not sound(loss, self.losses[0] if self.losses else loss, self.description.diverged_at)

    def _update(self):
        """Gradients and update of this step, or none after divergence; return the loss."""
        if not self.following.needs_closure:
            loss = self._backward().item()
            if self._bad(loss):
                self.status = "diverged"
            else:
                self.optimizer.step()
                project_(self.task, self.model)
            return loss
        seen = []

        def closure():
            loss = self._backward()
            seen.append(loss.item())
            if len(seen) == 1 and self._bad(seen[0]):
                raise _Diverged
            return loss

        try:
            self.optimizer.step(closure)
            project_(self.task, self.model)
        except _Diverged:
            self.status = "diverged"
        return seen[0]

    def step(self):
        """Make one step and return its `Event`; after the last one, or after divergence, ``status`` says so."""
        began = time.perf_counter()
        loss = self._update()
        self.losses.append(loss)
        gone, rates = self.status == "diverged", self.following.rates()
        event = Event(self.t, loss, [float("nan")] * len(rates) if gone else rates)
        self.t += 1
        if not gone and self.t == self.description.steps:
            self.status = "finished"
        if self.t in self.description.snapshots:
            self.snapshots[self.t] = weights_of([self.model])
        if self.t in self.description.when:
            event.evaluation = self.evaluation()
            self._watch(event.evaluation)
        event.status = self.status
        self.seconds += time.perf_counter() - began
        return event

    def evaluation(self):
        """Evaluate on the full sets now; keep and return the values."""
        if self.status == "diverged":
            values = dict.fromkeys(self.evaluation_names(), float("nan"))
        else:
            with self._stream("evaluation"):  # always: a metric may draw as well
                values = evaluate_model(self.task, self.model, self.sets)
        self.evaluations.append({"step": self.t, **values})
        return self.evaluations[-1]

    def _watch(self, values):
        """Tell the plateau and the stopping rule how validation went."""
        if self.status == "running" and self.plateau is not None:
            self.following.attachment.report(watched(self.plateau, values))
        if self.status == "running" and self.stop is not None and self.stop.update(watched(self.stop, values)):
            self.status = "stopped"

    def evaluation_names(self):
        """Names of the values of `evaluation`, without "step"."""
        return names(self.sets)

    def events(self):
        """Generator of the remaining events; what is sent to it changes the run, as `lrlib.steps` says."""
        if self.t == 0 and 0 in self.description.snapshots:
            self.snapshots[0] = weights_of([self.model])
        if self.t == 0 and 0 in self.description.when and not self.evaluations:
            self._watch(self.evaluation())
        while self.status == "running":
            change = yield self.step()
            if change is not None:
                self.change(**change)

    def change(self, **options):
        """Set the base rate (``lr``) or an option of the rule (``momentum``, …) of every group, from the next step on.

        An option that follows a plan gets a new base value. Raises ``ValueError`` for an unknown option or a value
        outside its range, ``TypeError`` for what is no number; nothing is changed then.
        """
        self.following.change(options)

    def record(self):
        """The `lrlib.Record` of the run up to now, with one lane."""
        self.following.check()
        happened = {
            "lr0": np.array([self.following.lr0]),
            "optimizer": self.following.name,
            "status": np.array([self.status if self.status != "running" else "stopped"]),
            "loss": np.array([self.losses], dtype=kind_of(self.description.dtype)),
            "applied": {name: self._lane(rows) for name, rows in self.following.applied().items()},
            "evaluations": self.evaluations,
            "snapshots": self._all_snapshots(),
            "sets": self.sets,
            **weights_of([self.model]),
        }
        how = {"path": "eager", "path_reason": "a single run", "seconds": self.seconds}
        return recorded(self.description, happened, **how)

    def _all_snapshots(self):
        """Those taken, and after divergence the frozen weights for the later ones, as a lane of a sweep has them."""
        later = [k for k in self.description.snapshots if k > self.t] if self.status == "diverged" else []
        return self.snapshots | {k: weights_of([self.model]) for k in later}

    def _lane(self, rows):
        """Applied values [steps, groups] as those of one lane: [1, steps] or [1, steps, groups]."""
        missing = np.full((len(self.losses) - len(rows), rows.shape[1]), np.nan)  # the step that diverged
        rows = np.concatenate([rows, missing])[None]
        return rows[:, :, 0] if rows.shape[2] == 1 else rows
