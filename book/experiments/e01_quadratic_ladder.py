"""E01: gradient descent on a quadratic, rung by rung through the learning rate.

On f(w) = λ w²/2 one step multiplies w by 1 − ηλ. The script runs the steps, in one
dimension and in two, and counts what they do: change side or not, come nearer or go
away. Overshooting (ηλ > 1) and diverging (ηλ > 2) turn out to be two things.
"""

import numpy as np
from quantities import fixed, per_seed
from sizes import modes

from lrbook.experiment import Experiment
from lrlib._base.streams import moved

ID = "e01_quadratic_ladder"
QUESTION = "Is a step that jumps over the minimum the same as a run that diverges?"

RUNGS = np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 1.9, 1.99, 2.0, 2.01, 2.1, 2.25, 2.5])
SIZES = modes(quick=dict(seeds=4), full=dict(seeds=20))
PATHS = np.array([0.5, 1.0, 1.5, 1.99, 2.0, 2.01])
STEPS = 60
FAR, NEAR = 1.0 + 1e-9, 1.0 - 1e-9


def descend(start, curvature, rate, steps):
    """Iterates w_{t+1} = w_t − η λ w_t, shape (steps + 1, …)."""
    w = np.empty((steps + 1, *np.broadcast_shapes(start.shape, curvature.shape, rate.shape)))
    w[0] = start
    for t in range(steps):
        w[t + 1] = w[t] - rate * curvature * w[t]
    return w


def side_changes(w):
    """Share of the steps that land on the other side of the minimum."""
    return (w[1:] * w[:-1] < 0).mean(axis=0)


def growth(w):
    """+1 where the run ended farther away than it began, −1 where nearer, else 0."""
    ratio = np.abs(w[-1]) / np.abs(w[0])
    return (ratio > FAR).astype(float) - (ratio < NEAR).astype(float)


def draws(seeds):
    """A curvature (log-uniform, 0.1 to 10) and a start (1 to 2, either side) per seed."""
    made = [np.random.default_rng(moved(seed)) for seed in range(seeds)]
    curvature = np.array([10 ** g.uniform(-1, 1) for g in made])
    start = np.array([g.choice([-1.0, 1.0]) * g.uniform(1, 2) for g in made])
    return start, curvature


def band(low, high, count=40):
    """`count` products ηλ evenly inside the open interval (low, high)."""
    return low + (high - low) * (np.arange(count) + 0.5) / count


def runs(seeds, products):
    """The iterates of every random quadratic at rates products / curvature, [step, product, seed]."""
    start, curvature = draws(seeds)
    return descend(start, curvature, products[:, None] / curvature, STEPS)


def ladder(seeds):
    """What the steps do, rung by rung."""
    w, rungs = runs(seeds, RUNGS), {"rate_times_curvature": RUNGS}
    distance = np.log10(np.maximum(np.abs(w[-1] / w[0]), 1e-16))
    return {
        "side_changes": per_seed(
            side_changes(w), "share of steps", rungs, "share of the steps that land on the other side of the minimum"
        ),
        "distance_change": per_seed(
            distance,
            "decades",
            rungs,
            f"log10 of the distance to the minimum after {STEPS} steps over the distance before, cut at -16",
        ),
    }


def bands(seeds):
    """Rates below 1/λ, between 1/λ and 2/λ, and above, against each other."""
    below, between, above = (runs(seeds, band(low, low + 1)) for low in range(3))
    over = np.concatenate([side_changes(between), side_changes(above)])
    return {
        "crossing_excess": per_seed(
            over.mean(axis=0) - side_changes(below).mean(axis=0),
            "share of steps",
            {},
            "share of side-changing steps at rates between 1 and 3 over the curvature, minus the share at smaller rates",
        ),
        "growth_between": per_seed(
            growth(between).mean(axis=0),
            "balance, -1 to 1",
            {},
            "rates between 1 and 2 over the curvature, where every step jumps across: share of runs that move away minus share that come nearer",
        ),
        "growth_above": per_seed(
            growth(above).mean(axis=0), "balance, -1 to 1", {}, "the same at rates between 2 and 3 over the curvature"
        ),
        "divergence_contrast": per_seed(
            (growth(above).mean(axis=0) - growth(below).mean(axis=0)) / 2,
            "share of runs",
            {},
            "share of runs that move away at rates above 2 over the curvature, minus the share below 1 over the curvature",
        ),
    }


def extremes(seeds):
    """Rate 0, and a rate a thousand times too large."""
    start, curvature = draws(seeds)
    still = descend(start, curvature, np.zeros(1), STEPS)
    huge = descend(start, curvature, 1000 / curvature, 1)
    return {
        "move_at_zero": per_seed(
            np.abs(still[-1] - still[0]), "distance", {}, f"distance moved in {STEPS} steps at rate 0"
        ),
        "one_huge_update": per_seed(
            np.log10(np.abs(huge[1] / huge[0])),
            "decades",
            {},
            "log10 of the growth of the distance in one update at a rate of 1000 over the curvature",
        ),
    }


def paths():
    w = descend(np.ones(1), np.ones(1), PATHS[:, None], 30)[:, :, 0].T
    return fixed(
        w,
        "w",
        {"rate_times_curvature": PATHS, "step": np.arange(31)},
        "the steps themselves, from w = 1 with curvature 1",
    )


def two_dimensions():
    """Steps until both coordinates are within 1e-3 of their start, against the rate."""
    products = np.round(np.arange(0.05, 2.2, 0.05), 2)
    conditions = np.array([1.0, 3.0, 10.0, 30.0])
    needed = np.full((len(conditions), len(products)), np.nan)
    for i, kappa in enumerate(conditions):
        curvature = np.array([1.0, 1.0 / kappa])
        w = descend(np.ones(2), curvature, products[:, None], 1000)
        far = np.abs(w).max(axis=2) > 1e-3
        arrived = ~far[-1]
        needed[i, arrived] = (~far[:, arrived]).argmax(axis=0)
    return fixed(
        needed,
        "steps",
        {"condition_number": conditions, "rate_times_curvature": products},
        "two dimensions: steps until the distance in each direction is a thousandth of the start; empty "
        "where 1000 steps do not suffice (rate in units of 1 over the largest curvature)",
    )


def run(mode):
    """Run the ladder; `mode` "quick" uses 4 random quadratics, "full" 20."""
    seeds = SIZES[mode]["seeds"]
    return ladder(seeds) | bands(seeds) | extremes(seeds) | {"path": paths(), "steps_needed": two_dimensions()}


def expect(q):
    """Orderings that hold on any machine."""
    changes = q["side_changes"].mean
    assert changes[RUNGS < 1].max() == 0, "no step changes side below 1/λ"
    assert changes[RUNGS > 1].min() == 1, "every step changes side above 1/λ"
    assert q["growth_between"].mean == -1 and q["growth_above"].mean == 1
    assert q["move_at_zero"].mean == 0
    assert q["one_huge_update"].mean > 2.9


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
