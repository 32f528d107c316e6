"""Checks of the assignment "pedal": what each question asks, its points, and the hints for known mistakes.

A miss is explained where it can be: if all answers agree with the formula of a known mistake, its hint is given.
"""

import math

from lrbook.classroom import Assignment, Miss, close, number

HINTS = {
    "crash": {"en": "Your function stopped with this error.", "ja": "関数がこのエラーで止まりました。"},
    "slow": {
        "en": "Your function did not come back. Is there a loop that never ends?",
        "ja": "関数が戻ってきません。終わらないループはありませんか。",
    },
    "no_value": {
        "en": "Your function gave None. Is there a `return` on every path?",
        "ja": "戻り値が None です。どの分岐にも `return` がありますか。",
    },
    "no_number": {
        "en": "A number is asked for, and this is none.",
        "ja": "数を返してください。これは数ではありません。",
    },
    "nan": {
        "en": "The answer is nan, which is no number. Look for inf − inf, 0 ÷ 0 or a nan in the input.",
        "ja": "答えが nan で、数になっていません。inf − inf、0 ÷ 0、入力の nan を疑ってください。",
    },
    "q1_bottom": {
        "en": "The valley's bottom is at `bottom`, not at 0. It is the distance from the bottom that shrinks.",
        "ja": "谷の底は 0 ではなく `bottom` です。縮むのは、底からの距離です。",
    },
    "q1_distance": {
        "en": "This is the distance from the bottom. Where is the weight itself?",
        "ja": "それは底からの距離です。重みそのものはどこにありますか。",
    },
    "q1_sign": {
        "en": "This walks uphill. The step goes against the slope.",
        "ja": "坂を上っています。一歩は傾きと逆の向きです。",
    },
    "q1_count": {
        "en": "One step too many or too few. For n = 0 the weight has not moved yet.",
        "ja": "一歩多いか、少ないかです。n = 0 なら、重みはまだ動いていません。",
    },
    "q1_curvature": {
        "en": "Every step is the rate times the slope, and the slope contains the curvature.",
        "ja": "一歩は学習率と傾きの積で、傾きには曲率が入っています。",
    },
    "q1_loss": {
        "en": "This shrinks like the loss, by the factor squared. The weight shrinks by the factor itself.",
        "ja": "損失の縮み方（倍率の二乗）になっています。重みは倍率そのもので縮みます。",
    },
    "q1_once": {
        "en": "This is where the weight is after one step, whatever n is.",
        "ja": "n がいくつでも、一歩目の位置になっています。",
    },
    "q1_side": {
        "en": "Past 1/curvature the weight changes sides with every step. Keep the sign of the factor.",
        "ja": "1/曲率 を超えると、重みは一歩ごとに底の反対側へ移ります。倍率の符号を残してください。",
    },
    "q1_other": {
        "en": "Not this number. By which factor does one step multiply the distance from the bottom?",
        "ja": "この数ではありません。一歩で、底からの距離は何倍になりますか。",
    },
    "q2_word": {
        "en": "Return one of the six words of the question, as text.",
        "ja": "問題にある六つの語のどれかを、文字列で返してください。",
    },
    "q2_overshoot": {
        "en": "Jumping across the bottom is not yet divergence. Up to which rate does the distance still shrink?",
        "ja": "底を飛び越えるだけでは、まだ発散ではありません。距離が縮むのはどの学習率まででしょう。",
    },
    "q2_curvature": {
        "en": "The edges lie at multiples of 1/curvature, not at fixed rates.",
        "ja": "境目は決まった学習率ではなく、1/曲率 の倍数にあります。",
    },
    "q2_edge": {
        "en": "Look at the edges themselves: rate 0, rate 1/curvature, rate 2/curvature. Each has a word of its own.",
        "ja": "境目そのもの、つまり学習率 0、1/曲率、2/曲率 を確かめてください。それぞれに専用の語があります。",
    },
    "q2_beyond": {
        "en": "What does a factor below −1 do to the distance, step after step?",
        "ja": "倍率が −1 より小さいと、距離は一歩ごとにどうなりますか。",
    },
    "q2_other": {
        "en": "Not this word. Compute 1 − rate × curvature first, then look at its sign and its size.",
        "ja": "この語ではありません。まず 1 − 学習率 × 曲率 を計算し、符号と大きさを見てください。",
    },
    "q3_library": {
        "en": "This is lrlib's convention, (t + 1)/(n + 1). Here the warm-up divides by `warm`.",
        "ja": "それは lrlib の約束 (t + 1)/(n + 1) です。ここではウォームアップを `warm` で割ります。",
    },
    "q3_zero": {
        "en": "The first step would have the rate 0 and be lost. Step 0 already uses peak / warm.",
        "ja": "最初の一歩の学習率が 0 になり、一歩むだになります。ステップ 0 でもう peak / warm を使います。",
    },
    "q3_total": {
        "en": "The cosine is spread over the wrong number of steps. It begins at t = warm and ends at t = total − 1.",
        "ja": "コサインの長さが違います。t = warm で始まり、t = total − 1 で終わります。",
    },
    "q3_late": {
        "en": "The floor comes one step late. The last step, t = total − 1, uses `floor`.",
        "ja": "下限に着くのが一歩遅れています。最後のステップ t = total − 1 で `floor` を使います。",
    },
    "q3_floor": {
        "en": "The rate falls to 0. It should fall to `floor`.",
        "ja": "学習率が 0 まで下がっています。下がる先は `floor` です。",
    },
    "q3_linear": {
        "en": "This falls along a straight line. Half a cosine is flat at both ends.",
        "ja": "直線で下がっています。コサインの半分なら、両端が平らです。",
    },
    "q3_degrees": {
        "en": "`cos` wants radians: half a turn is pi, not 180.",
        "ja": "`cos` の引数はラジアンです。半回転は 180 ではなく pi です。",
    },
    "q3_after": {
        "en": "After the last step the rate stays at `floor`. A cosine would rise again.",
        "ja": "最後のステップのあと、学習率は `floor` のままです。コサインのままだと、また上がります。",
    },
    "q3_no_warmup": {
        "en": "With warm = 0 there is no warm-up: step 0 uses `peak`. Do not divide by 0.",
        "ja": "warm = 0 ならウォームアップはなく、ステップ 0 で `peak` を使います。0 で割らないでください。",
    },
    "q3_other": {
        "en": "Not this rate. Check three steps by hand: t = 0, t = warm, t = total − 1.",
        "ja": "この学習率ではありません。t = 0、t = warm、t = total − 1 の三つを手で確かめてください。",
    },
    "q4_floor": {
        "en": "Rounded the wrong way: after that many steps the weight is still outside.",
        "ja": "丸める向きが逆です。その歩数では、まだ外にいます。",
    },
    "q4_approximate": {
        "en": "ln(1/ε)/(ηλ) is an approximation for small rates. Use the factor itself.",
        "ja": "ln(1/ε)/(ηλ) は学習率が小さいときの近似です。倍率そのものを使ってください。",
    },
    "q4_loss": {
        "en": "This counts until the loss has shrunk. The question asks for the distance, which needs twice as many steps.",
        "ja": "損失が縮むまでの歩数です。問われているのは距離で、歩数は二倍かかります。",
    },
    "q4_log": {
        "en": "A logarithm of 0 or of a negative number. Which factors have no logarithm, and what happens there?",
        "ja": "0 か負の数の対数をとっています。対数のない倍率はどれで、そこでは何が起きますか。",
    },
    "q4_never": {
        "en": "At this rate the weight never comes near. Return None.",
        "ja": "この学習率では、重みはいつまでも近づきません。None を返してください。",
    },
    "q4_loop": {
        "en": "Your loop waits for a weight that never comes near. Look at the factor before you start to walk.",
        "ja": "近づかない重みを待ち続けています。歩き出す前に、倍率を見てください。",
    },
    "q4_whole": {"en": "A number of steps is a whole number.", "ja": "歩数は整数です。"},
    "q4_arrives": {
        "en": "This rate does arrive: the size of the factor is below 1. Its sign does not matter.",
        "ja": "この学習率なら着きます。倍率の大きさは 1 未満です。符号は関係ありません。",
    },
    "q4_other": {
        "en": "Not this number of steps. Which power of the factor is the first one that is small enough?",
        "ja": "この歩数ではありません。倍率の何乗で、初めて十分に小さくなりますか。",
    },
    "q5_lowest": {
        "en": "This is the rate with the lowest loss. The rule asks for the smallest rate that is nearly as good.",
        "ja": "それは損失が最小の学習率です。規則が求めるのは、ほぼ同じくらい良い学習率のうち最小のものです。",
    },
    "q5_largest": {
        "en": "This is the largest rate that is nearly as good. The rule asks for the smallest.",
        "ja": "それは、ほぼ同じくらい良い学習率のうち最大のものです。規則が求めるのは最小です。",
    },
    "q5_order": {
        "en": "The table need not be sorted. Take the smallest rate, not the first row.",
        "ja": "表は順に並んでいるとは限りません。最初の行ではなく、最小の学習率を選んでください。",
    },
    "q5_add": {
        "en": "At most 1.05 times the lowest loss, not at most 0.05 above it.",
        "ja": "最小の損失の 1.05 倍まで、です。0.05 を足すのではありません。",
    },
    "q5_broken": {
        "en": "A run that diverged has the loss nan or inf. Leave such rows out before you look for the lowest.",
        "ja": "発散した実行の損失は nan か inf です。最小を探す前に、その行を除いてください。",
    },
    "q5_none": {
        "en": "If every run diverged there is no rate to choose. Return None.",
        "ja": "すべての実行が発散したら、選べる学習率はありません。None を返してください。",
    },
    "q5_loss": {
        "en": "This is a loss. The question asks for the rate.",
        "ja": "それは損失です。問われているのは学習率です。",
    },
    "q5_other": {
        "en": "Not this rate. First the lowest loss, then all rates within 1.05 times of it, then the smallest of those.",
        "ja": "この学習率ではありません。まず最小の損失、次にその 1.05 倍以内の学習率すべて、最後にその中の最小です。",
    },
}

ASSIGNMENT = Assignment(
    "pedal",
    functions={"q1": "after_steps", "q2": "behaviour", "q3": "rate_at", "q4": "steps_needed", "q5": "choose_rate"},
    manual={"q6": 4},
    hints=HINTS,
)


def compare(ask, cases, right, mistakes, other, scale=0.0):
    """All answers right, or a `Miss` with the hint of the first mistake that explains every one of them."""
    got = []
    for case in cases:
        got.append(ask.number(*case))
        call = ask.call if not close(got[-1], right(*case), scale=scale) else None
        if call:
            break
    else:
        return
    got += [_number_or_nan(ask, case) for case in cases[len(got) :]]
    ask.call = call
    for hint, formula in mistakes.items():
        if all(_agrees(g, formula, case, scale) for g, case in zip(got, cases)):
            raise Miss(hint)
    raise Miss(other)


def _number_or_nan(ask, case):
    try:
        return ask.number(*case)
    except (Miss, ArithmeticError, ValueError, TypeError):
        return math.nan


def _agrees(got, formula, case, scale):
    try:
        return close(got, formula(*case), scale=scale)
    except (ArithmeticError, ValueError):
        return False


# q1: the weight after n steps on a parabola whose bottom is not at 0
def _weight(w, bottom, curvature, lr, n):
    return bottom + (w - bottom) * (1 - lr * curvature) ** n


Q1 = {
    "q1_bottom": lambda w, b, c, lr, n: w * (1 - lr * c) ** n,
    "q1_distance": lambda w, b, c, lr, n: (w - b) * (1 - lr * c) ** n,
    "q1_sign": lambda w, b, c, lr, n: b + (w - b) * (1 + lr * c) ** n,
    "q1_curvature": lambda w, b, c, lr, n: b + (w - b) * (1 - lr) ** n,
    "q1_loss": lambda w, b, c, lr, n: b + (w - b) * (1 - lr * c) ** (2 * n),
    "q1_once": lambda w, b, c, lr, n: _weight(w, b, c, lr, 1),
    "q1_side": lambda w, b, c, lr, n: b + (w - b) * abs(1 - lr * c) ** n,
}


@ASSIGNMENT.add("q1", 2, en="rates below 1/curvature", ja="1/曲率 より小さい学習率")
def q1_near(ask):
    cases = [(1.0, 3.0, 4.0, 0.1, 1), (5.0, -2.0, 2.0, 0.125, 7), (1.0, 3.0, 4.0, 0.1, 0), (-3.0, 0.5, 10.0, 0.03, 20)]
    counts = {f"q1_count{k}": lambda *a, k=k: _weight(*a[:4], a[4] + k) for k in (1, -1)}
    try:
        compare(ask, cases, _weight, Q1 | counts, "q1_other", scale=1.0)
    except Miss as miss:
        raise Miss("q1_count" if miss.hint.startswith("q1_count") else miss.hint) from None


@ASSIGNMENT.add("q1", 1, en="rates that jump across, and rates that leave", ja="飛び越える学習率と、離れていく学習率")
def q1_far(ask):
    cases = [(1.0, 3.0, 4.0, 0.4, 3), (2.0, -1.0, 3.0, 0.75, 5), (4.0, 1.0, 4.0, 0.625, 9), (4.0, 1.0, 4.0, 0.0, 9)]
    compare(ask, cases, _weight, Q1, "q1_other", scale=1.0)


# q2: what a rate does on a parabola, in one word
WORDS = ("frozen", "monotone", "arrives", "alternating", "periodic", "diverging")


def _behaviour(lr, curvature):
    x = lr * curvature
    return WORDS[0 if x == 0 else 1 if x < 1 else 2 if x == 1 else 3 if x < 2 else 4 if x == 2 else 5]


def _words(ask, cases, other):
    for lr, curvature in cases:
        said = ask(lr, curvature)
        if said is None:
            raise Miss("no_value")
        if not isinstance(said, str) or said.strip().lower() not in WORDS:
            raise Miss("q2_word")
        if said.strip().lower() != _behaviour(lr, curvature):
            raise Miss(_why(str(said).strip().lower(), lr, curvature, other))


def _why(said, lr, curvature, other):
    if said == "diverging" and 1 < lr * curvature < 2:
        return "q2_overshoot"
    return "q2_curvature" if said == _behaviour(lr, 1.0) else other


@ASSIGNMENT.add(
    "q2", 1, en="rates that arrive, from one side or jumping", ja="片側から、または飛び越えながら着く学習率"
)
def q2_inside(ask):
    _words(ask, [(0.3, 4.0), (0.01, 4.0), (0.13, 8.0), (1.3, 0.5), (3.0, 0.5), (0.49, 4.0)], "q2_other")


@ASSIGNMENT.add("q2", 1, en="the edges themselves", ja="境目そのもの")
def q2_edges(ask):
    _words(ask, [(0.25, 4.0), (0.5, 4.0), (0.0, 4.0), (2.0, 0.5), (0.25, 8.0)], "q2_edge")


@ASSIGNMENT.add("q2", 1, en="rates that leave, and one that does not", ja="離れていく学習率と、離れない学習率")
def q2_beyond(ask):
    _words(ask, [(0.51, 4.0), (1.2, 8.0), (7.0, 0.25), (100.0, 3.0)], "q2_beyond")


# q3: warm-up, then half a cosine, with conventions of its own
def _rate(t, peak, warm, total, floor):
    if t < warm:
        return peak * (t + 1) / warm
    return _cosine(min(1.0, (t - warm) / (total - 1 - warm)), peak, floor)


def _cosine(share, peak, floor):
    return floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2


Q3 = {
    "q3_library": lambda t, p, w, n, f: p * (t + 1) / (w + 1) if t < w else _rate(t, p, w, n, f),
    "q3_zero": lambda t, p, w, n, f: p * t / w if t < w else _rate(t, p, w, n, f),
    "q3_late": lambda t, p, w, n, f: _rate(t, p, w, n + 1, f),
    "q3_total": lambda t, p, w, n, f: _rate(t, p, w, n, f) if t < w else _cosine(t / n, p, f),
    "q3_total_1": lambda t, p, w, n, f: _rate(t, p, w, n, f) if t < w else _cosine(t / (n - 1), p, f),
    "q3_total_2": lambda t, p, w, n, f: _rate(t, p, w, n, f) if t < w else _cosine((t - w) / n, p, f),
    "q3_floor": lambda t, p, w, n, f: _rate(t, p, w, n, 0.0),
    "q3_floor_1": lambda t, p, w, n, f: max(f, _rate(t, p, w, n, 0.0)),
    "q3_linear": lambda t, p, w, n, f: _rate(t, p, w, n, f) if t < w else p + (f - p) * min(1, (t - w) / (n - 1 - w)),
    "q3_degrees": lambda t, p, w, n, f: (
        _rate(t, p, w, n, f) if t < w else f + (p - f) * (1 + math.cos(180 * (t - w) / (n - 1 - w))) / 2
    ),
    "q3_after": lambda t, p, w, n, f: _rate(t, p, w, n, f) if t < w else _cosine((t - w) / (n - 1 - w), p, f),
}


def _rates(ask, cases, other="q3_other"):
    try:
        compare(ask, cases, _rate, Q3, other, scale=cases[0][1])
    except Miss as miss:
        raise Miss(miss.hint.removesuffix("_1").removesuffix("_2")) from None


@ASSIGNMENT.add("q3", 1, en="the warm-up", ja="ウォームアップ")
def q3_warmup(ask):
    _rates(ask, [(t, 0.4, 5, 40, 0.01) for t in (0, 2, 4, 5)] + [(t, 3.0, 20, 90, 0.0) for t in (0, 13, 19)])


@ASSIGNMENT.add("q3", 1, en="the cosine, from peak to floor", ja="コサイン（peak から floor まで）")
def q3_cosine(ask):
    _rates(ask, [(t, 0.4, 5, 40, 0.01) for t in (5, 11, 22, 39)] + [(t, 3.0, 20, 90, 0.5) for t in (33, 89)])


@ASSIGNMENT.add("q3", 1, en="the last step and later", ja="最後のステップとそのあと")
def q3_after(ask):
    _rates(ask, [(t, 0.4, 5, 40, 0.01) for t in (30, 39, 40, 55, 200)] + [(t, 1.0, 10, 50, 0.0) for t in (25, 60)])


@ASSIGNMENT.add("q3", 1, en="without a warm-up", ja="ウォームアップなし", crash={"ZeroDivisionError": "q3_no_warmup"})
def q3_no_warmup(ask):
    _rates(ask, [(t, 0.4, 0, 30, 0.02) for t in (0, 9, 21, 29)])


# q4: the number of steps until the distance has shrunk enough
def _steps(lr, curvature, shrink):
    factor = abs(1 - lr * curvature)
    return None if factor >= 1 else 1 if factor == 0 else math.ceil(math.log(shrink) / math.log(factor))


Q4 = {
    "q4_floor": lambda lr, c, e: math.floor(math.log(e) / math.log(abs(1 - lr * c))),
    "q4_loss": lambda lr, c, e: math.ceil(math.log(e) / math.log((1 - lr * c) ** 2)),
    "q4_approximate": lambda lr, c, e: math.ceil(math.log(1 / e) / (lr * c)),
    "q4_approximate_1": lambda lr, c, e: math.log(1 / e) / (lr * c),
    "q4_whole": lambda lr, c, e: math.log(e) / math.log(abs(1 - lr * c)),
}


def _counts(ask, cases):
    finite = [case for case in cases if _steps(*case) is not None]
    for case in finite:
        if (said := ask(*case)) is None:
            raise Miss("q4_arrives")
        if math.isinf(number(said)):
            raise Miss("q4_arrives")
    try:
        compare(ask, finite, _steps, Q4, "q4_other")
    except Miss as miss:
        raise Miss(miss.hint.removesuffix("_1")) from None
    for case in cases:
        if case not in finite and ask(*case) is not None:
            raise Miss("q4_never")


CRASHES = {"ValueError": "q4_log", "ZeroDivisionError": "q4_log", "OverflowError": "q4_never", "TooSlow": "q4_loop"}


@ASSIGNMENT.add("q4", 1, en="small rates", ja="小さい学習率", crash=CRASHES)
def q4_small(ask):
    _counts(ask, [(0.1, 4.0, 0.01), (0.02, 5.0, 1e-4), (0.001, 8.0, 0.05), (0.6, 1.1, 1e-3)])


@ASSIGNMENT.add(
    "q4",
    1,
    en="rates that jump across, and the rate that needs one step",
    ja="飛び越える学習率と、一歩で着く学習率",
    crash=CRASHES,
)
def q4_jumping(ask):
    _counts(ask, [(0.45, 4.0, 0.01), (0.7, 2.5, 1e-4), (0.25, 4.0, 1e-3), (0.96, 2.0, 0.1)])


@ASSIGNMENT.add(
    "q4", 1, en="rates that never come near, and one that does", ja="近づかない学習率と、近づく学習率", crash=CRASHES
)
def q4_never(ask):
    _counts(ask, [(0.3, 4.0, 0.01), (0.0, 4.0, 0.01), (0.5, 4.0, 0.01), (0.75, 4.0, 0.01)])


# q5: a rate from a table of rates and losses, under a rule
def _chosen(rates, losses):
    fine = [(rate, loss) for rate, loss in zip(rates, losses) if math.isfinite(loss)]
    return min((rate for rate, loss in fine if loss <= 1.05 * min(loss for _, loss in fine)), default=None)


def _lowest(rates, losses):
    return min(zip(losses, rates))[1]


Q5 = {
    "q5_lowest": _lowest,
    "q5_largest": lambda r, x: max(rate for rate, loss in zip(r, x) if loss <= 1.05 * min(x)),
    "q5_order": lambda r, x: next(rate for rate, loss in zip(r, x) if loss <= 1.05 * min(x)),
    "q5_add": lambda r, x: min(rate for rate, loss in zip(r, x) if loss <= 0.05 + min(x)),
    "q5_loss": lambda r, x: min(x),
}
SORTED = [
    ([0.01, 0.03, 0.1, 0.3, 1.0, 3.0], [1.9, 0.83, 0.412, 0.404, 0.42, 0.95]),
    ([0.001, 0.01, 0.1, 1.0], [0.09, 0.052, 0.021, 0.5]),
    ([0.02, 0.2], [70.0, 69.0]),
]
MIXED = [([1.0, 0.3, 0.03, 0.1], [0.95, 0.404, 0.415, 0.41]), ([0.5, 0.125, 0.25, 0.0625], [8.1, 8.2, 8.0, 9.5])]
BROKEN = [
    ([0.1, 0.2, 0.4, 0.8], [0.52, 0.31, 0.30, math.nan]),
    ([0.8, 0.1, 0.2], [math.nan, 0.7, 0.3]),
    ([0.1, 0.2, 0.4], [0.9, 0.5, -math.inf]),
    ([3.0, 0.5, 0.1], [math.inf, 0.4, 0.9]),
]


@ASSIGNMENT.add("q5", 1, en="a table in order", ja="順に並んだ表")
def q5_sorted(ask):
    compare(ask, SORTED, _chosen, Q5, "q5_other")


@ASSIGNMENT.add("q5", 1, en="a table in any order", ja="順不同の表")
def q5_mixed(ask):
    compare(ask, MIXED, _chosen, {"q5_lowest": _lowest, "q5_order": Q5["q5_order"]} | Q5, "q5_other")


@ASSIGNMENT.add(
    "q5",
    1,
    en="tables with runs that diverged",
    ja="発散した実行がある表",
    crash={"ValueError": "q5_broken", "IndexError": "q5_broken"},
)
def q5_broken(ask):
    for rates, losses in BROKEN:
        said = ask(rates, losses)
        if said is None or not close(number(said), _chosen(rates, losses)):
            raise Miss("q5_broken")
    if not _empty(ask):
        raise Miss("q5_none")


def _empty(ask):
    """Is the answer None where every run diverged? An error there is a wrong answer too."""
    try:
        return ask([0.1, 1.0], [math.nan, math.inf]) is None
    except (ValueError, IndexError):
        raise Miss("q5_none") from None
