"""The three averages: exponential (EMA), of all values (SWA), of the latest (LAWA)."""

from __future__ import annotations

import collections

import torch

from ..._base.arguments import flag, number, whole
from .average import Average


class _Running(Average):
    """An average that moves a share ``_weight(t)`` of the way to the t-th value, t from 1; the first has share 1."""

    def __init__(self, buffers: bool = False) -> None:
        super().__init__(buffers)
        self._running = {}

    def _take(self, tensors):
        if not self.count:
            self._dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
            self._running = {name: _wide(tensor).clone() for name, tensor in tensors.items()}
            return
        weight = self._weight(self.count + 1)
        for name, new in tensors.items():
            old = self._running[name] = self._running[name].to(new.device)
            old.lerp_(new.to(old.dtype), weight) if _continuous(old) else old.copy_(new)

    def _kept(self):
        return self._running

    _mean = _held = _kept

    def _hold(self, tensors):
        self._running = tensors


class EMA(_Running):
    r"""Exponential moving average of weights.

    .. math:: a_t = (1-c_t)\,a_{t-1} + c_t\,x_t, \qquad c_t = \frac{1-d}{1-d^t}

    which is :math:`\sum_s d^{t-s} x_s / \sum_s d^{t-s}`: the zero that a running mean begins with is corrected for, as
    in Adam. ``correct=False`` begins at the first value instead, :math:`a_1 = x_1, c_t = 1-d`, as
    `torch.optim.swa_utils.AveragedModel` does: it then weighs 1/(1 − d) times as much as any other.

    Args:
        decay: d, from 0 to below 1; the average looks back over about 1/(1 − d) updates.
        correct: whether the start is corrected for; default True.
        buffers: see `Average`.

    Raises:
        TypeError, ValueError: a decay outside [0, 1).

    Example:
        >>> values = [{"w": torch.tensor(x)} for x in (1.0, 2.0)]
        >>> EMA(0.5).over(values), EMA(0.5, correct=False).over(values)         # (½·1 + 2)/1.5 and ½·1 + ½·2
        ({'w': tensor(1.6667)}, {'w': tensor(1.5000)})

    Source: Polyak & Juditsky (1992); Kingma & Ba (2015), "Adam", section 7.2, for the correction.
    """

    _SETTINGS = ("decay", "correct", "buffers")

    def __init__(self, decay: float = 0.999, correct: bool = True, buffers: bool = False) -> None:
        super().__init__(buffers)
        self.decay, self.correct = number("decay", decay, below=1), flag("correct", correct)

    def _weight(self, t):
        return (1 - self.decay) / (1 - self.decay**t) if self.correct else 1 - self.decay


class SWA(_Running):
    r"""Stochastic weight averaging: the mean of all values taken, :math:`a_t = a_{t-1} + (x_t - a_{t-1})/t`.

    Take one value an epoch from the last quarter of a run with a constant or cyclic rate
    (``follow(optimizer, model, start=3 * n // 4, every=epoch)``), then `update_batch_norm`.

    Args:
        buffers: see `Average`.

    Example:
        >>> SWA().over([{"w": torch.tensor(x)} for x in (1.0, 2.0, 6.0)])
        {'w': tensor(3.)}

    Source: Izmailov et al. (2018), "Averaging weights leads to wider optima and better generalization".
    """

    def _weight(self, t):
        return 1 / t


class LAWA(Average):
    r"""Latest weight averaging: the mean of the latest k values, :math:`a_t = \frac1k \sum_{s=t-k+1}^{t} x_s`.

    Of the t there are while t < k. It holds k copies of the weights. Values are usually taken once an epoch or every
    some hundred steps (``every=`` of `follow`).

    Args:
        k: values in the mean, at least 1; default 5.
        buffers: see `Average`.

    Raises:
        TypeError, ValueError: k that is no whole number of at least 1.

    Example:
        >>> LAWA(k=2).over([{"w": torch.tensor(x)} for x in (1.0, 2.0, 6.0)])
        {'w': tensor(4.)}

    Source: Kaddour (2022), "Stop wasting my time! Saving days of ImageNet and BERT training with latest weight
    averaging"; Hägele et al. (2024), "Scaling laws and compute-optimal training beyond fixed training durations".
    """

    _SETTINGS = ("k", "buffers")

    def __init__(self, k: int = 5, buffers: bool = False) -> None:
        super().__init__(buffers)
        self.k = whole("k", k)
        self._latest = collections.deque(maxlen=self.k)

    def _take(self, tensors):
        self._dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
        self._latest.append({name: tensor.detach().clone() for name, tensor in tensors.items()})

    def _kept(self):
        return self._latest[-1]

    def _held(self):
        return list(self._latest)

    def _hold(self, tensors):
        self._latest = collections.deque(tensors, maxlen=self.k)

    def _mean(self):
        latest = self._latest[-1]
        return {
            name: _mean([_wide(values[name]).to(new.device) for values in self._latest])
            if _continuous(new)
            else new.clone()
            for name, new in latest.items()
        }


def _mean(tensors):
    total = tensors[0].clone()
    for tensor in tensors[1:]:
        total += tensor
    return total / len(tensors)


def _continuous(tensor):
    return tensor.is_floating_point() or tensor.is_complex()


def _wide(tensor):
    """A detached tensor in a dtype that small steps do not vanish in."""
    return tensor.detach().float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor.detach()
