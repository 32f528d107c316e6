"""Rates by layer: parameter groups for any optimizer, from the depth of a layer or the name of a parameter.

Plans are factors of each group's own rate, so the proportions stay under every schedule.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import torch

from .._base import arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from .._types import Group


def layerwise(
    model: torch.nn.Module,
    lr: float,
    decay: float = 1.0,
    factors: Mapping[str, float] | None = None,
    layers: Iterable[str] | None = None,
) -> list[Group]:
    """Return group dicts for an optimizer: parameter p has rate lr · decay^(L − l) · factor, l its layer of 0 … L.

    The last layer has the rate ``lr``. Without ``layers`` a layer is a module with parameters of its own, in the order
    in which the model registers them; ``layers`` gives them, from input to output, as regular expressions over the
    names of ``model.named_parameters()`` (found anywhere in the name, as `re.search` does).
    ``factors`` is a dict {regular expression: factor of the rate}, such as ``{"bias$": 2, ".": 1}``; the first that
    fits counts. Parameters with the same rate share one group, from the first layer on, since many small groups are
    slow.

    Raises ``TypeError`` for something that is no module, ``ValueError`` for a module without parameters, a rate,
    ``decay`` or factor that is negative or not finite, an invalid expression, a parameter that none fits (add ``"."``
    for the rest) and an expression that fits none.

    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> [(group["lr"], len(group["params"])) for group in layerwise(model, 0.1, decay=0.5)]
    [(0.05, 2), (0.1, 2)]
    >>> groups = layerwise(model, 0.1, factors={"weight": 1, "bias": 2})
    >>> [(group["lr"], len(group["params"])) for group in groups]
    [(0.1, 2), (0.2, 2)]
    >>> optimizer = torch.optim.SGD(groups, momentum=0.9)
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    named = dict(model.named_parameters())
    if not named:
        raise ValueError("model has no parameters")
    lr, decay = arguments.number("lr", lr), arguments.number("decay", decay)
    depth = _depths(named) if layers is None else _matched(named, "layers", layers)
    scale = dict.fromkeys(named, 1.0)
    if factors is not None:
        if not isinstance(factors, dict):
            raise TypeError(f"factors must be a dict {{regular expression: factor}}; got {factors!r}")
        values = [arguments.number(f"the factor of {pattern!r}", value) for pattern, value in factors.items()]
        scale = {name: values[k] for name, k in _matched(named, "factors", factors).items()}
    last = max(depth.values())
    merged = {}
    for name in sorted(named, key=depth.get):
        rate = lr * _power(decay, last - depth[name]) * scale[name]
        merged.setdefault(arguments.number(f"the rate of {name!r}", rate), []).append(named[name])
    return [{"params": parameters, "lr": rate} for rate, parameters in merged.items()]


def ulmfit(model: torch.nn.Module, lr: float, factor: float = 2.6, layers: Iterable[str] | None = None) -> list[Group]:
    """Return group dicts with ULMFiT's discriminative rates: each layer has that of the next one / ``factor``.

    η of layer l − 1 is η of layer l / 2.6. The rest is as in `layerwise`; ``factor`` is above 0.
    Source: Howard & Ruder 2018.

    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 3), torch.nn.Linear(3, 1))
    >>> [round(group["lr"], 4) for group in ulmfit(model, 0.01)]
    [0.0015, 0.0038, 0.01]
    """
    return layerwise(model, lr, decay=1 / arguments.number("factor", factor, above=0), layers=layers)


def _power(decay, k):
    try:
        return decay**k
    except OverflowError:
        return math.inf


def _depths(named):
    """The number of each parameter's module, among those with parameters of their own."""
    owners = {}
    return {name: owners.setdefault(name.rpartition(".")[0], len(owners)) for name in named}


def _matched(named, argument, patterns):
    """For each name the place of the first of ``patterns`` that fits it; each of them must be used."""
    if isinstance(patterns, str) or not hasattr(patterns, "__iter__") or not (patterns := list(patterns)):
        raise ValueError(f"{argument} must hold at least one regular expression, in a list; got {patterns!r}")
    try:
        compiled = [re.compile(pattern) for pattern in patterns]
    except (re.error, TypeError) as error:
        raise ValueError(f"{argument} must be regular expressions; got {patterns!r}: {error}") from None
    places = {}
    for name in named:
        places[name] = next((k for k, pattern in enumerate(compiled) if pattern.search(name)), None)
    alone = [name for name, k in places.items() if k is None]
    if alone:
        raise ValueError(f"{argument}: no expression fits {', '.join(map(repr, alone))}; add '.' for the rest")
    idle = [pattern for k, pattern in enumerate(patterns) if k not in places.values()]
    if idle:
        raise ValueError(f"{argument}: nothing is left for {', '.join(map(repr, idle))} among {', '.join(named)}")
    return places
