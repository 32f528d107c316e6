"""RegimeExplorer: where a constant pre-training rate leads, and what fine-tuning and averaging make of it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import traitlets as tl

from .base import LiveFigure
from .runs import latest_mean, rounded, spaced
from .strings import say
from .sweep_lab import PICTURES, WINDOW
from .traits import Number, RefusedValue, Whole

FINETUNE_RATES = (3e-4, 3e-3)
CHECKPOINTS = 10  # averaged, from the last sixth of the run
POINTS = 11  # on the straight path between two solutions
MARGIN = 0.02  # of the accuracy, below which fine-tuning rates count as equal; as in experiment E34


@dataclass
class Event:
    """One step of all lanes, of the stage "pretrain" or "finetune"; or, with ``found``, what is known after a stage."""

    stage: str
    made: int
    loss: object = None
    diverged: object = None
    found: dict | None = None


def explore(rates, seed: int, steps: int, task=None):
    """Train at every rate, average checkpoints, fine-tune at two rates, and measure; a generator of ``Event``.

    The data are the "ticks" of ``lrlib.tasks.tick_signals``: sixteen features, each of which is enough.
    """
    from lrlib import tasks

    task = tasks.ticks(steps=steps) if task is None else task
    gap = max(1, steps // 60)
    kept = [steps - k * gap for k in reversed(range(CHECKPOINTS))]
    every = sorted({0, *range(max(1, steps // 10), steps, max(1, steps // 10)), steps})
    record = yield from stage_events("pretrain", task, rates, seed, steps, evaluate=every, snapshots=kept)
    found = _after_training(task, record, kept)
    yield Event("pretrain", steps, found=found)
    start = {n: w.repeat(len(FINETUNE_RATES), axis=0) for n, w in record.parameters.items()}
    more = max(1, steps // 2)
    tuned = yield from stage_events(
        "finetune", task, FINETUNE_RATES * len(rates), seed, more, start=start, evaluate=[more]
    )
    found = {**found, **_after_tuning(task, record, tuned)}
    yield Event("finetune", steps + more, found=found)


def stage_events(stage, task, rates, seed, steps, **options):
    """Train all rates through one stage: yield an ``Event`` a step, return the ``Record``."""
    from lrlib import sweep_steps

    before = 0 if stage == "pretrain" else 2 * steps
    run = sweep_steps(task, "sgd", lr=list(rates), seeds=[seed], steps=steps, path="eager", **options)
    while True:  # a compiler would keep the reader waiting
        try:
            event = next(run)
        except StopIteration as end:
            return end.value
        yield Event(stage, before + event.step + 1, event.loss, event.diverged)


def _after_training(task, record, kept) -> dict:
    from lrlib import borders, evaluate_weights, run_losses

    loss, tail = run_losses(record)
    untrained = float(record.evaluations["train_loss"][0, 0])
    mean = record.average(kept)
    return {
        "pretrain_loss": rounded(loss[:, 0]),
        "tail_loss": rounded(tail[:, 0]),
        "untrained_loss": untrained,
        "pretrain_accuracy": rounded(record.final("test_metric")),
        "feature_accuracy": _strongest(task, record),
        "average_accuracy": rounded(evaluate_weights(task, mean, sets=["test"])["test_metric"]),
        "feature_averaged": _strongest(task, mean),
        **_borders(borders(record.rates, loss, untrained, tail_loss=tail)),
    }


def _after_tuning(task, record, tuned) -> dict:
    from lrlib import borders, run_losses

    lanes, F = len(record.rates), len(FINETUNE_RATES)
    score = tuned.final("test_metric").reshape(lanes, F)
    barrier, (loss, tail) = _barrier(task, tuned, lanes, F), run_losses(record)
    found = borders(
        record.rates,
        loss,
        float(record.evaluations["train_loss"][0, 0]),
        tail_loss=tail,
        finetuned=score[:, :, None],
        barrier=barrier[:, None],
        margin=MARGIN,
    )
    features = _strongest(task, tuned)
    return {
        "finetune_best": rounded(score.max(axis=1)),
        "finetune_worst": rounded(score.min(axis=1)),
        "feature_finetuned": features[F - 1 :: F],
        "barrier": rounded(barrier),
        **_borders(found),
    }


def _strongest(task, weights) -> list:
    """Accuracy of each lane on the feature that it knows best."""
    import numpy as np
    from lrlib import evaluate_weights
    from lrlib.tasks import ticks_features

    sets = {f"feature{k}": pair for k, pair in enumerate(ticks_features(task, samples=500))}
    scores = evaluate_weights(task, weights, sets=sets)
    return rounded(np.max([scores[f"{name}_metric"] for name in sets], axis=0))


def _barrier(task, tuned, lanes: int, F: int):
    """Highest training error above the mean of the ends, on the straight path of the lowest and highest rate, in points."""
    import numpy as np
    from lrlib import evaluate_weights

    ends = {n: w.reshape(lanes, F, *w.shape[1:])[:, [0, -1]].astype("float64") for n, w in tuned.parameters.items()}
    a = np.linspace(0, 1, POINTS)
    path = {n: np.concatenate([(1 - t) * w[:, 0] + t * w[:, 1] for t in a]).astype("float32") for n, w in ends.items()}
    error = 1 - evaluate_weights(task, path, sets=["train"], seeds=int(tuned.seed[0]))["train_metric"].reshape(
        POINTS, lanes
    )
    return 100 * (error.max(axis=0) - (error[0] + error[-1]) / 2)


def _borders(found) -> dict:
    edges = {name: float(getattr(found, name)[0]) for name in ("threshold", "split", "divergence")}
    return {
        "regime": found.regime[:, 0].tolist(),
        "borders": {n: v if math.isfinite(v) else None for n, v in edges.items()},
    }


class RegimeExplorer(LiveFigure):
    """Where a constant pre-training rate leads: loss curves, regime, features learned, fine-tuned and averaged accuracy.

    ``lr`` picks the rate that is shown. Run trains all rates at once on the "ticks" (sixteen features, each of which
    is enough), averages the last ten checkpoints, fine-tunes every solution at two small rates and measures the barrier
    between the two. Without a kernel the page shows recorded real runs.

    Args:
        lr: the rate shown, 1e-7 to 100; the nearest one that was trained counts. Default 0.01.
        low, high: least and greatest pre-training rate, 1e-7 to 100; default 1e-4 and 0.3.
        lanes: how many rates, 8 to 64, equally spaced on a log axis; default 24.
        steps: pre-training steps, 60 to 40,000; default 4,000. Fine-tuning takes half as many.
        seed: of weights, data and batches, 0 to 999,999.
        lang: ``"en"`` or ``"ja"``.

    ``rates``, ``losses()``, ``stage`` ("pretrain" or "finetune") and ``found`` (accuracies, regimes and borders, known
    stage by stage) follow the run.

    Raises:
        ValueError: a value outside what is allowed; the old one stays. ``run()`` raises it for low ≥ high.

    >>> explorer = RegimeExplorer(lanes=12)
    >>> len(explorer.rates), explorer.found
    (12, {})

    Source: Sadrtdinov et al. (2024), "Where do large learning rates lead us?".
    """

    kind = tl.Unicode("regime_explorer").tag(sync=True)
    lr = Number(0.01, 1e-7, 100.0)
    low = Number(1e-4, 1e-7, 100.0)
    high = Number(0.3, 1e-7, 100.0)
    lanes = Whole(24, 8, 64)
    steps = Whole(4_000, 60, 40_000)
    seed = Whole(0, 0, 999_999)
    rates = tl.List(tl.Float()).tag(sync=True)
    found = tl.Dict().tag(sync=True)
    stage = tl.Unicode("").tag(sync=True)
    share = tl.Float(0.0, help="share of the work that is done").tag(sync=True)

    def __init__(self, **controls):
        self._recent: deque = deque(maxlen=WINDOW)
        super().__init__(**controls)
        self.observe(lambda _change: self._prepare(), ["low", "high", "lanes"])
        self._prepare()

    def _prepare(self) -> None:
        """Show the rates of the next run while nothing runs or has run."""
        if self.status == "idle":
            self.rates, self.width = spaced(self.low, self.high, self.lanes), self.lanes + 1

    def reset(self) -> None:
        """Stop, and clear the picture, which then shows the rates of the next run."""
        with self._lock:
            super().reset()
            self._prepare()

    def job(self):
        if not self.low < self.high:
            raise RefusedValue(say("order", self.lang, low=f"{self.low:g}", high=f"{self.high:g}"))
        self.rates, self.width = spaced(self.low, self.high, self.lanes), self.lanes + 1
        self._length = self.steps
        settings = list(self.rates), self.seed, self.steps
        return lambda: explore(*settings)

    def row(self, event):
        """``[step, loss of each lane]`` at every sixtieth of the pre-training; nan for a diverged lane."""
        if event.stage != "pretrain" or event.found is not None:
            return []
        self._recent.append([math.nan if gone else float(x) for x, gone in zip(event.loss, event.diverged)])
        every = max(1, self._length // PICTURES)
        if event.made % every and event.made != self._length:
            return []
        return [float(event.made), *map(latest_mean, zip(*self._recent))]

    def accept(self, events):
        super().accept(events)
        self.stage = events[-1].stage
        self.share = events[-1].made / (self._length + max(1, self._length // 2))
        known = [event.found for event in events if event.found is not None]
        self.found = known[-1] if known else self.found

    def _clear(self):
        self._recent.clear()
        super()._clear()
        self.stage, self.share, self.found = "", 0.0, {}

    def losses(self) -> list[float]:
        """Return the latest loss of each lane, in the order of ``rates``: nan before the run and where it diverged."""
        with self._lock:
            last = self._rows[-self.width :].tolist()
        return last[1:] if last else [math.nan] * len(self.rates)
