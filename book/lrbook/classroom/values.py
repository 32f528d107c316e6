"""What counts as an answer: numbers of every kind, and a tolerance on the scale of the problem."""

import math
import numbers
import sys

import numpy as np


class Miss(Exception):
    """An answer that is not right; `hint` names the words that the student gets."""

    def __init__(self, hint):
        super().__init__(hint)
        self.hint = hint


def number(value):
    """The float that `value` stands for; raises `Miss` for everything that is no number.

    Python and NumPy numbers, fractions, arrays and torch tensors with one element count.
    `bool`, text, complex numbers and nan do not.

    >>> number(np.float32(0.5)), number(np.array([3]))
    (0.5, 3.0)
    >>> number(True)
    Traceback (most recent call last):
    lrbook.classroom.values.Miss: no_number
    """
    if value is None:
        raise Miss("no_value")
    value = _scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise Miss("no_number")
    if math.isnan(plain := float(value)):
        raise Miss("nan")
    return plain


def _scalar(value):
    """The one element of an array or tensor; anything else as it is."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy() if value.dtype != torch.bfloat16 else float(value)
    if isinstance(value, np.ndarray) and value.size == 1:
        return value.reshape(())[()]
    return value


def close(got, want, rtol=1e-5, scale=0.0):
    """Is |got − want| ≤ rtol · max(|want|, scale)? Never for nan; an infinite `want` only for itself.

    `scale` is the size of the problem, so that a value of exactly zero may be missed by rounding.
    The default suits closed forms, also in float32.

    >>> close(0.1 + 0.2, 0.3), close(1e-9, 0.0), close(1e-9, 0.0, scale=1.0)
    (True, False, True)
    """
    if math.isinf(want) or math.isinf(got):
        return got == want
    return abs(got - want) <= rtol * max(abs(want), scale)
