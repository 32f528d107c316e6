"""E39: do networks that began at a large rate stand disturbances better?

The networks that E36 to E39 and E53 share (MNIST-1D with 1,000 examples of each seed's own, 40-64-64-10, ReLU, plain
SGD with batches of 25, 2,500 steps at a constant first rate that is a multiple of the seed's own convergence
threshold, the largest rate at which the training loss ends below 0.01), after fine-tuning from every pre-training
rate, tested under noise on the inputs, shifted inputs, data drawn with other settings of the generator, and noise on
the weights (in units of each tensor's own root mean square). Rates are chosen for each half of the seeds by the
validation of the other half. The opponent is the best constant rate that converges, trained for as many steps; a
second one are rates far below the threshold, trained until they converged and then fine-tuned alike. What a
disturbance takes away is judged apart from what is left.
"""

from dataclasses import replace

import numpy as np
import torch
from large_rates import FAMILY, ROUND, trained
from quantities import per_seed

from lrbook.experiment import Experiment
from lrlib import evaluate_weights, streams, tasks

ID = "e39_robustness"
QUESTION = "Does a start at a large rate make a network stand noise and changed data?"

NOISE, SHIFT, WEIGHT = [0.1, 0.2, 0.4, 0.8], [1, 2, 4], [0.02, 0.05, 0.1, 0.2]
CHANGED = {
    "corr_noise": dict(corr_noise_scale=0.5),
    "iid_noise": dict(iid_noise_scale=0.1),
    "shear": dict(shear_scale=1.5),
}
KINDS = ("input_noise", "shift", "changed_data", "weight_noise")


def noisy(x, size):
    """Inputs with Gaussian noise, the same numbers for every size (inputs have standard deviation 1)."""
    return x + size * torch.randn(x.shape, generator=streams.generator(0, "test noise"))


def shifted(x, places):
    """Signals moved by some samples, half of them to either side; the free places repeat the border."""
    right = torch.cat([x[:, :1].expand(-1, places), x[:, :-places]], dim=1)
    left = torch.cat([x[:, places:], x[:, -1:].expand(-1, places)], dim=1)
    return torch.where((torch.arange(len(x)) % 2 == 0)[:, None], right, left)


@streams.remembered(maxsize=8)
def redrawn(kind, count):
    """A test set drawn with other settings of the generator."""
    return tasks.mnist1d(train=10, valid=10, test=count, **CHANGED[kind]).test


def jolted(weights, size, draw):
    """Weights with noise of `size` times each tensor's root mean square; every lane gets the same numbers."""
    result = {}
    for name, w in weights.items():
        z = torch.randn(w.shape[1:], generator=streams.generator(draw, f"weight noise {name}")).numpy()
        scale = np.sqrt((w.astype(float) ** 2).mean(axis=tuple(range(1, w.ndim)), keepdims=True))
        result[name] = (w + size * scale * z).astype(np.float32)
    return result


def scores(found, way, draws):
    """Accuracy of all networks of a way: clean [*axes], and {kind: [level, *axes]}."""
    task, (weights, seeds), shape = found.task, found.lanes(way), found.scores[way]["train_loss"].shape
    (x, y), lost = task.test, np.isnan(found.scores[way]["train_loss"])

    def accuracy(sets, w=weights):
        value = evaluate_weights(task, w, sets={"test": sets}, seeds=seeds)["test_metric"].reshape(shape)
        return np.where(lost | np.isnan(value), 0.1, value)

    return accuracy((x, y)), {
        "input_noise": np.array([accuracy((noisy(x, size), y)) for size in NOISE]),
        "shift": np.array([accuracy((shifted(x, places), y)) for places in SHIFT]),
        "changed_data": np.array([accuracy(redrawn(kind, len(x))) for kind in CHANGED]),
        "weight_noise": np.array(
            [np.mean([accuracy((x, y), jolted(weights, size, d)) for d in range(draws)], axis=0) for size in WEIGHT]
        ),
    }


def run(mode):
    """Train and test; `mode` "full": 40 seeds, 3 draws of the noise on the weights, "quick": 4 seeds, 1 draw."""
    found, draws = trained(mode), 1 if mode == "quick" else 3
    fine, rate = found.best_fine(found.above)
    clean, under = scores(found.slim(fine), "finetuned", draws)
    other, opposed = scores(alone(found, "constant", found.best("constant", found.near)), "constant", draws)
    ahead = clean[rate, found.seeds] - other[0]
    q = curves(found, clean, under)
    q["gain_clean"] = per_seed(
        ahead,
        "accuracy",
        {},
        "test accuracy, undisturbed: fine-tuned from the best rate above the threshold minus best converging rate",
        band=0.15,
    )
    for kind in KINDS:
        gain = (under[kind][:, rate, found.seeds] - opposed[kind][:, 0]).mean(axis=0)
        q |= against_converging(kind, gain, ahead)
        q[f"spared_against_small_{kind}"] = per_seed(
            spared(under[kind], clean, rate, found.seeds)
            - (under[kind][:, found.far] - clean[found.far]).mean(axis=(0, 1)),
            "accuracy",
            {},
            "how much less the disturbance takes away than after first rates up to a sixth of the threshold, trained until they converged, same fine-tuning",
            band=0.2,
        )
    return q


def spared(under, clean, rate, seeds):
    """Accuracy under a disturbance minus undisturbed, mean of the levels, at each seed's own place, [seed]."""
    return (under[:, rate, seeds] - clean[rate, seeds]).mean(axis=0)


def against_converging(kind, gain, ahead):
    return {
        f"gain_{kind}": per_seed(
            gain,
            "accuracy",
            {},
            f"accuracy under {kind.replace('_', ' ')}, mean of the levels: fine-tuned from the best rate above the threshold minus best converging rate",
            band=0.15,
        ),
        f"loss_spared_{kind}": per_seed(
            gain - ahead,
            "accuracy",
            {},
            "the same, less the difference on clean data and weights: how much less the disturbance takes away",
            band=0.15,
        ),
    }


def alone(found, way, *places):
    """The same with one network of each seed alone, [1, seed]."""
    weights, scores_ = ({way: {n: v[None] for n, v in d.items()}} for d in found.picked(way, *places))
    return replace(found, weights=weights, scores=scores_)


def curves(found, clean, under):
    rate, levels = (
        {"multiple": found.multiple},
        dict(
            zip(
                KINDS, ({"noise": NOISE}, {"places": SHIFT}, {"setting": list(CHANGED)}, {"noise": WEIGHT}), strict=True
            )
        ),
    )
    q = {"clean": per_seed(clean, "accuracy", rate, "test accuracy after fine-tuning", band=0.15)}
    return q | {
        kind: per_seed(
            under[kind],
            "accuracy",
            levels[kind] | rate,
            f"test accuracy after fine-tuning under {kind.replace('_', ' ')}",
            band=0.15,
        )
        for kind in KINDS
    }


def expect(q):
    """A disturbance costs, and more of it costs more."""
    for kind in ("input_noise", "weight_noise"):
        values = q[kind].mean.mean(axis=-1)
        assert values[0] > values[-1], kind
    assert q["clean"].mean.max() > 0.2
    assert q["input_noise"].mean[-1].max() < q["clean"].mean.max(), "the strongest noise costs: the positive control"


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, family=FAMILY, round=ROUND)

if __name__ == "__main__":
    EXPERIMENT.main()
