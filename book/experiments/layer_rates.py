"""SGD with a rate of its own for every layer, as an option of each lane, and a search for the best ones."""

import numpy as np
import transfer
from shifted import repeated
from sweeps import sweep

from lrlib import Rule

TRIES = [-1, -0.5, 0.5, 1]  # decades


def layered(layers):
    """The rule x ← x − η_l g for the weights and the bias of layer l; its options are layer0, layer1, …

    >>> layered(2).defaults
    {'lr': 1.0, 'layer0': 1.0, 'layer1': 1.0}
    """

    def update(x, g, state, t, *, lr=1.0, **rates):
        return [p - lr * rates[f"layer{k // 2}"] * d for k, (p, d) in enumerate(zip(x, g))], {}

    return Rule("layered_sgd", "global", update, (), {"lr": 1.0} | {f"layer{k}": 1.0 for k in range(layers)}, "")


def scores(record, rates):
    """Validation and test accuracy of a sweep, [2, rate, seed]; chance where a run diverged."""
    return np.stack(list(transfer.scores(record, (rates, -1)).values()))


def trained(task, rates, seeds, steps, start=None):
    """Scores [2, option, seed] of SGD with the rates [option, layer], from the weights `start` {name: [seed, …]}."""
    rates = np.asarray(rates)
    begin = None if start is None else repeated(start, len(rates))
    record = sweep(
        task,
        layered(rates.shape[1]),
        lr=np.ones(len(rates)),
        seeds=seeds,
        steps=steps,
        start=begin,
        path="eager",
        **{f"layer{k}": column for k, column in enumerate(rates.T)},
    )
    return scores(record, len(rates))


def uniform(lr, layers):
    """One rate for all layers: [rate, layer]."""
    return np.repeat(np.asarray(lr)[:, None], layers, axis=1)


def discriminative(lr, layers, factor):
    """The last layer has the rate, every earlier one that of the next / factor: [rate, layer].

    >>> discriminative([1.0], 3, 2.0).tolist()
    [[0.25, 0.5, 1.0]]
    """
    return uniform(lr, layers) / factor ** np.arange(layers)[::-1]


def searched(task, first, seeds, steps, rounds, start=None):
    """Rates [layer] from a coordinate search that starts at `first` and goes by mean validation accuracy.

    Every round tries every layer at a few multiples of its rate, and takes the best single change if it helps.
    """
    rates, score = np.array(first, dtype=float), trained(task, [first], seeds, steps, start)[0].mean()
    for _ in range(rounds):
        options = np.array(
            [rates * 10.0 ** (t * (np.arange(len(rates)) == k)) for k in range(len(rates)) for t in TRIES]
        )
        found = trained(task, options, seeds, steps, start)[0].mean(axis=-1)
        if found.max() <= score:
            break
        rates, score = options[found.argmax()], found.max()
    return rates
