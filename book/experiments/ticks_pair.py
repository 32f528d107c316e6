"""Pairs of a training set and a training seed of the ticks example: all that E34 measures of them, as arrays.

The network is pre-trained at every rate, and from each of these ends fine-tuned at every small rate. Beside that, from
the same ends and as long as the fine-tuning: training that goes on at the same rate ("longer"), a linear decay to zero
("decayed"), and a change to one rate just above the threshold with a fine-tuning after it ("repaired").
"""

import time

import numpy as np
import torch

from lrlib import angles, barrier, evaluate_weights, initial_model, run_losses, streams, sweep, tasks
from lrlib.tasks.cache import cached

RATES = np.concatenate([np.logspace(-4.5, -2.25, 10)[:-1], np.logspace(-2.25, -1.25, 9)[:-1], np.logspace(-1.25, 0, 6)])
FINE = RATES[:11]
REPAIR = RATES[11]
PAPER = dict(
    lr=RATES,
    flr=FINE,
    repair=REPAIR,
    train=512,
    held=2000,
    samples=1000,
    steps=40_000,
    fine=20_000,
    every=100,
    checkpoints=(2, 5, 10, 20, 50),
    path="compiled",
)
CALM = -2  # the largest fine-tuning rate but one: below every pair's threshold, also within the fine-tuning's steps
PARTS_OF_A_RUN = 40
NEVER = 1e12  # on the sphere nothing diverges: a loss that leaves a converged place rises a thousandfold and comes back
USUAL = 20  # checkpoints of the averages that are looked into, and of those of the longer training


def linear(k):
    """A plan: the factor falls from 1 to 0 in k steps."""
    return lambda t: 1 - t / k


def kept(folder, begin, size, seeds):
    """`measure`, its seeds counted from an origin; kept in a folder where one is named."""
    with streams.seeds_from(begin):
        if folder is None:
            return measure(size, seeds)
        return cached("pairs", {"seeds": seeds}, lambda: measure(size, seeds), folder)


def measure(size, seeds):
    """Everything about some pairs, {name: [..., seed]}; R rates, F fine-tuning rates, K numbers of checkpoints."""
    torch.set_num_threads(1)
    began, pairs, rates, fine = time.perf_counter(), Pairs(size, seeds), len(size["lr"]), len(size["flr"])
    before, marks = pairs.pretrained()
    weights = pairs.grid(before.parameters)
    tuned, longer, mean, moved = pairs.together(weights)
    plan = linear(size["fine"])
    decayed, repaired = (
        pairs.train(size["lr"], weights, plan=plan),
        pairs.train([size["flr"][CALM]] * rates, moved["weights"]),
    )
    found = (
        pairs.losses(before)
        | pairs.scores("pretrained", before)
        | pairs.scores("decayed", decayed)
        | pairs.scores("repaired", repaired)
    )
    found |= tuned["scores"] | longer["scores"] | pairs.accuracies("longer_averaged", mean)
    averages = {k: pairs.grid(before.average(marks[:k]).parameters) for k in size["checkpoints"]}
    each = [pairs.accuracies("averaged", w) for w in averages.values()]
    found |= {name: np.stack([one[name] for one in each], axis=1) for name in each[0]}
    low, calm, high = ({n: w[:, place] for n, w in tuned["weights"].items()} for place in (0, CALM, -1))
    found |= pairs.looked_into(weights, low, calm, averages[min(USUAL, size["checkpoints"][-1])]) | pairs.between(
        "largest", low, high
    )
    seconds, count = time.perf_counter() - began, rates * (size["steps"] + (fine + 4) * size["fine"])
    return found | {"seconds": np.full(len(seeds), seconds / len(seeds)), "lane_steps": np.full(len(seeds), count)}


class Pairs:
    """Sweeps for some seeds at one size. Weights come and go as {name: [rate, seed, …]}."""

    def __init__(self, size, seeds):
        self.size, self.seeds = size, list(seeds)
        self.task = tasks.ticks(train=size["train"], valid=size["held"], test=size["held"])

    def train(self, lr, weights=None, steps=None, **options):
        """A sweep over rates, which may repeat, from given weights."""
        start = None if weights is None else {n: w.reshape(-1, *w.shape[2:]) for n, w in weights.items()}
        return sweep(
            self.task,
            "sgd",
            lr=lr,
            seeds=self.seeds,
            steps=steps or self.size["fine"],
            start=start,
            path=self.size["path"],
            diverged_at=NEVER,
            **options,
        )

    def grid(self, lanes):
        """{name: [lanes, …]} as {name: [rate, seed, …]}."""
        return {n: w.reshape(-1, len(self.seeds), *w.shape[1:]) for n, w in lanes.items()}

    def pretrained(self):
        steps = self.size["steps"]
        marks = [steps - self.size["every"] * k for k in range(max(self.size["checkpoints"]))]
        seen = range(0, steps + 1, steps // 10)
        return self.train(self.size["lr"], steps=steps, snapshots=marks, evaluate=seen), marks

    def together(self, weights):
        """Fine-tuning at each small rate, longer training with the mean of its last weights, the move to one rate: one sweep."""
        size, rates, fine = self.size, len(self.size["lr"]), len(self.size["flr"])
        rows = np.concatenate([np.repeat(np.arange(rates), fine), np.arange(rates), np.arange(rates)])
        lr = np.concatenate([np.tile(size["flr"], rates), size["lr"], [size["repair"]] * rates])
        marks = [size["fine"] - size["every"] * k for k in range(min(USUAL, size["checkpoints"][-1]))]
        record = self.train(lr, {n: w[rows] for n, w in weights.items()}, snapshots=marks)
        scores = self.scores("x", record)
        shape, ends = (rates, fine, len(self.seeds)), [0, rates * fine, rates * (fine + 1), rates * (fine + 2)]
        after, mean = self.grid(record.parameters), self.grid(record.average(marks).parameters)
        tuned, longer, moved = (
            {"weights": {n: w[a:b] for n, w in after.items()}, "scores": {n[2:]: v[a:b] for n, v in scores.items()}}
            for a, b in zip(ends, ends[1:], strict=False)
        )
        tuned["weights"] = {n: w.reshape(*shape, *w.shape[2:]) for n, w in tuned["weights"].items()}
        tuned["scores"] = {f"finetuned_{n}": v.reshape(shape) for n, v in tuned["scores"].items()}
        longer["scores"] = {f"longer_{n}": v for n, v in longer["scores"].items()}
        return tuned, longer, {n: w[slice(*ends[1:3])] for n, w in mean.items()}, moved

    def losses(self, record):
        """Training losses that tell the regimes apart."""
        lowest, tail = run_losses(record)
        first = record.evaluations["train_loss"][: len(self.seeds), 0]
        part = np.minimum(PARTS_OF_A_RUN * record.step // (record.step[-1] + 1), PARTS_OF_A_RUN - 1)
        course = np.stack([record.loss[:, part == k].mean(axis=1) for k in range(PARTS_OF_A_RUN)], axis=1)
        curve = course.reshape(-1, len(self.seeds), PARTS_OF_A_RUN).swapaxes(1, 2)
        return {"untrained": first, "lowest": lowest, "tail": tail, "curve": curve}

    def scores(self, way, record):
        """Last accuracies and training loss of a record, [rate, seed]."""
        names = {"train_loss": "loss", "valid_metric": "valid", "test_metric": "test"}
        return {f"{way}_{short}": record.final(name).reshape(-1, len(self.seeds)) for name, short in names.items()}

    def evaluated(self, weights, sets):
        lanes = {n: w.reshape(-1, *w.shape[2:]) for n, w in weights.items()}
        values = evaluate_weights(
            self.task, lanes, seeds=np.tile(self.seeds, len(next(iter(weights.values())))), sets=sets
        )
        return {name: v.reshape(-1, len(self.seeds)) for name, v in values.items() if name.endswith("metric")}

    def accuracies(self, way, weights):
        """Accuracies of weights, [rate, seed]."""
        return {f"{way}_{part}": self.evaluated(weights, [part])[f"{part}_metric"] for part in ("valid", "test")}

    def looked_into(self, before, low, high, mean):
        """Features, angles and barriers: before, after the smallest fine-tuning rate and a large one, averaged."""
        ways = {"pretrained": before, "finetuned_low": low, "finetuned": high, "averaged": mean}
        found = {f"features_{way}": self.features(w) for way, w in ways.items()}
        for name, one, two in (("finetuned", low, high), ("averaged", mean, high), ("moved", before, high)):
            found |= self.between(name, one, two)
        return found

    def features(self, weights):
        """Accuracy on each feature alone, the strongest first, [rate, feature, seed]."""
        sets = {f"feature{k}": pair for k, pair in enumerate(tasks.ticks_features(self.task, self.size["samples"]))}
        return -np.sort(-np.stack([*self.evaluated(weights, sets).values()], axis=1), axis=1)

    def between(self, name, one, two):
        """Angle (radians) and barrier of the training error (points) between two solutions, [rate, seed]."""
        angle, height = (np.empty((len(self.size["lr"]), len(self.seeds))) for _ in range(2))
        for s, seed in enumerate(self.seeds):
            model, (x, y) = initial_model(self.task, seed), self.task.train_for(seed)  # the read-out is the seed's
            for i in range(len(angle)):
                a, b = ({n: torch.as_tensor(w[i, s]) for n, w in weights.items()} for weights in (one, two))
                model.load_state_dict(a, strict=False)
                angle[i, s] = angles(a, b)["all"]
                height[i, s] = barrier(model, b, self.task.loss, x, y, metric=self.task.metric, points=11).error_barrier
        return {f"angle_{name}": angle, f"barrier_{name}": height}
