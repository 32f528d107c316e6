"""What E36, E37 and E39 share: one network pre-trained at many constant rates, then fine-tuned, averaged, or left alone.

MNIST-1D, 1,000 training examples of each seed's own, a 40-64-64-10 ReLU network, plain SGD with batches of 25.
"Pre-trained" is a run at a constant rate; "finetuned" goes on from there at each of a few small rates; "constant" goes
on at the rate that it had, which makes it as long; "swa…" is the mean of the weights after the last epochs of the
pre-training. The weights of a full run are kept on disk under the hash of this code, so that the three scripts train once.
"""

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lrbook.codehash import code_hash
from lrlib import tasks
from lrlib.evaluation import evaluate_weights
from lrlib.sweep import sweep
from lrlib.tasks.cache import cached

CHANCE = 0.1
METRICS = ("train_loss", "train_metric", "valid_metric", "test_metric")
SIZES = {
    "quick": dict(lr=[0.02, 0.2, 0.5, 0.9], flr=[0.05, 0.2], seeds=3, train=500, held=500, steps=200, fine=80,
                  averages=[2, 4], converged=0.8, path="eager"),
    "full": dict(lr=[0.003, 0.01, 0.03, *(10 ** np.arange(-0.9, 0.31, 0.1)).round(3).tolist()], flr=[0.05, 0.1, 0.2],
                 seeds=10, train=1000, held=4000, steps=2500, fine=1000, averages=[5, 20], converged=1e-2, path="compiled"),
}


@dataclass
class Trained:
    """Weights and scores by the way they came about.

    Ways and their leading axes: "pretrained" and "constant" [rate, seed], "finetuned" [fine rate, rate, seed],
    "swa5" and the like [rate, seed].

    lr, flr: rates of the pre-training and of the fine-tuning.  converged: training loss under which a run has converged.
    weights: {way: {name: [*axes, …]}}.  scores: {way: {"train_loss", "train_metric", "valid_metric", "test_metric"}},
    nan where a run diverged.
    """

    task: object
    lr: np.ndarray
    flr: np.ndarray
    converged: float
    weights: dict
    scores: dict

    def lanes(self, way):
        """All weights of a way as {name: [L, …]}, and the seed of each lane."""
        axes = self.scores[way]["train_loss"].shape
        flat = {name: w.reshape(-1, *w.shape[len(axes):]) for name, w in self.weights[way].items()}
        return flat, np.tile(np.arange(axes[-1]), int(np.prod(axes[:-1])))

    def accuracy(self, way, part="test"):
        """Accuracy of a way, chance where a run diverged."""
        return np.nan_to_num(self.scores[way][f"{part}_metric"], nan=CHANCE)

    def threshold(self):
        """Index of the convergence threshold: the largest rate whose median training loss is below `converged`."""
        loss = np.nan_to_num(self.scores["pretrained"]["train_loss"], nan=np.inf)
        return int(np.flatnonzero(np.median(loss, axis=1) < self.converged)[-1])

    def small(self):
        """Indices of the rates up to a sixth of the threshold (at least the smallest)."""
        return np.flatnonzero((self.lr <= self.lr[self.threshold()] / 6) | (np.arange(len(self.lr)) == 0))

    def above(self):
        """Indices of the rates above the threshold, up to three times it."""
        at = self.threshold()
        return np.flatnonzero((self.lr > self.lr[at]) & (self.lr <= 3.01 * self.lr[at]))

    def best(self, way, among, fine=None):
        """Index, among some rates, of the best mean validation accuracy of a way."""
        valid = self.accuracy(way, "valid")
        return int(among[(valid if fine is None else valid[fine])[among].mean(axis=-1).argmax()])

    def best_fine(self, among):
        """(fine rate, rate) with the best mean validation accuracy after fine-tuning."""
        valid = self.accuracy("finetuned", "valid").mean(axis=-1)[:, among]
        fine, rate = np.unravel_index(valid.argmax(), valid.shape)
        return int(fine), int(among[rate])


def problem(size):
    return tasks.mnist1d(train=size["train"], valid=size["held"] // 2, test=size["held"], batch=25)


@lru_cache(maxsize=2)
def trained(mode):
    """Train, or take from disk, everything; `mode` "full" or "quick" (always trained)."""
    size = SIZES[mode]
    task = problem(size)
    make = lambda: arrays(task, size)
    if mode == "quick":
        found = make()
    else:
        found = cached("large_rates", {"code": code_hash(__file__), "size": json.dumps(size)}, make)
    weights, scores = {}, {}
    for name, value in found.items():
        what, way, entry = name.split("/")
        (weights if what == "weights" else scores).setdefault(way, {})[entry] = value
    return Trained(task, np.array(size["lr"]), np.array(size["flr"]), size["converged"], weights, scores)


def arrays(task, size):
    """{"weights/way/name" and "scores/way/metric": array}."""
    lr, flr, seeds = size["lr"], size["flr"], size["seeds"]
    epoch, rates = size["train"] // task.batch, len(lr)
    marks = [size["steps"] - epoch * k for k in range(max(size["averages"]))]
    before = sweep(task, "sgd", lr=lr, seeds=seeds, steps=size["steps"], snapshots=marks, path=size["path"])
    rows = {name: np.tile(w, (len(flr) + 1, *[1] * (w.ndim - 1))) for name, w in before.parameters.items()}
    after = sweep(task, "sgd", lr=[*np.repeat(flr, rates), *lr], seeds=seeds, steps=size["fine"], start=rows, path=size["path"])
    found = _named("pretrained", before.parameters, _scores(before), (rates, seeds))
    both, gone = _scores(after), np.tile(np.isnan(before.final("train_loss")), len(flr) + 1)
    both = {name: np.where(gone, np.nan, v) for name, v in both.items()}
    tuned = len(flr) * rates * seeds
    for way, part, shape in (("finetuned", slice(tuned), (len(flr), rates, seeds)), ("constant", slice(tuned, None), (rates, seeds))):
        found |= _named(way, *({n: v[part] for n, v in d.items()} for d in (after.parameters, both)), shape)
    for count in size["averages"]:
        mean = before.average(marks[:count])
        found |= _named(f"swa{count}", mean.parameters, evaluate_weights(task, mean), (rates, seeds))
    return found


def _scores(record):
    return {name: record.final(name) for name in METRICS}


def _named(way, parameters, scores, shape):
    found = {f"weights/{way}/{name}": w.reshape(*shape, *w.shape[1:]) for name, w in parameters.items()}
    return found | {f"scores/{way}/{name}": scores[name].reshape(shape) for name in METRICS}
