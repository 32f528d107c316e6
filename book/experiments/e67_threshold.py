"""E67: what it costs to find the convergence threshold, and what it is good for.

MNIST-1D with 1,000 examples, a 40-64-64-10 ReLU network, SGD with batches of 50. The
outcome of every rate of a grid (a quarter octave apart, from about half the threshold to eight
times it) is measured for every seed. The cheap search (start, doubling, bisection) tries
rates of the same grid only, so that it can be replayed on these outcomes, seed by seed;
`convergence_threshold` itself runs once for all seeds together. A second arm decays every
rate at its end: there the rate that the search leads to is compared with the grid's best, and
with what a random search of the same grid finds, whose mean over all draws is exact. A random
search is as good where its mean comes within an accuracy point of the search's. It draws
within four octaves around the threshold and need not find out where they are; that favours it.
"""

from math import comb

import numpy as np
from best_range import JUDGED, bootstrapped
from quantities import fixed, per_seed
from sizes import modes
from tuning import curve

from lrbook.experiment import Experiment
from lrlib import convergence_threshold, hold, linear, reached, tasks

ID = "e67_threshold"
QUESTION = "How many trainings does it take to find the largest rate that converges, and is that rate of use?"

GOAL, CHANCE, OCTAVE, RATES = 1e-2, 0.1, 4, 17
AS_GOOD = 0.01  # accuracy: within this, one search is as good as another
DEFAULTS = [0.01, 0.1]
SIZES = modes(
    quick=dict(
        seeds=2, train=10, held=100, width=16, batch=10, start=0.35, budgets=[60, 80], every=20, path="eager", long=1
    ),
    full=dict(
        seeds=40,
        train=1000,
        held=10_000,
        width=64,
        batch=50,
        start=0.45,
        budgets=[1000, 2000],
        every=50,
        path="compiled",
        long=9,
    ),
    least=2,
)


def run(mode):
    """Train; `mode` "full": 40 seeds, 17 rates, budgets up to 2,000 steps, "quick": 2 seeds, up to 80 steps, a small net."""
    size = SIZES[mode]
    rates = size["start"] * 2.0 ** (np.arange(RATES) / OCTAVE)
    lowest, spent = lowest_loss(size, rates)
    converged = lowest <= GOAL  # [budget, rate, seed]
    found = [[search(column) for column in outcome.T] for outcome in converged]
    library = convergence_threshold(
        data(size, held=10),
        criterion=reached(GOAL, "train_loss"),
        start=rates[0],
        seeds=size["seeds"],
        path="eager",
        precision=np.log10(2) / OCTAVE + 1e-9,
        steps=size["budgets"][0],
        evaluate=size["every"],
    )
    final = decayed(size, rates, size["budgets"][0])
    return (
        outcomes(size, rates, lowest, converged)
        | searches(size, rates, converged, found, spent)
        | majority(size, rates, converged, library)
        | picks(size, rates, final, found[0], spent)
    )


def data(size, held):
    return tasks.mnist1d(
        train=size["train"], valid=min(2000, held), test=held, width=size["width"], batch=size["batch"]
    )


def lowest_loss(size, rates):
    """Lowest full training loss within each budget at a constant rate, [budget, rate, seed]; steps until it can be stopped, [rate, seed].

    A run of the shortest budget can be stopped where it has reached the goal or diverged.
    """
    found = curve(
        data(size, held=10),
        "sgd",
        rates,
        size["seeds"],
        steps=size["budgets"][-1],
        evaluate=size["every"],
        path=size["path"],
    )
    values = np.where(np.isnan(found.metrics["train_loss"]), np.inf, found.metrics["train_loss"])
    lost = ~np.isfinite(values).all(axis=-1)
    so_far = np.minimum.accumulate(values, axis=-1)
    rows = np.stack([so_far[..., np.searchsorted(found.step, b, side="right") - 1] for b in size["budgets"]])
    done = (values <= GOAL) | ~np.isfinite(values)
    spent = np.where(done.any(axis=-1), found.step[done.argmax(axis=-1)], size["budgets"][0])
    return np.where(lost & ~(rows <= GOAL), np.inf, rows), np.minimum(spent, size["budgets"][0])


def decayed(size, rates, steps, path=None):
    """Every rate, constant for `steps` steps and then falling to zero in a quarter of them."""
    plan = hold(steps) >> linear(steps // 4)
    total = steps + steps // 4
    return curve(
        data(size, size["held"]),
        "sgd",
        rates,
        size["seeds"],
        plan=plan,
        steps=total,
        evaluate=[total],
        path=path or size["path"],
    )


def search(converges):
    """Doubling and bisection over outcomes along the rates, [rate]: → (place of the last rate that converges, places tried).

    The place is −1 where the start does not converge, and the last one tried where none fails.
    """
    tried, low, step = [0], 0, OCTAVE
    if not converges[0]:
        return -1, tried
    high = None
    while high is None and low + step < len(converges):
        tried.append(low + step)
        low, high = (low, low + step) if not converges[low + step] else (low + step, None)
    while high is not None and high - low > 1:
        tried.append((low + high) // 2)
        low, high = (tried[-1], high) if converges[tried[-1]] else (low, tried[-1])
    return low, tried


def middle(rates, place):
    """Geometric middle between the rate at a place and the next one; nan before the grid."""
    return np.where(np.asarray(place) < 0, np.nan, rates[0] * 2.0 ** ((np.asarray(place) + 0.5) / OCTAVE))


def last(converged):
    """Place of the largest rate that converges, −1 where none does: [budget, rate, seed] → [budget, seed]."""
    backwards = converged[:, ::-1]
    return np.where(backwards.any(axis=1), converged.shape[1] - 1 - backwards.argmax(axis=1), -1)


def outcomes(size, rates, lowest, converged):
    axes, budgets = {"budget": size["budgets"], "rate": rates}, {"budget": size["budgets"]}
    found = np.log10(middle(rates, last(converged)))
    mixed = (np.diff(converged.astype(int), axis=1) != 0).sum(axis=1) > 1
    return {
        "lowest_loss": per_seed(
            np.minimum(lowest, 10.0),
            "nats",
            axes,
            "lowest training loss within the budget at a constant rate; 10 stands for anything above and for runs that diverged",
            band=3.0,
        ),
        "converged": per_seed(
            converged.astype(float),
            "share of runs",
            axes,
            "whether the training loss falls below 0.01 within the budget",
            band=1.0,
        ),
        "threshold": per_seed(
            10**found,
            "rate",
            budgets,
            "the threshold by the full grid: the middle between the largest rate that converges and the next one",
            band=5.0,
        ),
        "threshold_shift": per_seed(
            found[-1] - found[0],
            "decades",
            {},
            "log10 of the threshold of the longest budget over that of the shortest",
            band=1.0,
        ),
        "border_crossed_twice": per_seed(
            mixed.astype(float), "share of seeds", budgets, "outcome changes more than once along the rates", band=1.0
        ),
    }


def steps_spent(found, spent):
    """Steps of each seed's search when every training is stopped as soon as its outcome is known."""
    return np.array([spent[tried, s].sum() for s, (_, tried) in enumerate(found)], dtype=float)


def searches(size, rates, converged, found, spent):
    budgets = {"budget": size["budgets"]}
    place = np.array([[low for low, _ in row] for row in found])
    count = np.array([[len(tried) for _, tried in row] for row in found], dtype=float)
    error = np.log10(middle(rates, place) / middle(rates, last(converged)))
    return {
        "search_error": per_seed(
            error,
            "decades",
            budgets,
            "log10 of the threshold by search, one seed, over that by the full grid of the same seed",
            band=1.0,
        ),
        "search_trainings": per_seed(
            count,
            "trainings",
            budgets,
            "trainings of the search with one seed: the start, the doublings, the bisection",
            band=6.0,
        ),
        "trainings_saved": per_seed(
            1 - count[0] / len(rates),
            "share of trainings",
            {},
            "trainings that the search saves of the full grid's",
            band=0.5,
        ),
        "search_cost": per_seed(
            np.log10(count[0]), "decades", {}, "log10 of the steps of the search over those of one training", band=1.0
        ),
        "search_steps": per_seed(
            np.log10(steps_spent(found[0], spent) / size["budgets"][0]),
            "decades",
            {},
            "the same when each training is stopped where it has converged or diverged",
            band=1.0,
        ),
    }


def majority(size, rates, converged, library):
    """All seeds together, by majority: replayed for every budget, and run by the library for the shortest."""
    results = [search(outcome.mean(axis=1) > 0.5) for outcome in converged]
    budgets = {"budget": size["budgets"]}
    by_grid = last((converged.mean(axis=2) > 0.5)[..., None])[:, 0]
    return {
        "majority_threshold": fixed(
            middle(rates, [low for low, _ in results]),
            "rate",
            budgets,
            "the threshold by search, majority of the seeds",
            band=5.0,
        ),
        "majority_error": fixed(
            np.log10(middle(rates, [low for low, _ in results]) / middle(rates, by_grid)),
            "decades",
            budgets,
            "the same against the full grid's majority",
            band=1.0,
        ),
        "majority_trainings": fixed(
            [len(tried) * size["seeds"] for _, tried in results],
            "trainings",
            budgets,
            "its trainings, all seeds",
            band=30.0,
        ),
        "grid_trainings": fixed(len(rates) * size["seeds"], "trainings", {}, "trainings of the full grid, all seeds"),
        "library_threshold": fixed(
            library.rate, "rate", {}, "the threshold that convergence_threshold finds for the shortest budget", band=5.0
        ),
        "library_trainings": fixed(library.trainings, "trainings", {}, "its trainings, all seeds", band=30.0),
        "library_steps": fixed(
            library.trainings * size["budgets"][0], "steps", {}, "its steps, all seeds", band=30.0 * size["budgets"][0]
        ),
    }


def picks(size, rates, final, found, spent):
    """Test accuracy at the rates that each way of searching picks, seed by seed."""
    valid, test = final.final("valid_metric", CHANCE), final.final("test_metric", CHANCE)

    def pick(choices, s):
        return test[max(choices, key=lambda i: valid[i, s]), s]

    top, everything = len(rates) - 1, range(len(rates))
    seeds = range(len(found))
    candidates = [[min(max(low, 0) + k, top) for k in (0, 2, 4)] for low, _ in found]
    loops = [small_loop(tried, low) for low, tried in found]
    best = {
        "grid": [pick(everything, s) for s in seeds],
        "search": [pick(candidates[s], s) for s in seeds],
        "coarse": [pick(everything[::2], s) for s in seeds],
        "small loop": [pick(loops[s][0], s) for s in seeds],
        "converging": [pick(range(max(found[s][0], 0) + 1), s) for s in seeds],
    }
    best = {name: np.array(values) for name, values in best.items()}
    cost = {"search": [len(tried) + 3 for _, tried in found], "small loop": [count for _, count in loops]}
    full = size["budgets"][0] * 5 // 4
    extra = (steps_spent(found, spent) + 2 * full) / full
    return (
        accuracies(rates, final, best)
        | costs(cost, len(everything[::2]), extra)
        | against_random(valid, test, best["search"], cost["search"])
        | against_defaults(size, best["coarse"])
    )


def random_search(valid, test, count):
    """Mean test score at the best validation score of `count` different rates drawn at random; [rate, seed] → [seed].

    The rate of rank r from the top is the best of the drawn ones with the probability C(n − 1 − r, k − 1)/C(n, k).

    >>> random_search(np.array([[1.0], [2.0], [3.0]]), np.array([[0.0], [0.0], [0.9]]), 2).round(3)
    array([0.6])
    """
    n, order = len(valid), np.argsort(-valid, axis=0, kind="stable")
    chance = np.array([comb(n - 1 - r, count - 1) / comb(n, count) for r in range(n)])
    return (chance[:, None] * np.take_along_axis(test, order, axis=0)).sum(axis=0)


def against_random(valid, test, searched, trainings):
    """The search against a random search: accuracy at as many trainings, and trainings at the same mean accuracy."""
    n, trainings = len(valid), np.array(trainings, dtype=float)
    by_count = np.stack([random_search(valid, test, k) for k in range(1, n + 1)])  # [trainings, seed]

    def needed(seeds):
        means, goal = by_count[:, seeds].mean(axis=1), searched[seeds].mean() - AS_GOOD
        enough = np.flatnonzero(means >= goal)
        return float(enough[0] + 1) if len(enough) else float(n)

    equal = np.array([by_count[int(k) - 1, s] for s, k in enumerate(trainings)])
    count = len(searched)
    return {
        "random_accuracy": per_seed(
            by_count,
            "accuracy",
            {"trainings": list(range(1, n + 1))},
            "test accuracy at the rate picked by a random search of the grid, mean over its draws",
            band=0.3,
        ),
        "search_over_random": per_seed(
            searched - equal,
            "accuracy",
            {},
            "test accuracy at the search's pick minus at that of a random search with as many trainings",
            band=0.2,
        ),
        "random_trainings": bootstrapped(
            needed,
            count,
            "trainings",
            {},
            "trainings with which a random search comes within an accuracy point of the search on average; those of the full grid where it never does",
            band=20.0,
            draws=JUDGED,
        ),
        "trainings_saved_over_random": bootstrapped(
            lambda s: 1 - trainings[s].mean() / needed(s),
            count,
            "share of trainings",
            {},
            "trainings that the search and its candidates save of a random search that comes within an accuracy point on average",
            band=10.0,
            draws=JUDGED,
        ),
        "extra_over_random": bootstrapped(
            lambda s: np.log10(trainings[s].mean() / needed(s)),
            count,
            "decades",
            {},
            "log10 of the trainings of the search and its candidates over those of a random search that comes within an accuracy point on average",
            band=2.0,
            draws=JUDGED,
        ),
    }


def small_loop(tried, low):
    """The candidates of a loop that only doubles and then decays the two ends of its bracket; its trainings."""
    doubling = [place for place in tried if place % OCTAVE == 0]
    ends = max(doubling[-1] - OCTAVE, 0), doubling[-1]
    return sorted(set(ends)), len(doubling) + len(set(ends))


def accuracies(rates, final, best):
    way = {"way": list(best)}
    failed = (~(final.final("train_metric", CHANCE) > 2 * CHANCE)).astype(float)
    return {
        "accuracy": per_seed(
            final.final("test_metric", CHANCE),
            "accuracy",
            {"rate": rates},
            "test accuracy against the first rate, decayed at the end",
            band=0.3,
        ),
        "valid_accuracy": per_seed(
            final.final("valid_metric", CHANCE),
            "accuracy",
            {"rate": rates},
            "the same on validation data, by which a rate is picked",
            band=0.3,
        ),
        "picked": per_seed(
            np.stack([*best.values()]),
            "accuracy",
            way,
            "test accuracy at the rate picked by each seed's own validation accuracy",
            band=0.3,
        ),
        "search_regret": per_seed(
            best["grid"] - best["search"],
            "accuracy",
            {},
            "test accuracy at the grid's pick minus at the search's: the last rate that converges, 1.4 and 2 times it",
            band=0.2,
        ),
        "search_over_coarse": per_seed(
            best["search"] - best["coarse"],
            "accuracy",
            {},
            "test accuracy at the search's pick minus at that of a grid twice as coarse, about as many trainings",
            band=0.2,
        ),
        "small_loop_regret": per_seed(
            best["grid"] - best["small loop"],
            "accuracy",
            {},
            "test accuracy at the grid's pick minus at that of a loop which only doubles, one seed",
            band=0.2,
        ),
        "small_loop_gain": per_seed(
            best["small loop"] - best["converging"],
            "accuracy",
            {},
            "test accuracy at the small loop's pick minus at the best rate that converges by itself, both decayed",
            band=0.2,
        ),
        "large_rate_gain": per_seed(
            best["grid"] - best["converging"],
            "accuracy",
            {},
            "test accuracy at the grid's pick minus at the best rate that converges by itself, both decayed",
            band=0.2,
        ),
        "failures_far_above": per_seed(
            failed[-1] - failed[0],
            "share of runs",
            {},
            "runs that learn nothing at the largest rate minus at the smallest",
            band=1.0,
        ),
    }


def costs(cost, coarse, extra):
    total, loop = (np.array(cost[name], dtype=float) for name in ("search", "small loop"))
    return {
        "total_trainings": per_seed(
            total, "trainings", {}, "trainings of the search and its three candidates, one seed", band=6.0
        ),
        "small_loop_trainings": per_seed(loop, "trainings", {}, "trainings of the small loop, one seed", band=6.0),
        "extra_over_a_tenth": per_seed(
            total - 1.1,
            "trainings",
            {},
            "trainings of the search and its candidates minus 1.1, a single training and a tenth",
            band=6.0,
        ),
        "extra_steps": per_seed(
            extra,
            "trainings",
            {},
            "steps of the search, each training stopped where its outcome is known, and of two candidates that are not used, in trainings",
            band=6.0,
        ),
        "extra_over_sweep": per_seed(
            total / coarse - 1.1,
            "share of a sweep",
            {},
            "trainings of the search and its candidates over those of a sweep of nine rates, minus 1.1",
            band=2.0,
        ),
    }


def against_defaults(size, swept):
    """A default rate that gets all the steps of the sweep of nine rates in one run."""
    long = decayed(size, DEFAULTS, size["budgets"][0] * size["long"], path="eager")
    test = long.final("test_metric", CHANCE)
    axes = {"default": DEFAULTS}
    return {
        "default_accuracy": per_seed(
            test,
            "accuracy",
            axes,
            "test accuracy of a default rate with the steps of the whole sweep in one run",
            band=0.3,
        ),
        "sweep_pays": per_seed(
            swept - test,
            "accuracy",
            axes,
            "test accuracy at the rate picked by a sweep of nine minus at a default rate with the steps of the whole sweep in one run",
            band=0.3,
        ),
    }


def expect(q):
    """The largest rate never converges, a search costs less than the grid and stays near its threshold."""
    assert q["converged"].mean[:, -1].max() < 0.5 < q["converged"].mean[-1].max()
    assert q["trainings_saved"].mean > 0
    assert np.nanmax(np.abs(q["search_error"].mean)) < 0.6
    assert abs(np.log10(q["library_threshold"].mean / q["majority_threshold"].mean[0])) < 0.1


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
