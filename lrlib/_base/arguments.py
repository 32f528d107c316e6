"""Arguments that a run and a sweep share, checked before anything runs."""

import math
import numbers
import operator
import sys
from pathlib import Path

import numpy as np
import torch

LEAST_LOSS = 1e-6  # a first loss below it says nothing about scale, and sets no limit for divergence
MOST_SEEDS = 1_000_000
MOST_STEPS = 100_000_000  # of a run, which keeps one factor of the rate a step
MOST_EXAMPLES = 1_000_000  # of a ready-made task
MOST_UNITS = 100_000  # of a layer of a ready-made network, its inputs and outputs too
MOST_LAYERS = 1_000
LARGEST_SEED = 2**63 - 1  # of NumPy's whole numbers and of torch's generators
_SHOWN = 200  # characters of a value in an error


def shown(value):
    """``value`` as an error shows it: its ``repr``, cut where it is long.

    >>> shown(0.5), shown(10**1000), len(shown("a" * 10**6))
    ('0.5', 'a whole number of 3322 bits', 201)
    """
    if isinstance(value, int) and value.bit_length() > _SHOWN:
        return f"a whole number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:  # a user's class may fail to show itself, and Python shows no whole number beyond 4,300 digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def flag(name, value):
    """``value`` as a bool: True or False, also NumPy's; ``TypeError`` for anything else, "False", 0 and None too.

    >>> flag("debias", np.False_)
    False
    >>> flag("debias", "False")
    Traceback (most recent call last):
    ...
    TypeError: debias must be True or False; got 'False'
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False; got {shown(value)}")
    return bool(value)


def whole(name, value, least=1, most=None):
    """``value`` as an int from ``least`` to ``most``; ``TypeError`` for True and floats, ``ValueError`` outside.

    A float is refused even where it is whole, because a count that was computed as a float may be off by one.

    >>> whole("patience", 3)
    3
    >>> whole("patience", True)
    Traceback (most recent call last):
    ...
    TypeError: patience must be a whole number of at least 1; got True
    >>> whole("patience", 60.0)
    Traceback (most recent call last):
    ...
    TypeError: patience must be a whole number of at least 1, as an int; got the float 60.0: write int(60.0)
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        found = operator.index(value)
    except TypeError:
        if isinstance(value, (float, np.floating)) and value == value // 1:
            raise TypeError(
                f"{name} must be a whole number of at least {least}, as an int; got the float {value!r}: "
                f"write int({value!r})"
            ) from None
        raise TypeError(f"{name} must be a whole number of at least {least}; got {shown(value)}") from None
    if found < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {shown(value)}")
    if most is not None and found > most:
        raise ValueError(f"{name} must be at most {most:,}; got {shown(value)}")
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
        raise TypeError(f"{allowed}; got {shown(value)}")
    if _beyond_floats(value):
        raise ValueError(f"{allowed}; got {shown(value)}, too large for a float")
    if not (math.isfinite(value) and value < below and (value >= least if above is None else value > above)):
        raise ValueError(f"{allowed}; got {value!r}")
    return float(value)


def _beyond_floats(value):
    """Whether an exact number, which knows no inf, is too large for a float."""
    return isinstance(value, numbers.Rational) and abs(value) > sys.float_info.max


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
        raise TypeError(f"{name} must be {what}; got {shown(value)}")
    if _beyond_floats(found):
        raise ValueError(f"{name} must be {what}; got {shown(found)}, too large for a float")
    return float(found)


def numbers_of(name, values, least=0):
    """``values`` as a float64 array of at least ``least`` axes; ``TypeError`` for what is no array of real numbers.

    >>> numbers_of("loss", [1, 2]), numbers_of("lr", 0.1)
    (array([1., 2.]), array(0.1))
    >>> numbers_of("loss", ["a"])
    Traceback (most recent call last):
    ...
    TypeError: loss must be numbers; got ['a']
    """
    try:
        found = np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)
        if found.dtype.kind not in "iuf":
            raise TypeError
        found = found.astype(np.float64)
    except (TypeError, ValueError, RuntimeError):  # rows of different lengths, text, dicts, bools
        raise TypeError(f"{name} must be numbers; got {shown(values)}") from None
    if found.ndim < least:
        raise ValueError(f"{name} must have at least {least} ax{'is' if least == 1 else 'es'}; got {shown(values)}")
    return found


def axes_of(value):
    """The number of axes of ``value``: 0 for one number or text; rows of different lengths count as one axis.

    >>> axes_of(3), axes_of("ab"), axes_of([1, 2]), axes_of([[1, 2], [3]])
    (0, 0, 1, 1)
    """
    try:
        return np.ndim(value)
    except ValueError:
        return 1


def tensor_of(name, value):
    """``value``, a tensor or an array of numbers, as a tensor; ``TypeError`` for anything else.

    >>> tensor_of("parameters['w']", "a")
    Traceback (most recent call last):
    ...
    TypeError: parameters['w'] must be a tensor or an array of numbers; got 'a'
    """
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"{name} must be a tensor or an array of numbers; got {shown(value)}") from None


def held(name, values, dtype):
    """``values``, a number or several, unchanged; ``ValueError`` where one is too large for ``dtype``.

    >>> held("lr", [0.1, 1e30], torch.float32)
    [0.1, 1e+30]
    >>> held("lr", [0.1, 1e39], torch.float32)
    Traceback (most recent call last):
    ...
    ValueError: lr must be at most 3.40282e+38 in torch.float32; got 1e+39
    """
    sizes = np.abs(np.asarray(values, dtype=np.float64)).reshape(-1)
    largest = torch.finfo(dtype).max
    if (sizes > largest).any():
        value = np.asarray(values).reshape(-1)[(sizes > largest).argmax()].item()
        raise ValueError(f"{name} must be at most {largest:g} in {dtype}; got {value!r}")
    return values


def module(name, value):
    """``value``, a network; ``TypeError`` unless it is a ``torch.nn.Module``.

    >>> module("model", 3)
    Traceback (most recent call last):
    ...
    TypeError: model must be a torch.nn.Module; got int
    """
    if not isinstance(value, torch.nn.Module):
        raise TypeError(f"{name} must be a torch.nn.Module; got {type(value).__name__}")
    return value


def generator_of(name, value):
    """``value``, a source of random numbers or None for torch's own; ``TypeError`` for anything else.

    >>> generator_of("generator", 3)
    Traceback (most recent call last):
    ...
    TypeError: generator must be a torch.Generator or None; got 3
    """
    if value is not None and not isinstance(value, torch.Generator):
        raise TypeError(f"{name} must be a torch.Generator or None; got {shown(value)}")
    return value


def precision_of(name, value):
    """``value``, a floating-point ``torch.dtype`` or None; ``TypeError`` for anything else.

    >>> precision_of("dtype", -1)
    Traceback (most recent call last):
    ...
    TypeError: dtype must be a floating-point torch.dtype, such as torch.float64, or None; got -1
    """
    if value is not None and not (isinstance(value, torch.dtype) and value.is_floating_point):
        raise TypeError(
            f"{name} must be a floating-point torch.dtype, such as torch.float64, or None; got {shown(value)}"
        )
    return value


def function(name, value, what):
    """``value``, which can be called; ``TypeError`` unless it can. ``what``: what it is a function of, in words.

    >>> function("loss", None, "(output, y) -> scalar")
    Traceback (most recent call last):
    ...
    TypeError: loss must be a function (output, y) -> scalar; got None
    """
    if not callable(value):
        raise TypeError(f"{name} must be a function {what}; got {shown(value)}")
    return value


def having(name, value, attributes, what):
    """``value``, which has the ``attributes``; ``TypeError`` saying ``what`` it must be unless it has all of them.

    >>> having("record", 3, ("loss", "status"), "a Record")
    Traceback (most recent call last):
    ...
    TypeError: record must be a Record; got 3
    """
    if isinstance(value, type) or not all(hasattr(value, attribute) for attribute in attributes):
        raise TypeError(f"{name} must be {what}; got {shown(value)}")
    return value


def path_of(name, value):
    """``value``, a path, as a Path; ``TypeError`` for anything else.

    >>> path_of("path", b"record.npz")
    Traceback (most recent call last):
    ...
    TypeError: path must be a path, as a str or an os.PathLike; got b'record.npz'
    """
    try:
        return Path(value)
    except TypeError:
        raise TypeError(f"{name} must be a path, as a str or an os.PathLike; got {shown(value)}") from None


def file_of(name, value):
    """``value``, the path of a file that is there or will be, as a Path; raises as `path_of`, and for a folder.

    >>> file_of("checkpoint", "/")
    Traceback (most recent call last):
    ...
    ValueError: checkpoint must be a file; got the folder '/'
    """
    path = path_of(name, value)
    if path.is_dir():
        raise ValueError(f"{name} must be a file; got the folder {str(value)!r}")
    return path


def folder_of(name, value):
    """``value``, the path of a folder that is there or will be, as a Path; raises as `path_of`, and for a file."""
    path = path_of(name, value)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{name} must be a folder; got the file {str(value)!r}")
    return path


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


def sizes_of(name, values, fewest):
    """Numbers of units, layer by layer, as a list of at least ``fewest``; ``TypeError`` for what is no sequence.

    >>> sizes_of("sizes", (4, 8, 2), fewest=2)
    [4, 8, 2]
    """
    if isinstance(values, (str, bytes, dict, set)) or not np.iterable(values):
        raise TypeError(f"{name} must be a list of whole numbers; got {shown(values)}")
    found = [whole(name, value, most=MOST_UNITS) for value in values]
    if not fewest <= len(found) <= MOST_LAYERS:
        raise ValueError(f"{name} must be a list of {fewest} to {MOST_LAYERS:,} whole numbers; got {shown(values)}")
    return found


def layers_of(width, depth, least=0):
    """``depth`` hidden layers of ``width`` as a list of sizes; raises naming ``width`` or ``depth``.

    >>> layers_of(32, 3)
    [32, 32, 32]
    """
    return [whole("width", width, most=MOST_UNITS)] * whole("depth", depth, least, MOST_LAYERS)


def seed_list(seeds):
    """``seeds`` as a list: a number n means 0 … n − 1.

    >>> seed_list(3), seed_list([7, 5])
    ([0, 1, 2], [7, 5])
    """
    try:
        if np.ndim(seeds) == 0:
            found = list(range(whole("seeds", seeds, most=MOST_SEEDS)))
        else:
            found = [whole("seeds", seed, 0, LARGEST_SEED) for seed in seeds]
    except (TypeError, ValueError):
        found = []
    if not found or len(set(found)) < len(found):
        raise ValueError(
            "seeds must be a whole number of at least 1 or different seeds of at least 0; "
            f"got {shown(seeds)} (at most {MOST_SEEDS:,} seeds, each below 2**63)"
        )
    return found


def plan_of(name, plan):
    """``plan``, a function of the step; ``TypeError`` for anything else, a function that makes a plan too.

    >>> from lrlib import cosine
    >>> plan_of("plan", cosine(9))
    cosine(9)
    >>> plan_of("plan", cosine)
    Traceback (most recent call last):
    ...
    TypeError: plan must be a Plan or a function of the step; got cosine, which makes a Plan: call it, as cosine(…)
    """
    allowed = f"{name} must be a Plan or a function of the step; got"
    if isinstance(plan, type) or not callable(plan):
        raise TypeError(f"{allowed} {shown(plan)}")
    if getattr(plan, "makes_plan", False):
        raise TypeError(f"{allowed} {plan.__name__}, which makes a Plan: call it, as {plan.__name__}(…)")
    return plan


def factor_at(name, plan, t):
    """plan(t) as a float; raises naming the plan, t and the value unless it is one finite number of at least 0.

    >>> factor_at("plan", lambda t: "0.5", 3)
    Traceback (most recent call last):
    ...
    TypeError: plan at t=3 must be a finite number of at least 0; got '0.5'
    """
    value = plan(t)
    if type(value) is float and 0 <= value < math.inf:  # nearly always, and in every step
        return value
    where = f"{name} at t={t}"
    return number(where, real(where, value, "a finite number of at least 0"))


def factors_of(plan, steps, name="plan"):
    """Values of the plan at steps 0 … steps − 1 as a float64 array; ones without a plan.

    A plan that is a plain function of one number is called step by step.
    """
    if plan is None:
        return np.ones(steps)
    plan_of(name, plan)
    if not hasattr(plan, "length"):
        return np.array([factor_at(name, plan, t) for t in range(steps)])
    values = plan(np.arange(steps))
    found = numbers_of(f"what {name} gives", values)
    if found.shape != (steps,) or not np.isfinite(found).all() or (found < 0).any():
        raise ValueError(f"{name} must give one finite number of at least 0 a step; got {shown(values)}")
    return found


def plans_of(plans, steps):
    """{option: plan} as {option: its values at steps 0 … steps − 1}; ``None`` means no plans.

    >>> plans_of({"momentum": lambda t: 1 + t}, 2)
    {'momentum': array([1., 2.])}
    """
    if plans is not None and not isinstance(plans, dict):
        raise TypeError(f'plans must map options to plans, as {{"momentum": plan}}; got {shown(plans)}')
    for name, plan in (plans or {}).items():
        if name == "lr":
            raise ValueError(f"plans['lr']: that of lr is the argument plan; got {shown(plan)}")
        plan_of(f"plans[{name!r}]", plan)
    return {name: factors_of(plan, steps, f"plans[{name!r}]") for name, plan in (plans or {}).items()}


def steps_of(task, steps):
    """The number of steps, at most `MOST_STEPS`: the task's own if ``steps`` is None."""
    return whole("steps", task.steps if steps is None else steps, most=MOST_STEPS)


def updates_of(name, values, steps, allowed="a sequence of numbers of updates"):
    """Numbers of updates from 0 to ``steps`` as a rising list; ``TypeError`` for what is no sequence, as an iterator.

    ``allowed``: what the argument may be, in words.

    >>> updates_of("snapshots", (10, 0, 5), 10)
    [0, 5, 10]
    >>> updates_of("snapshots", "12", 10)
    Traceback (most recent call last):
    ...
    TypeError: snapshots must be a sequence of numbers of updates; got '12'
    """
    again = hasattr(values, "__len__") and hasattr(values, "__getitem__")
    if isinstance(values, (str, bytes, dict)) or not again:
        raise TypeError(f"{name} must be {allowed}; got {shown(values)}")
    found = sorted({whole(name, value, 0) for value in values})
    if found and found[-1] > steps:
        raise ValueError(f"{name} must lie between 0 and {steps} updates; got {shown(values)}")
    return found


def check_free(settings, taken, who):
    """Raise ``TypeError`` where ``settings`` name what ``who`` sets itself, the arguments ``taken``.

    >>> check_free({"plan": None}, ("lr", "plan"), "find")
    Traceback (most recent call last):
    ...
    TypeError: plan: find sets it itself; leave it out
    """
    for name in taken:
        if name in settings:
            raise TypeError(f"{name}: {who} sets it itself; leave it out")


def check_gradients():
    """Raise ``RuntimeError`` inside ``torch.inference_mode()``, where nothing can have a gradient.

    >>> with torch.inference_mode():
    ...     check_gradients()
    Traceback (most recent call last):
    ...
    RuntimeError: inside torch.inference_mode() no gradient can be computed: call this outside it
    """
    if torch.is_inference_mode_enabled():
        raise RuntimeError("inside torch.inference_mode() no gradient can be computed: call this outside it")


def check_task(task):
    """Raise ``TypeError`` unless the task has what a run asks for."""
    having("task", task, ("model", "train_for", "objective"), "a lrlib.Task")


def check_called(name, function):
    """Raise ``TypeError`` unless a function that is called with each event, if given, can be called."""
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a function of the event, or None; got {shown(function)}")


def check_diverged_at(value):
    """Raise ``TypeError`` or ``ValueError`` unless the multiple of the first loss is above 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"diverged_at must be a number above 1; got {shown(value)}")
    if not value > 1 or _beyond_floats(value):
        raise ValueError(f"diverged_at must be above 1, a multiple of the first loss (inf: never); got {shown(value)}")
