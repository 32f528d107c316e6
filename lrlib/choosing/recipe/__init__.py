"""Does a rate above the convergence threshold pay off on this task? One call measures it and reports.

`large_rate` finds the largest rate that converges, trains a few rates around it, fine-tunes and averages what comes
out, and compares that at equal compute with the best converging rate and with a decayed schedule: chosen on the
validation set, reported on the test set, as paired differences over the seeds. `asked` checks the arguments, `stages`
trains, `verdict` chooses and compares, `report` holds the result, `page` and `figures` draw it, `words` are its two
languages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .asked import Asked
from .report import Report
from .stages import Stages
from .verdict import Candidate, Difference, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    import numpy as np
    import torch
    from numpy.typing import ArrayLike
    from typing import Any
    from ..._types import PathName
    from ...methods.rules.base import Rule
    from ...tasks.task import Task

__all__ = ["Candidate", "Difference", "Report", "large_rate"]


def large_rate(
    task: Task,
    rule: str | Rule = "sgd",
    *,
    seeds: int | Sequence[int] | np.ndarray = 5,
    steps: int | None = None,
    finetune_steps: int | None = None,
    finetune_rates: ArrayLike | None = None,
    averages: Sequence[int] | None = None,
    rates: ArrayLike | None = None,
    converged: float = 1e-2,
    start: float | None = None,
    precision: float = 0.05,
    by: str = "metric",
    lowest: bool | None = None,
    jobs: int = 1,
    folder: PathName | None = None,
    device: str | torch.device | None = None,
    progress: Callable[[str], Any] | None = None,
    **settings: Any,
) -> Report:
    r"""Search the convergence threshold, train rates around it, fine-tune and average, and compare at equal compute.

    All runs that are compared take T = ``steps`` + ``finetune_steps`` updates:

    * *constant*: one rate for T steps, among those at which more than half of the seeds converge;
    * *decay*: one rate, falling to 0 along half a cosine;
    * *fine-tuning*: a rate above the threshold for ``steps`` steps, then one of the small rates;
    * *averaging*: a rate above the threshold for T steps, then the mean of the last K snapshots.

    Of each the setting with the best mean validation score is taken, and its test scores are compared seed by seed. A
    difference counts where its 95 % t-interval leaves out zero. Averages are put back where ``Task.project`` allows,
    and their batch-norm statistics are measured anew.

    Args:
        task: a `lrlib.Task` with a validation and a test set.
        rule: name of an update rule, or a `lrlib.Rule`.
        seeds: their number, at least 2, or the seeds themselves.
        steps: updates before fine-tuning, and the budget of the threshold; default the task's.
        finetune_steps: updates of the fine-tuning; default half of ``steps``.
        finetune_rates: default 0.1, 0.3 and 1 times the largest rate that converges.
        averages: numbers of snapshots K to average, each at least 2; default 2, 5, 10 and 20. Snapshots are an
            epoch apart, or closer where the largest K would reach over more than half of the run.
        rates: rates to train, as multiples of the threshold; default 0.25, 0.5, 0.9, 1.3, 1.7, 2.2, 3 and 4.
        converged: training loss that counts as converged.
        start: a rate that converges, to begin the search from; default: what a range test suggests, and its
            neighbourhood.
        precision: width of the threshold's bracket in decades.
        by: "metric" or "loss" of the validation and test set.
        lowest: whether it is best low. None where that is known: a loss is, and a metric that is the task's own loss or
            one of PyTorch's; an "accuracy" is best high (`lrlib.Task`). Of any other metric it must be said.
        jobs: processes that share the lanes, −1 for one a processor (`lrlib.sweep`).
        folder: keep what is finished there; the same call goes on from it. The chosen weights are written there too, as
            ``weights.npz``; those of another call that lie there stay, as ``weights-1.npz`` and so on.
        device: "cpu" (None), "cuda", "mps".
        progress: function of a text, called as the work goes on; None for silence.
        settings: further arguments of `lrlib.sweep`: path, dtype, diverged_at, hyper-parameters of the rule.

    Returns:
        `Report`. Where no rate converges, every run diverges or every rate converges there is nothing to compare;
        ``report.outcome`` then says so.

    Raises:
        ValueError, TypeError: an argument outside its range, a task without validation or test set, a metric of which
            nobody says which end is best; before anything runs.

    Example:
        >>> from lrlib import tasks
        >>> x, y = tasks.breast_cancer().train
        >>> task = tasks.breast_cancer(width=4, depth=1)
        >>> report = large_rate(task, seeds=2, steps=60, converged=0.2, start=0.1, averages=(2,), path="eager",
        ...                     rates=(0.5, 2), precision=1)
        >>> report.outcome in ("gain", "gain_over_constant", "no_gain", "worse"), report.ledger[-1]["stage"]
        (True, 'total')

    Source: Sadrtdinov et al. (2024), "Where do large learning rates lead us?", for the procedure.
    """
    given = dict(locals())  # every argument by its name
    del given["progress"]
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function of a text, or None; got {progress!r}")
    asked = Asked(**given)
    report = judged(asked, Stages(asked, progress or (lambda text: None)))
    if asked.folder is not None:
        report.save_weights(asked.folder / "weights.npz")
    return report
