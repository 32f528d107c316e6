"""One run: `steps` is a generator of events, `fit` drains it into a Record, with checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..._base.arguments import check_called, file_of, whole
from ..._base.streams import counting_from
from ..description import describe_one, parted
from .run import Event, Run
from .saved import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    import numpy as np
    from typing import Any
    from ..._types import PathName, PlanLike, RuleLike, Weights
    from ...methods.stopping import EarlyStopping
    from ...plans.plateau import Plateau
    from ..record import Record
    from ...tasks.task import Task

__all__ = ["Event", "fit", "steps"]


def steps(
    task: Task, rule: RuleLike = "sgd", lr: float | None = None, **settings: Any
) -> Generator[Event, dict[str, Any] | None, Record]:
    """Train step by step: a generator of `Event`; ``close()`` stops between two steps.

    The arguments are those of `fit`, without ``on_event`` and checkpoints. ``generator.send({"lr": 0.01})`` changes the
    base rate (or an option of the rule, as ``{"momentum": 0.5}``) and makes the next step with it; it returns that
    step's event, as ``next`` does. The generator returns the `lrlib.Record` (``record = yield from steps(…)``).

    >>> from lrlib.tasks import quadratic
    >>> run = steps(quadratic(curvatures=(4.0,)), "sgd", lr=0.25, steps=3)
    >>> event = next(run); event.step, event.loss, event.lr
    (0, 2.0, [0.25])
    >>> run.send({"lr": 0.1}).lr
    [0.1]
    """
    arguments, hyper = parted(fit, rule, settings, but=("on_event", "checkpoint", "checkpoint_every"))
    description = describe_one(task, rule, lr, hyper=hyper, **arguments)
    return counting_from(description.origin, _finish(Run(description)))


def _finish(run):
    yield from run.events()
    return run.record()


def fit(
    task: Task,
    rule: RuleLike = "sgd",
    lr: float | None = None,
    *,
    plan: PlanLike | None = None,
    plans: Mapping[str, PlanLike] | None = None,
    seed: int = 0,
    steps: int | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    evaluate: int | Sequence[int] | np.ndarray | None = None,
    snapshots: Sequence[int] | np.ndarray | None = None,
    diverged_at: float = 1e3,
    start: Record | Weights | None = None,
    plateau: Plateau | None = None,
    stop: EarlyStopping | None = None,
    on_event: Callable[[Event], Any] | None = None,
    checkpoint: PathName | None = None,
    checkpoint_every: int = 100,
    **hyper: Any,
) -> Record:
    r"""Train once and return the `lrlib.Record`, with one lane.

    Step t uses the rate :math:`\eta\cdot\text{plan}(t)`, through `lrlib.attach`. The seed alone fixes initial
    weights, batch order and noise (`lrlib.streams`).

    Args:
        task: a `lrlib.Task`.
        rule: name of a rule (`lrlib.RULES`), a `lrlib.Rule`, or a function ``parameters -> torch.optim.Optimizer``; an
            optimizer that needs a closure gets one.
        lr: base rate; default the rule's own.
        plan: factor of the base rate as a function of the step; None for a constant rate.
        seed: a whole number of at least 0.
        steps: default the task's.
        device: "cpu", "cuda", "mps".
        dtype: ``torch.float32`` or ``torch.float64``.
        evaluate: evaluate on the full sets at the end (None), every n updates, or after the numbers of updates in a
            sequence; at the end always.
        on_event: called with each `Event`; returning False stops the run after that step. The Record ends there: a run
            with steps left is "stopped", what was to be evaluated or kept later is missing.
        checkpoint: file to go on from, if it is there, and to save to every ``checkpoint_every`` steps and at the
            end. A run that was killed at any moment ends with the same parameters and Record, bit by bit.
        diverged_at: the run stops with status "diverged" where its loss is nan, infinite or above this multiple of
            the first loss (a first loss below 1e-6 sets no limit).
        plans: {option: plan} for options that follow plans of their own, as ``{"momentum": plan}``: factors of the
            option's value. The applied values are in ``record.options``.
        plateau: a `lrlib.Plateau`, a further factor of the rate, told the validation loss (validation metric
            for ``mode="max"``) of each evaluation; needs ``evaluate`` and a validation set.
        stop: a stopping rule (`lrlib.EarlyStopping`), told the same; when its ``update(value)`` is true the run is
            "stopped".
        start: weights to begin from instead of those of the seed: {name: array} of all parameters (and of buffers,
            where they are named), or a `lrlib.Record` of one lane.
        snapshots: a sequence of numbers of updates after which the weights are kept, in ``record.snapshots``; of a run
            that diverged the later ones hold the weights that it was left with, as those of a sweep do.
        hyper: further options of the rule, as ``momentum=0.9``.

    Raises:
        ValueError, TypeError: an argument outside its range, or a checkpoint of another run, before anything runs.

    Example:
        >>> from lrlib.tasks import quadratic
        >>> record = fit(quadratic(curvatures=(4.0,)), "sgd", lr=0.25, steps=3)
        >>> record.loss.tolist(), record.status.tolist(), record.parameters["x"].tolist()
        ([[2.0, 0.0, 0.0]], ['finished'], [[0.0]])
    """
    check_called("on_event", on_event)
    checkpoint = None if checkpoint is None else file_of("checkpoint", checkpoint)
    checkpoint_every = whole("checkpoint_every", checkpoint_every)
    _, hyper = parted(fit, rule, hyper)
    description = describe_one(
        task,
        rule,
        lr,
        plan=plan,
        plans=plans,
        seed=seed,
        steps=steps,
        device=device,
        dtype=dtype,
        evaluate=evaluate,
        snapshots=snapshots,
        diverged_at=diverged_at,
        start=start,
        plateau=plateau,
        stop=stop,
        hyper=hyper,
    )
    return _train(Run(description), on_event, checkpoint, checkpoint_every)


def _train(run, on_event, path, every):
    """Run to the end, or until ``on_event`` returns False, with a checkpoint every so many steps: → Record."""
    checkpoint = None if path is None else Checkpoint(path, run)
    if checkpoint is not None:
        checkpoint.take_up()
    for event in run.events():
        stop = on_event is not None and on_event(event) is False
        if checkpoint is not None and (stop or run.status != "running" or run.t % every == 0):
            checkpoint.save()
        if stop:
            break
    return run.record()
