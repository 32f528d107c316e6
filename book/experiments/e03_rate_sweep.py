"""E03: one network, many constant rates.

MNIST-1D, a 40-64-64-10 ReLU network, plain SGD with batches of 100; every rate of a
quarter-decade grid, the same initial weights and batch orders for all of them, and a
training set of its own for each seed. The best rate is chosen on the validation data of a few further seeds, which judge
nothing. Further arms: the tenth of the best rate with ten times the steps, and a strong network at wrong rates against a
weak one at its right rate.
"""

from dataclasses import replace

import numpy as np
from quantities import fixed, per_seed
from sizes import modes
from tuning import curve, grid, marks, tuned

from lrbook.experiment import Experiment
from lrlib import tasks

ID = "e03_rate_sweep"
QUESTION = "What does a constant rate that is too small, right or too large do to a network?"

CHANCE = 0.1
GOAL = 0.9
TENTH, LARGE = 4, 3
CHOOSE = 1000  # first of the seeds that choose rates
# Rates that are too large part with the processor's rounding: in three seeds of 100 steps the best rate then moves by a
# place of the grid, and what is measured at multiples of it moves along. `expect` holds the orderings.
CHAOS = {"accuracy": 0.15, "nats": 1.0, "share of evaluations": 0.6, "decades": 0.6, "rate": 0.5}
SIZES = modes(
    quick=dict(
        seeds=3,
        pilot=3,
        steps=100,
        train=500,
        held=500,
        low=-1.25,
        high=1,
        below=4,
        pair=3,
        few=3,
        epochs=30,
        strong=64,
    ),
    full=dict(
        seeds=16,
        pilot=4,
        steps=2000,
        train=4000,
        held=10_000,
        low=-3,
        high=0.75,
        below=8,
        pair=20,
        few=20,
        epochs=400,
        strong=128,
    ),
    counts=("seeds", "pilot", "pair", "few"),
)


def data(size, **shape):
    return tasks.mnist1d(train=size["train"], valid=min(2000, size["held"]), test=size["held"], **shape)


def steps_to(found, level=GOAL):
    """First evaluated step with that training accuracy, [rate, seed]; the whole run where it never comes."""
    reached = found.metrics["train_metric"] >= level
    return np.where(reached.any(-1), found.step[reached.argmax(-1)], found.step[-1]), reached.any(-1)


def failed(found):
    """Runs that diverged or know no more than chance about their own training set."""
    return found.diverged | ~(found.final("train_metric", CHANCE) > 2 * CHANCE)


def rises(found):
    """Share of the evaluations at which the training loss had risen; a diverged run counts as risen."""
    change = np.diff(found.metrics["train_loss"], axis=-1)
    return (~(change <= 0)).mean(axis=-1)


def test_at(found, rate, goal):
    """Test accuracy when the training loss first falls to `goal`, [seed], between two evaluations."""
    loss, test = found.metrics["train_loss"][rate], found.metrics["test_metric"][rate]
    at = np.full(len(loss), np.nan)
    for s in range(len(loss)):
        under = np.flatnonzero(loss[s] <= goal[s])
        if len(under) and under[0] > 0:
            i = under[0]
            share = np.log(loss[s, i - 1] / goal[s]) / np.log(loss[s, i - 1] / loss[s, i])
            at[s] = test[s, i - 1] + share * (test[s, i] - test[s, i - 1])
    return at


def judged(task, size, count, low, high, **options):
    """Every rate of a grid that has the best one well inside, and the place of the best, which other seeds chose.

    → (`Curve` of the seeds that judge, `Curve` of those that chose, place).
    """
    choosing = range(CHOOSE, CHOOSE + size["pilot"])
    steps, evaluate = options.pop("steps"), options.pop("evaluate")
    chose = tuned(task, "sgd", grid(low, high), choosing, steps=steps, evaluate=evaluate, **options)
    return curve(task, "sgd", chose.lr, count, steps=steps, evaluate=evaluate), chose, chose.best()


def main_arm(size):
    task, steps = data(size), size["steps"]
    wide = dict(below=size["below"], above=4)
    found, chose, best = judged(
        task, size, size["seeds"], size["low"], size["high"], steps=steps, evaluate=marks(steps, 14), **wide
    )
    right = curve(task, "sgd", found.lr[[best]], size["pair"], steps=steps, evaluate=marks(steps, 14))
    tenth, long = found.lr[[best - TENTH]], 10 * steps
    slow = curve(task, "sgd", tenth, size["pair"], steps=long, evaluate=marks(long, 25))
    return found, chose, best, right, slow


def curves(found):
    count, _ = steps_to(found)
    rate, both = {"rate": found.lr}, {"rate": found.lr, "step": found.step}
    q = {}
    for split in ("train", "test"):
        for metric, unit in (("metric", "accuracy"), ("loss", "nats")):
            name = f"{split}_{'accuracy' if metric == 'metric' else 'loss'}"
            values = found.metrics[f"{split}_{metric}"]
            failed_as = CHANCE if metric == "metric" else np.nan
            q[name] = per_seed(found.final(f"{split}_{metric}", failed_as), unit, rate, f"{name} after the last step")
            q[f"{name}_by_step"] = per_seed(
                np.moveaxis(values, 1, -1)[..., :10], unit, both, f"{name} along the run, first ten seeds"
            )
    q["valid_accuracy"] = per_seed(found.final("valid_metric", CHANCE), "accuracy", rate, "validation accuracy")
    q["steps_to_90"] = per_seed(
        count.astype(float), "steps", rate, "steps to 90 % training accuracy; the whole run where it never comes"
    )
    q["failed"] = per_seed(
        failed(found).astype(float), "share of runs", rate, "diverged, or at chance on its own training set"
    )
    q["rises"] = per_seed(
        rises(found), "share of evaluations", rate, "evaluations at which the training loss had risen"
    )
    return q


def contrasts(found, best):
    test, bad, up = found.final("test_metric", CHANCE), failed(found).astype(float), rises(found)
    tiny = max(0, best - 2 * TENTH)
    return {
        "best_rate": fixed(found.lr[best], "rate", {}, "highest mean validation accuracy of the seeds that choose"),
        "failures_at_ten_times": per_seed(
            bad[best + TENTH] - bad[best],
            "share of runs",
            {},
            "failed runs at ten times the best rate minus at the best",
        ),
        "rises_when_too_large": per_seed(
            up[best + LARGE] - up[best],
            "share of evaluations",
            {},
            "evaluations at which the training loss had risen, at 5.6 times the best rate minus at the best",
        ),
        "loss_at_a_hundredth": per_seed(
            test[best] - test[tiny],
            "accuracy",
            {},
            "test accuracy at the best rate minus at a hundredth of it, equal steps",
        ),
        "gain_up_to_the_best": per_seed(
            test[best] - test[best - TENTH],
            "accuracy",
            {},
            "test accuracy at the best rate minus at a tenth of it, equal steps",
        ),
        "loss_beyond_the_best": per_seed(
            test[best] - test[best + LARGE],
            "accuracy",
            {},
            "test accuracy at the best rate minus at 5.6 times it, equal steps",
        ),
    }


def against_long(right, long):
    """The best rate against a tenth of it with ten times the steps, more seeds."""
    goal = np.maximum(right.metrics["train_loss"][0, :, -1], long.metrics["train_loss"][0, :, -1]) * 1.5
    count, slow = steps_to(right)[0][0], steps_to(long)[0][0]
    loss = np.log10(long.final("train_loss")[0]) - np.log10(right.final("train_loss")[0])
    return {
        "slower_at_a_tenth": per_seed(
            np.log10(slow / count),
            "decades",
            {},
            "log10 of the steps to 90 % training accuracy at a tenth of the best rate (given ten times the "
            "steps) over those at the best; a run that never gets there counts with its length",
        ),
        "loss_at_a_tenth_long": per_seed(
            right.final("test_metric", CHANCE)[0] - long.final("test_metric", CHANCE)[0],
            "accuracy",
            {},
            "test accuracy at the best rate minus at a tenth of it with ten times the steps",
        ),
        "train_gap_at_a_tenth_long": per_seed(
            loss,
            "decades",
            {},
            "log10 of the training loss at a tenth of the best rate with ten times the steps over that at the best rate",
        ),
        "matched_gain": per_seed(
            test_at(right, 0, goal) - test_at(long, 0, goal),
            "accuracy",
            {},
            "test accuracy at the best rate minus at a tenth of it, both when the training loss first falls to 1.5 times the larger of the two final ones",
        ),
    }


def strength(size):
    """A weak network at its right rate against a strong one at wrong rates, few epochs."""
    ends = dict(steps=size["epochs"], evaluate=[size["epochs"]])
    weak, _, right = judged(data(size, width=16), size, size["few"], -1, 0.5, **ends)
    strong, _, other = judged(data(size, width=size["strong"]), size, size["few"], -1, 0.5, below=8, above=4, **ends)
    good, test = weak.final("test_metric", CHANCE)[right], strong.final("test_metric", CHANCE)
    return {
        "weak_right_over_strong_small": per_seed(
            good - test[other - 8],
            "accuracy",
            {},
            "16-wide network at its best rate minus a much wider one at a hundredth of its best, ten epochs",
        ),
        "weak_right_over_strong_large": per_seed(
            good - test[other + 4],
            "accuracy",
            {},
            "16-wide network at its best rate minus a much wider one at ten times its best, ten epochs",
        ),
        "strong_accuracy": per_seed(
            test, "accuracy", {"rate": strong.lr}, "wide network, test accuracy after ten epochs"
        ),
        "weak_accuracy": per_seed(
            weak.final("test_metric", CHANCE),
            "accuracy",
            {"rate": weak.lr},
            "16-wide network, test accuracy after ten epochs",
        ),
    }


def early(found, chose, best, size):
    """Ten epochs at the rate that is right for ten epochs against all steps at a hundredth of the best."""
    at = int(np.abs(found.step - size["epochs"]).argmin())
    score = np.nan_to_num(chose.metrics["valid_metric"][..., at], nan=CHANCE).mean(axis=1)
    test = np.nan_to_num(found.metrics["test_metric"], nan=CHANCE)
    tiny = max(0, best - 2 * TENTH)
    return per_seed(
        test[score.argmax(), :, at] - test[tiny, :, -1],
        "accuracy",
        {},
        "test accuracy of the right rate after ten epochs minus that of a hundredth of the best rate after the whole run",
    )


def run(mode):
    """Train; `mode` "full": 16 seeds (20 for the pairs), 2,000 steps, "quick": 3 seeds, 100 steps, a small training set."""
    size = SIZES[mode]
    found, chose, best, right, long = main_arm(size)
    q = curves(found) | contrasts(found, best) | against_long(right, long) | strength(size)
    q["early_right_over_late_wrong"] = early(found, chose, best, size)
    return {name: replace(one, band=CHAOS.get(one.unit)) for name, one in q.items()}


def expect(q):
    """Orderings that both sizes show."""
    assert q["train_accuracy"].mean.max() > 0.3
    assert q["train_loss"].mean[0] > np.nanmin(q["train_loss"].mean), "the smallest rate is too slow"
    assert q["slower_at_a_tenth"].mean > 0
    assert q["failures_at_ten_times"].mean > 0.5
    assert q["weak_right_over_strong_large"].mean > 0


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
