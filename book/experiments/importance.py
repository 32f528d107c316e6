"""Which option of SGD matters most: all of them crossed on four tasks, for E20.

Each option takes a few customary values; every combination is trained for the same number of examples. Scores are
shares of the way from chance to the best: 0 is chance (or a run that diverged), 1 the tuned combination. Three measures
of an option: what is lost when it alone stays at the default of the library, or at the value that suits the other tasks
best, while all others are tuned to the task; and its share of the variance of the scores.
"""

import dataclasses
import functools
import itertools

import numpy as np
import torch
from quantities import fixed, per_seed
from sizes import modes
from tuning import curve, cut_anew, each

from lrlib import tasks

RATES = 10 ** np.array([-3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5])
SGD = {
    "rate": RATES,
    "batch": [0.25, 1.0, 4.0],
    "momentum": [0.0, 0.9],
    "weight_decay": [0.0, 0.01],
    "nesterov": [False, True],
}
SGD_DEFAULT = {"rate": RATES[0], "batch": 1.0, "momentum": 0.0, "weight_decay": 0.0, "nesterov": False}
TRAINING = {"rate": RATES, "width": [16, 32, 64], "initial_scale": [0.5, 1.0, 2.0]}
TRAINING_DEFAULT = {"rate": RATES[0], "width": 32, "initial_scale": 1.0}
CHANCE = {"digits": 0.1, "breast_cancer": 0.37, "mnist1d": 0.1}
USUAL = {"language": 16}  # examples a batch; 64 elsewhere
SIZES = modes(
    quick=dict(
        seeds=2,
        train=500,
        held=100,
        texts=100,
        pieces=50,
        values={"rate": slice(0, None, 2), "batch": slice(1, None), "width": slice(2), "initial_scale": slice(2)},
        sgd={"digits": 640, "language": 256},
        training={"digits": 320, "breast_cancer": 320},
    ),
    full=dict(
        seeds=20,
        train=4000,
        held=500,
        texts=640,
        pieces=300,
        values={},
        sgd={"digits": 6400, "breast_cancer": 6400, "mnist1d": 4800, "language": 960},
        training={"digits": 3200, "breast_cancer": 3200, "mnist1d": 3200},
    ),
)


def language(train, pieces):
    """Next symbol of a source of the second order, pieces of eight."""
    return tasks.character_transformer(train=train, valid=pieces, test=2 * pieces, context=8, width=16)


def problem(name, size, width):
    if name == "language":
        return language(size["texts"], size["pieces"])
    if name == "mnist1d":
        return tasks.mnist1d(train=size["train"], valid=size["held"], test=2 * size["held"], width=width)
    return cut_anew(getattr(tasks, name), width=width)


def levels(space, size):
    """The values of each option in this mode: quick takes fewer."""
    return {option: list(values)[size["values"].get(option, slice(None))] for option, values in space.items()}


def scaled(make, factor):
    """A network whose first weights, not its biases, are ``factor`` times as large."""
    model = make()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(factor if p.ndim > 1 else 1.0)
    return model


def rescaled(task, factor):
    """The task with `scaled` networks."""
    return dataclasses.replace(task, model=functools.partial(scaled, task.model, factor))


def ended(task, name, size, examples, batch, lr, rule="momentum", **options):
    """Validation and test scores of runs of this task's number of examples: [2, len(lr), seeds]."""
    steps, seeds = examples // batch, range(size["seeds"])
    used = each(task, lambda one: dataclasses.replace(one, batch=batch))
    found = curve(used, rule, lr, seeds, steps=steps, evaluate=[steps], path="eager", **options)
    if name == "language":
        uniform = np.log(len(task.details["alphabet"]))
        return np.stack([uniform - found.final(f"{part}_loss", uniform) for part in ("valid", "test")])
    return np.stack([found.final(f"{part}_metric", CHANCE[name]) - CHANCE[name] for part in ("valid", "test")])


def crossed(name, size):
    """What every combination of SGD's options gains over chance: [2, rate, batch, momentum, weight decay, nesterov, seed]."""
    task, axes = problem(name, size, 32), levels(SGD, size)
    usual = USUAL.get(name, 64)
    gain = np.full((2, *map(len, axes.values()), size["seeds"]), np.nan)
    for b, factor in enumerate(axes["batch"]):
        for rule, m in ("momentum", [0, 1]), ("nesterov", [1]):  # without momentum Nesterov's form is the same
            rows = list(itertools.product(axes["rate"], np.take(axes["momentum"], m), axes["weight_decay"]))
            lr, momentum, decay = np.array(rows).T
            found = ended(
                task,
                name,
                size,
                size["sgd"][name],
                int(usual * factor),
                lr,
                rule,
                momentum=momentum,
                weight_decay=decay,
            )
            gain[:, :, b, m, :, int(len(m) == 1)] = found.reshape(
                2, len(axes["rate"]), len(m), -1, size["seeds"]
            ).transpose(2, 0, 1, 3, 4)
    gain[:, :, :, 0, :, 1] = gain[:, :, :, 0, :, 0]
    return gain


def built(name, size):
    """The same for rate, width and initial scale, with momentum 0.9 at the usual batch: [2, rate, width, scale, seed]."""
    axes, found = levels(TRAINING, size), []
    for width in axes["width"]:
        task = problem(name, size, width)
        for scale in axes["initial_scale"]:
            made = each(task, functools.partial(rescaled, factor=scale))
            found.append(ended(made, name, size, size["training"][name], 64, axes["rate"], momentum=0.9))
    return np.stack(found, axis=2).reshape(2, len(axes["rate"]), len(axes["width"]), len(axes["initial_scale"]), -1)


def scores(gain):
    """Shares of the way from chance to the tuned combination, at least 0: valid and test each by their own best."""
    best = place(gain[0])
    return np.stack([np.clip(part, 0, None) / part[best].mean() for part in gain])


def place(valid, fixed_axis=None, level=None):
    """Where the mean over the seeds (last axis) is highest; with one axis held at a level."""
    mean = valid.mean(axis=-1)
    if fixed_axis is not None:
        held = np.full(mean.shape, -np.inf)
        at = (slice(None),) * fixed_axis + (level,)
        held[at] = mean[at]
        mean = held
    return np.unravel_index(mean.argmax(), mean.shape)


def regret(score, held):
    """Loss of holding each option at level held[option] while the others are tuned: [2, option, seed], valid and test."""
    best = place(score[0])
    places = [place(score[0], axis, level) for axis, level in enumerate(held)]
    return np.stack([np.stack([part[best] - part[at] for at in places]) for part in score])


def elsewhere(found, name):
    """Levels of the combination that does best on the other tasks, on average."""
    return place(
        np.mean([score[0].mean(axis=-1, keepdims=True) for other, score in found.items() if other != name], axis=0)
    )


def variance(values):
    """Share of each option's main effect, and of all effects it takes part in, in the variance over the combinations.

    ``values`` [*options, seed] → [2, option, seed].
    """
    axes = tuple(range(values.ndim - 1))
    total = np.maximum(values.var(axis=axes), 1e-12)
    main = [values.mean(axis=tuple(a for a in axes if a != j)).var(axis=0) / total for j in axes]
    part = [values.var(axis=j).mean(axis=tuple(range(len(axes) - 1))) / total for j in axes]
    return np.stack([main, part])


def lead(valid, test):
    """The rate (option 0) minus the strongest other option, mean over the tasks: per seed, and which other it was.

    ``valid``, ``test`` [task, option, seed]; the other is chosen by the validation data.
    """
    other = 1 + int(valid.mean(axis=(0, 2))[1:].argmax())
    return (test[:, 0] - test[:, other]).mean(axis=0), other


def measures(found, default, prefix, options):
    """The three measures as quantities, option × task, and by how much the rate leads in each."""
    names, axes = list(found), {"option": options, "task": list(found)}
    held = {"default": {name: default for name in names}, "elsewhere": {name: elsewhere(found, name) for name in names}}
    about = {
        "default": "left at the library's default",
        "elsewhere": "left at the value that suits the other tasks best",
    }
    q = {}
    for kind, chosen in held.items():
        lost = np.stack([regret(found[name], chosen[name]) for name in names], axis=1)  # [2, task, option, seed]
        q[f"{prefix}_regret_{kind}"] = per_seed(
            lost[1].swapaxes(0, 1),
            "share of the way",
            axes,
            f"share of the way from chance to the best that is lost when one option is {about[kind]} and the others are tuned",
            band=1.0,
        )
        q |= leading(
            f"rate_over_{prefix}_{kind}",
            "share of the way",
            *lead(*lost),
            options,
            f"that share: the rate minus the strongest other option, mean over the tasks, {about[kind]}",
        )
    shares = np.stack(
        [[variance(part) for part in found[name]] for name in names], axis=2
    )  # [2, kind, task, option, seed]
    for kind, row, words in (
        (0, "variance", "main effect"),
        (1, "total", "effects, those with other options included,"),
    ):
        q[f"{prefix}_{row}"] = per_seed(
            shares[1, kind].swapaxes(0, 1),
            "share of the variance",
            axes,
            f"share of an option's {words} in the variance of the scores over all combinations",
            band=1.0,
        )
    return q | leading(
        f"rate_over_{prefix}_variance",
        "share of the variance",
        *lead(*shares[:, 0]),
        options,
        "share of the variance: main effect of the rate minus the strongest other option's, mean over the tasks",
    )


def leading(name, unit, values, other, options, about):
    """Two quantities: the lead, and the number of the option that comes next."""
    words = ", ".join(f"{i} {option}" for i, option in enumerate(options))
    return {
        name: per_seed(values, unit, {}, about, band=1.0),
        name.replace("rate_over", "next_to_rate", 1): fixed(
            other, "option", {}, f"the strongest other option: {words}", band=9.0
        ),
    }


def held_levels(space, default):
    """Where the default of each option stands among its values."""
    return [list(space[option]).index(default[option]) for option in space]


def natural(gains, space, default):
    """Regret at the library's default in accuracy and in nats a symbol, and the combination that is best on each task."""
    options, accurate = list(space), [name for name in gains if name != "language"]
    lost = {name: regret(gain, held_levels(space, default))[1] for name, gain in gains.items()}
    best = [[float(space[o][i]) for o, i in zip(options, place(gain[0]))] for gain in gains.values()]
    about = "lost when one option is left at the library's default and the others are tuned"
    return {
        "sgd_regret_default_accuracy": per_seed(
            np.stack([lost[n] for n in accurate], axis=1),
            "accuracy",
            {"option": options, "task": accurate},
            f"test accuracy that is {about}",
            band=1.0,
        ),
        "sgd_regret_default_language": per_seed(
            lost["language"], "nats", {"option": options}, f"nats a symbol that are {about}", band=3.0
        ),
        "sgd_tuned": fixed(
            best,
            "value",
            {"task": list(gains), "option": options},
            "the combination with the best validation score (batch: times the usual one)",
            band=300.0,
        ),
    }


def quantities(mode):
    """All quantities of this part, by name."""
    size = SIZES[mode]
    space, training = levels(SGD, size), levels(TRAINING, size)
    gains = {name: crossed(name, size) for name in size["sgd"]}
    shares = {name: scores(gain) for name, gain in gains.items()}
    built_shares = {name: scores(built(name, size)) for name in size["training"]}
    return (
        measures(shares, held_levels(space, SGD_DEFAULT), "sgd", list(space))
        | natural(gains, space, SGD_DEFAULT)
        | measures(built_shares, held_levels(training, TRAINING_DEFAULT), "training", list(training))
    )
