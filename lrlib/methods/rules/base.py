"""What a rule is: a pure update function with its kind, its state, its defaults and the ranges of its options."""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..._base.arguments import shown
from .ranges import check_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any
    from ..._types import Number, State, Tensors

KINDS = ("element", "tensor", "global", "closure")
RULES: dict[str, Rule] = {}
HALF = (torch.float16, torch.bfloat16)


class Rule:
    """A named update rule with the state that it keeps and its default options.

    Attributes: ``name``; ``kind`` (one of ``element tensor global closure``); ``update``, the plain function;
    ``state_names``; ``single``, those of them that are one number for all tensors; ``defaults``, a dict of every
    option including ``lr``; ``ranges``, which says what its own options may be; ``source``, where the method was
    published.

    >>> rule = get("momentum")
    >>> rule.kind, rule.state_names, rule.defaults
    ('element', ('v',), {'lr': 0.001, 'momentum': 0.9, 'weight_decay': 0.0})
    """

    def __init__(
        self,
        name: str,
        kind: str,
        update: Callable[..., Any],
        state_names: Iterable[str],
        defaults: Mapping[str, Any],
        source: str,
        single: Iterable[str] = (),
        ranges: Mapping[str, str] | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
        if single and kind not in ("global", "closure"):
            raise ValueError(f"single: a rule of kind {kind!r} keeps tensors shaped like x; got {tuple(single)!r}")
        functools.update_wrapper(self, update)
        self.name, self.kind, self.update = name, kind, update
        self.state_names, self.single = (*state_names, *single), tuple(single)
        self.defaults, self.source, self.ranges = dict(defaults), source, dict(ranges or {})

    def init(self, x: torch.Tensor | list[torch.Tensor]) -> State:
        """Return the state before the first step: zeros shaped like ``x`` for each name, ``{}`` without state.

        For a rule of kind ``global`` or ``closure``, ``x`` is a list of tensors; a ``single`` name gets one 0-D zero,
        in float32 where the parameters have half precision.

        >>> get("adam").init(torch.ones(2))
        {'m': tensor([0., 0.]), 'v': tensor([0., 0.])}
        >>> sorted(get("hypergradient_sgd").init([torch.ones(2), torch.ones(1)]).items())
        [('c', tensor(0.)), ('d', [tensor([0., 0.]), tensor([0.])]), ('rate', tensor(0.))]
        """
        if self.kind in ("element", "tensor"):
            return {name: torch.zeros_like(x) for name in self.state_names}
        kind = torch.float32 if x[0].dtype in HALF else x[0].dtype
        return {
            name: torch.zeros((), dtype=kind, device=x[0].device)
            if name in self.single
            else [torch.zeros_like(tensor) for tensor in x]
            for name in self.state_names
        }

    def __call__(self, x: Tensors, g: Tensors, state: State, t: Number, **options: Any) -> tuple[Tensors, State]:
        """Return ``(x_new, state_new)``; options that are not given take their defaults.

        Raises ``TypeError`` for a state that is no dict, ``ValueError`` for one that lacks what the rule keeps.
        """
        if not isinstance(state, dict):
            raise TypeError(f"{self.name}: state must be a dict, as init(x) gives it; got {shown(state)}")
        missing = [name for name in self.state_names if name not in state]
        if missing:
            raise ValueError(
                f"{self.name}: state must hold {', '.join(self.state_names)}, as init(x) gives it; it lacks "
                f"{', '.join(missing)}"
            )
        return self.update(x, g, state, t, **{**self.defaults, **options})

    def check(self, **options: Any) -> None:
        """Raise for an unknown option or a wrong type (``TypeError``), or a value outside its range (``ValueError``).

        What each option may be stands in `lrlib.methods.rules.ranges`. Tensors and arrays are checked entry by entry.

        >>> get("sgd").check(lr=-1.0)
        Traceback (most recent call last):
        ...
        ValueError: sgd: lr must be finite and at least 0; got -1.0
        """
        for name, value in options.items():
            if name not in self.defaults:
                allowed = ", ".join(self.defaults)
                raise TypeError(f"{self.name}: unknown option {name!r}; its options are {allowed}")
            check_option(self.name, name, value, self.ranges)
            if isinstance(self.defaults[name], tuple) and not np.ndim(value):
                raise TypeError(f"{self.name}: {name} must be a sequence of numbers; got {value!r}")

    def __repr__(self):
        return f"rules.get({self.name!r})"

    def __reduce__(self):
        if RULES.get(self.name) is self:
            return _listed, (self.name, self.update.__module__)
        return unlisted, (vars(self),)


def _listed(name, module):
    """The rule called ``name``, in a process that may not have imported its module yet."""
    if name not in RULES:
        importlib.import_module(module)
    return get(name)


def unlisted(attributes):
    """A rule with these attributes that no list knows: as it came from another process, or was copied."""
    made = Rule.__new__(Rule)
    vars(made).update(attributes)
    return made


def get(name: str | Rule) -> Rule:
    """Return the rule called ``name``; a ``Rule`` is passed through.

    Raises ``ValueError`` for an unknown name, listing the known ones.

    >>> get("adamw").defaults["weight_decay"]
    0.01
    >>> get("adam2")                                                                    # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: unknown rule 'adam2'; known rules: sgd, momentum, nesterov, adagrad, rmsprop, adam, ...
    """
    if isinstance(name, Rule):
        return name
    if not isinstance(name, str) or name not in RULES:
        raise ValueError(f"unknown rule {name!r}; known rules: {', '.join(RULES)}")
    return RULES[name]


def rule(
    name: str,
    kind: str,
    state: Iterable[str] = (),
    source: str = "",
    single: Iterable[str] = (),
    ranges: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Rule]:
    """Turn an update function into a `Rule` and list it in ``RULES``; its keyword defaults become the defaults.

    Args:
        name: what `get`, ``fit`` and ``sweep`` call it. A rule of another module with that name is not replaced.
        kind: "element", "tensor", "global" or "closure".
        state: names of what it keeps, shaped like ``x``.
        source: author and year.
        single: names of what it keeps as one number for all tensors (kinds "global" and "closure").
        ranges: {option: name of a range in `ranges.RANGES`}, for options that are not known there; an
            unlisted option must be finite and at least 0.

    Raises:
        ValueError: the name is taken, the kind or a range is unknown, an option is not keyword-only.

    >>> @rule("sign_descent", "element", source="Bernstein 2018")
    ... def sign_descent(x, g, state, t, *, lr=1e-3):
    ...     return x - lr * g.sign(), {}
    >>> get("sign_descent")(torch.tensor(1.0), torch.tensor(-5.0), {}, 1, lr=0.5)[0]
    tensor(1.5000)
    >>> del RULES["sign_descent"]
    """

    def register(update: Callable[..., Any]) -> Rule:
        taken = RULES.get(name)
        if taken is not None and taken.update.__module__ != update.__module__:
            raise ValueError(f"name: there is a rule {name!r} already, from {taken.update.__module__}")
        parameters = list(inspect.signature(update).parameters.values())
        loose = [p.name for p in parameters[4:] if p.kind is p.POSITIONAL_OR_KEYWORD]
        if loose:
            raise ValueError(f"rule {name!r}: its options must be keyword-only, after a *; got {', '.join(loose)}")
        defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}
        RULES[name] = Rule(name, kind, update, state, defaults=defaults, source=source, single=single, ranges=ranges)
        return RULES[name]

    return register


def penalised(g, x, weight_decay):
    """g + λ x: the gradient with an L2 penalty, or a direction with a decay; ``g`` itself without one."""
    if not isinstance(weight_decay, torch.Tensor) and weight_decay == 0:
        return g
    return g + weight_decay * x
