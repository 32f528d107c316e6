"""What E36, E37 and E39 share: one network pre-trained at many constant rates, then fine-tuned, averaged, or left alone.

MNIST-1D, 1,000 training examples of each seed's own, a 40-64-64-10 ReLU network, plain SGD with batches of 25.
"Pre-trained" is a run at a constant rate; "finetuned" goes on from there at each of a few small rates; "constant" goes
on at the rate that it had, which makes it as long; "swa…" is the mean of the weights after the last epochs of the
pre-training. Rates far below the convergence threshold get as many more steps as they need to converge: rate × steps
is at least `reach`. "before" and "after" are the weights at the two marks between which the training loss first falls
to `converged`, in the pre-training or, above the threshold, in a long fine-tuning at the largest of the small rates:
there first rates can be compared at an equal loss. `reordered` repeats some rates from the same initial weights in
another batch order. The weights of a full run are kept on disk under the hash of this code, so that the scripts train once.
"""

import json
from dataclasses import dataclass, replace

import numpy as np
from sizes import modes

from lrbook.codehash import code_hash
from lrlib import evaluate_weights, initial_model, sweep, tasks
from lrlib._base.streams import remembered
from lrlib.tasks.cache import cached

CHANCE = 0.1
OTHER_ORDER = 1000  # added to a seed: its weights and examples in another batch order
CATAPULT = 1e9  # a converged loss is so low that a harmless rise passes a thousand times it
METRICS = ("train_loss", "train_metric", "valid_metric", "test_metric")
SIZES = modes(
    quick=dict(
        lr=[0.08, 0.2, 0.5, 0.9],
        flr=[0.05, 0.2],
        seeds=3,
        train=500,
        held=500,
        steps=80,
        reach=9.6,
        fine=30,
        marks=4,
        patience=30,
        late=1,
        averages=[2, 4],
        converged=1.3,
        path="eager",
    ),
    full=dict(
        lr=[0.01, 0.03, 0.06, *(10 ** np.arange(-0.9, 0.31, 0.1)).round(3).tolist()],
        flr=[0.05, 0.1, 0.2],
        seeds=10,
        train=1000,
        held=4000,
        steps=2500,
        reach=500,
        fine=1000,
        marks=40,
        patience=4000,
        late=4,
        averages=[5, 20],
        converged=1e-2,
        path="compiled",
    ),
)


@dataclass
class Trained:
    """Weights and scores by the way they came about.

    Ways and their leading axes: "pretrained", "constant", "before" and "after" [rate, seed], "finetuned" [fine rate,
    rate, seed], "swa5" and the like [rate, seed].

    lr, flr: rates of the pre-training and of the fine-tuning.  converged: training loss under which a run has converged.
    weights: {way: {name: [*axes, …]}}.  scores: {way: {"train_loss", "train_metric", "valid_metric", "test_metric"}},
    nan where a run diverged; of "before" and "after" the training loss alone, nan where it never falls to `converged`.
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
        flat = {name: w.reshape(-1, *w.shape[len(axes) :]) for name, w in self.weights[way].items()}
        return flat, np.tile(np.arange(axes[-1]), int(np.prod(axes[:-1])))

    def accuracy(self, way, part="test"):
        """Accuracy of a way, chance where a run diverged."""
        return np.nan_to_num(self.scores[way][f"{part}_metric"], nan=CHANCE)

    def threshold(self):
        """Index of the convergence threshold: the largest rate whose median training loss is below `converged`."""
        loss = np.nan_to_num(self.scores["pretrained"]["train_loss"], nan=np.inf)
        return int(np.flatnonzero(np.median(loss, axis=1) < self.converged)[-1])

    def small(self):
        """Indices of the rates far below the threshold: up to a sixth of it (at least the smallest); all converge."""
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


@remembered(maxsize=2)
def trained(mode):
    """Train, or take from disk, everything; only those of `mode` "full" are kept."""
    size = SIZES[mode]
    task = problem(size)
    make = lambda: arrays(task, size)
    key = {"code": code_hash(__file__), "size": json.dumps(size)}
    found = cached("large_rates", key, make) if mode == "full" else make()
    weights, scores = {}, {}
    for name, value in found.items():
        what, way, entry = name.split("/")
        (weights if what == "weights" else scores).setdefault(way, {})[entry] = value
    return Trained(task, np.array(size["lr"]), np.array(size["flr"]), size["converged"], weights, scores)


def arrays(task, size):
    """{"weights/way/name" and "scores/way/metric": array}."""
    lr, flr, seeds = size["lr"], size["flr"], size["seeds"]
    parts = [pretrained(task, size, chosen) for chosen in groups(size)]
    order = np.argsort(np.concatenate(groups(size)))
    found = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    start = {name.split("/")[2]: w for name, w in found.items() if name.startswith("weights/pretrained/")}
    rows = {name: np.concatenate([w.reshape(-1, *w.shape[2:])] * (len(flr) + 1)) for name, w in start.items()}
    rates = [*np.repeat(flr, len(lr)), *lr]
    after = sweep(
        task, "sgd", lr=rates, seeds=seeds, steps=size["fine"], start=rows, path=size["path"], diverged_at=CATAPULT
    )
    gone = np.tile(np.isnan(found["scores/pretrained/train_loss"]).ravel(), len(flr) + 1)
    both = {name: np.where(gone, np.nan, v) for name, v in _scores(after).items()}
    tuned = len(flr) * len(lr) * seeds
    for way, part, shape in (
        ("finetuned", slice(tuned), (len(flr), len(lr), seeds)),
        ("constant", slice(tuned, None), (len(lr), seeds)),
    ):
        found |= _named(way, *({n: v[part] for n, v in d.items()} for d in (after.parameters, both)), shape)
    return found | later(task, size, found, start)


def steps_of(size):
    """Steps of the pre-training, [rate]."""
    return np.maximum(size["steps"], np.ceil(size["reach"] / np.array(size["lr"]) - 1e-9).astype(int))


def groups(size):
    """Places of the rates with equally many steps."""
    steps = steps_of(size)
    return [np.flatnonzero(steps == n) for n in np.unique(steps)]


def pretrained(task, size, chosen):
    """Pre-training at some rates of equally many steps, with averages and the marks around the goal, by name."""
    lr, steps, seeds = np.array(size["lr"])[chosen].tolist(), int(steps_of(size)[chosen[0]]), size["seeds"]
    ends = [steps - size["train"] // task.batch * k for k in range(max(size["averages"]))]
    marks = [steps * k // size["marks"] for k in range(1, size["marks"] + 1)]
    record = sweep(task, "sgd", lr=lr, seeds=seeds, steps=steps, snapshots=sorted({*ends, *marks}), path=size["path"])
    shape = (len(lr), seeds)
    found = _named("pretrained", record.parameters, _scores(record), shape)
    for count in size["averages"]:
        mean = record.average(ends[:count])
        found |= _named(f"swa{count}", mean.parameters, evaluate_weights(task, mean), shape)
    return found | crossing(task, size, record, marks, shape)


def crossing(task, size, record, marks, shape):
    """Weights and training losses at the marks before and after the loss first falls to the goal; nan where it never does."""
    kept = [record.snapshots[k]["parameters"] for k in marks]
    loss = np.array([evaluate_weights(task, w, seeds=record.seed, sets=("train",))["train_loss"] for w in kept])
    under = np.nan_to_num(loss, nan=np.inf) <= size["converged"]
    at, lanes = np.where(under.any(axis=0), under.argmax(axis=0), len(marks) - 1), np.arange(loss.shape[1])
    found = {}
    for way, place in (("before", np.maximum(at - 1, 0)), ("after", at)):
        found |= {
            f"weights/{way}/{n}": np.stack([w[n] for w in kept])[place, lanes].reshape(*shape, *kept[0][n].shape[1:])
            for n in kept[0]
        }
        found[f"scores/{way}/train_loss"] = np.where(under.any(axis=0), loss[place, lanes], np.nan).reshape(shape)
    return found


def later(task, size, found, start):
    """The marks around the goal again, where the first rates above the threshold reach it in a long fine-tuning only."""
    reached = np.isfinite(found["scores/after/train_loss"])
    first = int(np.flatnonzero(reached.mean(axis=1) > 0.5)[-1]) + 1
    rates, steps = slice(first, first + size["late"]), size["patience"]
    rows = {name: w[rates].reshape(-1, *w.shape[2:]) for name, w in start.items()}
    marks = [steps * k // size["marks"] for k in range(1, size["marks"] + 1)]
    count = len(found["scores/after/train_loss"][rates])
    if not count:
        return {}
    record = sweep(
        task,
        "sgd",
        lr=[size["flr"][-1]] * count,
        seeds=size["seeds"],
        steps=steps,
        start=rows,
        snapshots=marks,
        path=size["path"],
        diverged_at=CATAPULT,
    )
    more = crossing(task, size, record, marks, (count, size["seeds"]))
    result = {}
    for name, value in more.items():
        result[name] = found[name].copy()
        keep = reached[rates].reshape(count, -1, *[1] * (value.ndim - 2))
        result[name][rates] = np.where(keep, found[name][rates], value)
    return result


def reordered(mode, places, fine):
    """Some first rates and a fine-tuning rate (their places) once more, same initial weights and examples, other batch order.

    → (weights {name: [rate, seed, …]}, scores {metric: [rate, seed]}).
    """
    size, places, fine = SIZES[mode], [int(p) for p in places], int(fine)
    make = lambda: _reordered(size, places, fine)
    key = {"code": code_hash(__file__), "size": json.dumps(size), "places": places, "fine": fine}
    found = cached("large_rates_order", key, make) if mode == "full" else make()
    return tuple({n.split("/")[2]: v for n, v in found.items() if n.startswith(what)} for what in ("weights", "scores"))


def _reordered(size, places, fine):
    task, seeds, found = problem(size), size["seeds"], []
    other = replace(task, train=lambda seed: task.train_for(seed % OTHER_ORDER))
    nets = [dict(initial_model(task, s).named_parameters()) for s in range(seeds)]
    both = dict(seeds=[OTHER_ORDER + s for s in range(seeds)], path=size["path"])
    steps = steps_of(size)[places]
    for n in np.unique(steps):
        lr = np.array(size["lr"])[places][steps == n].tolist()
        start = {
            name: np.tile(np.stack([net[name].detach().numpy() for net in nets]), (len(lr), *[1] * p.dim()))
            for name, p in nets[0].items()
        }
        one = sweep(other, "sgd", lr=lr, steps=int(n), start=start, **both)
        two = sweep(
            other,
            "sgd",
            lr=[size["flr"][fine]] * len(lr),
            steps=size["fine"],
            start=one.parameters,
            diverged_at=CATAPULT,
            **both,
        )
        found.append(_named("order", two.parameters, _scores(two), (len(lr), seeds)))
    order = np.argsort(np.concatenate([np.flatnonzero(steps == n) for n in np.unique(steps)]))
    return {name: np.concatenate([one[name] for one in found])[order] for name in found[0]}


def _scores(record):
    return {name: record.final(name) for name in METRICS}


def _named(way, parameters, scores, shape):
    found = {f"weights/{way}/{name}": w.reshape(*shape, *w.shape[1:]) for name, w in parameters.items()}
    return found | {f"scores/{way}/{name}": scores[name].reshape(shape) for name in METRICS}
