"""E30: the best constant rate and the convergence threshold of networks of many widths and depths.

MNIST-1D with 300 training examples of each seed's own, fully connected ReLU networks in the standard parametrisation
(He-normal weights, one rate for all of them), SGD with batches of 32, 300 steps. Widths at two hidden layers, depths at
width 64; the widths differ so little that they need more seeds. The best rate is the middle of the rates within a point
of the best mean validation accuracy.
"""

import numpy as np
from best_range import JUDGED, best, bootstrapped, carried, decades, middle, over_arms
from halves import crossed
from quantities import fixed, per_seed
from sizes import modes
from sweeps import sweep

from lrbook.experiment import Experiment
from lrlib import tasks

ID = "e30_width_depth"
QUESTION = "Does the best rate move when the network gets wider or deeper?"

CHANCE = 0.1
SIZES = modes(
    quick=dict(
        seeds={"width": 3, "depth": 3},
        widths=[8, 64],
        depths=[1, 4],
        usual=(16, 2),
        train=100,
        held=500,
        batch=20,
        steps=60,
        converged=1.5,
        width_rates=(-1.0, 0.5, 0.5),
        depth_rates=(-1.0, 0.5, 0.5),
    ),
    full=dict(
        seeds={"width": 20, "depth": 20},
        widths=[32, 64, 128, 256, 512],
        depths=[1, 2, 4, 8],
        usual=(64, 2),
        train=300,
        held=2000,
        batch=32,
        steps=300,
        converged=0.05,
        width_rates=(-1.0, 0.25, 0.25),
        depth_rates=(-1.375, 0.5, 0.125),
    ),
    least=2,
)


def rates(low, high, step):
    """Rates 10^low … 10^high with `step` decades between them.

    >>> rates(-1, 0, 0.5).round(3).tolist()
    [0.1, 0.316, 1.0]
    """
    return 10 ** np.linspace(low, high, round((high - low) / step) + 1)


def trained(size, lr, seeds, width, depth):
    """Final scores of one network at every rate, {name: [rate, seed]}; a diverged run is at chance and has not converged."""
    task = tasks.mnist1d(
        train=size["train"], valid=size["held"], test=size["held"], width=width, depth=depth, batch=size["batch"]
    )
    record = sweep(task, "sgd", lr=lr, seeds=seeds, steps=size["steps"], path="eager")
    gone = np.asarray(record.status) == "diverged"
    failed = {"valid_metric": CHANCE, "test_metric": CHANCE, "train_loss": np.inf}
    found = {name: record.final(name) for name in failed}
    return {name: np.where(gone | np.isnan(v), failed[name], v).reshape(len(lr), -1) for name, v in found.items()}


def thresholds(size, lr, loss):
    """log10 of the largest rate that ends below the limit of the training loss, [arm, seed]; below the grid where none does.

    loss [arm, rate, seed].
    """
    logs = np.log10(lr)
    return np.where(loss < size["converged"], logs[:, None], logs[0] - (logs[1] - logs[0])).max(axis=1)


def family(size, what, arms, lr):
    """Everything about the networks that differ in `what` ("width" or "depth")."""
    usual = dict(zip(("width", "depth"), size["usual"]))
    n = size["seeds"][what]
    found = [trained(size, lr, n, **usual | {what: arm}) for arm in arms]
    valid, test, loss = (
        np.stack([one[name] for one in found]) for name in ("valid_metric", "test_metric", "train_loss")
    )
    place, axes, edge = over_arms(middle, lr, valid), {what: arms}, thresholds(size, lr, loss)
    few, many = f"{what} {arms[0]}", f"{what} {arms[-1]}"
    return {
        f"accuracy_by_{what}": per_seed(
            test, "accuracy", axes | {"rate": lr}, f"test accuracy by {what} and rate", band=0.3
        ),
        f"best_accuracy_by_{what}": per_seed(
            np.stack([one[i] for one, i in zip(test, best(valid))]),
            "accuracy",
            axes,
            "test accuracy at the rate with the highest mean validation accuracy",
            band=0.2,
        ),
        f"chosen_rate_by_{what}": fixed(
            lr[best(valid)], "rate", axes, "the rate with the highest mean validation accuracy", band=10.0
        ),
        f"best_rate_by_{what}": bootstrapped(
            lambda s: 10 ** place(s),
            n,
            "rate",
            axes,
            "middle of the rates within a point of the best mean validation accuracy",
            band=10.0,
        ),
        f"range_by_{what}": bootstrapped(
            over_arms(decades, lr, valid),
            n,
            "decades",
            axes,
            "width of the rates within a point of the best mean validation accuracy",
            band=1.0,
        ),
        f"threshold_by_{what}": per_seed(
            10**edge, "rate", axes, f"largest rate whose training loss ends below {size['converged']}", band=10.0
        ),
        f"best_rate_{what}": bootstrapped(
            lambda s: place(s)[-1] - place(s)[0],
            n,
            "decades",
            {},
            f"log10 of the best rate at {many} over that at {few}",
            band=1.5,
            draws=JUDGED,
        ),
        f"threshold_{what}": per_seed(
            edge[-1] - edge[0],
            "decades",
            {},
            f"log10 of the convergence threshold at {many} over that at {few}",
            band=1.5,
        ),
        f"best_rate_{what}_slope": slope(what, arms, place, n),
    } | crossed(lambda choose, judge: costs(what, few, many, valid[..., choose], test[..., judge]), n)


def costs(what, few, many, valid, test):
    """What the best rate of one end of the family costs the network at the other end."""
    return {
        f"cost_to_large_{what}": per_seed(
            carried(valid, test, -1, 0),
            "accuracy",
            {},
            f"test accuracy at {many}: its own best rate minus that of {few}, chosen by the other half of the seeds",
            band=0.5,
        ),
        f"cost_to_small_{what}": per_seed(
            carried(valid, test, 0, -1),
            "accuracy",
            {},
            f"test accuracy at {few}: its own best rate minus that of {many}, chosen by the other half of the seeds",
            band=0.5,
        ),
    }


def slope(what, arms, place, n):
    """Slope of the best rate: decades per decade of width, or per doubling of depth."""
    x, unit = (np.log10(arms), "decades per decade") if what == "width" else (np.log2(arms), "decades per doubling")
    about = "slope of log10 of the best rate over " + ("log10 of the width" if what == "width" else "log2 of the depth")
    return bootstrapped(lambda s: np.polyfit(x, place(s), 1)[0], n, unit, {}, about, band=1.5)


def run(mode):
    """Train; `mode` "full": five widths and four depths with 20 seeds, "quick": 3 seeds, two of each, small networks."""
    size = SIZES[mode]
    return family(size, "width", size["widths"], rates(*size["width_rates"])) | family(
        size, "depth", size["depths"], rates(*size["depth_rates"])
    )


def expect(q):
    """Orderings that both sizes show."""
    assert q["threshold_depth"].mean < 0.3, "deeper networks bear no larger rates"
    assert q["best_accuracy_by_width"].mean.min() > 0.12
    assert q["accuracy_by_depth"].mean[-1, -1] < 0.2, "the largest rate is too large for the deepest network"
    assert abs(q["best_rate_width"].mean) < 1.2


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
