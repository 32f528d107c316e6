"""E07: do adaptive methods give rare features the larger stride, and does it help?

Logistic regression on 200 binary features, feature k on with frequency 1/k, all true
weights of size 1. SGD, AdaGrad, RMSProp and Adam, each at its own best rate. The stride
of a weight is the distance that it travelled over the sum of its gradients' sizes: plain
SGD has the same for all. A second part asks on a network trained by Adam whether the
weights with farther to go have the larger stride.
"""

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

ID = "e07_sparse_features"
QUESTION = "Does an adaptive method take larger strides where more is still to be learned?"

STARTS = {"sgd": (-1, 1), "adagrad": (-1.5, 0.5), "rmsprop": (-3, -1), "adam": (-3, -1)}
SIZES = modes(
    quick=dict(seeds=3, steps=200, features=50, valid=1000, test=5000, network=60),
    full=dict(seeds=20, steps=2000, features=200, valid=2000, test=10_000, network=600),
)


def strides(task, rule, lr, seeds, steps):
    """Distance travelled over summed gradient sizes, [seed, feature], by the rule itself."""
    rule = rules.get(rule)
    data = [task.train_for(seed) for seed in seeds]
    x, y = (torch.stack(part) for part in zip(*data, strict=True))
    rows = torch.stack([streams.Order(seed, x.shape[1], task.batch).rows(0, steps) for seed in seeds])
    lane = torch.arange(len(seeds))[:, None]
    w = torch.zeros(len(seeds), x.shape[2])
    state, travelled, pushed = rule.init(w), torch.zeros_like(w), torch.zeros_like(w)
    for t in range(steps):
        a, b = x[lane, rows[:, t]], y[lane, rows[:, t]]
        g = ((torch.sigmoid((a @ w[..., None])[..., 0]) - b)[:, None] @ a)[:, 0] / task.batch
        new, state = rule(w, g, state, t + 1, lr=lr)
        travelled, pushed, w = travelled + (new - w).abs(), pushed + g.abs(), new
    return np.where(pushed > 0, travelled / pushed.clamp(min=1e-30), np.nan)


def binned(values, bins=4):
    """Means over ranges of k that are equal on a log scale, [bins, seed]; as `frequency_error` cuts them."""
    k = values.shape[1]
    edges = np.unique(np.round(np.geomspace(1, k + 1, bins + 1)).astype(int)) - 1
    return np.stack([np.nanmean(values[:, a:b], axis=1) for a, b in zip(edges[:-1], edges[1:], strict=True)])


def sparse(size):
    task = tasks.sparse_logistic(features=size["features"], valid=size["valid"], test=size["test"])
    found, error, stride, loss = {}, {}, {}, {}
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
            evaluate=[size["steps"]],
            path=path_of(task, [best], fresh, size["steps"]),
        )
        lowest, error[rule] = frequency_error(task, record.parameters)
        loss[rule] = record.final("test_loss")
        stride[rule] = binned(strides(task, rule, float(best), fresh, size["steps"]))
    return found, lowest, error, stride, loss


def network(size):
    """Rank correlation, per seed, of a weight's stride under Adam with the distance it still has to go."""
    task, steps = tasks.digits(), size["network"]
    found = []
    for seed in range(max(3, size["seeds"] // 2)):
        model, (x, y) = initial_model(task, seed), task.train_for(seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for t, rows in enumerate(streams.Order(seed, len(x), task.batch).rows(0, steps)):
            if t == steps // 3:
                here = torch.cat([p.detach().flatten() for p in model.parameters()])
                square = torch.cat([optimizer.state[p]["exp_avg_sq"].flatten() for p in model.parameters()])
            optimizer.zero_grad()
            task.loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        left = (torch.cat([p.detach().flatten() for p in model.parameters()]) - here).abs()
        used = square > 0
        found.append(spearmanr(-square[used].numpy(), left[used].numpy()).statistic)
    return np.array(found)


def run(mode):
    """Train; `mode` "full": 20 tuning and 20 fresh seeds, 2,000 steps, "quick": 3 and 3, 200 steps."""
    size = SIZES[mode]
    found, lowest, error, stride, loss = sparse(size)
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
            error["sgd"][:, -1] - error["adam"][:, -1],
            "weight, true size 1",
            {},
            "error of SGD minus error of Adam on the rarest features, both tuned",
            band=0.3,
        ),
        "test_loss_gain": per_seed(
            loss["sgd"] - loss["adam"], "nats", {}, "test loss of SGD minus that of Adam, both tuned", band=0.1
        ),
        "need_correlation": per_seed(
            network(size),
            "rank correlation",
            {},
            "digits network, Adam: Spearman correlation over the weights between the stride a third of the way and the distance still to go",
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
