"""E53: another sharpness for the same function.

In a ReLU network the first layer times α and the next one divided by α compute the same function (Dinh et al. 2017).
The factors here are powers of two, so that even the rounding is the same. Two solutions of the networks that E36 to
E39 share are compared: the best constant rate that converges, and a pre-training above the convergence threshold that
was fine-tuned; by the sharpness, by the adaptive sharpness, which no rescaling changes, and each in its flattest
equivalent form.
"""

import numpy as np
import torch
from flatness import adaptive, flattest, moved, plain
from large_rates import FAMILY, ROUND, trained
from quantities import per_seed
from torch.func import functional_call, vmap

from lrbook.experiment import Experiment

ID = "e53_rescaling"
QUESTION = "How much can sharpness change while the function does not, and what is left of flatness then?"

EXPONENTS = [-7, -5, -3, -1, 0, 1, 3, 5, 7]
ALPHA = [2.0**e for e in EXPONENTS]
FIRST = ("0", "2")


def two_solutions(found):
    """Weights {name: [seed, …]} of the best converging rate and of the best one from above the threshold."""
    one, _ = found.picked("constant", found.best("constant", found.near))
    two, _ = found.picked("finetuned", *found.best_fine(found.above))
    return one, two


def logits(task, weights):
    """Outputs on the test set, [L, n, classes]."""
    model, tensors = task.model(), {name: torch.as_tensor(w) for name, w in weights.items()}
    with torch.no_grad():
        return vmap(lambda p: functional_call(model, p, (task.test[0],)))(tensors).numpy()


def rescalings(task, weights, seeds, count):
    """Sharpness, adaptive sharpness, share of changed predictions and largest change of an output, [4, α, seed]."""
    shape = (len(EXPONENTS), len(seeds))
    place = {name: np.concatenate([w] * shape[0]) for name, w in weights.items()}
    place, owner = moved(place, FIRST, np.repeat(EXPONENTS, len(seeds))), np.tile(seeds, shape[0])
    sharp = [measure(task, place, owner, count).reshape(shape) for measure in (plain, adaptive)]
    output, other = logits(task, weights), logits(task, place)
    other = other.reshape(*shape, *other.shape[1:])
    changed = (other.argmax(-1) != output.argmax(-1)).mean(-1)
    return np.array([*sharp, changed, np.abs(other - output).max((-2, -1))])


def run(mode):
    """Train and rescale; `mode` "full": 40 seeds, 500 examples for the curvature, "quick": 4 seeds, 60 examples."""
    count, rounds = (60, 1) if mode == "quick" else (500, 5)
    found = trained(mode)
    task, seeds, (settled, tuned) = found.task, found.seeds, two_solutions(found)
    rows = rescalings(task, tuned, seeds, count)
    pairs = {
        name: [np.log10(measure(task, w, seeds, *rest)) for w in (settled, tuned)]
        for name, measure, rest in (
            ("plain", plain, (count,)),
            ("adaptive", adaptive, (count,)),
            ("flattest", flattest, (count, rounds)),
        )
    }
    return describe(rows, pairs)


def describe(rows, pairs):
    home, axis = EXPONENTS.index(0), {"alpha": ALPHA}
    plain_change, adaptive_change = np.log10(rows[:2] / rows[:2, home : home + 1])
    ways = {"way": ["converged", "finetuned"]}
    q = {
        "sharpness_change": per_seed(
            plain_change, "decades", axis, "log10 of the sharpness after the rescaling over that before"
        ),
        "adaptive_change": per_seed(adaptive_change, "decades", axis, "the same for the adaptive sharpness", band=0.02),
        "changed_predictions": per_seed(
            rows[2], "share of predictions", axis, "test predictions that are others after the rescaling"
        ),
        "output_change": per_seed(rows[3], "logits", axis, "largest change of any output on the test set"),
        "sharpness_range": per_seed(
            plain_change.max(axis=0),
            "decades",
            {},
            "log10 of the highest sharpness of one function over that of its weights as trained",
        ),
        "adaptive_range": per_seed(
            np.abs(adaptive_change).max(axis=0),
            "decades",
            {},
            "largest change of the log10 of the adaptive sharpness under the same rescalings",
            band=0.02,
        ),
        "prediction_range": per_seed(
            rows[2].max(axis=0),
            "share of predictions",
            {},
            "largest share of changed test predictions under the same rescalings",
        ),
    }
    for name, (one, two) in pairs.items():
        what = {
            "plain": "the sharpness",
            "adaptive": "the adaptive sharpness",
            "flattest": "the sharpness, each solution in its flattest equivalent form",
        }[name]
        q[f"log_{name}"] = per_seed(
            np.array([one, two]),
            "log10",
            ways,
            f"log10 of {what}: best converging rate, and fine-tuned from above the threshold",
            band=1.0,
        )
        q[f"flatter_{name}"] = per_seed(
            one - two,
            "decades",
            {},
            f"log10 of {what}: best converging rate minus fine-tuned from above the threshold",
            band=1.0,
        )
    return q


def expect(q):
    """Four decades of sharpness, no other prediction."""
    assert q["sharpness_range"].mean > 3
    assert q["prediction_range"].mean == 0
    assert q["adaptive_range"].mean < 0.02


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, family=FAMILY, round=ROUND)

if __name__ == "__main__":
    EXPERIMENT.main()
