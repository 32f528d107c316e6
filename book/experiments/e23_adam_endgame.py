"""E23: is Adam weak in the final finishing?

Two places where it can show. On a strongly convex logistic regression the distance to the
known minimum is measured after a constant and after a linearly falling rate, for Adam and
for SGD. On MNIST-1D and on the digits the same four ways train a network. Every way is tuned
on seeds of its own and judged on fresh ones. A constant rate hurts every method at the end;
so what is Adam's own is the difference of two differences: what the decay brings Adam minus
what it brings SGD.
"""

import numpy as np
from quantities import fixed, per_seed
from sizes import modes
from sweeps import sweep
from tuning import Arm, bakeoff, grid, path_of

from lrbook.experiment import Experiment
from lrlib import linear, tasks

ID = "e23_adam_endgame"
QUESTION = "Does Adam stop short of the minimum, and does a falling rate cure it?"

CHANCE = 0.1
WAYS = {
    "Adam, constant": ("adam", None),
    "Adam, linear": ("adam", linear),
    "SGD, constant": ("sgd", None),
    "SGD, linear": ("sgd", linear),
}
CONVEX = {"adam": (-3.75, -0.5), "sgd": (-2.25, 0.75)}
ARMS = {
    "Adam, constant": Arm("adam", None, -3.5, -2),
    "Adam, linear": Arm("adam", linear, -3.5, -2),
    "SGD, constant": Arm("sgd", None, -1.25, 0.25),
    "SGD, linear": Arm("sgd", linear, -1, 0.5),
}
SIZES = modes(
    quick=dict(train=500, held=500, pilot=2, seeds=3, steps=80, digits=60, convex=200, draws=6),
    full=dict(train=4000, held=10_000, pilot=5, seeds=40, steps=1500, digits=600, convex=4000, draws=60),
    counts=("seeds", "pilot", "draws"),
    least=2,
)


def convex(size):
    """Distance to the minimum at the end, [way, rate, seed], on the way's own grid."""
    task, found = tasks.convex_logistic(), {}
    for way, (rule, plan) in WAYS.items():
        lr = grid(*CONVEX[rule])
        record = sweep(
            task,
            rule,
            lr=lr,
            seeds=size["draws"],
            steps=size["convex"],
            plan=plan(size["convex"]) if plan else None,
            path=path_of(task, lr, size["draws"], size["convex"]),
        )
        distance = tasks.distance(task, record.parameters).reshape(len(lr), -1)
        found[way] = lr, np.where((record.status == "diverged").reshape(distance.shape), np.inf, distance)
    return found


def floors(found):
    """Distance at each way's best rate; the first half of the seeds chooses, the second half counts."""
    at, best = {}, {}
    for way, (lr, distance) in found.items():
        half = distance.shape[1] // 2
        i = int(np.log(distance[:, :half]).mean(axis=1).argmin())
        at[way], best[way] = distance[i, half:], lr[i]
    return at, best


def slope(lr, distance):
    """Slope of log distance over log rate where the constant rate is larger than its best, [seed]."""
    first = int(np.log(distance).mean(axis=1).argmin())
    x, y = np.log10(lr[first:]), np.log10(distance[first:])
    good = np.isfinite(y).all(axis=1)
    return np.polyfit(x[good], y[good], 1)[0]


def run(mode):
    """Train; `mode` "full": 60 seeds on the convex task, 5 + 40 on the networks, "quick": 6 and 2 + 3."""
    size = SIZES[mode]
    distances = convex(size)
    task = tasks.mnist1d(train=size["train"], valid=min(4000, size["held"]), test=size["held"])
    network = bakeoff(task, ARMS, size["pilot"], size["seeds"], size["steps"], [size["steps"]])
    digits = bakeoff(tasks.digits(), ARMS, size["pilot"], size["seeds"], size["digits"], [size["digits"]])
    return describe_convex(distances) | describe_network(network) | describe_digits(digits)


def describe_convex(found):
    at, best = floors(found)
    log = {way: np.log10(values) for way, values in at.items()}
    ways = {"way": list(WAYS)}
    name = {way: way.lower().replace(", ", "_") for way in WAYS}
    shown = {
        f"distance_{name[way]}": per_seed(
            np.where(np.isfinite(d), d, np.nan),
            "distance",
            {"rate": lr},
            f"convex task, {way}: distance to the minimum at the end",
            band=1.0,
        )
        for way, (lr, d) in found.items()
    }
    return shown | {
        "convex_best_rate": fixed(
            [best[w] for w in WAYS], "rate", ways, "convex task: rate of the shortest mean log distance", band=1.0
        ),
        "convex_distance": per_seed(
            np.stack([at[w] for w in WAYS]),
            "distance",
            ways,
            "convex task, at the best rate: distance to the minimum",
            band=0.5,
        ),
        "adam_floor_slope": per_seed(
            slope(*found["Adam, constant"]),
            "decades per decade",
            {},
            "Adam at constant rates above its best: slope of the log distance over the log rate",
            band=0.5,
        ),
        "convex_adam_floor": per_seed(
            log["Adam, constant"] - log["Adam, linear"],
            "decades",
            {},
            "log10 of the distance that tuned constant Adam ends at over that of tuned linearly decayed Adam",
            band=0.5,
        ),
        "convex_sgd_floor": per_seed(
            log["SGD, constant"] - log["SGD, linear"], "decades", {}, "the same for SGD", band=0.5
        ),
        "convex_decay_gain_beyond_sgd": per_seed(
            log["Adam, constant"] - log["Adam, linear"] - (log["SGD, constant"] - log["SGD, linear"]),
            "decades",
            {},
            "convex task: decades of distance that linear decay brings Adam minus those that it brings SGD, each way tuned",
            band=0.5,
        ),
        "convex_adam_over_sgd_decayed": per_seed(
            log["Adam, linear"] - log["SGD, linear"],
            "decades",
            {},
            "log10 of the distance of decayed Adam over that of decayed SGD",
            band=0.5,
        ),
    }


def describe_network(found):
    ways = {"way": list(ARMS)}
    test = {way: fresh.final("test_metric", CHANCE)[0] for way, (_, _, fresh) in found.items()}
    train = np.stack([fresh.final("train_loss")[0] for _, _, fresh in found.values()])
    return {
        "network_best_rate": fixed(
            [one.lr[i] for one, i, _ in found.values()],
            "rate",
            ways,
            "network: rate of the highest mean validation accuracy",
            band=10.0,
        ),
        "network_accuracy": per_seed(
            np.stack([test[w] for w in ARMS]),
            "accuracy",
            ways,
            "network: test accuracy at the best rate, fresh seeds",
            band=0.2,
        ),
        "network_train_loss": per_seed(
            train, "nats", ways, "network: training loss at the best rate, fresh seeds", band=1.0
        ),
        "network_adam_decay_gain": per_seed(
            test["Adam, linear"] - test["Adam, constant"],
            "accuracy",
            {},
            "network: test accuracy of Adam with linear decay minus constant Adam",
            band=0.1,
        ),
        "network_sgd_decay_gain": per_seed(
            test["SGD, linear"] - test["SGD, constant"], "accuracy", {}, "the same for SGD", band=0.1
        ),
        "network_decay_gain_beyond_sgd": per_seed(
            beyond(test),
            "accuracy",
            {},
            "network: test accuracy that linear decay brings Adam minus what it brings SGD, each way tuned",
            band=0.2,
        ),
        "sgd_decay_over_adam_constant": per_seed(
            test["SGD, linear"] - test["Adam, constant"],
            "accuracy",
            {},
            "network: test accuracy of SGD with linear decay minus constant Adam",
            band=0.2,
        ),
        "sgd_decay_over_adam_decay": per_seed(
            test["SGD, linear"] - test["Adam, linear"],
            "accuracy",
            {},
            "network: test accuracy of SGD with linear decay minus Adam with linear decay",
            band=0.2,
        ),
    }


def describe_digits(found):
    test = {way: fresh.final("test_metric", CHANCE)[0] for way, (_, _, fresh) in found.items()}
    return {
        "digits_accuracy": per_seed(
            np.stack([test[w] for w in ARMS]),
            "accuracy",
            {"way": list(ARMS)},
            "digits: test accuracy at the best rate, fresh seeds",
            band=0.2,
        ),
        "digits_decay_gain_beyond_sgd": per_seed(
            beyond(test),
            "accuracy",
            {},
            "digits: test accuracy that linear decay brings Adam minus what it brings SGD, each way tuned",
            band=0.2,
        ),
    }


def beyond(test):
    """What linear decay brings Adam minus what it brings SGD, [seed]."""
    return test["Adam, linear"] - test["Adam, constant"] - (test["SGD, linear"] - test["SGD, constant"])


def expect(q):
    """A constant rate leaves a floor, and decay lowers it."""
    assert q["adam_floor_slope"].mean > 0.3
    assert q["convex_adam_floor"].mean > 0
    assert q["network_accuracy"].mean.min() > 0.15


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
