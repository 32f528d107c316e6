"""E37: how quiet the hidden units are, and what that is worth.

The networks that E36 to E39 and E53 share (MNIST-1D with 1,000 examples of each seed's own, 40-64-64-10, ReLU, plain
SGD with batches of 25, 2,500 steps at a constant first rate that is a multiple of the seed's own convergence
threshold, the largest rate at which the training loss ends below 0.01): share of zeros among the hidden activations,
units that are never active, and effective rank, at every pre-training rate, before and after fine-tuning. Then the two
sentences about use. Inference is timed as it is and after the units that never fire are removed. "Easier to
understand" is given a number: how many units of the last hidden layer, all others held at their mean, already give the
network's answer to an example. That number is compared along the rates, and in an experiment of its own in which a
penalty on the activations makes a network sparse.
"""

import time

import numpy as np
import torch
from large_rates import FAMILY, ROUND, SIZES, problem, trained
from processes import measuring
from quantities import per_seed
from scipy.stats import spearmanr
from sizes import modes
from sweeps import sweep
from torch import nn

from lrbook.experiment import Experiment
from lrlib import activity, tasks

ID = "e37_activity"
QUESTION = "Do large rates quieten the hidden units, and does that make a network cheaper or clearer?"

LEARNED, COST = 0.2, 0.01
TIMED = 500
LAYERS = ("0", "2", "4")
OWN = modes(
    quick=dict(turns=20, timed=2, apart=False, examples=100, strengths=[0.3], steps=100, seeds=3, path="eager"),
    full=dict(
        turns=200,
        timed=20,
        apart=True,
        examples=1000,
        strengths=[0.03, 0.1, 0.3, 1.0],
        steps=1500,
        seeds=20,
        path="eager",
    ),
    counts=("seeds", "timed"),
)


class Watched(nn.Module):
    """The network with one more output: the mean of its hidden activations."""

    def __init__(self):
        super().__init__()
        self.net = tasks.mlp([40, 64, 64, 10])

    def forward(self, x):
        first = self.net[1](self.net[0](x))
        second = self.net[3](self.net[2](first))
        return torch.cat([self.net[4](second), (first + second).mean(-1, keepdim=True) / 2], dim=-1)


class Penalised:
    """Cross-entropy plus strength × mean activation."""

    def __init__(self, strength):
        self.strength = strength

    def __call__(self, output, y):
        return nn.functional.cross_entropy(output[:, :10], y) + self.strength * output[:, 10].mean()


def accuracy(output, y):
    return tasks.accuracy(output[:, :10], y)


def lane(weights, *index):
    """The network of one lane."""
    net = tasks.mlp([40, 64, 64, 10])
    net.load_state_dict({name: torch.as_tensor(np.asarray(w[index])) for name, w in weights.items()})
    return net.eval()


def quietness(task, weights, shape):
    """Sparsity, share of never-active units and effective rank on the test set, means of the two layers, [*shape] each."""
    tensors = {n: torch.as_tensor(np.asarray(w)).reshape(-1, *w.shape[len(shape) :]) for n, w in weights.items()}
    found = activity(task.model(), task.test[0], parameters=tensors)
    return [
        np.mean([value(layer) for layer in found], axis=0).reshape(shape)
        for value in (lambda a: a.sparsity, lambda a: a.dead, lambda a: a.effective_rank)
    ]


@torch.no_grad()
def units_needed(net, x):
    """Mean number of units of the last hidden layer that give the network's answer while the others stay at their mean.

    For each example the units are taken in the order of what their deviation from the mean adds to the margin between
    the answer and the runner-up; counted is the fewest after which the answer is the network's own.
    """
    hidden = net[:-1](x)
    mean, last = hidden.mean(0), net[-1]
    top = last(hidden).topk(2, dim=-1).indices
    deviation = hidden - mean
    margin = (last.weight[top[:, 0]] - last.weight[top[:, 1]]) * deviation
    order = margin.argsort(dim=-1, descending=True)
    added = last.weight.T[order] * deviation.gather(1, order)[..., None]
    sums = torch.cat([torch.zeros_like(added[:, :1]), added.cumsum(1)], dim=1) + last(mean)
    same = sums.argmax(-1) == top[:, :1]
    same[:, -1] = True
    return float(same.double().argmax(1).double().mean())


def needed(weights, shape, x):
    """`units_needed` of every lane, [*shape]."""
    return np.array([units_needed(lane(weights, *i), x) for i in np.ndindex(*shape)]).reshape(shape)


@torch.no_grad()
def pruned(net, x):
    """The network without the units that are 0 for every example of x, and how many it has lost."""
    kept, hidden = [torch.arange(net[0].in_features)], x
    for k in (1, 3):
        hidden = net[k](net[k - 1](hidden))
        kept.append(torch.nonzero((hidden != 0).any(0)).flatten())
    kept.append(torch.arange(net[4].out_features))
    small = tasks.mlp([len(k) for k in kept])
    for i, name in enumerate(LAYERS):
        layer, own = net.get_submodule(name), small.get_submodule(name)
        own.weight.copy_(layer.weight[kept[i + 1]][:, kept[i]])
        own.bias.copy_(layer.bias[kept[i + 1]])
    return small.eval(), 1 - (len(kept[1]) + len(kept[2])) / 128


@torch.no_grad()
def durations(nets, x, turns):
    """Seconds of one pass on one thread, [turn, network], in turns."""
    torch.set_num_threads(1)
    seconds = np.empty((turns, len(nets)))
    for turn in range(-1, turns):
        for i in np.roll(np.arange(len(nets)), turn):
            start = time.perf_counter()
            nets[i](x)
            seconds[turn, i] = time.perf_counter() - start
    return seconds


def least(nets, x, turns):
    """The least seconds of each network, [network]: free of what else the machine does."""
    return durations(nets, x, turns).min(axis=0)


def inference(found, weights, sparse, dense, own):
    """Time saved by sparsity as it is and by pruning, share of units removed, changed predictions, [4, seed].

    Each seed is timed in a process of its own, where `own["apart"]` asks for it.
    """
    x, rows = found.task.test[0], []
    with measuring(own["apart"]) as beside:
        for s in found.seeds[: own["timed"]]:
            quiet, loud = lane(weights, sparse, s), lane(weights, dense, s)
            small, share = pruned(quiet, torch.cat([found.task.train_for(s)[0], found.task.valid[0]]))
            took = beside(least, [quiet, loud, small], x[:TIMED], own["turns"])
            changed = (quiet(x).argmax(-1) != small(x).argmax(-1)).double().mean()
            rows.append([1 - took[0] / took[1], 1 - took[2] / took[0], share, float(changed)])
    return np.array(rows).T


def penalised(mode, own):
    """Accuracy (validation, test), sparsity and units needed by strength of the penalty (0 first), [strength, seed]."""
    task, rows = problem(SIZES[mode]), []
    for strength in [0.0, *own["strengths"]]:
        watched = tasks.Task(
            "mnist1d_watched", Watched, task.train, task.valid, task.test, Penalised(strength), accuracy, 25, 1500
        )
        record = sweep(watched, "sgd", lr=0.2, seeds=own["seeds"], steps=own["steps"], path=own["path"])
        weights = {name.removeprefix("net."): w for name, w in record.parameters.items()}
        shape = (own["seeds"],)
        rows.append(
            [
                record.final("valid_metric"),
                record.final("test_metric"),
                quietness(task, weights, shape)[0],
                needed(weights, shape, task.test[0][: own["examples"]]),
            ]
        )
    return np.moveaxis(np.array(rows), 1, 0)


def run(mode):
    """Train and measure; `mode` "full": 40 seeds, 20 of them timed, each in a process of its own, "quick": 4 and 2."""
    own, found = OWN[mode], trained(mode)
    shape = found.scores["pretrained"]["train_loss"].shape
    tuned = {n: w[-1] for n, w in found.weights["finetuned"].items()}
    quiet = {
        way: quietness(found.task, w, shape)
        for way, w in (("pretrained", found.weights["pretrained"]), ("finetuned", tuned))
    }
    alive = np.isfinite(found.scores["finetuned"]["train_loss"][-1]).all(axis=1)
    among = np.flatnonzero((found.accuracy("finetuned", "valid")[-1].mean(axis=1) > LEARNED) & alive)
    level = quiet["finetuned"][0].mean(axis=1)
    timed = inference(found, tuned, among[level[among].argmax()], among[level[among].argmin()], own)
    units = needed(tuned, shape, found.task.test[0][: own["examples"]])
    return (
        curves(found, quiet, units) | use(found, quiet, units, among, timed) | intervention(own, penalised(mode, own))
    )


def curves(found, quiet, units):
    rate, names = {"multiple": found.multiple}, ("sparsity", "never_active", "effective_rank")
    about = (
        "share of hidden activations that are 0 on the test set",
        "share of hidden units that are never active on the test set",
        "effective rank of the hidden activations on the test set",
    )
    q = {}
    for way, rows in quiet.items():
        for name, text, value in zip(names, about, rows, strict=True):
            unit, band = ("directions", 20.0) if name == "effective_rank" else ("share", 0.3)
            q[f"{way}_{name}"] = per_seed(value, unit, rate, f"{text}: {way}", band=band)
    q["units_needed"] = per_seed(
        units,
        "units",
        rate,
        "units of the last hidden layer that give the answer while the others stay at their mean, after fine-tuning",
        band=15.0,
    )
    for way, rows in quiet.items():
        q[f"quieter_{way}"] = per_seed(
            rows[0][found.above].mean(axis=0) - rows[0][found.far].mean(axis=0),
            "share of activations",
            {},
            f"share of zeros, {way}: first rates above the convergence threshold minus rates up to a sixth of it, trained until they converged",
            band=0.3,
        )
    return q


def use(found, quiet, units, among, timed):
    saved, cut, share, changed = timed
    level, seeds = quiet["finetuned"][0], range(units.shape[1])
    rank, calm = (
        [spearmanr(level[p, s], -units[p, s]).statistic for s in seeds]
        for p in (among, np.flatnonzero(found.multiple < 1.01))
    )
    about = "Spearman correlation over the first rates of the share of zeros and of how few units an answer needs"
    ends = among[level[among].mean(axis=1).argsort()][[0, -1]]
    return {
        "dense_time_saving": per_seed(
            saved,
            "share of the time",
            {},
            "inference of the sparsest network against that of the densest, as they are",
            band=20.0,
        ),
        "pruned_time_saving": per_seed(
            cut,
            "share of the time",
            {},
            "inference of the sparsest network without its never-active units against that with them",
            band=20.0,
        ),
        "removed_units": per_seed(
            share,
            "share of units",
            {},
            "hidden units that never fire on training and validation data, sparsest network",
            band=0.5,
        ),
        "changed_predictions": per_seed(
            changed, "share of predictions", {}, "test predictions that are others without these units", band=0.1
        ),
        "sparsity_span": per_seed(
            level[ends[1]] - level[ends[0]], "share", {}, "share of zeros: sparsest network minus densest", band=0.3
        ),
        "clarity_correlation": per_seed(rank, "rank correlation", {}, about, band=1.5),
        "clarity_correlation_converging": per_seed(
            calm, "rank correlation", {}, f"{about}, among the rates that converge", band=1.5
        ),
    }


def intervention(own, rows):
    valid, test, level, units = rows
    strengths = [0.0, *own["strengths"]]
    cheap = [i for i in range(1, len(strengths)) if valid[i].mean() > valid[0].mean() - COST] or [1]
    axis, chosen = {"strength": strengths}, cheap[-1]
    return {
        "penalised_accuracy": per_seed(
            test, "accuracy", axis, "test accuracy by strength of the penalty on the activations", band=0.2
        ),
        "penalised_sparsity": per_seed(level, "share", axis, "share of hidden activations that are 0", band=0.3),
        "penalised_units": per_seed(units, "units", axis, "units that an answer needs", band=15.0),
        "penalty_sparsity_gain": per_seed(
            level[chosen] - level[0],
            "share",
            {},
            "share of zeros: strongest penalty that costs less than a point of validation accuracy, minus none",
            band=0.3,
        ),
        "fewer_units_by_penalty": per_seed(
            units[0] - units[chosen],
            "units",
            {},
            "units that an answer needs: without penalty minus with that penalty",
            band=15.0,
        ),
        "penalty_cost": per_seed(
            test[0] - test[chosen], "accuracy", {}, "test accuracy: without penalty minus with that penalty", band=0.2
        ),
    }


def expect(q):
    """The penalty does what it is for; removing units that never fire changes next to nothing."""
    assert q["penalty_sparsity_gain"].mean > 0
    assert q["changed_predictions"].mean < 0.05
    assert 0 < q["pretrained_sparsity"].mean.min() <= q["pretrained_sparsity"].mean.max() < 1


CLOCK = ("dense_time_saving", "pruned_time_saving")
EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, family=FAMILY, round=ROUND, timed=CLOCK)

if __name__ == "__main__":
    EXPERIMENT.main()
