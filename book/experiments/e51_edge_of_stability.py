"""E51: gradient descent at the edge of stability.

A tanh network 1-50-50-1 learns a Chebyshev polynomial of degree 5 from 20 points, mean
squared error, full-batch gradient descent at a constant rate. The sharpness is measured
along the run and compared with 2/rate, the curvature that a quadratic of that rate could
just bear. The task and the effect: Cohen et al. (2021).
"""

import numpy as np
import torch
from numpy.polynomial import chebyshev
from quantities import fixed, per_seed
from sizes import modes
from torch import nn

from lrbook.experiment import Experiment
from lrlib import initial_model, sharpness_lanes, tasks

ID = "e51_edge_of_stability"
QUESTION = "How sharp a place does gradient descent reach, and what decides about it?"

RATES = np.array([0.02, 0.05, 0.07, 0.1, 0.14, 0.2])
DEGREE, POINTS, WIDTH = 5, 20, 50
EDGE = RATES >= 0.1
SHOWN = 2
SIZES = modes(quick=dict(seeds=3, steps=600, every=150), full=dict(seeds=12, steps=6000, every=100), least=SHOWN)


def network():
    layers = [nn.Linear(1, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1)]
    return nn.Sequential(*layers)


def square(output, y):
    return (output - y).square().mean()


def problem():
    x = np.linspace(-1, 1, POINTS)[:, None]
    pair = tuple(torch.tensor(a, dtype=torch.float32) for a in (x, chebyshev.chebval(x, np.eye(DEGREE + 1)[DEGREE])))
    return tasks.Task("chebyshev", network, pair, None, None, square, square, None, 6000, metric_name="squared error")


def stacked(task, seeds):
    """Initial weights of every lane, rate first: {name: [rate · seed, …]}."""
    models = [initial_model(task, seed) for seed in range(seeds)]
    names = [name for name, _ in models[0].named_parameters()]
    one = {name: torch.stack([dict(m.named_parameters())[name].detach() for m in models]) for name in names}
    return models[0], {name: w.repeat(len(RATES), *[1] * (w.dim() - 1)).requires_grad_() for name, w in one.items()}


def losses(weights, x, y):
    """Loss of each lane, [L]: the network written out for stacked weights."""
    h = x.expand(len(next(iter(weights.values()))), *x.shape)
    layers = list(weights.values())
    for k in range(0, len(layers), 2):
        h = torch.baddbmm(layers[k + 1][:, None], h, layers[k].mT)
        h = h.tanh() if k + 2 < len(layers) else h
    return (h - y).square().mean((1, 2))


def train(task, seeds, steps, every):
    """Loss and sharpness of every lane after each `every` updates, [mark, rate, seed] both."""
    (x, y), (model, weights) = task.train, stacked(task, seeds)
    rate = torch.tensor(RATES, dtype=torch.float32).repeat_interleave(seeds)
    found, loss, sharp = None, [], []
    for step in range(steps + 1):
        now = losses(weights, x, y)
        if step % every == 0:
            held = {name: w.detach() for name, w in weights.items()}
            found = sharpness_lanes(model, task.loss, held, x, y, start=found, accuracy=0.01, products=60)
            loss.append(now.detach().numpy().reshape(len(RATES), seeds))
            sharp.append(found.value.reshape(len(RATES), seeds))
        slopes = torch.autograd.grad(now.sum(), list(weights.values()))
        with torch.no_grad():
            for w, g in zip(weights.values(), slopes, strict=True):
                w -= rate.view(-1, *[1] * (w.dim() - 1)) * g
    return np.array(loss), np.array(sharp)


def at_equal_loss(loss, sharp):
    """log10 of the sharpness where the loss first falls to what every rate of the seed reaches, [rate, seed]."""
    goal = loss.min(axis=0).max(axis=0)
    first = (loss <= goal).argmax(axis=0)
    return np.log10(np.take_along_axis(sharp, first[None], axis=0)[0])


def run(mode):
    """Train; `mode` "full": 12 seeds, 6,000 steps, "quick": 3 seeds, 600 steps."""
    size = SIZES[mode]
    loss, sharp = train(problem(), **size)
    return describe(loss, sharp, size["every"] * np.arange(len(loss)))


def describe(loss, sharp, step):
    late = sharp[-max(2, len(sharp) // 4) :].mean(axis=0)
    ratio, matched = np.log10(late * RATES[:, None] / 2), at_equal_loss(loss, sharp)
    rate, share = {"lr": RATES}, "share of runs"
    curve = {"lr": RATES, "seed": range(SHOWN), "step": step}
    rise = np.log10(sharp.max(axis=0) / sharp[0])
    order = np.argsort(np.argsort(matched, axis=0), axis=0)
    rank = np.array([np.corrcoef(order[:, s], np.arange(len(RATES)))[0, 1] for s in range(order.shape[1])])
    return {
        "sharpness_by_step": fixed(
            np.moveaxis(sharp[..., :SHOWN], 0, -1).round(3),
            "sharpness",
            curve,
            "largest Hessian eigenvalue along the run, first two seeds",
            band=50.0,
        ),
        "loss_by_step": fixed(
            np.moveaxis(loss[..., :SHOWN], 0, -1).round(6),
            "squared error",
            curve,
            "training loss along the run, first two seeds",
            band=0.3,
        ),
        "final_loss": per_seed(loss[-1], "squared error", rate, "training loss at the end", band=0.3),
        "final_sharpness": per_seed(late, "sharpness", rate, "mean sharpness of the last quarter of the run"),
        "over_the_edge": per_seed(ratio, "decades", rate, "log10 of the sharpness of the last quarter over 2/rate"),
        "reached": per_seed(
            (sharp.max(axis=0) >= 0.95 * 2 / RATES[:, None]).astype(float),
            share,
            rate,
            "runs whose sharpness came to 95 % of 2/rate",
            band=0.67,
        ),
        "rise": per_seed(rise, "decades", rate, "log10 of the highest sharpness of the run over that of the start"),
        "sharpness_at_equal_loss": per_seed(
            matched,
            "decades",
            rate,
            "log10 of the sharpness where the training loss first falls to what every rate of the seed reaches",
        ),
        "edge_ratio": per_seed(
            ratio[EDGE].mean(axis=0),
            "decades",
            {},
            "log10 of the sharpness of the last quarter over 2/rate, mean of the rates from 0.1",
        ),
        "flatter_at_equal_loss": per_seed(
            matched[0] - matched[-1],
            "decades",
            {},
            "log10 of the sharpness at the smallest rate over that at the largest, at an equal training loss",
        ),
        "flatter_at_the_end": per_seed(
            np.log10(late[1] / late[-1]),
            "decades",
            {},
            "log10 of the sharpness of the last quarter: a rate of 0.05 over 0.2",
        ),
        "rank_correlation": per_seed(
            rank, "rank correlation", {}, "Spearman correlation of rate and sharpness at an equal training loss"
        ),
    }


def expect(q):
    """Large rates end at the edge, and flatter than small ones."""
    assert abs(q["edge_ratio"].mean) < 0.15
    assert q["flatter_at_the_end"].mean > 0 or q["flatter_at_equal_loss"].mean > 0
    assert q["over_the_edge"].mean[0] < -0.2, "a small rate is far from its edge"


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
