"""E64: the first rate of adapting a pre-trained network, all its weights or low-rank adapters.

A 40-64-64-10 ReLU network learns MNIST-1D (4,000 examples, SGD, falling rate), then adapts to shifted signals with 500
examples in 400 steps of Adam, the rate falling linearly to zero: all weights, or adapters of rank 1, 4 and 16 on every
layer at the same α; at rank 4 also with a rate of B that is 4 or 16 times that of A. Two arms use plain SGD, one
begins anew. Every arm is tuned on the same grid of rates by validation accuracy, each half of the seeds by the other half.
"""

import numpy as np
from best_range import best
from halves import crossed, mixed
from quantities import fixed, per_seed
from shifted import repeated
from sizes import modes
from sweeps import sweep
from transfer import CHANCE, beside, scores, source, target
from tuning import grid

from lrbook.experiment import Experiment
from lrlib import evaluate_weights, linear
from lrlib.tasks import adapter_start, low_rank

ID = "e64_low_rank"
QUESTION = (
    "How much hangs on the first rate when a pre-trained network adapts, and do low-rank adapters want another one?"
)

ALPHA = 16.0
ARMS = {  # rule, rank (0: all weights), rate of B over the rate of A
    "full": ("adam", 0, 1),
    "rank_1": ("adam", 1, 1),
    "rank_4": ("adam", 4, 1),
    "rank_16": ("adam", 16, 1),
    "ratio_4": ("adam", 4, 4),
    "ratio_16": ("adam", 4, 16),
    "scratch": ("adam", None, 1),
    "sgd_full": ("sgd", 0, 1),
    "sgd_rank_4": ("sgd", 4, 1),
}
SIZES = modes(
    quick=dict(
        seeds=2,
        train=500,
        few=100,
        held=500,
        width=16,
        batch=25,
        before=150,
        first=0.3,
        steps=40,
        grid={"adam": grid(-3.5, -1)[::5], "sgd": grid(-2.5, 0)[::5]},
    ),
    full=dict(
        seeds=30,
        train=4000,
        few=500,
        held=5000,
        width=64,
        batch=25,
        before=4000,
        first=0.3,
        steps=400,
        grid={"adam": grid(-4, -1), "sgd": grid(-3, 0)},
    ),
)


def run(mode):
    """Train; `mode` "full": 30 seeds, 13 rates, 400 steps to adapt, "quick": 2 seeds, 3 rates, 40 steps, a small network."""
    size = SIZES[mode]
    before = sweep(
        source(size),
        "sgd",
        lr=size["first"],
        seeds=size["seeds"],
        steps=size["before"],
        plan=linear(size["before"]),
        path="eager",
    )
    arms = {name: adapted(size, before, *what) for name, what in ARMS.items()}
    first = evaluate_weights(target(size), before, sets=["test"])["test_metric"]

    def halved(choose, judge):
        mix = {name: mixed(a, choose, judge) for name, a in arms.items()}
        return first_rate(size, mix) | contrasts(size, mix)

    return (
        {
            "pretrained_accuracy": per_seed(
                before.final("test_metric"),
                "accuracy",
                {},
                "test accuracy of the pre-trained network on its own signals",
                band=0.3,
            ),
            "unadapted_accuracy": per_seed(
                first, "accuracy", {}, "test accuracy of the pre-trained network on the shifted signals", band=0.3
            ),
        }
        | curves(size, arms)
        | crossed(halved, size["seeds"])
    )


def adapted(size, before, rule, rank, ratio):
    """One arm: {"valid", "test": [rate, seed]}."""
    task, rates, start = target(size), size["grid"][rule], None
    if rank:
        task = low_rank(task, rank, alpha=ALPHA, rate_ratio=float(ratio), adaptive=rule == "adam")
        start = adapter_start(task, before, repeat=len(rates))
    elif rank == 0:
        start = repeated(before.parameters, len(rates))
    record = sweep(
        task,
        rule,
        lr=rates,
        seeds=size["seeds"],
        steps=size["steps"],
        plan=linear(size["steps"]),
        start=start,
        path="eager",
    )
    return scores(record, (len(rates), size["seeds"]))


def curves(size, arms):
    by_rule = {rule: [name for name in arms if ARMS[name][0] == rule] for rule in ("adam", "sgd")}
    q = {
        f"accuracy_by_rate_{rule}": per_seed(
            np.stack([arms[n]["test"] for n in names]),
            "accuracy",
            {"arm": names, "rate": size["grid"][rule]},
            f"test accuracy on the shifted signals against the first rate of {rule}",
            band=0.4,
        )
        for rule, names in by_rule.items()
    }
    q |= {
        f"valid_accuracy_{n}": per_seed(
            a["valid"],
            "accuracy",
            {"rate": size["grid"][ARMS[n][0]]},
            f"{n}: validation accuracy against the first rate",
            band=0.4,
        )
        for n, a in arms.items()
    }
    chosen = {n: best(a["valid"]) for n, a in arms.items()}
    return q | {
        "best_rate": fixed(
            [size["grid"][ARMS[n][0]][chosen[n]] for n in arms],
            "rate",
            {"arm": list(arms)},
            "the first rate chosen on validation accuracy",
            band=10.0,
        ),
    }


def first_rate(size, arms):
    """What a first rate loses that is half a decade or a decade too small or too large, against the chosen one."""

    def lost(decades, about):
        values = [beside(size["grid"][ARMS[n][0]], a["test"], best(a["valid"]), decades) for n, a in arms.items()]
        return per_seed(
            np.stack(values),
            "accuracy",
            {"arm": list(arms)},
            f"test accuracy at the chosen first rate minus at one {about}",
            band=0.4,
        )

    return {
        "loss_half_decade_below": lost(-0.5, "half a decade below"),
        "loss_half_decade_above": lost(0.5, "half a decade above"),
        "loss_decade_below": lost(-1, "a decade below"),
        "loss_decade_above": lost(1, "a decade above"),
    }


def contrasts(size, arms):
    test = {name: a["test"][best(a["valid"])] for name, a in arms.items()}
    own = {name: np.log10(size["grid"][ARMS[name][0]])[a["valid"].argmax(axis=0)] for name, a in arms.items()}
    ranks, ratios = ["rank_1", "rank_4", "rank_16"], ["ratio_4", "ratio_16"]
    common = best(arms["full"]["valid"])
    return {
        "accuracy": per_seed(
            np.stack([*test.values()]),
            "accuracy",
            {"arm": list(arms)},
            "test accuracy on the shifted signals at the rate that the other half of the seeds chose on validation data",
            band=0.3,
        ),
        "rate_shift": per_seed(
            np.stack([own[n] - own["full"] for n in ranks]),
            "decades",
            {"arm": ranks},
            "log10 of the best first rate of adapters over that of all weights, Adam, each seed's own by validation",
            band=3.0,
        ),
        "rate_shift_sgd": per_seed(
            own["sgd_rank_4"] - own["sgd_full"], "decades", {}, "the same for plain SGD at rank 4", band=3.0
        ),
        "rank_gain": per_seed(
            np.stack([test[n] - test["full"] for n in ranks]),
            "accuracy",
            {"arm": ranks},
            "test accuracy: adapters minus all weights, each at its best rate",
            band=0.3,
        ),
        "rank_gain_sgd": per_seed(
            test["sgd_rank_4"] - test["sgd_full"], "accuracy", {}, "the same for plain SGD at rank 4", band=0.3
        ),
        "ratio_gain": per_seed(
            np.stack([test[n] - test["rank_4"] for n in ratios]),
            "accuracy",
            {"arm": ratios},
            "test accuracy at rank 4: a higher rate of B minus one rate for both, each at its best rate",
            band=0.3,
        ),
        "borrowed_rate_loss": per_seed(
            np.stack([test[n] - arms[n]["test"][common] for n in ranks]),
            "accuracy",
            {"arm": ranks},
            "adapters: test accuracy at their best rate minus at the best rate of all weights",
            band=0.4,
        ),
        "transfer_gain": per_seed(
            test["full"] - test["scratch"],
            "accuracy",
            {},
            "test accuracy: all weights adapted minus a network that begins anew, each at its best rate",
            band=0.4,
        ),
    }


def expect(q):
    """Adapting lifts the accuracy, and rates a decade apart are not the same."""
    assert q["pretrained_accuracy"].mean > 2 * CHANCE
    assert q["accuracy"].mean.max() > q["unadapted_accuracy"].mean
    assert np.ptp(q["accuracy_by_rate_adam"].mean[0]) > 0.02


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
