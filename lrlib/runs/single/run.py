"""The state of one run, advanced step by step: batch, loss, gradients, update, evaluation."""

import contextlib
import math
import time
from dataclasses import dataclass

import numpy as np
import torch

from .. import checkpoint as checkpoints
from ..._base import device as devices
from ...methods import optimizers
from .. import record as records
from ..._base.arguments import (
    LEAST_LOSS,
    check_diverged_at,
    check_task,
    factors_of,
    number,
    plans_of,
    seed_list,
    steps_of,
)
from ..attachment import attach
from ..evaluation import evaluate_model, evaluating, evaluation_steps, names
from ..._base.start import begin, converted, given, project_, snapshot_steps, weights_of
from ..._base.streams import Noise, Order, generator, initial_model, random_state, seeded
from .setup import check_plans, check_watched, described, fresh, maker, named, needs_closure, watched, ways

AHEAD = 128  # steps whose batch rows are looked up together


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


def _constant(t):
    """The plan of a run without one."""
    return 1.0


class _Diverged(Exception):
    """Leaves an optimizer's step from inside its closure, before it has changed anything."""


class Run:
    """The state of one run, advanced by `step`; `steps` and `fit` are the functions to call."""

    def __init__(
        self,
        task,
        optimizer="sgd",
        lr=None,
        plan=None,
        seed=0,
        steps=None,
        device="cpu",
        dtype=torch.float32,
        evaluate=None,
        diverged_at=1e3,
        hyper=(),
        plans=None,
        plateau=None,
        stop=None,
        start=None,
        snapshots=None,
    ):
        check_task(task)
        check_diverged_at(diverged_at)
        self.task, self.plan, self.seed = task, plan, seed_list([seed])[0]
        self.steps, self.diverged_at = steps_of(task, steps), float(diverged_at)
        self.when = set(evaluation_steps(evaluate, self.steps))
        self.device, self.dtype = devices.choose(device, dtype), dtype
        self.make = maker(optimizer, lr, dict(hyper), self.seed)
        factors, options = factors_of(plan, self.steps), plans_of(plans, self.steps)
        check_plans(optimizer, dict(hyper), options)
        self.plans, self.stop, self.plateau = dict(plans or {}), fresh("stop", stop), fresh("plateau", plateau)
        check_watched(task, evaluate, stop=self.stop, plateau=self.plateau)
        self.plan_name = named(plan, factors)
        self.plan_names = repr({name: named(self.plans[name], options[name]) for name in sorted(self.plans)})
        self.snapshot_steps, self.snapshots = snapshot_steps(snapshots, self.steps), {}
        self._begin(given(start, task, self.seed))
        self.t, self.status, self.losses, self.evaluations, self.seconds = 0, "running", [], [], 0.0

    def _begin(self, start):
        """Data, model, optimizer with its plans, random streams."""
        task, self.given = self.task, start
        self.x, self.y = self._move(task.train_for(self.seed))
        self.order = None if task.batch is None else Order(self.seed, len(self.x), task.batch)
        self.rows, self.first_row = (), 0
        self.model = begin(initial_model(task, self.seed, self.dtype, self.device), task, start)
        self.parameters = list(self.model.parameters())
        self._follow(self.make(self.parameters))
        self.noise = None
        if callable(task.noise) or task.noise > 0:
            self.noise = Noise(self.seed, sum(p.numel() for p in self.parameters))
        self.sets = {"train": (self.x, self.y)} | {
            part: self._move(getattr(task, part)) for part in ("valid", "test") if getattr(task, part) is not None
        }
        self.random = self._draws()

    def _follow(self, optimizer):
        """Take the optimizer and attach the plans to it."""
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"optimizer must give a torch.optim.Optimizer; got {optimizer!r}")
        groups, self.optimizer, self.name = optimizer.param_groups, optimizer, type(optimizer).__name__.lower()
        if isinstance(optimizer, optimizers.RuleOptimizer):
            self.name = optimizer.rule.name
        self.known = [name for name in groups[0] if name not in ("params", "initial_lr")]
        self.options = repr([{k: v for k, v in g.items() if k != "params"} for g in groups])
        self.lr0 = float(groups[0]["lr"])
        exact = not any(isinstance(g["lr"], torch.Tensor) for g in groups)
        self.rate_dtype = torch.float64 if exact else torch.float32
        plateau = {} if self.plateau is None else {"plateau": self.plateau}
        self.attachment = attach(optimizer, _constant if self.plan is None else self.plan, **plateau, **self.plans)
        self.earlier = {name: np.zeros((0, len(groups))) for name in ("lr", *self.plans)}
        self.closure_needed = needs_closure(optimizer)

    def _move(self, data):
        return tuple(d.to(self.device, self.dtype if d.is_floating_point() else d.dtype) for d in data)

    def _draws(self):
        """Whether model or loss draw random numbers (dropout), which must then come from the seed."""
        buffers = {n: b.clone() for n, b in self.model.named_buffers()}
        with seeded(0, self.device):
            before = random_state(self.device)
            self._objective(self.x[:2], self.y[:2])
            with evaluating(self.model):
                self.model(self.x[:2])
            drawn = not all(map(torch.equal, before, random_state(self.device)))
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(buffers[name])
        return drawn

    def _objective(self, x, y):
        return self.task.objective(self.model(x), y, self.parameters)

    def _batch(self):
        if self.order is None:
            x, y = self.x, self.y
        else:
            if not self.first_row <= self.t < self.first_row + len(self.rows):
                rows = self.order.rows(self.t, min(self.t + AHEAD, self.steps))
                self.first_row, self.rows = self.t, rows.to(self.device).unbind()
            rows = self.rows[self.t - self.first_row]
            x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)
        return (x if self.task.augment is None else self.task.augmented(x, self.seed, self.t)), y

    def _stream(self, name):
        """A context in which all that is drawn comes from the seed's own stream of that name for this step."""
        return seeded(generator(self.seed, name, self.t).initial_seed(), self.device)

    def _backward(self):
        """Fill the gradients of this step; return the loss."""
        for p in self.parameters:
            p.grad = None
        x, y = self._batch()
        if self.random or not torch.is_grad_enabled():
            with torch.enable_grad(), self._stream("forward") if self.random else contextlib.nullcontext():
                loss = self._objective(x, y)
                loss.backward()
        else:
            loss = self._objective(x, y)
            loss.backward()
        if self.noise is not None:
            self._add_noise()
        return loss.detach()

    @torch.no_grad()
    def _add_noise(self):
        row = self.noise.rows(self.t, self.t + 1)[0].to(self.device, self.dtype)
        for p, z in zip(self.parameters, row.split([p.numel() for p in self.parameters])):
            scale = self.task.noise(p) if callable(self.task.noise) else self.task.noise
            if p.grad is not None:
                p.grad += scale * z.view_as(p)

    def _bad(self, loss):
        """Whether this loss says that the run has diverged."""
        first = abs(self.losses[0] if self.losses else loss)
        limit = self.diverged_at * first if first > LEAST_LOSS else math.inf
        return not math.isfinite(loss) or loss > limit

    def _update(self):
        """Gradients and update of this step, or none after divergence; return the loss."""
        if not self.closure_needed:
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
        gone = self.status == "diverged"
        event = Event(self.t, loss, [float("nan") if gone else float(g["lr"]) for g in self.optimizer.param_groups])
        self.t += 1
        if not gone and self.t == self.steps:
            self.status = "finished"
        if self.t in self.snapshot_steps:
            self.snapshots[self.t] = weights_of([self.model])
        if self.t in self.when:
            event.evaluation = self.evaluation()
            self._watch(event.evaluation)
        event.status = self.status
        self.seconds += time.perf_counter() - began
        return event

    def evaluation(self):
        """Evaluate on the full sets now; keep and return the values."""
        with self._stream("evaluation"):  # always: a metric may draw as well
            values = evaluate_model(self.task, self.model, self.sets)
        if self.status == "diverged":
            values = dict.fromkeys(values, float("nan"))
        self.evaluations.append({"step": self.t, **values})
        return self.evaluations[-1]

    def _watch(self, values):
        """Tell the plateau and the stopping rule how validation went."""
        if self.status == "running" and self.plateau is not None:
            self.attachment.report(watched(self.plateau, values))
        if self.status == "running" and self.stop is not None and self.stop.update(watched(self.stop, values)):
            self.status = "stopped"

    def evaluation_names(self):
        """Names of the values of `evaluation`, without "step"."""
        return names(self.sets)

    def events(self):
        """Generator of the remaining events; what is sent to it changes the run, as `steps` says."""
        if self.t == 0 and 0 in self.snapshot_steps:
            self.snapshots[0] = weights_of([self.model])
        if self.t == 0 and 0 in self.when and not self.evaluations:
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
        for name, value in options.items():
            if name not in self.known:
                raise ValueError(f"cannot change {name!r} of {self.name}; it has {', '.join(self.known)}")
            number(name, value)
        if hasattr(self.optimizer, "rule"):
            own = self.optimizer.rule.defaults
            self.optimizer.rule.check(**{name: value for name, value in options.items() if name in own})
        for name in [name for name in options if name in self.earlier]:
            self.attachment.set_base(float(options.pop(name)), name)
        for group in self.optimizer.param_groups:
            group.update({name: float(value) for name, value in options.items()})

    def record(self):
        """The `lrlib.Record` of the run up to now, with one lane."""
        shown, applied = records.kept(len(self.losses)), {name: self._applied(name) for name in self.earlier}
        status = self.status if self.status != "running" else "stopped"
        kind = str(self.dtype).removeprefix("torch.")
        return records.Record(
            lr0=np.array([self.lr0]),
            seed=np.array([self.seed]),
            status=np.array([status]),
            step=shown,
            loss=np.array([self.losses], dtype=kind)[:, shown],
            lr=applied["lr"][:, shown],
            options={name: applied[name][:, shown] for name in self.plans},
            evaluations=records.gathered(self.evaluations, self.evaluation_names(), 1),
            **weights_of([self.model]),
            snapshots=self._all_snapshots(),
            path="eager",
            path_reason="a single run",
            versions=records.versions(),
            seconds=self.seconds,
            device=str(self.device),
            task=self.task.name,
            optimizer=self.name,
            plan="" if self.plan is None else repr(self.plan),
            dtype=kind,
            metric_name=self.task.metric_name,
        )

    def _all_snapshots(self):
        """Those taken, and after divergence the frozen weights for the later ones, as a lane of a sweep has them."""
        later = [k for k in self.snapshot_steps if k > self.t] if self.status == "diverged" else []
        return self.snapshots | {k: weights_of([self.model]) for k in later}

    def _applied(self, name):
        """Applied values of all steps, checked against the planned ones: [1, steps] or [1, steps, groups]."""
        new = self.attachment.applied_of(name)
        records.check_applied(new[None], self.attachment.planned(name)[None], self.rate_dtype, name)
        rows = np.concatenate([self.earlier[name], new])
        missing = np.full((len(self.losses) - len(rows), rows.shape[1]), np.nan)  # the step that diverged
        rows = np.concatenate([rows, missing])[None]
        return rows[:, :, 0] if rows.shape[2] == 1 else rows

    def signature(self):
        """What must be the same for a checkpoint to be continued; asked for before the first step."""
        return {
            **ways(self.task, self.snapshot_steps, self.given),
            "task": self.task.name,
            "optimizer": self.name,
            "options": self.options,
            "plan": self.plan_name,
            "plans": self.plan_names,
            "plateau": described(self.plateau),
            "stop": described(self.stop),
            "seed": self.seed,
            "steps": self.steps,
            "evaluate": repr(sorted(self.when)),
            "dtype": str(self.dtype),
            "batch": repr(self.task.batch),
            "examples": len(self.x),
            "penalty": repr((self.task.l1, self.task.l2, self.task.penalise)),
            "parameters": repr([tuple(p.shape) for p in self.parameters]),
            "diverged_at": self.diverged_at,
            "data and first weights": checkpoints.digest([self.x, self.y, *self.parameters]),
        }

    def state(self):
        """Everything that `restore` needs, as plain values and tensors."""
        applied = {
            name: torch.from_numpy(np.concatenate([rows, self.attachment.applied_of(name)]))
            for name, rows in self.earlier.items()
        }
        return {
            "t": self.t,
            "status": self.status,
            "losses": list(self.losses),
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "model": dict(self.model.named_parameters()),
            "buffers": dict(self.model.named_buffers()),
            "optimizer": self.optimizer.state_dict(),
            "applied": applied,
            "snapshots": converted(self.snapshots, torch.from_numpy),
        }

    @torch.no_grad()
    def restore(self, state):
        """Go back to a `state`."""
        self.t, self.status, self.seconds = state["t"], state["status"], state["seconds"]
        self.losses, self.evaluations = list(state["losses"]), list(state["evaluations"])
        self.snapshots = converted(state.get("snapshots", {}), torch.Tensor.numpy)
        for part, tensors in (("model", self.model.named_parameters()), ("buffers", self.model.named_buffers())):
            for name, tensor in tensors:
                tensor.copy_(state[part][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.earlier = {name: rows.numpy() for name, rows in state["applied"].items()}
        for values in self.evaluations if self.stop is not None else ():
            self.stop.update(watched(self.stop, values))
