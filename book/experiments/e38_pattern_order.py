"""E38: which patterns a network learns, and when, by the rate.

MNIST-1D with 1,000 examples, each with eight more inputs. They are zero, but in a share of the training examples they
hold a patch: a common vector plus or minus the vector of the class, without noise, so that it can be learned by heart
without a look at the signal. A large rate, the largest that validates within a point of the best and is lowered at the
end, is compared with an eighth of it, constant and with eight times the steps, at equal training loss, at equal
accuracy on signals and at the end: accuracy on signals without a patch, and on patches without a signal. The design is
that of Li, Wei and Ma (2019). A second part asks which Fourier band of the signal the networks use that E36, E37, E39
and E53 share (without a patch, plain SGD with batches of 25, 2,500 steps at a constant first rate).
"""

import numpy as np
import torch
from halves import directed
from large_rates import FAMILY, ROUND, trained
from quantities import fixed, per_seed
from sizes import modes
from sweeps import sweep
from torch import nn

from lrbook.experiment import Experiment
from lrlib import evaluate_weights, hold, linear, tasks
from lrlib._base.streams import numbered

ID = "e38_pattern_order"
QUESTION = "Does the rate change which patterns a network learns, and in which order?"

CHANCE, SMALLER, PATCH, NORM = 0.1, 8, 8, 3.0
BANDS = {"0": (0, 0), "1-3": (1, 3), "4-9": (4, 9), "10-20": (10, 20)}
SETS = ("train_loss", "clean_metric", "patch_metric")
SIZES = modes(
    quick=dict(
        seeds=2,
        train=100,
        held=500,
        width=16,
        batch=10,
        steps=25,
        shares=[0.2, 0.8],
        exponents=[-0.75, -0.25],
        path="eager",
    ),
    full=dict(
        seeds=18,
        train=1000,
        held=10_000,
        width=64,
        batch=50,
        steps=1000,
        shares=[0.2, 0.8],
        exponents=[-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5],
        path="eager",
    ),
    least=2,
)


def run(mode):
    """Train; `mode` "full": 18 seeds, 7 rates, 1,250 steps, "quick": 2 seeds, 2 rates, 50 steps of a small network."""
    size = SIZES[mode]
    found = [with_patches(size, share) for share in size["shares"]]
    return patches(size, found) | bands(trained(mode))


def signatures():
    """The patches: a common vector [8] and one of each class [10, 8]."""
    draw = numbered(38)
    common, own = torch.randn(PATCH, generator=draw), torch.randn(10, PATCH, generator=draw)
    return common, NORM * own / own.norm(dim=1, keepdim=True)


def patched(y, seed):
    """A patch for each label, the sign of its class vector drawn anew: [n, 8]."""
    common, own = signatures()
    sign = torch.randint(2, (len(y), 1), generator=numbered(seed)) * 2.0 - 1.0
    return common + sign * own[y]


def problem(size, share):
    """The task with patches in a share of each training set, none in the validation and test sets; and the patch set."""
    base = tasks.mnist1d(train=size["train"], valid=min(2000, size["held"]), test=size["held"])

    def widened(x, patch=None):
        return torch.cat([x, torch.zeros(len(x), PATCH) if patch is None else patch], dim=1)

    def draw(seed):
        x, y = base.train_for(seed)
        chosen = torch.rand(len(y), generator=numbered(1000 + seed)) < share
        return widened(x, patched(y, 2000 + seed) * chosen[:, None]), y

    held = [(widened(x), y) for x, y in (base.valid, base.test)]
    task = tasks.Task(
        "mnist1d with patches",
        lambda: tasks.mlp([40 + PATCH, size["width"], size["width"], 10]),
        draw,
        *held,
        nn.functional.cross_entropy,
        tasks.accuracy,
        batch=size["batch"],
        steps=size["steps"],
    )
    y = base.test[1][:2000]
    return task, (widened(torch.zeros(len(y), 40), patched(y, 0)), y)


def with_patches(size, share):
    """{"rates": final scores [rate, seed], "best": place, "large" and "small": scores along the run [mark, seed]}."""
    task, patch = problem(size, share)
    steps, seeds, rates = size["steps"], size["seeds"], 10 ** np.array(size["exponents"], dtype=float)
    total = steps + steps // 4
    marks = sorted({*(steps * k // 5 for k in range(1, 6)), steps + steps // 8, total})
    before = sweep(
        task,
        "sgd",
        lr=rates,
        seeds=seeds,
        plan=hold(steps) >> linear(steps // 4),
        steps=total,
        snapshots=marks,
        path=size["path"],
    )
    valid = np.nan_to_num(before.final("valid_metric"), nan=CHANCE).reshape(len(rates), seeds)
    best = largest(valid.mean(axis=1))
    long = [round(SMALLER * steps * (k / 12) ** 2) for k in range(1, 13)]
    after = sweep(
        task, "sgd", lr=rates[[best]] / SMALLER, seeds=seeds, steps=long[-1], snapshots=long, path=size["path"]
    )
    along = {
        name: np.stack([v.reshape(len(rates), seeds) for v in column])
        for name, column in scores(task, before, marks, patch).items()
    }
    return {
        "rates": {name: v[-1] for name, v in along.items()},
        "valid": valid,
        "best": best,
        "large": {name: v[:, best] for name, v in along.items()},
        "small": {name: np.stack(v) for name, v in scores(task, after, long, patch).items()},
        "marks": marks,
        "long": long,
    }


def largest(valid, near=0.01):
    """Place of the largest rate that validates within an accuracy point of the best; valid [rate].

    >>> largest(np.array([0.306, 0.305, 0.301, 0.1]))
    2
    """
    return int(np.flatnonzero(valid > valid.max() - near)[-1])


def scores(task, record, marks, patch):
    """Training loss, accuracy on clean signals and on patches alone, at the kept steps: {name: [array [L], …]}."""
    found = {name: [] for name in SETS}
    for k in marks:
        one = evaluate_weights(
            task,
            record.snapshots[k]["parameters"],
            seeds=record.seed,
            sets={"train": "train", "clean": "test", "patch": patch},
        )
        for name in SETS:
            bad = np.isnan(one["train_loss"]) | (np.asarray(record.status) == "diverged")
            found[name].append(np.where(bad, np.inf if name == "train_loss" else CHANCE, one[name]))
    return found


def at_level(course, goal, values):
    """Values [mark, seed] where a falling course first comes down to `goal` [seed], between two marks; the last where it never does.

    >>> at_level(np.array([[4.0], [2.0], [0.0]]), [1.0], np.array([[0.0], [10.0], [20.0]]))
    array([15.])
    """
    found = values[-1].copy()
    for s, level in enumerate(goal):
        under = np.flatnonzero(course[:, s] <= level)
        if len(under):
            i = max(under[0], 1)
            weight = np.clip((course[i - 1, s] - level) / max(course[i - 1, s] - course[i, s], 1e-9), 0, 1)
            found[s] = values[i - 1, s] + weight * (values[i, s] - values[i - 1, s])
    return found


def at_loss(run_, goal, name):
    """A score where the training loss first falls to `goal` [seed]."""
    return at_level(np.log(run_["train_loss"]), np.log(goal), run_[name])


def at_equal_accuracy(found):
    """Patch accuracy, small rate minus large, where each first reads signals as well as the worse of the two ever does, [share, seed]."""
    rows = []
    for f in found:
        goal = np.minimum(f["large"]["clean_metric"].max(axis=0), f["small"]["clean_metric"].max(axis=0))
        large, small = (at_level(-f[arm]["clean_metric"], -goal, f[arm]["patch_metric"]) for arm in ("large", "small"))
        rows.append(small - large)
    return np.stack(rows)


def patches(size, found):
    shares, rates = {"share": size["shares"]}, {"rate": 10 ** np.array(size["exponents"], dtype=float)}
    marks, long = found[0]["marks"], found[0]["long"]
    mark = marks.index(size["steps"])

    def by_rate(name, about):
        return per_seed(
            np.stack([f["rates"][name] for f in found]),
            "accuracy",
            shares | rates,
            f"{about}, at the end, against the large rate",
            band=0.5,
        )

    def along(arm, name, steps, about):
        return per_seed(np.stack([f[arm][name] for f in found]), "accuracy", shares | {"step": steps}, about, band=0.5)

    def contrast(name, at, sign, about):
        rows = []
        for f in found:
            goal = np.maximum(f["large"]["train_loss"][at], f["small"]["train_loss"][-1]) * 1.0001
            rows.append(
                sign
                * (
                    at_loss(f["large"] if at == -1 else {n: v[: at + 1] for n, v in f["large"].items()}, goal, name)
                    - at_loss(f["small"], goal, name)
                )
            )
        return per_seed(np.stack(rows), "accuracy", shares, about, band=0.5)

    equal, last = (
        at_equal_accuracy(found),
        np.stack([f["small"]["patch_metric"][-1] - f["large"]["patch_metric"][-1] for f in found]),
    )
    at_end = contrast(
        "patch_metric",
        -1,
        -1,
        "accuracy on patches alone: small rate minus large rate lowered at the end, at equal training loss",
    )
    valid = {
        f"large_rate_accuracy_{round(100 * share)}": per_seed(
            f["valid"],
            "accuracy",
            rates,
            f"patches in a share of {share:g}: validation accuracy, signals without a patch; the large rate is the largest within a point of the best",
            band=0.5,
        )
        for share, f in zip(size["shares"], found)
    }
    return valid | {
        "clean_by_rate": by_rate("clean_metric", "test accuracy on signals without a patch"),
        "patch_by_rate": by_rate("patch_metric", "accuracy on patches without a signal"),
        "best_rate": fixed(
            [rates["rate"][f["best"]] for f in found],
            "rate",
            shares,
            "the large rate: the largest whose validation accuracy, signals without a patch, is within a point of the best",
            band=10.0,
        ),
        "clean_large": along(
            "large", "clean_metric", marks, "large rate, lowered at the end: test accuracy on signals without a patch"
        ),
        "patch_large": along(
            "large", "patch_metric", marks, "large rate, lowered at the end: accuracy on patches without a signal"
        ),
        "clean_small": along(
            "small", "clean_metric", long, "an eighth of the rate: test accuracy on signals without a patch"
        ),
        "patch_small": along(
            "small", "patch_metric", long, "an eighth of the rate: accuracy on patches without a signal"
        ),
        "patch_before_lowering": contrast(
            "patch_metric",
            mark,
            -1,
            "accuracy on patches alone: small rate minus large rate before it is lowered, at equal training loss",
        ),
        "patch_at_end": at_end,
        "patch_change": per_seed(
            directed(at_end.values),
            "accuracy",
            shares,
            "the same in the direction that a third of the seeds shows, of the other seeds",
            band=0.5,
        ),
        "patch_at_equal_accuracy": per_seed(
            equal,
            "accuracy",
            shares,
            "accuracy on patches alone: small rate minus large rate, each where it first reads signals as well as the worse of the two ever does",
            band=0.5,
        ),
        "patch_change_at_equal_accuracy": per_seed(
            directed(equal),
            "accuracy",
            shares,
            "the same in the direction that a third of the seeds shows, of the other seeds",
            band=0.5,
        ),
        "patch_finished": per_seed(
            last,
            "accuracy",
            shares,
            "accuracy on patches alone at the end of each run: small rate minus large rate lowered at the end",
            band=0.5,
        ),
        "patch_change_finished": per_seed(
            directed(last),
            "accuracy",
            shares,
            "the same in the direction that a third of the seeds shows, of the other seeds",
            band=0.5,
        ),
        "clean_finished": per_seed(
            np.stack([f["large"]["clean_metric"][-1] - f["small"]["clean_metric"][-1] for f in found]),
            "accuracy",
            shares,
            "test accuracy without a patch at the end of each run: large rate lowered at the end minus small rate",
            band=0.5,
        ),
        "clean_before_lowering": contrast(
            "clean_metric",
            mark,
            1,
            "test accuracy without a patch: large rate before it is lowered minus small rate, at equal training loss",
        ),
        "clean_at_end": contrast(
            "clean_metric",
            -1,
            1,
            "test accuracy without a patch: large rate lowered at the end minus small rate, at equal training loss",
        ),
    }


def only_band(x, low, high):
    """The Fourier components low … high of the signals, x [n, 40].

    >>> only_band(torch.ones(1, 40), 0, 0).mean().item(), only_band(torch.ones(1, 40), 1, 20).abs().max().item()
    (1.0, 0.0)
    """
    spectrum = torch.fft.rfft(x, dim=1)
    kept = (torch.arange(spectrum.shape[1]) >= low) & (torch.arange(spectrum.shape[1]) <= high)
    return torch.fft.irfft(spectrum * kept, n=x.shape[1], dim=1)


def bands(found):
    """Accuracy on one band of the test signals, after pre-training and after fine-tuning at one of the low rates."""
    x, y = found.task.test
    sets = {name: (only_band(x, *edges), y) for name, edges in BANDS.items()}
    fine, place = found.best_fine(found.above)
    fine_small, place_small = found.best_fine(found.far)
    accuracy = {}
    for way in ("pretrained", "finetuned"):
        weights, seeds = found.lanes(way)
        values, shape = (
            evaluate_weights(found.task, weights, seeds=seeds, sets=sets),
            found.scores[way]["train_loss"].shape,
        )
        gone = np.isnan(found.scores[way]["train_loss"])
        accuracy[way] = np.stack([np.where(gone, CHANCE, values[f"{name}_metric"].reshape(shape)) for name in BANDS])
    tuned = accuracy["finetuned"]
    change = tuned[:, fine, place, found.seeds] - tuned[:, fine_small, place_small, found.seeds]
    axes = {"band": list(BANDS)}
    return {
        "band_pretrained": per_seed(
            accuracy["pretrained"],
            "accuracy",
            axes | {"multiple": found.multiple},
            "test accuracy on one Fourier band, after pre-training",
            band=0.5,
        ),
        "band_finetuned": per_seed(
            tuned[:, -1],
            "accuracy",
            axes | {"multiple": found.multiple},
            "the same after fine-tuning at the largest of the low rates",
            band=0.5,
        ),
        "band_change": per_seed(
            change,
            "accuracy",
            axes,
            "accuracy on one Fourier band after fine-tuning: pre-trained above the threshold minus at a "
            "rate far below it until it converged, each the best of its kind",
            band=0.5,
        ),
        "band_change_size": per_seed(
            directed(change),
            "accuracy",
            axes,
            "the same in the direction that a third of the seeds shows, of the other seeds",
            band=0.5,
        ),
    }


def expect(q):
    """The patch is easy where most examples have it, and signals are learned at both shares."""
    assert q["patch_small"].mean[1].max() > 0.17 > q["patch_small"].mean[0, 0]
    assert q["clean_by_rate"].mean.max() > 0.13
    assert q["band_pretrained"].mean.max() > 0.12
    rates = q["clean_by_rate"].axes["rate"]
    assert len(rates) == 2 or (q["best_rate"].mean < rates[-1]).all(), "the large rate lies inside the grid"


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, family=FAMILY, round=ROUND)

if __name__ == "__main__":
    EXPERIMENT.main()
