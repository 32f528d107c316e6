"""E04: six shapes of a schedule at equal steps, each at its own best rate.

MNIST-1D, a 40-64-64-10 ReLU network, batches of 100. Every shape is tuned on the
validation accuracy of its own seeds and then judged on fresh ones, by test accuracy. Two
arms with Adam show whether its last steps profit from a falling rate.
"""

import numpy as np
from quantities import fixed, per_seed
from sizes import modes
from tuning import Arm, bakeoff, curve

from lrbook.experiment import Experiment
from lrlib import cosine, exponential, linear, step, tasks, warmup

ID = "e04_schedule_bakeoff"
QUESTION = "Does a rate that falls beat a constant one, when both are tuned and take equally many steps?"

CHANCE = 0.1
ARMS = {
    "constant": Arm("sgd", None, -1.25, 0.25),
    "step": Arm("sgd", lambda n: step(n // 3, 0.1), -1, 0.5),
    "exponential": Arm("sgd", lambda n: exponential(n, final=0.01), -1, 0.5),
    "linear": Arm("sgd", linear, -1, 0.5),
    "cosine": Arm("sgd", cosine, -1, 0.5),
    "warmup and cosine": Arm("sgd", lambda n: warmup(n // 20) >> cosine(n - n // 20), -1, 0.5),
    "Adam, constant": Arm("adam", None, -3.5, -2),
    "Adam, cosine": Arm("adam", cosine, -3.5, -2),
}
DECAYS = ["step", "exponential", "linear", "cosine"]
SIZES = modes(
    quick=dict(
        train=500,
        held=500,
        pilot=2,
        seeds=3,
        steps=90,
        after=15,
        arms=["constant", *DECAYS, "Adam, constant", "Adam, cosine"],
    ),
    full=dict(train=4000, held=10_000, pilot=5, seeds=30, steps=2000, after=100, arms=list(ARMS)),
    counts=("seeds", "pilot"),
)


def run(mode):
    """Train; `mode` "full": 5 pilot and 30 fresh seeds, 2,000 steps, "quick": 2 and 3, 90 steps."""
    size = SIZES[mode]
    task = tasks.mnist1d(train=size["train"], valid=min(4000, size["held"]), test=size["held"])
    steps, third = size["steps"], size["steps"] // 3
    marks = sorted({0, *(steps * np.arange(1, 13) // 12).tolist(), third, third + size["after"]})
    if mode == "quick":
        marks = [third, third + size["after"], steps]
    found = bakeoff(task, {name: ARMS[name] for name in size["arms"]}, size["pilot"], size["seeds"], steps, marks)
    rate = found["step"][0].lr[found["step"][1]]
    kept = curve(
        task,
        "sgd",
        [rate],
        range(size["pilot"], size["pilot"] + size["seeds"]),
        steps=third + size["after"],
        evaluate=[third, third + size["after"]],
    )
    return pilots(found) | finals(found) | contrasts(found, kept, third, third + size["after"])


def pilots(found):
    """Accuracy against the rate, one quantity a shape, because their grids differ."""
    return {
        f"pilot_{name.lower().replace(', ', '_').replace(' ', '_')}": per_seed(
            one.final("valid_metric", CHANCE),
            "accuracy",
            {"rate": one.lr},
            f"{name}: validation accuracy against the base rate, seeds of the pilot",
            band=0.2,
        )
        for name, (one, _, _) in found.items()
    }


def finals(found):
    names, fresh = {"arm": list(found)}, [f for _, _, f in found.values()]
    along = names | {"step": fresh[0].step}

    def stack(metric, failed=np.nan):
        return np.stack([f.final(metric, failed)[0] for f in fresh])

    def course(metric):
        return np.stack([f.metrics[metric][0].T for f in fresh])[..., :10]

    return {
        "best_rate": fixed(
            [one.lr[best] for one, best, _ in found.values()],
            "rate",
            names,
            "base rate with the highest mean validation accuracy",
            band=10.0,
        ),
        "test_accuracy": per_seed(
            stack("test_metric", CHANCE), "accuracy", names, "at the best rate, fresh seeds", band=0.15
        ),
        "test_loss": per_seed(stack("test_loss"), "nats", names, "at the best rate, fresh seeds", band=2.0),
        "train_loss": per_seed(stack("train_loss"), "nats", names, "at the best rate, fresh seeds", band=1.0),
        "test_accuracy_by_step": per_seed(
            course("test_metric"), "accuracy", along, "along the run, ten of the fresh seeds", band=0.2
        ),
        "train_loss_by_step": per_seed(
            course("train_loss"), "nats", along, "along the run, ten of the fresh seeds", band=1.0
        ),
    }


def contrasts(found, kept, before, after):
    test = {name: fresh.final("test_metric", CHANCE)[0] for name, (_, _, fresh) in found.items()}
    train = {name: np.log10(fresh.final("train_loss")[0]) for name, (_, _, fresh) in found.items()}
    constant = test["constant"]
    q = {
        "decay_gain": per_seed(
            np.mean([test[n] for n in DECAYS], axis=0) - constant,
            "accuracy",
            {},
            "test accuracy: mean of step, exponential, linear and cosine decay minus the constant rate, each at its best rate",
            band=0.1,
        ),
        "decay_train_gain": per_seed(
            train["constant"] - np.mean([train[n] for n in DECAYS], axis=0),
            "decades",
            {},
            "log10 of the final training loss of the constant rate over that of the decays (mean of the logs)",
            band=1.0,
        ),
        "step_gain": per_seed(
            test["step"] - constant, "accuracy", {}, "test accuracy of step decay minus the constant rate", band=0.1
        ),
        "adam_cosine_gain": per_seed(
            test["Adam, cosine"] - test["Adam, constant"],
            "accuracy",
            {},
            "test accuracy of Adam with cosine decay minus Adam at a constant rate, each at its best rate",
            band=0.1,
        ),
        "sgd_decay_over_adam": per_seed(
            np.mean([test[n] for n in DECAYS], axis=0) - test["Adam, constant"],
            "accuracy",
            {},
            "test accuracy of SGD's decays minus Adam at a constant rate",
            band=0.1,
        ),
    }
    dropped = found["step"][2]
    here, there = (int(np.flatnonzero(dropped.step == t)[0]) for t in (before, after))
    change = dropped.metrics["test_metric"][0, :, there] - dropped.metrics["test_metric"][0, :, here]
    same = np.diff(kept.metrics["test_metric"][0], axis=-1)[:, -1]
    q["drop_effect"] = per_seed(
        change - same,
        "accuracy",
        {},
        f"change of test accuracy in the {after - before} steps after the first drop, minus the change of a run that keeps its rate",
        band=0.2,
    )
    return q


def expect(q):
    """Every tuned shape learns; decays fit the training set no worse."""
    assert q["test_accuracy"].mean.min() > 0.2
    assert q["decay_gain"].mean > -0.1
    assert (q["best_rate"].mean[:2] > 0.01).all()


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
