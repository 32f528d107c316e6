"""E67: what it costs to find a rate, by way of the convergence threshold and otherwise.

MNIST-1D with 1,000 examples, a 40-64-64-10 ReLU network, SGD with batches of 50; a training has 1,000 steps at its
rate and 250 at a falling one. Nothing is known of the rate but that it lies between 1e-4 and 10: a grid of half
octaves over these five decades, each rate trained for every seed. All ways to look for a rate are replayed on these
outcomes, seed by seed, each choosing by the seed's own validation accuracy.

The search starts at 0.01 and doubles the rate, as long as runs are merely slow or converge, until one that follows a
convergent run fails, or one diverges; bisects; and decays three candidates, the last rate that converges, 1.4 and 2
times it. Against it stand, at equal cost, a random search of the five decades, whose mean over all draws is exact, a
coarser grid, and successive halving. A search that may cost a tenth of a training gives a few rates a few steps each.
`convergence_threshold` itself runs once for all seeds together, from a start near the threshold.

A sweep of nine rates is held against a default rate that gets the steps of all nine in one run, also with 4,000
examples and three times the steps.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
from halves import other_half
from quantities import fixed, per_seed
from sizes import modes
from tuning import curve

from lrbook.experiment import Experiment
from lrlib import convergence_threshold, hold, linear, reached, tasks

ID = "e67_threshold"
QUESTION = "What does it cost to find a good rate, and does the search for the threshold pay?"

GOAL, CHANCE, OCTAVE = 1e-2, 0.1, 2  # OCTAVE: places of the grid to a factor of two
CANDIDATES = (0, 1, 2)  # places above the last rate that converges
COARSE, NINE = 3, 4  # every third rate is about as many as the search trains, every fourth is nine
DEFAULTS = [0.01, 0.1]
SIZES = modes(
    quick=dict(
        seeds=2,
        train=10,
        held=100,
        width=16,
        batch=10,
        start=0.09,
        places=(-2, 13),
        near=0.35,
        budgets=[60, 80],
        every=20,
        rungs=[(20, 6), (40, 2)],
        short=[(3, 2), (6, 1)],
        path="eager",
        more_seeds=2,
        more=dict(train=20, steps=40),
    ),
    full=dict(
        seeds=80,
        train=1000,
        held=10_000,
        width=64,
        batch=50,
        start=0.01,
        places=(-13, 20),
        near=0.45,
        budgets=[1000, 2000],
        every=50,
        rungs=[(125, 17), (250, 8), (500, 4), (1000, 2)],
        short=[(5, 25), (9, 13), (17, 7)],
        path="compiled",
        more_seeds=16,
        more=dict(train=4000, steps=3000),
    ),
    counts=("seeds", "more_seeds"),
    least=2,
)


@dataclass
class Constant:
    """Runs at constant rates: `lowest` training loss within each budget [budget, rate, seed]; whether a run `diverged`
    within the shortest budget, and `spent`, the steps after which it can be stopped there, [rate, seed]; and `valid`
    accuracies {step: [rate, seed]}.
    """

    lowest: np.ndarray
    diverged: np.ndarray
    spent: np.ndarray
    valid: dict

    @property
    def converged(self):
        """Whether a run reaches the goal, [budget, rate, seed]."""
        return self.lowest <= GOAL


def run(mode):
    """Train; `mode` "full": 80 seeds, 34 rates, budgets up to 2,000 steps, "quick": 2 seeds, up to 80 steps, a small net."""
    size = SIZES[mode]
    rates = grid(size)
    constant, final = constant_runs(size, rates), decayed(size, rates, size["budgets"][0])
    searched = [
        search(*outcome, start=-size["places"][0]) for outcome in zip(constant.converged[0].T, constant.diverged.T)
    ]
    return (
        thresholds(size, rates, constant)
        | searches(size, rates, constant, searched)
        | picks(size, rates, constant, final, searched)
        | against_defaults(size, "", final.lr[::NINE], final)
        | more_data(size, rates)
    )


def grid(size):
    """The rates, half octaves around the start of the search."""
    low, high = size["places"]
    return size["start"] * 2.0 ** (np.arange(low, high + 1) / OCTAVE)


def data(size, valid, test):
    return tasks.mnist1d(train=size["train"], valid=valid, test=test, width=size["width"], batch=size["batch"])


def constant_runs(size, rates):
    """Train at constant rates for the longest budget: → `Constant`."""
    looked = {step for step, _ in size["rungs"]} | {steps for _, steps in size["short"]}
    found = curve(
        data(size, min(2000, size["held"]), 10),
        "sgd",
        rates,
        size["seeds"],
        steps=size["budgets"][-1],
        evaluate=sorted({*range(0, size["budgets"][-1] + 1, size["every"]), *looked}),
        path=size["path"],
    )
    loss = np.nan_to_num(found.metrics["train_loss"], nan=np.inf)
    so_far = np.minimum.accumulate(loss, axis=-1)
    ends = [np.searchsorted(found.step, budget, side="right") - 1 for budget in size["budgets"]]
    known = ((loss <= GOAL) | np.isinf(loss))[..., : ends[0] + 1]
    valid = np.nan_to_num(found.metrics["valid_metric"], nan=CHANCE)
    return Constant(
        np.stack([so_far[..., end] for end in ends]),
        np.isinf(loss[..., ends[0]]),
        np.where(known.any(axis=-1), found.step[known.argmax(axis=-1)], size["budgets"][0]),
        {step: valid[..., np.searchsorted(found.step, step)] for step in sorted(looked)},
    )


def decayed(size, rates, steps):
    """Every rate, constant for `steps` steps and then falling to zero in a quarter of them."""
    plan, total = hold(steps) >> linear(steps // 4), steps + steps // 4
    task = data(size, min(2000, size["held"]), size["held"])
    return curve(task, "sgd", rates, size["seeds"], plan=plan, steps=total, evaluate=[total], path=size["path"])


def search(converges, diverges, start):
    """Doubling and bisection over outcomes along the rates, [rate]: → (place of the last rate that converges, places tried).

    A run that neither converges nor diverges counts as too slow as long as none has converged. The place is −1 where
    none does, and the last one tried where none fails.
    """
    low, high, tried = -1, None, []
    for place in range(start, len(converges), OCTAVE):
        tried.append(place)
        if not converges[place] and (low >= 0 or diverges[place]):
            high = place
            break
        low = place if converges[place] else low
    while high is not None and low >= 0 and high - low > 1:
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


def thresholds(size, rates, constant):
    """The threshold by the whole grid, at both budgets."""
    axes, budgets = {"budget": size["budgets"], "rate": rates}, {"budget": size["budgets"]}
    own = np.log10(middle(rates, last(constant.converged)))
    learned = constant.valid[size["rungs"][-1][0]] > 2 * CHANCE
    return {
        "lowest_loss": per_seed(
            np.minimum(constant.lowest, 10.0),
            "nats",
            axes,
            "lowest training loss within the budget at a constant rate; 10 stands for anything above and for runs that diverged",
            band=3.0,
        ),
        "converged": per_seed(
            constant.converged.astype(float),
            "share of runs",
            axes,
            "whether the training loss falls below 0.01 within the budget",
            band=1.0,
        ),
        "threshold": per_seed(
            10**own,
            "rate",
            budgets,
            "the threshold by the full grid: the middle between the largest rate that converges and the next one",
            band=5.0,
        ),
        "threshold_shift": per_seed(
            own[-1] - own[0],
            "decades",
            {},
            "log10 of the threshold of the longest budget over that of the shortest",
            band=1.0,
        ),
        "failures_far_above": per_seed(
            1.0 - learned[-1],
            "share of runs",
            {},
            "runs that learn nothing at the largest rate of the grid",
            band=1.0,
        ),
    }


def searches(size, rates, constant, searched):
    """What the search finds and costs, and the library's, all seeds together."""
    place, own = np.array([low for low, _ in searched]), last(constant.converged)[0]
    spent = np.array([constant.spent[tried, s].sum() for s, (_, tried) in enumerate(searched)], dtype=float)
    library = convergence_threshold(
        data(size, 10, 10),
        criterion=reached(GOAL, "train_loss"),
        start=size["near"],
        seeds=size["seeds"],
        path="eager",
        precision=np.log10(2) / OCTAVE + 1e-9,
        steps=size["budgets"][0],
        evaluate=size["every"],
    )
    return {
        "search_error": per_seed(
            np.log10(middle(rates, place) / middle(rates, own)),
            "decades",
            {},
            "log10 of the threshold by search, one seed, over that by the full grid of the same seed",
            band=1.0,
        ),
        "search_trainings": per_seed(
            [len(tried) for _, tried in searched],
            "trainings",
            {},
            "trainings of the search with one seed: the start, the doublings, the bisection",
            band=9.0,
        ),
        "search_steps": per_seed(
            spent / size["budgets"][0],
            "trainings",
            {},
            "its steps when each training is stopped where it has converged or diverged, in trainings",
            band=9.0,
        ),
        "library_threshold": fixed(
            library.rate, "rate", {}, "the threshold that convergence_threshold finds for the shortest budget", band=5.0
        ),
        "library_trainings": fixed(library.trainings, "trainings", {}, "its trainings, all seeds", band=30.0),
    }


def halving(constant, valid, rungs):
    """The place that successive halving ends with, [seed]: after each rung's steps so many of the best rates go on.

    The last ones are decayed, and the best of them on validation data is the pick.
    """
    alive = np.ones(valid.shape, dtype=bool)
    for step, keep in rungs:
        score = np.where(alive, constant.valid[step], -np.inf)
        rank = np.argsort(np.argsort(-score, axis=0, kind="stable"), axis=0)
        alive &= rank < keep
    return np.where(alive, valid, -np.inf).argmax(axis=0)


def halving_steps(count, rungs, total):
    """Steps that successive halving takes from `count` rates on; the last ones go on to `total`.

    >>> halving_steps(4, [(10, 2)], 50)
    120
    """
    ends, alive = [step for step, _ in rungs] + [total], [count, *(keep for _, keep in rungs)]
    return sum(n * (end - begin) for n, begin, end in zip(alive, [0, *ends], ends))


def short_trials(constant, valid, short):
    """The place that a few rates with a few steps each lead to, [seed]; how many with how many, the other half chooses."""
    places = [np.round(np.linspace(0, len(valid) - 1, count)).astype(int) for count, _ in short]
    found = np.stack([at[constant.valid[steps][at].argmax(axis=0)] for at, (_, steps) in zip(places, short)])
    return found[other_half(np.take_along_axis(valid, found, axis=0)), np.arange(valid.shape[1])]


def small_loop(tried, low):
    """The candidates of a loop that only doubles and then decays the two ends of its bracket; its trainings."""
    doubling = [place for place in tried if (place - tried[0]) % OCTAVE == 0]
    ends = {max(doubling[-1] - OCTAVE, 0), doubling[-1]} if low >= 0 else {tried[0]}
    return sorted(ends), len(doubling) + len(ends)


def random_search(valid, test, count):
    """Mean test score at the best validation score of `count` different rates drawn at random; [rate, seed] → [seed].

    The rate of rank r from the top is the best of the drawn ones with the probability C(n − 1 − r, k − 1)/C(n, k).

    >>> random_search(np.array([[1.0], [2.0], [3.0]]), np.array([[0.0], [0.0], [0.9]]), 2).round(3)
    array([0.6])
    """
    n, order = len(valid), np.argsort(-valid, axis=0, kind="stable")
    chance = np.array([comb(n - 1 - r, count - 1) / comb(n, count) for r in range(n)])
    return (chance[:, None] * np.take_along_axis(test, order, axis=0)).sum(axis=0)


@dataclass
class Way:
    """A way to look for a rate: the `places` of the rates that it decays, of each seed, and what it `costs` in trainings,
    [seed]; None where the cost is not asked for.
    """

    places: list
    costs: object = None


def by_threshold(top, searched):
    """The ways that follow the threshold of each seed; top: the last place."""
    found = [[min(low + k, top) for k in CANDIDATES] if low >= 0 else [tried[0]] for low, tried in searched]
    loops = [small_loop(tried, low) for low, tried in searched]
    return {
        "search": Way(found, [len(tried) + len(CANDIDATES) for _, tried in searched]),
        "small loop": Way([ends for ends, _ in loops], [count for _, count in loops]),
        "converging": Way([range(max(low, 0) + 1) for low, _ in searched]),
    }


def by_grid(rates, seeds):
    """Every rate, every third, every fourth."""
    every = {"grid": range(rates), "coarse": range(0, rates, COARSE), "nine": range(0, rates, NINE)}
    return {name: Way([places] * seeds, [len(places)] * seeds) for name, places in every.items()}


def by_trials(size, constant, valid):
    """The ways that stop poor rates early; steps count as shares of a training."""
    total, spent = size["budgets"][0] * 5 // 4, max(count * steps for count, steps in size["short"])
    found = {
        "halving": (halving(constant, valid, size["rungs"]), halving_steps(len(valid), size["rungs"], total)),
        "short": (short_trials(constant, valid, size["short"]), total + spent),
    }
    return {
        name: Way([[place] for place in places], [steps / total] * len(places))
        for name, (places, steps) in found.items()
    }


def picks(size, rates, constant, final, searched):
    """Test accuracy at the rates that each way picks, seed by seed, and what each way costs."""
    valid, test = final.final("valid_metric", CHANCE), final.final("test_metric", CHANCE)
    count, seeds = valid.shape
    ways = by_threshold(count - 1, searched) | by_grid(count, seeds) | by_trials(size, constant, valid)
    costs = {name: np.array(way.costs, dtype=float) for name, way in ways.items() if way.costs is not None}
    best = {
        name: np.array([test[max(some, key=lambda i: valid[i, s]), s] for s, some in enumerate(way.places)])
        for name, way in ways.items()
    }
    return (
        accuracies(rates, valid, test, best, costs)
        | comparisons(best)
        | against_random(valid, test, best["search"], costs["search"])
    )


def accuracies(rates, valid, test, best, costs):
    return {
        "accuracy": per_seed(
            test, "accuracy", {"rate": rates}, "test accuracy against the first rate, decayed at the end", band=0.3
        ),
        "valid_accuracy": per_seed(
            valid,
            "accuracy",
            {"rate": rates},
            "the same on validation data, by which a rate is picked",
            band=0.3,
        ),
        "picked": per_seed(
            np.stack([*best.values()]),
            "accuracy",
            {"way": list(best)},
            "test accuracy at the rate picked by each seed's own validation accuracy",
            band=0.3,
        ),
        "cost": per_seed(
            np.stack([*costs.values()]),
            "trainings",
            {"way": list(costs)},
            "trainings of a way to look for a rate, one seed; steps of shorter runs count as their share",
            band=9.0,
        ),
    }


def comparisons(best):
    """Differences between ways, all decayed at the end."""
    pairs = {
        "search_regret": ("grid", "search", "at the grid's pick minus at the threshold search's"),
        "search_over_coarse": (
            "search",
            "coarse",
            "at the search's pick minus at that of a grid three times as coarse",
        ),
        "search_over_halving": ("search", "halving", "at the search's pick minus at that of successive halving"),
        "halving_regret": ("grid", "halving", "at the grid's pick minus at that of successive halving"),
        "tenth_regret": (
            "grid",
            "short",
            "at the grid's pick minus at that of short trials, a tenth of a training in all",
        ),
        "small_loop_regret": ("grid", "small loop", "at the grid's pick minus at that of a loop which only doubles"),
        "small_loop_gain": (
            "small loop",
            "converging",
            "at the small loop's pick minus at the best rate that converges",
        ),
        "large_rate_gain": ("grid", "converging", "at the grid's pick minus at the best rate that converges by itself"),
    }
    return {
        name: per_seed(best[one] - best[other], "accuracy", {}, f"test accuracy {about}, all decayed", band=0.4)
        for name, (one, other, about) in pairs.items()
    }


def against_random(valid, test, searched, trainings):
    """The search against a random search of the five decades with as many trainings."""
    n = len(valid)
    by_count = np.stack([random_search(valid, test, k) for k in range(1, n + 1)])  # [trainings, seed]
    equal = np.array([by_count[min(int(k), n) - 1, s] for s, k in enumerate(trainings)])
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
            "test accuracy at the search's pick minus at that of a random search of five decades with as many trainings",
            band=0.4,
        ),
    }


def against_defaults(size, which, rates, final):
    """A default rate that gets all the steps of a sweep of nine rates in one run, against the sweep's pick."""
    places = [final.index(rate) for rate in rates]
    valid, test = (final.final(f"{part}_metric", CHANCE)[places] for part in ("valid", "test"))
    swept = np.take_along_axis(test, valid.argmax(axis=0)[None], axis=0)[0]
    steps = size["budgets"][0] * len(rates)
    long = decayed(size, DEFAULTS, steps).final("test_metric", CHANCE)
    axes = {"default": DEFAULTS}
    return {
        f"default_accuracy{which}": per_seed(
            long,
            "accuracy",
            axes,
            "test accuracy of a default rate with the steps of the whole sweep in one run",
            band=0.4,
        ),
        f"sweep_pays{which}": per_seed(
            swept - long,
            "accuracy",
            axes,
            "test accuracy at the rate picked by a sweep of nine minus at a default rate with the steps of the whole sweep in one run",
            band=0.4,
        ),
    }


def more_data(size, rates):
    """The sweep against the defaults again, with more examples and steps."""
    more = size["more"]
    other = size | dict(seeds=size["more_seeds"], train=more["train"], budgets=[more["steps"]])
    final = decayed(other, rates[::NINE], more["steps"])
    reached_there = final.final("test_metric", CHANCE)
    return against_defaults(other, "_more", final.lr, final) | {
        "accuracy_more": per_seed(
            reached_there,
            "accuracy",
            {"rate": final.lr},
            "test accuracy with 4,000 examples, decayed at the end",
            band=0.4,
        )
    }


def expect(q):
    """The largest rate never converges, a search costs less than the grid and stays near its threshold."""
    assert q["converged"].mean[:, -1].max() < 0.5 < q["converged"].mean.max()
    assert np.nanmax(np.abs(q["search_error"].mean)) < 0.6
    cost = dict(zip(q["cost"].axes["way"], q["cost"].mean))
    assert cost["short"] < cost["search"] < cost["grid"]
    loss = q["lowest_loss"].mean[0]
    assert loss[0] > loss.min(), "the smallest rate is too slow: the positive control"


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, round=2)

if __name__ == "__main__":
    EXPERIMENT.main()
