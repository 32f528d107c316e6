"""E27: the rate of fine-tuning, and a rate for each layer, in fine-tuning and from scratch.

A 40-64-64-10 ReLU network is trained on 2,000 examples of MNIST-1D and fine-tuned by SGD on 500 of a shifted one
(sheared further, noisier), 300 steps with batches of 25. Rates are chosen on some seeds and judged on others. From
scratch: networks of width 32 and 2, 4 and 8 hidden layers on 500 examples of MNIST-1D.
"""

import numpy as np
from best_range import best, bootstrapped, decades, middle
from layer_rates import discriminative, scores, searched, trained, uniform
from quantities import fixed, per_seed
from shifted import pretrained, repeated, source, target, target_seeds
from sizes import modes
from sweeps import sweep
from tuning import grid

from lrbook.experiment import Experiment
from lrlib import evaluate_weights

ID = "e27_layers"
QUESTION = "Does the rate matter in fine-tuning, and does each layer need its own?"

FACTOR = 2.6  # ULMFiT's
SIZES = modes(
    quick=dict(
        pilot=2,
        seeds=3,
        width=16,
        held=500,
        train=(200, 100),
        before=60,
        steps=20,
        batch=20,
        rounds=1,
        depths=[2],
        narrow=8,
        rates=grid(-3, 0)[::4],
        lars=[1e-3, 1e-2],
        scratch=grid(-1, 0)[::2],
    ),
    full=dict(
        pilot=6,
        seeds=16,
        width=64,
        held=2000,
        train=(2000, 500),
        before=1600,
        steps=300,
        batch=25,
        rounds=3,
        depths=[2, 4, 8],
        narrow=32,
        rates=grid(-3.5, 0),
        lars=10 ** np.arange(-4, -0.9, 0.25),
        scratch=grid(-1.5, 0.25),
    ),
    counts=("seeds", "pilot"),
    least=2,
)


class Halves:
    """Seeds to choose on and seeds to judge on, with the weights that they start from ([seed, …], or None)."""

    def __init__(self, size, seeds, weights=None):
        self.pilot = slice(0, size["pilot"]), list(seeds)[: size["pilot"]]
        self.fresh = slice(size["pilot"], None), list(seeds)[size["pilot"] :]
        self.weights = weights

    def start(self, half):
        """The weights of one half."""
        return None if self.weights is None else {name: value[half[0]] for name, value in self.weights.items()}

    def chosen(self, task, options, steps):
        """Place of the best option [option, layer] on the pilot's validation accuracy."""
        return int(best(trained(task, options, self.pilot[1], steps, self.start(self.pilot))[0]))

    def judged(self, task, options, steps):
        """Scores [2, option, seed] of the fresh seeds."""
        return trained(task, options, self.fresh[1], steps, self.start(self.fresh))


def run(mode):
    """Train; `mode` "full": 6 seeds to choose on and 16 to judge on, "quick": 2 and 3, small networks."""
    size = SIZES[mode]
    return finetuning(size) | from_scratch(size)


def finetuning(size):
    first = source(size["train"][0], size["held"], size["width"])
    task, steps = target(size["train"][1], size["held"], size["width"], batch=size["batch"]), size["steps"]
    own = range(size["pilot"] + size["seeds"])
    weights = pretrained(first, own, size["before"])
    tuned, plain = (Halves(size, target_seeds(own), w) for w in (weights, None))
    options = {
        "uniform": uniform(size["rates"], 3),
        "ulmfit": discriminative(size["rates"] * FACTOR, 3, FACTOR),
        "reversed": discriminative(size["rates"] / FACTOR, 3, 1 / FACTOR),
    }
    picked = {name: rates[tuned.chosen(task, rates, steps)] for name, rates in options.items()}
    picked["searched"] = searched(
        task, picked["uniform"], tuned.pilot[1], steps, size["rounds"], tuned.start(tuned.pilot)
    )
    scratch = uniform(size["scratch"], 3)
    at = plain.chosen(task, scratch, steps), plain.judged(task, scratch, steps)
    _, test = tuned.judged(task, list(picked.values()), steps)
    arms = dict(zip(picked, test)) | {"lars": lars(size, task, tuned)}
    arms["not fine-tuned"] = evaluate_weights(task, tuned.start(tuned.fresh), sets=["test"], seeds=tuned.fresh[1])[
        "test_metric"
    ]
    return layers(picked, arms) | first_rate(size, task, tuned, picked["uniform"][0], at)


def lars(size, task, tuned):
    """Test accuracy [seed] of LARS without momentum at its best rate."""

    def at(rates, half):
        record = sweep(
            task,
            "lars",
            lr=rates,
            seeds=half[1],
            steps=size["steps"],
            start=repeated(tuned.start(half), len(rates)),
            path="eager",
            trust=1.0,
            momentum=0.0,
        )
        return scores(record, len(rates))

    chosen = size["lars"][best(at(size["lars"], tuned.pilot)[0])]
    return at([chosen], tuned.fresh)[1][0]


def layers(picked, arms):
    """What rates by layer bring in fine-tuning, against one rate."""
    gains = {
        name: per_seed(
            arms[name] - arms["uniform"],
            "accuracy",
            {},
            f"fine-tuning: {text} minus one rate for all layers, each tuned",
            band=0.2,
        )
        for name, text in (
            ("ulmfit", "each layer 2.6 times slower than the next"),
            ("reversed", "each layer 2.6 times faster than the next"),
            ("searched", "a searched rate for each layer"),
            ("lars", "LARS"),
        )
    }
    relative = picked["searched"] / picked["uniform"]
    return {f"{name}_gain": gain for name, gain in gains.items()} | {
        "accuracy": per_seed(
            np.stack(list(arms.values())),
            "accuracy",
            {"arm": list(arms)},
            "test accuracy on the shifted data at the chosen rates",
            band=0.2,
        ),
        "searched_factors": fixed(
            relative,
            "ratio",
            {"layer": [1, 2, 3]},
            "fine-tuning: searched rate of each layer over the one rate",
            band=100.0,
        ),
        "chosen_rates": fixed(
            np.stack(list(picked.values())),
            "rate",
            {"arm": list(picked), "layer": [1, 2, 3]},
            "fine-tuning: chosen rate of each layer",
            band=10.0,
        ),
        "finetune_gain": per_seed(
            arms["uniform"] - arms["not fine-tuned"],
            "accuracy",
            {},
            "fine-tuned at the best one rate minus not at all",
            band=0.2,
        ),
    }


def first_rate(size, task, tuned, rate, scratch):
    """Whether the one rate of fine-tuning matters; `scratch`: place of the best rate from scratch, and the fresh seeds' scores."""
    place, (valid, test) = scratch
    offers = np.array([rate, rate / 10, rate * 10, size["scratch"][place]])
    _, (own, low, high, theirs) = tuned.judged(task, uniform(offers, 3), size["steps"])
    curve, lr, n = tuned.judged(task, uniform(size["rates"], 3), size["steps"]), size["rates"], size["seeds"]

    def over(function):
        return lambda s: function(lr, curve[0][:, s].mean(axis=1)) - function(size["scratch"], valid[:, s].mean(axis=1))

    def cost(other, text):
        return per_seed(
            own - other, "accuracy", {}, f"fine-tuning: test accuracy at the best rate minus {text}", band=0.3
        )

    return {
        "valid_accuracy_by_rate": per_seed(
            curve[0], "accuracy", {"rate": lr}, "fine-tuning: validation accuracy against the one rate", band=0.3
        ),
        "accuracy_by_rate": per_seed(
            curve[1], "accuracy", {"rate": lr}, "fine-tuning: test accuracy against the one rate", band=0.3
        ),
        "scratch_accuracy_by_rate": per_seed(
            test,
            "accuracy",
            {"rate": size["scratch"]},
            "the shifted data from scratch: test accuracy against the rate",
            band=0.3,
        ),
        "best_scratch_rate": fixed(
            size["scratch"][place], "rate", {}, "the rate chosen for the shifted data from scratch", band=10.0
        ),
        "rate_too_small_cost": cost(low, "at a tenth of it"),
        "rate_too_large_cost": cost(high, "at ten times it"),
        "scratch_rate_cost": cost(theirs, "at the best rate from scratch"),
        "best_rate_over_scratch": bootstrapped(
            over(middle),
            n,
            "decades",
            {},
            "log10 of the best rate of fine-tuning over the best from scratch (middles of the ranges within a point)",
            band=2.0,
        ),
        "range_over_scratch": bootstrapped(
            over(decades),
            n,
            "decades",
            {},
            "width of the rates within a point of the best, fine-tuning minus from scratch",
            band=2.0,
        ),
        "range": bootstrapped(
            lambda s: decades(lr, curve[0][:, s].mean(axis=1)),
            n,
            "decades",
            {},
            "fine-tuning: width of the rates within a point of the best mean validation accuracy",
            band=2.0,
        ),
    }


def from_scratch(size):
    """The same search in training from scratch, at several depths."""
    q, gains = {}, []
    for depth in size["depths"]:
        task = source(size["train"][1], size["held"], size["narrow"], depth, size["batch"])
        halves = Halves(size, range(size["pilot"] + size["seeds"]))
        options = uniform(size["scratch"], depth + 1)
        one = options[halves.chosen(task, options, size["steps"])]
        own = searched(task, one, halves.pilot[1], size["steps"], size["rounds"])
        _, test = halves.judged(task, [one, own], size["steps"])
        gains.append(test[1] - test[0])
        q[f"scratch_factors_{depth}"] = fixed(
            own / one,
            "ratio",
            {"layer": range(1, depth + 2)},
            f"from scratch, {depth} hidden layers: searched rate of each layer over the one rate",
            band=100.0,
        )
        q[f"scratch_rate_{depth}"] = fixed(
            one[0], "rate", {}, f"from scratch, {depth} hidden layers: the one rate", band=10.0
        )
    return q | {
        "scratch_searched_gain": per_seed(
            np.stack(gains),
            "accuracy",
            {"depth": size["depths"]},
            "from scratch: a searched rate for each layer minus one rate for all, both tuned",
            band=0.3,
        )
    }


def expect(q):
    """Orderings that both sizes show."""
    assert q["finetune_gain"].mean > -0.1
    assert q["rate_too_large_cost"].mean > -0.05
    assert q["accuracy"].mean.min() > 0.1


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
