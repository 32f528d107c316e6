"""E24: what does it cost to take 0.01 without looking?

Plain SGD, momentum and Adam on three data sets, the two real ones also with raw inputs
(pixels 0 to 16; measurements in their own units); full-batch gradient descent on the
smallest. Each seed cuts the real ones into training, validation and test examples of its
own. Rates are chosen by validation loss, reported numbers are of the test set.
"""

import dataclasses

import numpy as np
from quantities import fixed, per_seed
from sizes import modes
from tuning import cut_anew, each, grid, narrow_mnist1d, tuned

from lrbook.experiment import Experiment
from lrlib import tasks

ID = "e24_default_rate"
QUESTION = "What does the rate 0.01 cost, and how far does the best rate move?"

GUESS = 0.01
LOW = {  # where the grid of two and a half decades begins
    ("digits", "standardised"): {"sgd": -1.75, "momentum": -2.75, "adam": -3.25},
    ("digits", "raw"): {"sgd": -3.25, "momentum": -4.25, "adam": -3.75},
    ("breast_cancer", "standardised"): {"sgd": -1.5, "momentum": -2.5, "adam": -3.0, "gd": -1.0},
    ("breast_cancer", "raw"): {"sgd": -7.0, "momentum": -8.0, "adam": -4.0, "gd": -7.0},
    ("mnist1d", "standardised"): {"sgd": -1.5, "momentum": -2.5, "adam": -3.25},
}
SIZES = modes(
    quick=dict(seeds=2, steps=30, span=2.5, train=500, held=500),
    full=dict(seeds=20, steps=500, span=2.5, train=1000, held=4000),
)


def problem(name, inputs, size):
    """The task, or a function of the seed that cuts its examples anew, with standardised or raw inputs."""
    if name == "mnist1d":
        return narrow_mnist1d(size["train"], size["held"])
    if name == "breast_cancer":
        return cut_anew(tasks.breast_cancer, standardise=inputs == "standardised")
    digits = cut_anew(tasks.digits, width=32)
    return each(digits, raw_pixels) if inputs == "raw" else digits


def raw_pixels(task):
    """Undo the standardisation: the darkest pixel is 0, the brightest 16."""
    low, high = task.train[0].min(), task.train[0].max()
    parts = {
        part: ((x - low) / (high - low) * 16, y)
        for part, (x, y) in (("train", task.train), ("valid", task.valid), ("test", task.test))
    }
    return dataclasses.replace(task, **parts)


def arms(size):
    """`{(data, inputs, rule): (curve, chance)}`."""
    found = {}
    for (name, inputs), lows in LOW.items():
        task = problem(name, inputs, size)
        chance = 0.1 if name != "breast_cancer" else 0.37
        for rule, low in lows.items():
            used = each(task, lambda one: dataclasses.replace(one, batch=None)) if rule == "gd" else task
            lr = np.unique(np.append(grid(low, low + size["span"]), GUESS))
            method = "sgd" if rule == "gd" else rule
            found[name, inputs, rule] = (
                tuned(
                    used,
                    method,
                    lr,
                    range(size["seeds"]),
                    name="valid_loss",
                    steps=size["steps"],
                    evaluate=[size["steps"]],
                ),
                chance,
            )
    return found


def run(mode):
    """Train; `mode` "full": 20 seeds, 500 steps, "quick": 2 seeds, 30 steps."""
    found = arms(SIZES[mode])
    names = [f"{name}, {inputs}, {rule}" for name, inputs, rule in found]
    best = {key: one.best("valid_loss") for key, (one, _) in found.items()}
    test = {key: one.final("test_metric", chance) for key, (one, chance) in found.items()}
    regret = np.stack([test[k][best[k]] - test[k][found[k][0].index(GUESS)] for k in found])
    failed = np.stack([found[k][0].diverged[found[k][0].index(GUESS)] for k in found]).astype(float)
    return {
        "best_rate": fixed(
            [found[k][0].lr[best[k]] for k in found], "rate", {"arm": names}, "lowest mean validation loss", band=10.0
        ),
        "tuned_accuracy": per_seed(
            np.stack([test[k][best[k]] for k in found]),
            "accuracy",
            {"arm": names},
            "test accuracy at the best rate",
            band=0.5,
        ),
        "regret": per_seed(
            regret, "accuracy", {"arm": names}, "test accuracy at the best rate minus at 0.01", band=0.6
        ),
        "diverged": per_seed(failed, "share of runs", {"arm": names}, "runs at 0.01 that diverged", band=0.6),
        "mean_regret": per_seed(regret.mean(axis=0), "accuracy", {}, "regret of 0.01, mean over the arms", band=0.3),
        "best_rate_spread": fixed(
            np.ptp([np.log10(found[k][0].lr[best[k]]) for k in found]),
            "decades",
            {},
            "from the smallest to the largest best rate of all arms",
            band=3.0,
        ),
        "raw_to_standardised": per_seed(
            shift(found),
            "decades",
            {},
            "plain SGD: log10 of the best rate with standardised inputs over that with raw ones, mean of digits and breast cancer",
            band=2.0,
        ),
    }


def shift(found):
    """How far standardising the inputs moves each seed's best rate of plain SGD, [seed]."""

    def chosen(name, inputs):
        one = found[name, inputs, "sgd"][0]
        return np.log10(one.lr[one.final("valid_loss", np.inf).argmin(axis=0)])

    return np.mean([chosen(name, "standardised") - chosen(name, "raw") for name in ("digits", "breast_cancer")], axis=0)


def expect(q):
    """Raw inputs need smaller rates; no single rate is free."""
    assert q["raw_to_standardised"].mean > 0.5
    assert q["best_rate_spread"].mean > 1
    assert q["mean_regret"].mean > 0


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, round=2)

if __name__ == "__main__":
    EXPERIMENT.main()
