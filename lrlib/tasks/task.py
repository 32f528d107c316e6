"""A task: data + model + loss + metric."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, Subset, SubsetRandomSampler
from torch.utils.data import default_collate

from .._base.arguments import MOST_EXAMPLES, number, shown, tensor_of, whole
from .._base.streams import generator, seeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PENALISED = ("weights", "all")
READ_TWICE = 16  # examples of a Dataset, to see whether it gives the same for an index each time


@dataclass
class Task:
    """What is to be learned: data, a network, its loss, its metric, the size of a batch and the length of a run.

    name: a word for titles and files.
    model: a function without arguments that returns a fresh ``nn.Module``; its weights come from PyTorch's global
        generator, which the run seeds. Of a network that is there already it returns a ``copy.deepcopy``.
    train: ``(x, y)`` tensors; or a function ``seed -> (x, y)`` that draws a training set for each seed; or a
        ``DataLoader`` or ``Dataset``, read once into tensors (of a ``Subset`` or ``SubsetRandomSampler`` its part).
        A run makes its own batches, so a loader that does more than draw the examples is refused, and so is a Dataset
        that draws at random: random changes belong into ``augment``.
    valid, test: ``(x, y)`` or None.
    loss, metric: functions ``(output, y) -> scalar``, of the outputs of a batch or of a whole set. A metric may raise
        on outputs with which the loss is not finite, as those of scikit-learn do on nan: it counts as nan there.
    batch: examples a step; None for the full training set.
    steps: steps of a run when the caller names none.
    noise: standard deviation of Gaussian noise added to every gradient; or a function ``x -> tensor`` like x that
        works entry by entry.
    metric_name: what ``metric`` measures; by default "accuracy" for `accuracy` and `binary_accuracy`, of another
        function its own name, and "metric" of one without. "accuracy" and "share in the deeper well" are best high,
        "distance" and "loss gap" best low; where it matters, the caller says it of any other name (``lowest`` of
        `large_rate`).
    optimum: where it is known, what the best loss is (a number), for ``loss − optimum``.
    details: anything else that belongs to the task, such as the true weights.
    augment: None, or a function ``(x, generator) -> x`` of the same shape and dtype, applied to each training batch
        and never to an evaluation (`lrlib.Images`); ``generator`` is a CPU ``torch.Generator`` (`augmented`).
    l1, l2: strength of the penalties l1·Σ|w| + ½·l2·Σw² added to the loss that is trained (`objective`); for plain
        gradient descent ``l2`` is the same as ``weight_decay``.
    penalise: "weights", the parameters with at least two axes (no biases, no batch-norm scales), or "all".
    project: None, or a pure function ``{name: tensor} -> {name: tensor}`` of the parameters of one run, applied
        without gradient to the weights that a run starts from and after every update: a set that they may not leave.

    Raises ``TypeError``/``ValueError`` naming the field at fault.

    >>> x = torch.randn(50, 3); y = (x.sum(1) > 0).long()
    >>> task = Task("mine", lambda: nn.Linear(3, 2), (x, y), None, (x, y), nn.functional.cross_entropy, accuracy,
    ...             batch=10, steps=100)
    >>> [tuple(t.shape) for t in task.train_for(seed=0)]
    [(50, 3), (50,)]
    """

    name: str
    model: Callable[[], nn.Module]
    train: Any
    valid: Any
    test: Any
    loss: Callable
    metric: Callable
    batch: int | None
    steps: int
    noise: Any = 0.0
    metric_name: str | None = None
    optimum: float | None = None
    details: dict = field(default_factory=dict)
    augment: Callable | None = None
    l1: float = 0.0
    l2: float = 0.0
    penalise: str = "weights"
    project: Callable | None = None

    def __post_init__(self):
        if self.metric_name is None or isinstance(self.metric_name, _OwnName):
            self.metric_name = _OwnName(_name_of(self.metric))
        for name in ("name", "metric_name"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"task: {name} must be a text; got {getattr(self, name)!r}")
        self._check_functions()
        for name in ("train", "valid", "test"):
            what = f"task {self.name!r}: {name}"
            setattr(self, name, _tensors(what, getattr(self, name)))
            if not (name == "train" and self.fresh) and not (name != "train" and getattr(self, name) is None):
                check_pair(what, getattr(self, name))
        self._check_numbers()

        if not isinstance(self.details, dict):
            raise TypeError(f"task {self.name!r}: details must be a dict; got {self.details!r}")

    def _check_functions(self):
        for name in ("model", "loss", "metric", "augment", "project"):
            if not callable(getattr(self, name)) and not (
                name in ("augment", "project") and getattr(self, name) is None
            ):
                raise TypeError(f"task {self.name!r}: {name} must be callable; got {shown(getattr(self, name))}")
        if isinstance(self.model, nn.Module):
            raise TypeError(
                f"task {self.name!r}: model must be a function that builds a fresh network for each run; got the "
                f"network {type(self.model).__name__} itself: write lambda: {type(self.model).__name__}(…)"
            )

    def _check_numbers(self):
        self.steps = whole(f"task {self.name!r}: steps", self.steps)
        if self.batch is not None:
            most = MOST_EXAMPLES if self.fresh else max(MOST_EXAMPLES, len(self.train[0]))
            self.batch = whole(f"task {self.name!r}: batch", self.batch, most=most)
        if not callable(self.noise):
            number(f"task {self.name!r}: noise", self.noise)
        if self.optimum is not None:
            number(f"task {self.name!r}: optimum", self.optimum, least=-math.inf)
        self.l1, self.l2 = (number(f"task {self.name!r}: {name}", getattr(self, name)) for name in ("l1", "l2"))
        if not isinstance(self.penalise, str) or self.penalise not in PENALISED:
            raise ValueError(f'task {self.name!r}: penalise must be "weights" or "all"; got {shown(self.penalise)}')

    @property
    def fresh(self) -> bool:
        """Whether each seed draws a training set of its own."""
        return callable(self.train)

    def train_for(self, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the training set ``(x, y)`` of a seed; what its function draws from PyTorch is from that seed too."""
        if not callable(self.train):
            return self.train
        with seeded(seed):
            pair = self.train(seed)
        check_pair(f"task {self.name!r}: train, as drawn for seed {seed},", pair)
        return pair

    def augmented(self, x: torch.Tensor, seed: int, t: int) -> torch.Tensor:
        """The batch inputs x [b, …] that step t (from 0) of this seed trains on: x itself without `augment`.

        The random numbers come from the stream ``(seed, "augment", t)`` alone, so every run and every sweep lane of
        a seed trains on the same inputs, and a resumed run goes on with them. Raises ``ValueError`` where `augment`
        changed shape or dtype.

        >>> task = Task("mine", lambda: nn.Linear(2, 1), (torch.zeros(4, 2), torch.zeros(4)), None, None, nn.MSELoss(),
        ...             nn.MSELoss(), batch=2, steps=9, augment=lambda x, g: x + torch.randn(x.shape, generator=g))
        >>> one, other = (task.augmented(torch.zeros(2, 2), seed=3, t=5) for _ in range(2))
        >>> bool((one == other).all())
        True
        """
        if self.augment is None:
            return x
        own = generator(seed, "augment", t)
        with seeded(own, x.device):  # for a function that leaves the generator aside
            new = self.augment(x, own)
        if not isinstance(new, torch.Tensor) or new.shape != x.shape or new.dtype != x.dtype:
            got = f"{tuple(new.shape)} {new.dtype}" if isinstance(new, torch.Tensor) else type(new).__name__
            raise ValueError(f"task {self.name!r}: augment must keep shape {tuple(x.shape)} and {x.dtype}; gave {got}")
        return new

    @property
    def penalised(self) -> bool:
        """Whether `objective` differs from `loss`."""
        return self.l1 > 0 or self.l2 > 0

    def penalty(self, parameters: Mapping[str, torch.Tensor] | Iterable[torch.Tensor]) -> torch.Tensor | float:
        """l1·Σ|w| + ½·l2·Σw² over ``parameters`` (dict name → tensor, or tensors): → 0-D tensor, or 0.0 without any.

        A function of tensors alone, so that it can be differentiated and batched over sweep lanes.

        >>> task = Task("mine", lambda: nn.Linear(2, 1), (torch.zeros(4, 2), torch.zeros(4)), None, None, nn.MSELoss(),
        ...             nn.MSELoss(), batch=2, steps=9, l1=0.1, l2=1.0)
        >>> task.penalty({"weight": torch.tensor([[3.0, -1.0]]), "bias": torch.tensor([7.0])})
        tensor(5.4000)
        """
        values = parameters.values() if isinstance(parameters, dict) else parameters
        chosen = [p for p in values if self.penalise == "all" or p.ndim > 1] if self.penalised else []
        total = 0.0
        for p in chosen:
            total = total + self.l1 * p.abs().sum() if self.l1 else total
            total = total + 0.5 * self.l2 * p.square().sum() if self.l2 else total
        return total

    def objective(
        self, output: torch.Tensor, y: torch.Tensor, parameters: Mapping[str, torch.Tensor] | Iterable[torch.Tensor]
    ) -> torch.Tensor:
        """What a training step minimises: ``loss(output, y)``, plus `penalty` where the task has one.

        Batch losses of a run are values of it; evaluations report `loss` alone.
        """
        loss = self.loss(output, y)
        return loss + self.penalty(parameters) if self.penalised else loss

    def __repr__(self):
        return f"<task {self.name}: batch {self.batch or 'full'}, {self.steps} steps>"


def _examples(what, loader):
    """The dataset behind a loader, or the part of it that its sampler is limited to."""
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    if type(sampler) not in (RandomSampler, SequentialSampler, SubsetRandomSampler):
        raise ValueError(
            f"{what}: a DataLoader must draw all of its dataset, or a subset of it, each example alike; got "
            f"sampler {type(sampler).__name__}: pass the Dataset that a run should see"
        )
    skipped = {
        "batch_size=None": loader.batch_sampler is None,
        "batch_sampler": type(loader.batch_sampler) not in (BatchSampler, type(None)),
        "collate_fn": loader.batch_sampler is not None and loader.collate_fn is not default_collate,
        "replacement": getattr(sampler, "replacement", False),
    }
    if found := [name for name, own in skipped.items() if own]:
        raise ValueError(
            f"{what}: a run makes its own batches of single examples, so {', '.join(found)} of the DataLoader would "
            "have no effect; do its work in the Dataset, or in augment where it is random"
        )
    if isinstance(sampler, SubsetRandomSampler):
        return Subset(loader.dataset, sampler.indices)
    return loader.dataset


def _tensors(what, data):
    """Read a ``DataLoader`` or ``Dataset`` into ``(x, y)``; leave pairs, functions and None as they are."""
    data = _examples(what, data) if isinstance(data, DataLoader) else data
    if isinstance(data, list):
        return tuple(data)
    if callable(data) or isinstance(data, (tuple, torch.Tensor, str, bytes, dict)):
        return data
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        return data
    rows = [_row(what, data, i) for i in range(len(data))]
    if not rows:
        raise ValueError(f"{what}: a Dataset must hold pairs (x, y), at least one; got {shown(data)}, 0 long")
    for i in range(0, len(rows), -(-len(rows) // READ_TWICE)):
        if not all(map(_same, rows[i], _row(what, data, i))):
            raise ValueError(
                f"{what}: the Dataset gives two different values for the index {i}, and a run reads it once, so all "
                "epochs would see the same draw; do in augment what is random"
            )
    try:
        return tuple(map(torch.stack, zip(*rows)))
    except RuntimeError as error:  # torch names the two shapes
        raise ValueError(f"{what}: all x, and all y, of a Dataset must have one shape: {error}") from None


def _row(what, data, i):
    row = data[i]
    if not isinstance(row, (tuple, list)) or len(row) != 2:
        raise ValueError(f"{what}: a Dataset must hold pairs (x, y), at least one; got {shown(row)} at index {i}")
    return [tensor_of(f"{what}: {name} of index {i}", value) for name, value in zip("xy", row)]


def _same(one, other):
    """Whether two tensors are equal, nan beside nan too."""
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())


class _OwnName(str):
    """A name that nobody gave: with another metric in its place (``dataclasses.replace``) the name is another one."""


def _name_of(metric):
    """What a metric is called that nobody named."""
    function = metric.func if isinstance(metric, functools.partial) else metric
    name = getattr(function, "__name__", type(function).__name__)
    return {"binary_accuracy": "accuracy", "<lambda>": "metric"}.get(name, name)


def check_pair(what, data):
    """Raise ``TypeError`` or ``ValueError`` unless ``data`` is a pair (x, y) of tensors with as many x as y."""
    if not (isinstance(data, (tuple, list)) and len(data) == 2 and all(isinstance(d, torch.Tensor) for d in data)):
        pair = isinstance(data, (tuple, list)) and len(data) <= 3
        got = f"({', '.join(type(d).__name__ for d in data)})" if pair else type(data).__name__
        raise TypeError(f"{what} must be a pair (x, y) of tensors; got {got}")
    if not all(d.ndim for d in data) or len(data[0]) != len(data[1]) or len(data[0]) == 0:
        sizes = " and ".join(str(len(d)) if d.ndim else "a tensor without axes" for d in data)
        raise ValueError(f"{what} must have as many x as y, at least one; got {sizes}")


def accuracy(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Share of examples whose largest output is the class ``y``: output [n, classes], y [n] → scalar.

    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """
    if output.shape[-1] < 2:
        raise ValueError(
            f"output must have two classes or more; got {tuple(output.shape)}: binary_accuracy takes one logit"
        )
    return _hits(output.argmax(-1), y, output).to(output.dtype).mean()


def binary_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood of a logistic model: logits [n, 1], y in {0, 1} [n] → scalar, in nats.

    >>> binary_loss(torch.zeros(2, 1), torch.tensor([0.0, 1.0]))
    tensor(0.6931)
    """
    return nn.functional.binary_cross_entropy_with_logits(output.squeeze(-1), y)


def binary_accuracy(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Share of examples on the right side of 0: logits [n, 1], y in {0, 1} [n] or [n, 1] → scalar.

    >>> binary_accuracy(torch.tensor([[1.0], [-2.0]]), torch.tensor([1.0, 1.0]))
    tensor(0.5000)
    """
    own = y.squeeze(-1) if y.shape == output.shape else y
    return _hits(output.squeeze(-1) > 0, own > 0.5, output).to(output.dtype).mean()


def _hits(found, y, output):
    """Where what was found is y; ``ValueError`` where their shapes would make other pairs than own ones."""
    if found.shape != y.shape:
        way = ": of one-hot rows take y.argmax(-1)" if y.shape == output.shape else ""
        raise ValueError(f"y must have the shape {tuple(found.shape)}, one class an output; got {tuple(y.shape)}{way}")
    return found == y
