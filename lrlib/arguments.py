"""Arguments that a run and a sweep share, checked before anything runs."""

import numpy as np

LEAST_LOSS = 1e-6  # a first loss below it says nothing about scale, and sets no limit for divergence

def seed_list(seeds):
    """``seeds`` as a list: a number n means 0 … n − 1.

    >>> seed_list(3), seed_list([7, 5])
    ([0, 1, 2], [7, 5])
    """
    given = range(int(seeds)) if np.ndim(seeds) == 0 else seeds
    found = [int(s) for s in given]
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise ValueError(f"seeds must be a number of at least 1 or different seeds of at least 0; got {seeds!r}")
    return found


def factors_of(plan, steps):
    """Values of the plan at steps 0 … steps − 1 as a float64 array; ones without a plan.

    A plan that is a plain function of one number is called step by step.
    """
    if plan is None:
        return np.ones(steps)
    if not callable(plan):
        raise TypeError(f"plan must be a function of the step, as lrlib.schedules makes them; got {plan!r}")
    if hasattr(plan, "length"):
        values = plan(np.arange(steps))
    else:
        values = [plan(t) for t in range(steps)]
    values = np.asarray(values, dtype=float)
    if values.shape != (steps,) or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"plan must give one finite number of at least 0 a step; got {values!r}")
    return values


def steps_of(task, steps):
    """The number of steps: the task's own if ``steps`` is None."""
    steps = task.steps if steps is None else steps
    if isinstance(steps, bool) or int(steps) != steps or steps < 1:
        raise ValueError(f"steps must be a whole number of at least 1; got {steps!r}")
    return int(steps)


def check_diverged_at(value):
    """Raise ``ValueError`` unless the multiple of the first loss is above 1."""
    if not value > 1:
        raise ValueError(f"diverged_at must be above 1, a multiple of the first loss (inf: never); got {value!r}")
