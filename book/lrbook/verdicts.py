"""From intervals to verdicts, by rules that were written down before the results.

A row of `book/verdict_rules.csv` tests one quantity of one experiment: a
direction (>, <, =) and a margin around zero or around a stated value. A claim takes the common verdict of its main
rows. Every rule of this module is a pure function of intervals and tables.
"""

import math
from dataclasses import dataclass, field

from . import results
from .language import LANGUAGES, read_table

SUPPORTED = "supported"
CONDITION = "supported under a condition"
NO_DIFFERENCE = "no difference"
CONTRADICTED = "contradicted"
UNDECIDED = "undecided"
MIXED = "mixed"
PARTLY = "partly measured"
NOT_YET = "not yet measured"
PROVED = "proved"
NOT_TESTABLE = "not testable here"
CITED = {"supports": "by citation", "contradicts": "contradicted by source", "defines": "by definition"}
VERDICTS = (
    *(SUPPORTED, CONDITION, NO_DIFFERENCE, CONTRADICTED, UNDECIDED, MIXED, PARTLY, NOT_YET, PROVED),
    *CITED.values(),
    NOT_TESTABLE,
)
KINDS = ("measure", "exact", "cite", "cite and measure", NOT_TESTABLE)
OPEN = (PARTLY, NOT_YET, UNDECIDED)


@dataclass(frozen=True)
class Rule:
    """One test of a claim: a quantity of an experiment against a margin.

    `experiment` is a number ("E03") or a result's id; `quantity` may take a place,
    "gain[lr=0.1]". `role` is "main" or "condition". `condition` says in each
    language under what this row holds, or is empty. `centre` is the value that
    the quantity is compared with: the cell "0@0.5" of the table is the margin 0
    around one half, so that a share, which cannot be negative, can fail the test.
    """

    claim: str
    experiment: str
    quantity: str
    direction: str
    margin: float
    unit: str
    role: str = "main"
    condition: dict = field(default_factory=dict)
    centre: float = 0.0

    @property
    def number(self):
        """The experiment's number, `"E03"`."""
        return self.experiment.split("_")[0].upper()


@dataclass(frozen=True)
class Judged:
    """A rule with what was measured: `measured` and `verdict` are `None` while it is missing."""

    rule: Rule
    measured: object = None
    verdict: object = None


@dataclass(frozen=True)
class Verdict:
    """The verdict of a claim: `name`, and what it rests on.

    `so_far` is the verdict of what is there when the claim is partly measured,
    `missing` the experiments that are not, `tests` one `Judged` for each rule.
    """

    name: str
    so_far: object = None
    missing: tuple = ()
    tests: tuple = ()

    @property
    def decided(self):
        """Whether nothing is left open."""
        return self.name not in OPEN

    def conditions(self, lang):
        """The conditions of the supporting main rows, in one language, without repeats."""
        rows = [test.rule for test in self.tests if test.verdict == SUPPORTED and test.rule.role == "main"]
        return list(dict.fromkeys(rule.condition[lang] for rule in rows if rule.condition.get(lang)))


def judge(low, high, direction, margin):
    """The verdict of one 95 % interval [low, high].

    Turned by the direction: *supported* above +margin, *no difference* inside
    ±margin, *contradicted* below −margin, else *undecided*. For "=", *supported*
    inside ±margin, *contradicted* outside. NaN is undecided. Raises `ValueError`
    for an unknown direction, a negative margin, or low > high.

    >>> judge(0.6, 1.4, ">", 0.5), judge(-0.2, 0.3, "<", 0.5), judge(-0.2, 0.3, "=", 0.5)
    ('supported', 'no difference', 'supported')
    """
    if direction not in (">", "<", "="):
        raise ValueError(f"direction must be '>', '<' or '=', not {direction!r}")
    if not margin >= 0:
        raise ValueError(f"margin must be 0 or more, not {margin!r}")
    if low > high:
        raise ValueError(f"low must not be above high: {low!r} > {high!r}")
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    if direction == "<":
        low, high = -high, -low
    if -margin <= low and high <= margin:
        return SUPPORTED if direction == "=" else NO_DIFFERENCE
    if low > margin:
        return CONTRADICTED if direction == "=" else SUPPORTED
    return CONTRADICTED if high < -margin else UNDECIDED


def combine(tests):
    """The verdict of a claim's main rows that were measured.

    The common verdict; where they differ, *supported under a condition* if all
    supporting rows name one, else *mixed*.

    >>> rule = Rule("C1", "E01", "gap", ">", 0.0, "", condition={"en": "with noise", "ja": "雑音あり"})
    >>> combine([Judged(rule, None, "supported"), Judged(rule, None, "undecided")])
    'supported under a condition'
    """
    main = [test for test in tests if test.rule.role == "main" and test.verdict is not None]
    verdicts = {test.verdict for test in main}
    if not verdicts:
        return NOT_YET
    if len(verdicts) == 1:
        return verdicts.pop()
    supporting = [test for test in main if test.verdict == SUPPORTED]
    named = supporting and all(test.rule.condition.get("en") for test in supporting)
    return CONDITION if named else MIXED


def rules():
    """All rows of `book/verdict_rules.csv` as `{claim: [Rule, …]}`."""
    found = {}
    for row in read_table("verdict_rules.csv"):
        condition = {lang: row[f"condition_{lang}"] for lang in LANGUAGES}
        plain = {key: row[key] for key in ("claim", "experiment", "quantity", "direction", "unit", "role")}
        margin, _, centre = row["margin"].partition("@")
        rule = Rule(**plain, margin=float(margin), condition=condition, centre=float(centre or 0))
        found.setdefault(rule.claim, []).append(rule)
    return found


def measure(rule, library):
    """The rule with its interval judged, from a library (a dictionary `{"E03": [Result, …]}` or `results.Library`).

    Only full results judge. Raises `ValueError` when a result is there but the
    quantity is not, or when it is not a single number.
    """
    for result in library.get(rule.number, ()):
        if result.full and rule.experiment.upper() in (rule.number, result.id.upper()):
            measured = result.quantity(rule.quantity)
            if measured.axes:
                raise ValueError(
                    f"quantity {rule.quantity!r} of claim {rule.claim} still has axes {list(measured.axes)}"
                )
            ends = measured.low - rule.centre, measured.high - rule.centre
            return Judged(rule, measured, judge(*ends, rule.direction, rule.margin))
    return Judged(rule)


def verdict(row, rules_of_claim, library):
    """The verdict of one row of `book/claims.csv`.

    `rules_of_claim` is the list of its rules, `library` the results by experiment.
    An experiment of the row that no measured rule uses is missing.
    """
    kind = row["kind"]
    if kind not in KINDS:
        raise ValueError(f"kind of {row['id']} must be one of {', '.join(KINDS)}, not {kind!r}")
    if kind == NOT_TESTABLE:
        return Verdict(NOT_TESTABLE)
    if kind == "exact":
        return Verdict(PROVED if row["test"] else NOT_YET)
    if kind == "cite":
        return Verdict(_cited(row))
    tests = tuple(measure(rule, library) for rule in rules_of_claim)
    seen = {test.rule.number for test in tests if test.verdict is not None}
    missing = tuple(number for number in row["experiments"].split() if number not in seen)
    missing += tuple({t.rule.number: None for t in tests if t.verdict is None and t.rule.number not in missing})
    name = combine(tests)
    if name == NOT_YET or not missing:
        return Verdict(name, missing=missing, tests=tests)
    return Verdict(PARTLY, so_far=name, missing=missing, tests=tests)


def _cited(row):
    if not row["citation"]:
        return NOT_YET
    if row["cited"] not in CITED:
        raise ValueError(f"cited of {row['id']} must be one of {', '.join(CITED)}, not {row['cited']!r}")
    return CITED[row["cited"]]


def p_value(test):
    """The p value of the decision that a test's interval comes closest to.

    The smallest of: effect above the margin, below its negative, inside both
    (two one-sided tests). The interval decides just where this is below 0.025.
    """
    measured, margin = test.measured, test.rule.margin
    error, tail = _error(measured)
    if error == 0:
        return 0.0 if test.verdict != UNDECIDED else 1.0
    mean = measured.mean - test.rule.centre
    above = tail((mean - margin) / error)
    below = tail((-margin - mean) / error)
    inside = max(tail((margin - mean) / error), tail((mean + margin) / error))
    return float(min(above, below, inside))


def _error(measured):
    """Standard error, and the upper tail of its distribution."""
    from scipy.stats import norm, t

    if measured.method == "t":
        error = (measured.high - measured.low) / (2 * t.ppf(0.975, measured.n - 1))
        return error, lambda z: t.sf(z, measured.n - 1)
    return (measured.high - measured.low) / (2 * norm.ppf(0.975)), norm.sf


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

    m·p/R: m tests, R of them decided, p the largest p value among the decided.
    `None` where nothing is decided.
    """
    chance = [test for test in tests if test.measured is not None and test.measured.method != "exact"]
    decided = [p_value(test) for test in chance if test.verdict != UNDECIDED]
    return min(1.0, len(chance) * max(decided) / len(decided)) if decided else None


def all_verdicts():
    """`{claim id: Verdict}` for all rows of `book/claims.csv`, from the results on disk."""
    library, book_rules = results.Library(), rules()
    return {row["id"]: verdict(row, book_rules.get(row["id"], []), library) for row in read_table("claims.csv")}
