"""E71: does the amount of data decide whether a start above the threshold pays?

MNIST-1D with 500 to 4,000 training examples of each seed's own, a 40-64-64-10 ReLU network with free weights, SGD with
batches of 25. First rates are multiples of each seed's own threshold at that amount of data, the largest rate at which
125 passes bring the training loss below 0.01, bisected to 0.02 decade. (With 8,000 examples no rate does so in 62 passes,
and more were not affordable.)

Six first rates above the threshold stand against six that converge. Both are finished alike: fine-tuned at each of
three small rates, or left at the rate they have and averaged over the end. Which rate and which finish, is chosen on
validation data, for each half of the seeds by the other half.

Twice, since two things change with the amount of data. At equal steps the noise of a gradient stays what it is, as the
batch does, and each example is seen less often. At equal passes each example is seen as often, and the steps grow. The
number is the slope of the gain over log10 of the examples: accuracy for a factor of ten of data.
"""

import numpy as np
from halves import picked
from own_rates import bisected, go_on, sweep_own
from quantities import per_seed
from sizes import modes

from lrbook.experiment import Experiment
from lrlib import evaluate_weights, tasks

ID = "e71_amount_of_data"
QUESTION = "Does the amount of data decide whether a start above the convergence threshold pays?"

CHANCE, BATCH = 0.1, 25
BELOW, ABOVE = [0.15, 0.22, 0.3, 0.5, 0.8, 1.0], [1.1, 1.25, 1.6, 2.5, 4.0, 6.0]
FINE = [0.05, 0.1, 0.2]
SIZES = modes(
    quick=dict(
        seeds=2,
        sizes=[100, 200],
        held=200,
        steps=20,
        fine=10,
        passes=5,
        converged=2.0,
        bracket=[0.1, 0.8],
        floor=0.1,
        finest=1.0,
        marks=2,
        path="eager",
    ),
    full=dict(
        seeds=24,
        sizes=[500, 1000, 2000, 4000],
        held=4000,
        steps=2500,
        fine=1000,
        passes=125,
        converged=1e-2,
        bracket=[0.2, 0.5],
        floor=0.02,
        finest=0.02,
        marks=10,
        path="compiled",
    ),
    least=2,
    single=dict(sizes=[500, 1000]),  # the numbers of the larger amounts are made by the same lines
)


def run(mode):
    """Train; `mode` "full": 24 seeds, 4 amounts of data, 12 first rates, "quick": 2 seeds, 2 small amounts."""
    size = SIZES[mode]
    own = [threshold(size, count) for count in size["sizes"]]
    scores = {
        "steps": [finished(size, count, top, 1) for count, top in zip(size["sizes"], own)],
        "passes": [finished(size, count, top, count / size["sizes"][1]) for count, top in zip(size["sizes"], own)],
    }
    q = {
        "threshold": per_seed(
            np.stack(own),
            "rate",
            {"examples": size["sizes"]},
            "each seed's largest rate that converges in the passes given, bisected to 0.02 decade",
            band=2.0,
        )
    }
    for way, found in scores.items():
        q |= described(size, way, found)
    return q


def problem(count, held):
    return tasks.mnist1d(train=count, valid=max(held // 2, 10), test=held, batch=BATCH)


def threshold(size, count):
    """Each seed's own threshold at an amount of data, [seed]."""
    task, seeds = problem(count, 20), list(range(size["seeds"]))
    steps = size["passes"] * count // BATCH

    def converges(rates):
        record = sweep_own(task, rates[None], seeds, steps=steps, path=size["path"])
        return np.nan_to_num(record.final("train_loss"), nan=np.inf) < size["converged"]

    return bisected(converges, *size["bracket"], seeds=len(seeds), finest=size["finest"], floor=size["floor"])


def finished(size, count, top, times):
    """Accuracies of every first rate with every finish, {part: [place, finish, seed]}; both phases `times` as long."""
    task, seeds = problem(count, size["held"]), list(range(size["seeds"]))
    rates, fine = np.array([*BELOW, *ABOVE])[:, None] * top, round(size["fine"] * times)
    before = sweep_own(task, rates, seeds, steps=round(size["steps"] * times), path=size["path"])
    ends = [fine - fine // (2 * size["marks"]) * k for k in range(size["marks"])]
    after = go_on(task, before.parameters, rates, FINE, seeds, steps=fine, snapshots=ends, path=size["path"])
    kept, shape = slice(len(FINE) * rates.size, None), (len(FINE), *rates.shape)
    mean = {name: w[kept] for name, w in after.average(ends).parameters.items()}
    value = evaluate_weights(task, mean, seeds=after.seed[kept], sets=("valid", "test"))
    lost = np.isnan(before.final("train_loss")).reshape(rates.shape)
    found = {}
    for part in ("valid", "test"):
        tuned = after.final(f"{part}_metric")[: kept.start].reshape(shape)
        both = np.concatenate([tuned, value[f"{part}_metric"].reshape(1, *rates.shape)])
        found[part] = np.nan_to_num(np.where(lost, np.nan, both), nan=CHANCE).swapaxes(0, 1)
    return found


def best(scores, places):
    """Test accuracy at the place and finish that the other half of the seeds prefers, [seed]."""
    return picked(scores["valid"][places], scores["test"][places])


def described(size, way, found):
    """Accuracies and gains by the amount of data, and the slope of the gain."""
    below = np.stack([best(scores, slice(len(BELOW))) for scores in found])
    above = np.stack([best(scores, slice(len(BELOW), None)) for scores in found])
    examples, words = {"examples": size["sizes"]}, f"equal {way}"
    slope = np.polyfit(np.log10(size["sizes"]), above - below, 1)[0]
    return {
        f"accuracy_by_place_{way}": per_seed(
            np.stack([scores["test"].mean(axis=1) for scores in found]),
            "accuracy",
            examples | {"multiple": [*BELOW, *ABOVE]},
            f"{words}: test accuracy against the first rate, mean of the finishes",
            band=0.5,
        ),
        f"accuracy_converging_{way}": per_seed(
            below, "accuracy", examples, f"{words}: test accuracy of the best converging first rate, finished", band=0.5
        ),
        f"accuracy_above_{way}": per_seed(
            above, "accuracy", examples, f"{words}: test accuracy of the best first rate above, finished", band=0.5
        ),
        f"gain_{way}": per_seed(
            above - below,
            "accuracy",
            examples,
            f"{words}: best first rate above the threshold minus best converging one, finished alike",
            band=0.5,
        ),
        f"gain_slope_{way}": per_seed(
            slope, "accuracy", {}, f"{words}: slope of that gain over log10 of the number of examples", band=1.0
        ),
        f"more_data_{way}": per_seed(
            below[-1] - below[0],
            "accuracy",
            {},
            f"positive control, {words}: best converging first rate, most data minus least",
            band=0.5,
        ),
    }


def expect(q):
    """More data is more accuracy: what must come out where the measurement works."""
    assert q["more_data_passes"].mean > 0


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__, round=2)

if __name__ == "__main__":
    EXPERIMENT.main()
