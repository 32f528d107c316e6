"""What really happened in a run or a sweep: losses, applied rates, evaluations, parameters."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from .._base.statistics import interval
from . import record_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from .._types import PathName


@dataclass(eq=False, repr=False)
class Record:
    """What happened, lane by lane (a lane is one run: a base rate and a seed; lanes are ordered rate first).

    lr0: base rate [L].  seed: [L].  status: "finished", "diverged" or "stopped" [L].
    step: recorded steps [R], counted from 0.
    loss: training loss of the batch of each step, before that step's update [L, R]; nan after a lane has diverged.
    lr: the rate that the step really applied [L, R], or [L, R, G] with several parameter groups; nan where no update
        was made. Before a record is thinned the applied rates are compared with the planned ones.
    evaluations: ``step`` [E], the number of updates made, and ``train_loss train_metric valid_loss valid_metric
        test_loss test_metric`` [L, E], over full sets; what a task lacks is left out. nan after a lane has diverged,
        and for a metric that raises where the loss is not finite.
    parameters: name → final values [L, …] (of a diverged lane: where it was frozen).
    buffers: name → final values [L, …] of what the model keeps beside them, such as running means.
    options: name → values of each option that followed a plan of its own, shaped as ``lr`` and checked like it.
    snapshots: number of updates → ``{"parameters": {name: [L, …]}, "buffers": {name: [L, …]}}``, the weights then.
    path, path_reason: how it was computed and why. versions, seconds, device: of the machine.
    task, optimizer, plan, dtype, metric_name: what was run, as text.

    Records longer than 4,000 steps keep every k-th and the last. ``==`` compares all but the seconds.

    >>> record = example()
    >>> record
    <record of quadratic, sgd: 2 rates × 2 seeds, 3 steps; 2 finished, 2 diverged; eager>
    >>> record.final("train_loss"), record.grid("train_loss").shape
    (array([0.1, 0.3, nan, nan]), (2, 2))
    """

    lr0: np.ndarray
    seed: np.ndarray
    status: np.ndarray
    step: np.ndarray
    loss: np.ndarray
    lr: np.ndarray
    evaluations: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)
    path: str = ""
    path_reason: str = ""
    versions: dict = field(default_factory=dict)
    seconds: float = 0.0
    device: str = "cpu"
    task: str = ""
    optimizer: str = ""
    plan: str = ""
    dtype: str = "float32"
    metric_name: str = ""
    buffers: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    snapshots: dict = field(default_factory=dict)

    @property
    def rates(self) -> np.ndarray:
        """The different base rates in order, [lr]."""
        return self.lr0[:: len(self.seeds)]

    @property
    def seeds(self) -> np.ndarray:
        """The different seeds in order, [seeds]."""
        return self.seed[: len(self.seed) // self._runs]

    @property
    def _runs(self):
        """How often the first seed occurs: the number of base rates."""
        return int((self.seed == self.seed[0]).sum()) if len(self.seed) else 1

    def final(self, name: str) -> np.ndarray:
        """Last evaluated value of each lane, [L]; nan for a lane that diverged or was never evaluated.

        ``name``: a key of ``evaluations``, or ``"loss"`` for the last recorded batch loss. Raises ``ValueError``
        for another, listing these.
        """
        self._check(name)
        values = self.loss if name == "loss" else self.evaluations[name]
        last = values[:, -1].astype(float) if values.shape[1] else np.full(len(self.lr0), np.nan)
        return np.where(self.status == "diverged", np.nan, last)

    def _check(self, name):
        names = ["loss", *(key for key in self.evaluations if key != "step")]
        if name not in names:
            raise ValueError(f"name must be one of {', '.join(names)}; got {name!r}")

    def grid(self, name: str) -> np.ndarray:
        """Final values as [rates, seeds]; ``name`` as in `final`, or "status"."""
        values = self.status if name == "status" else self.final(name)
        return values.reshape(self._runs, -1)

    def summary(self, name: str, confidence: float = 0.95) -> dict[str, np.ndarray]:
        """Mean and t-interval over the seeds at each base rate, of the lanes that did not diverge.

        Returns a dict of arrays [rates]: ``lr mean low high n diverged``. The interval is mean ± t·s/√n with n − 1
        degrees of freedom, nan for n < 2. A mean over survivors flatters a rate: look at ``diverged``.

        >>> s = example().summary("train_loss")
        >>> s["mean"].tolist(), [round(float(v), 2) for v in (s["low"][0], s["high"][0])], s["diverged"].tolist()
        ([0.2, nan], [-1.07, 1.47], [0, 2])
        """
        values = self.grid(name)
        rows = [interval(row[np.isfinite(row)], confidence) for row in values]
        mean, low, high, n = (np.array(column) for column in zip(*rows))
        diverged = (self.grid("status") == "diverged").sum(1)
        return {"lr": self.rates, "mean": mean, "low": low, "high": high, "n": n, "diverged": diverged}

    def average(self, steps: Iterable[int] | None = None) -> Record:
        r"""Mean of the weights of several snapshots, as a Record to start from, to evaluate or to take a model from.

        .. math:: \bar\theta = \frac{1}{K}\sum_k \theta_{t_k}

        Args:
            steps: which snapshots; all of them by default. The mean is taken in float64.

        Returns:
            A Record of the same lanes with the mean as ``parameters`` and the buffers of the last snapshot. It has no
            losses and no evaluations of its own. Running statistics of batch normalisation belong to other weights:
            recompute them (`lrlib.update_batch_norm`). A mean may lie outside the set of ``Task.project``.

        Raises:
            ValueError: a step without a snapshot, or none at all.

        Example:
            >>> from lrlib import sweep
            >>> from lrlib.tasks import quadratic
            >>> record = sweep(quadratic(curvatures=(4.0,)), lr=[0.125], steps=2, snapshots=[0, 1, 2])
            >>> [record.snapshots[t]["parameters"]["x"].item() for t in (0, 1, 2)]
            [1.0, 0.5, 0.25]
            >>> record.average([0, 1]).parameters["x"]
            array([[0.75]], dtype=float32)

        Source: Izmailov et al. 2018 (stochastic weight averaging).
        """
        steps = sorted(self.snapshots if steps is None else steps)
        missing = [k for k in steps if k not in self.snapshots]
        if missing or not steps:
            raise ValueError(
                f"steps must name snapshots of this record, which has {list(self.snapshots) or 'none'}; got {steps}"
            )
        kept = [self.snapshots[k]["parameters"] for k in steps]
        mean = {n: np.mean([k[n] for k in kept], axis=0, dtype=np.float64).astype(v.dtype) for n, v in kept[0].items()}
        none = {name: getattr(self, name)[:, :0] for name in ("loss", "lr")}
        return dataclasses.replace(
            self,
            **none,
            step=self.step[:0],
            parameters=mean,
            evaluations={},
            options={},
            buffers=self.snapshots[steps[-1]]["buffers"],
            snapshots={},
            path_reason=f"mean of the weights after {', '.join(map(str, steps))} updates",
        )

    def save(self, path: PathName, identity: str = "") -> Path:
        """Write everything to one ``.npz`` file with a JSON header; the file appears in one piece. Returns the path.

        ``identity``: a text that says of which run it is, which `load` can then ask for.

        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = example().save(Path(folder) / "record.npz")
        ...     Record.load(path) == example()
        True
        """
        return record_file.write(self, path, identity)

    @classmethod
    def load(cls, path: PathName, identity: str | None = None) -> Record:
        """Read what `save` wrote.

        Raises ``ValueError`` for a file that is no record of this version, or a broken one, or one that was saved under
        another ``identity`` than the one asked for, and ``FileNotFoundError`` where there is none.
        """
        return cls(**record_file.read(path, identity))

    def __eq__(self, other):
        if not isinstance(other, Record):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.name != "seconds")

    __hash__ = None

    def __repr__(self):
        counts = [f"{int((self.status == s).sum())} {s}" for s in record_file.STATUSES if (self.status == s).any()]
        last = int(self.step[-1]) + 1 if len(self.step) else 0
        return (
            f"<record of {self.task}, {self.optimizer}: {self._runs} rates × {len(self.seeds)} seeds, "
            f"{last} steps; {', '.join(counts)}; {self.path}>"
        )


def _same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return a == b


def example():
    """Return a small made-up record: two rates, two seeds, three steps; the larger rate diverged."""
    nan = np.nan
    loss = np.array([[1, 0.5, 0.1], [1, 0.6, 0.3], [1, 900, nan], [1, 800, nan]])
    return Record(
        np.array([0.1, 0.1, 1, 1]),
        np.array([0, 1, 0, 1]),
        np.array(["finished", "finished", "diverged", "diverged"]),
        np.arange(3),
        loss=loss,
        lr=np.where(np.isnan(loss) | (loss > 100), nan, np.array([0.1, 0.1, 1, 1])[:, None]),
        evaluations={"step": np.array([3]), "train_loss": np.array([[0.1], [0.3], [nan], [nan]])},
        path="eager",
        task="quadratic",
        optimizer="sgd",
    )
