"""Arguments that a run and a sweep share, checked before anything runs."""

import math
import numbers
import operator
import sys

import numpy as np

LEAST_LOSS = 1e-6  # a first loss below it says nothing about scale, and sets no limit for divergence


def whole(name, value, least=1):
    """``value`` as an int of at least ``least``; ``TypeError`` for 1.7 and True, ``ValueError`` below.

    >>> whole("patience", 3)
    3
    >>> whole("patience", True)
    Traceback (most recent call last):
    ...
    TypeError: patience must be a whole number of at least 1; got True
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number of at least {least}; got {value!r}") from None
    if found < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {value!r}")
    return found


def number(name, value, least=0.0, below=math.inf, above=None):
    """``value`` as a finite float with ``least`` ≤ value < ``below``, or ``above`` < value; no bool, no text.

    >>> number("dropout", 0.2, below=1)
    0.2
    >>> number("dropout", 1.5, below=1)
    Traceback (most recent call last):
    ...
    ValueError: dropout must be a number of at least 0 and below 1; got 1.5
    """
    low = f"above {above:g}" if above is not None else "" if least == -math.inf else f"of at least {least:g}"
    allowed = f"{name} must be a {'finite ' * (below == math.inf)}number {low}".rstrip()
    allowed += "" if below == math.inf else f" and below {below:g}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{allowed}; got {value!r}")
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise ValueError(f"{allowed}; got a whole number of {value.bit_length()} bits, too large for a float")
    if not (math.isfinite(value) and value < below and (value >= least if above is None else value > above)):
        raise ValueError(f"{allowed}; got {value!r}")
    return float(value)


def real(name, value, what="a number"):
    """``value`` as a float, infinite and nan too: a number, or a tensor or array with one element; else ``TypeError``.

    >>> real("value", np.array([0.5])), real("value", math.inf)
    (0.5, inf)
    >>> real("value", True)
    Traceback (most recent call last):
    ...
    TypeError: value must be a number; got True
    """
    shape = getattr(value, "shape", None)
    found = value.item() if isinstance(shape, tuple) and math.prod(shape) == 1 else value
    if isinstance(found, bool) or not isinstance(found, numbers.Real):
        raise TypeError(f"{name} must be {what}; got {value!r}")
    return float(found)


def first_line(error):
    """Kind and first line of an error.

    >>> first_line(ValueError("too large\\nby far")), first_line(AssertionError())
    ('ValueError: too large', 'AssertionError')
    """
    return f"{type(error).__name__}: {error}".strip().splitlines()[0].rstrip(": ")


def filled(name, data):
    """``data``, a tensor or array or anything else; ``ValueError`` where its shape says that it holds no example.

    >>> filled("x", np.zeros((0, 3)))
    Traceback (most recent call last):
    ...
    ValueError: x must hold at least one example; got the shape (0, 3)
    """
    if 0 in getattr(data, "shape", ()):
        raise ValueError(f"{name} must hold at least one example; got the shape {tuple(data.shape)}")
    return data


def seed_list(seeds):
    """``seeds`` as a list: a number n means 0 … n − 1.

    >>> seed_list(3), seed_list([7, 5])
    ([0, 1, 2], [7, 5])
    """
    try:
        found = list(range(whole("seeds", seeds))) if np.ndim(seeds) == 0 else [whole("seeds", s, 0) for s in seeds]
    except (TypeError, ValueError):
        found = []
    if not found or len(set(found)) < len(found):
        raise ValueError(f"seeds must be a whole number of at least 1 or different seeds of at least 0; got {seeds!r}")
    return found


def factors_of(plan, steps):
    """Values of the plan at steps 0 … steps − 1 as a float64 array; ones without a plan.

    A plan that is a plain function of one number is called step by step.
    """
    if plan is None:
        return np.ones(steps)
    if not callable(plan):
        raise TypeError(f"plan must be a function of the step, as lrlib.plans makes them; got {plan!r}")
    if hasattr(plan, "length"):
        values = plan(np.arange(steps))
    else:
        values = [plan(t) for t in range(steps)]
    values = np.asarray(values, dtype=float)
    if values.shape != (steps,) or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"plan must give one finite number of at least 0 a step; got {values!r}")
    return values


def plans_of(plans, steps):
    """{option: plan} as {option: its values at steps 0 … steps − 1}; ``None`` means no plans.

    >>> plans_of({"momentum": lambda t: 1 + t}, 2)
    {'momentum': array([1., 2.])}
    """
    if plans is not None and not isinstance(plans, dict):
        raise TypeError(f'plans must map options to plans, as {{"momentum": plan}}; got {plans!r}')
    for name, plan in (plans or {}).items():
        if name == "lr" or plan is None or not callable(plan):
            raise ValueError(
                f"plans[{name!r}] must be a plan of an option (that of lr is the argument plan); got {plan!r}"
            )
    return {name: factors_of(plan, steps) for name, plan in (plans or {}).items()}


def steps_of(task, steps):
    """The number of steps: the task's own if ``steps`` is None."""
    return whole("steps", task.steps if steps is None else steps)


def check_task(task, on_event=None):
    """Raise ``TypeError`` unless the task has what a run asks for and ``on_event``, if given, can be called."""
    if not all(hasattr(task, name) for name in ("model", "train_for", "objective")):
        raise TypeError(f"task must be a lrlib.Task; got {task!r}")
    if on_event is not None and not callable(on_event):
        raise TypeError(f"on_event must be a function of the event, or None; got {on_event!r}")


def check_diverged_at(value):
    """Raise ``TypeError`` or ``ValueError`` unless the multiple of the first loss is above 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"diverged_at must be a number above 1; got {value!r}")
    if not value > 1:
        raise ValueError(f"diverged_at must be above 1, a multiple of the first loss (inf: never); got {value!r}")
