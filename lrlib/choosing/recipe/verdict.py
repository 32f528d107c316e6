"""Choosing on the validation set, comparing on the test set."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..._base.statistics import interval
from ..regimes import borders, run_losses
from .report import Report

LARGE, REFERENCES = ("finetune", "average"), ("constant", "decay")


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way to spend the steps, with its scores.

    Attributes:
        arm: "constant", "decay", "finetune" or "average"; "early" for a constant rate seen before fine-tuning begins.
        rate: rate of the first steps.
        setting: fine-tuning rate, number of snapshots, or None.
        eligible: whether it may be chosen: all seeds got through, and its rate is on the side of the threshold that
            the arm is about.
        valid, test: scores, [seeds]; nan for a run that diverged.

    Example:
        >>> one = Candidate("average", 0.4, 5, True, np.array([0.5, 1.0]), np.array([0.7, 0.9]))
        >>> one.label, one.mean("valid")
        ('average of 5 snapshots at 0.4', 0.75)
    """

    arm: str
    rate: float
    setting: float | None
    eligible: bool
    valid: np.ndarray
    test: np.ndarray
    weights: tuple = field(default=(), repr=False)

    @property
    def label(self) -> str:
        """In words."""
        from .words import labelled

        return labelled(self, "en")

    def mean(self, part: str) -> float:
        """Mean score over the seeds; nan where a run diverged. ``part``: "valid" or "test"."""
        return float(getattr(self, part).mean())


@dataclass(frozen=True, eq=False)
class Difference:
    """Test scores of the large rate less those of a reference, seed by seed; above 0 where the large rate is better.

    Attributes:
        against: "constant" or "decay".
        per_seed: [seeds].
        mean, low, high: mean and its 95 % t-interval.

    Example:
        >>> found = difference("decay", np.array([0.8, 0.9]), np.array([0.7, 0.7]), lowest=False)
        >>> round(found.mean, 6), found.wins, found.verdict
        (0.15, 2, 'none')
    """

    against: str
    per_seed: np.ndarray
    mean: float
    low: float
    high: float

    @property
    def wins(self) -> int:
        """Number of seeds in which the large rate is better."""
        return int((self.per_seed > 0).sum())

    @property
    def verdict(self) -> str:
        """ "better" or "worse" where the interval leaves out zero, otherwise "none"."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "none"


def difference(against, large, reference, lowest):
    """The `Difference` of two arrays of test scores [seeds]."""
    per_seed = (reference - large) if lowest else (large - reference)
    mean, low, high, _ = interval(per_seed)
    return Difference(against, per_seed, float(mean), float(low), high=float(high))


def judged(asked, stages):
    """Run the stages and judge: → `Report`."""
    threshold, tried = stages.threshold()
    if threshold is None or not np.isfinite(threshold.high):
        lost = all((record.status == "diverged").all() for record in tried.values())
        outcome = "everything_converges" if threshold else "everything_diverges" if lost else "nothing_converges"
        return Report(asked, outcome, threshold, _lowest(tried), ledger=stages.ledger)
    below, above = ([ratio * threshold.rate for ratio in group] for group in asked.lr)
    lr = np.array([*(min(rate, threshold.low) for rate in below), *(max(rate, threshold.high) for rate in above)])
    lr = np.unique(lr)
    record = stages.constant(lr)
    candidates, regimes = _candidates(asked, stages, threshold, record, lr=lr)
    return _compared(asked, stages, threshold, _lowest(tried), candidates=candidates, regimes=regimes)


def _compared(asked, stages, threshold, lowest_losses, candidates, regimes):
    arms = {arm: best(candidates, (arm,), asked.lowest) for arm in (*REFERENCES, *LARGE)}
    large = best(candidates, LARGE, asked.lowest)
    found = [difference(arm, large.test, arms[arm].test, asked.lowest) for arm in REFERENCES if large and arms[arm]]
    outcome = outcome_of(found)
    pool = {"gain": LARGE, "gain_over_constant": ("decay",)}.get(outcome, REFERENCES)
    recommended = best(candidates, pool, asked.lowest) or best(candidates, (*REFERENCES, *LARGE), asked.lowest)
    return Report(
        asked,
        outcome,
        threshold,
        lowest_losses,
        candidates=candidates,
        arms=arms,
        large=large,
        recommended=recommended,
        differences=found,
        regimes=regimes,
        ledger=stages.ledger,
    )


def best(candidates, arms, lowest):
    """The eligible candidate of these arms with the best mean validation score; None without any."""
    pool = [c for c in candidates if c.arm in arms and c.eligible]
    return min(pool, key=lambda c: c.mean("valid") * (1 if lowest else -1), default=None)


def outcome_of(differences):
    """The differences in one word; nothing is gained where no run above the threshold, or no converging rate, is left.

    >>> outcome_of([Difference("constant", np.ones(2), 1, 0.5, 1.5), Difference("decay", np.ones(2), 0, -1, 1)])
    'gain_over_constant'
    """
    verdicts = {d.against: d.verdict for d in differences}
    if verdicts.get("constant") == "better":
        return "gain" if verdicts.get("decay") == "better" else "gain_over_constant"
    return "worse" if "worse" in verdicts.values() else "no_gain"


def _candidates(asked, stages, threshold, record, lr):
    """All candidates and the regimes of the rates."""
    shape, names = (len(lr), len(asked.seeds)), {part: f"{part}_{asked.by}" for part in ("valid", "test")}
    lowest, tail = run_losses(record)
    converging = (np.nan_to_num(lowest, nan=np.inf) <= asked.converged).mean(axis=1) > 0.5
    at = int(np.flatnonzero(record.evaluations["step"] == asked.steps)[0])
    early = {part: record.evaluations[name][:, at].reshape(shape) for part, name in names.items()}
    end = {part: record.grid(name) for part, name in names.items()}
    found = _rows("early", lr, None, early, allowed=np.zeros(len(lr), bool), record=record)
    found += _rows("constant", lr, None, end, allowed=converging, record=record)
    decayed = stages.decayed(lr)
    found += _rows(
        "decay",
        lr,
        None,
        {p: decayed.grid(n) for p, n in names.items()},
        allowed=np.ones(len(lr), bool),
        record=decayed,
    )
    large = lr > threshold.low
    scores = np.full((shape[0], len(stages.small_rates(threshold)), shape[1]), np.nan)
    rows = np.flatnonzero(np.isfinite(early["valid"]).all(axis=1))
    found += _fine(asked, stages, threshold, record, lr=lr, rows=rows, large=large, names=names, scores=scores)
    rows = np.flatnonzero(np.isfinite(end["valid"]).all(axis=1))
    for k, weights, values in stages.averaged(record, rows):
        found += _rows("average", lr[rows], k, values, allowed=large[rows], record=weights)
    untrained = record.evaluations["train_loss"][: shape[1], 0]
    split = scores if asked.percent and scores.shape[1] > 1 else None  # the margin of 2A is meant in points
    return found, borders(lr, lowest, untrained, tail_loss=tail, finetuned=split, converged=asked.converged)


def _fine(asked, stages, threshold, record, lr, rows, large, names, scores):
    """Candidates of the fine-tuning; fills in test scores [rates, fine-tuning rates, seeds]."""
    small = stages.small_rates(threshold)
    if not len(rows):
        return []
    tuned, found = stages.finetuned(record, rows, small), []
    grids = {part: tuned.grid(name).reshape(len(rows), len(small), -1) for part, name in names.items()}
    scores[rows] = grids["test"]
    for f, rate in enumerate(small):
        place = [i * len(small) + f for i in range(len(rows))]
        found += _rows(
            "finetune",
            lr[rows],
            rate,
            {p: g[:, f] for p, g in grids.items()},
            allowed=large[rows],
            record=tuned,
            places=place,
        )
    return found


def _rows(arm, lr, setting, scores, allowed, record, places=None):
    """One candidate a rate; ``places``: which block of seeds of the record is the rate's."""
    seeds, found = scores["valid"].shape[1], []
    for i, rate in enumerate(lr):
        place = i if places is None else places[i]
        fine = bool(allowed[i]) and bool(np.isfinite([scores["valid"][i], scores["test"][i]]).all())
        lanes = slice(place * seeds, (place + 1) * seeds)
        found.append(
            Candidate(
                arm,
                float(rate),
                None if setting is None else float(setting),
                fine,
                valid=scores["valid"][i],
                test=scores["test"][i],
                weights=(record, lanes),
            )
        )
    return found


def _lowest(tried):
    """The lowest training loss of each rate that the search tried: [(rate, median over seeds)], nan for diverged."""
    rows = []
    for rate, record in sorted(tried.items()):
        values = np.where((record.status == "diverged")[:, None], np.nan, record.evaluations["train_loss"])
        fine = values[np.isfinite(values).any(axis=1)]
        rows.append((float(rate), float(np.median(np.nanmin(fine, axis=1))) if len(fine) else np.nan))
    return rows
