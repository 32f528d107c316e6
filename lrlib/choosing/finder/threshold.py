"""The convergence threshold: the largest rate at which a task still trains, with few trainings."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..._base.arguments import MOST_STEPS, check_free, check_task, function, number, shown, steps_of, whole
from ...runs.description import parted
from ...runs.evaluation import evaluation_steps
from ...runs.sweeps import DIVIDING, carry_out, describe_lanes, place, sweep
from ...tasks.direction import best_low

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any
    from ..._types import Criterion
    from ...methods.rules.base import Rule
    from ...tasks.task import Task

FINEST = 1e-9  # decades: about thirty halvings of a factor 2
MOST_RATES = 10_000  # that bracketing tries


def reached(target: float, name: str = "train_loss", lowest: bool | None = None) -> Criterion:
    """Criterion "some evaluation of `name` is as good as `target`, and the run did not diverge".

    Args:
        target: the value to reach.
        name: an evaluation of the record, or "loss" for the batch losses.
        lowest: whether values of at most `target` are as good (True), or of at least `target` (False). A loss is best
            low (None); of a metric it must be said.

    Returns:
        function `Record -> bool array [L]`, which raises ``ValueError`` for a record without that evaluation.

    Raises:
        TypeError, ValueError: a target that is no finite number, a name that is no text, a metric without `lowest`.

    Example:
        >>> from types import SimpleNamespace as Some
        >>> record = Some(loss=np.array([[1.0, 0.1], [1.0, 0.5]]), status=np.array(["finished", "finished"]))
        >>> reached(0.2, name="loss")(record).tolist()
        [True, False]
    """

    target = number("target", target, least=-math.inf)
    if not isinstance(name, str):
        raise TypeError(f"name must be loss or the name of an evaluation; got {shown(name)}")
    low = best_low(name, lowest) if name.endswith(("loss", "metric")) else True
    sign = 1.0 if low else -1.0

    def criterion(record):
        if name != "loss" and name not in record.evaluations:
            raise ValueError(f"name must be loss or one of {', '.join(record.evaluations)}; got {name!r}")
        values = record.loss if name == "loss" else record.evaluations[name]
        best = np.where(np.isfinite(values), sign * np.asarray(values), np.inf).min(axis=1)
        return (best <= sign * target) & (np.asarray(record.status) != "diverged")

    return criterion


@dataclass(frozen=True)
class Threshold:
    """A bracket around the convergence threshold.

    Attributes:
        low: largest rate that was seen to converge (most seeds).
        high: smallest rate above it that was seen to fail; inf if none did up to the limit.
        tried: list of (rate, share of seeds that converged), in the order of the trials.
        trainings: number of trainings spent, rates × seeds.
        precision: width in decades that the bracket was asked for.

    Example:
        >>> found = Threshold(0.4, 0.9, [(0.1, 1.0), (0.9, 0.0), (0.4, 0.8)], trainings=15, precision=0.5)
        >>> round(found.rate, 9), found.grid_trainings
        (0.6, 15)
    """

    low: float
    high: float
    tried: list
    trainings: int
    precision: float = 0.05

    @property
    def rate(self) -> float:
        """Geometric middle of the bracket; inf where no rate failed."""
        return math.sqrt(self.low * self.high)

    @property
    def grid_trainings(self) -> int:
        """Trainings of a full sweep for the same answer: the range tried in steps of `precision` decades, all seeds."""
        rates = [rate for rate, _ in self.tried]
        points = math.ceil(math.log10(max(rates) / min(rates)) / self.precision - 1e-9) + 1
        return points * (self.trainings // len(self.tried))


@dataclass(frozen=True)
class ThresholdCurve:
    """Convergence thresholds of several budgets.

    Attributes:
        budgets: the budgets in steps, rising.
        thresholds: one `Threshold` a budget; its ``trainings`` are what it would have cost alone.
        trainings: number of trainings made, each of the longest budget.

    Example:
        >>> short = Threshold(0.4, 0.9, [(0.4, 1.0), (0.9, 0.0)], 2)
        >>> long = Threshold(0.9, 1.6, [(0.4, 1.0), (0.9, 1.0), (1.6, 0.0)], 3)
        >>> curve = ThresholdCurve((100, 1000), (short, long), trainings=3)
        >>> curve.rates, curve.separate_trainings
        (array([0.6, 1.2]), 5)
    """

    budgets: tuple
    thresholds: tuple[Threshold, ...]
    trainings: int

    @property
    def rates(self) -> np.ndarray:
        """CT(budget): the geometric middles, array [budgets]."""
        return np.array([threshold.rate for threshold in self.thresholds])

    @property
    def separate_trainings(self) -> int:
        """Trainings that the budgets would have cost one by one."""
        return sum(threshold.trainings for threshold in self.thresholds)


def convergence_threshold(
    task: Task,
    rule: str | Rule = "sgd",
    criterion: Criterion | None = None,
    *,
    start: float,
    seeds: int | Sequence[int] | np.ndarray = 5,
    factor: float = 2.0,
    precision: float = 0.05,
    limit: float = 1e4,
    **settings: Any,
) -> Threshold:
    r"""Bracket upwards from a rate that converges, then bisect on the log axis.

    A rate *converges* when more than half of the seeds meet the criterion within the budget. From `start` the rate
    is multiplied by `factor` until one fails; then the bracket [low, high] is halved at :math:`\sqrt{low \cdot high}`
    until it is at most `precision` decades wide. The threshold belongs to the budget: more steps, another one
    (`threshold_curve`). Very small rates fail the criterion too, so `start` must be one that works; above it the
    outcome is taken to change once, which `tried` lets one check.

    Args:
        task: a `Task`.
        rule: name of a rule, or a `Rule`.
        criterion: function `Record -> bool array [L]`; default: `reached(1e-2, "loss")`, some batch loss at most 0.01.
        start: a rate that converges.
        seeds: their number, or the seeds themselves; all are trained at every rate tried.
        factor: ratio of the bracketing steps, above 1; from `start` to `limit` it must take at most 10,000 of them.
        precision: width of the final bracket in decades, at least 1e-9.
        limit: give up bracketing beyond this rate; inf for none.
        settings: further arguments of `sweep`: steps (the budget), plan, device, evaluate, hyper-parameters.

    Returns:
        `Threshold`.

    Raises:
        ValueError, TypeError: a number outside its range; a rule that is none; `start` does not converge.

    Example:
        >>> from lrlib import tasks
        >>> task = tasks.quadratic(curvatures=(4.0,))                          # stable below 2/4
        >>> found = convergence_threshold(task, start=0.1, seeds=1, steps=300, path="loop")
        >>> found.low < 0.5 < found.high * 1.01
        True
        >>> found.trainings, found.grid_trainings
        (7, 20)
    """
    check_task(task)
    trials = Trials(
        task, rule, criterion, budgets=[steps_of(task, settings.pop("steps", None))], seeds=seeds, **settings
    )
    return search_threshold(trials, trials.budgets[0], start, factor=factor, precision=precision, limit=limit)


def threshold_curve(
    task: Task,
    rule: str | Rule = "sgd",
    criterion: Criterion | None = None,
    *,
    budgets: Sequence[int],
    start: float,
    seeds: int | Sequence[int] | np.ndarray = 5,
    factor: float = 2.0,
    precision: float = 0.05,
    limit: float = 1e4,
    **settings: Any,
) -> ThresholdCurve:
    """The convergence threshold as a function of the budget, CT(budget), with trainings shared between budgets.

    A run of b steps is the beginning of a longer one, so each rate is trained once, for the longest budget, and judged
    at every budget that asks for it. Each threshold is the one that `convergence_threshold` finds with
    ``steps=budget``; for budgets beyond 4,000 steps let the criterion read an evaluation, because batch losses are
    thinned there. A plan is the same function of the step for all budgets.

    Args:
        task, rule, criterion, start, seeds, factor, precision, limit: as for `convergence_threshold`; the
            criterion sees the record as it was at the budget, without final parameters.
        budgets: different numbers of steps, each at least 1.
        settings: further arguments of `sweep` but ``steps``. Each run is evaluated at its budget besides.

    Returns:
        `ThresholdCurve`.

    Raises:
        ValueError, TypeError: as `convergence_threshold`; no budget, one that is no whole number, two that are equal.

    Example:
        >>> from lrlib import tasks
        >>> task = tasks.quadratic(curvatures=(4.0,))
        >>> curve = threshold_curve(task, budgets=[10, 300], start=0.3, seeds=1, precision=0.01, path="loop")
        >>> curve.rates.round(2), curve.trainings, curve.separate_trainings
        (array([0.44, 0.5 ]), 9, 14)
    """
    check_task(task)
    if "steps" in settings:
        raise ValueError("steps: the budgets say how many; leave it out")
    budgets = sorted(whole("budgets", budget, most=MOST_STEPS) for budget in np.atleast_1d(budgets).tolist())
    if not budgets or len(set(budgets)) < len(budgets):
        raise ValueError(f"budgets must be different numbers of steps, at least one; got {budgets!r}")
    trials = Trials(task, rule, criterion, budgets=budgets, seeds=seeds, **settings)
    how = {"factor": factor, "precision": precision, "limit": limit}
    found = tuple(search_threshold(trials, budget, start, **how) for budget in budgets)
    return ThresholdCurve(tuple(budgets), found, len(trials.records) * len(trials.seeds))


class Trials:
    """Rates tried, each trained once for the longest budget; what it trained is in ``records`` {rate: Record}.

    ``budgets``: numbers of steps, rising; ``seeds``: as of `convergence_threshold`; ``settings``: further arguments of
    `sweep`, checked before the first training. Records of several budgets hold no final parameters, which belong to
    the longest alone.

    >>> from lrlib import tasks
    >>> trials = Trials(tasks.quadratic(curvatures=(4.0,)), "sgd", budgets=[300], seeds=1, path="loop")
    >>> trials.share(0.1, 300), trials.share(0.6, 300), list(trials.records)
    (1.0, 0.0, [0.1, 0.6])
    """

    def __init__(self, task, rule="sgd", criterion=None, *, budgets, seeds, evaluate=None, **settings):
        if criterion is not None:
            function("criterion", criterion, "of the record, such as reached(…)")
        self.criterion, self.budgets, self.records = criterion or reached(1e-2, "loss"), budgets, {}
        self.evaluate, when = evaluate, evaluate
        if len(budgets) > 1:
            when = sorted({k for b in budgets for k in evaluation_steps(evaluate, b)})
        check_free(settings, ("lr",), "the search")
        arguments, hyper = parted(sweep, rule, settings, but=("on_event",))
        self.where = {name: arguments.pop(name) for name in DIVIDING if name in arguments}
        arguments |= {"seeds": seeds, "steps": budgets[-1], "evaluate": when, "place": place(**self.where)}
        self.description = describe_lanes(task, rule, None, hyper=hyper, **arguments)

    @property
    def seeds(self):
        """The seeds at each rate."""
        return self.description.seeds

    def share(self, rate, budget):
        """Share of the seeds that converge at this rate within this budget."""
        if rate not in self.records:
            record = carry_out(self.description.at([rate]), **self.where)
            several = len(self.budgets) > 1  # then the final parameters are those of no other budget
            self.records[rate] = dataclasses.replace(record, parameters={}, buffers={}) if several else record
        record = self.records[rate]
        if len(self.budgets) > 1:
            record = _until(record, budget, evaluation_steps(self.evaluate, budget))
        passed = np.asarray(self.criterion(record))
        if passed.shape != (len(self.seeds),) or passed.dtype.kind not in "biuf":
            raise ValueError(f"criterion must give one True or False a lane; got {shown(passed)}")
        return float(np.mean(passed))


def _until(record, budget, evaluated):
    """The record as a run of ``budget`` steps would have left it."""
    steps, seen = record.step < budget, np.isin(record.evaluations["step"], evaluated)
    lost = np.isnan(record.lr[:, steps]).any(axis=1)  # a step without an update: it has diverged
    evaluations = {name: v[seen] if name == "step" else v[:, seen] for name, v in record.evaluations.items()}
    options = {name: v[:, steps] for name, v in record.options.items()}
    return dataclasses.replace(
        record,
        step=record.step[steps],
        loss=record.loss[:, steps],
        lr=record.lr[:, steps],
        status=np.where(lost, "diverged", "finished"),
        evaluations=evaluations,
        options=options,
    )


def search_threshold(trials, budget, start, *, factor=2.0, precision=0.05, limit=1e4):
    """Bracket and bisect for one budget: → `Threshold`.

    ``trials``: a `Trials`, or what has its ``seeds`` and its ``share(rate, budget)``; the others are those of
    `convergence_threshold`. Raises as it does.

    >>> from types import SimpleNamespace
    >>> trials = SimpleNamespace(seeds=[0], share=lambda rate, budget: float(rate < 0.5))
    >>> found = search_threshold(trials, 100, start=0.1, factor=2.0, precision=0.01, limit=10.0)
    >>> found.low < 0.5 < found.high, found.trainings
    (True, 9)
    """
    start, endless = number("start", start, above=0), isinstance(limit, float) and limit == math.inf
    limit = limit if endless else number("limit", limit, above=0)
    factor, precision = number("factor", factor, above=1), number("precision", precision, least=FINEST)
    if start >= limit:
        raise ValueError(f"start must be below limit; got start={start!r}, limit={limit!r}")
    limit = min(limit, sys.float_info.max)
    if math.log(limit) - math.log(start) > MOST_RATES * math.log(factor):
        raise ValueError(
            f"factor must reach limit from start in at most {MOST_RATES:,} steps; got {factor!r} from {start:g} to "
            f"{limit:g}"
        )
    tried = []

    def converges(rate):
        tried.append((float(rate), trials.share(rate, budget)))
        return tried[-1][1] > 0.5

    if not converges(start):
        raise ValueError(
            f"start={start!r}: only {tried[0][1]:.0%} of {len(trials.seeds)} seeds converged there in "
            f"{budget} steps; start from a rate that works"
        )
    low, high = _bracket(converges, start, factor, limit)
    while math.isfinite(high) and math.log10(high / low) > precision:
        middle = math.sqrt(low * high)
        if not low < middle < high:
            break  # their product leaves the range of the floats
        low, high = (middle, high) if converges(middle) else (low, middle)
    return Threshold(low, high, tried, len(tried) * len(trials.seeds), precision=precision)


def _bracket(converges, low, factor, limit):
    while low * factor <= limit:
        if not converges(low * factor):
            return low, low * factor
        low *= factor
    return low, math.inf
