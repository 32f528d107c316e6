"""Words of the command line as values, and the options that the training commands share."""

import argparse

import numpy as np
import torch

from ..plans import Plan
from .expression import plan

MOST_RATES = 10_000
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def add_training(command, seeds, record=True):
    """Add what the training commands share; ``record``: whether there is one record of all runs."""
    add = command.add_argument
    add("task", metavar="TASK", help="digits, mnist1d, breast_cancer, …; module:function; or path/to/file.py:function")
    add("--rule", default="sgd", help="update rule (default sgd)")
    add(
        "--set",
        metavar="OPTION=VALUE",
        action="append",
        default=[],
        type=setting,
        help="option of the rule, as momentum=0.95, or its plan; may be repeated",
    )
    add("--seeds", type=seeds_of, default=seeds, metavar="N|A,B,…", help=f"number of seeds, or the seeds ({seeds})")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default cpu)")
    add("--dtype", choices=DTYPES, default="float32")
    add("--path", default="auto", choices=("auto", "eager", "compiled", "loop"), help="how lanes are computed (auto)")
    add("--jobs", type=int, metavar="N", help="divide the lanes into N parts on processes; -1: one a processor")
    add("--cluster", metavar="ADDRESS", help="divide them over the Dask cluster of this scheduler, as tcp://host:8786")
    if record:
        add("--record", metavar="FILE.npz", help="store the record of all runs")
    add("--quiet", action="store_true", help="no progress; there is none either where it would not be seen")


def add_lowest(command, metric):
    """Add ``--lowest`` and ``--no-lowest``: which end of ``metric``, in words, is best."""
    words = f"{metric} is best low, or not; an accuracy is best high, a loss low, any other must be said"
    command.add_argument("--lowest", action=argparse.BooleanOptionalAction, help=words)


def training(options):
    """Keyword arguments of ``sweep`` from what `add_training` has added; ``ValueError`` for an option set twice."""
    plans = {name: value for name, value in options.set if isinstance(value, Plan)}
    numbers = {name: value for name, value in options.set if not isinstance(value, Plan)}
    if len(plans) + len(numbers) < len(options.set):
        raise ValueError(f"--set gives an option twice: {', '.join(name for name, _ in options.set)}")
    made = {"device": options.device, "dtype": DTYPES[options.dtype], "path": options.path, **numbers}
    if plans:
        made["plans"] = plans
    if options.jobs is not None or options.cluster is not None:
        made["jobs"] = -1 if options.jobs is None else options.jobs
    return made


def rates(text):
    """``"1e-3:10:5"`` as a logarithmic grid of 5 rates, ``"0.1,0.3"`` as a list, ``"0.1"`` as one rate.

    >>> rates("0.01:1:3").round(4).tolist(), rates("0.1,0.3").tolist()
    ([0.01, 0.1, 1.0], [0.1, 0.3])
    """
    try:
        low, *rest = text.split(":")
        if not rest:
            found = np.array([float(word) for word in low.split(",")])
        else:
            high, count = rest
            if not 2 <= int(count) <= MOST_RATES or not 0 < float(low) < float(high):
                raise ValueError
            found = np.geomspace(float(low), float(high), int(count))
        if not (np.isfinite(found) & (found >= 0)).all() or len(set(found.tolist())) < len(found):
            raise ValueError
        return found
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write low:high:count with 0 < low < high and count from 2 to {MOST_RATES:,}, "
            "or different rates with commas, as 1e-3:10:32 or 0.1,0.3"
        ) from None


def seeds_of(text):
    """``"5"`` as the number 5 (seeds 0 … 4), ``"3,8"`` or ``"3,"`` as the seeds themselves.

    >>> seeds_of("5"), seeds_of("3,8")
    (5, [3, 8])
    """
    try:
        found = [int(word) for word in text.split(",") if word.strip()]
        if not found or ("," not in text and found[0] < 1):
            raise ValueError
        return found if "," in text else found[0]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of at least 1, or seeds with commas, as 3,8") from None


def wholes(text):
    """Whole numbers with commas.

    >>> wholes("0,100")
    [0, 100]
    """
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: whole numbers with commas, as 0,100,1000") from None


def setting(text):
    """An option of the rule: a number, one number a rate, or a plan that multiplies the given number or the default.

    >>> setting("momentum=0.95"), setting("momentum=0.8,0.9")
    (('momentum', 0.95), ('momentum', [0.8, 0.9]))
    >>> setting("momentum=ramp(9, 1, 0.9)")
    ('momentum', ramp(9, 1, 0.9))
    """
    name, _, value = text.partition("=")
    if not name.isidentifier() or not value:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write option=number, as momentum=0.95; numbers with commas, one a rate; or option=plan"
        )
    try:
        numbers = [float(word) for word in value.split(",")]
    except ValueError:
        return name, a_plan(value)
    return name, numbers[0] if len(numbers) == 1 else numbers


def a_plan(text):
    """A plan, for ``argparse``."""
    try:
        return plan(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
