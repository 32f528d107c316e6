"""Range tests of a task over several seeds, run as one sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..._base.arguments import check_free, check_task, function, having, seed_list
from ..._base.statistics import bootstrap
from ...methods.rules import Rule
from ...plans import ramp
from . import suggestions as rules
from .trial import RangeTest, Watch, check_ramp, largest_rate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from typing import Any
    from ..._types import RuleLike
    from ...runs.record import Record
    from ...tasks.task import Task


@dataclass(frozen=True)
class Finding:
    """Range tests of one task over several seeds.

    Attributes:
        tests: one `RangeTest` a seed.
        seeds: [S] the seeds.
        record: the `Record` of the sweep, or the list of records where the runs were made one by one.

    Example:
        >>> rates = np.logspace(-3, 1, 60)
        >>> tests = [RangeTest(rates, 1 + 2 * np.exp(-k * rates), "finished", steps=60) for k in (20, 30)]
        >>> finding = Finding(tuple(tests), np.array([0, 1]), record=None)
        >>> finding.per_seed("valley").round(3).tolist(), round(finding.suggest("valley"), 3)
        ([0.092, 0.092], 0.092)
    """

    tests: tuple[RangeTest, ...]
    seeds: np.ndarray
    record: Record

    @property
    def lr(self) -> np.ndarray:
        """[K] the rates of the longest test."""
        return max((test.lr for test in self.tests), key=len)

    @property
    def loss(self) -> np.ndarray:
        """[S, K] batch losses; nan after a seed's test has stopped."""
        return self._table([test.loss for test in self.tests])

    @property
    def smoothed(self) -> np.ndarray:
        """[S, K] smoothed losses; nan after a seed's test has stopped."""
        return self._table([test.smoothed for test in self.tests])

    def _table(self, rows):
        table = np.full((len(rows), len(self.lr)), np.nan)
        for row, values in zip(table, rows):
            row[: len(values)] = values
        return table

    @property
    def reason(self) -> str:
        """Why no rule has a rate to suggest for any seed, of the longest test; empty where one has.

        >>> test = RangeTest(np.geomspace(1e-3, 1, 30), np.ones(30), "finished", steps=30)
        >>> Finding((test, test), np.arange(2), record=None).reason
        'the loss is the same at every rate: look at whether anything is trained'
        """
        longest = max(self.tests, key=lambda test: len(test.loss))
        return longest.reason if all(test.reason for test in self.tests) else ""

    def per_seed(self, rule: str = "valley") -> np.ndarray:
        """[S] what the rule suggests for each seed; nan where a curve is too short for it."""
        return np.array([test.suggest(rule) for test in self.tests])

    def suggest(self, rule: str = "valley") -> float:
        """Geometric mean of the suggestions over the seeds that have one; nan if none has (`reason`).

        Raises:
            ValueError: unknown rule.
        """
        values = self.per_seed(rule)
        values = values[np.isfinite(values)]
        return float(np.exp(np.log(values).mean())) if values.size else np.nan

    def suggestions(self) -> dict[str, float]:
        """The suggestions of all rules side by side: dict from name to rate."""
        return {rule: self.suggest(rule) for rule in rules.SUGGESTION_RULES}

    def interval(
        self, rule: str = "valley", confidence: float = 0.95, resamples: int = 4000, seed: int = 0
    ) -> tuple[float, float]:
        """Bootstrap interval over the seeds of the geometric mean of a rule's suggestions.

        The seeds are drawn with replacement and the decimal logarithms averaged, because rates live on a log axis.

        Args:
            rule: name of the rule.
            confidence: coverage, between 0 and 1.
            resamples, seed: of the bootstrap (`lrlib.bootstrap`).

        Returns:
            (low, high) in units of the rate; nan with fewer than two suggestions.

        Raises:
            ValueError: unknown rule, or `confidence` outside (0, 1).
        """
        low, high = bootstrap(np.log10(self.per_seed(rule)), confidence, resamples, seed)
        return float(10**low), float(10**high)

    def plot(self, ax: Axes | None = None) -> Figure:
        """A matplotlib figure of all curves with the suggestions and their intervals (`lrlib.plot.range_test`)."""
        from ...looking import plot

        return plot.range_test(self, ax=ax)


def find(
    task: Task,
    rule: RuleLike = "sgd",
    seeds: int | Sequence[int] | np.ndarray = 8,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    stop: float = 4.0,
    **settings: Any,
) -> Finding:
    r"""Range test of a task for several seeds: the same exponential ramp for each, as the lanes of one sweep.

    .. math:: \eta_t = \text{low}\,(\text{high}/\text{low})^{t/(\text{steps}-1)}

    Each seed has its own initial weights and batch order. Every lane runs on to the last step unless it diverges;
    the curve is cut afterwards where `range_test` would have stopped.

    Args:
        task: a `Task`.
        rule: name of a rule, a `Rule`, or callable `parameters -> torch.optim.Optimizer`; the latter runs seed by seed,
            with its groups scaled so that the largest rate follows the ramp.
        seeds: their number, or the seeds themselves.
        low, high, steps, stop: as for `range_test`.
        settings: further arguments of `sweep` (or `fit`): device, dtype, path and hyper-parameters such as momentum.

    Returns:
        `Finding`.

    Raises:
        ValueError: a number outside its range, no seed, or more than 4,000 steps.

    Example:
        >>> from lrlib import tasks
        >>> finding = find(tasks.quadratic(curvatures=(4.0,)), seeds=3, low=1e-3)
        >>> finding.loss.shape[0], bool(finding.lr[-1] > 0.5)                  # the stability limit is 2/4
        (3, True)

    Source: as for `range_test`.
    """
    check_task(task)
    if not isinstance(rule, (str, Rule)):
        function("rule", rule, "parameters -> torch.optim.Optimizer, a Rule or the name of one")
    check_ramp(low, high, steps, stop)
    check_free(settings, ("lr", "plan"), "find")
    if steps > 4000:
        raise ValueError(f"steps={steps!r}: at most 4000, because longer records are thinned")
    seeds = np.array(seed_list(seeds))
    plan = ramp(steps - 1, low, high, shape="exponential")
    if callable(rule) and not isinstance(rule, Rule):
        record = [_one_by_one(task, rule, plan=plan, seed=int(seed), steps=steps, **settings) for seed in seeds]
        curves = [(r.lr[0], r.loss[0]) for r in record]
    else:
        from ...runs.sweeps import sweep

        record = sweep(task, rule, lr=np.array([1.0]), seeds=seeds.tolist(), plan=plan, steps=steps, **settings)
        curves = list(zip(record.lr, record.loss))
    planned = plan(np.arange(steps))
    return Finding(tuple(_cut(lr, loss, planned, stop) for lr, loss in curves), seeds, record)


def _one_by_one(task, make, **settings):
    from ...runs.single import fit

    def scaled(parameters):
        own = having("rule(parameters)", make(parameters), ("param_groups",), "a torch.optim.Optimizer")
        largest = largest_rate(own)
        for group in own.param_groups:
            group["lr"] = float(group["lr"]) / largest
        return own

    return fit(task, scaled, **settings)


def _cut(lr, loss, planned, stop):
    """The part of a recorded curve that `range_test` would have seen."""
    watch = Watch(stop)
    reasons = ((k, reason) for k, value in enumerate(loss) if (reason := watch(float(value))))
    k, status = next(reasons, (len(loss) - 1, "finished"))
    lr = lr.max(axis=-1) if lr.ndim == 2 else lr
    lr = np.where(np.isfinite(lr), lr, planned[: len(lr)])[: k + 1]  # a diverging lane makes no update at the end
    n = k + (status != "not finite")
    loss = np.asarray(loss[:n], dtype=np.float64)
    return RangeTest(lr[:n], loss, status, len(planned), stopped_at=float(lr[k]))
