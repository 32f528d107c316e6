"""What all averages share: updates, the loan to a model, states."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING

import torch

from ..._base.arguments import flag, whole
from ..._base.groups import stepped
from .following import Following
from .weights import array_names, check_like, fill, tensors_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any
    from ..._types import Lent, State, Weights
    from ...runs.record import Record

_STATE = {"kind", "settings", "count", "steps", "tensors", "dtypes"}


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
        >>> from lrlib import SWA
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
        tensors = tensors_of(source, self.buffers)
        if self.count:
            check_like(self._kept(), tensors)
        with torch.no_grad():
            self._take(tensors)
        self.count += 1

    def follow(
        self, optimizer: torch.optim.Optimizer, model: torch.nn.Module | None = None, start: int = 0, every: int = 1
    ) -> Following:
        """Update from ``model`` after steps start + every, start + 2·every, … of ``optimizer``, counted from 1.

        Without a model, from the list of the parameters that the optimizer has now (parameters added later are not
        averaged, which is said by a warning when it has others); then `applied` takes such a list, too. A step that
        mixed precision skips, or that torch.distributed.checkpoint makes with rate 0, does not count. A wrapper that
        only hands its steps on is followed to what it wraps. Copies of optimizer and average follow nothing. Returns a
        handle; ``handle.remove()`` ends it.

        >>> from lrlib import EMA
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
            tensors_of(model, self.buffers)
        return Following(self, optimizer, model, start, every=every)

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
        values, own = self.values, tensors_of(model, True)
        if self._lent:
            raise RuntimeError("applied: the averaged weights are in a model already")
        check_like(values, tensors_of(model, self.buffers))
        kept = {name: tensor.detach().clone() for name, tensor in own.items()}
        try:
            self._lent = True
            fill(own, values)
            yield model
        finally:
            fill(own, kept)
            self._lent = False

    def over(self, sources: Iterable[torch.nn.Module | Record | Weights | Sequence[torch.Tensor]]) -> dict[str, Any]:
        """The average of a sequence of modules, records or dicts, {name: tensor or array}, from a fresh start.

        Stacked weights [L, …] are averaged lane by lane. This object stays as it is.

        >>> import numpy as np
        >>> from lrlib import SWA
        >>> SWA().over([{"w": np.array([1.0, 4.0])}, {"w": np.array([3.0, 8.0])}])
        {'w': array([2., 6.])}
        """
        fresh, arrays = type(self)(**self._settings()), set()
        for source in sources:
            fresh.update(source)
            arrays.update(array_names(source))
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


def _called(kind, settings):
    return f"{kind}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"
