"""What E36, E37, E38, E39 and E53 share: one network pre-trained at many constant rates, then fine-tuned, averaged, or left alone.

MNIST-1D, 1,000 training examples of each seed's own, a 40-64-64-10 ReLU network, plain SGD with batches of 25. First
rates belong to each seed: they are the same multiples of its own convergence threshold, the largest rate at which its
training loss ends below `converged`, bisected to 0.02 decade.

"Pre-trained" is a run at a constant rate; "finetuned" goes on from there at each of a few small rates; "constant" goes
on at the rate that it had, which makes it as long; "swa…" is the mean of the weights after the last epochs of the
pre-training. Rates far below the threshold get as many more steps as they need to converge: multiple × steps
is at least `reach`. "before" and "after" are the weights at the two marks between which the training loss first falls
to `converged`, in the pre-training or, above the threshold, in a long fine-tuning at the largest of the small rates:
there first rates can be compared at an equal loss. `reordered` repeats some rates from the same initial weights in
another batch order. The weights of a full run are kept on disk under the hash of this code, a block of seeds at a
time, so that the scripts train once and a run that was broken off goes on. `MORE` are the sizes of a second training
with 4,000 examples.
"""

import json
from dataclasses import dataclass, replace

import numpy as np
from halves import other_half
from own_rates import CATAPULT, bisected, go_on, sweep_own
from regime_borders import NEAR, SLOW
from sizes import modes

from lrbook.codehash import code_hash
from lrlib import evaluate_weights, initial_model, tasks
from lrlib._base.streams import remembered
from lrlib.tasks.cache import cached

FAMILY = ("E36", "E37", "E38", "E39", "E53")  # experiments that share the networks, and so the origin of their seeds
ROUND = 2  # of them all: E38 was changed after a result of it had been seen
CHANCE = 0.1
BLOCK = 10  # seeds that train together and are kept together
OTHER_ORDER = 1000  # added to a seed: its weights and examples in another batch order
HALF = 0.5  # near the threshold: from here to 1
METRICS = ("train_loss", "train_metric", "valid_metric", "test_metric")
SIZES = modes(
    quick=dict(
        multiples=[1 / 12, 1 / 6, 0.7, 1.0, 1.25, 2.5],
        flr=[0.05, 0.2],
        bracket=[0.3, 1.2],
        seeds=4,
        train=500,
        held=500,
        steps=80,
        reach=16,
        fine=30,
        marks=4,
        patience=30,
        averages=[2, 4],
        converged=1.3,
        path="eager",
    ),
    full=dict(
        multiples=[1 / 30, 1 / 12, 1 / 6, 0.3, 0.5, 0.65, 0.8, 1.0, 1.1, 1.25, 1.6, 2.5, 4.0],
        flr=[0.05, 0.1, 0.2],
        bracket=[0.25, 0.75],
        seeds=40,
        train=1000,
        held=4000,
        steps=2500,
        reach=1250,
        fine=1000,
        marks=40,
        patience=4000,
        averages=[5, 20],
        converged=1e-2,
        path="compiled",
    ),
    least=2,
)
MORE = modes(
    quick=SIZES["quick"] | dict(multiples=[1 / 6, 0.7, 1.0, 1.25, 1.6], marks=0, averages=[]),
    full=SIZES["full"]
    | dict(
        multiples=[1 / 6, 0.7, 1.0, 1.25, 1.6],
        flr=[0.03, 0.1],
        bracket=[0.1, 0.4],
        seeds=20,
        train=4000,
        steps=20_000,
        reach=10_000,
        fine=4000,
        marks=0,
        averages=[],
    ),
    least=2,
)


@dataclass
class Trained:
    """Weights and scores by the way they came about.

    Ways and their leading axes: "pretrained", "constant", "before" and "after" [rate, seed], "finetuned" [fine rate,
    rate, seed], "swa5" and the like [rate, seed].

    multiple: first rates in units of each seed's threshold, [rate].  threshold: [seed].  flr: rates of the fine-tuning.
    converged: training loss under which a run has converged.
    weights: {way: {name: [*axes, …]}}.  scores: {way: {"train_loss", "train_metric", "valid_metric", "test_metric"}},
    nan where a run diverged; of "before" and "after" the training loss alone, nan where it never falls to `converged`.
    """

    task: object
    multiple: np.ndarray
    threshold: np.ndarray
    flr: np.ndarray
    converged: float
    weights: dict
    scores: dict

    @property
    def seeds(self):
        """Places of the seeds."""
        return np.arange(len(self.threshold))

    @property
    def far(self):
        """Places of the rates far below the threshold, up to a sixth of it; all train until they converge."""
        return np.flatnonzero(self.multiple <= 1 / SLOW + 1e-9)

    @property
    def near(self):
        """Places of the converging rates from half the threshold on, which train for as many steps as those above it."""
        return np.flatnonzero((self.multiple >= HALF) & (self.multiple <= 1))

    @property
    def above(self):
        """Places of the rates above the threshold."""
        return np.flatnonzero((self.multiple > 1) & (self.multiple <= NEAR))

    def lanes(self, way):
        """All weights of a way as {name: [L, …]}, and the seed of each lane."""
        axes = self.scores[way]["train_loss"].shape
        flat = {name: w.reshape(-1, *w.shape[len(axes) :]) for name, w in self.weights[way].items()}
        return flat, np.tile(self.seeds, int(np.prod(axes[:-1])))

    def accuracy(self, way, part="test"):
        """Accuracy of a way, chance where a run diverged."""
        return np.nan_to_num(self.scores[way][f"{part}_metric"], nan=CHANCE)

    def best(self, way, among, fine=None):
        """Place of the rate, among some, for each seed: the one with which the other half of the seeds validates best.

        fine: for fine-tuned networks the place of the fine-tuning rate, of each seed.
        """
        valid = self.accuracy(way, "valid")
        if fine is None:
            return among[other_half(valid[among])]
        return np.array([among[other_half(one[among])] for one in valid])[fine, self.seeds]

    def best_fine(self, among):
        """(fine rate, rate), places for each seed, with which the other half of the seeds validates best."""
        valid = self.accuracy("finetuned", "valid")[:, among]
        fine, rate = np.unravel_index(other_half(valid.reshape(-1, valid.shape[-1])), valid.shape[:2])
        return fine, among[rate]

    def picked(self, way, *places):
        """Weights {name: [seed, …]} and scores {metric: [seed]} of one network of each seed, by its places on the axes."""
        where = (*places, self.seeds)
        return tuple({n: v[where] for n, v in d[way].items()} for d in (self.weights, self.scores))

    def slim(self, fine):
        """The same with the fine-tuned networks alone, each seed's at its own place of the fine-tuning rate: [rate, seed]."""
        pick = lambda d: {n: np.moveaxis(v[fine, :, self.seeds], 0, 1) for n, v in d["finetuned"].items()}
        return replace(self, weights={"finetuned": pick(self.weights)}, scores={"finetuned": pick(self.scores)})


def problem(size):
    return tasks.mnist1d(train=size["train"], valid=size["held"] // 2, test=size["held"], batch=25)


@remembered(maxsize=2)
def trained(mode, more=False):
    """Train, or take from disk, everything; only those of `mode` "full" are kept.  more: with the examples of `MORE`."""
    size = (MORE if more else SIZES)[mode]
    task, weights, scores = problem(size), {}, {}
    found = joined([block(mode, size, task, seeds) for seeds in blocks(size)])
    threshold = found.pop("threshold")
    for name, value in found.items():
        what, way, entry = name.split("/")
        (weights if what == "weights" else scores).setdefault(way, {})[entry] = value
    rest = np.array(size["flr"]), size["converged"], weights, scores
    return Trained(task, np.array(size["multiples"]), threshold, *rest)


def blocks(size):
    """The seeds in blocks of `BLOCK`.

    >>> [len(block) for block in blocks({"seeds": 23})]
    [10, 10, 3]
    """
    return [list(range(s, min(s + BLOCK, size["seeds"]))) for s in range(0, size["seeds"], BLOCK)]


def block(mode, size, task, seeds):
    """`arrays` of some seeds, in the full mode from disk."""
    make = lambda: arrays(task, size, seeds)
    key = {"code": code_hash(__file__), "size": json.dumps(size), "seeds": seeds}
    return cached("large_rates", key, make) if mode == "full" else make()


def joined(parts):
    """Arrays of several blocks as those of all seeds; the axis of the seeds is that of `seed_axis`."""
    return {name: np.concatenate([part[name] for part in parts], axis=seed_axis(name)) for name in parts[0]}


def seed_axis(name):
    """Where the seeds are in an array of `arrays`: behind the axes of its way.

    >>> seed_axis("threshold"), seed_axis("weights/swa5/0.bias"), seed_axis("scores/finetuned/test_metric")
    (0, 1, 2)
    """
    return 0 if name == "threshold" else 2 if "/finetuned/" in name else 1


def arrays(task, size, seeds):
    """{"threshold", "weights/way/name" and "scores/way/metric": array}."""
    threshold = bisected(converging(task, size, seeds), *size["bracket"], seeds=len(seeds))
    rates = np.array(size["multiples"])[:, None] * threshold
    parts = [pretrained(task, size, rates[chosen], chosen, seeds) for chosen in groups(size)]
    order = np.argsort(np.concatenate(groups(size)))
    found = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    start = {name.split("/")[2]: w for name, w in found.items() if name.startswith("weights/pretrained/")}
    found |= gone_on(task, size, rates, found, start, seeds=seeds)
    return {"threshold": threshold} | found | (later(task, size, found, start, seeds) if size["marks"] else {})


def converging(task, size, seeds):
    """Rates [seed] → whether the training loss of each seed ends below `converged` there."""

    def converges(rates):
        record = sweep_own(task, rates[None], seeds, steps=size["steps"], path=size["path"])
        return np.nan_to_num(record.final("train_loss"), nan=np.inf) < size["converged"]

    return converges


def gone_on(task, size, rates, found, start, *, seeds):
    """What becomes of the pre-trained networks: fine-tuned, and at the rate that they had."""
    flr, shape = size["flr"], rates.shape
    lanes = {name: w.reshape(-1, *w.shape[2:]) for name, w in start.items()}
    after = go_on(task, lanes, rates, flr, seeds, steps=size["fine"], path=size["path"])
    gone = np.tile(np.isnan(found["scores/pretrained/train_loss"]).ravel(), len(flr) + 1)
    scores, tuned = {name: np.where(gone, np.nan, v) for name, v in _scores(after).items()}, len(flr) * rates.size
    result = {}
    for way, part, axes in (
        ("finetuned", slice(tuned), (len(flr), *shape)),
        ("constant", slice(tuned, None), shape),
    ):
        result |= _named(way, *({n: v[part] for n, v in d.items()} for d in (after.parameters, scores)), axes)
    return result


def steps_of(size):
    """Steps of the pre-training, [rate]."""
    return np.maximum(size["steps"], np.ceil(size["reach"] / np.array(size["multiples"]) - 1e-9).astype(int))


def groups(size):
    """Places of the rates with equally many steps."""
    steps = steps_of(size)
    return [np.flatnonzero(steps == n) for n in np.unique(steps)]


def pretrained(task, size, rates, chosen, seeds):
    """Pre-training at some rates [k, seed] of equally many steps, with averages and the marks around the goal, by name."""
    steps, count = int(steps_of(size)[chosen[0]]), max(size["averages"], default=0)
    ends = [steps - size["train"] // task.batch * k for k in range(count)]
    marks = [steps * k // size["marks"] for k in range(1, size["marks"] + 1)]
    record = sweep_own(task, rates, seeds, steps=steps, snapshots=sorted({*ends, *marks}), path=size["path"])
    found = _named("pretrained", record.parameters, _scores(record), rates.shape)
    for count in size["averages"]:
        mean = record.average(ends[:count])
        found |= _named(f"swa{count}", mean.parameters, evaluate_weights(task, mean), rates.shape)
    return found | (crossing(task, size, record, marks, rates.shape) if marks else {})


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


def later(task, size, found, start, seeds):
    """The marks around the goal again, where first rates above the threshold reach it in a long fine-tuning only."""
    multiple, steps = np.array(size["multiples"]), size["patience"]
    above = np.flatnonzero((multiple > 1) & (multiple <= NEAR))
    marks, shape = [steps * k // size["marks"] for k in range(1, size["marks"] + 1)], (len(above), len(seeds))
    record = sweep_own(
        task,
        np.full(shape, size["flr"][-1]),
        seeds,
        steps=steps,
        start={name: w[above].reshape(-1, *w.shape[2:]) for name, w in start.items()},
        snapshots=marks,
        path=size["path"],
        diverged_at=CATAPULT,
    )
    reached, result = np.isfinite(found["scores/after/train_loss"][above]), {}
    for name, value in crossing(task, size, record, marks, shape).items():
        result[name] = found[name].copy()
        keep = reached.reshape(*shape, *[1] * (value.ndim - 2))
        result[name][above] = np.where(keep, found[name][above], value)
    return result


def reordered(mode, rates, fine):
    """First rates [k, seed] with `steps` steps and a fine-tuning rate of each seed once more, in another batch order.

    Initial weights and examples are the same. → (weights {name: [k, seed, …]}, scores {metric: [k, seed]}).
    """
    size, rates, fine = SIZES[mode], np.asarray(rates, dtype=float), np.asarray(fine, dtype=float)
    make = lambda: _reordered(size, rates, fine)
    key = {"code": code_hash(__file__), "size": json.dumps(size), "rates": rates.tolist(), "fine": fine.tolist()}
    found = cached("large_rates_order", key, make) if mode == "full" else make()
    return tuple({n.split("/")[2]: v for n, v in found.items() if n.startswith(what)} for what in ("weights", "scores"))


def _reordered(size, rates, fine):
    task, seeds = problem(size), range(size["seeds"])
    other = replace(task, train=lambda seed: task.train_for(seed % OTHER_ORDER))
    nets = [dict(initial_model(task, s).named_parameters()) for s in seeds]
    start = {
        name: np.tile(np.stack([net[name].detach().numpy() for net in nets]), (len(rates), *[1] * p.dim()))
        for name, p in nets[0].items()
    }
    again = dict(seeds=[OTHER_ORDER + s for s in seeds], path=size["path"])
    one = sweep_own(other, rates, steps=size["steps"], start=start, **again)
    small = np.tile(fine, (len(rates), 1))
    two = sweep_own(other, small, steps=size["fine"], start=one.parameters, diverged_at=CATAPULT, **again)
    return _named("order", two.parameters, _scores(two), rates.shape)


def _scores(record):
    return {name: record.final(name) for name in METRICS}


def _named(way, parameters, scores, shape):
    found = {f"weights/{way}/{name}": w.reshape(*shape, *w.shape[1:]) for name, w in parameters.items()}
    return found | {f"scores/{way}/{name}": scores[name].reshape(shape) for name in METRICS}
