"""One run: `steps` is a generator of events, `fit` drains it into a Record, with checkpoints."""

import contextlib
import time
from dataclasses import dataclass

import numpy as np
import torch

from . import checkpoint as checkpoints
from . import device as devices
from . import optimizers, rules
from . import record as records
from .arguments import LEAST_LOSS, check_diverged_at, factors_of, seed_list, steps_of
from .attach import attach
from .evaluation import evaluate_model, evaluation_steps, names
from .schedules import hold
from .streams import Noise, Order, generator, initial_model, seeded


_KEPT = ("params", "initial_lr", "base_lr", "applied_lr", "plan_step")      # in a group, but not options of the rule


@dataclass
class Event:
    """One step of a run.

    step: counted from 0.  loss: batch loss before the update.  lr: applied rate of each parameter group (nan where
    the run diverged instead).  status: "running", "finished" or "diverged".  evaluation: None, or
    {"step": updates made, "train_loss": …, "train_metric": …, …} after this step.
    """

    step: int
    loss: float
    lr: list
    status: str = "running"
    evaluation: dict | None = None


class Run:
    """The state of one run, advanced by `step`; `steps` and `fit` are the functions to call."""

    def __init__(self, task, optimizer="sgd", lr=None, plan=None, seed=0, steps=None, device="cpu",
                 dtype=torch.float32, evaluate=None, diverged_at=1e3, hyper=()):
        self.task, self.plan, self.seed = task, plan, seed_list([seed])[0]
        self.steps, self.diverged_at = steps_of(task, steps), float(diverged_at)
        self.when = set(evaluation_steps(evaluate, self.steps))
        check_diverged_at(diverged_at)
        self.device, self.dtype = devices.choose(device, dtype), dtype
        make = _maker(optimizer, lr, dict(hyper))
        factors = torch.from_numpy(factors_of(plan, self.steps))
        self.plan_name = repr(plan) if plan is None or hasattr(plan, "length") else f"a function {checkpoints.digest([factors])}"
        self.x, self.y = self._move(task.train_for(self.seed))
        self.order = None if task.batch is None else Order(self.seed, len(self.x), task.batch)
        self.model = initial_model(task, self.seed, dtype, self.device)
        self.parameters = list(self.model.parameters())
        self.optimizer = make(self.parameters)
        groups = self.optimizer.param_groups
        self.name = type(self.optimizer).__name__.lower()
        self.options = repr([{k: v for k, v in g.items() if k != "params"} for g in groups])
        self.lr0 = float(groups[0]["lr"])
        exact = not any(isinstance(g["lr"], torch.Tensor) for g in groups)
        self.rate_dtype = torch.float64 if exact else torch.float32
        self.attachment = attach(self.optimizer, hold(1) if plan is None else plan)
        self.earlier = np.zeros((0, len(groups)))
        self.noise = None
        if callable(task.noise) or task.noise > 0:
            self.noise = Noise(self.seed, sum(p.numel() for p in self.parameters))
        self.sets = {"train": (self.x, self.y)} | {
            part: self._move(getattr(task, part)) for part in ("valid", "test") if getattr(task, part) is not None}
        self.random = self._draws()
        self.t, self.status, self.losses, self.evaluations, self.seconds = 0, "running", [], [], 0.0

    def _move(self, data):
        return tuple(d.to(self.device, self.dtype if d.is_floating_point() else d.dtype) for d in data)

    def _draws(self):
        """Whether the forward pass draws random numbers (dropout), which must then come from the seed."""
        buffers = {n: b.clone() for n, b in self.model.named_buffers()}
        with seeded(0, self.device), torch.no_grad():
            before = torch.get_rng_state()
            self.model(self.x[:2])
            drawn = not torch.equal(before, torch.get_rng_state())
            for name, buffer in self.model.named_buffers():
                buffer.copy_(buffers[name])
        return drawn or (self.device.type != "cpu" and any("Dropout" in type(m).__name__ for m in self.model.modules()))

    def _batch(self):
        if self.order is None:
            return self.x, self.y
        rows = self.order.rows(self.t, self.t + 1)[0].to(self.device)
        return self.x[rows], self.y[rows]

    def _backward(self):
        """Fill the gradients of this step; return the loss."""
        self.optimizer.zero_grad()
        x, y = self._batch()
        own = generator(self.seed, "forward", self.t).initial_seed() if self.random else 0
        with torch.enable_grad(), seeded(own, self.device) if self.random else contextlib.nullcontext():
            loss = self.task.loss(self.model(x), y)
            loss.backward()
        if self.noise is not None:
            self._add_noise()
        return loss.item()

    @torch.no_grad()
    def _add_noise(self):
        row = self.noise.rows(self.t, self.t + 1)[0].to(self.device, self.dtype)
        for p, z in zip(self.parameters, row.split([p.numel() for p in self.parameters])):
            scale = self.task.noise(p) if callable(self.task.noise) else self.task.noise
            if p.grad is not None:
                p.grad += scale * z.view_as(p)

    def step(self):
        """Make one step and return its `Event`; after the last one, or after divergence, ``status`` says so."""
        began = time.perf_counter()
        loss = self._backward()
        self.losses.append(loss)
        first = abs(self.losses[0])
        limit = self.diverged_at * first if first > LEAST_LOSS else np.inf
        if not np.isfinite(loss) or loss > limit:
            self.status, lr = "diverged", [float("nan")] * len(self.optimizer.param_groups)
        else:
            self.optimizer.step()
            lr = [float(group["lr"]) for group in self.optimizer.param_groups]
        event = Event(self.t, loss, lr)
        self.t += 1
        if self.status == "running" and self.t == self.steps:
            self.status = "finished"
        if self.t in self.when:
            event.evaluation = self.evaluation()
        event.status = self.status
        self.seconds += time.perf_counter() - began
        return event

    def evaluation(self):
        """Evaluate on the full sets now; keep and return the values."""
        values = evaluate_model(self.task, self.model, self.sets)
        if self.status == "diverged":
            values = dict.fromkeys(values, float("nan"))
        self.evaluations.append({"step": self.t, **values})
        return self.evaluations[-1]

    def evaluation_names(self):
        """Names of the values of `evaluation`, without "step"."""
        return names(self.sets)

    def events(self):
        """Generator of the remaining events; what is sent to it changes the run, as `steps` says."""
        if self.t == 0 and 0 in self.when and not self.evaluations:
            self.evaluation()
        while self.status == "running":
            change = yield self.step()
            if change is not None:
                self.change(**change)

    def change(self, **options):
        """Set the base rate (``lr``) or an option of the rule (``momentum``, …) of every group, from the next step on.

        Raises ``ValueError`` for an unknown option or a value outside its range; nothing is changed then.
        """
        known = [name for name in self.optimizer.param_groups[0] if name not in _KEPT]
        for name, value in options.items():
            if name not in known:
                raise ValueError(f"cannot change {name!r} of {self.name}; it has {', '.join(known)}")
            if not (np.ndim(value) == 0 and np.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a finite number of at least 0; got {value!r}")
        if hasattr(self.optimizer, "rule"):
            own = self.optimizer.rule.defaults
            self.optimizer.rule.check(**{name: value for name, value in options.items() if name in own})
        if "lr" in options:
            self.attachment.set_base(float(options.pop("lr")))
        for group in self.optimizer.param_groups:
            group.update({name: float(value) for name, value in options.items()})

    def record(self):
        """The `lrlib.record.Record` of the run up to now, with one lane."""
        shown, lr = records.kept(len(self.losses)), self._applied()
        status = self.status if self.status != "running" else "stopped"
        kind = str(self.dtype).removeprefix("torch.")
        return records.Record(
            lr0=np.array([self.lr0]), seed=np.array([self.seed]), status=np.array([status]), step=shown,
            loss=np.array([self.losses], dtype=kind)[:, shown], lr=lr[:, shown],
            evaluations=records.gathered(self.evaluations, self.evaluation_names(), 1),
            parameters={n: p.detach().cpu().numpy()[None].copy() for n, p in self.model.named_parameters()},
            path="eager", path_reason="a single run", versions=records.versions(), seconds=self.seconds,
            device=str(self.device), task=self.task.name, optimizer=self.name,
            plan="" if self.plan is None else repr(self.plan), dtype=kind, metric_name=self.task.metric_name)

    def _applied(self):
        """Applied rates of all steps, checked against the planned ones: [1, steps] or [1, steps, groups]."""
        new = self.attachment.applied
        records.check_applied(new[None], self.attachment.planned()[None], self.rate_dtype)
        rows = np.concatenate([self.earlier, new])
        missing = np.full((len(self.losses) - len(rows), rows.shape[1]), np.nan)       # the step that diverged
        rows = np.concatenate([rows, missing])[None]
        return rows[:, :, 0] if rows.shape[2] == 1 else rows

    def signature(self):
        """What must be the same for a checkpoint to be continued; asked for before the first step."""
        return {"task": self.task.name, "optimizer": self.name, "options": self.options, "plan": self.plan_name,
                "seed": self.seed, "steps": self.steps, "evaluate": repr(sorted(self.when)),
                "dtype": str(self.dtype), "batch": repr(self.task.batch), "examples": len(self.x),
                "parameters": repr([tuple(p.shape) for p in self.parameters]), "diverged_at": self.diverged_at,
                "data and first weights": checkpoints.digest([self.x, self.y, *self.parameters])}

    def state(self):
        """Everything that `restore` needs, as plain values and tensors."""
        return {"t": self.t, "status": self.status, "losses": list(self.losses), "evaluations": self.evaluations,
                "seconds": self.seconds, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                "applied": torch.from_numpy(np.concatenate([self.earlier, self.attachment.applied]))}

    def restore(self, state):
        """Go back to a `state`."""
        self.t, self.status, self.seconds = state["t"], state["status"], state["seconds"]
        self.losses, self.evaluations = list(state["losses"]), list(state["evaluations"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.earlier = state["applied"].numpy()


def _maker(optimizer, lr, hyper):
    """A function ``parameters -> optimizer``; raises for a wrong rule, rate or option."""
    if callable(optimizer) and not isinstance(optimizer, rules.Rule):
        if lr is not None or hyper:
            raise ValueError(f"lr and {', '.join(hyper) or 'options'} come from the optimizer that you make; "
                             f"got lr={lr!r}, {hyper!r}")
        return optimizer
    rule = rules.get(optimizer)
    lr = rule.defaults["lr"] if lr is None else lr
    if np.ndim(lr) != 0:
        raise ValueError(f"lr must be one number in a single run; got {lr!r}; lrlib.sweep takes several")
    rule.check(lr=lr, **hyper)
    classes = {name.lower(): c for name, c in vars(optimizers).items() if isinstance(c, type)}
    if rule.name not in classes:
        raise ValueError(f"optimizer: the rule {rule.name!r} has no optimizer class; there are {', '.join(rules.RULES)}, "
                         "or give a function parameters -> torch.optim.Optimizer")
    hyper = {name: float(value) for name, value in hyper.items()}
    return lambda parameters: classes[rule.name](parameters, lr=float(lr), **hyper)


def steps(task, optimizer="sgd", lr=None, plan=None, seed=0, steps=None, device="cpu", dtype=torch.float32,
          evaluate=None, diverged_at=1e3, **hyper):
    """Train step by step: a generator of `Event`; ``close()`` stops between two steps.

    The arguments are those of `fit`. ``generator.send({"lr": 0.01})`` changes the base rate (or an option of the
    rule, as ``{"momentum": 0.5}``) and makes the next step with it; it returns that step's event, as ``next`` does.
    The generator returns the `lrlib.record.Record` (``record = yield from steps(…)``).

    >>> from lrlib.tasks import quadratic
    >>> run = steps(quadratic(curvatures=(4.0,)), "sgd", lr=0.25, steps=3)
    >>> event = next(run); event.step, event.loss, event.lr
    (0, 2.0, [0.25])
    >>> run.send({"lr": 0.1}).lr
    [0.1]
    """
    run = Run(task, optimizer, lr, plan, seed, steps, device, dtype, evaluate, diverged_at, hyper)
    return _finish(run)


def _finish(run):
    yield from run.events()
    return run.record()


def fit(task, optimizer="sgd", lr=None, plan=None, seed=0, steps=None, device="cpu", dtype=torch.float32,
        evaluate=None, on_event=None, checkpoint=None, checkpoint_every=100, diverged_at=1e3, **hyper):
    r"""Train once and return the `lrlib.record.Record`, with one lane.

    Step t uses the rate :math:`\eta\cdot\text{plan}(t)`, through `lrlib.attach.attach`. The seed alone fixes initial
    weights, batch order and noise (`lrlib.streams`).

    Args:
        task: a `lrlib.tasks.Task`.
        optimizer: name of a rule (`lrlib.rules.RULES`), or a function ``parameters -> torch.optim.Optimizer``.
        lr: base rate; default the rule's own.
        plan: factor of the base rate as a function of the step; None for a constant rate.
        seed: a whole number of at least 0.
        steps: default the task's.
        device: "cpu", "cuda", "mps".
        dtype: ``torch.float32`` or ``torch.float64``.
        evaluate: evaluate on the full sets at the end (None), every n updates, or after these numbers of updates.
        on_event: called with each `Event`; returning False stops the run.
        checkpoint: file to go on from, if it is there, and to save to every ``checkpoint_every`` steps and at the
            end. A run that was killed at any moment ends with the same parameters and Record, bit by bit.
        diverged_at: the run stops with status "diverged" where its loss is nan, infinite or above this multiple of
            the first loss (a first loss below 1e-6 sets no limit).
        hyper: further options of the rule, as ``momentum=0.9``.

    Raises:
        ValueError, TypeError: an argument outside its range, or a checkpoint of another run, before anything runs.

    Example:
        >>> from lrlib.tasks import quadratic
        >>> record = fit(quadratic(curvatures=(4.0,)), "sgd", lr=0.25, steps=3)
        >>> record.loss.tolist(), record.status.tolist(), record.parameters["x"].tolist()
        ([[2.0, 0.0, 0.0]], ['finished'], [[0.0]])
    """
    run = Run(task, optimizer, lr, plan, seed, steps, device, dtype, evaluate, diverged_at, hyper)
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be at least 1; got {checkpoint_every!r}")
    signature = None if checkpoint is None else run.signature()
    stored = None if checkpoint is None else checkpoints.load(checkpoint, signature)
    if stored is not None:
        run.restore(stored)
    for event in run.events():
        stop = on_event is not None and on_event(event) is False
        if checkpoint is not None and (stop or run.status != "running" or run.t % checkpoint_every == 0):
            checkpoints.save(checkpoint, signature, run.state())
        if stop:
            break
    return run.record()
