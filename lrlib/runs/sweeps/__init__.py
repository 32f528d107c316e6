"""Many runs as one program: learning rate × seed lanes.

`sweep` returns a Record; `sweep_steps` is the generator behind it. Lanes are stacked and trained together: `lanes`
(the step), `carry` (what it hands on), `dropout` (its masks), `graph` (the step traced), `paths` (eager or compiled),
`choose` (which), `loop` (what cannot be stacked), `run` (events and Record), `jobs` (parts on many processes), `shelf`
(parts in a folder).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from ..._base.arguments import check_called
from ..._base.streams import counting_from, seeds_from
from ..description import Description, describe, parted, stacked
from .choose import obstacle
from .loop import LoopRun
from .run import BatchedRun, SweepEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    import numpy as np
    from numpy.typing import ArrayLike
    from typing import Any
    from ..._types import PathName, PlanLike, Weights
    from ...methods.rules.base import Rule
    from ..record import Record
    from .jobs import PartEvent
    from ...tasks.task import Task

__all__ = ["SweepEvent", "sweep", "sweep_steps"]

DIVIDING = ("jobs", "folder", "lanes")  # arguments of `sweep` that say where its lanes run


def sweep(
    task: Task,
    rule: str | Rule = "sgd",
    lr: ArrayLike | None = None,
    *,
    seeds: int | Sequence[int] | np.ndarray = 1,
    plan: PlanLike | None = None,
    plans: Mapping[str, PlanLike] | None = None,
    steps: int | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    evaluate: int | Sequence[int] | np.ndarray | None = None,
    snapshots: Sequence[int] | np.ndarray | None = None,
    diverged_at: float = 1e3,
    start: Record | Weights | None = None,
    path: str = "auto",
    on_event: Callable[[SweepEvent], Any] | Callable[[PartEvent], Any] | None = None,
    jobs: int | None = None,
    folder: PathName | None = None,
    lanes: int | None = None,
    **hyper: Any,
) -> Record:
    r"""Train every base rate with every seed and return one `lrlib.Record`.

    Lane (i, s) applies the rate :math:`\eta_i \cdot \text{plan}(t)` at step t and is the run that
    ``fit(task, rule, lr=lr[i], seed=s, …)`` makes: same weights, batches and noise, whatever the other lanes.

    Args:
        task: a `lrlib.Task`.
        rule: name of an update rule, or a `lrlib.Rule`.
        lr: base rates, [rates] or one number; default the rule's own.
        seeds: number n for 0 … n − 1, or a sequence of different seeds.
        plan: factor of the base rate as a function of the step; None for a constant rate.
        steps: default the task's.
        device: "cpu", "cuda", "mps".
        dtype: ``torch.float32`` or ``torch.float64``.
        evaluate: evaluate on the full sets at the end (None), every n updates, or after the numbers of updates in a
            sequence; at the end always.
        path: "eager", "compiled" (seconds to compile, then up to several times faster), "loop" (lane by lane) or
            "auto": eager from the first step on; where the steps would take a minute or more, a program that another
            process compiles makes them from a step on that follows from these arguments (``record.path_reason`` names
            it). Batch normalisation, dropout, augmentation and penalties run as lanes; a module or loss that draws
            other random numbers or that ``vmap`` cannot run, frozen parameters and rules of kind closure take the
            loop. Without a compiler the eager path serves.
        on_event: called with each `SweepEvent`; returning False stops the sweep after that step. The Record ends there
            on every path: lanes with steps left are "stopped", what was to be evaluated or kept later is missing.
        diverged_at: a lane whose loss is nan, infinite or above this multiple of its first loss (unless that is
            below 1e-6) is frozen there.
        plans: {option: plan} for options that follow plans of their own, as ``{"momentum": plan}``: factors of each
            lane's value. The applied values are in ``record.options``.
        jobs: None for this process; n to divide the lanes into n parts under joblib, −1 for one a processor
            (`lrlib.runs.sweeps.jobs`; on a cluster inside ``joblib.parallel_config(backend="dask")``). The numbers are
            the same; ``on_event`` is then called with a `jobs.PartEvent` a part and cannot stop the sweep. A device of
            other machines need not be one of this machine's.
        folder: keep every rate's runs there as they finish, and take them from there when the same sweep is asked for
            again, after it was broken off for example. One rate a part, or as few parts as ``lanes`` allows; ``jobs``
            only says how many at a time, so another machine goes on from the same folder.
        start: weights to begin from instead of those of the seeds: a `lrlib.Record` of as many lanes, or
            {name: array [L, …]} in the order of the lanes, of all parameters (and of buffers, where they are named).
            A lane then is ``fit(…, start=…)`` from its own. To fine-tune every lane at several rates, repeat the
            lanes of the arrays and give one rate a lane, with one seed.
        snapshots: a sequence of numbers of updates after which the weights of all lanes are kept, in
            ``record.snapshots``.
        lanes: divide the sweep into parts of at most so many lanes, one after another or ``jobs`` at a time. A few
            hundred small networks a part stay in the processor's cache and in memory; parts of one size share one
            program.
        hyper: further options of the rule, each a number or one value a rate, as ``momentum=[0.8, 0.9]``.

    Raises:
        ValueError, TypeError: an argument outside its range, before anything runs.

    Example:
        >>> from lrlib.tasks import quadratic
        >>> record = sweep(quadratic(curvatures=(4.0,)), "sgd", lr=[0.1, 0.49, 0.6], steps=30)
        >>> record.status.tolist(), record.path
        (['finished', 'finished', 'diverged'], 'eager')
        >>> record.final("train_loss").round(4)
        array([0.    , 0.1727,    nan])
    """
    check_called("on_event", on_event)
    where = {"jobs": jobs, "folder": folder, "lanes": lanes}
    _, hyper = parted(sweep, rule, hyper)
    described = describe_lanes(
        task,
        rule,
        lr,
        seeds=seeds,
        plan=plan,
        plans=plans,
        steps=steps,
        device=device,
        dtype=dtype,
        evaluate=evaluate,
        snapshots=snapshots,
        diverged_at=diverged_at,
        start=start,
        path=path,
        place=place(**where),
        hyper=hyper,
    )
    return carry_out(described, on_event, **where)


def sweep_steps(
    task: Task, rule: str | Rule = "sgd", lr: ArrayLike | None = None, **settings: Any
) -> Generator[SweepEvent, None, Record]:
    """Generator behind `sweep`: yields a `SweepEvent` after each step, returns the Record; ``close()`` stops it.

    The arguments are those of `sweep`, without ``on_event`` and without what divides it (jobs, folder, lanes).

    >>> from lrlib.tasks import quadratic
    >>> for event in sweep_steps(quadratic(curvatures=(4.0,)), lr=[0.25, 0.5], steps=2):
    ...     print(event.step, event.loss, event.lr)
    0 [2. 2.] [0.25 0.5 ]
    1 [0. 2.] [0.25 0.5 ]
    """
    arguments, hyper = parted(sweep, rule, settings, but=("on_event", *DIVIDING))
    description = describe_lanes(task, rule, lr, hyper=hyper, **arguments)
    return counting_from(description.origin, _events(engine(description)))


def _events(run):
    yield from run.events()
    return run.record()


def describe_lanes(task, rule, lr, **settings) -> Description:
    """`describe`, for what can be stacked: raises for an optimizer of the caller's own."""
    return describe(task, stacked(rule), lr, **settings)


def in_one_piece(jobs=None, folder=None, lanes=None):
    """Whether a sweep that is divided so is not divided at all."""
    return jobs is None and folder is None and lanes is None


def place(jobs=None, folder=None, lanes=None):
    """Where the lanes of a sweep that is divided so run: in this "process", on this "machine", or "elsewhere"."""
    if in_one_piece(jobs, folder, lanes):
        return "process"
    from .jobs import place_of

    return place_of(1 if jobs is None else jobs)


def carry_out(description, on_event=None, *, jobs=None, folder=None, lanes=None):
    """Run described lanes here, or in parts where ``jobs``, ``folder`` or ``lanes`` of `sweep` ask for it: → Record."""
    with seeds_from(description.origin):
        if in_one_piece(jobs, folder, lanes):
            return train(description, on_event)
        from .jobs import divide

        return divide(description, 1 if jobs is None else jobs, folder=folder, largest=lanes, on_event=on_event)


def train(description, on_event=None):
    """Run described lanes in this process to the end, or until ``on_event`` returns False: → `lrlib.Record`."""
    run = engine(description)
    if on_event is None:
        run.drain()
    else:
        with contextlib.closing(run.events()) as events:
            for event in events:
                if on_event(event) is False:
                    break
    return run.record()


def engine(description):
    """The run of described lanes: stacked if they can be, else one beside the other."""
    if description.path == "loop":
        return LoopRun(description, "asked for")
    reason = obstacle(description)
    return BatchedRun(description) if reason is None else LoopRun(description, reason)
