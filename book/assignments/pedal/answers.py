"""Answers that test the checks of "pedal": known mistakes, each with the hint it must get, and unusual right ones.

The plain right answers are those of the page `assignment_pedal`.
"""

import fractions
import math
import warnings

import numpy as np
import torch

WRONG, UNUSUAL = [], []


def wrong(question, hint):
    """The function below is a wrong answer to `question` and must get `hint`."""
    return lambda function: WRONG.append((question, hint, function)) or function


def unusual(question):
    """The function below is a right answer to `question`, written in an unusual way."""
    return lambda function: UNUSUAL.append((question, function)) or function


@wrong("q1", "q1_bottom")
def forgets_the_bottom(w, bottom, curvature, lr, n):
    return w * (1 - lr * curvature) ** n


@wrong("q1", "q1_distance")
def gives_the_distance(w, bottom, curvature, lr, n):
    return (w - bottom) * (1 - lr * curvature) ** n


@wrong("q1", "q1_sign")
def walks_uphill(w, bottom, curvature, lr, n):
    for _ in range(n):
        w = w + lr * curvature * (w - bottom)
    return w


@wrong("q1", "q1_count")
def one_step_too_many(w, bottom, curvature, lr, n):
    for _ in range(n + 1):
        w = w - lr * curvature * (w - bottom)
    return w


@wrong("q1", "q1_curvature")
def takes_the_distance_for_the_slope(w, bottom, curvature, lr, n):
    return bottom + (w - bottom) * (1 - lr) ** n


@wrong("q1", "q1_loss")
def shrinks_like_the_loss(w, bottom, curvature, lr, n):
    return bottom + (w - bottom) * (1 - lr * curvature) ** (2 * n)


@wrong("q1", "q1_once")
def forgets_n(w, bottom, curvature, lr, n):
    return w - lr * curvature * (w - bottom)


@wrong("q1", "q1_side")
def loses_the_side(w, bottom, curvature, lr, n):
    return bottom + (w - bottom) * abs(1 - lr * curvature) ** n


@wrong("q1", "no_value")
def forgets_to_return(w, bottom, curvature, lr, n):
    w = bottom + (w - bottom) * (1 - lr * curvature) ** n


@wrong("q1", "q1_other")
def a_constant(w, bottom, curvature, lr, n):
    return 1.0


@wrong("q1", "no_number")
def compares_instead_of_computing(w, bottom, curvature, lr, n):
    return abs(1 - lr * curvature) < 1


@wrong("q1", "crash")
def stops_with_an_error(w, bottom, curvature, lr, n):
    return bottom + undefined_name * n  # noqa: F821  the mistake that is tested


@wrong("q2", "q2_overshoot")
def calls_every_overshoot_divergence(lr, curvature):
    x = lr * curvature
    return "frozen" if x == 0 else "monotone" if x < 1 else "arrives" if x == 1 else "diverging"


@wrong("q2", "q2_curvature")
def forgets_the_curvature(lr, curvature):
    return right_words(lr, 1.0)


@wrong("q2", "q2_edge")
def forgets_the_edges(lr, curvature):
    x = lr * curvature
    return "monotone" if x < 1 else "alternating" if x < 2 else "diverging"


@wrong("q2", "q2_beyond")
def believes_it_swings_for_ever(lr, curvature):
    x = lr * curvature
    return right_words(lr, curvature) if x <= 2 else "periodic"


@wrong("q2", "q2_word")
def answers_with_a_number(lr, curvature):
    return 1 - lr * curvature


def right_words(lr, curvature):
    factor = 1 - lr * curvature
    for word, holds in (
        ("frozen", lr == 0),
        ("arrives", factor == 0),
        ("periodic", factor == -1),
        ("monotone", 0 < factor < 1),
        ("alternating", -1 < factor < 0),
    ):
        if holds:
            return word
    return "diverging"


@wrong("q3", "q3_library")
def uses_the_convention_of_lrlib(t, peak, warm, total, floor):
    return peak * (t + 1) / (warm + 1) if t < warm else right_rate(t, peak, warm, total, floor)


@wrong("q3", "q3_zero")
def begins_at_zero(t, peak, warm, total, floor):
    return peak * t / warm if t < warm else right_rate(t, peak, warm, total, floor)


@wrong("q3", "q3_late")
def arrives_one_step_late(t, peak, warm, total, floor):
    return right_rate(t, peak, warm, total + 1, floor)


@wrong("q3", "q3_total")
def spreads_the_cosine_over_all_steps(t, peak, warm, total, floor):
    if t < warm:
        return peak * (t + 1) / warm
    return floor + (peak - floor) * (1 + math.cos(math.pi * t / total)) / 2


@wrong("q3", "q3_floor")
def falls_to_zero(t, peak, warm, total, floor):
    return right_rate(t, peak, warm, total, 0)


@wrong("q3", "q3_linear")
def falls_along_a_line(t, peak, warm, total, floor):
    if t < warm:
        return peak * (t + 1) / warm
    return peak + (floor - peak) * min(1, (t - warm) / (total - 1 - warm))


@wrong("q3", "q3_degrees")
def computes_in_degrees(t, peak, warm, total, floor):
    if t < warm:
        return peak * (t + 1) / warm
    return floor + (peak - floor) * (1 + math.cos(180 * (t - warm) / (total - 1 - warm))) / 2


@wrong("q3", "q3_after")
def rises_again(t, peak, warm, total, floor):
    if t < warm:
        return peak * (t + 1) / warm
    return floor + (peak - floor) * (1 + math.cos(math.pi * (t - warm) / (total - 1 - warm))) / 2


@wrong("q3", "q3_no_warmup")
def divides_by_an_empty_warmup(t, peak, warm, total, floor):
    start = peak / warm
    return start * (t + 1) if t < warm else right_rate(t, peak, warm, total, floor)


@wrong("q3", "nan")
def gives_nan(t, peak, warm, total, floor):
    return math.nan


@wrong("q3", "q3_other")
def always_the_floor(t, peak, warm, total, floor):
    return floor


def right_rate(t, peak, warm, total, floor):
    if t < warm:
        return peak * (t + 1) / warm
    share = min(1, (t - warm) / (total - 1 - warm))
    return floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2


@wrong("q4", "q4_floor")
def rounds_down(lr, curvature, shrink):
    factor = abs(1 - lr * curvature)
    return None if factor >= 1 else 1 if factor == 0 else math.floor(math.log(shrink) / math.log(factor))


@wrong("q4", "q4_approximate")
def uses_the_approximation(lr, curvature, shrink):
    return None if lr * curvature in (0, 2) else math.ceil(math.log(1 / shrink) / (lr * curvature))


@wrong("q4", "q4_loss")
def counts_for_the_loss(lr, curvature, shrink):
    factor = abs(1 - lr * curvature) ** 2
    return None if factor >= 1 else 1 if factor == 0 else math.ceil(math.log(shrink) / math.log(factor))


@wrong("q4", "q4_log")
def takes_the_logarithm_of_anything(lr, curvature, shrink):
    return math.ceil(math.log(shrink) / math.log(1 - lr * curvature))


@wrong("q4", "q4_never")
def gives_infinity(lr, curvature, shrink):
    factor = abs(1 - lr * curvature)
    return math.inf if factor >= 1 else walks(factor, shrink)


@wrong("q4", "q4_loop")
def walks_for_ever(lr, curvature, shrink):
    w, steps = 1.0, 0
    while abs(w) > shrink:
        w, steps = w - lr * curvature * w, steps + 1
    return steps


@wrong("q4", "q4_whole")
def does_not_round(lr, curvature, shrink):
    factor = abs(1 - lr * curvature)
    return None if factor >= 1 else 1 if factor == 0 else math.log(shrink) / math.log(factor)


@wrong("q4", "q4_arrives")
def stops_at_every_overshoot(lr, curvature, shrink):
    return walks(1 - lr * curvature, shrink) if 0 < lr * curvature <= 1 else None


def walks(factor, shrink):
    distance, steps = 1.0, 0
    while distance > shrink:
        distance, steps = distance * factor, steps + 1
    return steps


@wrong("q5", "q5_lowest")
def takes_the_lowest_loss(rates, losses):
    return min((loss, rate) for rate, loss in zip(rates, losses) if math.isfinite(loss))[1]


@wrong("q5", "q5_largest")
def takes_the_largest(rates, losses):
    return max(near(rates, losses))


@wrong("q5", "q5_order")
def takes_the_first_row(rates, losses):
    return near(rates, losses)[0]


@wrong("q5", "q5_add")
def adds_instead_of_multiplying(rates, losses):
    fine = [(rate, loss) for rate, loss in zip(rates, losses) if math.isfinite(loss)]
    return min(rate for rate, loss in fine if loss <= min(loss for _, loss in fine) + 0.05)


@wrong("q5", "q5_broken")
def trusts_every_row(rates, losses):
    return min(rate for rate, loss in zip(rates, losses) if loss <= 1.05 * np.min(losses))


@wrong("q5", "q5_none")
def expects_one_good_run(rates, losses):
    return min(near(rates, losses))


@wrong("q5", "q5_loss")
def gives_the_loss(rates, losses):
    return min(loss for loss in losses if math.isfinite(loss))


def near(rates, losses):
    least = min((loss for loss in losses if math.isfinite(loss)), default=math.nan)
    return [rate for rate, loss in zip(rates, losses) if math.isfinite(loss) and loss <= 1.05 * least]


@unusual("q1")
def single_precision(w, bottom, curvature, lr, n):
    w, bottom, curvature, lr = map(np.float32, (w, bottom, curvature, lr))
    return bottom + (w - bottom) * (np.float32(1) - lr * curvature) ** n


@unusual("q1")
def autograd(w, bottom, curvature, lr, n):
    torch.manual_seed(1)
    w = torch.tensor([float(w)], dtype=torch.float64, requires_grad=True)
    for _ in range(n):
        (slope,) = torch.autograd.grad((curvature * (w - bottom) ** 2 / 2).sum(), w)
        w = (w - lr * slope).detach().requires_grad_()
    return w


@unusual("q1")
def exact_fractions_with_prints(w, bottom, curvature, lr, n):
    w, bottom, factor = fractions.Fraction(w), fractions.Fraction(bottom), 1 - fractions.Fraction(lr) * int(curvature)
    print("step", n)
    warnings.warn("slow", stacklevel=1)
    return bottom + (w - bottom) * factor**n


@unusual("q2")
def numpy_text_in_capitals(lr, curvature):
    return np.str_(right_words(lr, curvature).capitalize())


@unusual("q2")
def with_a_tolerance(lr, curvature):
    for word, edge in (("frozen", 0), ("arrives", 1), ("periodic", 2)):
        if math.isclose(lr * curvature, edge, rel_tol=1e-9, abs_tol=1e-12):
            return word
    return ("monotone", "alternating", "diverging")[min(2, int(lr * curvature))]


@unusual("q3")
def through_a_table(t, peak, warm, total, floor):
    up = peak * np.arange(1, warm + 1) / max(warm, 1)
    down = floor + (peak - floor) * (1 + np.cos(np.linspace(0, np.pi, total - warm))) / 2
    return np.concatenate([up, down])[min(t, total - 1)]


@unusual("q3")
def a_torch_scalar(t, peak, warm, total, floor):
    share = torch.clamp(torch.tensor((t - warm) / (total - 1 - warm)), 0, 1)
    return (
        peak * (t + 1) / warm
        if t < warm
        else torch.lerp(torch.tensor(peak), torch.tensor(floor), torch.sin(torch.pi * share / 2) ** 2)
    )


def _remembering():
    seen = {}

    def steps(lr, curvature, shrink):
        if (lr, curvature, shrink) not in seen:
            factor = abs(1 - lr * curvature)
            seen[lr, curvature, shrink] = np.int64(walks(factor, shrink)) if factor < 1 else None
        return seen[lr, curvature, shrink]

    return steps


unusual("q4")(_remembering())  # a closure with a memory


@unusual("q4")
def a_whole_float(lr, curvature, shrink):
    factor = abs(1 - lr * curvature)
    with np.errstate(divide="ignore"):
        return None if factor >= 1 else max(1.0, np.ceil(np.log(shrink) / np.log(factor)))


@unusual("q5")
def arrays_and_masks(rates, losses):
    rates, losses = np.array(rates, dtype=np.float32), np.array(losses)
    fine = np.isfinite(losses)
    if not fine.any():
        return None
    return rates[fine & (losses <= 1.05 * losses[fine].min())].min()


@unusual("q5")
def sorts_the_lists_in_place(rates, losses):
    rows = sorted((rate, loss) for rate, loss in zip(rates, losses) if abs(loss) < math.inf)
    rates.clear(), losses.clear()
    return next((rate for rate, loss in rows if loss <= 1.05 * min(x for _, x in rows)), None)
