"""Optimizers for PyTorch's training loop, each driving one rule of `lrlib.rules`.

They take the place of ``torch.optim``'s: parameter groups, closures, ``state_dict``, tensor rates, ``GradScaler`` and
schedulers work as there, and in float64 the parameters agree to rounding. There is one class a rule, spelt as in torch
where torch has it. Options are named as in the rules (``beta1``, ``beta2``); the six classes with names of torch's take
its calls, too, and choose the rule by them.

>>> import torch
>>> x = torch.nn.Parameter(torch.tensor([1.0]))
>>> optimizer = SGD([x], lr=0.1, momentum=0.9)
>>> for _ in range(2):
...     x.grad = 2 * x.detach()                       # of the loss x²
...     optimizer.step()
>>> x.data, optimizer.rule, Adam([x], 0.1, (0.8, 0.99), amsgrad=True).rule
(tensor([0.4600]), rules.get('momentum'), rules.get('amsgrad'))
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING

from .. import rules

from . import calls
from .driver import RuleOptimizer

if TYPE_CHECKING:
    from typing import Any
    from ..._types import Params
    from ..rules.base import Rule

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


class SGD(RuleOptimizer, rule=rules.sgd, call=calls.SGD):
    """Gradient descent, and with torch's ``momentum`` and ``nesterov`` the heavy ball and Nesterov's momentum."""


class Momentum(RuleOptimizer, rule=rules.momentum):
    """Heavy-ball momentum."""


class Nesterov(RuleOptimizer, rule=rules.nesterov):
    """Nesterov's momentum."""


class Adagrad(RuleOptimizer, rule=rules.adagrad, call=calls.ADAGRAD):
    """AdaGrad, spelt as in torch."""


class RMSprop(RuleOptimizer, rule=rules.rmsprop, call=calls.RMSPROP):
    """RMSProp, spelt as in torch."""


class Adam(RuleOptimizer, rule=rules.adam, call=calls.ADAM):
    """Adam, and with torch's ``amsgrad`` AMSGrad."""


class AMSGrad(RuleOptimizer, rule=rules.amsgrad):
    """AMSGrad."""


class AdamW(RuleOptimizer, rule=rules.adamw, call=calls.ADAMW):
    """AdamW."""


class AdaBelief(RuleOptimizer, rule=rules.adabelief):
    """AdaBelief."""


class RAdam(RuleOptimizer, rule=rules.radam, call=calls.RADAM):
    """RAdam."""


class LARS(RuleOptimizer, rule=rules.lars):
    """LARS."""


class HypergradientSGD(RuleOptimizer, rule=rules.hypergradient_sgd):
    """SGD that learns its rate."""


class HypergradientAdam(RuleOptimizer, rule=rules.hypergradient_adam):
    """Adam that learns its rate."""


class AnnealedSGD(RuleOptimizer, rule=rules.annealed_sgd):
    """SGD with simulated-annealing acceptance; ``step`` needs a closure."""


CLASSES = types.MappingProxyType(
    {
        cls.rule.name: cls
        for cls in (
            SGD,
            Momentum,
            Nesterov,
            Adagrad,
            RMSprop,
            Adam,
            AMSGrad,
            AdamW,
            AdaBelief,
            RAdam,
            LARS,
            HypergradientSGD,
            HypergradientAdam,
            AnnealedSGD,
        )
    }
)


def for_rule(rule: str | Rule) -> type[RuleOptimizer]:
    """Return the optimizer class of a rule (or its name); a rule of your own gets a class when it is first asked for.

    Raises ``ValueError`` for an unknown name, listing the known ones.

    >>> for_rule("adam") is Adam
    True
    >>> @rules.rule("sign_descent", "element", source="Bernstein 2018")
    ... def sign_descent(x, g, state, t, *, lr=1e-3):
    ...     return x - lr * g.sign(), {}
    >>> for_rule(sign_descent).__name__
    'SignDescent'
    >>> del rules.RULES["sign_descent"]
    """
    rule = rules.get(rule)
    cls = CLASSES.get(rule.name)
    return cls if cls is not None and cls.rule is rule else _class_of(rule)


@functools.cache
def _class_of(rule):
    """The class of a rule that none was written for, one a rule."""
    name = "".join(part[:1].upper() + part[1:] for part in rule.name.split("_"))
    body = {"__module__": __name__, "__reduce__": _reduce}
    return type(name, (RuleOptimizer,), body, rule=rule)


def make(name: str | Rule, params: Params, **options: Any) -> RuleOptimizer:
    """Return the optimizer of the rule called ``name`` (or of the rule itself).

    Raises ``ValueError`` for an unknown name, listing the known ones.

    >>> import torch
    >>> make("adam", [torch.zeros(1, requires_grad=True)], lr=0.1).rule
    rules.get('adam')
    """
    return for_rule(name)(params, **options)


def _reduce(optimizer):
    """How a class that no module holds is copied and pickled: through its rule."""
    return _empty, (optimizer.rule,), optimizer.__getstate__()


def _empty(rule):
    cls = for_rule(rule)
    return cls.__new__(cls)
