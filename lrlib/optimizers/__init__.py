"""Optimizers for PyTorch's training loop, each driving one rule of `lrlib.rules`.

They take the place of ``torch.optim``'s: parameter groups, closures, ``state_dict``, tensor rates, ``GradScaler`` and
schedulers work as there, and in float64 the parameters agree to rounding. Option names are those of the rules
(``beta1`` and ``beta2`` in place of ``betas``).
"""

from lrlib import rules

from .driver import RuleOptimizer


class SGD(RuleOptimizer):
    """Gradient descent, `rules.sgd`. Options and defaults: lr=0.001, weight_decay=0."""

    rule = rules.sgd


class Momentum(RuleOptimizer):
    """Heavy-ball momentum, `rules.momentum`. Options and defaults: lr=0.001, momentum=0.9, weight_decay=0."""

    rule = rules.momentum


class Nesterov(RuleOptimizer):
    """Nesterov's momentum, `rules.nesterov`. Options and defaults: lr=0.001, momentum=0.9, weight_decay=0."""

    rule = rules.nesterov


class AdaGrad(RuleOptimizer):
    """AdaGrad, `rules.adagrad`. Options and defaults: lr=0.01, eps=1e-10, weight_decay=0."""

    rule = rules.adagrad


class RMSProp(RuleOptimizer):
    """RMSProp, `rules.rmsprop`. Options and defaults: lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0."""

    rule = rules.rmsprop


class Adam(RuleOptimizer):
    """Adam, `rules.adam`. Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0."""

    rule = rules.adam


class AMSGrad(RuleOptimizer):
    """AMSGrad, `rules.amsgrad`. Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0."""

    rule = rules.amsgrad


class AdamW(RuleOptimizer):
    """AdamW, `rules.adamw`. Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01."""

    rule = rules.adamw


class AdaBelief(RuleOptimizer):
    """AdaBelief, `rules.adabelief`.

    Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-16, weight_decay=0, accumulate=True.
    """

    rule = rules.adabelief


class RAdam(RuleOptimizer):
    """RAdam, `rules.radam`.

    Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, threshold=5.0.
    """

    rule = rules.radam


class LARS(RuleOptimizer):
    """LARS, `rules.lars`.

    Options and defaults: lr=1.0, momentum=0.9, weight_decay=0, trust=0.001, eps=0, adapt=True.
    """

    rule = rules.lars


class HypergradientSGD(RuleOptimizer):
    """SGD that learns its rate, `rules.hypergradient_sgd`.

    Options and defaults: lr=0.001, hyper_lr=1e-6, weight_decay=0, multiplicative=False.
    """

    rule = rules.hypergradient_sgd


class HypergradientAdam(RuleOptimizer):
    """Adam that learns its rate, `rules.hypergradient_adam`.

    Options and defaults: lr=0.001, hyper_lr=1e-8, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, multiplicative=False.
    """

    rule = rules.hypergradient_adam


class AnnealedSGD(RuleOptimizer):
    """SGD with simulated-annealing acceptance, `rules.annealed_sgd`.

    Options and defaults: lr=1.0, rates=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5), temperature=1.0, cooling=0.99,
    weight_decay=0, seed=0. ``step`` needs a closure.
    """

    rule = rules.annealed_sgd


CLASSES = {cls.rule.name: cls for cls in (
    SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam, AMSGrad, AdamW, AdaBelief, RAdam, LARS, HypergradientSGD,
    HypergradientAdam, AnnealedSGD)}


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
    body = {"rule": rule, "__doc__": f"`{rule.name}` as an optimizer. Options and defaults: {defaults}.",
            "__module__": __name__, "__reduce__": _reduce}
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
