"""The arguments of the recipe, checked before anything runs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..._base.arguments import check_free, check_task, folder_of, number, seed_list, steps_of, whole
from ...runs.description import parted, stacked
from ...runs.sweeps import DIVIDING, describe_lanes, place, sweep
from ...tasks.direction import best_low

if TYPE_CHECKING:
    import torch
    from pathlib import Path
    from ...methods.rules.base import Rule
    from ...tasks.task import Task

RATES = (0.25, 0.5, 0.9, 1.3, 1.7, 2.2, 3.0, 4.0)
FINETUNE = (0.1, 0.3, 1.0)
AVERAGES = (2, 5, 10, 20)
KEPT = ("plan", "plans", "evaluate", "on_event", "snapshots", "seed", "lr")


@dataclass(frozen=True, eq=False)
class Asked:
    """The arguments of one call of `large_rate`, checked, with defaults in the place of None where there are any.

    ``settings`` is what all sweeps of the recipe share: the device, and what `large_rate` hands on to them.
    """

    task: Task
    rule: Rule
    seeds: list[int]
    steps: int
    finetune_steps: int
    finetune_rates: list[float] | None
    averages: list[int]
    rates: list[float]
    converged: float
    start: float | None
    precision: float
    by: str
    lowest: bool
    jobs: int
    folder: Path | None
    device: str | torch.device
    settings: dict

    def __post_init__(self):
        for name, value in self._checked():
            object.__setattr__(self, name, value)
        self.described([1.0], self.steps)

    def _checked(self):
        """(name, value) of every argument in turn; what comes later may build on those before it."""
        _check_sets(self.task)
        check_free(self.settings, KEPT, "the recipe")
        yield "rule", stacked(self.rule)
        yield "seeds", _several(self.seeds)
        yield "steps", steps_of(self.task, self.steps)
        half = max(1, self.steps // 2)
        yield "finetune_steps", whole("finetune_steps", half if self.finetune_steps is None else self.finetune_steps)
        yield "finetune_rates", None if self.finetune_rates is None else _numbers("finetune_rates", self.finetune_rates)
        yield "averages", _averages(self.averages, self.total)
        yield "rates", _multiples(RATES if self.rates is None else self.rates)
        yield "converged", number("converged", self.converged, above=0)
        yield "start", None if self.start is None else number("start", self.start, above=0)
        yield "precision", number("precision", self.precision, above=0)
        yield "lowest", _lowest(self.by, self.lowest, self.task)
        yield "jobs", self.jobs if self.jobs == -1 else whole("jobs (or -1 for one part a processor)", self.jobs)
        yield "folder", None if self.folder is None else folder_of("folder", self.folder)
        yield "device", "cpu" if self.device is None else self.device
        yield "settings", {"device": self.device, **self.settings}

    def described(self, lr, steps, **more):
        """The description of one of the recipe's sweeps."""
        arguments, hyper = parted(sweep, self.rule, self.settings, but=(*KEPT, *DIVIDING))
        settings = {**arguments, "place": place(**self.where), "hyper": hyper, **more}
        return describe_lanes(self.task, self.rule, np.array(lr), seeds=self.seeds, steps=steps, **settings)

    @property
    def where(self):
        """How the recipe's sweeps are divided; empty where they are not."""
        kept = {} if self.folder is None else {"folder": self.folder}
        return {"jobs": self.jobs, **kept} if kept or self.jobs != 1 else {}

    @property
    def total(self):
        """Updates of each run that is compared."""
        return self.steps + self.finetune_steps

    @property
    def percent(self):
        """Whether the score is a share of the examples that are right, which is shown in per cent."""
        return self.by == "metric" and self.task.metric_name == "accuracy" and not self.lowest

    @property
    def every(self):
        """Updates between two snapshots: an epoch, less where the largest average would reach over half of the run."""
        x, _ = self.task.train_for(self.seeds[0])
        epoch = 1 if self.task.batch is None else max(1, len(x) // self.task.batch)
        return max(1, min(epoch, self.total // (2 * max(self.averages))))

    def snapshots(self, k):
        """Numbers of updates after which the last ``k`` snapshots are taken."""
        return [self.total - self.every * i for i in reversed(range(k))]

    @property
    def lr(self):
        """Multiples of the threshold below and above 1, rising: two lists."""
        rates = sorted(self.rates)
        return [list(group) for _, group in itertools.groupby(rates, key=lambda rate: rate > 1)]


def _check_sets(task):
    check_task(task)
    for part, use in (("valid", "settings are chosen on it"), ("test", "the chosen ones are compared on it")):
        if getattr(task, part) is None:
            word = {"valid": "validation", "test": "test"}[part]
            raise ValueError(f"task {task.name!r} has no {word} set, and {use}: give it one (Task({part}=(x, y)))")


def _several(seeds):
    found = seed_list(seeds)
    if len(found) < 2:
        raise ValueError(f"seeds must be at least 2, since intervals are over seeds; got {seeds!r}")
    return found


def _averages(averages, total):
    """Numbers of snapshots, rising; by default those that the run has room for."""
    if averages is None:
        return [k for k in AVERAGES if k <= total] or [2]
    found = sorted({whole("averages", k, 2) for k in np.atleast_1d(averages).tolist()})
    if not found or found[-1] > total:
        raise ValueError(
            f"averages must name numbers of snapshots from 2 to {total}, the steps of a run; got {averages!r}"
        )
    return found


def _numbers(name, values):
    found = [number(name, value, above=0) for value in np.atleast_1d(np.asarray(values, dtype=object)).tolist()]
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{name} must be different numbers, at least one; got {values!r}")
    return sorted(found)


def _multiples(rates):
    found = _numbers("rates", rates)
    if not found[0] < 1 < found[-1]:
        raise ValueError(
            "rates must be multiples of the threshold, some below 1 and some above; "
            f"got {', '.join(f'{r:g}' for r in found)}"
        )
    return found


def _lowest(by, lowest, task):
    if by not in ("metric", "loss"):
        raise ValueError(f'by must be "metric" or "loss"; got {by!r}')
    return best_low(by, lowest, task)
