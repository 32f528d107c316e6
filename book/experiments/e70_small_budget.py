"""E70: a small experiment decides about a full run.

Full scale: MNIST-1D with 1,000 examples, a 40-64-64-10 ReLU network, 3,000 steps of SGD
with batches of 50, the last fifth of them with a rate that falls to zero. The small
experiment has a tenth of the steps, half the width and a quarter of the examples; a third
one has only fewer steps. Each finds its convergence threshold (training loss below 0.01
before the rate falls) and its best first rate, and these are then used at full scale.
"""

from dataclasses import dataclass

import numpy as np
from quantities import fixed, per_seed
from sizes import modes
from tuning import curve

from lrbook.experiment import Experiment
from lrlib import hold, linear, tasks

ID = "e70_small_budget"
QUESTION = "May the threshold and the best rate of a small experiment decide a run at full scale?"

GOAL, CHANCE, ABOVE = 1e-2, 0.1, 2
SCALES = {"full": (1, 1, 1), "few steps": (10, 1, 1), "small": (10, 2, 4)}  # steps, width, examples divided by
SIZES = modes(
    quick=dict(
        seeds=2,
        train=40,
        held=200,
        width=16,
        batch=10,
        steps=250,
        exponents=np.arange(-0.7, 0.65, 0.2),
        paths=["eager"] * 3,
    ),
    full=dict(
        seeds=12,
        train=1000,
        held=10_000,
        width=64,
        batch=50,
        steps=3000,
        exponents=np.arange(-0.7, 0.65, 0.1),
        paths=["compiled", "eager", "eager"],
    ),
)


@dataclass
class Scale:
    """One scale: whether each run converged before its rate fell, and final accuracies, [rate, seed]."""

    converged: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    def threshold(self):
        """Place of the largest rate at which most seeds converge; −1 where there is none."""
        most = np.flatnonzero(self.converged.mean(axis=1) > 0.5)
        return int(most[-1]) if len(most) else -1

    def thresholds(self):
        """The same seed by seed."""
        backwards = self.converged[::-1]
        return np.where(backwards.any(axis=0), len(backwards) - 1 - backwards.argmax(axis=0), -1)

    def best(self, until=None):
        """Place of the rate with the highest mean validation accuracy, among the rates up to a place."""
        return int(self.valid[:until].mean(axis=1).argmax())


def run(mode):
    """Train; `mode` "full": 12 seeds, 14 rates, 3,000 steps, "quick": 2 seeds, 7 rates, 250 steps of a small network."""
    size = SIZES[mode]
    rates = 10 ** size["exponents"]
    scales = {name: scale(size, rates, *SCALES[name], path) for name, path in zip(SCALES, size["paths"])}
    return curves(rates, scales) | thresholds(rates, scales) | decisions(rates, scales)


def scale(size, rates, fewer, narrower, less, path):
    task = tasks.mnist1d(
        train=size["train"] // less,
        valid=min(2000, size["held"]),
        test=size["held"],
        width=size["width"] // narrower,
        batch=size["batch"],
    )
    steps = size["steps"] // fewer
    still = steps * 4 // 5
    marks = [still * k // 8 for k in range(1, 9)]
    found = curve(
        task,
        "sgd",
        rates,
        size["seeds"],
        plan=hold(still) >> linear(steps - still),
        steps=steps,
        evaluate=[*marks, steps],
        path=path,
    )
    lowest = np.nan_to_num(found.metrics["train_loss"][..., :-1], nan=np.inf).min(axis=-1)
    return Scale(lowest <= GOAL, found.final("valid_metric", CHANCE), found.final("test_metric", CHANCE))


def curves(rates, scales):
    axes = {"scale": list(scales), "rate": rates}
    return {
        "converged": per_seed(
            np.stack([s.converged for s in scales.values()]).astype(float),
            "share of runs",
            axes,
            "training loss below 0.01 before the rate falls",
            band=1.0,
        ),
        "accuracy": per_seed(
            np.stack([s.test for s in scales.values()]),
            "accuracy",
            axes,
            "test accuracy at the end, against the first rate",
            band=0.3,
        ),
        "valid_accuracy": per_seed(
            scales["full"].valid,
            "accuracy",
            {"rate": rates},
            "the same at full scale on validation data, by which the best rate is chosen",
            band=0.3,
        ),
        "best_rate": fixed(
            [rates[s.best()] for s in scales.values()],
            "rate",
            {"scale": list(scales)},
            "first rate with the highest mean validation accuracy",
            band=5.0,
        ),
    }


def thresholds(rates, scales):
    names = {"scale": list(scales)}
    ratio = rates[1] / rates[0]
    place = np.stack([s.thresholds() for s in scales.values()])
    seedwise = np.log10(rates[0]) + (place + 0.5) * np.log10(ratio)  # below the grid: half a step under it
    return {
        "threshold": fixed(
            [rates[0] * ratio ** (s.threshold() + 0.5) for s in scales.values()],
            "rate",
            names,
            "convergence threshold, majority of the seeds; half a step below the grid where most seeds never converge",
            band=5.0,
        ),
        "thresholds": per_seed(
            10**seedwise,
            "rate",
            names,
            "convergence threshold of each seed; half a step below the grid where no rate converges",
            band=5.0,
        ),
        "threshold_exists": per_seed(
            (place >= 0).astype(float), "share of seeds", names, "some rate converges", band=1.0
        ),
        "threshold_shift": per_seed(
            seedwise[0] - seedwise[2],
            "decades",
            {},
            "log10 of the threshold at full scale over that of the small experiment",
            band=1.0,
        ),
        "threshold_shift_steps": per_seed(
            seedwise[0] - seedwise[1],
            "decades",
            {},
            "log10 of the threshold at full scale over that with a tenth of the steps",
            band=1.0,
        ),
        "best_rate_shift": fixed(
            np.log10(rates[scales["full"].best()] / rates[scales["small"].best()]),
            "decades",
            {},
            "log10 of the best first rate at full scale over that of the small experiment",
            band=1.5,
        ),
    }


def decisions(rates, scales):
    """What full runs lose when the small experiment decides."""
    full, small = scales["full"], scales["small"]
    best, top = full.test[full.best()], len(rates) - 1
    above = {name: full.test[min(s.threshold() + ABOVE, top)] for name, s in scales.items()}
    gains = {name: s.test[s.best()] - s.test[s.best(max(s.threshold(), 0) + 1)] for name, s in scales.items()}

    def loss(values, about):
        return per_seed(
            best - values,
            "accuracy",
            {},
            f"test accuracy at full scale: its own best first rate minus {about}",
            band=0.3,
        )

    return {
        "best_rate_regret": loss(full.test[small.best()], "the small experiment's"),
        "best_rate_regret_steps": loss(full.test[scales["few steps"].best()], "that of a tenth of the steps"),
        "threshold_regret": loss(above["small"], "1.6 times the small experiment's threshold"),
        "own_threshold_regret": loss(above["full"], "1.6 times its own threshold"),
        "large_rate_gain": per_seed(
            np.stack([*gains.values()]),
            "accuracy",
            {"scale": list(scales)},
            "test accuracy at the best first rate minus at the best one that converges by itself",
            band=0.3,
        ),
        "gain_shift": per_seed(
            gains["full"] - gains["small"],
            "accuracy",
            {},
            "that gain at full scale minus in the small experiment",
            band=0.3,
        ),
        "small_cost": fixed(
            len(rates) * full.test.shape[1] / 10,
            "full trainings",
            {},
            "steps of the small experiment, all rates and seeds, over those of one full training",
            band=20.0,
        ),
    }


def expect(q):
    """A larger budget never has a lower threshold by much, and the largest rate converges nowhere."""
    assert q["converged"].mean[:, -1].max() < 0.5
    assert q["threshold_exists"].mean[0] > 0.5
    assert q["threshold"].mean[0] > 0.5 * q["threshold"].mean[1]


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
