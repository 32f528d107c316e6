"""Update rules: one pure function per method, in the notation of its paper.

A rule is called as ``rule(x, g, state, t, lr=..., ...)`` with the parameter ``x``, its gradient ``g``
(same shape), the state that the method keeps (a dict of tensors) and the step ``t`` counted from 1. It returns
``(x_new, state_new)`` and changes nothing in place. The rate, the step and every option may be a number or a tensor
that broadcasts against ``x``, so one rule serves a loop over tensors, ``torch.compile`` and ``torch.vmap``.

Each rule declares its *kind*: ``element`` (works on any shape, entry by entry, so it can be fused and swept),
``tensor`` (needs norms or matrices of one tensor), ``global`` (a norm over all tensors) or ``closure`` (needs a
second gradient or a loss). The defaults are those of ``torch.optim``.
"""

import functools
import inspect
import math

import torch

KINDS = ("element", "tensor", "global", "closure")
RULES = {}


class Rule:
    """A named update rule with the state that it keeps and its default options.

    Attributes: ``name``; ``kind`` (one of ``element tensor global closure``); ``update``, the plain function;
    ``state_names``; ``defaults``, a dict of every option including ``lr``; ``source``, where the method was published.

    >>> rule = get("momentum")
    >>> rule.kind, rule.state_names, rule.defaults
    ('element', ('v',), {'lr': 0.001, 'momentum': 0.9, 'weight_decay': 0.0})
    """

    def __init__(self, name, kind, update, state_names, defaults, source):
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
        functools.update_wrapper(self, update)
        self.name, self.kind, self.update = name, kind, update
        self.state_names, self.defaults, self.source = tuple(state_names), dict(defaults), source

    def init(self, x):
        """Return the state before the first step: zeros shaped like ``x`` for each name, ``{}`` without state.

        >>> get("adam").init(torch.ones(2))
        {'m': tensor([0., 0.]), 'v': tensor([0., 0.])}
        """
        return {name: torch.zeros_like(x) for name in self.state_names}

    def __call__(self, x, g, state, t, **options):
        """Return ``(x_new, state_new)``; options that are not given take their defaults."""
        return self.update(x, g, state, t, **options)

    def check(self, **options):
        """Raise for an unknown option (``TypeError``) or a number outside its range (``ValueError``).

        Allowed: ``lr, weight_decay, eps, momentum`` finite and at least 0; ``alpha, beta1, beta2`` in [0, 1).
        Tensors and arrays are checked entry by entry.

        >>> get("sgd").check(lr=-1.0)
        Traceback (most recent call last):
        ...
        ValueError: sgd: lr must be finite and at least 0; got -1.0
        """
        for name, value in options.items():
            if name not in self.defaults:
                allowed = ", ".join(self.defaults)
                raise TypeError(f"{self.name}: unknown option {name!r}; its options are {allowed}")
            _check_range(self.name, name, value)

    def __repr__(self):
        return f"rules.get({self.name!r})"

    def __reduce__(self):
        return get, (self.name,)


def get(name):
    """Return the rule called ``name``; a ``Rule`` is passed through.

    Raises ``ValueError`` for an unknown name, listing the known ones.

    >>> get("adamw").defaults["weight_decay"]
    0.01
    >>> get("adam2")
    Traceback (most recent call last):
    ...
    ValueError: unknown rule 'adam2'; known rules: sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw
    """
    if isinstance(name, Rule):
        return name
    if not isinstance(name, str) or name not in RULES:
        raise ValueError(f"unknown rule {name!r}; known rules: {', '.join(RULES)}")
    return RULES[name]


def rule(name, kind, state=(), source=""):
    """Turn an update function into a `Rule` and list it in ``RULES``; its keyword defaults become the defaults."""

    def register(update):
        parameters = inspect.signature(update).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        RULES[name] = Rule(name, kind, update, state, defaults, source)
        return RULES[name]

    return register


@rule("sgd", "element", source="Robbins & Monro 1951")
def sgd(x, g, state, t, *, lr=1e-3, weight_decay=0.0):
    """Gradient descent: x ← x − η g.

    With weight decay λ the gradient is g + λ x (an L2 penalty), here and in every rule but AdamW.

    >>> sgd(torch.tensor(1.0), torch.tensor(4.0), {}, 1, lr=0.1)[0]
    tensor(0.6000)
    """
    return x - lr * _penalised(g, x, weight_decay), {}


@rule("momentum", "element", ("v",), source="Polyak 1964")
def momentum(x, g, state, t, *, lr=1e-3, momentum=0.9, weight_decay=0.0):
    """Heavy ball: v ← μ v + g, x ← x − η v.

    The rate stays outside v, so a change of the rate acts at once. ``torch.optim.SGD`` has μ = 0 by default.

    >>> x, state = torch.tensor(1.0), {"v": torch.tensor(1.0)}
    >>> momentum(x, torch.tensor(4.0), state, 1, lr=0.1)
    (tensor(0.5100), {'v': tensor(4.9000)})
    """
    v = momentum * state["v"] + _penalised(g, x, weight_decay)
    return x - lr * v, {"v": v}


@rule("nesterov", "element", ("v",), source="Nesterov 1983; Sutskever 2013")
def nesterov(x, g, state, t, *, lr=1e-3, momentum=0.9, weight_decay=0.0):
    """Nesterov's momentum: v ← μ v + g, x ← x − η (g + μ v).

    The form of ``torch.optim.SGD(nesterov=True)``, with the gradient taken where the parameters are stored.

    >>> x, state = torch.tensor(1.0), {"v": torch.tensor(1.0)}
    >>> nesterov(x, torch.tensor(4.0), state, 1, lr=0.1)[0]
    tensor(0.1590)
    """
    g = _penalised(g, x, weight_decay)
    v = momentum * state["v"] + g
    return x - lr * (g + momentum * v), {"v": v}


@rule("adagrad", "element", ("s",), source="Duchi 2011")
def adagrad(x, g, state, t, *, lr=1e-2, eps=1e-10, weight_decay=0.0):
    """AdaGrad: s ← s + g², x ← x − η g / (√s + ε).

    >>> adagrad(torch.tensor(1.0), torch.tensor(3.0), {"s": torch.tensor(16.0)}, 1, lr=0.1)
    (tensor(0.9400), {'s': tensor(25.)})
    """
    g = _penalised(g, x, weight_decay)
    s = state["s"] + g * g
    return x - lr * (g / (s.sqrt() + eps)), {"s": s}


@rule("rmsprop", "element", ("v",), source="Hinton 2012, lecture 6e")
def rmsprop(x, g, state, t, *, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
    """RMSProp: v ← α v + (1 − α) g², x ← x − η g / (√v + ε).

    >>> rmsprop(torch.tensor(1.0), torch.tensor(3.0), {"v": torch.tensor(0.0)}, 1, lr=0.05)[0]
    tensor(0.5000)
    """
    g = _penalised(g, x, weight_decay)
    v = alpha * state["v"] + (1 - alpha) * (g * g)
    return x - lr * (g / (v.sqrt() + eps)), {"v": v}


@rule("adam", "element", ("m", "v"), source="Kingma & Ba 2015")
def adam(x, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², x ← x − η m̂ / (√v̂ + ε).

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) correct the bias of starting at zero, so the first step has
    length η in every entry whatever the size of the gradient.

    >>> x = torch.tensor([1.0, 1.0])
    >>> adam(x, torch.tensor([5.0, -0.01]), get("adam").init(x), 1, lr=0.1)[0]
    tensor([0.9000, 1.1000])
    """
    m, v, direction = _adam_direction(_penalised(g, x, weight_decay), state, t, beta1, beta2, eps)
    return x - lr * direction, {"m": m, "v": v}


@rule("adamw", "element", ("m", "v"), source="Loshchilov & Hutter 2019")
def adamw(x, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2):
    """AdamW: Adam with the decay outside the moments, x ← x − η (m̂ / (√v̂ + ε) + λ x).

    As in ``torch.optim.AdamW``, λ is multiplied by the rate, so only the product η λ sets the shrinking.

    >>> x = torch.tensor([1.0, 1.0])
    >>> adamw(x, torch.tensor([5.0, 0.0]), get("adamw").init(x), 1, lr=0.1, weight_decay=0.1)[0]
    tensor([0.8900, 0.9900])
    """
    m, v, direction = _adam_direction(g, state, t, beta1, beta2, eps)
    return x - lr * (direction + weight_decay * x), {"m": m, "v": v}


def _adam_direction(g, state, t, beta1, beta2, eps):
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * (g * g)
    m_hat = m / _one_minus_power(beta1, t, m.dtype)
    v_hat = v / _one_minus_power(beta2, t, v.dtype)
    return m, v, m_hat / (v_hat.sqrt() + eps)


def _one_minus_power(beta, t, dtype):
    """Return 1 − βᵗ. With tensors, expm1 keeps the digits that float32 loses for β near 1."""
    if isinstance(beta, torch.Tensor):
        return -torch.expm1(t * torch.log(beta)).to(dtype)
    if isinstance(t, torch.Tensor):
        wide = torch.float32 if t.device.type == "mps" else torch.float64
        return -torch.expm1(t.to(wide) * (math.log(beta) if beta > 0 else -math.inf)).to(dtype)
    return 1 - beta**t


def _penalised(g, x, weight_decay):
    if not isinstance(weight_decay, torch.Tensor) and weight_decay == 0:
        return g
    return g + weight_decay * x


def _check_range(rule_name, name, value):
    try:
        entries = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{rule_name}: {name} must be a number or a tensor; got {value!r}") from None
    below_one = name in ("alpha", "beta1", "beta2")
    fine = torch.isfinite(entries) & (entries >= 0) & (entries < (1 if below_one else math.inf))
    if not bool(fine.all()):
        allowed = "in [0, 1)" if below_one else "finite and at least 0"
        raise ValueError(f"{rule_name}: {name} must be {allowed}; got {value!r}")
