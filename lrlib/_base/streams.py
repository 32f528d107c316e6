"""Random streams of a run: what a seed fixes, and how.

One seed fixes three things, each from a source of its own, so that none depends on the others, on the device, on
other runs, or on how often it is asked:

* the *initial weights*: ``task.model()`` is called with PyTorch's CPU generator set to the seed;
* the *batch order*: an endless sequence of permutations of the training set, one an epoch. Step t takes places
  t·b … (t + 1)·b − 1 of it. All batches have b examples; a batch at a joint of two epochs takes from both;
* the *gradient noise*: standard normal numbers, one a parameter and step.

A block of a stream is found from ``(seed, name, block)`` alone: a run resumes at any step with no generator to store.
The caller's own random state is never touched.
"""

import contextlib
import hashlib

import torch

__all__ = ["Noise", "Order", "generator", "initial_model", "random_state", "seeded"]


def generator(seed, stream, block=0):
    """Return a CPU ``torch.Generator`` for one block of a named stream.

    >>> a, b = (torch.rand(1, generator=generator(3, "noise", 7)) for _ in range(2))
    >>> bool(a == b)
    True
    """
    digest = hashlib.blake2b(f"{int(seed)}/{stream}/{int(block)}".encode("ascii"), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


@contextlib.contextmanager
def seeded(seed, device="cpu"):
    """Set PyTorch's CPU generator to ``seed`` inside the block and put the caller's state back afterwards.

    A CUDA or MPS ``device`` has a generator of its own, which is treated alike.

    >>> before = torch.get_rng_state()
    >>> with seeded(0):
    ...     _ = torch.rand(3)
    >>> bool((torch.get_rng_state() == before).all())
    True
    """
    device = torch.device(device)
    cuda = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(int(seed))
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(int(seed))
        with _seeded_mps(seed) if device.type == "mps" else contextlib.nullcontext():
            yield


@contextlib.contextmanager
def _seeded_mps(seed):
    before = torch.mps.get_rng_state()
    torch.mps.manual_seed(int(seed))
    try:
        yield
    finally:
        torch.mps.set_rng_state(before)


def random_state(device="cpu"):
    """PyTorch's random state as tensors: that of the CPU, and that of ``device`` where it has one of its own.

    >>> before = random_state()
    >>> bool((before[0] == random_state()[0]).all())
    True
    """
    device = torch.device(device)
    own = {"cuda": lambda: [torch.cuda.get_rng_state(device)], "mps": lambda: [torch.mps.get_rng_state()]}
    return [torch.get_rng_state(), *own.get(device.type, list)()]


def initial_model(task, seed, dtype=torch.float32, device="cpu"):
    """Return ``task.model()`` with the weights of ``seed``, moved to ``dtype`` and ``device``, in training mode.

    >>> from types import SimpleNamespace
    >>> task = SimpleNamespace(model=lambda: torch.nn.Linear(2, 1))
    >>> bool((initial_model(task, seed=3).weight == initial_model(task, seed=3).weight).all())
    True
    """
    with seeded(seed):
        model = task.model()
    return model.to(device=device, dtype=dtype).train()


class Order:
    """Batch order of one seed: ``order.rows(start, stop)`` → int64 tensor [stop − start, b] of indices below n.

    >>> order = Order(seed=0, n=5, batch=2)
    >>> order.rows(0, 5).flatten().sort().values.tolist()       # five batches of two = two epochs of five
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    """

    def __init__(self, seed, n, batch):
        if not 1 <= batch <= n:
            raise ValueError(f"batch must be between 1 and the {n} training examples; got {batch}")
        self.seed, self.n, self.batch = seed, n, batch
        self._epochs = {}

    def _epoch(self, e):
        if e not in self._epochs:
            self._epochs = {k: v for k, v in self._epochs.items() if k >= e - 1}
            self._epochs[e] = torch.randperm(self.n, generator=generator(self.seed, "order", e))
        return self._epochs[e]

    def rows(self, start, stop):
        """Indices of the batches of steps ``start`` … ``stop − 1``."""
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

    def __init__(self, seed, size):
        self.seed, self.size = seed, size
        self.length = max(1, min(512, 2**16 // size))
        self._blocks = {}

    def _block(self, k):
        if k not in self._blocks:
            self._blocks[k] = torch.randn(self.length, self.size, generator=generator(self.seed, "noise", k))
        return self._blocks[k]

    def rows(self, start, stop):
        """Noise of steps ``start`` … ``stop − 1``."""
        first = start // self.length
        self._blocks = {k: v for k, v in self._blocks.items() if k >= first}
        blocks = torch.cat([self._block(k) for k in range(first, max(first + 1, -(-stop // self.length)))])
        return blocks[start - first * self.length : stop - first * self.length]
