"""Optimizers for PyTorch's training loop, each driving one rule of `lrlib.rules`.

They take the place of ``torch.optim``'s: parameter groups, closures, ``state_dict``, tensor rates and schedulers work
as there, and in float64 the parameters agree to rounding. Option names are those of the rules (``beta1`` and ``beta2``
in place of ``betas``). The update runs tensor by tensor in plain PyTorch operations: ``optimizer.path`` is ``"eager"``.
"""

import torch

from lrlib import rules


class RuleOptimizer(torch.optim.Optimizer):
    """A ``torch.optim.Optimizer`` that applies the class's ``rule`` to every parameter that has a gradient.

    ``params`` is an iterable of tensors or of group dicts; ``lr`` a number or a 0-D tensor; ``maximize`` climbs
    instead of descending; ``options`` are those of the rule, and default to the rule's. Raises ``TypeError`` for an
    unknown option and for sparse or complex gradients, ``ValueError`` for an option outside its range.

    >>> x = torch.nn.Parameter(torch.tensor(1.0))
    >>> optimizer = SGD([x], lr=0.1, weight_decay=0.5)
    >>> x.grad = torch.tensor(2.0)
    >>> optimizer.step()
    >>> x.item(), optimizer.path
    (0.75, 'eager')
    """

    rule = None
    path = "eager"

    def __init__(self, params, lr=None, *, maximize=False, **options):
        if lr is not None:
            options["lr"] = lr
        self.rule.check(**options)
        super().__init__(params, {**self.rule.defaults, **options, "maximize": bool(maximize)})

    def add_param_group(self, param_group):
        """Add a group of parameters with options of its own; other options take this optimizer's defaults."""
        if isinstance(param_group, dict):
            self.rule.check(**{k: v for k, v in param_group.items() if k in self.rule.defaults})
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure=None):
        """Apply one update; with ``closure`` (which recomputes the loss and the gradients), return its loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        pairs = [(group, p) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for _, p in pairs:
            self._refuse(p)
        for group, p in pairs:
            self._update(p, group)
        return loss

    def _update(self, x, group):
        state = self.state[x]
        if not state:
            state.update(self.rule.init(x), step=0)
        state["step"] += 1
        options = {name: group[name] for name in self.rule.defaults}
        g = -x.grad if group["maximize"] else x.grad
        kept = {name: state[name] for name in self.rule.state_names}
        new, kept = self.rule(x, g, kept, state["step"], **options)
        state.update(kept)
        x.copy_(new)

    def _refuse(self, x):
        if x.grad.layout != torch.strided:
            raise TypeError(f"{type(self).__name__} needs dense gradients; got layout {x.grad.layout}")
        if x.is_complex():
            raise TypeError(f"{type(self).__name__} needs real parameters; got dtype {x.dtype}")


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


class AdamW(RuleOptimizer):
    """AdamW, `rules.adamw`. Options and defaults: lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01."""

    rule = rules.adamw


CLASSES = {cls.rule.name: cls for cls in (SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW)}


def make(name, params, **options):
    """Return the optimizer of the rule called ``name``.

    Raises ``ValueError`` for an unknown name, listing the known ones.

    >>> make("adam", [torch.zeros(1, requires_grad=True)], lr=0.1).rule
    rules.get('adam')
    """
    return CLASSES[rules.get(name).name](params, **options)
