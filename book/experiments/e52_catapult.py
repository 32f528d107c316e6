"""E52: the catapult, in the smallest network that has one.

Two layers without a non-linearity, f = u·v/√n with n = 512, one example with the target 0,
loss f²/2, plain gradient descent. The curvature λ = (|u|² + |v|²)/n is the largest
eigenvalue of the Hessian wherever f = 0, so at every solution. Between 2/λ₀ and 4/λ₀ the
loss first grows and then falls to a solution that is flatter than the start. The model and
its borders: Lewkowycz et al. (2020).
"""

import numpy as np
from quantities import fixed, per_seed
from sizes import modes

from lrbook.experiment import Experiment
from lrlib._base.streams import moved

ID = "e52_catapult"
QUESTION = "What does gradient descent do between the rate that is stable and the rate that diverges?"

WIDTH = 512
MULTIPLES = np.round(np.arange(0.1, 2.31, 0.1), 2)
SHOWN = [0.5, 1.2, 1.5, 1.8, 2.2]
LAZY, CATAPULT, BEYOND = (MULTIPLES <= 0.9), (MULTIPLES >= 1.2) & (MULTIPLES <= 1.8), MULTIPLES >= 2.2
SIZES = modes(quick=dict(seeds=10, steps=150), full=dict(seeds=50, steps=600))
SOLVED, LOST = 1e-6, 1e6


def starts(seeds):
    """u and v, standard normal, [seed, n] each."""
    drawn = [np.random.default_rng(moved(seed)).standard_normal((2, WIDTH)) for seed in range(seeds)]
    return np.moveaxis(np.array(drawn), 1, 0)


def curvature(u, v):
    """λ = |∇f|² = (|u|² + |v|²)/n."""
    return ((u**2).sum(-1) + (v**2).sum(-1)) / WIDTH


def descend(u, v, rate, steps):
    """Loss and curvature before each step and after the last, [steps + 1, multiple, seed]; frozen once it is lost."""
    u, v = (np.broadcast_to(w, (*rate.shape, WIDTH)).copy() for w in (u, v))
    loss, bend = np.empty((2, steps + 1, *rate.shape))
    for t in range(steps + 1):
        f = (u * v).sum(-1) / np.sqrt(WIDTH)
        loss[t], bend[t] = f**2 / 2, curvature(u, v)
        pull = np.where(loss[t] < LOST, rate * f / np.sqrt(WIDTH), 0.0)[..., None]
        u, v = u - pull * v, v - pull * u
    return loss, bend


def run(mode):
    """Descend; `mode` "full": 50 seeds, 600 steps, "quick": 10 seeds, 150 steps."""
    seeds, steps = SIZES[mode].values()
    u, v = starts(seeds)
    rate = 2 * MULTIPLES[:, None] / curvature(u, v)
    return describe(*descend(u, v, rate, steps))


def describe(loss, bend):
    lost = ~(loss[-1] < LOST)
    grew = loss.max(axis=0) > 2 * loss[0]
    flatter = np.where(lost, np.nan, np.log10(bend[-1] / bend[0]))
    axis, share, border = {"multiple_of_limit": MULTIPLES}, "share of runs", "of 2 over the curvature of the start"
    catapulted = (grew & ~lost).astype(float)
    rows = [int(np.flatnonzero(MULTIPLES == m)[0]) for m in SHOWN]
    shown = {"multiple_of_limit": SHOWN, "step": range(61)}
    return {
        "grew": per_seed(grew.astype(float), share, axis, "runs whose loss more than doubled on the way"),
        "catapulted": per_seed(catapulted, share, axis, "runs whose loss more than doubled and that did not diverge"),
        "diverged": per_seed(lost.astype(float), share, axis, "runs whose loss passed a million"),
        "solved": per_seed((loss[-1] < SOLVED).astype(float), share, axis, "runs that ended with a loss below 1e-6"),
        "curvature_change": per_seed(
            flatter,
            "decades",
            axis,
            "log10 of the curvature at the end over that of the start; empty where a run diverged",
        ),
        "highest_loss": per_seed(
            np.where(lost, np.nan, np.log10(loss.max(axis=0))),
            "decades",
            axis,
            "log10 of the highest loss of the run; empty where it diverged",
            band=1.0,
        ),
        "loss_by_step": fixed(
            np.minimum(loss[:61, rows, 0].T, LOST), "loss", shown, "loss along the run, first seed, cut at a million"
        ),
        "curvature_by_step": fixed(bend[:61, rows, 0].T, "curvature", shown, "curvature along the run, first seed"),
        "flatter_after_catapult": per_seed(
            flatter[LAZY].mean(axis=0) - flatter[CATAPULT].mean(axis=0),
            "decades",
            {},
            f"log10 of the curvature of the solution: rates below the border minus rates from 1.2 to 1.8 {border}",
        ),
        "under_the_new_border": per_seed(
            (bend[-1] * (2 * MULTIPLES[:, None] / bend[0]) / 2)[CATAPULT].mean(axis=0),
            "share of the border",
            {},
            f"curvature of the solution over 2/rate, at rates from 1.2 to 1.8 {border}",
        ),
        "catapult_excess": per_seed(
            catapulted[CATAPULT].mean(axis=0) - catapulted[LAZY].mean(axis=0),
            share,
            {},
            f"share of catapults at rates from 1.2 to 1.8 {border} minus at smaller ones",
        ),
        "diverged_beyond": per_seed(lost[BEYOND].mean(axis=0), share, {}, f"share of diverged runs from 2.2 {border}"),
    }


def expect(q):
    """Lazy below the border, a catapult up to twice of it, divergence beyond."""
    assert q["grew"].mean[LAZY].max() == 0 and q["diverged"].mean[LAZY | CATAPULT].max() == 0
    assert q["catapulted"].mean[CATAPULT].min() > 0.5
    assert q["diverged_beyond"].mean == 1
    assert q["flatter_after_catapult"].mean > 0.1 and q["under_the_new_border"].mean < 1


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
