"""E14: regularisers with and without a falling rate, the rate tuned in every cell.

MNIST-1D with 500 training examples of each seed's own, a 40-64-64-10 ReLU network, SGD with batches of 30, 400 steps:
no regulariser, L1, L2 and dropout at several strengths, each at a constant rate, with two drops to a fifth, and with
cosine decay. Rates and strengths are chosen on validation data.
"""

import numpy as np
from best_range import JUDGED, best, bootstrapped, decades, middle, over_arms
from halves import crossed
from quantities import fixed, per_seed
from sizes import modes
from sweeps import sweep
from tuning import grid

from lrbook.experiment import Experiment
from lrlib import cosine, multi_step, tasks

ID = "e14_regularisation"
QUESTION = "What do a regulariser and a falling rate bring together, and where does the best rate go?"

CHANCE = 0.1
ARMS = {
    "none": {},
    "L1 1e-3": {"l1": 1e-3},
    "L2 3e-3": {"l2": 3e-3},
    "L2 1e-2": {"l2": 1e-2},
    "dropout 0.1": {"dropout": 0.1},
    "dropout 0.3": {"dropout": 0.3},
    "dropout 0.5": {"dropout": 0.5},
}
PLANS = {
    "constant": lambda n: None,
    "step": lambda n: multi_step((n // 2, 3 * n // 4), factor=0.2),
    "cosine": cosine,
}
SIZES = modes(
    quick=dict(
        seeds=3,
        arms=["none", "L2 1e-2", "dropout 0.5"],
        plans=["constant", "step"],
        rates=grid(-1.25, -0.25)[::2],
        train=100,
        held=500,
        width=16,
        batch=20,
        steps=40,
    ),
    full=dict(
        seeds=40,
        arms=list(ARMS),
        plans=list(PLANS),
        rates=grid(-1.25, 0.5),
        train=500,
        held=2000,
        width=64,
        batch=30,
        steps=400,
    ),
    least=2,
)


def trained(size, arm, plan):
    """One cell at every rate: validation and test accuracy [rate, seed], and the roughness of its last tenth of steps."""
    task = tasks.mnist1d(
        train=size["train"],
        valid=size["held"],
        test=size["held"],
        width=size["width"],
        batch=size["batch"],
        **ARMS[arm],
    )
    record = sweep(
        task,
        "sgd",
        lr=size["rates"],
        seeds=size["seeds"],
        steps=size["steps"],
        plan=PLANS[plan](size["steps"]),
        path="eager",
    )
    gone, shape = np.asarray(record.status) == "diverged", (len(size["rates"]), -1)
    scores = [
        np.where(gone, CHANCE, np.nan_to_num(record.final(f"{part}_metric"), nan=CHANCE)) for part in ("valid", "test")
    ]
    rough = np.abs(np.diff(record.loss[:, -(size["steps"] // 10) :], axis=1)).mean(axis=1)
    return [values.reshape(shape) for values in (*scores, rough)]


def kinds(size):
    """Kinds of regularisers, "none" first.

    >>> kinds(SIZES["full"])
    ['none', 'L1', 'L2', 'dropout']
    """
    return list(dict.fromkeys(arm.split()[0] for arm in size["arms"]))


def strengths(size, kind):
    """Places of the arms of one kind of regulariser, weakest first."""
    return [i for i, arm in enumerate(size["arms"]) if arm.split()[0] == kind]


def chosen(size, valid, test):
    """Test accuracy of each kind under each plan at the strength and rate that validation prefers, [kind, plan, seed]."""
    rows, at = [], best(valid)
    for kind in kinds(size):
        own, cells = strengths(size, kind), []
        for p in range(len(size["plans"])):
            arm = max(own, key=lambda a, p=p: valid[a, p, at[a, p]].mean())
            cells.append(test[arm, p, at[arm, p]])
        rows.append(cells)
    return np.array(rows)


def run(mode):
    """Train; `mode` "full": 40 seeds, 7 arms, 3 plans, "quick": 3 seeds, 3 arms, 2 plans, a small network."""
    size = SIZES[mode]
    cells = [[trained(size, arm, plan) for plan in size["plans"]] for arm in size["arms"]]
    valid, test, rough = (np.array([[cell[k] for cell in row] for row in cells]) for k in range(3))

    def halved(choose, judge):
        mine, theirs = valid[..., choose], test[..., judge]
        return costs(size, mine, theirs) | together(size, chosen(size, mine, theirs))

    return (
        curves(size, valid, test) | moved(size, valid) | crossed(halved, size["seeds"]) | last_phase(size, valid, rough)
    )


def curves(size, valid, test):
    axes, at, n = {"arm": size["arms"], "plan": size["plans"]}, best(valid), size["seeds"]

    def every(function):
        each = [over_arms(function, size["rates"], row) for row in valid]
        return lambda s: np.array([one(s) for one in each])

    own = np.take_along_axis(test, at[..., None, None], axis=2)[:, :, 0]
    return {
        "accuracy_by_rate": per_seed(
            test, "accuracy", axes | {"rate": size["rates"]}, "test accuracy by regulariser, plan and rate", band=0.3
        ),
        "accuracy": per_seed(
            own, "accuracy", axes, "test accuracy at the rate with the highest mean validation accuracy", band=0.2
        ),
        "chosen_rate": fixed(
            size["rates"][at], "rate", axes, "the rate with the highest mean validation accuracy", band=10.0
        ),
        "best_rate": bootstrapped(
            lambda s: 10 ** every(middle)(s),
            n,
            "rate",
            axes,
            "middle of the rates within a point of the best mean validation accuracy",
            band=10.0,
        ),
        "range": bootstrapped(
            every(decades),
            n,
            "decades",
            axes,
            "width of the rates within a point of the best mean validation accuracy",
            band=2.0,
        ),
    }


def moved(size, valid):
    """Where the strongest regulariser of each kind puts the best constant rate."""
    q, lr = {}, size["rates"]
    for kind in kinds(size)[1:]:
        arm = strengths(size, kind)[-1]
        place = over_arms(middle, lr, valid[[0, arm], 0])
        q[f"best_rate_{kind.lower()}"] = bootstrapped(
            lambda s, f=place: f(s)[1] - f(s)[0],
            size["seeds"],
            "decades",
            {},
            f"constant rates: log10 of the best with {size['arms'][arm]} over the best without",
            band=1.5,
            draws=JUDGED,
        )
    return q


def costs(size, valid, test):
    """What the best rate without a regulariser costs the strongest one of each kind, at a constant rate."""
    q, at = {}, best(valid)
    for kind in kinds(size)[1:]:
        arm = strengths(size, kind)[-1]
        q[f"cost_{kind.lower()}"] = per_seed(
            test[arm, 0, at[arm, 0]] - test[arm, 0, at[0, 0]],
            "accuracy",
            {},
            f"constant rates, {size['arms'][arm]}: test accuracy at its own best rate minus at the best rate without it, "
            "both chosen by the other half of the seeds",
            band=0.3,
        )
    return q


def together(size, score):
    """Gains of plans and regularisers, alone and together; score [kind, plan, seed]."""
    every, some, plans = {"kind": kinds(size)}, {"kind": kinds(size)[1:]}, {"plan": size["plans"][1:]}
    gain = score[:, 1:] - score[:, :1]
    return {
        "chosen_accuracy": per_seed(
            score,
            "accuracy",
            every | {"plan": size["plans"]},
            "test accuracy at the strength and rate with the highest mean validation accuracy",
            band=0.2,
        ),
        "plan_gain": per_seed(
            gain, "accuracy", every | plans, "falling rate minus constant rate, with each kind of regulariser", band=0.3
        ),
        "regulariser_gain": per_seed(
            score[1:] - score[:1],
            "accuracy",
            some | {"plan": size["plans"]},
            "with a regulariser minus without, under each plan",
            band=0.3,
        ),
        "interaction": per_seed(
            gain[1:] - gain[:1],
            "accuracy",
            some | plans,
            "gain of the falling rate with a regulariser minus without",
            band=0.4,
        ),
        "together_gain": per_seed(
            score[1:, 1:] - score[:1, 1:],
            "accuracy",
            some | plans,
            "falling rate with a regulariser minus falling rate alone",
            band=0.3,
        ),
    }


def last_phase(size, valid, rough):
    """How much the batch loss jumps from step to step in the last tenth, at the chosen rate: step decay minus constant."""
    own = np.take_along_axis(rough, best(valid)[..., None, None], axis=2)[:, :, 0]
    ratio = np.log10(own[:, 1] / own[:, 0])
    return {
        "roughness": per_seed(
            own,
            "nats",
            {"arm": size["arms"], "plan": size["plans"]},
            "mean jump of the batch loss from step to step in the last tenth, at the chosen rate",
            band=5.0,
        ),
        "smoothing": per_seed(
            ratio,
            "decades",
            {"arm": size["arms"]},
            "log10 of that jump with step decay over that at a constant rate",
            band=3.0,
        ),
    }


def expect(q):
    """Orderings that both sizes show."""
    assert q["accuracy"].mean.min() > 0.11
    assert q["best_rate_dropout"].mean < 0.5, "dropout wants no larger rates"
    assert np.nanmin(q["roughness"].mean) >= 0


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
