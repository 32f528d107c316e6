"""E70: a small experiment decides about a full run.

Full scale: MNIST-1D with 1,000 examples, a 40-64-64-10 ReLU network, 3,000 steps of SGD
with batches of 50, the last fifth of them with a rate that falls to zero. The small
experiment has a tenth of the steps, half the width and a quarter of the examples; a third
one has only fewer steps. Each finds its convergence threshold (training loss below 0.01
before the rate falls) and its best first rate, and these are then used at full scale.

Thresholds that are compared belong to each seed and are bisected to 0.02 decade. What a rate
above the threshold brings is measured at multiples of it, three above against three that
converge, each finished alike; what is chosen is chosen for each half of the seeds by the
other half. And whether the small threshold may stand in for the full run's is asked of two
full runs, at 1.6 times the one and at 1.6 times the other.
"""

from dataclasses import dataclass

import numpy as np
from halves import crossed, picked
from own_rates import bisected, sweep_own
from quantities import fixed, per_seed
from sizes import modes
from tuning import curve

from lrbook.experiment import Experiment
from lrlib import hold, linear, tasks

ID = "e70_small_budget"
QUESTION = "May the threshold and the best rate of a small experiment decide a run at full scale?"

GOAL, CHANCE = 1e-2, 0.1
BELOW, ABOVE, START = [0.5, 0.7, 1.0], [1.26, 1.6, 2.0], 1.6  # multiples of a threshold; the one that a plan would take
SCALES = {"full": (1, 1, 1), "few steps": (10, 1, 1), "small": (10, 2, 4)}  # steps, width, examples divided by
SIZES = modes(
    quick=dict(
        seeds=4,
        train=40,
        held=200,
        width=16,
        batch=10,
        steps=200,
        exponents=np.arange(-0.7, 0.65, 0.2),
        step=10**0.2,
        finest=0.8,
        paths=["eager"] * 3,
    ),
    full=dict(
        seeds=30,
        train=1000,
        held=10_000,
        width=64,
        batch=50,
        steps=3000,
        exponents=np.arange(-0.7, 0.65, 0.1),
        step=10**0.1,
        finest=0.02,
        paths=["compiled", "eager", "eager"],
    ),
    least=2,
)


@dataclass
class Scale:
    """One scale: whether each run converged before its rate fell, and final accuracies, [rate, seed]."""

    converged: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    def mixed(self, choose, judge):
        """The scale with the validation scores of the seeds that choose and the rest of those that judge."""
        return Scale(self.converged[:, judge], self.valid[:, choose], self.test[:, judge])

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
    """Train; `mode` "full": 30 seeds, 14 rates, 3,000 steps, "quick": 4 seeds, 7 rates, 250 steps of a small network."""
    size = SIZES[mode]
    rates = 10 ** size["exponents"]
    scales = {name: scale(size, rates, name, path) for name, path in zip(SCALES, size["paths"])}
    own = {
        name: multiples(size, name, path, rates[np.maximum(scales[name].thresholds(), 0)])
        for name, path in zip(SCALES, size["paths"])
        if name != "few steps"
    }

    def halved(choose, judge):
        return decisions(rates, {name: one.mixed(choose, judge) for name, one in scales.items()})

    return curves(rates, scales) | thresholds(rates, scales) | crossed(halved, size["seeds"]) | transfer(size, own)


def problem(size, name):
    """Task, steps, steps before the rate falls, and marks until then, of a scale."""
    fewer, narrower, less = SCALES[name]
    task = tasks.mnist1d(
        train=size["train"] // less,
        valid=min(2000, size["held"]),
        test=size["held"],
        width=size["width"] // narrower,
        batch=size["batch"],
    )
    steps = size["steps"] // fewer
    still = steps * 4 // 5
    return task, steps, still, [still * k // 8 for k in range(1, 9)]


def multiples(size, name, path, low):
    """Each seed's own threshold, [seed], and accuracies at multiples of it, {part: [multiple, seed]}.

    low: each seed's largest rate of the grid that converges; where none does, the smallest one, which then stands for
    its threshold. Small rates are no place to begin, since in few steps they do not converge either.
    """
    (task, _, still, marks), floor = problem(size, name), 10 ** size["exponents"][0]
    seeds = list(range(size["seeds"]))

    def converges(rates):
        record = sweep_own(task, rates[None], seeds, steps=still, evaluate=marks, path=path)
        return np.nan_to_num(record.evaluations["train_loss"], nan=np.inf).min(axis=1) <= GOAL

    threshold = bisected(converges, low, low * size["step"], seeds=len(seeds), finest=size["finest"], floor=floor)
    return threshold, finished(size, name, path, np.array([*BELOW, *ABOVE])[:, None] * threshold)


def finished(size, name, path, rates):
    """Accuracies of whole runs at rates [k, seed], {part: [k, seed]}."""
    task, steps, still, _ = problem(size, name)
    plan = hold(still) >> linear(steps - still)
    record = sweep_own(task, rates, list(range(size["seeds"])), plan=plan, steps=steps, path=path)
    return {
        part: np.nan_to_num(record.final(f"{part}_metric"), nan=CHANCE).reshape(rates.shape)
        for part in ("valid", "test")
    }


def transfer(size, own):
    """The threshold of the small experiment against that of the full run, and what a rate above it brings at both scales."""
    (full, at_full), (small, at_small) = own["full"], own["small"]
    at_start = at_full["test"][len(BELOW) + ABOVE.index(START)]
    borrowed = finished(size, "full", size["paths"][0], START * small[None])["test"][0]
    gains = np.stack([above_gain(scores) for scores in (at_full, at_small)])
    return {
        "own_threshold": per_seed(
            np.stack([full, small]),
            "rate",
            {"scale": ["full", "small"]},
            "each seed's largest rate that converges, bisected to 0.02 decade",
            band=5.0,
        ),
        "threshold_shift": per_seed(
            np.log10(full / small),
            "decades",
            {},
            "log10 of each seed's threshold at full scale over that of its small experiment, bisected to 0.02 decade",
            band=1.0,
        ),
        "threshold_regret": per_seed(
            at_start - borrowed,
            "accuracy",
            {},
            "test accuracy at full scale: 1.6 times its own threshold minus 1.6 times the small experiment's",
            band=0.3,
        ),
        "gain_above": per_seed(
            gains,
            "accuracy",
            {"scale": ["full", "small"]},
            "test accuracy: best of three rates above the seed's threshold minus best of three that converge, finished alike",
            band=0.3,
        ),
        "gain_shift": per_seed(
            gains[0] - gains[1], "accuracy", {}, "that gain at full scale minus in the small experiment", band=0.3
        ),
    }


def above_gain(scores):
    """Best of the multiples above minus best of those that converge, as the other half of the seeds chooses, [seed]."""
    n = len(BELOW)
    above, below = (picked(scores["valid"][part], scores["test"][part]) for part in (slice(n, None), slice(n)))
    return above - below


def scale(size, rates, name, path):
    task, steps, still, marks = problem(size, name)
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
    """What full runs lose when the small experiment chooses the first rate; the seeds that choose are not those that judge."""
    full = scales["full"]

    def loss(name, about):
        return per_seed(
            full.test[full.best()] - full.test[scales[name].best()],
            "accuracy",
            {},
            f"test accuracy at full scale: its own best first rate minus {about}, both chosen by the other half of the seeds",
            band=0.3,
        )

    return {
        "best_rate_regret": loss("small", "the small experiment's"),
        "best_rate_regret_steps": loss("few steps", "that of a tenth of the steps"),
    }


def expect(q):
    """A larger budget never has a lower threshold by much, and the largest rate converges nowhere."""
    assert q["converged"].mean[:, -1].max() < 0.5
    assert q["threshold_exists"].mean[0] > 0.5
    assert q["accuracy"].mean[0].max() > q["accuracy"].mean[2].max(), "the full run reaches more: the positive control"
    assert q["threshold"].mean[0] > 0.5 * q["threshold"].mean[1]


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, round=2)

if __name__ == "__main__":
    EXPERIMENT.main()
