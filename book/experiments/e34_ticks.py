"""E34: where large rates lead, on the example with sixteen features of which each is enough.

The paper's synthetic protocol at full scale: 23 constant rates for 40,000 steps, from each end a fine-tuning of 20,000
steps at each of the 11 smallest rates, averages of the last 2 to 50 checkpoints, the accuracy on every feature alone,
angles and barriers. Eighty pairs, each with a training set, initial weights and batch order of its own: the training
set and the training then both vary between pairs, which are independent. Arms of equal length (60,000 steps) beside
them: longer training with an average, a decay, and the way from far above over just above to the small rate.

`--pairs 1` measures one pair and prints it, in a minute or so; `--full` eighty. With `--folder PATH` finished pairs
are kept.
"""

import argparse
import sys
import time
from dataclasses import replace

import numpy as np
from own_places import MULTIPLES, neighbours_lose
from quantities import fixed, per_seed
from regime_borders import border, chosen, mean_over, places
from sizes import modes
from ticks_pair import CALM, PAPER, PARTS_OF_A_RUN, RATES, kept

from lrbook import pieces
from lrbook.experiment import Experiment
from lrbook.quantity import table
from lrlib import borders, streams

ID = "e34_ticks"
QUESTION = "Where does the first rate lead a network that could learn sixteen features and learns few?"

PAIRS, TOGETHER = 80, 2
MARGIN = 0.02
CHAOS = {
    "accuracy": 0.3,
    "nats": 6.0,
    "points": 60.0,
    "radians": 1.6,
    "share": 3.0,
    "share of pairs": 1.0,
    "decades": 4.0,
}  # above the threshold runs part with the processor
SUMMED = [
    "finetune_accuracy",
    "swa_accuracy",
    "angle",
    "angle_largest",
    "angle_averaged",
    "angle_moved",
    "barrier_largest",
    "barrier_averaged",
    "longer_accuracy",
    "repair_accuracy",
    "feature_second",
    "feature_rest",
    "feature_second_finetuned",
    "feature_rest_finetuned",
    "feature_accuracy_finetuned_low",
]  # every pair's curve of everything is more than a result may hold
SETTINGS = {"jobs": 1}
QUICK = dict(
    lr=RATES[[4, 8, 12, 14, 19]],
    flr=RATES[[2, 5, 8]],
    repair=RATES[11],
    train=128,
    held=1000,
    samples=200,
    steps=240,
    fine=60,
    every=5,
    checkpoints=(2, 5, 10),
    path="eager",
)
SIZES = modes(quick=dict(size=QUICK, pairs=2), full=dict(size=PAPER, pairs=PAIRS), counts=("pairs",))


def pairs(size, seeds):
    """Everything that was measured, {name: [..., seed]}; two pairs at a time, on several processes where asked for."""
    groups = [list(seeds[k : k + TOGETHER]) for k in range(0, len(seeds), TOGETHER)]
    calls = [(pieces.current().folder, streams.origin(), size, group) for group in groups]
    if SETTINGS["jobs"] == 1:
        done = (kept(*call) for call in calls)
    else:
        from joblib import Parallel, delayed

        done = Parallel(SETTINGS["jobs"], return_as="generator")(delayed(kept)(*call) for call in calls)
    each = []
    for some in done:
        each.append(some)
        pieces.current().note_seconds()
    return {name: np.concatenate([some[name] for some in each], axis=-1) for name in each[0]}


def regimes(size, found):
    """Borders of each pair, without the largest fine-tuning rate, which may lie above a pair's threshold."""
    return borders(
        size["lr"],
        found["lowest"],
        found["untrained"],
        tail_loss=found["tail"],
        finetuned=found["finetuned_test"][:, :-1],
        barrier=found["barrier_finetuned"],
        converged=size.get("converged", 1e-2),
        margin=MARGIN,
    )


def curves(size, found):
    """The curves over the first rate."""
    lr = {"lr": size["lr"]}
    fine, many = lr | {"finetune_lr": size["flr"]}, lr | {"checkpoints": list(size["checkpoints"])}
    rows = [
        ("pretrain_loss", "pretrained_loss", "nats", lr, "training loss after the pre-training"),
        ("pretrain_loss_last_tenth", "tail", "nats", lr, "mean batch loss over the last tenth of the pre-training"),
        ("pretrain_accuracy", "pretrained_test", "accuracy", lr, "test accuracy after the pre-training"),
        ("finetune_accuracy", "finetuned_test", "accuracy", fine, "test accuracy after the fine-tuning"),
        (
            "swa_accuracy",
            "averaged_test",
            "accuracy",
            many,
            "test accuracy of the mean of the last checkpoints of the pre-training",
        ),
        (
            "longer_accuracy",
            "longer_test",
            "accuracy",
            lr,
            "test accuracy when training goes on at its rate for as long as a fine-tuning",
        ),
        (
            "longer_swa_accuracy",
            "longer_averaged_test",
            "accuracy",
            lr,
            "the mean of the last checkpoints of that longer training",
        ),
        (
            "decay_accuracy",
            "decayed_test",
            "accuracy",
            lr,
            "test accuracy when the rate falls to zero in a straight line for as long as a fine-tuning",
        ),
        (
            "repair_accuracy",
            "repaired_test",
            "accuracy",
            lr,
            "test accuracy after a change to one rate just above the threshold and a fine-tuning from there",
        ),
        (
            "barrier",
            "barrier_finetuned",
            "points",
            lr,
            "barrier of the training error between the solutions of the smallest fine-tuning rate and the largest but one",
        ),
        (
            "barrier_largest",
            "barrier_largest",
            "points",
            lr,
            "the same with the largest fine-tuning rate, as in the paper",
        ),
        (
            "barrier_averaged",
            "barrier_averaged",
            "points",
            lr,
            "the same between the mean of checkpoints and the solution of the largest fine-tuning rate but one",
        ),
        (
            "angle",
            "angle_finetuned",
            "radians",
            lr,
            "angle between the solutions of the smallest fine-tuning rate and the largest but one",
        ),
        (
            "angle_largest",
            "angle_largest",
            "radians",
            lr,
            "the same with the largest fine-tuning rate, as in the paper",
        ),
        (
            "angle_averaged",
            "angle_averaged",
            "radians",
            lr,
            "angle between the mean of checkpoints and the solution of the largest fine-tuning rate but one",
        ),
        (
            "angle_moved",
            "angle_moved",
            "radians",
            lr,
            "angle by which the largest fine-tuning rate but one moves the weights",
        ),
    ]
    steps = lr | {"step": [round((k + 0.5) * size["steps"] / PARTS_OF_A_RUN) for k in range(PARTS_OF_A_RUN)]}
    course = {
        "loss_curve": fixed(
            short(found["curve"].mean(axis=-1)), "nats", steps, "batch loss of the pre-training, mean over the pairs"
        )
    }
    return course | {name: per_seed(found[key], unit, axes, about) for name, key, unit, axes, about in rows}


def short(values):
    """Three digits: a curve to draw, not to calculate with."""
    return np.vectorize(lambda v: float(f"{v:.3g}"))(values)


def features(size, found):
    """Accuracy on single features over the first rate."""
    lr, q = {"lr": size["lr"]}, {}
    ways = {"": "pretrained", "_finetuned": "finetuned", "_finetuned_low": "finetuned_low", "_averaged": "averaged"}
    for ending, way in ways.items():
        q[f"feature_accuracy{ending}"] = per_seed(
            found[f"features_{way}"][:, 0], "accuracy", lr, f"strongest of the features, each alone, {way}"
        )
    for ending, way in (("", "pretrained"), ("_finetuned", "finetuned")):
        rest = found[f"features_{way}"][:, 1:]
        q[f"feature_second{ending}"] = per_seed(rest[:, 0], "accuracy", lr, f"second strongest feature, {way}")
        q[f"feature_rest{ending}"] = per_seed(
            rest.mean(axis=1), "accuracy", lr, f"mean of all features but the strongest, {way}"
        )
    ranks = lr | {"rank": list(range(1, found["features_finetuned"].shape[1] + 1))}
    return q | {
        "feature_sorted": fixed(
            found["features_finetuned"].mean(axis=-1),
            "accuracy",
            ranks,
            "features in order of their accuracy after fine-tuning, mean over the pairs",
        )
    }


def best_of(found, where):
    """Test accuracy at the best validation accuracy among some first rates, way by way, [pair]."""
    ways = ("pretrained", "longer", "finetuned", "averaged", "longer_averaged", "decayed")
    best = {way: chosen(found[f"{way}_valid"], found[f"{way}_test"], where) for way in ways}
    both = [
        np.concatenate([found["finetuned_" + part], found["longer_averaged_" + part][:, None]], axis=1)
        for part in ("valid", "test")
    ]
    return best | {"either": chosen(*both, where)}


def gains(found, at):
    """What a first rate just above the threshold brings over the best that converges, at equal steps."""
    near, low = best_of(found, at["near"]), best_of(found, at["converging"])
    base = low["longer"]
    two_a = np.nan_to_num(best_of(found, at["2A"])["either"] - base, nan=0.0) > 0
    about = "first rate just above the threshold, {}, minus the best constant rate that converges, equal steps, both chosen on validation data"
    arms = (
        ("gain_finetune", "finetuned", "then fine-tuned"),
        ("gain_average", "longer_averaged", "checkpoints averaged"),
        ("gain_decay", "decayed", "then decayed"),
        ("gain", "either", "fine-tuned or averaged, what validation prefers"),
        ("gain_average_short", "averaged", "checkpoints averaged without the steps of a fine-tuning"),
    )
    q = {name: per_seed(near[way] - base, "accuracy", {}, about.format(text)) for name, way, text in arms}
    return q | {
        "gain_share": per_seed(
            two_a.astype(float),
            "share of pairs",
            {},
            "pairs in which fine-tuning or averaging after a rate of 2A beats the best converging rate; without any such rate it does not",
        ),
        "gain_share_near": per_seed(
            (near["either"] > base).astype(float),
            "share of pairs",
            {},
            "the same with all rates just above the threshold",
        ),
        "gain_over_finished": per_seed(
            near["either"] - low["either"],
            "accuracy",
            {},
            "first rate just above the threshold minus one that converges, both fine-tuned or averaged, what validation prefers, equal steps",
        ),
        "average_over_finetune": per_seed(
            near["longer_averaged"] - near["finetuned"],
            "accuracy",
            {},
            "averaging minus fine-tuning, just above the threshold, equal steps",
        ),
        "decay_over_finetune": per_seed(
            near["decayed"] - near["finetuned"],
            "accuracy",
            {},
            "decay minus fine-tuning, just above the threshold, equal steps",
        ),
    }


def placed(size, found, at):
    """Where the best first rate lies, and what a start far above the threshold costs."""
    near, far, every = (best_of(found, at[word]) for word in ("near", "far", "learning"))
    calm = found["finetuned_test"][:, CALM]
    valid, inside = found["finetuned_valid"].mean(axis=1), at["near"]
    best = np.where(at["learning"], valid, -1).argmax(axis=0)
    hit = np.take_along_axis(inside, best[None], axis=0)[0]
    return {
        "loss_far_above": per_seed(
            near["finetuned"] - far["finetuned"],
            "accuracy",
            {},
            "fine-tuned: first rate just above the threshold minus far above it, each at its best on validation data",
        ),
        "loss_far_above_equal_finetuning": per_seed(
            mean_over(calm, at["near"]) - mean_over(calm, at["far"]),
            "accuracy",
            {},
            "the same at one fine-tuning rate, mean over the rates of each group",
        ),
        "short_of_the_best": per_seed(
            every["finetuned"] - near["finetuned"],
            "accuracy",
            {},
            "fine-tuned: best of all first rates minus best of those just above the threshold, chosen on validation data",
        ),
        "decay_loss_far": decay_loss(found, at),
        "best_is_near": per_seed(
            hit.astype(float),
            "share of pairs",
            {},
            "pairs whose best first rate, fine-tuned, lies just above the threshold",
        ),
        "neighbours_lose": per_seed(
            neighbours_lose(
                *(at_multiples(size["lr"], score, at) for score in (valid, found["finetuned_test"].mean(axis=1)))
            ),
            "accuracy",
            {},
            "fine-tuned: the better of the two neighbours at a factor of √3, below the band, at multiples of each pair's threshold",
        ),
    }


def at_multiples(lr, score, at):
    """Scores at `MULTIPLES` of each pair's own threshold, straight lines between the rates, [place, pair]; score [rate, pair]."""
    top = np.where(at["converging"], lr[:, None], lr[0]).max(axis=0)
    wanted = np.log10(MULTIPLES[:, None] * top)
    return np.stack([np.interp(own, np.log10(lr), curve) for own, curve in zip(wanted.T, score.T)], axis=1)


def decay_loss(found, at):
    """What a first rate of three to `WIDE` times the threshold costs when the rate then falls to zero in a line."""
    decayed = found["decayed_test"]
    lost = mean_over(decayed, at["near"]) - mean_over(decayed, at["wide"])
    return per_seed(
        lost,
        "accuracy",
        {},
        "after a decay to zero: first rates just above the threshold minus three to seven times it, mean over the rates of each group",
    )


def kinds(found, at):
    """Which features are learned where, and what fine-tuning and averaging do to them."""
    fine, before, mean = (found[f"features_{way}"][:, 0] for way in ("finetuned", "pretrained", "averaged"))
    near, excess = at["near"], lambda values: mean_over(values, at["near"]) - 0.5
    focus = found["features_finetuned"][:, 0] - found["features_finetuned"][:, 1:].mean(axis=1)
    tuned, swa = found["finetuned_test"].mean(axis=1), found["averaged_test"][:, -1]
    return {
        "feature_gain": per_seed(
            mean_over(fine, near) - mean_over(fine, at["slow"]),
            "accuracy",
            {},
            "strongest feature after fine-tuning: first rates just above the threshold minus far below it",
        ),
        "feature_fall": per_seed(
            mean_over(fine, near) - mean_over(fine, at["far"]),
            "accuracy",
            {},
            "strongest feature after fine-tuning: first rates just above the threshold minus far above it",
        ),
        "focus_gain": per_seed(
            mean_over(focus, near) - mean_over(focus, at["slow"]),
            "accuracy",
            {},
            "strongest feature less the mean of the others: just above the threshold minus far below it",
        ),
        "feature_kept_finetuned": per_seed(
            excess(fine) / excess(before),
            "share",
            {},
            "strongest feature beyond chance after fine-tuning over before, just above the threshold",
        ),
        "feature_kept_averaged": per_seed(
            excess(mean) / excess(before),
            "share",
            {},
            "strongest feature beyond chance after averaging over before, just above the threshold",
        ),
        "added_finetune": per_seed(
            mean_over(tuned - found["pretrained_test"], near),
            "accuracy",
            {},
            "fine-tuning minus pre-training, just above the threshold",
        ),
        "added_average": per_seed(
            mean_over(swa - found["pretrained_test"], near),
            "accuracy",
            {},
            "mean of checkpoints minus pre-training, just above the threshold",
        ),
    }


def first_above(values, near):
    """Value at the smallest rate just above the threshold, [pair]; nan for a pair without any; `values` [rate, pair]."""
    found = np.take_along_axis(values, near.argmax(axis=0)[None], axis=0)[0]
    return np.where(near.any(axis=0), found, np.nan)


def ways(size, found, at):
    """Repair of a start that was too large; a start picked among several; what the search costs."""
    calm, repaired = found["finetuned_test"][:, CALM], found["repaired_test"]
    picked = chosen(found["pretrained_valid"], calm, at["learning"])
    rates = len(size["lr"])
    return {
        "repair_gain": per_seed(
            mean_over(repaired - calm, at["far"]),
            "accuracy",
            {},
            "first rates far above the threshold: with a stage just above it before the fine-tuning minus without",
        ),
        "repair_gap": per_seed(
            mean_over(calm, at["near"]) - mean_over(repaired, at["far"]),
            "accuracy",
            {},
            "fine-tuned from just above the threshold minus repaired from far above",
        ),
        "pick_gain": per_seed(
            picked - mean_over(calm, at["learning"]),
            "accuracy",
            {},
            "fine-tuned start with the best validation accuracy before it, minus the mean of all starts",
        ),
        "pick_over_search": per_seed(
            picked - first_above(calm, at["near"]),
            "accuracy",
            {},
            "the same start minus the first one above the pair's own threshold, which a search for the threshold finds alone",
        ),
        "extra_trainings": fixed(
            rates - 1.0, "trainings", {}, "pre-trainings of the whole search beyond the one that is used"
        ),
    }


def run(mode):
    """Train; `mode` "full": 80 pairs at the paper's scale, "quick": 2 pairs, few rates, short."""
    size, count = SIZES[mode].values()
    found = pairs(size, range(count))
    return judged(size, found, timing=mode == "full")


def judged(size, found, timing):
    """All quantities of the measured pairs."""
    seen = regimes(size, found)
    at = places(seen)
    texts = {
        "threshold": "border of regimes 1 and 2",
        "split": "border of 2A and 2B",
        "divergence": "border of regimes 2 and 3",
    }
    q = curves(size, found) | features(size, found) | {name: border(seen, name, text) for name, text in texts.items()}
    q["regime_share"] = fixed(
        [list(n / n_pairs(found)) for n in (seen.counts()[r] for r in ("1", "2A", "2B", "3"))],
        "share of pairs",
        {"regime": ["1", "2A", "2B", "3"], "lr": size["lr"]},
        "pairs in each regime",
        band=1.0,
    )
    q |= gains(found, at) | placed(size, found, at) | kinds(found, at) | ways(size, found, at)
    if timing:
        q["seconds_a_pair"] = per_seed(found["seconds"], "seconds", {}, "wall clock of one pair")
        q["lane_steps_per_second"] = per_seed(
            found["lane_steps"] / found["seconds"],
            "1/s",
            {},
            "training steps of single networks a second, evaluations included",
        )
    q |= {name: replace(q[name], values=None) for name in SUMMED}
    return {name: one if one.band else replace(one, band=CHAOS.get(one.unit)) for name, one in q.items()}


def n_pairs(found):
    return len(found["untrained"])


def expect(q):
    """Orderings that both sizes show."""
    loss, accuracy, barrier = (q[name].mean for name in ("pretrain_loss_last_tenth", "pretrain_accuracy", "barrier"))
    assert 0 < loss.argmin() < len(loss) - 1 and 0 < accuracy.argmax() < len(loss) - 1
    assert accuracy[-1] < 0.55 < accuracy.max(), "far above the threshold nothing is learned"
    assert barrier[-1] > 5 and barrier[1] < 2
    assert q["angle_moved"].mean[-1] > q["angle_moved"].mean[1]
    assert q["added_average"].mean > 0 and q["added_finetune"].mean > 0


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)


def main():
    """The command line of every experiment, and `--pairs`, `--jobs`."""
    parser = argparse.ArgumentParser(description=QUESTION, add_help=False)
    parser.add_argument(
        "--pairs", type=int, help="measure so many pairs at full scale and print them; nothing is written"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options, rest = parser.parse_known_args()
    SETTINGS.update(jobs=options.jobs)
    if options.pairs is None:
        sys.exit(EXPERIMENT.main(rest))
    began = time.perf_counter()
    found = pairs(PAPER, range(options.pairs))
    seconds, steps = time.perf_counter() - began, found["lane_steps"].sum()
    q = judged(PAPER, found, timing=True)
    print(table(q))
    print(f"{options.pairs} pairs: {seconds / options.pairs:.0f} s a pair, {steps / seconds:,.0f} lane-steps a second")


if __name__ == "__main__":
    main()
