"""Names of types that many signatures share; for type checkers and editors, nothing loads it at run time."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
import torch

from .methods.rules.base import Rule
from .runs.record import Record

Number: TypeAlias = float | torch.Tensor  # one number, or a tensor that broadcasts
PathName: TypeAlias = str | os.PathLike[str]
PlanLike: TypeAlias = Callable[[int], float]  # a `Plan`, or any function of the step
Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (output, y) → 0-D
Augmentation: TypeAlias = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
Noise: TypeAlias = float | Callable[[torch.Tensor], torch.Tensor]  # a standard deviation, or a function of the weights
Data: TypeAlias = torch.Tensor | tuple[torch.Tensor, torch.Tensor]  # inputs, or inputs and targets
Criterion: TypeAlias = Callable[[Record], np.ndarray]  # of each lane whether it did what it should
Group: TypeAlias = dict[str, Any]  # a parameter group of an optimizer
Params: TypeAlias = Iterable[torch.Tensor] | Iterable[Group] | Iterable[tuple[str, torch.Tensor]]
RuleLike: TypeAlias = str | Rule | Callable[..., torch.optim.Optimizer]  # a function of the parameters
State: TypeAlias = dict[str, Any]  # what a rule keeps, or a state_dict
Weights: TypeAlias = Mapping[str, Any]  # {name of a parameter or buffer: array or tensor}
Solution: TypeAlias = torch.nn.Module | Weights

P = ParamSpec("P")
R = TypeVar("R")
Model = TypeVar("Model", bound=torch.nn.Module)
Lent = TypeVar("Lent", bound=torch.nn.Module | Sequence[torch.Tensor])
Tensors = TypeVar("Tensors", torch.Tensor, list[torch.Tensor])
Values = TypeVar("Values", float, np.ndarray, torch.Tensor)
