"""A task: data + model + loss + metric."""

from dataclasses import dataclass, field
from typing import Any, Callable

import torch
from torch import nn


@dataclass
class Task:
    """What is to be learned: data, a network, its loss, its metric, the size of a batch and the length of a run.

    name: a word for titles and files.
    model: a function without arguments that returns a fresh ``nn.Module``; its weights come from PyTorch's global
        generator, which the run seeds.
    train: ``(x, y)`` tensors; or a function ``seed -> (x, y)`` that draws a training set for each seed; or a
        ``DataLoader`` or ``Dataset``, read once into tensors.
    valid, test: ``(x, y)`` or None.
    loss, metric: functions ``(output, y) -> scalar``, means over the examples.
    batch: examples a step; None for the full training set.
    steps: steps of a run when the caller names none.
    noise: standard deviation of Gaussian noise added to every gradient; or a function ``x -> tensor`` like x that
        works entry by entry.
    metric_name: what ``metric`` measures.
    optimum: where it is known, what the best loss is (a number), for ``loss − optimum``.
    details: anything else that belongs to the task, such as the true weights.

    Raises ``TypeError``/``ValueError`` naming the field at fault.

    >>> x = torch.randn(50, 3); y = (x.sum(1) > 0).long()
    >>> task = Task("mine", lambda: mlp([3, 8, 2]), (x, y), None, (x, y), nn.functional.cross_entropy, accuracy,
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
    metric_name: str = "accuracy"
    optimum: float | None = None
    details: dict = field(default_factory=dict)

    def __post_init__(self):
        for name in ("model", "loss", "metric"):
            if not callable(getattr(self, name)):
                raise TypeError(f"task {self.name!r}: {name} must be callable; got {getattr(self, name)!r}")
        self.train, self.valid, self.test = map(_tensors, (self.train, self.valid, self.test))
        for name in ("train", "valid", "test"):
            _check_pair(self, name)
        _check_count(self, "steps", self.steps)
        if self.batch is not None:
            _check_count(self, "batch", self.batch)
        if not callable(self.noise) and not float(self.noise) >= 0:
            raise ValueError(f"task {self.name!r}: noise must be at least 0 or a function; got {self.noise!r}")

    @property
    def fresh(self):
        """Whether each seed draws a training set of its own."""
        return callable(self.train)

    def train_for(self, seed):
        """Return the training set ``(x, y)`` of a seed."""
        return self.train(seed) if callable(self.train) else self.train

    def __repr__(self):
        return f"<task {self.name}: batch {self.batch or 'full'}, {self.steps} steps>"


def _tensors(data):
    """Read a ``DataLoader`` or ``Dataset`` into ``(x, y)``; leave pairs, functions and None as they are."""
    data = getattr(data, "dataset", data)
    if data is None or callable(data) or isinstance(data, (tuple, list)):
        return tuple(data) if isinstance(data, list) else data
    if isinstance(data, torch.Tensor) or not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        return data
    rows = [data[i] for i in range(len(data))]
    return torch.stack([torch.as_tensor(x) for x, _ in rows]), torch.stack([torch.as_tensor(y) for _, y in rows])


def _check_pair(task, name):
    data = getattr(task, name)
    if (data is None and name != "train") or (callable(data) and name == "train"):
        return
    if not (isinstance(data, tuple) and len(data) == 2 and all(isinstance(d, torch.Tensor) for d in data)):
        raise TypeError(f"task {task.name!r}: {name} must be a pair (x, y) of tensors; got {type(data).__name__}")
    if len(data[0]) != len(data[1]) or len(data[0]) == 0:
        raise ValueError(f"task {task.name!r}: {name} must have as many x as y, at least one; "
                         f"got {len(data[0])} and {len(data[1])}")


def _check_count(task, name, value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"task {task.name!r}: {name} must be a whole number of at least 1; got {value!r}")


def mlp(sizes):
    """Return a fully connected ReLU network: weights He-normal, N(0, 2/fan-in), biases 0 (He et al. 2015).

    >>> mlp([4, 8, 2])
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    layers = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.normal_(linear.weight, std=(2 / fan_in) ** 0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def accuracy(output, y):
    """Share of examples whose largest output is the class ``y``: output [n, classes], y [n] → scalar.

    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """
    return (output.argmax(-1) == y).to(output.dtype).mean()


def binary_loss(output, y):
    """Mean negative log-likelihood of a logistic model: logits [n, 1], y in {0, 1} [n] → scalar, in nats.

    >>> binary_loss(torch.zeros(2, 1), torch.tensor([0.0, 1.0]))
    tensor(0.6931)
    """
    return nn.functional.binary_cross_entropy_with_logits(output.squeeze(-1), y)


def binary_accuracy(output, y):
    """Share of examples on the right side of 0: logits [n, 1], y in {0, 1} [n] → scalar.

    >>> binary_accuracy(torch.tensor([[1.0], [-2.0]]), torch.tensor([1.0, 1.0]))
    tensor(0.5000)
    """
    return ((output.squeeze(-1) > 0) == (y > 0.5)).to(output.dtype).mean()
