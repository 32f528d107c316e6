"""The result of the recipe: what was chosen, what it gains, what it cost, and the weights."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._base.arguments import flag, path_of
from ..._base.layout import plain, table
from ..._base.statistics import interval
from ...runs.log import versions
from ..._base.files import write_atomically
from . import words

if TYPE_CHECKING:
    from typing import Any
    from ..._types import PathName
    from ..finder.threshold import Threshold
    from ..regimes import Borders
    from .asked import Asked
    from .verdict import Candidate, Difference


@dataclass(eq=False, repr=False)
class Report:
    """What `large_rate` found; ``==`` compares all but the seconds.

    Attributes:
        asked: the checked arguments.
        outcome: "gain" over the best converging rate and over a decayed schedule; "gain_over_constant", over the first
            alone; "no_gain", the interval of the difference includes zero or nothing above the threshold got through;
            "worse"; or, without a comparison, "nothing_converges", "everything_diverges", "everything_converges".
        threshold: `lrlib.Threshold`, or None.
        losses: [(rate, lowest training loss)] of the rates that the search tried.
        candidates: list of `Candidate`, everything that was measured.
        arms: arm → its best `Candidate` on the validation set, or None.
        large: the best of fine-tuning and averaging above the threshold, or None.
        recommended: what the outcome speaks for; its weights are `weights`.
        differences: list of `Difference`, large against each reference, on the test set.
        regimes: `lrlib.Borders` of the rates, within the whole budget, or None.
        ledger: list of {"stage", "trainings", "steps", "seconds"}, the last one the total.

    Example:
        >>> from lrlib import tasks
        >>> from lrlib.choosing import recipe
        >>> task = tasks.breast_cancer(width=4, depth=1)
        >>> found = recipe.large_rate(task, seeds=2, steps=2, start=1e-9, path="eager")
        >>> found.outcome, found.weights
        ('nothing_converges', None)
    """

    asked: Asked
    outcome: str
    threshold: Threshold | None
    losses: list
    candidates: list[Candidate] = field(default_factory=list)
    arms: dict = field(default_factory=dict)
    large: Candidate | None = None
    recommended: Candidate | None = None
    differences: list[Difference] = field(default_factory=list)
    regimes: Borders | None = None
    ledger: list = field(default_factory=list)

    def __post_init__(self):
        sums = {key: sum(row[key] for row in self.ledger) for key in ("trainings", "steps", "seconds")}
        self.ledger = [*self.ledger, {"stage": "total", **sums}]

    @property
    def weights(self) -> dict[str, np.ndarray] | None:
        """Parameters and buffers of what is recommended, {name: [seeds, …]}; None where nothing was compared."""
        if self.recommended is None:
            return None
        record, lanes = self.recommended.weights
        return {name: values[lanes] for name, values in {**record.buffers, **record.parameters}.items()}

    @property
    def score(self) -> str:
        """Name of the score."""
        return "loss" if self.asked.by == "loss" else self.asked.task.metric_name

    def headline(self, language: str = "en") -> str:
        """The outcome as one sentence. ``language``: "en" or "ja"."""
        return words.headline(self, language)

    def table(self, language: str = "en") -> str:
        """The report as text: outcome, threshold, chosen settings, differences, cost. ``language``: "en" or "ja"."""
        say = words.of(language)
        parts = [self.headline(language), words.threshold(self, language)]
        if self.candidates:
            parts.append(table([say["choices"], *self._chosen(language)]))
        if self.differences:
            parts.append(table([say["differences"], *(words.difference(self, d, language) for d in self.differences)]))
        return "\n\n".join([*parts, table([say["ledger"], *(words.paid(row, language) for row in self.ledger)])])

    def _chosen(self, language):
        rows = []
        for arm, found in self.arms.items():
            mark = words.of(language)["recommended"] if found is self.recommended else ""
            rows.append((words.of(language)[arm], *words.choice(self, found, language), mark))
        return rows

    def to_dict(self, seconds: bool = True) -> dict[str, Any]:
        """Everything but the weights as plain values. ``seconds``: whether the times that passed are in it."""
        asked, seconds = self.asked, flag("seconds", seconds)
        place = {id(found): k for k, found in enumerate(self.candidates)}
        ledger = [row if seconds else {k: v for k, v in row.items() if k != "seconds"} for row in self.ledger]
        return plain(
            {
                "task": asked.task.name,
                "rule": asked.rule.name,
                "seeds": asked.seeds,
                "steps": asked.steps,
                "finetune_steps": asked.finetune_steps,
                "total_steps": asked.total,
                "snapshots_every": asked.every,
                "converged": asked.converged,
                "score": self.score,
                "lowest_is_best": asked.lowest,
                "outcome": self.outcome,
                "headline": self.headline(),
                "threshold": _threshold(self.threshold),
                "losses": self.losses,
                "candidates": [_candidate(c) for c in self.candidates],
                "chosen": {arm: place.get(id(found)) for arm, found in self.arms.items()},
                "large": place.get(id(self.large)),
                "recommended": place.get(id(self.recommended)),
                "differences": [{**vars(d), "wins": d.wins, "verdict": d.verdict} for d in self.differences],
                "regimes": None if self.regimes is None else _regimes(self.regimes),
                "ledger": ledger,
                "versions": versions(),
            }
        )

    def to_json(self, path: PathName) -> Path:
        """Write `to_dict` to a file, in one piece; returns the path."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=1)
        return write_atomically(path, lambda file: file.write(f"{text}\n".encode()))

    def to_html(self, path: PathName, language: str = "en") -> Path:
        """Write a page that needs nothing else: text, tables and figures, light and dark; returns the path.

        ``language``: "en" or "ja".
        """
        from .page import page

        text = page(self, language)
        return write_atomically(path, lambda file: file.write(text.encode()))

    def save_weights(self, path: PathName) -> Path | None:
        """Write `weights` and ``seeds`` to a ``.npz`` file; returns the path, None where there are no weights.

        A file of that name with other content is kept: ``weights.npz`` becomes ``weights-1.npz``, or the next number.
        """
        if self.weights is None:
            return None
        content = io.BytesIO()
        np.savez_compressed(content, seeds=np.array(self.asked.seeds), **self.weights)
        _set_aside(path_of("path", path), content.getvalue())
        return write_atomically(path, lambda file: file.write(content.getvalue()))

    def interval(self, candidate: Candidate, part: str = "test") -> tuple[float, float, float]:
        """Mean score of a `Candidate` over the seeds and its 95 % t-interval. ``part``: "valid" or "test"."""
        return tuple(float(v) for v in interval(getattr(candidate, part))[:3])

    def __eq__(self, other):
        if not isinstance(other, Report):
            return NotImplemented
        ours, theirs = self.weights or {}, other.weights or {}
        alike = ours.keys() == theirs.keys() and all(np.array_equal(ours[n], theirs[n], equal_nan=True) for n in ours)
        return alike and self.to_dict(seconds=False) == other.to_dict(seconds=False)

    __hash__ = None

    def __repr__(self):
        return f"<large-rate report of {self.asked.task.name}, {self.asked.rule.name}: {self.outcome}>"


def _set_aside(path, content):
    """Give what is at ``path`` a name of its own, unless it is the same content."""
    if path.exists() and path.read_bytes() != content:
        names = (path.with_stem(f"{path.stem}-{k}") for k in itertools.count(1))
        path.rename(next(name for name in names if not name.exists()))


def _threshold(found):
    if found is None:
        return None
    return {
        "low": found.low,
        "high": found.high,
        "rate": found.rate,
        "tried": found.tried,
        "grid_trainings": found.grid_trainings,
    }


def _candidate(found):
    return {name: getattr(found, name) for name in ("arm", "rate", "setting", "eligible", "valid", "test")}


def _regimes(found):
    names = ("threshold", "split", "divergence")
    return {"lr": found.lr, "regime": found.regime, **{name: found.interval(name) for name in names}}
