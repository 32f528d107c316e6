"""E20: how wide is the range of good rates, what does a default cost, and which option of SGD matters most?

Five methods at constant rates on four tasks: handwritten digits, breast cancer, MNIST-1D (networks of two hidden
layers of 32), and the next symbol of a text (a small causal Transformer); the first three share one grid of rates.
Each seed cuts digits and breast cancer into training, validation and test examples of its own. Rates are chosen by
validation accuracy, for the text by validation loss, and reported numbers are of the test set. The options of SGD are
compared apart (module importance).
"""

import importance
import numpy as np
from best_range import decades
from halves import crossed
from quantities import fixed, per_seed
from sizes import modes
from tuning import cut_anew, grid, narrow_mnist1d, tuned

from lrbook.experiment import Experiment
from lrlib import jackknife, rules, tasks

ID = "e20_tunability"
QUESTION = "How many rates must one try, and how far does a default carry?"

METHODS = ["sgd", "momentum", "adagrad", "rmsprop", "adam"]
NEAR, PRIOR = 0.01, 6.0
NATS = 0.02  # what counts as near on the language task
CHANCE = {"digits": 0.1, "breast_cancer": 0.37, "mnist1d": 0.1}
SIZES = modes(
    quick=dict(
        seeds=4,
        low=-3,
        high=0.5,
        every=2,
        tasks={"digits": 25, "breast_cancer": 25, "mnist1d": 25},
        train=500,
        held=200,
        language=dict(low=-3, high=0.75, every=5, steps=10, train=100, pieces=30),
    ),
    full=dict(
        seeds=20,
        low=-4.5,
        high=0.75,
        every=1,
        tasks={"digits": 400, "breast_cancer": 400, "mnist1d": 1000},
        train=4000,
        held=4000,
        language=dict(low=-3, high=0, every=1, steps=200, train=640, pieces=500),
    ),
    least=2,
)


def problem(name, size):
    """The task; of the two data sets that are cut out of a fixed number of examples a function of the seed, each cut anew."""
    if name == "mnist1d":
        return narrow_mnist1d(size["train"], size["held"])
    return cut_anew(getattr(tasks, name), width=32)


def default(method):
    """The rate that torch.optim takes when none is given."""
    return rules.get(method).defaults["lr"]


def trials(mean, lr, near=NEAR):
    """Decades of rates with a mean within `near` of the best, and expected random trials from six decades."""
    width = decades(lr, mean, near)
    return width, PRIOR / max(width, 1e-3)


def jackknifed(values, lr, near=NEAR):
    """Pseudo-values of `trials`, [2, seed], of the mean over seeds; values [rate, seed]."""
    return jackknife(range(values.shape[1]), lambda seeds: trials(values.take(seeds, axis=1).mean(axis=1), lr, near))


def sweeps(size):
    found = {}
    for name, steps in size["tasks"].items():
        task = problem(name, size)
        for method in METHODS:
            lr = grid(size["low"], size["high"])[:: size["every"]]
            found[name, method] = tuned(task, method, lr, range(size["seeds"]), steps=steps, evaluate=[steps])
    return found


def run(mode):
    """Train; `mode` "full": 20 seeds and 22 rates, "quick": 2 seeds, few rates and steps."""
    size = SIZES[mode]
    found, names, n = sweeps(size), list(size["tasks"]), size["seeds"]
    common = grid(size["low"], size["high"])[:: size["every"]]

    def halved(choose, judge):
        return merits({key: one.mixed(choose, judge) for key, one in found.items()}, names, common)

    return curves(found) | widths(found, names) | crossed(halved, n) | language(size) | importance.quantities(mode)


def curves(found):
    return {
        f"accuracy_{task}_{method}": per_seed(
            one.final("test_metric", CHANCE[task]),
            "accuracy",
            {"rate": one.lr},
            f"test accuracy against the rate: {method} on {task}",
            band=0.3,
        )
        for (task, method), one in found.items()
    }


def by_method(names):
    """The pairs (task, method) in the order of the axes method × task."""
    return [(task, method) for method in METHODS for task in names]


def widths(found, names):
    """Width of the range of good rates, trials until one is found, and the best rates: axes method × task."""
    axes, shape, keys = {"method": METHODS, "task": names}, (len(METHODS), len(names), -1), by_method(names)
    scores = np.stack([jackknifed(found[key].final("test_metric", CHANCE[key[0]]), found[key].lr) for key in keys])
    sgd = [keys.index((task, "sgd")) for task in names]
    return {
        "width": per_seed(
            scores[:, 0].reshape(shape),
            "decades",
            axes,
            "range of rates whose mean test accuracy lies within 1 point of the best (jackknife over seeds)",
            band=3.0,
        ),
        "trials": per_seed(
            scores[:, 1].reshape(shape),
            "trials",
            axes,
            "expected trials until a rate drawn at random from six decades falls in that range",
            band=1e6,
        ),
        "best_rate": fixed(
            np.array([found[k].lr[found[k].best(failed=CHANCE[k[0]])] for k in keys]).reshape(shape[:2]),
            "rate",
            axes,
            "highest mean validation accuracy",
            band=10.0,
        ),
        "trials_beyond_one": per_seed(
            scores[sgd, 1].mean(axis=0) - 1,
            "trials",
            {},
            "SGD at a constant rate, mean over the tasks: expected trials minus one",
            band=1e6,
        ),
    }


def merits(found, names, common):
    """Accuracy and regret of tuned rates, of defaults and of one rate for everything; the chosen rates are the seeds' that choose."""
    test = {key: one.final("test_metric", CHANCE[key[0]]) for key, one in found.items()}
    best = {key: one.best(failed=CHANCE[key[0]]) for key, one in found.items()}
    return defaults(found, test, best, names) | choices(found, test, best, names, common)


def defaults(found, test, best, names):
    """Regret at the default and spread: axes method × task."""
    axes, shape, keys = {"method": METHODS, "task": names}, (len(METHODS), len(names), -1), by_method(names)
    tuned_test = np.stack([test[key][best[key]] for key in keys])
    regret = np.stack([test[key][best[key]] - test[key][found[key].index(default(key[1]))] for key in keys])
    spread = np.abs(tuned_test - tuned_test.mean(axis=1, keepdims=True))
    sgd, adam = (slice(METHODS.index(m) * len(names), (METHODS.index(m) + 1) * len(names)) for m in ("sgd", "adam"))
    top = {
        task: max(METHODS, key=lambda m: found[task, m].final("valid_metric", 0)[best[task, m]].mean())
        for task in names
    }
    alone = [test[t, top[t]][best[t, top[t]]] - test[t, "adam"][found[t, "adam"].index(default("adam"))] for t in names]
    return {
        "tuned_accuracy": per_seed(
            tuned_test.reshape(shape), "accuracy", axes, "test accuracy at the best rate", band=0.2
        ),
        "default_regret": per_seed(
            regret.reshape(shape),
            "accuracy",
            axes,
            "test accuracy at the best rate minus at the default of torch.optim",
            band=0.3,
        ),
        "spread": per_seed(
            spread.reshape(shape),
            "accuracy",
            axes,
            "distance of a seed's test accuracy from the mean of the seeds, at the best rate",
            band=0.2,
        ),
        "spread_sgd_minus_adam": per_seed(
            (spread[sgd] - spread[adam]).mean(axis=0),
            "accuracy",
            {},
            "spread between seeds, SGD minus Adam, both tuned, mean over the tasks",
            band=0.1,
        ),
        "adam_default_regret": per_seed(
            np.stack(alone),
            "accuracy",
            {"task": names},
            "best tuned method's test accuracy minus Adam's at its default",
            band=0.3,
        ),
    }


def choices(found, test, best, names, common):
    """What it costs to use one rate for everything."""
    keys = list(found)
    at = {key: [found[key].index(rate) for rate in common] for key in keys}
    valid = {key: found[key].final("valid_metric", CHANCE[key[0]]).mean(axis=1) for key in keys}
    loss = np.stack([valid[k][best[k]] - valid[k][at[k]] for k in keys])
    one = int(loss.mean(axis=0).argmin())
    worst = keys[int(loss[:, one].argmax())]
    apart = [
        np.log10(
            found[t, "sgd"].lr[per_seed_best(found[t, "sgd"])] / found[t, "adam"].lr[per_seed_best(found[t, "adam"])]
        )
        for t in names
    ]
    regret = np.stack([test[k][best[k]] - test[k][at[k][one]] for k in keys])
    return {
        "shared_rate": fixed(
            common[one],
            "rate",
            {},
            "the one rate that loses least on average over all methods and tasks (validation)",
            band=10.0,
        ),
        "shared_rate_regret": per_seed(
            regret[keys.index(worst)],
            "accuracy",
            {},
            "test accuracy that the shared rate costs the method and task that it suits worst",
            band=0.5,
        ),
        "shared_rate_mean_regret": per_seed(
            regret.mean(axis=0), "accuracy", {}, "the same, mean over methods and tasks", band=0.3
        ),
        "best_rate_sgd_over_adam": per_seed(
            np.mean(apart, axis=0),
            "decades",
            {},
            "log10 of SGD's best rate over Adam's, by validation loss, mean over the tasks",
            band=1.0,
        ),
    }


def language(size):
    """The same of the language task, in nats a symbol; a run that diverged counts as an even guess."""
    own = size["language"]
    task, lr, steps = (
        importance.language(own["train"], own["pieces"]),
        grid(own["low"], own["high"])[:: own["every"]],
        own["steps"],
    )
    found = {
        m: tuned(task, m, lr, range(size["seeds"]), name="valid_loss", steps=steps, evaluate=[steps]) for m in METHODS
    }
    even = np.log(len(task.details["alphabet"]))

    def halved(choose, judge):
        return language_merits({m: one.mixed(choose, judge) for m, one in found.items()}, even, lr)

    return language_widths(found, even) | crossed(halved, size["seeds"])


def language_merits(found, even, common):
    """Loss and regret of tuned rates, of defaults and of one rate for all; the chosen rates are the seeds' that choose."""
    test, valid = ({m: one.final(f"{part}_loss", even) for m, one in found.items()} for part in ("test", "valid"))
    best = {m: one.best("valid_loss") for m, one in found.items()}
    return language_defaults(found, test, best) | language_choices(found, test, valid, best, common)


def language_widths(found, even):
    """Curves, width of the range of good rates, trials until one is found, and the best rates: axis method."""
    axes, test = {"method": METHODS}, {m: one.final("test_loss", even) for m, one in found.items()}
    scores, sgd = np.stack([jackknifed(-test[m], found[m].lr, NATS) for m in METHODS]), METHODS.index("sgd")
    q = {
        f"loss_language_{m}": per_seed(
            test[m], "nats", {"rate": found[m].lr}, f"test loss against the rate: {m} on language", band=3.0
        )
        for m in METHODS
    }
    return q | {
        "width_language": per_seed(
            scores[:, 0],
            "decades",
            axes,
            "range of rates whose mean test loss lies within 0.02 nats of the best (jackknife over seeds)",
            band=3.0,
        ),
        "trials_language": per_seed(
            scores[:, 1],
            "trials",
            axes,
            "expected trials until a rate drawn at random from six decades falls in that range",
            band=1e6,
        ),
        "best_rate_language": fixed(
            [found[m].lr[found[m].best("valid_loss")] for m in METHODS],
            "rate",
            axes,
            "lowest mean validation loss",
            band=10.0,
        ),
        "trials_beyond_one_language": per_seed(
            scores[sgd, 1] - 1, "trials", {}, "SGD at a constant rate on language: expected trials minus one", band=1e6
        ),
    }


def language_defaults(found, test, best):
    """Regret at the default and spread: axis method."""
    axes = {"method": METHODS}
    tuned_test = np.stack([test[m][best[m]] for m in METHODS])
    regret = np.stack([test[m][found[m].index(default(m))] - test[m][best[m]] for m in METHODS])
    spread = np.abs(tuned_test - tuned_test.mean(axis=1, keepdims=True))
    sgd, adam = METHODS.index("sgd"), METHODS.index("adam")
    return {
        "tuned_loss_language": per_seed(tuned_test, "nats", axes, "test loss at the best rate", band=1.0),
        "default_regret_language": per_seed(
            regret, "nats", axes, "test loss at the default of torch.optim minus at the best rate", band=3.0
        ),
        "spread_language": per_seed(
            spread,
            "nats",
            axes,
            "distance of a seed's test loss from the mean of the seeds, at the best rate",
            band=0.5,
        ),
        "spread_sgd_minus_adam_language": per_seed(
            spread[sgd] - spread[adam],
            "nats",
            {},
            "spread of the test loss between seeds, SGD minus Adam, both tuned",
            band=0.5,
        ),
    }


def language_choices(found, test, valid, best, common):
    """What one rate for all methods costs, and what Adam at its default does."""
    at = {m: [found[m].index(rate) for rate in common] for m in METHODS}
    loss = np.stack([valid[m].mean(axis=1)[at[m]] - valid[m].mean(axis=1)[best[m]] for m in METHODS])
    one = int(loss.mean(axis=0).argmin())
    worst = METHODS[int(loss[:, one].argmax())]
    top = min(METHODS, key=lambda m: valid[m][best[m]].mean())
    apart = np.log10(found["sgd"].lr[per_seed_best(found["sgd"])] / found["adam"].lr[per_seed_best(found["adam"])])
    return {
        "adam_default_regret_language": per_seed(
            test["adam"][found["adam"].index(default("adam"))] - test[top][best[top]],
            "nats",
            {},
            "Adam's test loss at its default minus the best tuned method's",
            band=3.0,
        ),
        "shared_rate_language": fixed(
            common[one],
            "rate",
            {},
            "the one rate that loses least on average over all methods on language (validation)",
            band=10.0,
        ),
        "shared_rate_regret_language": per_seed(
            test[worst][at[worst][one]] - test[worst][best[worst]],
            "nats",
            {},
            "test loss that this rate costs the method that it suits worst",
            band=3.0,
        ),
        "best_rate_sgd_over_adam_language": per_seed(
            apart, "decades", {}, "log10 of SGD's best rate over Adam's on language, by validation loss", band=2.0
        ),
    }


def per_seed_best(one):
    """Index of each seed's lowest validation loss, [seed]."""
    return one.final("valid_loss", np.inf).argmin(axis=0)


def expect(q):
    """Orderings that both sizes show."""
    assert q["best_rate_sgd_over_adam"].mean > 0.3, "SGD wants larger rates than Adam"
    assert q["shared_rate_regret"].mean > 0
    assert q["tuned_accuracy"].mean.min() > 0.15
    assert q["best_rate_sgd_over_adam_language"].mean > 0
    assert q["default_regret_language"].mean[METHODS.index("sgd")] > 0.1, "SGD's default is far too small"
    assert q["sgd_variance"].mean[0].max() > 0.2, "the rate counts"


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, round=2)

if __name__ == "__main__":
    EXPERIMENT.main()
