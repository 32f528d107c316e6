"""What the options of the rules may be: one table of ranges, one of options."""

import numpy as np
import torch

RANGES = {  # name → (words, test of a float64 tensor, entry by entry)
    "at least 0": ("finite and at least 0", lambda v: v.isfinite() & (v >= 0)),
    "below 1": ("in [0, 1)", lambda v: (v >= 0) & (v < 1)),
    "above 0": ("finite and above 0", lambda v: v.isfinite() & (v > 0)),
    "up to 1": ("in (0, 1]", lambda v: (v > 0) & (v <= 1)),
    "at least 4": ("finite and at least 4", lambda v: v.isfinite() & (v >= 4)),
    "temperature": ("at least 0; infinity is allowed", lambda v: v >= 0),
    "whole": ("a whole number of at least 0", lambda v: v.isfinite() & (v >= 0) & (v == v.floor())),
    "switch": ("True or False, 1 or 0", lambda v: (v == 0) | (v == 1)),
}
OPTIONS = {  # options that are not simply "at least 0"
    "alpha": "below 1",
    "beta": "below 1",
    "beta1": "below 1",
    "beta2": "below 1",
    "threshold": "at least 4",
    "cooling": "up to 1",
    "temperature": "temperature",
    "rates": "above 0",
    "seed": "whole",
    "accumulate": "switch",
    "adapt": "switch",
    "multiplicative": "switch",
}


def check_option(rule_name, name, value, own=()):
    """Raise unless ``value`` lies in the range of the option; ``own`` are the rule's own ranges, {option: range}.

    Raises ``TypeError`` for what is no number and for a bool where a number is meant, ``ValueError`` outside the range.

    >>> check_option("adam", "beta1", 0.9)
    >>> check_option("adam", "beta1", 1.0)
    Traceback (most recent call last):
    ...
    ValueError: adam: beta1 must be in [0, 1); got 1.0
    """
    key = dict(own).get(name, OPTIONS.get(name, "at least 0"))
    if key not in RANGES:
        raise ValueError(f"{rule_name}: the range of {name} must be one of {', '.join(map(repr, RANGES))}; got {key!r}")
    words, test = RANGES[key]
    try:
        if key != "switch" and _holds_bools(value):
            raise TypeError
        entries = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{rule_name}: {name} must be {_kind_of(key)}; got {value!r}") from None
    if not bool(test(entries).all()) or not entries.numel():
        raise ValueError(f"{rule_name}: {name} must be {words}; got {value!r}")


def _kind_of(key):
    return {"switch": "True or False", "whole": "a whole number"}.get(key, "a number, or a tensor or list of numbers")


def _holds_bools(value):
    if isinstance(value, torch.Tensor):
        return value.dtype == torch.bool
    if isinstance(value, (list, tuple)):
        return any(_holds_bools(entry) for entry in value)
    return np.asarray(value).dtype == bool
