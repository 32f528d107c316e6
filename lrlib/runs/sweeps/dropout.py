"""Dropout in lanes: the masks of a single run, drawn beforehand and handed to the batched program.

A single run draws the masks of step t from the stream ``(seed, "forward", t)``, one after the other as its forward pass
calls dropout. `recorded` notes these calls once; `Dropouts` makes the same draws for many seeds and steps; inside
`replayed` each call multiplies by the next mask in place of drawing one.
"""

import contextlib
from dataclasses import dataclass

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..._base.streams import generator, seeded

DROPOUTS = {functional.dropout: None, functional.dropout1d: 3, functional.dropout2d: 4, functional.dropout3d: 5}


@dataclass
class Call:
    """One call of dropout: the function, its share, whether in place, and the layout of what it drops from."""

    function: object
    p: float
    inplace: bool
    shape: tuple
    stride: tuple

    def draw(self, dtype, device):
        """The mask that this call makes now: 0, or 1/(1 − p)."""
        ones = torch.empty_strided(self.shape, self.stride, dtype=dtype, device=device).fill_(1)
        return self.function(ones, self.p, True, self.inplace)


class _Mode(TorchFunctionMode):
    """Hands each call of dropout that would draw a mask to ``take(function, input, share, in place)``."""

    def __init__(self, take):
        super().__init__()
        self.take = take

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in DROPOUTS:
            x, p, training, inplace = _arguments(*args, **kwargs)
            if training and 0 < p < 1 and DROPOUTS[func] in (None, x.dim()):
                return self.take(func, x, p, inplace)
        return func(*args, **kwargs)


def _arguments(input, p=0.5, training=True, inplace=False):
    return input, p, training, inplace


@contextlib.contextmanager
def recorded(device):
    """Inside, dropout draws its masks and leaves the random state alone; yields the list of ``(call, mask)``."""
    calls = []

    def take(func, x, p, inplace):
        call = Call(func, p, inplace, tuple(x.shape), stride=torch.empty_like(x).stride())
        with seeded(len(calls), device):
            calls.append((call, call.draw(x.dtype, x.device)))
        return x * calls[-1][1]

    with _Mode(take):
        yield calls


def replayed(masks):
    """A context in which the k-th call of dropout multiplies by ``masks[k]``."""
    rest = iter(masks)
    return _Mode(lambda func, x, p, inplace: x * next(rest)) if masks else contextlib.nullcontext()


class Dropouts:
    """The masks of a list of calls for many seeds: ``rows(start, stop)`` → one tensor [steps, seeds, …] a call."""

    def __init__(self, calls, seeds, dtype, device):
        self.calls, self.seeds, self.dtype, self.device = calls, seeds, dtype, device

    def rows(self, start, stop):
        """Masks of steps ``start`` … ``stop − 1``."""
        if not self.calls:
            return ()
        with seeded(0, self.device):
            drawn = [[self._step(s, t) for s in self.seeds] for t in range(start, stop)]
        return tuple(
            torch.stack([torch.stack([one[k] for one in step]) for step in drawn]) for k in range(len(self.calls))
        )

    def _step(self, seed, t):
        own = generator(seed, "forward", t)
        with seeded(own, self.device) if self.device.type != "cpu" else contextlib.nullcontext():
            torch.default_generator.manual_seed(own.initial_seed())
            return [call.draw(self.dtype, self.device) for call in self.calls]

    def numel(self):
        """Numbers a seed and step."""
        return sum(torch.Size(call.shape).numel() for call in self.calls)
