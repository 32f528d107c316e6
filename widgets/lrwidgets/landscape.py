"""LandscapeWalk: the loss on the straight way between two solutions, and on the plane around it."""

from __future__ import annotations

import traitlets as tl

from .base import LiveFigure
from .regime_explorer import CHECKPOINTS, FINETUNE_RATES, Event, stage_events
from .runs import rounded
from .traits import Choice, Number, Whole

LINE = tuple(-0.5 + i / 20 for i in range(41))  # where the line is measured: 0 is A, 1 is B
CELLS = 21  # points of the plane on each axis
AROUND = 0.4  # of the way, that the plane shows beyond the solutions


def walk(rates, seed: int, steps: int, task=None):
    """Train two solutions and their neighbour for every rate, and measure line and plane; a generator of ``Event``.

    From one pre-training at each rate: A is fine-tuned at the smaller of two rates, B at the larger; C is the mean of the
    last checkpoints before them. The data are the "ticks" of ``lrlib.tasks.tick_signals``.
    """
    from lrlib import tasks

    task = tasks.ticks(steps=steps) if task is None else task
    gap = max(1, steps // 60)
    kept = [steps - k * gap for k in reversed(range(CHECKPOINTS))]
    record = yield from stage_events("pretrain", task, rates, seed, steps, snapshots=kept, evaluate=[steps])
    start = {n: w.repeat(len(FINETUNE_RATES), axis=0) for n, w in record.parameters.items()}
    more = max(1, steps // 2)
    tuned = yield from stage_events(
        "finetune", task, FINETUNE_RATES * len(rates), seed, more, start=start, evaluate=[more]
    )
    mean = record.average(kept).parameters
    of = lambda weights, lane: {n: w[lane] for n, w in weights.items()}
    found = [
        slices(task, seed, of(tuned.parameters, 2 * i), of(tuned.parameters, 2 * i + 1), of(mean, i))
        for i in range(len(rates))
    ]
    yield Event("finetune", steps + more, found=found)


def slices(task, seed: int, a: dict, b: dict, c: dict) -> dict:
    """Return loss and error on the line from a to b and on the plane through a, b and c, and the barriers of the line."""
    import numpy as np
    import torch
    from lrlib import barrier, initial_model, loss_line, loss_plane

    model, (x, y) = initial_model(task, seed), task.train_for(seed)
    model.load_state_dict({n: torch.as_tensor(w) for n, w in a.items()}, strict=False)
    options = {"metric": task.metric}
    line = loss_line(model, task.loss, x, y, direction={n: b[n] - a[n] for n in a}, at=LINE, **options)
    marks = loss_plane(model, task.loss, x, y, through=[b, c], at=([0.0], [0.0])).marks
    ends = [(min(m[k] for m in marks) - AROUND, max(m[k] for m in marks) + AROUND) for k in (0, 1)]
    at = tuple(np.linspace(*end, CELLS) for end in ends)
    plane = loss_plane(model, task.loss, x, y, through=[b, c], at=at, **options)
    high = barrier(model, b, task.loss, x, y, metric=task.metric)
    return {
        "line": {"at": list(LINE), "loss": rounded(line.loss), "error": rounded(100 * (1 - line.metric))},
        "plane": {
            "a": rounded(at[0]),
            "b": rounded(at[1]),
            "loss": rounded(plane.loss.ravel()),
            "error": rounded(100 * (1 - plane.metric).ravel()),
        },
        "marks": [rounded(m) for m in marks],
        "barrier": {"loss": high.loss_barrier, "error": high.error_barrier},
    }


class LandscapeWalk(LiveFigure):
    """A walk on the straight way between two solutions, over the loss landscape, with the barrier between them.

    Run trains a small network on the "ticks" at the rate ``lr`` and fine-tunes it twice, at a smaller rate (A) and a
    larger one (B); C is the mean of the last checkpoints before that. Line and plane through them are measured on the
    training set. Without a kernel the page shows recorded real runs.

    Args:
        lr: the pre-training rate, 1e-6 to 10; default 0.1.
        at: where the walker stands, −0.5 to 1.5; 0 is A, 1 is B.
        shown: ``"loss"`` or ``"error"`` (percent).
        steps: pre-training steps, 60 to 40,000; default 2,000. Fine-tuning takes half as many.
        seed: of weights, data and batches, 0 to 999,999.
        lang: ``"en"`` or ``"ja"``.

    ``found`` has line, plane, marks and barriers once they are known.

    Raises:
        ValueError: a value outside what is allowed; the old one stays.

    >>> LandscapeWalk(at=0.5).found
    {}

    Source: Goodfellow, Vinyals & Saxe (2015); Frankle et al. (2020) for the barrier.
    """

    kind = tl.Unicode("landscape_walk").tag(sync=True)
    lr = Number(0.1, 1e-6, 10.0)
    at = Number(0.0, -0.5, 1.5)
    shown = Choice("loss", ("loss", "error"))
    steps = Whole(2_000, 60, 40_000)
    seed = Whole(0, 0, 999_999)
    found = tl.Dict().tag(sync=True)
    stage = tl.Unicode("").tag(sync=True)
    share = tl.Float(0.0, help="share of the work that is done").tag(sync=True)

    def job(self):
        settings, self._length = ([self.lr], self.seed, self.steps), self.steps
        return lambda: walk(*settings)

    def row(self, event):
        """Nothing: the whole picture comes at once, in ``found``."""
        return []

    def accept(self, events):
        last = events[-1]
        self.stage, self.share = last.stage, last.made / (self._length + max(1, self._length // 2))
        self.found = last.found[0] if last.found else self.found

    def _clear(self):
        super()._clear()
        self.stage, self.share, self.found = "", 0.0, {}
