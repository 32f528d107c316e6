"""Random streams of a run: what a seed fixes, and how.

One seed fixes three things, each from a source of its own, so that none depends on the others, on the device, on
other runs, or on how often it is asked:

* the *initial weights*: ``task.model()`` is called with PyTorch's CPU generator set to the seed;
* the *batch order*: an endless sequence of permutations of the training set, one an epoch. Step t takes places
  t·b … (t + 1)·b − 1 of it. All batches have b examples; a batch at a joint of two epochs takes from both;
* the *gradient noise*: standard normal numbers, one a parameter and step.

A block of a stream is found from ``(seed, name, block)`` alone: a run resumes at any step with no generator to store.
The caller's own random state is never touched.

All seeds count from one origin, 0 (`seeds_from`): another one moves everything that is drawn to other numbers, data,
weights, orders and noise alike, and the keys under which drawn data are kept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from typing import TYPE_CHECKING

import torch

from .arguments import LARGEST_SEED, having, module, precision_of, shown, whole
from .device import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from .._types import P, R
    from ..tasks.task import Task

__all__ = [
    "Noise",
    "Order",
    "generator",
    "initial_model",
    "is_lazy",
    "materialise",
    "moved",
    "numbered",
    "origin",
    "random_state",
    "remembered",
    "seeded",
    "seeds_from",
]

_origin = 0


def origin() -> int:
    """The origin that seeds count from: 0, or that of `seeds_from`.

    >>> with seeds_from(7):
    ...     origin()
    7
    """
    return _origin


@contextlib.contextmanager
def seeds_from(number: int) -> Iterator[None]:
    """Count all seeds from another origin inside the block, in every thread of the process.

    The same seeds then stand for other numbers: those of two origins are as independent as those of two seeds. Origin
    0 is what holds outside. A task belongs to the origin it was made in: make and run it inside the same block. Parts
    of a sweep in other processes (``jobs``) count from it too, and so does a run made inside the block whose steps
    are asked for later (`lrlib.steps`, `lrlib.sweep_steps`).

    number: a whole number, 0 or larger; ``TypeError``/``ValueError`` otherwise.

    >>> def drawn():
    ...     return torch.rand(2, generator=generator(3, "noise")).tolist()
    >>> usual = drawn()
    >>> with seeds_from(1000):
    ...     drawn() == usual
    False
    >>> drawn() == usual
    True
    """
    global _origin
    before, _origin = _origin, whole("seeds_from", number, 0)
    try:
        yield
    finally:
        _origin = before


def counting_from(number, events):
    """The same generator, whose seeds count from an origin while it is at work; its caller's origin stays as it is.

    >>> def origins():
    ...     while True:
    ...         yield origin()
    >>> next(counting_from(7, origins())), origin()
    (7, 0)
    """
    sent = None
    with contextlib.closing(events):
        while True:
            with seeds_from(number):
                try:
                    event = events.send(sent)
                except StopIteration as end:
                    return end.value
            sent = yield event


def moved(seed: int, stream: str = "") -> int:
    """The number that stands for a seed where a library wants a number: below 2⁶³, and at origin 0 the seed itself.

    ``stream`` tells apart what one seed is used for.

    >>> moved(7)
    7
    >>> with seeds_from(1):
    ...     moved(7) == moved(7, "data"), moved(7) == moved(8), 0 <= moved(7) < 2**63
    (False, False, True)
    """
    seed = whole("seed", seed, 0, LARGEST_SEED)
    return seed if _origin == 0 else _hashed(f"{seed}/{stream}")


def _hashed(text):
    text = text if _origin == 0 else f"{_origin}|{text}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def remembered(maxsize: int | None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`functools.lru_cache` for functions that draw: what another origin gave is not handed out.

    >>> @remembered(maxsize=8)
    ... def first(seed):
    ...     return torch.rand(1, generator=generator(seed, "example")).item()
    >>> usual = first(0)
    >>> with seeds_from(5):
    ...     first(0) == usual
    False
    """

    def decorate(function):
        @functools.lru_cache(maxsize)
        def known(_, *arguments, **options):
            return function(*arguments, **options)

        @functools.wraps(function)
        def asked(*arguments, **options):
            return known(_origin, *arguments, **options)

        asked.cache_clear = known.cache_clear
        return asked

    return decorate


def numbered(seed: int) -> torch.Generator:
    """Return a CPU ``torch.Generator`` that is seeded with the number of a seed itself (`moved`).

    For what is drawn once; whatever belongs to a run has a named stream (`generator`).

    >>> bool(torch.rand(1, generator=numbered(4)) == torch.rand(1, generator=torch.Generator().manual_seed(4)))
    True
    """
    return torch.Generator().manual_seed(moved(seed))


def generator(seed: int, stream: str, block: int = 0) -> torch.Generator:
    """Return a CPU ``torch.Generator`` for one block of a named stream.

    ``seed`` and ``block`` are whole numbers of at least 0, ``stream`` is a text; ``TypeError`` or ``ValueError``
    otherwise.

    >>> a, b = (torch.rand(1, generator=generator(3, "noise", 7)) for _ in range(2))
    >>> bool(a == b)
    True
    """
    if not isinstance(stream, str):
        raise TypeError(f"stream must be a text; got {shown(stream)}")
    seed, block = whole("seed", seed, 0, LARGEST_SEED), whole("block", block, 0)
    return torch.Generator().manual_seed(_hashed(f"{seed}/{stream}/{block}"))


@contextlib.contextmanager
def seeded(seed: int | torch.Generator, device: str | torch.device = "cpu") -> Iterator[None]:
    """Set PyTorch's CPU generator to ``seed`` inside the block and put the caller's state back afterwards.

    A CUDA or MPS ``device`` has a generator of its own, which is treated alike. Of a ``torch.Generator`` in the place
    of a seed the number is taken that it was seeded with.

    >>> before = torch.get_rng_state()
    >>> with seeded(0):
    ...     _ = torch.rand(3)
    >>> bool((torch.get_rng_state() == before).all())
    True
    """
    device = _device(device)
    cuda = [device.index or 0] if device.type == "cuda" else []
    number = seed.initial_seed() if isinstance(seed, torch.Generator) else moved(seed, "weights")
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(number)
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(number)
        with _seeded_mps(number) if device.type == "mps" else contextlib.nullcontext():
            yield


def _device(device):
    return device if isinstance(device, torch.device) else choose(device)


@contextlib.contextmanager
def _seeded_mps(number):
    before = torch.mps.get_rng_state()
    torch.mps.manual_seed(number)
    try:
        yield
    finally:
        torch.mps.set_rng_state(before)


def random_state(device: str | torch.device = "cpu") -> list[torch.Tensor]:
    """PyTorch's random state as tensors: that of the CPU, and that of ``device`` where it has one of its own.

    >>> before = random_state()
    >>> bool((before[0] == random_state()[0]).all())
    True
    """
    device = _device(device)
    own = {"cuda": lambda: [torch.cuda.get_rng_state(device)], "mps": lambda: [torch.mps.get_rng_state()]}
    return [torch.get_rng_state(), *own.get(device.type, list)()]


def initial_model(
    task: Task, seed: int, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu"
) -> torch.nn.Module:
    """Return ``task.model()`` with the weights of ``seed``, moved to ``dtype`` and ``device``, in training mode.

    Lazy layers have their shapes and weights then (`materialise`). Raises ``TypeError`` or ``ValueError`` for what is
    no task, no seed, no floating-point dtype, and for a device that is not there.

    >>> from types import SimpleNamespace
    >>> task = SimpleNamespace(model=lambda: torch.nn.Linear(2, 1))
    >>> bool((initial_model(task, seed=3).weight == initial_model(task, seed=3).weight).all())
    True
    """
    having("task", task, ("model",), "a lrlib.Task")
    device, dtype = choose(device), precision_of("dtype", dtype)
    with seeded(seed):
        model = task.model()
        materialise(model, task, seed)
    return model.to(device=device, dtype=dtype).train()


def is_lazy(model: torch.nn.Module) -> bool:
    """Whether a network has parameters or buffers without a shape yet, as ``nn.LazyLinear`` before its first use.

    >>> is_lazy(torch.nn.LazyLinear(2)), is_lazy(torch.nn.Linear(3, 2))
    (True, False)
    """
    module("model", model)
    return any(map(torch.nn.parameter.is_lazy, (*model.parameters(), *model.buffers())))


@torch.no_grad()
def materialise(model: torch.nn.Module, task: Task, seed: int) -> None:
    """Give lazy layers their shapes, by two training examples; their weights come from the generator as it stands.

    >>> from types import SimpleNamespace
    >>> task = SimpleNamespace(model=lambda: torch.nn.LazyLinear(2), train_for=lambda seed: (torch.zeros(9, 3), None))
    >>> one, other = (initial_model(task, seed).weight for seed in (3, 4))
    >>> one.shape, bool((one == other).all())
    (torch.Size([2, 3]), False)
    """
    if is_lazy(model):
        x = task.train_for(seed)[0][:2]
        model.eval()  # so that the layers behind draw nothing and keep their statistics
        model(x.to(torch.get_default_dtype()) if x.is_floating_point() else x)


def _span(start, stop):
    """The steps ``start`` … ``stop`` − 1 as two ints."""
    start = whole("start", start, 0)
    return start, whole("stop", stop, start)


class Order:
    """Batch order of one seed: ``order.rows(start, stop)`` → int64 tensor [stop − start, b] of indices below n.

    >>> order = Order(seed=0, n=5, batch=2)
    >>> order.rows(0, 5).flatten().sort().values.tolist()       # five batches of two = two epochs of five
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    """

    def __init__(self, seed: int, n: int, batch: int) -> None:
        self.seed, self.n, self.batch = whole("seed", seed, 0, LARGEST_SEED), whole("n", n), whole("batch", batch)
        if batch > n:
            raise ValueError(f"batch must be between 1 and the {n} training examples; got {batch}")
        self._epochs = {}

    def _epoch(self, e):
        if e not in self._epochs:
            self._epochs = {k: v for k, v in self._epochs.items() if k >= e - 1}
            self._epochs[e] = torch.randperm(self.n, generator=generator(self.seed, "order", e))
        return self._epochs[e]

    def rows(self, start: int, stop: int) -> torch.Tensor:
        """Indices of the batches of steps ``start`` … ``stop − 1``."""
        start, stop = _span(start, stop)
        low, high = start * self.batch, stop * self.batch
        first = low // self.n
        epochs = torch.cat([self._epoch(e) for e in range(first, max(first + 1, -(-high // self.n)))])
        return epochs[low - first * self.n : high - first * self.n].view(-1, self.batch)


class Noise:
    """Gradient noise of one seed: ``noise.rows(start, stop)`` → float32 tensor [stop − start, size], N(0, 1).

    ``size`` is the number of parameters, all in one row, in the order of ``model.named_parameters()``.

    >>> noise = Noise(seed=0, size=3)
    >>> bool((noise.rows(0, 9)[5:7] == noise.rows(5, 7)).all())
    True
    """

    def __init__(self, seed: int, size: int) -> None:
        self.seed, self.size = whole("seed", seed, 0, LARGEST_SEED), whole("size", size)
        self.length = max(1, min(512, 2**16 // size))
        self._blocks = {}

    def _block(self, k):
        if k not in self._blocks:
            self._blocks[k] = torch.randn(self.length, self.size, generator=generator(self.seed, "noise", k))
        return self._blocks[k]

    def rows(self, start: int, stop: int) -> torch.Tensor:
        """Noise of steps ``start`` … ``stop − 1``."""
        start, stop = _span(start, stop)
        first = start // self.length
        self._blocks = {k: v for k, v in self._blocks.items() if k >= first}
        blocks = torch.cat([self._block(k) for k in range(first, max(first + 1, -(-stop // self.length)))])
        return blocks[start - first * self.length : stop - first * self.length]
