"""Optimizers for PyTorch's training loop, each driving one rule of `lrlib.rules`.

They take the place of ``torch.optim``'s: parameter groups, closures, ``state_dict``, tensor rates, ``GradScaler`` and
schedulers work as there, and in float64 the parameters agree to rounding. Option names are those of the rules
(``beta1`` and ``beta2`` in place of ``betas``).
"""

from .. import rules

from .driver import RuleOptimizer

__all__ = [
    "AMSGrad",
    "AdaBelief",
    "AdaGrad",
    "Adam",
    "AdamW",
    "AnnealedSGD",
    "HypergradientAdam",
    "HypergradientSGD",
    "LARS",
    "Momentum",
    "Nesterov",
    "RAdam",
    "RMSProp",
    "RuleOptimizer",
    "SGD",
    "for_rule",
    "make",
]


class SGD(RuleOptimizer):
    """Gradient descent, `rules.sgd`. Options and defaults: lr=0.001, weight_decay=0.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = SGD([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.6400])
    """

    rule = rules.sgd


class Momentum(RuleOptimizer):
    """Heavy-ball momentum, `rules.momentum`. Options and defaults: lr=0.001, momentum=0.9, weight_decay=0.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = Momentum([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.4600])
    """

    rule = rules.momentum


class Nesterov(RuleOptimizer):
    """Nesterov's momentum, `rules.nesterov`. Options and defaults: lr=0.001, momentum=0.9, weight_decay=0.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = Nesterov([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.2224])
    """

    rule = rules.nesterov


class AdaGrad(RuleOptimizer):
    """AdaGrad, `rules.adagrad`. Options and defaults: lr=0.01, eps=1e-10, weight_decay=0.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = AdaGrad([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.8331])
    """

    rule = rules.adagrad


class RMSProp(RuleOptimizer):
    """RMSProp, `rules.rmsprop`. Options and defaults: lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = RMSProp([x], lr=0.01)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.8329])
    """

    rule = rules.rmsprop


class Adam(RuleOptimizer):
    """Adam, `rules.adam`. Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = Adam([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.8004])
    """

    rule = rules.adam


class AMSGrad(RuleOptimizer):
    """AMSGrad, `rules.amsgrad`. Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = AMSGrad([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.8004])
    """

    rule = rules.amsgrad


class AdamW(RuleOptimizer):
    """AdamW, `rules.adamw`. Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = AdamW([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.7985])
    """

    rule = rules.adamw


class AdaBelief(RuleOptimizer):
    """AdaBelief, `rules.adabelief`.

    Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-16, weight_decay=0, accumulate=True.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = AdaBelief([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.7727])
    """

    rule = rules.adabelief


class RAdam(RuleOptimizer):
    """RAdam, `rules.radam`.

    Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, threshold=5.0.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = RAdam([x], lr=0.1)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.6211])
    """

    rule = rules.radam


class LARS(RuleOptimizer):
    """LARS, `rules.lars`.

    Options and defaults: lr=1.0, momentum=0.9, weight_decay=0, trust=0.001, eps=0, adapt=True.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = LARS([x], lr=10.0)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.9711])
    """

    rule = rules.lars


class HypergradientSGD(RuleOptimizer):
    """SGD that learns its rate, `rules.hypergradient_sgd`.

    Options and defaults: lr=0.001, hyper_lr=1e-6, weight_decay=0, multiplicative=False.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = HypergradientSGD([x], lr=0.1, hyper_lr=0.01)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.5888])
    """

    rule = rules.hypergradient_sgd


class HypergradientAdam(RuleOptimizer):
    """Adam that learns its rate, `rules.hypergradient_adam`.

    Options and defaults: lr=0.001, hyper_lr=1e-8, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0,
    multiplicative=False.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = HypergradientAdam([x], lr=0.1, hyper_lr=0.01)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()                       # of the loss x²
    ...     optimizer.step()
    >>> x.data
    tensor([0.7825])
    """

    rule = rules.hypergradient_adam


class AnnealedSGD(RuleOptimizer):
    """SGD with simulated-annealing acceptance, `rules.annealed_sgd`.

    Options and defaults: lr=1.0, rates=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5), temperature=1.0, cooling=0.99,
    weight_decay=0, seed=0. ``step`` needs a closure.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = AnnealedSGD([x], rates=(0.1, 0.2), temperature=0.1)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = x.square().sum()
    ...     loss.backward()
    ...     return loss
    >>> [round(optimizer.step(closure).item(), 4) for _ in range(3)]
    [1.0, 0.36, 0.2304]
    """

    rule = rules.annealed_sgd


CLASSES = {
    cls.rule.name: cls
    for cls in (
        SGD,
        Momentum,
        Nesterov,
        AdaGrad,
        RMSProp,
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


def for_rule(rule):
    """Return the optimizer class of a rule (or its name); a rule of your own gets a class when it is first asked for.

    Raises ``ValueError`` for an unknown name, listing the known ones.

    >>> for_rule("adam") is Adam
    True
    >>> @rules.rule("sign_descent", "element", source="Bernstein 2018")
    ... def sign_descent(x, g, state, t, *, lr=1e-3):
    ...     return x - lr * g.sign(), {}
    >>> for_rule(sign_descent).__name__
    'SignDescent'
    >>> del CLASSES["sign_descent"], rules.RULES["sign_descent"]
    """
    rule = rules.get(rule)
    cls = CLASSES.get(rule.name)
    if cls is not None and cls.rule is rule:
        return cls
    name = "".join(part[:1].upper() + part[1:] for part in rule.name.split("_"))
    defaults = ", ".join(f"{option}={value!r}" for option, value in rule.defaults.items())
    body = {
        "rule": rule,
        "__doc__": f"`{rule.name}` as an optimizer. Options and defaults: {defaults}.",
        "__module__": __name__,
        "__reduce__": _reduce,
    }
    CLASSES[rule.name] = type(name, (RuleOptimizer,), body)
    return CLASSES[rule.name]


def make(name, params, **options):
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
