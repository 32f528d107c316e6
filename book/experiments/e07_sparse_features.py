"""E07: do adaptive methods give rare features the larger stride, and does it help?

Logistic regression on 200 binary features, feature k on with frequency 1/k, all true
weights of size 1. SGD, AdaGrad, RMSProp and Adam, each at the rate that further seeds chose.
The stride of a weight is the distance that it travelled over the sum of its gradients' sizes:
plain SGD has the same for all. The error on rare features is compared where two methods have
the same validation loss, so that it does not hang on which of two rates fits the run's length.

A second part asks whether the weights with farther to go have the larger stride under Adam. How
far a weight has to go belongs to no method: with a small ridge penalty the training loss of the
regression has one minimum, and Adam minimises that very loss. The same is asked of the true
weights, and of a network, where it is the distance by which plain SGD takes a weight in ten
times the steps from there on, or by which Adam itself still takes it. Plain SGD goes far where
gradients are large, as Adam goes far where they are small: the two lean to opposite sides.
"""

import copy

import numpy as np
import torch
from quantities import fixed, per_seed
from scipy.stats import spearmanr
from sizes import modes
from sweeps import sweep
from tuning import grid, path_of, tuned

from lrbook.experiment import Experiment
from lrlib import initial_model, rules, streams, tasks
from lrlib.tasks import frequency_error
from lrlib.tasks.logistic import newton

ID = "e07_sparse_features"
QUESTION = "Does an adaptive method take larger strides where more is still to be learned?"

STARTS = {"sgd": (-1, 1), "adagrad": (-1.5, 0.5), "rmsprop": (-3, -1), "adam": (-3, -1)}
SIZES = modes(
    quick=dict(seeds=3, steps=200, features=50, valid=1000, test=5000, network=60, more=2),
    full=dict(seeds=20, steps=2000, features=200, valid=2000, test=10_000, network=600, more=10),
)


def strides(task, rule, lr, seeds, steps):
    """Distance travelled over summed gradient sizes, [seed, feature], by the rule itself."""
    return walked(task, rule, lr, seeds, steps)[1]


def examples(task, seeds):
    """Training inputs [seed, example, feature] and targets [seed, example]."""
    return (torch.stack(part) for part in zip(*(task.train_for(seed) for seed in seeds), strict=True))


def walked(task, rule, lr, seeds, steps, ridge=0.0):
    """Weights after so many steps, and distance travelled over summed gradient sizes, [seed, feature] both.

    ridge: strength of a penalty ½·ridge·Σw².
    """
    rule = rules.get(rule)
    x, y = examples(task, seeds)
    rows = torch.stack([streams.Order(seed, x.shape[1], task.batch).rows(0, steps) for seed in seeds])
    lane = torch.arange(len(seeds))[:, None]
    w = torch.zeros(len(seeds), x.shape[2])
    state, travelled, pushed = rule.init(w), torch.zeros_like(w), torch.zeros_like(w)
    for t in range(steps):
        a, b = x[lane, rows[:, t]], y[lane, rows[:, t]]
        g = ((torch.sigmoid((a @ w[..., None])[..., 0]) - b)[:, None] @ a)[:, 0] / task.batch + ridge * w
        new, state = rule(w, g, state, t + 1, lr=lr)
        travelled, pushed, w = travelled + (new - w).abs(), pushed + g.abs(), new
    return w.numpy(), np.where(pushed > 0, travelled / pushed.clamp(min=1e-30), np.nan)


def needs_of_weights(task, lr, seeds, steps):
    """Rank correlations, [2, seed], of a weight's stride under Adam with its distance from the fitted and from the true weight."""
    w, stride = walked(task, "adam", lr, seeds, steps, RIDGE)
    fitted = np.stack([newton(x.double(), y.double(), RIDGE)[0] for x, y in zip(*examples(task, seeds), strict=True)])
    return np.array([ranked(stride, np.abs(goal - w)) for goal in (fitted, task.details["weights"].numpy())])


def ranked(strides, lefts):
    """Spearman's correlation over the weights, [seed]."""
    return np.array([spearmanr(a, b, nan_policy="omit").statistic for a, b in zip(strides, lefts, strict=True)])


def binned(values, bins=4):
    """Means over ranges of k that are equal on a log scale, [bins, seed]; as `frequency_error` cuts them."""
    k = values.shape[1]
    edges = np.unique(np.round(np.geomspace(1, k + 1, bins + 1)).astype(int)) - 1
    return np.stack([np.nanmean(values[:, a:b], axis=1) for a, b in zip(edges[:-1], edges[1:], strict=True)])


MARKS = 40  # of a run, at which weights are kept
RIDGE = 1 / 2000  # one over the number of training examples: what a normal prior of width 1 amounts to
REST = 0.1  # rate at which plain SGD goes to the end


def sparse(size):
    """Tuning, and by rule on fresh seeds: errors by frequency at the end, strides, test loss, and (loss, error on the rarest)
    along the run."""
    task = tasks.sparse_logistic(features=size["features"], valid=size["valid"], test=size["test"])
    found, error, stride, loss, path = {}, {}, {}, {}, {}
    marks = [size["steps"] * k // MARKS for k in range(1, MARKS + 1)]
    for rule, (low, high) in STARTS.items():
        found[rule] = tuned(
            task,
            rule,
            grid(low, high),
            range(size["seeds"]),
            name="valid_loss",
            steps=size["steps"],
            evaluate=[size["steps"]],
        )
        best = found[rule].lr[found[rule].best("valid_loss")]
        fresh = range(size["seeds"], 2 * size["seeds"])
        record = sweep(
            task,
            rule,
            lr=[best],
            seeds=fresh,
            steps=size["steps"],
            evaluate=marks,
            snapshots=marks,
            path=path_of(task, [best], fresh, size["steps"]),
        )
        lowest, error[rule] = frequency_error(task, record.parameters)
        rare = [frequency_error(task, record.snapshots[k]["parameters"])[1][:, -1] for k in marks]
        path[rule] = np.asarray(record.evaluations["valid_loss"])[:, -MARKS:], np.stack(rare, axis=-1)
        loss[rule] = record.final("test_loss")
        stride[rule] = binned(strides(task, rule, float(best), fresh, size["steps"]))
    adam = found["adam"].lr[found["adam"].best("valid_loss")]
    needs = needs_of_weights(task, float(adam), fresh, size["steps"] // 3)
    return found, lowest, error, stride, loss, path, needs


def at_equal_loss(one, other):
    """Values of two runs where both have the loss that the worse of them ends with, [seed] both; a run is (loss, value), [seed, mark]."""
    goal = np.maximum(one[0].min(axis=1), other[0].min(axis=1))
    return [np.array([_first(*row) for row in zip(*run, goal, strict=True)]) for run in (one, other)]


def _first(loss, value, goal):
    """The value where a loss [mark] first falls to a goal, on a line between the marks."""
    k = int((loss <= goal).argmax())
    if k == 0:
        return value[0]
    share = (loss[k - 1] - goal) / (loss[k - 1] - loss[k])
    return value[k - 1] + share * (value[k] - value[k - 1])


def going_on(task, model, optimizer, orders):
    """Train a model on batches of these rows, and return its weights in one row."""
    x, y = task.train_for(orders[0])
    for rows in orders[1]:
        optimizer.zero_grad()
        task.loss(model(x[rows]), y[rows]).backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def network(size):
    """Rank correlations of a weight's stride under Adam, a third of the way, with the distance still to go, [2, seed].

    The first by plain SGD from there on, the second by Adam itself, both for `more` times the steps.
    """
    task, steps = tasks.digits(), size["network"]
    found = [_needs(task, seed, steps, size["more"] * steps) for seed in range(size["seeds"])]
    return np.array(found).T


def _needs(task, seed, steps, more):
    model, order = initial_model(task, seed), streams.Order(seed, len(task.train_for(seed)[0]), task.batch)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    here = going_on(task, model, adam, (seed, order.rows(0, steps // 3)))
    square = torch.cat([adam.state[p]["exp_avg_sq"].flatten() for p in model.parameters()])
    used, plain = square > 0, copy.deepcopy(model)
    ends = [
        going_on(task, net, optimizer, (seed, order.rows(steps // 3, steps // 3 + more)))
        for net, optimizer in ((plain, torch.optim.SGD(plain.parameters(), lr=REST)), (model, adam))
    ]
    return [spearmanr(-square[used].numpy(), (end - here).abs()[used].numpy()).statistic for end in ends]


def run(mode):
    """Train; `mode` "full": 20 tuning and 20 fresh seeds, 2,000 steps, "quick": 3 and 3, 200 steps."""
    size = SIZES[mode]
    found, lowest, error, stride, loss, path, (fitted, true) = sparse(size)
    sgd, adam = at_equal_loss(path["sgd"], path["adam"])
    by_sgd, by_adam = network(size)
    axes = {"rule": list(STARTS), "lowest_frequency": lowest}
    curves = {
        f"valid_loss_{rule}": per_seed(
            one.final("valid_loss"), "nats", {"rate": one.lr}, f"{rule}: validation loss against the rate", band=0.5
        )
        for rule, one in found.items()
    }
    return curves | {
        "best_rate": fixed(
            [one.lr[one.best("valid_loss")] for one in found.values()],
            "rate",
            {"rule": list(STARTS)},
            "lowest mean validation loss",
            band=5.0,
        ),
        "error": per_seed(
            np.stack([error[r].T for r in STARTS]),
            "weight, true size 1",
            axes,
            "mean absolute error of the learned weights, by frequency of the feature (most frequent first), fresh seeds",
            band=0.3,
        ),
        "stride": per_seed(
            np.stack([stride[r] for r in STARTS]),
            "distance over gradient",
            axes,
            "distance travelled over the sum of the gradients' sizes, by frequency of the feature",
            band=10.0,
        ),
        "test_loss": per_seed(
            np.stack([loss[r] for r in STARTS]),
            "nats",
            {"rule": list(STARTS)},
            "at the best rate, fresh seeds",
            band=0.1,
        ),
        "rare_step_ratio": per_seed(
            np.log10(stride["adam"][-1] / stride["adam"][0]),
            "decades",
            {},
            "Adam: log10 of the stride of the rarest features over that of the most frequent",
        ),
        "rare_error_gain": per_seed(
            sgd - adam,
            "weight, true size 1",
            {},
            "error of SGD minus error of Adam on the rarest features, both tuned, where both have the validation loss of the worse end",
            band=0.3,
        ),
        "test_loss_gain": per_seed(
            loss["sgd"] - loss["adam"], "nats", {}, "test loss of SGD minus that of Adam, both tuned", band=0.1
        ),
        "need_correlation_fitted": per_seed(
            fitted,
            "rank correlation",
            {},
            "logistic regression, Adam: Spearman correlation over the weights between the stride a third of the way "
            "and the distance from the minimum of the training loss",
            band=0.5,
        ),
        "need_correlation_true": per_seed(
            true,
            "rank correlation",
            {},
            "the same with the distance from the true weight",
            band=0.5,
        ),
        "need_correlation_sgd": per_seed(
            by_sgd,
            "rank correlation",
            {},
            "digits network, Adam: Spearman correlation of a weight's stride, a third of the way, with the distance that plain SGD takes it from there",
            band=0.2,
        ),
        "need_correlation_adam": per_seed(
            by_adam,
            "rank correlation",
            {},
            "the same with the distance that Adam itself still takes them",
            band=0.2,
        ),
    }


def expect(q):
    """Adam strides farther on rare features; SGD treats all alike."""
    stride = dict(zip(STARTS, q["stride"].mean, strict=True))
    assert np.allclose(stride["sgd"], stride["sgd"][0], rtol=1e-3)
    assert q["rare_step_ratio"].mean > 0.1
    assert q["error"].mean.max() < 3


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
