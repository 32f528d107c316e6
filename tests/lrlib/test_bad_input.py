"""Every public function of the library's plain rooms, given every wild value for every argument.

The call is the one of the function's own docstring; then each argument in turn, given there or not, gets a value that
makes no sense. The answer must be a result without nan and inf, or a ``ValueError`` or ``TypeError`` that names the
argument.
"""

import contextlib
import dataclasses
import doctest
import inspect
import io
import math
import re
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from lrlib import Plan, cosine, plans, plot, tasks, warmup
from lrlib._base import statistics as intervals
from lrlib.choosing import bounds, finder, regimes
from lrlib.looking import curvature, landscape, units
from lrlib.methods import augmentation, initialization

ROOMS = (units, augmentation, bounds, curvature, finder, initialization, intervals, landscape, plot, regimes)
ROOMS += (plans, tasks)
HUGE, DENORMAL = 10**400, 5e-324
WILD = {
    "-1": -1,
    "0": 0,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "1e30": 1e30,
    "1e308": 1e308,
    "10**30": 10**30,
    "10**400": HUGE,
    "denormal": DENORMAL,
    "0.5": 0.5,
    "text": "False",
    "no text": "",
    "None": None,
    "True": True,
    "1j": 1j,
    "np.float64(nan)": np.float64("nan"),
    "np.int64(-3)": np.int64(-3),
    "np.True_": np.True_,
    "nan array": np.array([math.nan, 1.0]),
    "no array": np.zeros(0),
    "nan tensor": torch.tensor([math.nan, 1.0]),
    "[]": [],
    "[None]": [None],
    "{}": {},
    "function": lambda *_args, **_options: None,
    "Decimal": Decimal("0.1"),
    "Fraction": Fraction(10**400),
    "bytes": b"x",
    "type": int,
    "object": object(),
}


# Whose arguments are not looked at one by one here: results that only hold what a function found, and functions of the
# tensors of a training step.
RESULTS = {name for room in ROOMS for name, found in vars(room).items() if dataclasses.is_dataclass(found)}
APART = (RESULTS - {"Images", "Signals", "Task"}) | {"accuracy", "binary_accuracy", "binary_loss", "symbol_loss"}
APART |= {"Plan", "Table"}
# Arguments that go on as they are: to the user's loss and network, to matplotlib.
FREE = {"y", "line", "color", "colors", "label", "diverged", "xlabel", "ylabel", "momentum_label"}
# {argument: values for which the error may be another's}: what only the network knows.
ANOTHERS = {"x": ("None", "[]", "[None]", "{}", "object", "nan tensor")}
ANOTHERS["statistics"] = ANOTHERS["x"]
# Other words for an argument: a rule is what an optimizer may be named by.
ALSO = {"optimizer": "rule"}
# Results in which inf or nan has a meaning that the docstring says.
OPEN = {
    "largest_stable_rate",
    "find",
    "convergence_threshold",
    "threshold_curve",
    "borders",
    "bootstrap",
    "interval",
    "jackknife",
    "leave_one_out",
    "smooth",
}
SMALL = {"mnist1d": {"train": 10, "valid": 10, "test": 10, "corr_noise_scale": 0.25, "shuffle_seq": False}}
SMALL |= {"mnist1d_sphere": {"train": 10, "valid": 10, "test": 10, "final_seq_length": 40, "padding": (36, 60)}}
SMALL |= {"convergence_threshold": {"precision": 0.5}, "threshold_curve": {"precision": 0.5}}
SMALL |= {"initialize": {"nonlinearity": "leaky_relu", "slope": 0.1, "mode": "fan_in", "distribution": "normal"}}
SMALL |= {"sparse_logistic": {"train": 20, "valid": 20, "test": 20}, "ticks": {"train": 20, "test": 20}}
SMALL |= {"character_transformer": {"train": 20, "valid": 9, "test": 9}, "convex_logistic": {"train": 50, "test": 50}}


def public():
    """{name: function} of all that the rooms export."""
    found = {}
    for room in ROOMS:
        names = getattr(room, "__all__", None) or [n for n in vars(room) if not n.startswith("_")]
        for name in (n for n in names if n not in APART and callable(getattr(room, n))):
            if getattr(room, name).__module__.startswith(room.__name__):
                found[f"{room.__name__.rpartition('.')[2]}.{name}"] = getattr(room, name)
    return found


def example(function):
    """{argument: value} of the first call of a function in its own docstring, with defaults and further options."""
    seen, signature = [], inspect.signature(function)

    def recorder(*args, **options):
        seen.append(signature.bind(*args, **options))
        return function(*args, **options)

    names = vars(inspect.getmodule(function)) | {function.__name__: recorder}
    (test,) = doctest.DocTestFinder(recurse=False).find(function, function.__name__, globs=names)
    for part in test.examples:
        with contextlib.suppress(ValueError, TypeError), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(part.source, "<docstring>", "exec"), test.globs)
        if seen:
            break
    seen[0].apply_defaults()
    arguments = dict(seen[0].arguments)
    for name in (p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD):
        arguments |= arguments.pop(name)
    return arguments | SMALL.get(function.__name__, {})


def wrong(function, arguments):
    """Lines that say where a wild value gave nan, or an error that does not name the argument."""
    found = []
    for name in (name for name in arguments if name not in FREE):
        for label, value in WILD.items():
            try:
                result = function(**arguments | {name: value})
                sound = function.__name__ in OPEN or "nan" in label or finite(result)
            except (ValueError, TypeError) as error:
                words = rf"\b({name}|{ALSO.get(name, name)})\b"
                own = callable(value) or label in ANOTHERS.get(name, ())  # the user's function or network may fail, too
                if not own and not re.search(words, str(error)):
                    found.append(f"{name} = {label}: {type(error).__name__}: {error}"[:200])
                continue
            except Exception as error:
                if label not in ANOTHERS.get(name, ()):
                    found.append(f"{name} = {label}: {type(error).__name__}: {error}"[:200])
                continue
            if not sound:
                found.append(f"{name} = {label} was taken, and gave {result!r}"[:200])
    return found


def finite(result):
    return all(part.dtype.kind in "biuUOSM" or np.isfinite(part).all() for part in numbers(result))


def numbers(result):
    """All numbers in a result, as float64 arrays: values of plans, data and first weights of tasks, fields, entries."""
    if isinstance(result, Plan):
        yield from numbers([result(t) for t in (0, 1, 7, 1000, result.length if result.length < math.inf else 10**6)])
    elif isinstance(result, torch.nn.Module):
        yield from numbers(result.state_dict())
    elif isinstance(result, tasks.Task):
        yield from numbers([result.train_for(0), result.valid, result.test, result.optimum, result.model()])
    elif isinstance(result, torch.Tensor):
        yield result.detach().double().numpy()
    elif isinstance(result, (np.ndarray, np.generic, int, float, complex)):
        yield np.asarray(result)
    elif isinstance(result, dict):
        yield from numbers(list(result.values()))
    elif isinstance(result, (list, tuple)):
        for entry in result:
            yield from numbers(entry)
    elif dataclasses.is_dataclass(result):
        yield from numbers([getattr(result, field.name) for field in dataclasses.fields(result)])


PUBLIC = public()
PLAN = warmup(4) >> cosine(8)
METHODS = {
    "repeat": {"times": 3, "stretch": 2, "decay": 0.5},
    "cut": {"n": 3},
    "resize": {"n": 6},
    "table": {"at": [0, 4], "base": 1.0},
    "joints": {"stop": 9},
    "area": {"stop": 9},
    "when": {"value": 0.5, "stop": 9},
    "plot": {"steps": 9, "ax": None, "momentum": None, "base": 1.0},
    "__call__": {"t": 3},
}


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    """Data in a folder of their own, and no warnings of NumPy where a value is wild."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.setenv("LRLIB_CACHE", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_walk_sees_every_room():
    rooms = {name.partition(".")[0] for name in PUBLIC}
    assert len(rooms) == len(ROOMS) and len(PUBLIC) > 70


@pytest.mark.parametrize("name", PUBLIC)
def test_a_wild_value_gives_a_sound_result_or_an_error_that_names_the_argument(name):
    assert wrong(PUBLIC[name], example(PUBLIC[name])) == []


NETWORKS = [n for n in PUBLIC if "model" in inspect.signature(PUBLIC[n]).parameters and n != "tasks.Task"]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_no_network_is_one_type_error(name):
    arguments = example(PUBLIC[name])
    for value in (1, "net", None, torch.nn.Linear, torch.zeros(3), [torch.nn.Linear(1, 1)]):
        with pytest.raises(TypeError, match=r"^model must be a (torch.nn.Module|module or a dict .*); got \w+$"):
            PUBLIC[name](**arguments | {"model": value})


@pytest.mark.parametrize("name", [name for name in PUBLIC if "x" in inspect.signature(PUBLIC[name]).parameters])
def test_a_loader_is_no_batch(name):
    rows = torch.utils.data.TensorDataset(torch.zeros(4, 2), torch.zeros(4, 1))
    for value in (torch.utils.data.DataLoader(rows), rows, iter([torch.zeros(4, 2)]), np.zeros((4, 2)), 1, "data"):
        with pytest.raises((TypeError, ValueError), match=r"\bx\b.* must"):
            PUBLIC[name](**example(PUBLIC[name]) | {"x": value})


@pytest.mark.parametrize("name", METHODS)
def test_a_wild_value_of_a_method_of_plans_is_named(name):
    assert wrong(getattr(PLAN, name), METHODS[name]) == []


@pytest.mark.parametrize("name", PUBLIC)
def test_every_switch_is_true_or_false(name):
    arguments = example(PUBLIC[name])
    for switch in (argument for argument, value in arguments.items() if isinstance(value, bool)):
        for value in ("False", "no", 0, 1, None, math.nan):
            with pytest.raises(TypeError, match=rf"\b{switch} must be True or False; got"):
                PUBLIC[name](**arguments | {switch: value})
