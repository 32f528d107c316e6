"""The optimizer classes with the calls that each takes, for type checkers and editors.

At run time their constructors are made from the rules, and those of torch from its classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..._types import Number, Params
from ..rules.base import Rule
from .driver import RuleOptimizer as RuleOptimizer

__all__ = [
    "AMSGrad",
    "AdaBelief",
    "Adagrad",
    "Adam",
    "AdamW",
    "AnnealedSGD",
    "HypergradientAdam",
    "HypergradientSGD",
    "LARS",
    "Momentum",
    "Nesterov",
    "RAdam",
    "RMSprop",
    "RuleOptimizer",
    "SGD",
    "for_rule",
    "make",
]

class SGD(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        momentum: Number = 0,
        dampening: Number = 0,
        weight_decay: Number = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        path: str = "eager",
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

class Momentum(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        *,
        momentum: Number = 0.9,
        weight_decay: Number = 0.0,
        maximize: bool = False,
        path: str = "eager",
    ) -> None: ...

class Nesterov(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        *,
        momentum: Number = 0.9,
        weight_decay: Number = 0.0,
        maximize: bool = False,
        path: str = "eager",
    ) -> None: ...

class Adagrad(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.01,
        lr_decay: Number = 0,
        weight_decay: Number = 0.0,
        initial_accumulator_value: Number = 0,
        eps: Number = 1e-10,
        *,
        maximize: bool = False,
        path: str = "eager",
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

class RMSprop(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.01,
        alpha: Number = 0.99,
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        momentum: Number = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        path: str = "eager",
        capturable: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
    ) -> None: ...

class Adam(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        amsgrad: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        beta1: Number = 0.9,
        beta2: Number = 0.999,
        maximize: bool = False,
        path: str = "eager",
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

class AMSGrad(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        *,
        beta1: Number = 0.9,
        beta2: Number = 0.999,
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        maximize: bool = False,
        path: str = "eager",
    ) -> None: ...

class AdamW(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: Number = 1e-08,
        weight_decay: Number = 0.01,
        amsgrad: bool = False,
        *,
        beta1: Number = 0.9,
        beta2: Number = 0.999,
        maximize: bool = False,
        path: str = "eager",
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

class AdaBelief(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        *,
        beta1: Number = 0.9,
        beta2: Number = 0.999,
        eps: Number = 1e-16,
        weight_decay: Number = 0.0,
        accumulate: bool = True,
        maximize: bool = False,
        path: str = "eager",
    ) -> None: ...

class RAdam(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        beta1: Number = 0.9,
        beta2: Number = 0.999,
        threshold: Number = 5.0,
        maximize: bool = False,
        path: str = "eager",
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None: ...

class LARS(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 1.0,
        *,
        momentum: Number = 0.9,
        weight_decay: Number = 0.0,
        trust: Number = 0.001,
        eps: Number = 0.0,
        adapt: bool = True,
        maximize: bool = False,
        path: str = "eager",
    ) -> None: ...

class HypergradientSGD(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        *,
        hyper_lr: Number = 1e-06,
        weight_decay: Number = 0.0,
        multiplicative: bool = False,
        maximize: bool = False,
        path: str = "eager",
    ) -> None: ...

class HypergradientAdam(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 0.001,
        *,
        hyper_lr: Number = 1e-08,
        beta1: Number = 0.9,
        beta2: Number = 0.999,
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        multiplicative: bool = False,
        maximize: bool = False,
        path: str = "eager",
    ) -> None: ...

class AnnealedSGD(RuleOptimizer):
    def __init__(
        self,
        params: Params,
        lr: Number = 1.0,
        *,
        rates: Sequence[float] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        temperature: Number = 1.0,
        cooling: Number = 0.99,
        weight_decay: Number = 0.0,
        seed: int = 0,
        maximize: bool = False,
        path: str = "eager",
    ) -> None: ...

CLASSES: Mapping[str, type[RuleOptimizer]]

def for_rule(rule: str | Rule) -> type[RuleOptimizer]: ...
def make(name: str | Rule, params: Params, **options: Any) -> RuleOptimizer: ...
