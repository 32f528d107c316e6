"""The arguments of the recipe, checked before anything runs."""

import itertools
from pathlib import Path

import numpy as np

from ...methods import rules
from ..._base.arguments import check_free, check_task, number, seed_list, steps_of, whole
from ...runs.description import parted
from ...runs.sweeps import DIVIDING, describe_lanes, place, sweep
from ...tasks.direction import best_low

RATES = (0.25, 0.5, 0.9, 1.3, 1.7, 2.2, 3.0, 4.0)
FINETUNE = (0.1, 0.3, 1.0)
AVERAGES = (2, 5, 10, 20)
KEPT = ("plan", "plans", "evaluate", "on_event", "snapshots", "seed", "lr")


class Asked:
    """What one call of `large_rate` asks for."""

    def __init__(
        self,
        task,
        rule="sgd",
        *,
        seeds=5,
        steps=None,
        finetune_steps=None,
        finetune_rates=None,
        averages=None,
        rates=None,
        converged=1e-2,
        start=None,
        precision=0.05,
        by="metric",
        lowest=None,
        jobs=1,
        folder=None,
        device=None,
        **settings,
    ):
        check_task(task)
        for part, use in (("valid", "settings are chosen on it"), ("test", "the chosen ones are compared on it")):
            if getattr(task, part) is None:
                word = {"valid": "validation", "test": "test"}[part]
                raise ValueError(f"task {task.name!r} has no {word} set, and {use}: give it one (Task({part}=(x, y)))")
        self.task, self.rule, self.seeds = task, rules.get(rule), seed_list(seeds)
        if len(self.seeds) < 2:
            raise ValueError(f"seeds must be at least 2, since intervals are over seeds; got {seeds!r}")
        self.steps = steps_of(task, steps)
        half = max(1, self.steps // 2)
        self.finetune_steps = whole("finetune_steps", half if finetune_steps is None else finetune_steps)
        self.finetune_rates = None if finetune_rates is None else _numbers("finetune_rates", finetune_rates)
        self.averages = self._averages(averages)
        self.rates = _numbers("rates", RATES if rates is None else rates)
        self.converged = number("converged", converged, above=0)
        self.precision = number("precision", precision, above=0)
        self.start = None if start is None else number("start", start, above=0)
        self._check_rates()
        self.by, self.lowest = by, _lowest(by, lowest, task)
        self.folder, self.where = folder and Path(folder), _where(jobs, folder)
        self.settings = {"device": "cpu" if device is None else device, **settings}
        self._check_settings(settings)

    def _averages(self, averages):
        """Numbers of snapshots, rising; by default those that the run has room for."""
        if averages is None:
            return [k for k in AVERAGES if k <= self.total] or [2]
        found = sorted({whole("averages", k, 2) for k in np.atleast_1d(averages).tolist()})
        if not found or found[-1] > self.total:
            raise ValueError(
                f"averages must name numbers of snapshots from 2 to {self.total}, the steps of a run; got {averages!r}"
            )
        return found

    def _check_rates(self):
        low, high = min(self.rates), max(self.rates)
        if not low < 1 < high:
            raise ValueError(
                "rates must be multiples of the threshold, some below 1 and some above; "
                f"got {', '.join(f'{r:g}' for r in self.rates)}"
            )

    def _check_settings(self, settings):
        check_free(settings, KEPT, "the recipe")
        self.described([1.0], self.steps)

    def described(self, lr, steps, **more):
        """The description of one of the recipe's sweeps."""
        arguments, hyper = parted(sweep, self.rule, self.settings, but=(*KEPT, *DIVIDING))
        settings = {**arguments, "place": place(**self.where), "hyper": hyper, **more}
        return describe_lanes(self.task, self.rule, np.array(lr), seeds=self.seeds, steps=steps, **settings)

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


def _numbers(name, values):
    found = [number(name, value, above=0) for value in np.atleast_1d(np.asarray(values, dtype=object)).tolist()]
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{name} must be different numbers, at least one; got {values!r}")
    return sorted(found)


def _lowest(by, lowest, task):
    if by not in ("metric", "loss"):
        raise ValueError(f'by must be "metric" or "loss"; got {by!r}')
    return best_low(by, lowest, task)


def _where(jobs, folder):
    """How the recipe's sweeps are divided."""
    if jobs != -1:
        whole("jobs (or -1 for one part a processor)", jobs)
    if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
        raise ValueError(f"folder must be a folder; got the file {str(folder)!r}")
    return {"jobs": jobs, "folder": folder} if folder is not None else {"jobs": jobs} if jobs != 1 else {}
