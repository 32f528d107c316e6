"""E35: three regimes of training on a sphere, on a data set that is no toy.

MNIST-1D, 300 training examples of each seed's own, batches of 25. A network whose output does not depend on the length
of its weights (layer normalisation without affine parameters before every ReLU, a frozen read-out of norm 10) is put
back on the unit sphere after every step of plain SGD, so that the rate is the effective rate. Every rate is then
fine-tuned at two small ones, and its last checkpoints are averaged. Three arms: two hidden layers of 128, of 64, and of
64 on signals with more noise.
"""

from dataclasses import replace

import numpy as np
import torch
from best_range import bootstrapped
from quantities import fixed, per_seed
from regime_borders import DRAWS, bands, border, chosen, mean_over, places, widths
from sizes import modes
from sweeps import sweep

from lrbook.experiment import Experiment
from lrlib import angles, barrier, borders, evaluate_weights, initial_model, run_losses, tasks

ID = "e35_sphere"
QUESTION = "Which regimes does training on a sphere have, and where do the best rates lie?"

MARGIN = 0.02
# Above the threshold two seeds of 60 steps part with the processor's rounding; `expect` holds the orderings.
CHAOS = {"accuracy": 0.2, "nats": 2.0, "points": 60.0, "radians": 1.0, "share of seeds": 1.0, "decades": 2.0}
NEVER = 1e12  # on the sphere nothing diverges, though a loss may leave a converged place for a while
RATES = np.concatenate([[1e-5, 1e-4, 4e-4], 10 ** np.arange(-3, -1.35, 0.1), [0.0631, 0.1, 0.158, 0.316, 1.0]])
ARMS = {"wide": (128, {}), "narrow": (64, {}), "noisy": (64, {"iid_noise_scale": 0.3})}
SIZES = modes(
    quick=dict(
        lr=RATES[[2, 8, 14, 16, 19, 24]],
        flr=[5e-4, 2e-3],
        seeds=2,
        train=100,
        held=200,
        part=0.25,
        steps=60,
        fine=15,
        every=4,
        averages=5,
        converged=0.2,
        path="eager",
    ),
    full=dict(
        lr=RATES,
        flr=[5e-4, 2e-3],
        seeds=10,
        train=300,
        held=5000,
        part=1,
        steps=1200,
        fine=600,
        every=20,
        averages=10,
        converged=1e-2,
        path="compiled",
    ),
    least=2,
)


def arm(size, wide, knobs):
    """One task at every rate, {name: [rate, …, seed]}."""
    task = tasks.mnist1d_sphere(
        train=size["train"], valid=size["held"], test=size["held"], width=int(wide * size["part"]), batch=25, **knobs
    )
    shape, steps = (len(size["lr"]), size["seeds"]), size["steps"]
    marks = [steps - size["every"] * k for k in range(size["averages"])]
    options = dict(seeds=size["seeds"], path=size["path"], diverged_at=NEVER)
    before = sweep(
        task, "sgd", lr=size["lr"], steps=steps, snapshots=marks, evaluate=range(0, steps + 1, steps // 10), **options
    )
    fine = [
        sweep(task, "sgd", lr=np.full(shape[0], rate), steps=size["fine"], start=before.parameters, **options)
        for rate in size["flr"]
    ]
    lowest, tail = run_losses(before)
    found = {"untrained": before.evaluations["train_loss"][: shape[1], 0], "lowest": lowest, "tail": tail}
    mean = evaluate_weights(task, before.average(marks), sets=["valid", "test"])
    for part in ("valid", "test"):
        found[f"pretrained_{part}"] = before.final(f"{part}_metric").reshape(shape)
        found[f"finetuned_{part}"] = np.stack([one.final(f"{part}_metric").reshape(shape) for one in fine], axis=1)
        found[f"averaged_{part}"] = mean[f"{part}_metric"].reshape(shape)
    return found | between(task, shape, *(one.parameters for one in fine))


def between(task, shape, one, two):
    """Angle (radians) and barrier of the training error (points) between the fine-tuned solutions, [rate, seed]."""
    angle, height = np.empty(shape), np.empty(shape)
    for s in range(shape[1]):
        model, (x, y) = initial_model(task, s), task.train_for(s)  # the read-out is the seed's
        for i in range(shape[0]):
            a, b = ({n: torch.as_tensor(w[i * shape[1] + s]) for n, w in weights.items()} for weights in (one, two))
            model.load_state_dict(a, strict=False)
            angle[i, s] = angles(a, b)["all"]
            height[i, s] = barrier(model, b, task.loss, x, y, metric=task.metric, points=11).error_barrier
    return {"angle": angle, "barrier": height}


def regimes(size, found):
    return borders(
        size["lr"],
        found["lowest"],
        found["untrained"],
        tail_loss=found["tail"],
        finetuned=found["finetuned_test"],
        barrier=found["barrier"],
        converged=size["converged"],
        margin=MARGIN,
    )


def curves(size, name, found):
    """Curves over the first rate; the first arm has all, the others what the borders rest on."""
    lr, ending = {"lr": size["lr"]}, "" if name == "wide" else f"_{name}"
    rows = [
        ("pretrain_loss", "lowest", "nats", lr, "lowest training loss within the steps"),
        ("pretrain_loss_last_tenth", "tail", "nats", lr, "mean batch loss over the last tenth of the steps"),
        ("pretrain_accuracy", "pretrained_test", "accuracy", lr, "test accuracy at the constant rate"),
        (
            "finetune_accuracy",
            "finetuned_test",
            "accuracy",
            lr | {"finetune_lr": size["flr"]},
            "test accuracy after fine-tuning",
        ),
        ("barrier", "barrier", "points", lr, "barrier of the training error between the two fine-tuned solutions"),
        ("swa_accuracy", "averaged_test", "accuracy", lr, "test accuracy of the mean of the last ten checkpoints"),
        ("angle", "angle", "radians", lr, "angle between the two fine-tuned solutions"),
    ]
    rows = rows if name == "wide" else rows[:4]
    return {
        f"{what}{ending}": per_seed(found[key], unit, axes, f"{name} arm: {text}")
        for what, key, unit, axes, text in rows
    }


def contrasts(size, found, seen):
    """Where the best first rates lie in the first arm, and what they bring."""
    at = places(seen)
    best = {
        word: chosen(found["finetuned_valid"], found["finetuned_test"], at[word])
        for word in ("near", "far", "converging", "learning")
    }
    average = chosen(found["averaged_valid"], found["averaged_test"], at["near"])
    first = np.where(at["learning"], found["finetuned_valid"].mean(axis=1), -1).argmax(axis=0)
    hit = np.take_along_axis(at["near"], first[None], axis=0)[0]
    return {
        "gain": per_seed(
            best["near"] - best["converging"],
            "accuracy",
            {},
            "fine-tuned: first rate just above the threshold minus the best that converges, chosen on validation data",
        ),
        "gain_average": per_seed(
            average - best["converging"],
            "accuracy",
            {},
            "mean of checkpoints just above the threshold minus the best that converges, fine-tuned",
        ),
        "loss_far_above": per_seed(
            best["near"] - best["far"],
            "accuracy",
            {},
            "fine-tuned: first rate just above the threshold minus far above it",
        ),
        "short_of_the_best": per_seed(
            best["learning"] - best["near"],
            "accuracy",
            {},
            "fine-tuned: best of all first rates minus best of those just above the threshold",
        ),
        "unfinished_loss": per_seed(
            best["near"] - mean_over(found["pretrained_test"], at["near"]),
            "accuracy",
            {},
            "just above the threshold: fine-tuned minus left at the constant rate",
        ),
        "best_is_near": per_seed(
            hit.astype(float),
            "share of seeds",
            {},
            "seeds whose best first rate, fine-tuned, lies just above the threshold",
        ),
    } | bands(size["lr"], found["finetuned_test"].mean(axis=1))


def compared(size, one, two, borders_of):
    """How far two arms differ in their threshold, and in the width of their best band: functions of the kept seeds."""

    def shift(keep):
        logs = [np.log10(borders_of[name].threshold[keep]) for name in (one, two)]
        return abs(logs[0].mean() - logs[1].mean())

    def change(found):
        each = [widths(size["lr"], found[name]["finetuned_test"].mean(axis=1)) for name in (one, two)]
        return lambda seeds: abs(each[0](seeds) - each[1](seeds))

    return shift, change


def run(mode):
    """Train; `mode` "full": 10 seeds, 25 rates, 1,200 steps, "quick": 2 seeds, 6 rates, 60 steps, small networks."""
    size = SIZES[mode]
    found = {name: arm(size, *what) for name, what in ARMS.items()}
    seen = {name: regimes(size, one) for name, one in found.items()}
    q = {name: value for arm_name, one in found.items() for name, value in curves(size, arm_name, one).items()}
    for name, one in seen.items():
        for what, text in (
            ("threshold", "border of regimes 1 and 2"),
            ("split", "border of 2A and 2B"),
            ("divergence", "border of regimes 2 and 3"),
        ):
            q[f"{what}{'' if name == 'wide' else '_' + name}"] = border(one, what, f"{name} arm: {text}")
    counts = seen["wide"].counts()
    q["regime_share"] = fixed(
        [list(counts[r] / size["seeds"]) for r in ("1", "2A", "2B", "3")],
        "share of seeds",
        {"regime": ["1", "2A", "2B", "3"], "lr": size["lr"]},
        "seeds in each regime, wide arm",
        band=1.0,
    )
    q |= contrasts(size, found["wide"], seen["wide"])
    for word, pair in (("architecture", ("wide", "narrow")), ("data", ("narrow", "noisy"))):
        shift, change = compared(size, *pair, seen)
        q[f"threshold_shift_{word}"] = bootstrapped(
            shift,
            size["seeds"],
            "decades",
            {},
            f"size of the shift of the threshold between the {pair[0]} and the {pair[1]} arm",
            draws=DRAWS,
        )
        q[f"band_change_{word}"] = bootstrapped(
            change(found),
            size["seeds"],
            "decades",
            {},
            f"size of the difference in the width of the best band between the {pair[0]} and the {pair[1]} arm",
            draws=DRAWS,
        )
    return {name: one if one.band else replace(one, band=CHAOS.get(one.unit)) for name, one in q.items()}


def expect(q):
    """Orderings that both sizes show."""
    loss = q["pretrain_loss_last_tenth"].mean
    assert loss[1] < loss[0], "the smallest rate is too slow"
    assert loss[1] < loss[2] < loss[-1], "above the threshold the loss stops at a level that the rate sets"
    assert q["pretrain_accuracy"].mean[-1] < 0.2
    assert q["barrier"].mean[1] <= q["barrier"].mean[-1]


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
