"""E05: what theory says about the shape of a schedule, without any training.

For a convex function with subgradients of length at most G and a start x_1 at distance D
from the minimum, the iterate x_T of subgradient steps with rates η_1 … η_T satisfies

    E f(x_T) − f* ≤ D²/(2Ση) + Ση²G²/(2Ση)
                    + ½ Σ_{k<T} (η_k / Σ_{t>k} η_t) (Σ_{t≥k} η_t² G² / Σ_{t≥k} η_t)

(Defazio 2023, theorem 10; Schaipp 2025). With η = γ·plan the bound is t₁/γ + γ(t₂ + t₃),
so every shape has its own best base rate γ = √(t₁/(t₂ + t₃)) and its own best bound.
"""

import numpy as np
from quantities import fixed

from lrbook.experiment import Experiment
from lrlib import cosine, exponential, hold, last_iterate_bound, linear, ramp, step, warmup

ID = "e05_last_iterate_bound"
QUESTION = "Which shape of a schedule has the best guarantee for its last iterate?"

LENGTHS = np.array([100, 400, 1000, 4000])
RATES = 10 ** np.arange(-4, 1.01, 0.125)
DECAYS = ["step", "exponential", "linear", "cosine"]


def shapes(steps):
    """The shapes, each of `steps` steps: the six of the bake-off and three more."""
    return {
        "constant": hold(steps),
        "step": step(max(1, round(steps / 3)), 0.1),
        "exponential": exponential(steps, final=0.01),
        "linear": linear(steps),
        "cosine": cosine(steps),
        "warmup and cosine": warmup(steps // 20) >> cosine(steps - steps // 20),
        "warmup and linear": warmup(steps // 20) >> linear(steps - steps // 20),
        "hold, then 1-sqrt": hold(steps - steps // 5) >> ramp(steps // 5, 1, 0, shape="1-sqrt"),
        "rising": ramp(steps, 0, 1),
    }


def hardest_walk(factor, rate):
    """Last gap of subgradient descent on |x| from x = 1, the bound's simplest case."""
    x = 1.0
    for f in factor:
        x -= rate * f * np.sign(x)
    return abs(x)


def run(mode):
    """The bound in closed form; `mode` "quick" leaves out the longest run."""
    lengths = LENGTHS[:3] if mode == "quick" else LENGTHS
    names = list(shapes(100))
    bound, best, gap = (np.empty((len(names), len(lengths))) for _ in range(3))
    for j, length in enumerate(lengths):
        for i, plan in enumerate(shapes(int(length)).values()):
            factor = plan(np.arange(length))
            theory = last_iterate_bound(factor)
            best[i, j], bound[i, j] = theory.best_rate, theory.best
            gap[i, j] = hardest_walk(factor, best[i, j])
    curves = np.array([last_iterate_bound(plan, 1000).at(RATES) for plan in shapes(1000).values()])
    return describe(names, lengths, bound, best, gap, curves)


def describe(names, lengths, bound, best, gap, curves):
    axes = {"shape": names, "steps": lengths}
    decayed = [names.index(name) for name in DECAYS]
    gains = np.log10(bound[names.index("constant")] / bound[decayed].mean(axis=0))
    ratio = bound[names.index("constant")] / bound[names.index("linear")]
    return {
        "bound": fixed(
            bound, "loss, D G", axes, "guaranteed loss of the last iterate at the shape's own best base rate"
        ),
        "best_rate": fixed(best, "rate, D / G", axes, "base rate that minimises the bound"),
        "walk_gap": fixed(
            gap, "loss, D G", axes, "loss that subgradient descent on |x| really ended with at that rate"
        ),
        "bound_over_rate": fixed(
            curves, "loss, D G", {"shape": names, "rate": RATES}, "the bound against the base rate, 1000 steps"
        ),
        "decay_gain": fixed(
            gains[-1],
            "decades",
            {},
            "log10 of the constant rate's best bound over the mean best bound of step, exponential, linear and cosine decay, longest run",
        ),
        "constant_over_linear": fixed(
            ratio, "ratio", {"steps": lengths}, "best bound of the constant rate over that of the linear decay"
        ),
    }


def expect(q):
    """Orderings that the formula fixes."""
    names = q["bound"].axes["shape"]
    bound = dict(zip(names, q["bound"].mean, strict=True))
    assert (bound["linear"] < bound["cosine"]).all()
    assert (bound["cosine"] < bound["constant"]).all()
    assert (bound["constant"] < bound["rising"]).all()
    assert (q["walk_gap"].mean <= q["bound"].mean).all(), "a bound bounds"
    assert (np.diff(q["constant_over_linear"].mean) > 0).all()


EXPERIMENT = Experiment(ID, QUESTION, run, expect, __file__)

if __name__ == "__main__":
    EXPERIMENT.main()
