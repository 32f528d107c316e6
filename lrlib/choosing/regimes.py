"""Where the regimes of large learning rates begin and end: borders by rule, for each seed, with intervals.

A constant rate leads a run into one of four regimes: it converges (1); it does not, yet fine-tuning from there does not
depend on its own rate (2A); it does (2B); nothing is learned at all (3). `borders` reads them off arrays of losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._base.arguments import having, number, numbers_of, shown
from .._base.layout import table
from .._base.statistics import bootstrap, interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from ..runs.record import Record

REGIMES = ("1", "2A", "2B", "3")
BORDERS = {"threshold": "1|2", "split": "2A|2B", "divergence": "2|3"}


@dataclass(frozen=True, eq=False)
class Borders:
    """Borders of the regimes, seed by seed.

    Attributes:
        lr: rates, rising, [R].
        threshold: border 1|2, the geometric middle of the largest rate that converges and the next one, [S]; 0 where
            no rate of the grid converges, inf where the largest does.
        split: border 2A|2B, below the first rate above the threshold that is not of 2A, [S]; inf where 2A goes on to
            the end of the grid, equal to a neighbour where 2A or 2B is empty; nan where neither fine-tuning nor
            barriers are known.
        divergence: border 2|3, below the smallest rate from which on all are of regime 3, [S]; inf where there is none.
        regime: [R, S], "1", "2A", "2B" or "3": between which borders a rate lies; "2" where `split` is nan.
        by_rule: [R, S], what the rule says of each rate alone. It differs from `regime` where the outcome changes more
            than once along the rates, as where a very small rate is too slow to converge.

    Example:
        >>> found = borders([0.1, 0.4, 1.6], [[0.001], [0.5], [9.0]], untrained_loss=2.3)
        >>> found.threshold.round(6), found.divergence.round(6), found.regime[:, 0].tolist()
        (array([0.2]), array([0.8]), ['1', '2', '3'])
    """

    lr: np.ndarray
    threshold: np.ndarray
    split: np.ndarray
    divergence: np.ndarray
    regime: np.ndarray
    by_rule: np.ndarray

    @property
    def exceptions(self) -> np.ndarray:
        """[R, S] bool: where `by_rule` is not `regime`."""
        return self.by_rule != self.regime

    @property
    def band(self) -> np.ndarray:
        """Width of regime 2A in decades, [S]; inf where the grid ends in it, nan where its threshold is not in it."""
        inside = np.isfinite(self.threshold) & (self.threshold > 0)
        return np.log10(self.split / np.where(inside, self.threshold, np.nan))

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float, float]:
        r"""Middle of one border over the seeds and its interval: (rate, low, high).

        Where the border of every seed lies in the grid: the geometric mean and its t-interval,
        :math:`10^{\bar b \pm t s/\sqrt n}` of :math:`b = \log_{10}(\text{border})`. Else the median, in which 0 and inf
        stand for below and above the grid, with a percentile bootstrap interval. One seed has no interval (nan).

        Args:
            name: "threshold", "split" or "divergence".
            confidence: coverage, between 0 and 1.

        Raises:
            ValueError: another name, a coverage outside its range.

        Example:
            >>> found = borders([1.0, 4.0, 16.0], [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], 2.3)
            >>> rate, low, high = found.interval("threshold")                # borders 2 and 8
            >>> round(rate, 6), low < 2 and 8 < high
            (4.0, True)
        """
        if not isinstance(name, str) or name not in BORDERS:
            raise ValueError(f"name must be one of {', '.join(BORDERS)}; got {shown(name)}")
        number("confidence", confidence, above=0, below=1)
        values = getattr(self, name)
        if np.isnan(values).any():
            return np.nan, np.nan, np.nan
        with np.errstate(divide="ignore"):
            logs = np.log10(values)
        if np.isfinite(logs).all():
            return tuple(float(10**v) for v in interval(logs, confidence)[:3])
        ends = bootstrap(logs, confidence, statistic=_median, method="inverted_cdf")
        return tuple(float(10**v) for v in (_median(logs), *ends))

    def counts(self) -> dict[str, np.ndarray]:
        """Number of seeds in each regime at each rate: {"1": [R], "2A": [R], …}, with "2" where nothing splits it."""
        names = [*REGIMES, *(["2"] if (self.regime == "2").any() else [])]
        return {name: (self.regime == name).sum(axis=1) for name in names}

    def table(self) -> str:
        """Borders with intervals, then the seeds in each regime by rate, as text.

        >>> print(borders([0.1, 0.4, 1.6], [[0.001], [0.5], [9.0]], untrained_loss=2.3).table())
        border            rate  95 % interval  in the grid
        threshold (1|2)    0.2              -       1 of 1
        split (2A|2B)        -              -       0 of 1
        divergence (2|3)   0.8              -       1 of 1
        <BLANKLINE>
        rate  1  2  3  by rule another
         0.1  1  0  0                0
         0.4  0  1  0                0
         1.6  0  0  1                0
        """
        rows = [("border", "rate", "95 % interval", "in the grid")]
        for name, sides in BORDERS.items():
            rate, low, high = self.interval(name)
            values = getattr(self, name)
            inside = int((np.isfinite(values) & (values > 0)).sum())
            between = "-" if np.isnan(low) else f"{low:.3g} to {high:.3g}"
            rows.append((f"{name} ({sides})", _shown(rate), between, f"{inside} of {len(values)}"))
        counts = {name: n for name, n in self.counts().items() if n.any()}
        order = [name for name in ("1", "2", "2A", "2B", "3") if name in counts]
        grid = [("rate", *order, "by rule another")]
        for i, lr in enumerate(self.lr):
            grid.append((f"{lr:.4g}", *(str(counts[name][i]) for name in order), str(self.exceptions[i].sum())))
        return f"{table(rows)}\n\n{table(grid)}"


def borders(
    lr: ArrayLike,
    pretrain_loss: ArrayLike,
    untrained_loss: ArrayLike,
    *,
    tail_loss: ArrayLike | None = None,
    finetuned: ArrayLike | None = None,
    barrier: ArrayLike | None = None,
    converged: float = 1e-2,
    margin: float = 0.01,
    connected: float = 2.0,
) -> Borders:
    r"""Borders of the regimes 1, 2A, 2B and 3 on a grid of rates, for each seed.

    Rate by rate: 3 where the mean loss of the last tenth of the run is not below the untrained loss, or the run
    diverged; 1 where the training loss fell below `converged`; between them 2A where
    :math:`\max_f a_f - \min_f a_f < \text{margin}` over the fine-tuning rates f and the barrier between the fine-tuned
    solutions is below `connected`; 2B otherwise. A seed's borders follow: the threshold is above the largest rate of
    regime 1, as in the paper, so slower rates that ran out of steps count as regime 1; regime 2A is what directly
    follows it; regime 3 begins where all larger rates are of it.

    Args:
        lr: different rates above 0, [R]; in any order.
        pretrain_loss: training loss that the budget reached, [R, S]; nan or inf for a run that diverged. A vector [R]
            is one seed.
        untrained_loss: training loss before the first step, a number or [S].
        tail_loss: mean training loss over the last tenth of the run, [R, S]; default `pretrain_loss`.
        finetuned: a score after fine-tuning, such as the test accuracy, [R, F, S], F ≥ 2 fine-tuning rates; None where
            it is not known. nan counts as a difference.
        barrier: error barrier between the fine-tuned solutions in percentage points, as `lrlib.barrier`
            gives it, [R, S]; None where it is not known. nan counts as a barrier.
        converged: loss below which a run has converged.
        margin: difference of `finetuned`, in its unit, below which fine-tuning rates count as equal: 0.01 is a
            percentage point of an accuracy between 0 and 1.
        connected: barrier in percentage points below which two solutions count as connected.

    Returns:
        `Borders`, with the rates rising.

    Raises:
        ValueError: shapes that do not fit each other, rates that are not above 0 or not different, an untrained loss
            that is not finite, a negative limit.
        TypeError: a limit that is no number.

    Example:
        >>> loss = np.array([[0.001], [0.004], [0.3], [0.6], [9.0]])
        >>> score = np.array([[[0.8], [0.8]], [[0.8], [0.8]], [[0.83], [0.831]], [[0.7], [0.76]], [[0.1], [0.1]]])
        >>> found = borders([1, 2, 4, 8, 16], loss, 2.3, finetuned=score, barrier=[[0], [0], [1], [9], [40]])
        >>> found.regime[:, 0].tolist(), found.band.round(3)
        (['1', '1', '2A', '2B', '3'], array([0.301]))

    Source: Kodryan et al. (2022) for the three regimes, Sadrtdinov et al. (2024) for the two halves of the second.
    """
    limits = {
        name: number(name, value)
        for name, value in {"converged": converged, "margin": margin, "connected": connected}.items()
    }
    lr = _rates(lr)
    loss = _array("pretrain_loss", pretrain_loss, (len(lr), None))
    shape, order = loss.shape, np.argsort(lr)
    tail = loss if tail_loss is None else _array("tail_loss", tail_loss, shape)
    untrained = _untrained(untrained_loss, shape[1])
    one = np.isfinite(loss) & (loss < limits["converged"])
    three = ~(np.isfinite(loss) & (tail < untrained))
    alike = _alike(finetuned, barrier, shape, limits)
    found = [
        _seed(lr[order], *(a[order, s] for a in (one & ~three, three)), None if alike is None else alike[order, s])
        for s in range(shape[1])
    ]
    edges, labels, rules = zip(*found)
    threshold, split, divergence = np.array(edges).T
    return Borders(lr[order], threshold, split, divergence, regime=np.array(labels).T, by_rule=np.array(rules).T)


def _floats(name, values):
    try:
        return numbers_of(name, values)
    except TypeError:
        raise ValueError(f"{name} must be an array of numbers, with rows of one length; got {shown(values)}") from None


def _rates(lr):
    lr = _floats("lr", lr)
    if lr.ndim != 1 or not len(lr) or not (np.isfinite(lr) & (lr > 0)).all() or len(set(lr.tolist())) < len(lr):
        raise ValueError(f"lr must be different finite rates above 0, at least one; got {lr!r}")
    return lr


def _array(name, values, shape):
    """Values as floats of this shape, where None stands for any length of at least one; a vector gets a last axis."""
    values = _floats(name, values)
    values = values[..., None] if values.ndim == len(shape) - 1 else values
    fits = values.ndim == len(shape) and all(n == want or (want is None and n) for n, want in zip(values.shape, shape))
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have the shape [{wanted}] (rates first, seeds last); got {values.shape}")
    return values


def _untrained(values, seeds):
    values = _floats("untrained_loss", values)
    if values.shape not in ((), (seeds,)) or not np.isfinite(values).all():
        raise ValueError(
            f"untrained_loss must be one finite number, or one for each of the {seeds} seeds; got {values!r}"
        )
    return values


def _alike(finetuned, barrier, shape, limits):
    """Where the rule of 2A holds, [R, S]; None where nothing says."""
    alike = None
    if finetuned is not None:
        scores = _array("finetuned", finetuned, (shape[0], None, shape[1]))
        if scores.shape[1] < 2:
            raise ValueError(f"finetuned must have at least 2 fine-tuning rates on its second axis; got {scores.shape}")
        alike = scores.max(axis=1) - scores.min(axis=1) < limits["margin"]
    if barrier is not None:
        straight = _array("barrier", barrier, shape) < limits["connected"]
        alike = straight if alike is None else alike & straight
    return alike


def _seed(lr, one, three, alike):
    """One seed: borders (threshold, split, divergence), labels between the borders, labels by rule."""
    rates = len(lr)
    first = int(np.flatnonzero(one)[-1]) + 1 if one.any() else 0  # regime 2 begins at this index
    last = rates - int(np.argmin([*three[::-1], False]))  # regime 3 begins here
    edges = [_edge(lr, first), np.nan, _edge(lr, last)]
    if alike is None:
        kinds = np.full(rates, "2", dtype="<U2")
        labels = np.where(np.arange(rates) < first, "1", np.where(np.arange(rates) < last, kinds, "3"))
    else:
        kinds = np.where(alike, "2A", "2B")
        inside = [*alike[first:last], False]
        middle = first + int(np.argmin(inside))
        edges[1] = _edge(lr, middle)
        places = np.searchsorted([first, middle, last], np.arange(rates), side="right")
        labels = np.array(REGIMES)[places]
    return edges, labels, np.where(three, "3", np.where(one, "1", kinds))


def _edge(lr, index):
    """The border below the rate at ``index``: 0 before the first, inf behind the last."""
    if index == 0:
        return 0.0
    return np.inf if index == len(lr) else float(np.sqrt(lr[index - 1] * lr[index]))


def _median(logs):
    """The middle value, the lower one of two, since there is no mean of infinite values."""
    return np.sort(logs)[(len(logs) - 1) // 2]


def _shown(rate):
    if np.isnan(rate):
        return "-"
    return "below" if rate == 0 else "above" if np.isinf(rate) else f"{rate:.4g}"


def run_losses(record: Record, name: str = "train_loss") -> tuple[np.ndarray, np.ndarray]:
    """What `borders` needs of a sweep: (lowest evaluated loss, mean batch loss of the last tenth), [R, S] each.

    nan for runs that diverged. Evaluate the sweep several times, so that a run which converged on its way is seen.

    Args:
        record: of a sweep over rates and seeds.
        name: the loss that says whether a run has converged, as "valid_loss", or "loss" for the batch losses; no
            metric, whose lowest value may be its worst.

    Raises:
        ValueError: an evaluation that is no loss, or that the record does not have.

    Example:
        >>> from lrlib.runs.record import example
        >>> lowest, tail = run_losses(example())
        >>> lowest[0].tolist(), tail[0].tolist()
        ([0.1, 0.3], [0.1, 0.3])
    """
    having("record", record, ("evaluations", "loss", "step", "rates", "status"), "a Record")
    seen = [key for key in record.evaluations if key.endswith("loss")]
    if not isinstance(name, str) or name not in ("loss", *seen):
        raise ValueError(f"name must be loss or one of {', '.join(seen)}; got {shown(name)}")
    values = record.loss if name == "loss" else record.evaluations[name]
    last = record.step >= 0.9 * (record.step[-1] + 1) - 1e-9
    last[-1] = True
    shape, gone = (len(record.rates), -1), record.status == "diverged"
    lowest = np.where(np.isfinite(values), values, np.inf).min(axis=1)
    lowest, tail = (np.where(gone, np.nan, v) for v in (lowest, record.loss[:, last].mean(axis=1)))
    return lowest.reshape(shape), tail.reshape(shape)
