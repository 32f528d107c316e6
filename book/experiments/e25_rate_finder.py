"""E25: does the finder find the rate?

The range test as fastai runs it (1e-7 to 10 in 100 steps, cut at four times the best
smoothed loss) for several seeds, its suggestion rules side by side, against the rates that
are really best: constant, and as the peak of a cosine decay. Each seed cuts digits and breast
cancer into training, validation and test examples of its own. The cost of a suggestion is
read off the sweep, between its rates, against the best rate as the other half of the seeds
chooses it.
"""

import numpy as np
from halves import picked
from quantities import fixed, per_seed
from sizes import modes
from tuning import cut_anew, grid, narrow_mnist1d, tuned

from lrbook.experiment import Experiment
from lrlib import Finding, cosine, find, tasks

ID = "e25_rate_finder"
QUESTION = "How good is the rate that a range test suggests?"

RULES = ["valley", "steepest", "minimum/10", "linear-slope", "index-slope"]
CHANCE = {"digits": 0.1, "breast_cancer": 0.37, "mnist1d": 0.1, "sparse_logistic": 0.5}
SIZES = modes(
    quick=dict(seeds=3, peak=3, low=-3, train=500, held=500, steps=dict.fromkeys(CHANCE, 40)),
    full=dict(
        seeds=40,
        peak=10,
        low=-5,
        train=4000,
        held=4000,
        steps={"digits": 400, "breast_cancer": 400, "mnist1d": 1000, "sparse_logistic": 600},
    ),
    counts=("seeds", "peak"),
)


def problem(name, size):
    """The task; of the two data sets that are cut out of a fixed number of examples a function of the seed, each cut anew."""
    if name == "mnist1d":
        return narrow_mnist1d(size["train"], size["held"])
    if name == "sparse_logistic":
        return tasks.sparse_logistic()
    return cut_anew(getattr(tasks, name), width=32)


def tested(task, seeds):
    """The `Finding` of the seeds, each on its own task where each has one."""
    if isinstance(task, tasks.Task):
        return find(task, "sgd", seeds=seeds)
    own = [find(task(seed), "sgd", seeds=[seed]) for seed in seeds]
    return Finding(tuple(one.tests[0] for one in own), np.array(seeds), [one.record for one in own])


def at(one, values, rates):
    """Test accuracy of each seed at its own rate, between the rates of the sweep, [seed]."""
    x = np.log10(one.lr)
    inside = np.clip(np.log10(np.where(np.isfinite(rates), rates, one.lr[0])), x[0], x[-1])
    return np.array([np.interp(inside[s], x, values[:, s]) for s in range(values.shape[1])])


def run(mode):
    """Train; `mode` "full": 40 seeds (10 for the cosine), rates from 1e-5, "quick": 3 seeds, 40 steps."""
    size = SIZES[mode]
    findings, constant, peak = {}, {}, {}
    for name, steps in size["steps"].items():
        task, seeds = problem(name, size), range(size["seeds"])
        findings[name] = tested(task, seeds)
        lr = np.concatenate([grid(size["low"], -2.5)[::2], grid(-2.25, 0.75)])
        constant[name] = tuned(task, "sgd", lr, seeds, steps=steps, evaluate=[steps])
        peak[name] = tuned(task, "sgd", lr, range(size["peak"]), plan=cosine(steps), steps=steps, evaluate=[steps])
    return suggestions(findings, constant, peak) | curves(findings, constant)


def regrets(findings, found):
    """Cost of every rule, [task, rule, seed], against the rate that the other half of the seeds prefers."""
    rows = []
    for name, one in found.items():
        test = one.final("test_metric", CHANCE[name])
        best = picked(one.final("valid_metric", CHANCE[name]), test)
        rows.append([best - at(one, test, findings[name].per_seed(rule)) for rule in RULES])
    return np.array(rows)


def suggestions(findings, constant, peak):
    axes = {"task": list(findings), "rule": RULES}
    rates = np.array([[f.per_seed(rule) for rule in RULES] for f in findings.values()])
    best = np.array([one.lr[one.best(failed=CHANCE[n])] for n, one in constant.items()])
    top = np.array([one.lr[one.best(failed=CHANCE[n])] for n, one in peak.items()])
    cost, cost_peak = regrets(findings, constant), regrets(findings, peak)
    return {
        "suggestion": per_seed(
            np.log10(rates), "log10 rate", axes, "suggested rate, each seed's own range test", band=2.0
        ),
        "distance_to_best": per_seed(
            np.log10(rates) - np.log10(best)[:, None, None],
            "decades",
            axes,
            "log10 of the suggested over the best constant rate",
            band=3.0,
        ),
        "best_rate": fixed(
            best, "rate", {"task": list(findings)}, "best constant rate (validation accuracy)", band=10.0
        ),
        "best_peak": fixed(top, "rate", {"task": list(findings)}, "best peak of a cosine decay", band=10.0),
        "regret": per_seed(
            cost, "accuracy", axes, "test accuracy at the best constant rate minus at the suggestion", band=0.5
        ),
        "regret_peak": per_seed(
            cost_peak,
            "accuracy",
            axes,
            "the same where the suggestion is the peak of a cosine decay, first ten seeds",
            band=0.5,
        ),
        "steepest_regret": per_seed(
            cost[:, RULES.index("steepest")],
            "accuracy",
            {"task": list(findings)},
            "regret of the point of fastest fall as a constant rate",
            band=0.5,
        ),
    }


def curves(findings, constant):
    """The range test itself (smoothed, a few seeds) and accuracy against the constant rate."""
    q = {}
    for name, finding in findings.items():
        shown = finding.smoothed[:4]
        q[f"range_test_{name}"] = fixed(
            shown.T,
            "nats",
            {"rate": finding.lr, "seed": range(len(shown))},
            f"{name}: smoothed loss of the range test; empty after it stopped",
            band=2.0,
        )
        q[f"accuracy_{name}"] = per_seed(
            constant[name].final("test_metric", CHANCE[name]),
            "accuracy",
            {"rate": constant[name].lr},
            f"{name}: test accuracy against the constant rate",
            band=0.3,
        )
    return q


def expect(q):
    """The rule that differentiates along the linear axis suggests less than the one along the log axis."""
    mean = dict(zip(RULES, q["suggestion"].mean.T, strict=True))
    assert (np.nan_to_num(mean["linear-slope"], nan=-9) < mean["steepest"]).all()
    assert q["best_rate"].mean.min() > 1e-3


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
