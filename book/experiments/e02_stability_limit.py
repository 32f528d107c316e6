"""E02: does the limit 2/λ of a quadratic mean anything for a network?

Full-batch gradient descent on 500 MNIST-1D examples with a 40-64-64-10 ReLU network.
λ is the largest Hessian eigenvalue at the initial weights, of each seed its own; the
rates are multiples of 2/λ.
"""

import dataclasses

import numpy as np
import torch
from quantities import fixed, per_seed
from sizes import modes
from sweeps import sweep

from lrbook.experiment import Experiment
from lrlib import initial_model, sharpness, tasks

ID = "e02_stability_limit"
QUESTION = "Does a network become unstable where a quadratic of the same curvature would?"

MULTIPLES = np.array([0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0, 32.0, 64.0])
SIZES = modes(quick=dict(seeds=3, steps=60), full=dict(seeds=40, steps=200))
EARLY, HUGE = 20, 1000.0
BELOW, ABOVE = MULTIPLES <= 0.5, (MULTIPLES >= 1.5) & (MULTIPLES <= 2)


def problem():
    return dataclasses.replace(tasks.mnist1d(train=500, valid=500, test=500), batch=None)


def limit(task, seed):
    """2/λ at the initial weights of a seed."""
    return 2 / sharpness(initial_model(task, seed), task.loss, *task.train_for(seed))


def losses(task, seed, rate, steps):
    """Training loss before each step, [multiple, steps]; infinite from where a run has diverged."""
    record = sweep(task, "sgd", lr=MULTIPLES * rate, seeds=[seed], steps=steps, path="eager")
    return np.nan_to_num(np.asarray(record.loss, dtype=float), nan=np.inf)


def update(task, seed, rate, steps=1):
    """Largest weight change, and log10 of the growth of the loss, after plain updates."""
    model, (x, y) = initial_model(task, seed), task.train_for(seed)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer, found = torch.optim.SGD(model.parameters(), lr=rate), []
    for _ in range(steps):
        optimizer.zero_grad()
        found.append(task.loss(model(x), y))
        found[-1].backward()
        optimizer.step()
    found.append(task.loss(model(x), y).detach())
    moved = max(float((p.detach() - b).abs().max()) for p, b in zip(model.parameters(), before, strict=True))
    return moved, float(torch.log10(found[-1] / found[0]).detach())


def run(mode):
    """Train; `mode` "full": 40 seeds, 200 steps, "quick": 3 seeds, 60 steps."""
    seeds, steps = SIZES[mode].values()
    task = problem()
    limits = np.array([limit(task, seed) for seed in range(seeds)])
    loss = np.stack([losses(task, seed, limits[seed], steps) for seed in range(seeds)], axis=1)
    still = [update(task, seed, 0.0, EARLY)[0] for seed in range(seeds)]
    huge = [update(task, seed, HUGE * limits[seed])[1] for seed in range(seeds)]
    return describe(limits, loss, np.array(still), np.array(huge))


def describe(limits, loss, still, huge):
    with np.errstate(invalid="ignore"):
        rises = (~(np.diff(loss[..., :EARLY], axis=-1) <= 0)).any(axis=-1).astype(float)
        peak = np.log10(loss[..., :EARLY].max(axis=-1) / loss[..., 0])
    bad = (loss[..., -1] > loss[..., 0]).astype(float)
    axis, share = {"multiple_of_limit": MULTIPLES}, "share of runs"
    shown = np.where(np.isfinite(loss), loss, np.nan)[:, :2, :60]
    return {
        "limit": per_seed(limits, "rate", {}, "2 over the largest Hessian eigenvalue at the initial weights"),
        "rises": per_seed(rises, share, axis, f"runs whose loss rises at least once in the first {EARLY} steps"),
        "diverged": per_seed(
            bad, share, axis, "runs that ended with a higher loss than they began with, or none", band=0.34
        ),
        "peak": per_seed(
            np.where(np.isfinite(peak), peak, np.nan),
            "decades",
            axis,
            f"log10 of the highest loss of the first {EARLY} steps over the first; empty where a run diverged",
            band=1.0,
        ),
        "loss_by_step": fixed(
            np.moveaxis(shown, 1, 2),
            "nats",
            axis | {"step": range(shown.shape[-1]), "seed": range(shown.shape[1])},
            "training loss along the run, first two seeds",
            band=10.0,
        ),
        "final_loss": per_seed(
            np.where(bad > 0, np.nan, loss[..., -1]),
            "nats",
            axis,
            "training loss at the end; empty where a run diverged",
            band=1.0,
        ),
        "rises_above_limit": per_seed(
            rises[ABOVE].mean(axis=0) - rises[BELOW].mean(axis=0),
            share,
            {},
            "share of runs whose loss rises early at 1.5 and 2 times the limit, minus at 0.25 and 0.5 times",
        ),
        "diverged_far_above": per_seed(
            bad[-1] - bad[BELOW].mean(axis=0),
            share,
            {},
            "share of diverged runs at 64 times the limit minus at 0.25 and 0.5 times",
        ),
        "move_at_zero": per_seed(still, "weight", {}, f"largest change of any weight in {EARLY} steps at rate 0"),
        "one_huge_update": per_seed(
            huge, "decades", {}, "log10 of the growth of the loss in one update at 1000 times the limit", band=2.0
        ),
    }


def expect(q):
    """Below the limit the loss falls, far above it does not."""
    assert q["rises"].mean[BELOW].max() == 0, "half the limit is safe"
    assert q["rises"].mean[-6:].mean() > q["rises"].mean[BELOW].mean() + 0.3
    assert q["move_at_zero"].mean == 0
    assert q["one_huge_update"].mean > 1


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
