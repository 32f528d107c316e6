"""Chance in the verdicts: p values of single tests, and how many of all decided ones may be wrong."""

NOT_DECIDED = ("undecided", "no variation")  # words of an interval that decides nothing


def p_value(test):
    """The p value of the decision that a test's interval comes closest to.

    The smallest of: effect above the margin, below its negative, inside both
    (two one-sided tests). The interval decides just where this is below 0.025.
    """
    margin, mean = test.rule.margin, test.measured.mean - test.rule.centre
    if test.measured.low == test.measured.high:
        return 1.0 if test.verdict in NOT_DECIDED else 0.0
    beyond = _tails(test.measured)
    above, below = beyond(mean - margin, 0), beyond(-margin - mean, 1)
    inside = max(beyond(margin - mean, 1), beyond(mean + margin, 0))
    return float(min(above, below, inside))


def p_above(test):
    """The p value of "the effect, turned by the rule's direction, is beyond the margin" (for "=": within it)."""
    rule, mean = test.rule, test.measured.mean - test.rule.centre
    if test.measured.low == test.measured.high:
        return 0.0 if test.verdict == "supported" else 1.0
    beyond = _tails(test.measured)
    if rule.direction == "=":
        return float(max(beyond(rule.margin - mean, 1), beyond(mean + rule.margin, 0)))
    return float(beyond(mean - rule.margin, 0) if rule.direction == ">" else beyond(-mean - rule.margin, 1))


def _tails(measured):
    """``beyond(gap, side)``: the chance of a gap this large, by the interval's lower (0) or upper (1) side.

    A side is 1.96 standard errors, or Student's quantile; where it is 0, the mean is the last value that can be.
    """
    from scipy.stats import norm, t

    law = t(measured.n - 1) if measured.method == "t" else norm
    sides = measured.mean - measured.low, measured.high - measured.mean

    def beyond(gap, side):
        if sides[side] <= 0:
            return 0.0 if gap > 0 else 1.0
        return float(law.sf(gap / sides[side] * law.ppf(0.975)))

    return beyond


def benjamini_hochberg(p_values, rate=0.05):
    """How many of the smallest p values stay when the false discovery rate is held at `rate`.

    The largest k with p₍ₖ₎ ≤ rate·k/m (Benjamini and Hochberg 1995).

    >>> benjamini_hochberg([0.001, 0.012, 0.04, 0.6])
    2
    """
    ordered, m = sorted(p_values), len(p_values)
    return max((k for k, p in enumerate(ordered, 1) if p <= rate * k / m), default=0)


def false_share(tests):
    """Expected share of false verdicts among decided tests with chance in them, at most.

    m·2p/R: m tests, R of them decided, p the largest one-sided p value among the decided.
    `None` where nothing is decided.
    """
    chance = [test for test in tests if test.measured is not None and test.measured.method != "exact"]
    decided = [2 * p_value(test) for test in chance if test.verdict not in NOT_DECIDED]
    return min(1.0, len(chance) * max(decided) / len(decided)) if decided else None


def chance_to_repeat(test):
    """How likely as many fresh seeds give the same verdict, if the effect measured is the true one.

    The fresh mean is taken as normal around the stored one with its standard error, the interval as equally wide.

    >>> from types import SimpleNamespace as Of
    >>> measured = Of(mean=1.0, low=0.0, high=2.0, method="bootstrap", n=10)
    >>> test = Of(measured=measured, verdict="undecided", rule=Of(direction=">", margin=0.0, centre=0.0))
    >>> round(chance_to_repeat(test), 2)  # an end of the interval lies on the margin
    0.5
    """
    from scipy.stats import norm

    rule, half = test.rule, (test.measured.high - test.measured.low) / 2
    error = half / norm.ppf(0.975)
    if not error > 0:
        return 1.0
    mean = (test.measured.mean - rule.centre) * (-1 if rule.direction == "<" else 1)
    above = norm.sf((rule.margin + half - mean) / error)
    below = norm.cdf((-rule.margin - half - mean) / error)
    inside = max(0.0, norm.cdf((rule.margin - half - mean) / error) - norm.cdf((half - rule.margin - mean) / error))
    chances = {"above": above, "below": below, "inside": inside, "undecided": 1 - above - below - inside}
    return float(sum(chances[where] for where in _where(test)))


def _where(test):
    """Where an interval with this verdict lies against the margin."""
    if test.verdict == "undecided":
        return ["undecided"]
    if test.rule.direction == "=":
        return ["inside"] if test.verdict == "supported" else ["above", "below"]
    return {"supported": ["above"], "contradicted": ["below"]}.get(test.verdict, ["inside"])
