"""E36: where the solutions of different pre-training rates lie, and how flat the places are.

The networks that E36 to E39 and E53 share (MNIST-1D with 1,000 examples of each seed's own, 40-64-64-10, ReLU, plain
SGD with batches of 25, 2,500 steps at a constant first rate that is a multiple of the seed's own convergence
threshold, the largest rate at which the training loss ends below 0.01), at every first rate: angle and straight-line
barriers between what two fine-tuning rates and weight averaging make of the same weights; sharpness (the largest
eigenvalue of the Hessian) and adaptive sharpness (the same, each weight in units of its own size); which regime the
rate belongs to; and how flatness and sparsity go with test accuracy, as rank correlations over the rates. Rates far
below the threshold train until they converge. Rates are chosen for each half of the seeds by the validation of the
other half. The best converging rate is an opponent as it is and fine-tuned alike, with as many rates to choose from.
Two controls: barriers between two batch orders of one first rate, from the same initial weights, and sharpness where
the training losses are equal. Networks reach 45 % accuracy with these 1,000 examples; the three differences in quality
are measured with 4,000 examples too, where they reach over 60 %.
"""

import numpy as np
import torch
from flatness import adaptive, plain
from large_rates import FAMILY, ROUND, SIZES, reordered, steps_of, trained
from quantities import fixed, per_seed
from regime_borders import NEAR
from scipy.stats import spearmanr

from lrbook.experiment import Experiment
from lrlib import activity, angles, borders, evaluate_weights, initial_model

ID = "e36_geometry"
QUESTION = "What kind of place does a pre-training rate lead to, and does its flatness go with accuracy?"

WITHIN = np.linspace(0, 1, 7)[1:-1]


def flat(weights):
    """[*axes, …] as lanes [L, …] for two leading axes."""
    return {name: w.reshape(-1, *w.shape[2:]) for name, w in weights.items()}


def at(found, way, fine=None):
    """Weights [rate, seed, …] and scores of a way."""
    weights, scores = found.weights[way], found.scores[way]
    return weights if fine is None else {n: w[fine] for n, w in weights.items()}, scores if fine is None else {
        n: v[fine] for n, v in scores.items()
    }


def heights(task, one, two, seeds):
    """Error barriers on the straight line, in percentage points: {"train", "test"} → [L]; ends are (weights, scores)."""
    parts = ("train", "test")
    ends = {p: (2 - one[1][f"{p}_metric"].ravel() - two[1][f"{p}_metric"].ravel()) / 2 for p in parts}
    top = {p: 1 - np.minimum(one[1][f"{p}_metric"].ravel(), two[1][f"{p}_metric"].ravel()) for p in parts}
    for a in WITHIN:
        between = {n: ((1 - a) * one[0][n] + a * two[0][n]).astype(np.float32) for n in one[0]}
        value = evaluate_weights(task, between, sets=parts, seeds=seeds)
        top = {p: np.maximum(top[p], 1 - value[f"{p}_metric"]) for p in parts}
    return {p: 100 * (top[p] - ends[p]) for p in parts}


def turned(one, two):
    """Angles between lanes in radians, [L]."""
    lanes = range(len(next(iter(one.values()))))
    return np.array(
        [angles({n: w[i] for n, w in one.items()}, {n: w[i] for n, w in two.items()})["all"] for i in lanes]
    )


def sparsity(task, weights):
    """Share of zeros among the hidden activations on the test set, mean of the layers, [L]."""
    tensors = {n: torch.as_tensor(w) for n, w in weights.items()}
    return np.mean([layer.sparsity for layer in activity(task.model(), task.test[0], parameters=tensors)], axis=0)


def pairs(found):
    """Angles and barriers, [rate, seed], between the two fine-tuning rates and between their larger one and an average."""
    way = min((w for w in found.weights if w.startswith("swa")), key=lambda w: int(w[3:]))
    low, high, mean = at(found, "finetuned", 0), at(found, "finetuned", -1), at(found, way)
    shape = high[1]["train_loss"].shape
    seeds, q = np.tile(np.arange(shape[1]), shape[0]), {}
    for name, one in (("fine_rates", low), ("average", mean)):
        ends = [(flat(e[0]), e[1]) for e in (one, high)]
        q[f"angle_{name}"] = turned(ends[0][0], ends[1][0]).reshape(shape)
        for part, value in heights(found.task, *ends, seeds).items():
            q[f"{part}_barrier_{name}"] = value.reshape(shape)
    return q


def places(found, count):
    """Sharpness, adaptive sharpness and sparsity of the fine-tuned networks, [rate, seed]."""
    task, shape = found.task, found.scores["pretrained"]["train_loss"].shape
    seeds, q = np.tile(np.arange(shape[1]), shape[0]), {}
    low, high = (flat(at(found, "finetuned", fine)[0]) for fine in (0, -1))
    q["sharpness_low"] = np.log10(np.maximum(plain(task, low, seeds, count), 1e-6)).reshape(shape)
    q["sharpness"] = np.log10(np.maximum(plain(task, high, seeds, count), 1e-6)).reshape(shape)
    q["adaptive_sharpness"] = np.log10(np.maximum(adaptive(task, high, seeds, count), 1e-6)).reshape(shape)
    q["sparsity"] = sparsity(task, high).reshape(shape)
    return q


def regimes(found, barrier):
    """The regime of every multiple of its threshold and seed by `lrlib.borders`."""
    seeds = range(found.scores["pretrained"]["train_loss"].shape[1])
    untrained = []
    for s in seeds:
        x, y = found.task.train_for(s)
        with torch.no_grad():
            untrained.append(float(found.task.loss(initial_model(found.task, s)(x), y)))
    return borders(
        found.multiple,
        found.scores["pretrained"]["train_loss"],
        np.array(untrained),
        converged=found.converged,
        finetuned=np.moveaxis(found.scores["finetuned"]["test_metric"], 0, 1),
        barrier=barrier,
        margin=0.015,
    )


def run(mode):
    """Train and measure; `mode` "full": 40 seeds, curvature on 300 examples, "quick": 4 seeds, 40 examples."""
    found = trained(mode)
    count = 40 if mode == "quick" else 300
    between, place = pairs(found), places(found, count)
    q = curves(found, between, place) | quality(found) | contrasts(found, between, place)
    q |= flatter(found, count) | orders(found, mode) | equal_loss(found, count) | hints(found, place)
    with_more = {f"{name}_4000": one for name, one in quality(trained(mode, more=True), " (4,000 examples)").items()}
    steps = fixed(
        steps_of(SIZES[mode]).astype(float),
        "steps",
        {"multiple": found.multiple},
        "steps of the pre-training: more at rates far below the threshold, until they converge",
    )
    return q | with_more | {"pretrain_steps": steps}


def curves(found, between, place):
    rate, about = (
        {"multiple": found.multiple},
        {
            "angle_fine_rates": "angle between the results of the smallest and the largest fine-tuning rate, from the same weights",
            "angle_average": "angle between the mean of the weights of the last epochs and the result of the largest fine-tuning rate",
            "train_barrier_fine_rates": "training error barrier between the results of the smallest and the largest fine-tuning rate",
            "test_barrier_fine_rates": "the same for the test error",
            "train_barrier_average": "training error barrier between the mean of the weights of the last epochs and the largest fine-tuning rate",
            "test_barrier_average": "the same for the test error",
            "sharpness_low": "log10 of the largest Hessian eigenvalue after the smallest fine-tuning rate",
            "sharpness": "log10 of the largest Hessian eigenvalue after the largest fine-tuning rate",
            "adaptive_sharpness": "log10 of the adaptive sharpness after the largest fine-tuning rate",
            "sparsity": "share of hidden activations that are 0 on the test set, after the largest fine-tuning rate",
        },
    )
    unit = lambda name: (
        "radians"
        if "angle" in name
        else "percentage points"
        if "barrier" in name
        else "log10"
        if "sharp" in name
        else "share"
    )
    bands = {"angle": 0.5, "train": 30.0, "test_": 30.0, "sharp": 1.5, "adapt": 1.5, "spars": 0.2}
    q = {n: per_seed(v, unit(n), rate, about[n], band=bands[n[:5]]) for n, v in (between | place).items()}
    kinds = regimes(found, between["train_barrier_fine_rates"])
    for name in ("1", "2A", "2B", "3"):
        q[f"regime_{name.lower()}"] = per_seed(
            (kinds.regime == name).astype(float),
            "share of seeds",
            rate,
            f"seeds in which the rate belongs to regime {name}",
            band=0.7,
        )
    for way in ("pretrained", "constant"):
        q[f"{way}_accuracy"] = per_seed(found.accuracy(way), "accuracy", rate, f"test accuracy: {way}", band=0.15)
    q["pretrain_loss"] = per_seed(
        found.scores["pretrained"]["train_loss"], "nats", rate, "training loss after the pre-training", band=1.0
    )
    q["finetuned_accuracy"] = per_seed(
        found.accuracy("finetuned"),
        "accuracy",
        {"finetune_lr": found.flr} | rate,
        "test accuracy after fine-tuning",
        band=0.15,
    )
    q["threshold"] = per_seed(
        found.threshold, "rate", {}, "largest rate whose training loss ends under the limit, each seed's own", band=1.0
    )
    q["control_sharpness"] = per_seed(
        place["sharpness_low"][0] - place["sharpness_low"][found.multiple == 1][0],
        "decades",
        {},
        "log10 of the sharpness after the smallest fine-tuning rate: smallest first rate minus the threshold itself; "
        "above 0 wherever the measurement works",
        band=2.0,
    )
    return q


def quality(found, also=""):
    """Test accuracy from above the threshold against rates far below it, the best converging one, and that one finished alike."""
    test = found.accuracy("finetuned")
    fine, rate = found.best_fine(found.above)
    tuned = test[fine, rate, found.seeds]
    small = test[fine[:, None], found.far, found.seeds[:, None]].mean(axis=1)
    constant = found.accuracy("constant")[found.best("constant", found.near), found.seeds]
    finished = test[(*found.best_fine(found.near), found.seeds)]
    accuracy = lambda value, about, band=0.15: per_seed(value, "accuracy", {}, about + also, band=band)
    above = "fine-tuned from the best rate above the threshold"
    return {
        "quality_by_first_rate": accuracy(
            tuned - small,
            f"test accuracy after the same fine-tuning: {above} minus rates up to a sixth of it, trained until they converged",
        ),
        "quality_over_converging": accuracy(
            tuned - constant, f"test accuracy: {above} minus best converging constant rate, equal steps"
        ),
        "quality_over_finished": accuracy(
            tuned - finished, f"test accuracy: {above} minus fine-tuned from the best converging rate, equal steps"
        ),
        "accuracy_from_above": accuracy(tuned, f"test accuracy, {above}"),
        "accuracy_converging": accuracy(constant, "test accuracy of the best converging constant rate"),
        "accuracy_finished": accuracy(finished, "test accuracy, fine-tuned from the best converging rate"),
    }


def contrasts(found, between, place):
    """Barriers between two first rates, and sharpness after the same fine-tuning."""
    fine, rate = found.best_fine(found.above)
    below = found.best("finetuned", found.near, fine)
    ends = [found.picked("finetuned", fine, r) for r in (below, rate)]
    across = heights(found.task, *ends, found.seeds)["test"]
    same = between["test_barrier_fine_rates"][rate, found.seeds]
    return {
        "barrier_by_first_rate": per_seed(
            across - same,
            "percentage points",
            {},
            "test error barrier between two first rates (best converging and best above the threshold, same "
            "fine-tuning) minus that between two fine-tuning rates (same first rate)",
            band=30.0,
        ),
        "flatter_finetuned": per_seed(
            place["sharpness_low"][found.far].mean(axis=0) - place["sharpness_low"][found.above].mean(axis=0),
            "decades",
            {},
            "log10 of the sharpness after the smallest fine-tuning rate: first rates up to a sixth of the "
            "threshold, trained until they converged, minus rates above it",
            band=2.0,
        ),
    }


def flatter(found, count):
    """Sharpness of the best converging rate, as it is and fine-tuned, against that from above the threshold."""
    ends = {
        "flatter_plain": ("best converging constant rate", "constant", (found.best("constant", found.near),)),
        "flatter_plain_finished": ("best converging rate, fine-tuned", "finetuned", found.best_fine(found.near)),
    }
    sharp = lambda way, places: np.log10(plain(found.task, found.picked(way, *places)[0], found.seeds, count))
    tuned = sharp("finetuned", found.best_fine(found.above))
    return {
        name: per_seed(
            sharp(way, places) - tuned,
            "decades",
            {},
            f"log10 of the sharpness: {text}, minus fine-tuned from the best rate above the threshold",
            band=2.0,
        )
        for name, (text, way, places) in ends.items()
    }


def orders(found, mode):
    """Barriers between two first rates and between two batch orders of one, both pairs with two orders; same fine-tuning."""
    fine, rate = found.best_fine(found.above)
    places = [found.best("finetuned", found.near, fine), rate]
    other = reordered(mode, found.multiple[np.array(places)] * found.threshold, found.flr[fine])
    one = [found.picked("finetuned", fine, place) for place in places]
    two = [tuple({n: v[k] for n, v in d.items()} for d in other) for k in range(2)]
    within, across = (
        [heights(found.task, one[a], two[b], found.seeds)["test"] for a, b in couples]
        for couples in (((0, 0), (1, 1)), ((0, 1), (1, 0)))
    )
    return {
        "barrier_two_orders": per_seed(
            np.array(within),
            "percentage points",
            {"first_rate": ["best converging", "best above"]},
            "test error barrier between two batch orders of the same first rate, from the same initial weights, same fine-tuning",
            band=30.0,
        ),
        "barrier_two_rates": per_seed(
            np.mean(across, axis=0),
            "percentage points",
            {},
            "the same between the two first rates, each in the other batch order",
            band=30.0,
        ),
        "barrier_beyond_order": per_seed(
            np.mean(across, axis=0) - np.mean(within, axis=0),
            "percentage points",
            {},
            "test error barrier between two first rates (best converging and best above the threshold, same "
            "fine-tuning) in two batch orders minus that between two batch orders of one first rate",
            band=30.0,
        ),
    }


def equal_loss(found, count):
    """Sharpness where the training loss first falls to the limit, on a line between the marks around it; at the last where never."""
    chosen = [found.best("constant", found.near), found.best_fine(found.above)[1]]
    rows = np.array([*(np.full(len(found.seeds), place) for place in found.far), *chosen])
    loss, sharp = [], []
    for way in ("before", "after"):
        weights = {n: w[rows, found.seeds].reshape(-1, *w.shape[2:]) for n, w in found.weights[way].items()}
        seeds = np.tile(found.seeds, len(rows))
        loss.append(np.log10(found.scores[way]["train_loss"][rows, found.seeds]))
        sharp.append(np.log10(np.maximum(plain(found.task, weights, seeds, count), 1e-6)).reshape(rows.shape))
    share = np.clip((loss[0] - np.log10(found.converged)) / np.maximum(loss[0] - loss[1], 1e-9), 0, 1)
    value = sharp[0] + np.nan_to_num(share, nan=1.0) * (sharp[1] - sharp[0])
    far, top, high = value[:-2].mean(axis=0), value[-2], value[-1]
    about = (
        "log10 of the sharpness where the training loss first falls to the limit: {} minus the best "
        "rate above the threshold, there in a fine-tuning at the largest of the small rates where need be"
    )
    names = {"first_rate": [*(f"{m:.3g}" for m in found.multiple[found.far]), "best converging", "best above"]}
    return {
        "sharpness_at_equal_loss": per_seed(
            value,
            "log10",
            names,
            "log10 of the largest Hessian eigenvalue where the training loss first falls to the limit",
            band=2.0,
        ),
        "equal_loss_reached": per_seed(
            np.isfinite(loss[1]).astype(float),
            "share of seeds",
            names,
            "seeds whose training loss falls to the limit; the others are taken at the end of the fine-tuning",
            band=0.8,
        ),
        "flatter_at_equal_loss": per_seed(
            far - high, "decades", {}, about.format("first rates up to a sixth of the threshold"), band=2.0
        ),
        "flatter_than_best_at_equal_loss": per_seed(
            top - high, "decades", {}, about.format("best converging rate"), band=2.0
        ),
    }


def hints(found, place):
    """How flatness and sparsity go with test accuracy over the first rates, and what a choice by them costs, seed by seed.

    Each seed's own solutions are compared, those of the first rates up to `NEAR` times its threshold. One is chosen by
    validation, one by flatness or sparsity, which take no held-out data or no labels; the test set judges both.
    """
    among, seeds, q = np.flatnonzero(found.multiple <= NEAR), found.seeds, {}
    test, valid = (found.accuracy("finetuned", part)[-1][among] for part in ("test", "valid"))
    signs = {
        "flatness": -place["sharpness"],
        "adaptive_flatness": -place["adaptive_sharpness"],
        "sparsity": place["sparsity"],
    }
    for name, value in signs.items():
        value, words = np.nan_to_num(value[among], nan=-np.inf), name.replace("_", " ")
        q[f"{name}_correlation"] = per_seed(
            [spearmanr(value[:, s], test[:, s]).statistic for s in seeds],
            "rank correlation",
            {},
            f"Spearman correlation of {words} and test accuracy over the first rates, largest fine-tuning rate",
            band=1.5,
        )
        q[f"regret_of_{name}"] = per_seed(
            test[valid.argmax(axis=0), seeds] - test[value.argmax(axis=0), seeds],
            "accuracy",
            {},
            f"test accuracy of the solution that a seed's validation chooses minus that of the one with the highest {words}",
            band=0.2,
        )
    return q


def expect(q):
    """A rate at the threshold leaves a flatter place than one far below it: what must come out where the measurement works."""
    assert q["control_sharpness"].mean > 0
    assert q["angle_fine_rates"].mean[0] > q["angle_fine_rates"].mean[2]
    assert q["quality_by_first_rate"].mean > 0
    assert np.isfinite(q["sharpness"].mean).all() and (np.abs(q["flatness_correlation"].mean) <= 1).all()


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, family=FAMILY, round=ROUND)

if __name__ == "__main__":
    EXPERIMENT.main()
