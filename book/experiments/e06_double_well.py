"""E06: can a small rate mistake a dent for the valley floor?

Two one-dimensional landscapes with a local and a global minimum. In the *tilted* well
the global minimum is the sharper of the two; the *dent* is the opposite, a small sharp
hollow in the side of a wide valley. Walkers start on the outer slope above the local
minimum and take noisy gradient steps; the map is rate × noise, for a constant rate and
for one that falls linearly to zero. The wells continue as straight lines, because a
quartic's tails would throw any walker out.
"""

import numpy as np
from quantities import fixed, per_seed
from sizes import modes

from lrbook.experiment import Experiment
from lrlib import hold, linear
from lrlib._base.streams import moved
from lrlib.tasks import Well

ID = "e06_double_well"
QUESTION = "Does a small learning rate stop in a dent that a larger one would leave?"

SMALL = 0.01
STEPS = 2000
SIZES = modes(quick=dict(seeds=6, walkers=25, steps=400), full=dict(seeds=20, walkers=100, steps=STEPS), least=2)
SIGMAS = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
RATES = 10 ** np.arange(-3, 0.76, 0.25)
PLANS = {"constant": hold(STEPS), "linear": linear(STEPS)}
WELLS = {"tilted": Well("tilted"), "dent": Well("dent")}
STARTS = {"tilted": (3.0, 4.0), "dent": (-5.0, -4.0)}


def walk(well, rates, sigma, factor, seeds, walkers, by_height=False):
    """End points of noisy descent, shape (rate, seed, walker); noise shared by the rates."""
    f = WELLS[well]
    made = np.random.default_rng(moved(20))
    x = np.broadcast_to(made.uniform(*STARTS[well], size=(seeds, walkers)), (len(rates), seeds, walkers)).copy()
    for share in factor:
        noise = sigma * made.standard_normal((seeds, walkers)) if sigma else 0.0
        if by_height:
            noise = noise * np.sqrt(np.clip(f(x), 0, 4))
        x -= share * rates[:, None, None] * (f.slope(x) + noise)
    return x


def outcome(well, x):
    """Share of the walkers in the local basin and their mean height above the global minimum."""
    f = WELLS[well]
    inside = x > f.barrier if f.lower == "left" else x < f.barrier
    return inside.mean(axis=-1), f(x).mean(axis=-1)


def maps(seeds, walkers, steps):
    """The whole map: shapes (well, plan, sigma, rate, seed), and with noise that grows uphill."""
    share, height = {}, {}
    for well in WELLS:
        for name, plan in PLANS.items():
            factor = plan.resize(steps)(np.arange(steps))
            for sigma in SIGMAS:
                x = walk(well, RATES, sigma, factor, seeds, walkers)
                share[well, name, sigma], height[well, name, sigma] = outcome(well, x)
        factor = np.ones(steps)
        x = walk(well, RATES, 2.0, factor, seeds, walkers, by_height=True)
        share[well, "uphill noise", 2.0], height[well, "uphill noise", 2.0] = outcome(well, x)
    return share, height


def stuck(share, height, well, sigma, plan="constant"):
    """Share stuck in the local basin at the small rate minus at the best larger rate.

    The larger rate is the one whose first half of the seeds ended lowest; the second
    half of the seeds gives the values.
    """
    half = share[well, plan, sigma].shape[1] // 2
    larger = np.flatnonzero(RATES > SMALL * 1.01)
    best = larger[height[well, plan, sigma][larger, :half].mean(axis=1).argmin()]
    small = np.abs(RATES - SMALL).argmin()
    local = share[well, plan, sigma][:, half:]
    return local[small] - local[best], RATES[best]


def run(mode):
    """Walk; `mode` "full": 20 groups of 100 walkers, 2,000 steps, "quick": 6 of 25, 400."""
    share, height = maps(**SIZES[mode])
    grid = {"well": list(WELLS), "plan": list(PLANS), "noise": SIGMAS, "rate": RATES}

    def gather(values):
        return np.array([[[values[w, p, s] for s in SIGMAS] for p in PLANS] for w in WELLS])

    q = {
        "in_dent": per_seed(
            gather(share), "share of walkers", grid, "share of the walkers that ended in the basin of the local minimum"
        ),
        "height": per_seed(gather(height), "f - min f", grid, "mean height above the global minimum at the end"),
        "in_dent_uphill_noise": per_seed(
            np.array([share[w, "uphill noise", 2.0] for w in WELLS]),
            "share of walkers",
            {"well": list(WELLS), "rate": RATES},
            "the same at a constant rate with noise 2 times the root of the height",
        ),
    }
    for well in WELLS:
        for sigma, word in ((0.0, "quiet"), (2.0, "noisy")):
            values, best = stuck(share, height, well, sigma)
            q[f"stuck_{well}_{word}"] = per_seed(
                values,
                "share of walkers",
                {},
                f"noise {sigma:g}, constant rate: share stuck in the local basin at the small rate, minus at the best larger rate",
            )
            q[f"best_rate_{well}_{word}"] = fixed(best, "rate", {}, "the larger rate that ended lowest")
    return q


def expect(q):
    """What both sizes must show: small quiet steps stay where they fall."""
    local = q["in_dent"].mean
    quiet, small = 0, int(np.abs(RATES - SMALL).argmin())
    assert local[:, 0, quiet, small].min() > 0.95, "without noise a small rate stays"
    assert q["stuck_dent_quiet"].mean > 0.5, "a larger rate leaves a sharp dent"
    assert (q["in_dent"].mean >= 0).all() and (q["in_dent"].mean <= 1).all()


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
