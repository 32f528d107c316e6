"""Logistic regressions with a known answer: sparse features, and a strongly convex one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .._base.arguments import MOST_EXAMPLES, MOST_UNITS, flag, having, held, number, numbers_of, shown, whole
from .._base.streams import generator
from .task import Task, binary_accuracy, binary_loss

if TYPE_CHECKING:
    from .._types import Weights


MOST_FEATURES = 10_000  # of a problem that is solved exactly


def sparse_logistic(
    features: int = 200,
    train: int = 2000,
    valid: int = 2000,
    test: int = 10000,
    batch: int = 20,
    steps: int = 2000,
    fresh: bool = True,
) -> Task:
    """Logistic regression on binary features of which feature k is on with frequency 1/k (Zipf), k = 1 … features.

    All true weights have the same size, 1, with alternating signs so that the classes balance:
    P(y = 1 | x) = 1/(1 + exp(−Σ w_k x_k)). The first weights are 0 and there is no bias: feature 1 is always on.
    Inputs are left as they are, 0 or 1. ``details``: ``frequencies`` [K] and ``weights`` [K];
    `frequency_error` gives the error per range of frequencies.

    >>> task = sparse_logistic(features=4)
    >>> task.details["frequencies"].tolist(), task.details["weights"].tolist()
    ([1.0, 0.5, 0.3333333432674408, 0.25], [1.0, -1.0, 1.0, -1.0])
    """
    features, train, valid, test = _counts(features=features, train=train, valid=valid, test=test)
    fresh = flag("fresh", fresh)
    k = torch.arange(1, features + 1)
    frequencies, weights = 1.0 / k, 1.0 - 2.0 * ((k - 1) % 2)
    draw = functools.partial(_draw_sparse, frequencies, weights)
    drawn = functools.partial(_seeded_draw, draw, train)
    return Task(
        "sparse_logistic",
        functools.partial(_zero_linear, features),
        drawn if fresh else drawn(0),
        draw(valid, "valid", 0),
        test=draw(test, "test", 0),
        loss=binary_loss,
        metric=binary_accuracy,
        batch=batch,
        steps=steps,
        details={"frequencies": frequencies, "weights": weights},
    )


def _counts(**counts):
    most = {"features": MOST_UNITS}
    return [whole(name, value, most=most.get(name, MOST_EXAMPLES)) for name, value in counts.items()]


def _seeded_draw(draw, n, seed):
    return draw(n, "train", seed)


def _draw_sparse(frequencies, weights, n, part, seed):
    g = generator(seed, f"sparse_logistic/{part}")
    x = (torch.rand(n, len(frequencies), generator=g) < frequencies).float()
    return x, (torch.rand(n, generator=g) < torch.sigmoid(x @ weights)).float()


def _zero_linear(features):
    linear = nn.Linear(features, 1, bias=False)
    nn.init.zeros_(linear.weight)
    return linear


def frequency_error(task: Task, parameters: Weights, bins: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute error of the learnt weights per range of frequencies: → (lowest frequency [bins], error […, bins]).

    ``parameters``: ``record.parameters`` of a run of `sparse_logistic`. The ranges are equal on a log scale of k;
    the first holds the most frequent features.

    >>> task = sparse_logistic()
    >>> low, error = frequency_error(task, {"weight": np.zeros((3, 1, 200))})
    >>> error.shape, error[0].tolist()
    ((3, 4), [1.0, 1.0, 1.0, 1.0])
    """
    weights = _true(task, "sparse_logistic")
    gap = np.abs(_learnt(parameters, "weight", len(weights)) - weights)
    bins = whole("bins", bins, most=MOST_UNITS)
    edges = np.unique(np.round(np.geomspace(1, len(weights) + 1, bins + 1)).astype(int)) - 1
    lowest = np.array([1.0 / b for b in edges[1:]])
    return lowest, np.stack([gap[:, a:b].mean(1) for a, b in zip(edges, edges[1:])], axis=-1)


def _true(task, name):
    """The true weights of a task of this name."""
    having("task", task, ("details",), f"one of tasks.{name}")
    if "weights" not in task.details:
        raise ValueError(f"task must be one of tasks.{name}; got {shown(task)}")
    return task.details["weights"].numpy().astype(float)


def _learnt(parameters, name, features):
    """The weights of all lanes, [lanes, features]."""
    if not isinstance(parameters, dict) or name not in parameters:
        raise TypeError(
            f"parameters must be a dict with the array {name!r}, as Record.parameters; got {shown(parameters)}"
        )
    found = numbers_of(f"parameters[{name!r}]", parameters[name])
    if found.size % features:
        raise ValueError(f"parameters[{name!r}] must hold {features} numbers a lane; got the shape {found.shape}")
    return found.reshape(-1, features)


class Penalised(nn.Module):
    """Linear model that returns [logit, ½λ‖w‖²] for each example, so that a loss of outputs can hold the penalty."""

    def __init__(self, features, penalty):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(features))
        self.penalty = penalty

    def forward(self, x):
        """x [n, features] → [n, 2]."""
        logit = x @ self.w
        penalty = 0.5 * self.penalty * self.w.square().sum()
        return torch.stack([logit, penalty.expand_as(logit)], dim=-1)


def _penalised_loss(output, y):
    return nn.functional.binary_cross_entropy_with_logits(output[..., 0], y) + output[..., 1].mean()


def convex_logistic(
    features: int = 20,
    train: int = 1000,
    test: int = 10000,
    penalty: float = 0.01,
    condition: float = 10.0,
    batch: int = 20,
    steps: int = 2000,
) -> Task:
    """Strongly convex logistic regression, f(w) = mean log-loss + ½·penalty·‖w‖², whose minimum is known.

    Gaussian features with standard deviations from 1 down to 1/√condition. ``task.optimum`` is the least training
    loss, found by Newton's method in float64, and the metric is the gap ``loss − optimum`` (of the training set; on the
    test set it is the loss above the same number). ``details``: ``weights`` w* [features], ``strong`` (the least
    and ``smooth`` the largest eigenvalue of the Hessian at w*). Distance to w*: `distance`.

    >>> task = convex_logistic()
    >>> x, y = (t.double() for t in task.train)
    >>> w = task.details["weights"].clone().requires_grad_()
    >>> loss = task.loss(torch.stack([x @ w, (0.005 * w @ w).expand(1000)], -1), y)
    >>> bool(torch.autograd.grad(loss, w)[0].norm() < 1e-12), bool(abs(loss.item() - task.optimum) < 1e-12)
    (True, True)
    """
    features, train, test = _counts(features=features, train=train, test=test)
    penalty, condition = number("penalty", penalty, above=0), number("condition", condition, least=1)
    held("penalty", penalty, torch.float32)
    if features > MOST_FEATURES:
        raise ValueError(f"features must be at most {MOST_FEATURES:,}, whose Hessian can be solved; got {features}")
    scale = torch.logspace(0, -0.5 * np.log10(condition), features)
    truth = torch.randn(features, generator=generator(0, "convex_logistic/weights"))
    sets = [_draw_dense(scale, truth, n, part) for n, part in ((train, "train"), (test, "test"))]
    w, least, hessian = newton(*(t.double() for t in sets[0]), penalty)
    eigenvalues = torch.linalg.eigvalsh(hessian)
    return Task(
        "convex_logistic",
        functools.partial(Penalised, features, penalty),
        sets[0],
        None,
        test=sets[1],
        loss=_penalised_loss,
        metric=functools.partial(_gap, least),
        batch=batch,
        steps=steps,
        metric_name="loss gap",
        optimum=least,
        details={"weights": w, "strong": eigenvalues[0].item(), "smooth": eigenvalues[-1].item()},
    )


def _draw_dense(scale, truth, n, part):
    g = generator(0, f"convex_logistic/{part}")
    x = torch.randn(n, len(scale), generator=g) * scale
    return x, (torch.rand(n, generator=g) < torch.sigmoid(x @ truth)).float()


def _gap(least, output, y):
    return _penalised_loss(output, y) - least


def newton(x, y, penalty):
    """Minimise the log-loss of x [n, d], y [n], plus ½·penalty·Σw²: → (w [d], least loss, Hessian [d, d]), float64."""
    w = torch.zeros(x.shape[1], dtype=torch.float64)
    for _ in range(50):
        p = torch.sigmoid(x @ w)
        hessian = x.T @ (x * (p * (1 - p))[:, None]) / len(x) + penalty * torch.eye(len(w), dtype=torch.float64)
        move = torch.linalg.solve(hessian, x.T @ (p - y) / len(x) + penalty * w)
        w = w - move
        if move.norm() < 1e-14 * (1 + w.norm()):
            break
    penalties = 0.5 * penalty * w.square().sum()
    return w, (nn.functional.binary_cross_entropy_with_logits(x @ w, y) + penalties).item(), hessian


def distance(task: Task, parameters: Weights) -> np.ndarray:
    """Distance ‖w − w*‖ of each lane of a record of `convex_logistic` from the optimum: → [lanes].

    >>> task = convex_logistic()
    >>> distance(task, {"w": task.details["weights"].numpy()[None]}).tolist()
    [0.0]
    """
    weights = _true(task, "convex_logistic")
    return np.linalg.norm(_learnt(parameters, "w", len(weights)) - weights, axis=-1)
