"""E65: averaging the weights of a run at a constant rate, against letting the rate fall.

MNIST-1D with 2,000 examples, a 40-64-64-10 ReLU network, SGD with batches of 50, the same
number of steps for every arm. The constant run gives its last weights, their averages
(SWA, LAWA, EMA, over several windows), and the place from which the last quarter of the
steps is made at a low rate. Rates, windows and low rates are chosen on validation data, for
each half of the seeds by the other half.
"""

from dataclasses import dataclass

import numpy as np
from halves import crossed
from quantities import fixed, per_seed
from sizes import modes
from sweeps import sweep
from tuning import grid

from lrbook.experiment import Experiment
from lrlib import EMA, LAWA, SWA, cosine, evaluate_weights, tasks

ID = "e65_averaging"
QUESTION = "Do averaged weights, or a low rate at the end, replace a rate that falls all along?"

CHANCE = 0.1
LOW = [0.1, 0.316227766]
SIZES = modes(
    quick=dict(seeds=3, train=200, held=300, width=16, batch=20, steps=80, rates=grid(-1, 0.5)[::2], path="eager"),
    full=dict(seeds=80, train=2000, held=10_000, width=64, batch=50, steps=1600, rates=grid(-1, 0.5), path="compiled"),
)


@dataclass
class Arm:
    """A way to use the steps: accuracies [option, rate, seed] and what the options are called."""

    options: list
    valid: np.ndarray
    test: np.ndarray

    def mixed(self, choose, judge):
        """The arm with the validation scores of the seeds that choose and the test scores of those that judge."""
        return Arm(self.options, self.valid[..., choose], self.test[..., judge])

    def choice(self):
        """Option and rate with the highest mean validation accuracy."""
        scores = self.valid.mean(axis=-1)
        return tuple(int(i) for i in np.unravel_index(scores.argmax(), scores.shape))

    def own_rates(self):
        """Place of the rate that each seed's own validation accuracy prefers, at its best option, [seed]."""
        return self.valid.max(axis=0).argmax(axis=0)


def run(mode):
    """Train; `mode` "full": 80 seeds, 7 rates, 1,600 steps, "quick": 3 seeds, 4 rates, 80 steps of a small network."""
    size = SIZES[mode]
    task = tasks.mnist1d(
        train=size["train"], valid=min(2000, size["held"]), test=size["held"], width=size["width"], batch=size["batch"]
    )
    steps, every = size["steps"], size["steps"] // 80
    run_at = dict(lr=size["rates"], seeds=size["seeds"], path=size["path"])
    kept = range(steps // 2 + every, steps + 1, every)
    still = sweep(task, "sgd", steps=steps, snapshots=list(kept), **run_at)
    arms = {"constant": arm(size, [""], [still])}
    arms |= averages(task, size, still, list(kept))
    arms["low rate at the end"] = finetuned(task, size, still)
    arms["cosine"] = arm(size, [""], [sweep(task, "sgd", steps=steps, plan=cosine(steps), **run_at)])

    def halved(choose, judge):
        return contrasts(size, {name: one.mixed(choose, judge) for name, one in arms.items()})

    return curves(size, arms) | crossed(halved, size["seeds"])


def arm(size, options, records):
    shape = len(size["rates"]), size["seeds"]
    scores = [[r.final(f"{part}_metric").reshape(shape) for r in records] for part in ("valid", "test")]
    return Arm(options, *np.nan_to_num(np.array(scores), nan=CHANCE))


def averages(task, size, record, kept):
    """Arms of averages of the weights kept in the second half: a snapshot each eightieth of the run."""
    half, quarter, eighth = kept, kept[len(kept) // 2 :], kept[-len(kept) // 4 :]
    rows = {
        "SWA": {"half": (SWA(), half), "quarter": (SWA(), quarter), "eighth": (SWA(), eighth)},
        "LAWA": {"5": (LAWA(k=5), half), "5, every second": (LAWA(k=5), half[1::2])},
        "EMA": {f"{d}": (EMA(d), half) for d in (0.8, 0.9, 0.95)},
    }
    gone, shape = np.asarray(record.status) == "diverged", (len(size["rates"]), size["seeds"])
    arms = {}
    for name, options in rows.items():
        found = []
        for average, steps in options.values():
            mean = average.over([record.snapshots[k]["parameters"] for k in steps])
            values = evaluate_weights(task, mean, seeds=record.seed, sets=["valid", "test"])
            found.append(
                [
                    np.where(gone, CHANCE, np.nan_to_num(values[f"{part}_metric"], nan=CHANCE)).reshape(shape)
                    for part in ("valid", "test")
                ]
            )
        arms[name] = Arm([*options], *np.array(found).swapaxes(0, 1))
    everything = [Arm([f"{name} {o}" for o in a.options], a.valid, a.test) for name, a in arms.items()]
    return arms | {
        "best average": Arm(
            *(
                sum((e.options for e in everything), [])
                if part == "options"
                else np.concatenate([getattr(e, part) for e in everything])
                for part in ("options", "valid", "test")
            )
        )
    }


def finetuned(task, size, record):
    """The last quarter at each low rate, from the weights at three quarters; a run that had diverged stays so."""
    steps, gone = size["steps"], np.asarray(record.status) == "diverged"
    start = record.snapshots[steps * 3 // 4]["parameters"]
    found = []
    for low in LOW:
        after = sweep(
            task,
            "sgd",
            lr=[low] * len(size["rates"]),
            seeds=size["seeds"],
            steps=steps // 4,
            start=start,
            path=size["path"],
        )
        after.evaluations |= {
            name: np.where(gone[:, None], np.nan, v) for name, v in after.evaluations.items() if name != "step"
        }
        found.append(after)
    return arm(size, [f"{low:.3g}" for low in LOW], found)


def curves(size, arms):
    names, rates = {"arm": list(arms)}, {"rate": size["rates"]}
    chosen = {name: one.choice() for name, one in arms.items()}
    valid = {
        f"valid_accuracy_{name.lower().replace(' ', '_')}": per_seed(
            one.valid[chosen[name][0]],
            "accuracy",
            rates,
            f"{name}: validation accuracy against the rate, with the best window or low rate",
            band=0.3,
        )
        for name, one in arms.items()
    }
    return valid | {
        "accuracy_by_rate": per_seed(
            np.stack([one.test[chosen[n][0]] for n, one in arms.items()]),
            "accuracy",
            names | rates,
            "test accuracy against the rate, with the arm's best window or low rate",
            band=0.3,
        ),
        "best_rate": fixed(
            [size["rates"][chosen[n][1]] for n in arms],
            "rate",
            names,
            "the rate chosen on validation accuracy",
            band=10.0,
        ),
        "best_option": fixed(
            [chosen[n][0] for n in arms],
            "place",
            names,
            "place of the chosen option, from 0: "
            + "; ".join(
                f"{n}: {', '.join(a.options)}" for n, a in arms.items() if len(a.options) > 1 and n != "best average"
            ),
            band=10.0,
        ),
    }


def contrasts(size, arms):
    test = {name: one.test[one.choice()] for name, one in arms.items()}
    still, low, mean = arms["constant"], arms["low rate at the end"], arms["best average"]
    shift = np.log10(size["rates"][low.own_rates()] / size["rates"][still.own_rates()])
    all_low = still.test[0, [int(np.abs(np.log(size["rates"] / LOW[low.choice()[0]])).argmin())][0]]

    def gain(a, b, about):
        return per_seed(a - b, "accuracy", {}, f"test accuracy: {about}", band=0.2)

    return {
        "accuracy": per_seed(
            np.stack([*test.values()]),
            "accuracy",
            {"arm": list(arms)},
            "test accuracy at the rate and option that the other half of the seeds chose on validation data",
            band=0.2,
        ),
        "finetune_gain": gain(
            test["low rate at the end"], test["constant"], "low rate at the end minus constant, each at its best rate"
        ),
        "average_gain": gain(
            test["best average"],
            test["constant"],
            "averaged weights minus last ones of a constant rate, each at its best rate",
        ),
        "cosine_gain": gain(test["cosine"], test["constant"], "cosine decay minus constant, each at its best rate"),
        "average_adds": gain(
            test["best average"], still.test[0, mean.choice()[1]], "averaged weights minus last ones of the same runs"
        ),
        "finetune_adds": gain(
            test["low rate at the end"],
            still.test[0, low.choice()[1]],
            "low rate at the end minus going on at the same rate, equal steps",
        ),
        "early_search_gain": gain(
            test["low rate at the end"], all_low, "low rate at the end minus that low rate all along, equal steps"
        ),
        "average_over_cosine": gain(
            test["best average"],
            test["cosine"],
            "averaged weights of a constant rate minus cosine decay, each at its best rate",
        ),
        "average_over_finetune": gain(
            test["best average"],
            test["low rate at the end"],
            "averaged weights of a constant rate minus low rate at the end, each at its best rate",
        ),
        "higher_first_rate": per_seed(
            shift,
            "decades",
            {},
            "log10 of the best first rate, with a low rate at the end, over the best constant rate, each seed's own by validation",
            band=2.0,
        ),
    }


def expect(q):
    """Every arm learns, and neither averaging nor a low rate at the end costs much at the same first rate."""
    assert q["accuracy"].mean.min() > 0.15
    assert q["average_adds"].mean > -0.05 and q["finetune_adds"].mean > -0.05
    assert q["best_rate"].mean.max() < 3


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
