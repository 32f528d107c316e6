"""Averages of weights along a run: exponential (EMA), stochastic weight averaging (SWA), latest checkpoints (LAWA).

An average is fed by `Average.update`, or by every step of an optimizer (`Average.follow`), and lent to the model for
as long as a ``with`` block lasts. It averages a list of stored weights as well (`Average.over`).

>>> model = torch.nn.Linear(1, 1, bias=False)
>>> swa = SWA()
>>> for weight in (1.0, 2.0, 6.0):
...     _ = model.weight.data.fill_(weight)
...     swa.update(model)
>>> with swa.applied(model):
...     model.weight.item()
3.0
>>> model.weight.item()
6.0
"""

from __future__ import annotations

import collections
import contextlib
import copy
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from .._base.arguments import flag, number, whole
from .._base.device import moved
from .._base.groups import rehearsed, skipped, stepped
from .._base.streams import is_lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any
    from .._types import Lent, State, Weights
    from ..runs.record import Record


_STATE = {"kind", "settings", "count", "steps", "tensors", "dtypes"}
_WRAPPING = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


class Average:
    """What `EMA`, `SWA` and `LAWA` share; use one of them.

    Averages are kept on the device and in the dtype of what is averaged, float16 and bfloat16 in float32. Whole
    numbers, such as counters of batches, are those of the latest update. Names are those of the plain model: what
    torch.compile (``_orig_mod.``), DataParallel (``module.``, before all names) and FSDP add is left out, so the
    average of a wrapped model can be lent to the plain one, and the other way round.

    Args:
        buffers: whether the floating-point buffers of a module (batch-norm statistics) are averaged as well. The
            statistics of averaged weights are better measured afterwards: `update_batch_norm`.

    Attributes:
        count: updates taken.
        steps: optimizer steps seen by `follow`.

    Example:
        >>> average: Average = SWA()
        >>> average.update({"w": torch.tensor([1.0, 2.0])}), average.update({"w": torch.tensor([3.0, 2.0])})
        (None, None)
        >>> average.count, average.values
        (2, {'w': tensor([2., 2.])})
    """

    _SETTINGS = ("buffers",)

    def __init__(self, buffers: bool = False) -> None:
        self.buffers, self.count, self.steps = flag("buffers", buffers), 0, 0
        self._lent = False

    def _settings(self):
        return {name: getattr(self, name) for name in self._SETTINGS}

    def update(self, source: torch.nn.Module | Record | Weights | Sequence[torch.Tensor]) -> None:
        """Take the weights of ``source`` as they are: a module, a `Record`, a dict name → tensor or array, a list.

        Raises ``ValueError`` where names or shapes are not those of the first update, ``RuntimeError`` inside
        `applied`; nothing is changed then.
        """
        if self._lent:
            raise RuntimeError("update: the averaged weights are in the model now; leave the applied block first")
        tensors = _tensors(source, self.buffers)
        if self.count:
            _check_like(self._kept(), tensors)
        with torch.no_grad():
            self._take(tensors)
        self.count += 1

    def follow(
        self, optimizer: torch.optim.Optimizer, model: torch.nn.Module | None = None, start: int = 0, every: int = 1
    ) -> _Following:
        """Update from ``model`` after steps start + every, start + 2·every, … of ``optimizer``, counted from 1.

        Without a model, from the list of the parameters that the optimizer has now (parameters added later are not
        averaged, which is said by a warning when it has others); then `applied` takes such a list, too. A step that
        mixed precision skips, or that torch.distributed.checkpoint makes with rate 0, does not count. A wrapper that
        only hands its steps on is followed to what it wraps. Copies of optimizer and average follow nothing. Returns a
        handle; ``handle.remove()`` ends it.

        >>> model = torch.nn.Linear(1, 1)
        >>> optimizer, ema = torch.optim.SGD(model.parameters(), lr=0.1), EMA(0.9)
        >>> handle = ema.follow(optimizer, model, start=2, every=3)
        >>> for _ in range(9):
        ...     optimizer.step()
        >>> ema.count, ema.steps                                                     # after steps 5 and 8
        (2, 9)
        """
        start, every, optimizer = whole("start", start, least=0), whole("every", every), stepped(optimizer)
        if model is not None:
            _tensors(model, self.buffers)
        return _Following(self, optimizer, model, start, every=every)

    @property
    def values(self) -> dict[str, Any]:
        """The average, {name: tensor}, in the dtype of what was averaged; ``ValueError`` before the first update."""
        if not self.count:
            raise ValueError("values: nothing was averaged yet; call update first")
        return {name: value.to(self._dtypes[name]) for name, value in self._mean().items()}

    @contextlib.contextmanager
    def applied(self, model: Lent) -> Iterator[Lent]:
        """Lend the average to ``model`` (a module or a list of tensors) inside a ``with`` block, whose target it is.

        At its end all parameters and buffers are what they were, also after an exception and after
        `update_batch_norm` inside. Raises ``ValueError`` if the model has other names or shapes or nothing was
        averaged.
        """
        values, own = self.values, _tensors(model, True)
        if self._lent:
            raise RuntimeError("applied: the averaged weights are in a model already")
        _check_like(values, _tensors(model, self.buffers))
        kept = {name: tensor.detach().clone() for name, tensor in own.items()}
        try:
            self._lent = True
            _fill(own, values)
            yield model
        finally:
            _fill(own, kept)
            self._lent = False

    def over(self, sources: Iterable[torch.nn.Module | Record | Weights | Sequence[torch.Tensor]]) -> dict[str, Any]:
        """The average of a sequence of modules, records or dicts, {name: tensor or array}, from a fresh start.

        Stacked weights [L, …] are averaged lane by lane. This object stays as it is.

        >>> SWA().over([{"w": np.array([1.0, 4.0])}, {"w": np.array([3.0, 8.0])}])
        {'w': array([2., 6.])}
        """
        fresh, arrays = type(self)(**self._settings()), set()
        for source in sources:
            fresh.update(source)
            arrays.update(_array_names(source))
        return {name: v.cpu().numpy() if name in arrays else v for name, v in fresh.values.items()}

    def _take(self, tensors):
        raise NotImplementedError("use EMA, SWA or LAWA")

    def state_dict(self) -> State:
        """What `load_state_dict` needs to go on: kind, settings, counters, and copies of the tensors."""
        return {
            "kind": type(self).__name__,
            "settings": self._settings(),
            "count": self.count,
            "steps": self.steps,
            "tensors": copy.deepcopy(self._held()),
            "dtypes": dict(self._dtypes) if self.count else {},
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from a `state_dict`.

        Raises ``ValueError`` for one of another kind of average or with other settings, changing nothing.
        """
        kind = state.get("kind") if isinstance(state, dict) else state
        if kind != type(self).__name__ or not _STATE <= set(state):
            raise ValueError(
                f"state must be that of {type(self).__name__}, with {', '.join(sorted(_STATE))}; got {kind!r}"
            )
        if state["settings"] != self._settings():
            ours, theirs = _called(kind, self._settings()), _called(kind, state["settings"])
            raise ValueError(f"state must be that of {ours}; got one of {theirs}")
        self.count, self.steps, self._dtypes = state["count"], state["steps"], dict(state["dtypes"])
        self._hold(copy.deepcopy(state["tensors"]))


class _Following:
    """An average that is updated by the steps of an optimizer, until ``remove()``."""

    def __init__(self, average, optimizer, model, start, every):
        self.average, self.model, self.start, self.every = average, model, start, every
        self.parameters, self.begun = _parameters(optimizer), False
        self.hooks = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def remove(self) -> None:
        """Follow no more; a second call does nothing."""
        for hook in self.hooks:
            hook.remove()

    def _before(self, optimizer, args, kwargs):
        self.begun = not rehearsed(optimizer)

    def _after(self, optimizer, args, kwargs):
        if not self.begun or skipped(optimizer):
            return
        self.begun = False  # a subclass whose step calls its parent's comes here twice
        average = self.average
        if average.steps >= self.start and (average.steps + 1 - self.start) % self.every == 0:
            average.update(self._source(optimizer))
        average.steps += 1

    def _source(self, optimizer):
        if self.model is not None:
            return self.model
        now = _parameters(optimizer)
        if len(now) != len(self.parameters) or any(a is not b for a, b in zip(now, self.parameters)):
            warnings.warn(
                f"the optimizer has other parameters than when follow was called: the average stays that of those "
                f"{len(self.parameters)}; give follow the model, whose weights are all averaged",
                stacklevel=2,
            )
        return self.parameters


def _parameters(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


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


def _called(kind, settings):
    return f"{kind}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"


def _tensors(source, buffers):
    """{name: detached tensor} of a module, a record, a dict or a list, whose names are the places."""
    if isinstance(source, torch.nn.Module):
        if is_lazy(source):
            raise ValueError("source has lazy layers without weights yet; call the network on one batch before")
        named = dict(source.named_parameters()) | (dict(source.named_buffers()) if buffers else {})
        if not named:
            raise ValueError(f"source must have weights to average; got {type(source).__name__} without any")
        return _plainly({name: tensor.detach() for name, tensor in named.items()}, dict(source.named_parameters()))
    source = getattr(source, "parameters", source)
    if isinstance(source, (list, tuple)):
        source = {str(place): value for place, value in enumerate(source)}
    if not isinstance(source, dict) or not source:
        raise TypeError(
            "source must be a module, a Record, a dict name → tensor or a list of tensors, not empty; "
            f"got {type(source).__name__}"
        )
    return _plainly({name: torch.as_tensor(value).detach() for name, value in source.items()}, source)


def _array_names(source):
    """Names of what is a NumPy array in ``source``."""
    source = getattr(source, "parameters", source)
    if not isinstance(source, dict):
        return []
    return [name for name, value in _plainly(source, source).items() if isinstance(value, np.ndarray)]


def _plainly(named, weights):
    """``named`` without what wrappers put into names; "module." before all names of ``weights`` is a wrapper's.

    >>> _plainly({"module._orig_mod.0.weight": 1, "module._orig_mod.0.bias": 2}, ["module._orig_mod.0.weight"])
    {'0.weight': 1, '0.bias': 2}
    """
    first = [_unwrapped(name) for name in weights]
    prefix = ""
    while first and all(name.startswith(prefix + "module.") for name in first):
        prefix += "module."
    found = {_unwrapped(name).removeprefix(prefix): value for name, value in named.items()}
    if len(found) < len(named):
        raise ValueError(f"source: two weights have one name without what wrappers add: {', '.join(named)}")
    return found


def _unwrapped(name):
    return ".".join(part for part in str(name).split(".") if part not in _WRAPPING)


def _check_like(known, tensors):
    """Raise ``ValueError`` unless names and shapes are the known ones."""
    wanted, given = ({n: tuple(t.shape) for n, t in named.items()} for named in (known, tensors))
    if wanted != given:
        name = next(n for n in [*wanted, *given] if wanted.get(n) != given.get(n))
        raise ValueError(
            f"weights must be those averaged so far: {name!r} had shape {wanted.get(name, 'none')}, now "
            f"{given.get(name, 'none')}"
        )


@torch.no_grad()
def _fill(tensors, values):
    for name, value in values.items():
        tensors[name].copy_(value)


def update_batch_norm(model: torch.nn.Module, batches: Iterable[torch.Tensor | Sequence[torch.Tensor]]) -> None:
    """Measure the statistics of all batch-normalisation layers anew: plain means over the batches.

    Averaged weights never ran together, so the running statistics of none of them fit. The layers are reset and see
    every batch once in training mode; all else is in evaluation mode, so that the statistics are those of the network
    that will be evaluated (no dropout) and no random number is drawn. Every batch counts alike. Modes and momenta are
    put back; so are the statistics if a batch fails.

    Args:
        model: a module, on its device; batches are moved there.
        batches: iterable of x, or of (x, …), whose first entry is the input.

    Raises:
        ValueError, TypeError: there is no batch; something that is no module.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.BatchNorm1d(1))
        >>> update_batch_norm(model, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
        >>> model[0].running_mean, model[0].running_var                           # (2 + 6)/2 and (2 + 2)/2
        (tensor([4.]), tensor([2.]))

    Source: Izmailov et al. (2018), section 3.2; PyTorch's `update_bn`, which keeps dropout on.
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not layers:
        return
    modes, momenta = [(m, m.training) for m in model.modules()], [(m, m.momentum) for m in layers]
    kept = [{name: b.clone() for name, b in m.named_buffers()} for m in layers]
    try:
        model.eval()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
        _pass(model, batches)
    except BaseException:
        for layer, buffers in zip(layers, kept):
            _fill(dict(layer.named_buffers()), buffers)
        raise
    finally:
        for module, mode in modes:
            module.training = mode
        for layer, momentum in momenta:
            layer.momentum = momentum


@torch.no_grad()
def _pass(model, batches):
    device, seen = next(iter(model.state_dict().values())).device, False
    for batch in batches:
        model(moved(batch[0] if isinstance(batch, (tuple, list)) else batch, device))
        seen = True
    if not seen:
        raise ValueError("batches: there is none, so there are no statistics")
