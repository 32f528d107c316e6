"""Update rules: one pure function per method, in the notation of its paper.

A rule is called as ``rule(x, g, state, t, lr=..., ...)`` with the parameter ``x``, its gradient ``g``
(same shape), the state that the method keeps (a dict of tensors) and the step ``t`` counted from 1. It returns
``(x_new, state_new)`` and changes nothing in place. The rate, the step and every option may be a number or a tensor
that broadcasts against ``x``, so one rule serves a loop over tensors, ``torch.compile`` and ``torch.vmap``.

Each rule declares its *kind*, from which the optimizers and sweeps know how to drive it:

* ``element``: works on any shape, entry by entry, so it can be fused and swept;
* ``tensor``: needs norms or matrices of one tensor, and so gets tensors whole;
* ``global``: looks at all tensors together. ``x`` and ``g`` are lists of tensors; a state value is such a list, or one
  0-D tensor for the names that the rule declares as ``single``;
* ``closure``: as ``global``, with two more arguments: ``loss``, the batch loss at ``x`` (0-D), and ``loss_at``,
  a function from a list of tensors to the batch loss there. Its random numbers come from `lrlib.streams` alone.

A new method is one function under `rule`, in this package or in a user's own module; nothing else has to know of it.
A method on matrices (Muon, Shampoo) is of kind ``tensor``; one with a distance or a sum over all parameters (DoG,
Prodigy) ``global``; one that evaluates elsewhere than where it ends (schedule-free, SAM) keeps the other point in its
state, and ``closure`` gives it losses there. The defaults are those of ``torch.optim`` where it has the method, and
otherwise stated at the rule. Adam with an L2 penalty is `adam` with ``weight_decay``; the decay of Loshchilov and
Hutter is `adamw`.
"""

from .annealing import annealed_sgd
from .base import KINDS, RULES, Rule, get, rule
from .descent import momentum, nesterov, sgd
from .hypergradient import hypergradient_adam, hypergradient_sgd
from .layers import lars
from .moments import adabelief, adam, adamw, amsgrad, radam
from .scaling import adagrad, rmsprop

__all__ = [
    "KINDS",
    "RULES",
    "Rule",
    "get",
    "rule",
    "sgd",
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "adam",
    "amsgrad",
    "adamw",
    "adabelief",
    "radam",
    "lars",
    "hypergradient_sgd",
    "hypergradient_adam",
    "annealed_sgd",
]
RULES.update((name, RULES.pop(name)) for name in __all__ if name in RULES)  # from the simplest to the oddest
