"""What the labs share: the choices on their menus as lrlib's tasks, plans and options, and how their numbers are shown.

``lrlib`` (and with it torch) is imported when a run begins, so that importing the widgets stays cheap.
"""

from __future__ import annotations

import math
import threading

TASKS = ("digits", "mnist1d")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
SCHEDULES = ("constant", "step", "exponential", "cosine", "warmup", "warmup-cosine")
WITH_MOMENTUM = ("momentum", "nesterov")
DEVICES = ("cpu", "cuda", "mps")


def task(name: str):
    """Return the small task of the labs: an MLP with two hidden layers of 64 units.

    MNIST-1D uses one training set of 4,000 examples for all seeds; the seed sets weights and batches.
    """
    from lrlib import tasks

    if name == "mnist1d":
        return tasks.mnist1d(train=4000, valid=1000, test=1000, fresh=False)
    return tasks.digits()


def plan(schedule: str, steps: int):
    """Return the plan of a run of ``steps``; None for a constant rate.

    step: times 0.1 after each third. exponential: to 1 % at the end. cosine: to 0 at the end. warmup: over the
    first tenth, then constant. warmup-cosine: over the first tenth, then cosine to 0.
    """
    from lrlib import plans

    rise = max(1, steps // 10)
    if schedule == "step":
        return plans.step(max(1, steps // 3), factor=0.1, times=2)
    if schedule == "exponential":
        return plans.exponential(steps, final=0.01)
    if schedule == "cosine":
        return plans.cosine(steps)
    if schedule == "warmup":
        return plans.warmup(rise)
    if schedule == "warmup-cosine":
        return plans.warmup(rise) >> plans.cosine(max(1, steps - rise))
    return None


def options(optimizer: str, momentum: float) -> dict:
    """Return the options of the rule that the labs set: momentum where the rule has it."""
    return {"momentum": momentum} if optimizer in WITH_MOMENTUM else {}


def spaced(low: float, high: float, count: int) -> list[float]:
    """Return ``count`` rates from ``low`` to ``high``, equally spaced on a log axis.

    >>> spaced(0.01, 1.0, 3)
    [0.01, 0.1, 1.0]
    """
    ratio = high / low
    return [low * ratio ** (i / (count - 1)) for i in range(count)]


def latest_mean(losses) -> float:
    """Return the mean of a lane's latest losses without its nans; nan where the last one is: it has diverged.

    >>> latest_mean([math.nan, 1.0, 2.0]), latest_mean([1.0, math.nan])
    (1.5, nan)
    """
    losses = list(losses)
    return math.nan if math.isnan(losses[-1]) else math.fsum(v for v in losses if v == v) / sum(v == v for v in losses)


def rounded(values) -> list:
    """Return numbers for the page, to five digits: None where a value is not finite.

    >>> rounded([0.1234567, math.inf])
    [0.12346, None]
    """
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in map(float, values)]


def suggestions(task, optimizer: str, seed: int, device: str, options: dict) -> dict[str, float]:
    """Return what the published rules read off a range test of 100 steps, those that found something."""
    from lrlib import find

    found = find(task, optimizer, seeds=[seed], low=1e-6, device=device, **options).suggestions()
    return {rule: float(rate) for rule, rate in found.items() if math.isfinite(rate)}


def one_thread():
    """`lrlib.one_thread`, imported when a run begins.

    The networks here are tiny: a second thread wins nothing, and where the page and the kernel share two cores the two wait for
    each other, which cost forty times the processor's work for a step.
    """
    import lrlib

    return lrlib.one_thread()


def warm_up(then) -> None:
    """Import torch and lrlib in a thread, then call ``then``: the first step of a cold kernel takes seconds."""

    def work():
        from lrlib import available_devices, fit, sweep, tasks  # noqa: F401

        then(available_devices())

    threading.Thread(target=work, name="lrwidgets-warm-up", daemon=True).start()
