"""Low-rank adapters: a trained network whose weights stay, with small factors beside them that learn a new task."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .._base.arguments import (
    LARGEST_SEED,
    MOST_SEEDS,
    MOST_UNITS,
    axes_of,
    check_task,
    flag,
    number,
    shown,
    whole,
)
from .._base.start import given, is_record
from .._base.streams import initial_model, is_lazy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from .._types import Weights
    from ..runs.record import Record
    from .task import Task


class LowRankLinear(nn.Module):
    r"""A linear layer that keeps its weights W, b as buffers and learns a change of low rank beside them.

    .. math:: y = W x + b + \tfrac{\alpha}{r}\, c\, B A x, \qquad
        A \in \mathbb{R}^{r \times n},\; B \in \mathbb{R}^{m \times r}

    A is drawn from N(0, 1/n) and B is 0, so that the layer starts as the one that was given. c is the scale that
    stands for a rate of B's own (`low_rank`). As buffers, W and b can differ from lane to lane of a sweep.

    linear: the ``nn.Linear`` (n inputs, m outputs).  rank: r.  alpha: α, above 0; None for r.  scale: c, above 0.

    >>> layer, x = nn.Linear(5, 3), torch.randn(4, 5)
    >>> adapter = LowRankLinear(layer, rank=2)
    >>> bool((adapter(x) == layer(x)).all()), [(name, tuple(p.shape)) for name, p in adapter.named_parameters()]
    (True, [('A', (2, 5)), ('B', (3, 2))])

    Source: Hu et al. 2021, "LoRA: low-rank adaptation of large language models".
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float | None = None, scale: float = 1.0) -> None:
        super().__init__()
        if not isinstance(linear, nn.Linear):
            raise TypeError(f"linear must be a torch.nn.Linear; got {type(linear).__name__}")
        rank = whole("rank", rank, most=MOST_UNITS)
        alpha = number("alpha", rank if alpha is None else alpha, above=0)
        self.factor = alpha / rank * number("scale", scale, above=0)
        self.register_buffer("weight", linear.weight.detach().clone())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())
        outputs, inputs = linear.weight.shape
        self.A = nn.Parameter(torch.randn(rank, inputs).to(self.weight) / inputs**0.5)
        self.B = nn.Parameter(self.weight.new_zeros(outputs, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [n, inputs] → [n, outputs]."""
        linear = nn.functional.linear
        return linear(x, self.weight, self.bias) + self.factor * linear(linear(x, self.A), self.B)


def low_rank(
    task: Task,
    rank: int,
    alpha: float | None = None,
    weights: Record | Weights | None = None,
    layers: str = "",
    rate_ratio: float = 1.0,
    adaptive: bool = False,
) -> Task:
    r"""Return the task with its network frozen and a `LowRankLinear` in the place of its linear layers.

    .. math:: W' = W + \tfrac{\alpha}{r}\, c\, B A

    Only A and B are parameters (``"0.A"``, ``"0.B"``, …); all that the network learnt before are buffers under their
    own names, biases and normalisations too. The frozen network is the one of the seed, or the one of ``weights``; for
    lanes with a network each, see `adapter_start`. `merge_adapters` gives the weights W' of the plain network.

    Args:
        task: a `Task` whose network has linear layers.
        rank: r of every adapter.
        alpha: α, above 0; None for r, which makes the factor α/r one. A fixed α keeps the best rate from moving much
            with the rank.
        weights: what is frozen: None, a `lrlib.Record` of one lane, or {name: array} of all parameters of the
            network (and of buffers, where they are named).
        layers: regular expression over the names of the linear layers (`re.search`); those that fit get an adapter (all
            by default), the others are frozen.
        rate_ratio: λ, the rate of B over the rate of A (LoRA+). All parameters of a run have one rate, so B is written
            as c·B: under plain gradient descent and momentum :math:`c = \sqrt\lambda` gives B the rate λη, exactly.
        adaptive: True for optimizers whose step does not depend on the size of the gradient (Adam and its kin):
            there c = λ gives it, but for their ε, which then counts 1/c as much for B.

    Raises:
        TypeError, ValueError: an argument outside its range; a task with ``project``; no linear layer that fits; a
            parameter that several modules share.

    Example:
        >>> from lrlib import fit
        >>> from lrlib.tasks import digits
        >>> task = digits(width=16)
        >>> before = fit(task, "sgd", lr=0.1, steps=20)
        >>> adapted = low_rank(task, rank=2, weights=before)
        >>> after = fit(adapted, "sgd", lr=0.1, steps=20)
        >>> sorted(after.parameters), bool((after.buffers["0.weight"] == before.parameters["0.weight"]).all())
        (['0.A', '0.B', '2.A', '2.B', '4.A', '4.B'], True)

    Penalties of the task (``l1``, ``l2``) are of A and B alone. Layers that hand their weights to another function
    (those inside ``nn.MultiheadAttention``) are frozen.

    Source: Hu et al. 2021, "LoRA"; Hayou, Ghosh & Yu 2024, "LoRA+" (the two rates).
    """
    check_task(task)
    if task.project is not None:
        raise ValueError(f"task {task.name!r} has a projection of the weights that low_rank would freeze")
    rank, ratio = whole("rank", rank, most=MOST_UNITS), number("rate_ratio", rate_ratio, above=0)
    alpha = number("alpha", rank if alpha is None else alpha, above=0)
    adaptive = flag("adaptive", adaptive)
    try:
        re.compile(layers).search("")
    except (re.error, TypeError) as error:
        raise ValueError(f"layers must be a regular expression; got {shown(layers)}: {error}") from None
    frozen = given(weights, task, 0, argument="weights")
    model = _Adapted(task.model, rank, alpha, frozen, layers=layers, scale=ratio if adaptive else ratio**0.5)
    made = dataclasses.replace(task, name=f"{task.name}_low_rank", model=model)
    initial_model(made, 0)  # so that what cannot be adapted shows now
    return made


@dataclasses.dataclass(frozen=True)
class _Adapted:
    """Makes the network of `low_rank`: `base()` frozen, with adapters."""

    base: object
    rank: int
    alpha: float
    frozen: object
    layers: str
    scale: float

    def __call__(self):
        model = self.base()
        if is_lazy(model):
            raise ValueError("low_rank cannot adapt a network with lazy layers; give the numbers of their inputs")
        counts = [id(p) for _, p in model.named_parameters(remove_duplicate=False)]
        if len(set(counts)) < len(counts):
            raise ValueError("low_rank cannot adapt a network whose modules share a parameter")
        self._fill(model)
        linear = [name for name, module in model.named_modules() if type(module) is nn.Linear]
        chosen = [name for name in linear if re.search(self.layers, name)]
        if not chosen:
            raise ValueError(f"layers: {self.layers!r} fits none of the linear layers {', '.join(linear) or '(none)'}")
        wrapped = nn.ModuleDict({"model": model})  # so that a bare linear layer has a parent too
        for name in chosen:
            parent, _, last = f"model.{name}".rstrip(".").rpartition(".")
            layer = LowRankLinear(model.get_submodule(name), self.rank, self.alpha, self.scale)
            setattr(wrapped.get_submodule(parent), last, layer)
        for module in wrapped.modules():
            if not isinstance(module, LowRankLinear):
                _freeze(module)
        return wrapped["model"]

    @torch.no_grad()
    def _fill(self, model):
        """Put the weights to be frozen into a fresh network."""
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if self.frozen is not None and name in self.frozen:
                tensor.copy_(torch.as_tensor(self.frozen[name]))


def _freeze(module):
    """Turn the parameters that a module has for itself into buffers of the same names."""
    for name, parameter in list(module.named_parameters(recurse=False)):
        del module._parameters[name]
        module.register_buffer(name, parameter.detach())


def _plain(task):
    """The task as it was before `low_rank`."""
    if not isinstance(getattr(task, "model", None), _Adapted):
        raise TypeError(f"task must be one that low_rank has made; got {task!r}")
    return dataclasses.replace(task, model=task.model.base)


def adapter_start(
    task: Task, weights: Record | Weights, seeds: Sequence[int] | np.ndarray | None = None, repeat: int = 1
) -> dict[str, np.ndarray]:
    """Return ``start`` for a sweep of adapters in which every lane has a pre-trained network of its own.

    The frozen weights of lane l are those of lane l of ``weights``, its A and B those that its seed draws, so that a
    lane is what ``fit(task, …, seed=s, start=…)`` makes of its own. {name: array [repeat · L, …]}.

    Args:
        task: what `low_rank` has made.
        weights: a `lrlib.Record` of the plain network's training, or {name: array [L, …]} of its parameters
            (and of buffers, where they are named).
        seeds: [L], whose A is drawn in each lane; those of the Record by default, else 0 … L − 1.
        repeat: how often the lanes come one after another: the number of rates of the sweep that is to start there.

    Raises:
        TypeError, ValueError: a task that `low_rank` has not made; weights with other names or shapes; seeds of
            another number.

    Example:
        >>> from lrlib import sweep
        >>> from lrlib.tasks import digits
        >>> task = digits(width=16)
        >>> before = sweep(task, "sgd", lr=0.1, seeds=3, steps=20)
        >>> adapted = low_rank(task, rank=2)
        >>> start = adapter_start(adapted, before, repeat=2)
        >>> after = sweep(adapted, "sgd", lr=[0.1, 0.3], seeds=3, steps=20, start=start)
        >>> after, start["0.A"].shape
        (<record of digits_low_rank, sgd: 2 rates × 3 seeds, 20 steps; 6 finished; eager>, (6, 2, 64))
    """
    plain, repeat = _plain(task), whole("repeat", repeat, most=MOST_SEEDS)
    if not is_record(weights) and not (isinstance(weights, dict) and weights and all(map(axes_of, weights.values()))):
        raise TypeError(
            f"weights must be a Record or a dict of arrays [lanes, …] by name; got {type(weights).__name__}"
        )
    lanes = len(next(iter((weights.parameters if is_record(weights) else weights).values())))
    seeds = getattr(weights, "seed", range(lanes)) if seeds is None else seeds
    if axes_of(seeds) != 1 or len(seeds) != lanes:
        raise ValueError(f"seeds must name one seed for each of the {lanes} lanes; got {shown(seeds)}")
    seeds = [whole("seeds", seed, 0, LARGEST_SEED) for seed in seeds]
    arrays = given(weights, plain, seeds[0], lanes, argument="weights")
    models = {s: dict(initial_model(task, s).named_parameters()) for s in dict.fromkeys(seeds)}
    drawn = {n: np.stack([models[s][n].detach().numpy() for s in seeds]) for n in models[seeds[0]]}
    return {name: np.tile(v, (repeat, *[1] * (v.ndim - 1))) for name, v in {**arrays, **drawn}.items()}


def merge_adapters(task: Task, weights: Record | Weights) -> dict[str, np.ndarray]:
    r"""Return the weights of the plain network that does what the adapted one does: {name: array [L, …]}.

    .. math:: W' = W + \tfrac{\alpha}{r}\, c\, B A

    Args:
        task: what `low_rank` has made.
        weights: a `lrlib.Record` of its training, or {name: array [L, …]} of its parameters and buffers.

    Returns:
        Parameters and buffers under the names of the plain network, to start from (``sweep(start=…)``) or to evaluate
        (`lrlib.evaluate_weights`).

    Raises:
        TypeError, ValueError: a task that `low_rank` has not made; a parameter or a buffer that is missing.

    Example:
        >>> from lrlib import evaluate_weights, fit
        >>> from lrlib.tasks import digits
        >>> task = digits(width=16)
        >>> adapted = low_rank(task, rank=2)
        >>> after = fit(adapted, "sgd", lr=0.1, steps=50)
        >>> merged = evaluate_weights(task, merge_adapters(adapted, after), sets=["test"])["test_metric"]
        >>> merged.round(4) == after.final("test_metric").round(4)
        array([ True])
    """
    _plain(task)
    arrays = {**weights.buffers, **weights.parameters} if is_record(weights) else weights
    if not isinstance(arrays, dict):
        raise TypeError(
            f"weights must be a Record or a dict of arrays [lanes, …] by name; got {type(weights).__name__}"
        )
    model = initial_model(task, 0)
    wanted = [n for n, _ in (*model.named_parameters(), *model.named_buffers())]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise ValueError(f"weights lack {', '.join(missing)} of task {task.name!r}")
    found = {name: np.asarray(arrays[name]) for name in wanted}
    for name, module in model.named_modules():
        if isinstance(module, LowRankLinear):
            dot = f"{name}." if name else ""
            a, b = found.pop(f"{dot}A"), found.pop(f"{dot}B")
            found[f"{dot}weight"] = found[f"{dot}weight"] + np.asarray(module.factor * (b @ a), dtype=a.dtype)
    return found
