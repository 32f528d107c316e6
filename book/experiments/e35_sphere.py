"""E35: three regimes of training on a sphere, on a data set that is no toy.

MNIST-1D, 300 training examples of each seed's own, batches of 25. A network whose output does not depend on the length
of its weights (layer normalisation without affine parameters before every ReLU, a frozen read-out of norm 10) is put
back on the unit sphere after every step of plain SGD, so that the rate is the effective rate. One arm is trained over
the whole grid. Then each seed of each arm is trained at fixed multiples of its own threshold, which is known to 0.02
decade, and fine-tuned alike at two small rates. Arms: two hidden layers of 128 and of 64; and, where two data sets are
compared, 64 on signals that are shifted little, so that more is learned, with little noise and with more.
"""

from dataclasses import replace

import numpy as np
import torch
from halves import directed, picked
from own_places import (
    CONVERGING,
    FAR_ABOVE,
    JUST_ABOVE,
    MULTIPLES,
    best_is_near,
    neighbours_lose,
    place,
    sides,
)
from own_rates import bisected, sweep_own
from quantities import fixed, per_seed
from regime_borders import border
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
STEADY = {"max_translation": 12}  # of 48: signals shifted less are easier
ARMS = {
    "wide": (128, {}),
    "narrow": (64, {}),
    "clean": (64, STEADY),
    "noisy": (64, STEADY | {"iid_noise_scale": 0.08}),
}
PAIRS = {"architecture": ("narrow", "wide"), "data": ("clean", "noisy")}
SIZES = modes(
    quick=dict(
        lr=RATES[[2, 8, 14, 16, 19, 24]],
        bracket=[0.004, 0.02],
        floor=0.004,
        finest=0.8,
        drawn=2,
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
        bracket=[0.006, 0.012],
        floor=0.001,
        finest=0.02,
        drawn=10,
        flr=[5e-4, 2e-3],
        seeds=40,
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
    counts=("seeds", "drawn"),
    least=2,
)


def problem(size, wide, knobs):
    held = size["held"]
    width = int(wide * size["part"])
    return tasks.mnist1d_sphere(train=size["train"], valid=held, test=held, width=width, batch=25, **knobs)


def at_places(size, *what):
    """Each seed of an arm at the multiples of its own threshold, {name: [place, …, seed]}."""
    task, alone = problem(size, *what), problem(size | {"held": 10}, *what)  # for a threshold held-out data are idle
    seeds, options = list(range(size["seeds"])), dict(path=size["path"], diverged_at=NEVER)

    def converges(rates):
        record = sweep_own(alone, rates[None], seeds, steps=size["steps"], evaluate=marks(size), **options)
        return run_losses(record)[0].ravel() < size["converged"]

    own = bisected(converges, *size["bracket"], seeds=len(seeds), finest=size["finest"], floor=size["floor"])
    lr = MULTIPLES[:, None] * own
    before = sweep_own(task, lr, seeds, steps=size["steps"], **options)
    after = [
        sweep_own(task, np.full(lr.shape, flr), seeds, steps=size["fine"], start=before.parameters, **options)
        for flr in size["flr"]
    ]
    found = {"top": own, "lr": lr}
    for part in ("valid", "test"):
        scores = [one.final(f"{part}_metric").reshape(lr.shape) for one in (before, *after)]
        found |= {f"pretrained_{part}": scores[0], f"finetuned_{part}": np.stack(scores[1:], axis=1)}
    return found


def marks(size):
    """Steps at which the training loss is taken."""
    return range(0, size["steps"] + 1, size["steps"] // 10)


def arm(task, size):
    """One task at every rate of the grid, {name: [rate, …, seed]}."""
    shape, steps = (len(size["lr"]), size["seeds"]), size["steps"]
    ends = [steps - size["every"] * k for k in range(size["averages"])]
    options = dict(seeds=size["seeds"], path=size["path"], diverged_at=NEVER)
    before = sweep(task, "sgd", lr=size["lr"], steps=steps, snapshots=ends, evaluate=marks(size), **options)
    fine = [
        sweep(task, "sgd", lr=np.full(shape[0], rate), steps=size["fine"], start=before.parameters, **options)
        for rate in size["flr"]
    ]
    lowest, tail = run_losses(before)
    found = {"untrained": before.evaluations["train_loss"][: shape[1], 0], "lowest": lowest, "tail": tail}
    mean = evaluate_weights(task, before.average(ends), sets=["valid", "test"])
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


def curves(size, found):
    """Curves over the first rate."""
    lr = {"lr": size["lr"]}
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
    return {what: per_seed(found[key], unit, axes, f"wide arm: {text}") for what, key, unit, axes, text in rows}


def contrasts(found):
    """What the places of the wide arm bring; every choice is made on the other half of the seeds."""
    tuned = found["finetuned_valid"], found["finetuned_test"]
    near, converging, far = (
        picked(*(scores[among] for scores in tuned)) for among in (JUST_ABOVE, CONVERGING, FAR_ABOVE)
    )
    left = found["pretrained_test"][JUST_ABOVE].mean(axis=0)
    means = [score.mean(axis=1) for score in tuned]
    rows = {
        "gain": (near - converging, "just above the threshold minus the best that converges, both fine-tuned"),
        "loss_far_above": (near - far, "just above the threshold minus three or more times it, both fine-tuned"),
        "unfinished_loss": (near - left, "positive control: just above the threshold, fine-tuned minus left there"),
        "neighbours_lose": (
            neighbours_lose(*means),
            "the better of the two neighbours at a factor of √3, below the band",
        ),
    }
    q = {name: per_seed(values, "accuracy", {}, about) for name, (values, about) in rows.items()}
    q["best_is_near"] = per_seed(
        best_is_near(means[0]),
        "share of seeds",
        {},
        "seeds whose best first rate, fine-tuned, lies just above the threshold",
    )
    return q


def compared(one, two):
    """Another arm minus one: threshold and place of the band in decades, and what the band's neighbours lose, [seed]."""
    shift = np.log10(two["top"] / one["top"])
    middles, losses = [], []
    for found in (one, two):
        valid, test = (found[f"finetuned_{part}"].mean(axis=1) for part in ("valid", "test"))
        middles.append(place(found["lr"], test))
        losses.append(sides(valid, test).mean(axis=0))
    return {
        "threshold_shift": (shift, "decades", "threshold"),
        "band_move": (middles[1] - middles[0], "decades", "middle of the best band"),
        "band_change": (losses[1] - losses[0], "accuracy", "mean loss of the neighbours at a factor of √3 of the best"),
    }


def described(found):
    """What the arms reached, and their accuracy over the multiples."""
    arms = {"arm": list(found)}
    best = [picked(one["finetuned_valid"], one["finetuned_test"]) for one in found.values()]
    tuned = [one["finetuned_test"].mean(axis=1) for one in found.values()]
    return {
        "accuracy_reached": per_seed(best, "accuracy", arms, "test accuracy at the best first rate, fine-tuned"),
        "own_threshold": per_seed([one["top"] for one in found.values()], "rate", arms, "largest rate that converges"),
        "place_accuracy": per_seed(
            tuned, "accuracy", arms | {"multiple": MULTIPLES}, "test accuracy, fine-tuned, over multiples of it"
        ),
    }


def run(mode):
    """Train; `mode` "full": 10 seeds on 25 rates, 40 on 13 multiples, 1,200 steps, "quick": 2 seeds, 6 rates, 60 steps, small networks."""
    size = SIZES[mode]
    drawn = size | {"seeds": size["drawn"]}
    whole = arm(problem(size, *ARMS["wide"]), drawn)
    seen, q = regimes(drawn, whole), curves(drawn, whole)
    texts = {"threshold": "1 and 2", "split": "2A and 2B", "divergence": "2 and 3"}
    q |= {name: border(seen, name, f"wide arm: border of regimes {text}") for name, text in texts.items()}
    counts = seen.counts()
    q["regime_share"] = fixed(
        [list(counts[r] / drawn["seeds"]) for r in ("1", "2A", "2B", "3")],
        "share of seeds",
        {"regime": ["1", "2A", "2B", "3"], "lr": size["lr"]},
        "seeds in each regime, wide arm",
        band=1.0,
    )
    found = {name: at_places(size, *what) for name, what in ARMS.items()}
    q |= described(found) | contrasts(found["wide"])
    for word, (one, two) in PAIRS.items():
        for name, (values, unit, what) in compared(found[one], found[two]).items():
            about = (
                f"{what}: {two} arm minus {one} arm, in the direction that a third of the seeds shows, of the others"
            )
            q[f"{name}_{word}"] = per_seed(directed(values), unit, {}, about)
    return {name: one if one.band else replace(one, band=CHAOS.get(one.unit)) for name, one in q.items()}


def expect(q):
    """Orderings that both sizes show."""
    loss = q["pretrain_loss_last_tenth"].mean
    assert loss[1] < loss[0], "the smallest rate is too slow"
    assert loss[1] < loss[2] < loss[-1], "above the threshold the loss stops at a level that the rate sets"
    assert q["pretrain_accuracy"].mean[-1] < 0.2
    assert q["barrier"].mean[1] <= q["barrier"].mean[-1]
    assert q["unfinished_loss"].mean > 0, "just above the threshold a small rate at the end helps"


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
