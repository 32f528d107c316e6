"""Language: the next symbol of a text, whose source is known exactly or which a user brings."""

from __future__ import annotations

import functools
import string

import torch
from torch import nn

from .._base.arguments import LARGEST_SEED, MOST_EXAMPLES, MOST_UNITS, flag, number, whole
from .._base.streams import generator
from .task import Task, accuracy
from .transformer import CausalTransformer

STEEPEST = 1e6  # contrast; beyond it each pair of symbols has one successor
ALPHABET = string.ascii_lowercase
SHARES = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}  # of a text of one's own


def character_transformer(
    train: int = 2000,
    valid: int = 500,
    test: int = 1000,
    context: int = 16,
    batch: int = 16,
    steps: int = 1000,
    *,
    text: str | None = None,
    symbols: int = 16,
    contrast: float = 2.0,
    source: int = 0,
    width: int = 32,
    blocks: int = 1,
    heads: int = 2,
    fresh: bool = True,
) -> Task:
    r"""The next symbol at every place of a piece of text, with a small `CausalTransformer`.

    x [n, context] and y [n, context] hold integers, y the symbols that follow those of x; the loss is the mean cross-
    entropy in nats a symbol, the metric the share of symbols that are guessed right. By default the text comes from a
    source of the second order, the same on every machine: given the symbols a, b before it, symbol c has

    .. math:: P(c \mid a, b) = \frac{e^{A_{ac} + B_{bc}}}{\sum_{c'} e^{A_{ac'} + B_{bc'}}}, \quad
              A_{ac}, B_{bc} \sim N(0, (\text{contrast}/2)^2)

    so both symbols count, and the entropy is known exactly. ``details``: ``alphabet``; ``probabilities`` [k, k, k]
    (a, b, c), float64; in nats a symbol, ``entropy`` given all symbols before, ``entropy_one`` given one and
    ``entropy_none`` given none, all of the stationary source. Every piece begins anew, so the first place of a piece
    knows one symbol only: ``optimum`` = (entropy_one + (context − 1)·entropy)/context.

    Args:
        train, valid, test: pieces, each of context + 1 symbols.
        context: places of a piece.
        batch, steps: see `Task`.
        text: a text of your own instead of the source; its alphabet is the characters in it. Pieces of the first
            eight tenths train, of the ninth validate, of the last test; they begin at random places. ``details`` is
            then ``alphabet`` alone, and ``optimum`` None. Python brings a long one, `pydoc_data.topics` (its length
            differs from version to version).
        symbols: k, from 2 to 26 letters of the source.
        contrast: how strongly one symbol tells the next, below 1,000,000; 0 makes all alike.
        source: seed of A and B.
        width, blocks, heads: of the network.
        fresh: each seed draws training pieces of its own; else all share those of seed 0.

    Raises:
        TypeError, ValueError: an argument outside its range, or a text too short for a piece in each part.

    Example:
        >>> task = character_transformer(train=100, valid=10, test=10)
        >>> x, y = task.train_for(seed=0)
        >>> tuple(x.shape), bool((x[:, 1:] == y[:, :-1]).all())
        ((100, 16), True)
        >>> [round(task.details[name], 3) for name in ("entropy_none", "entropy_one", "entropy")]
        [2.759, 2.44, 2.102]
        >>> character_transformer(text="to be or not to be, " * 40, context=8).details["alphabet"]
        ' ,benort'

    Source: the entropy of a Markov source is Shannon (1948), "A mathematical theory of communication", section 7.
    """
    sizes = {"train": train, "valid": valid, "test": test}
    counts = {name: whole(name, value, most=MOST_EXAMPLES) for name, value in sizes.items()}
    context, fresh = whole("context", context, most=MOST_UNITS), flag("fresh", fresh)
    if text is None:
        draw, details = _source(
            whole("symbols", symbols, 2),
            number("contrast", contrast, below=STEEPEST),
            whole("source", source, 0, LARGEST_SEED),
            context,
        )
    else:
        draw, details = _text(text, context)
    model = functools.partial(CausalTransformer, len(details["alphabet"]), context, width, blocks, heads)
    with torch.device("meta"):
        model()  # a wrong size shows now
    drawn = _Drawn(draw, counts["train"])
    return Task(
        "character_transformer",
        model,
        drawn if fresh else drawn(0),
        draw(counts["valid"], "valid", 0),
        test=draw(counts["test"], "test", 0),
        loss=symbol_loss,
        metric=accuracy,
        batch=batch,
        steps=steps,
        optimum=_optimum(details, context),
        details=details,
    )


def symbol_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over all places: logits [n, T, classes], y [n, T] → scalar, in nats a symbol.

    >>> round(symbol_loss(torch.zeros(2, 3, 16), torch.zeros(2, 3, dtype=torch.long)).item(), 4)          # ln 16
    2.7726
    """
    return nn.functional.cross_entropy(output.flatten(0, -2), y.flatten())


class _Drawn:
    """``drawn(seed)`` → training set of that seed."""

    def __init__(self, draw, size):
        self.draw, self.size = draw, size

    def __call__(self, seed):
        return self.draw(self.size, "train", seed)


def _source(symbols, contrast, source, context):
    """A function ``(n, part, seed) -> (x, y)`` of the second-order source, and its details."""
    if symbols > len(ALPHABET):
        raise ValueError(f"symbols must be from 2 to {len(ALPHABET)}; got {symbols}")
    table = torch.randn(2, symbols, symbols, generator=generator(source, "characters/source"), dtype=torch.float64)
    probabilities = (0.5 * contrast * (table[0][:, None] + table[1][None])).softmax(-1)
    pairs = _stationary(probabilities)
    details = {"alphabet": ALPHABET[:symbols], "probabilities": probabilities, **_entropies(probabilities, pairs)}
    return functools.partial(_draw_source, probabilities, pairs, context), details


def _stationary(probabilities):
    """Stationary probability of each pair (a, b) of symbols in a row, [k, k], of P(c | a, b) [k, k, k]."""
    k = len(probabilities)
    moves = torch.zeros(k, k, k, k, dtype=torch.float64)  # (a, b) → (b, c)
    b = torch.arange(k)
    moves[:, b, b] = probabilities
    moves = moves.reshape(k * k, k * k)
    equations = torch.cat([moves.T - torch.eye(k * k, dtype=torch.float64), torch.ones(1, k * k, dtype=torch.float64)])
    found = torch.linalg.lstsq(equations, torch.eye(k * k + 1, dtype=torch.float64)[:, -1:]).solution
    return found.view(k, k).clamp_min(0)


def _entropies(probabilities, pairs):
    """Entropy of a symbol of the stationary source in nats, given all, one or none of those before it."""
    joint = pairs[..., None] * probabilities
    one, none = joint.sum(0), pairs.sum(0)

    def given(weights, rows):
        return -torch.xlogy(weights, rows).sum().item()

    return {
        "entropy": given(joint, probabilities),
        "entropy_one": given(one, one / one.sum(-1, keepdim=True)),
        "entropy_none": given(none, none),
    }


def _draw_source(probabilities, pairs, context, n, part, seed):
    """n pieces of the source, each begun in its stationary state."""
    g, k = generator(seed, f"characters/{part}"), len(pairs)
    upto, chance = probabilities.cumsum(-1), torch.rand(context, n, generator=g, dtype=torch.float64)
    first = torch.searchsorted(pairs.flatten().cumsum(0), chance[0]).clamp_max(k * k - 1)
    places = [first // k, first % k]
    for u in chance[1:]:
        places.append((upto[places[-2], places[-1]] < u[:, None]).sum(-1).clamp_max(k - 1))
    piece = torch.stack(places, dim=1)
    return piece[:, :-1].contiguous(), piece[:, 1:].contiguous()


def _text(text, context):
    """A function ``(n, part, seed) -> (x, y)`` of pieces of a text, and its details."""
    if not isinstance(text, str):
        raise TypeError(f"text must be a str or None; got {type(text).__name__}")
    alphabet = "".join(sorted(set(text)))
    least = min(round(len(text) * high) - round(len(text) * low) for low, high in SHARES.values())
    if least < context + 1 or len(alphabet) < 2:
        raise ValueError(
            f"text must have two characters or more, and {context + 1} in each of its three parts (the "
            f"last tenth is the test part); got {len(alphabet)}, and {least} in the shortest part"
        )
    place = {c: i for i, c in enumerate(alphabet)}
    return functools.partial(_draw_text, torch.tensor([place[c] for c in text]), context), {"alphabet": alphabet}


def _draw_text(numbers, context, n, part, seed):
    """n pieces that begin at random places of a part."""
    low, high = (round(len(numbers) * share) for share in SHARES[part])
    start = torch.randint(low, high - context, (n, 1), generator=generator(seed, f"characters/{part}"))
    piece = numbers[start + torch.arange(context + 1)]
    return piece[:, :-1].contiguous(), piece[:, 1:].contiguous()


def _optimum(details, context):
    if "entropy" not in details:
        return None
    return (details["entropy_one"] + (context - 1) * details["entropy"]) / context
