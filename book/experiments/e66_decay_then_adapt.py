"""E66: which first rate, and which fall of it, makes a pre-trained network that adapts well.

A 40-64-64-10 ReLU network learns MNIST-1D (1,000 examples, SGD, batches of 25) at each of several first rates that stay
or fall linearly or as a cosine, in the same number of steps; the runs at a constant rate also give the mean of their
weights over the last quarter. All of these adapt to shifted signals with 500 examples, by SGD over a grid of rates that
fall linearly to zero. Rates are chosen on validation data, for each half of the seeds by the other half: of the
pre-training by its own accuracy ("as pre-trained"), or by the accuracy after adapting ("re-tuned"); the rate of adapting
always by the latter.
"""

from dataclasses import dataclass

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
from lrlib import cosine, evaluate_weights, linear

ID = "e66_decay_then_adapt"
QUESTION = "Do the first rate of pre-training, and its fall, reach through to the accuracy after adapting?"

CONVERGED = 0.02
SIZES = modes(
    quick=dict(
        seeds=2,
        train=200,
        few=100,
        held=500,
        width=16,
        batch=25,
        steps=120,
        fine=40,
        lr=grid(-1.5, 0)[::3],
        flr=grid(-1.5, -0.5)[::2],
        marks=4,
        converged=1.6,
        path="eager",
    ),
    full=dict(
        seeds=24,
        train=1000,
        few=500,
        held=3000,
        width=64,
        batch=25,
        steps=2000,
        fine=300,
        lr=grid(-2.25, 0.25),
        flr=grid(-1.75, 0),
        marks=20,
        converged=CONVERGED,
        path="compiled",
    ),
)


@dataclass
class Arm:
    """A way to pre-train: accuracies {"valid", "test"} of `before` [rate, seed] and `after` [fine rate, rate, seed]."""

    before: dict
    after: dict

    def mixed(self, choose, judge):
        """The arm with the validation scores of the seeds that choose and the test scores of those that judge."""
        return Arm(mixed(self.before, choose, judge), mixed(self.after, choose, judge))

    def fine(self):
        """For each rate of the pre-training, the place of the best rate of adapting."""
        return self.after["valid"].mean(axis=-1).argmax(axis=0)

    def adapted(self, part="test"):
        """Accuracy after adapting, at the best rate of it for each rate of the pre-training, [rate, seed]."""
        return np.take_along_axis(self.after[part], self.fine()[None, :, None], axis=0)[0]


def run(mode):
    """Train; `mode` "full": 24 seeds, 11 × 8 rates, 2,000 + 300 steps, "quick": 2 seeds, 3 × 3 rates, 120 + 40 steps."""
    size = SIZES[mode]
    arms, loss = {}, None
    every = size["steps"] // (4 * size["marks"])
    for name, plan in {"constant": None, "linear": linear(size["steps"]), "cosine": cosine(size["steps"])}.items():
        marks = [size["steps"] - every * k for k in range(size["marks"])] if plan is None else None
        record = sweep(
            source(size),
            "sgd",
            lr=size["lr"],
            seeds=size["seeds"],
            steps=size["steps"],
            plan=plan,
            snapshots=marks,
            path=size["path"],
        )
        arms[name] = arm(size, record, record.parameters, scores(record, (len(size["lr"]), size["seeds"])))
        if plan is None:
            loss = np.nan_to_num(record.final("train_loss"), nan=np.inf).reshape(len(size["lr"]), size["seeds"])
            arms["averaged"] = averaged(size, record)

    def halved(choose, judge):
        mix = {name: one.mixed(choose, judge) for name, one in arms.items()}
        return decay(mix) | first_rate(size, mix, loss)

    return curves(size, arms, loss) | crossed(halved, size["seeds"])


def averaged(size, record):
    """The mean of the weights of the last quarter, as a way to pre-train."""
    mean = record.average()
    found = evaluate_weights(source(size), mean, sets=["valid", "test"])
    gone, shape = np.asarray(record.status) == "diverged", (len(size["lr"]), size["seeds"])
    before = {
        part: np.nan_to_num(np.where(gone, CHANCE, found[f"{part}_metric"]), nan=CHANCE).reshape(shape)
        for part in ("valid", "test")
    }
    return arm(size, record, mean.parameters, before)


def arm(size, record, weights, before):
    """Adapt from all of these weights at every rate of adapting; what had diverged stays at chance."""
    rates, fine = len(size["lr"]), len(size["flr"])
    after = sweep(
        target(size),
        "sgd",
        lr=np.repeat(size["flr"], rates),
        seeds=size["seeds"],
        steps=size["fine"],
        plan=linear(size["fine"]),
        start=repeated(weights, fine),
        path=size["path"],
    )
    gone = (np.asarray(record.status) == "diverged").reshape(rates, size["seeds"])
    return Arm(
        before, {part: np.where(gone, CHANCE, v) for part, v in scores(after, (fine, rates, size["seeds"])).items()}
    )


def curves(size, arms, loss):
    axes, rates = {"arm": list(arms), "rate": size["lr"]}, {"rate": size["lr"]}
    q = {
        "pretrain_loss": per_seed(
            np.minimum(loss, 10.0),
            "nats",
            rates,
            "training loss at the end of the pre-training at a constant rate; 10 for what diverged",
            band=3.0,
        ),
        "pretrain_accuracy_by_rate": per_seed(
            np.stack([a.before["test"] for a in arms.values()]),
            "accuracy",
            axes,
            "test accuracy of the pre-trained network on its own signals",
            band=0.4,
        ),
        "adapted_accuracy_by_rate": per_seed(
            np.stack([a.adapted() for a in arms.values()]),
            "accuracy",
            axes,
            "test accuracy after adapting against the first rate of the pre-training, the rate of adapting re-tuned for each",
            band=0.4,
        ),
    }
    for name, a in arms.items():
        q[f"valid_accuracy_pretrain_{name}"] = per_seed(
            a.before["valid"], "accuracy", rates, f"{name}: validation accuracy of the pre-training", band=0.4
        )
        q[f"valid_accuracy_adapted_{name}"] = per_seed(
            a.adapted("valid"), "accuracy", rates, f"{name}: validation accuracy after adapting", band=0.4
        )
        q[f"valid_accuracy_fine_{name}"] = per_seed(
            a.after["valid"][:, best(a.adapted("valid"))],
            "accuracy",
            {"rate": size["flr"]},
            f"{name}: validation accuracy against the rate of adapting, from the best first rate",
            band=0.4,
        )
    names = {"arm": list(arms)}
    return q | {
        "best_rate_pretrain": fixed(
            [size["lr"][best(a.before["valid"])] for a in arms.values()],
            "rate",
            names,
            "first rate of the pre-training with its highest validation accuracy",
            band=10.0,
        ),
        "best_rate_adapted": fixed(
            [size["lr"][best(a.adapted("valid"))] for a in arms.values()],
            "rate",
            names,
            "first rate of the pre-training with the highest validation accuracy after adapting",
            band=10.0,
        ),
    }


def decay(arms):
    """What the accuracy is worth that a constant rate loses, before adapting and after."""
    before = {n: a.before["test"][best(a.before["valid"])] for n, a in arms.items()}
    after = {n: a.adapted()[best(a.before["valid"])] for n, a in arms.items()}
    tuned = {n: a.adapted()[best(a.adapted("valid"))] for n, a in arms.items()}
    others, names = [n for n in arms if n != "constant"], {"arm": list(arms)}

    def gain(of, about):
        return per_seed(
            np.stack([of["constant"] - of[n] for n in others]),
            "accuracy",
            {"arm": others},
            f"constant rate minus the other way: {about}",
            band=0.4,
        )

    return {
        "pretrain_accuracy": per_seed(
            np.stack([*before.values()]),
            "accuracy",
            names,
            "test accuracy of the pre-trained network at its best first rate",
            band=0.4,
        ),
        "adapted_accuracy": per_seed(
            np.stack([*after.values()]),
            "accuracy",
            names,
            "test accuracy after adapting, first rate chosen as pre-trained",
            band=0.4,
        ),
        "adapted_accuracy_retuned": per_seed(
            np.stack([*tuned.values()]),
            "accuracy",
            names,
            "test accuracy after adapting, first rate re-tuned for it",
            band=0.4,
        ),
        "no_decay_gain_pretrain": gain(before, "test accuracy before adapting, each at its best first rate"),
        "no_decay_gain_adapted": gain(
            after, "test accuracy after adapting, each at the first rate that was best as pre-trained"
        ),
        "no_decay_gain_retuned": gain(tuned, "test accuracy after adapting, first rates re-tuned for it"),
        "interaction": gain(
            {n: after[n] - before[n] for n in arms}, "difference after adapting minus difference before"
        ),
    }


def first_rate(size, arms, loss):
    """What a first rate too small or too large still costs after adapting, and what one above the threshold brings."""
    names = {"arm": list(arms)}

    def lost(decades, about):
        values = [beside(size["lr"], a.adapted(), best(a.adapted("valid")), decades) for a in arms.values()]
        return per_seed(
            np.stack(values),
            "accuracy",
            names,
            f"test accuracy after adapting: best first rate of the pre-training minus one {about}",
            band=0.4,
        )

    threshold = int(np.flatnonzero(np.median(loss, axis=1) < size["converged"]).max(initial=0))
    still, valid = arms["constant"].adapted(), arms["constant"].adapted("valid")
    below, above = best(valid[: threshold + 1]), threshold + 1 + best(valid[threshold + 1 :])
    return {
        "loss_half_decade_below": lost(-0.5, "half a decade below"),
        "loss_half_decade_above": lost(0.5, "half a decade above"),
        "loss_decade_below": lost(-1, "a decade below"),
        "loss_decade_above": lost(1, "a decade above"),
        "threshold": fixed(
            size["lr"][threshold],
            "rate",
            {},
            f"largest constant rate whose median training loss ends below {size['converged']}",
            band=10.0,
        ),
        "gain_above_threshold": per_seed(
            still[above] - still[below],
            "accuracy",
            {},
            "test accuracy after adapting, constant rate: best first rate above the convergence threshold minus best one that converges",
            band=0.4,
        ),
    }


def expect(q):
    """Pre-training learns at its best rate, and adapting gives more than chance."""
    assert q["pretrain_accuracy"].mean.min() > 1.5 * CHANCE
    assert q["adapted_accuracy_retuned"].mean.min() > 1.5 * CHANCE
    assert q["pretrain_loss"].mean.min() < 2.2


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
