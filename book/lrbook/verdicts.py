"""From intervals to verdicts, by rules that were written down before the results.

A row of `book/verdict_rules.csv` tests one quantity of one experiment: a direction (>, <, =) and a margin around zero or
around a stated value. `book/claim_parts.csv` cuts each claim's sentence into parts, and of a part that is measured one
row is the *core*, marked by people who had not seen a value (`book/marks`). The cores alone make the verdict; rows of
other tasks (*replication*) and of other quantities (*scope*) are told beside it. Every rule of this module is a pure
function of intervals and tables.
"""

import math
from dataclasses import dataclass, field

from lrlib import share_interval

from . import registered, results
from .chance import p_above
from .language import LANGUAGES, read_table

SUPPORTED = "supported"
SMALLER = "smaller than the margin"
CONTRADICTED = "contradicted"
UNDECIDED = "undecided"
MIXED = "mixed"
PARTLY = "partly measured"
NOT_YET = "not yet measured"
PROVED = "proved"
NOT_TESTABLE = "not testable here"
NO_SOURCE = "no source read"
NO_VARIATION = "no variation"
CITED = {
    "supports": "by citation",
    "contradicts": "contradicted by source",
    "defines": "by definition",
    "absent": "not found in the source",  # of which not every page was read
}
VERDICTS = (
    *(SUPPORTED, MIXED, CONTRADICTED, UNDECIDED, SMALLER, PARTLY, NOT_YET, PROVED),
    *CITED.values(),
    NOT_TESTABLE,
)
KINDS = ("measure", "exact", "cite", "cite and measure", NOT_TESTABLE)
PART_KINDS = ("measure", "exact", "cite", "untestable")
QUANTIFIERS = ("plain", "may", "most")
ROLES = ("core", "replication", "scope", "illustration")
OPEN = (PARTLY, NOT_YET, UNDECIDED, CITED["absent"])
TASKS_FOR_MOST = 12
ERRORS = 3  # Monte-Carlo errors within which a limit is not told from the margin
AS = {
    PROVED: SUPPORTED,
    CITED["supports"]: SUPPORTED,
    CITED["defines"]: SUPPORTED,
    CITED["contradicts"]: CONTRADICTED,
    CITED["absent"]: UNDECIDED,
}


@dataclass(frozen=True)
class Rule:
    """One test of a claim's part: a quantity of an experiment against a margin.

    `experiment` is a number ("E03") or a result's id; `quantity` may take a place, "gain[lr=0.1]". `role` is one of
    `ROLES`. `condition` says in each language under what this row holds, or is empty;
    `task` what it is measured on, where that is not what its experiment is measured on as a whole. `centre` is the value that the
    quantity is compared with: the cell "0@0.5" of the table is the margin 0 around one half, so that a share, which
    cannot be negative, can fail the test.
    """

    claim: str
    experiment: str
    quantity: str
    direction: str
    margin: float
    unit: str
    role: str = "core"
    condition: dict = field(default_factory=dict)
    centre: float = 0.0
    part: str = "1"
    task: dict = field(default_factory=dict)

    @property
    def number(self):
        """The experiment's number, `"E03"`."""
        return results.experiment_number(self.experiment)


@dataclass(frozen=True)
class Part:
    """One assertion of a claim's sentence: `text` by language, empty where the sentence is all of it.

    `kind` is one of `PART_KINDS`, `quantifier` of `QUANTIFIERS`. `source` and `cited` settle a part of kind cite, `test`
    a part of kind exact; a part of kind untestable, or without its source, is named and not joined. `settled` says, by
    language, why a core is not one that both markers chose.
    """

    number: str = "1"
    kind: str = "measure"
    quantifier: str = "plain"
    text: dict = field(default_factory=dict)
    source: str = ""
    cited: str = ""
    test: str = ""
    settled: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """A rule with what was measured: `measured` and `verdict` are `None` while it is missing.

    `registered` says whether the rule stood before the result (`registered.WORDS`); `pilot` is what the pilot measured,
    `None` where the result is the pilot itself or the pilot has no such quantity.
    """

    rule: Rule
    measured: object = None
    verdict: object = None
    registered: str = registered.AFTER
    pilot: object = None

    @property
    def sign(self):
        """+1 or −1 where an undecided interval lies on one side of zero (of the rule's centre), else 0."""
        if self.verdict != UNDECIDED or self.measured is None:
            return 0
        low, high = self.measured.low - self.rule.centre, self.measured.high - self.rule.centre
        return 1 if low > 0 else -1 if high < 0 else 0


@dataclass(frozen=True)
class PartVerdict:
    """A part with its verdict's `name` and its rows: `core` (a `Judged`, or `None`) and the others."""

    part: Part
    name: str
    core: object = None
    others: tuple = ()

    @property
    def joined(self):
        """Whether the part has a say in the claim's verdict."""
        return self.name not in (NOT_TESTABLE, NO_SOURCE)

    @property
    def ground(self):
        """The row that decides: the core; where *may* is borne out by another task alone, that task's row."""
        if self.part.quantifier != "may" or self.name != SUPPORTED or self.core.verdict == SUPPORTED:
            return self.core
        return next(row for row in self.others if row.rule.role == "replication" and row.verdict == SUPPORTED)


@dataclass(frozen=True)
class Verdict:
    """The verdict of a claim: `name`, and the `parts` that it rests on, a `PartVerdict` each.

    `so_far` is the verdict of what is there when the claim is partly measured, `missing` the experiments that are not.
    """

    name: str
    so_far: object = None
    missing: tuple = ()
    parts: tuple = ()

    @property
    def decided(self):
        """Whether nothing is left open."""
        return self.name not in OPEN

    @property
    def cores(self):
        """The measured cores."""
        return tuple(part.core for part in self.parts if part.core is not None and part.core.verdict is not None)

    @property
    def grounds(self):
        """The rows that decide, where the cores are measured."""
        return tuple(part.ground for part in self.parts if part.core in self.cores)

    @property
    def others(self):
        """The measured rows that have no say: replications and scope."""
        rows = [row for part in self.parts for row in part.others if row.rule.role != "illustration"]
        return tuple(row for row in rows if row.verdict is not None)

    @property
    def against(self):
        """Rows beside the verdict that speak against it: "but not …", or "but …" where the claim is contradicted."""
        name = self.so_far or self.name
        if AS.get(name, name) == SUPPORTED:
            passed_by = [part.core for part in self.parts if part.ground is not part.core]
            return tuple(row for row in (*passed_by, *self.others) if row.verdict in (CONTRADICTED, SMALLER))
        if AS.get(name, name) in (CONTRADICTED, SMALLER):
            return tuple(row for row in self.others if row.verdict == SUPPORTED)
        return ()


def judge(low, high, direction, margin):
    """The verdict of one 95 % interval [low, high].

    Turned by the direction: *supported* above +margin, *smaller than the margin* inside ±margin, *contradicted* below
    −margin, else *undecided*. For "=", *supported* inside ±margin, *contradicted* outside. NaN is undecided. Raises
    `ValueError` for an unknown direction, a negative margin, or low > high.

    >>> judge(0.6, 1.4, ">", 0.5), judge(-0.2, 0.3, "<", 0.5), judge(-0.2, 0.3, "=", 0.5)
    ('supported', 'smaller than the margin', 'supported')
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
        return SUPPORTED if direction == "=" else SMALLER
    if low > margin:
        return CONTRADICTED if direction == "=" else SUPPORTED
    return CONTRADICTED if high < -margin else UNDECIDED


def join(names):
    """The verdict of a claim from those of its joined parts.

    No variation counts as undecided. All supported: *supported*; supported and contradicted: *mixed*; else any
    contradicted: *contradicted*; any undecided: *undecided*; else *smaller than the margin*. Proofs and sources count as
    what they say, and where there is nothing else the claim bears their word.

    >>> join(["supported", "contradicted"]), join(["supported", "undecided"]), join(["proved", "supported"])
    ('mixed', 'undecided', 'supported')
    >>> join(["proved", "proved"]), join(["supported", "smaller than the margin"])
    ('proved', 'smaller than the margin')
    """
    names = [UNDECIDED if name == NO_VARIATION else name for name in names]
    if len(set(names)) == 1:
        return names[0]
    words = {AS.get(name, name) for name in names}
    if words == {SUPPORTED}:
        return SUPPORTED
    if {SUPPORTED, CONTRADICTED} <= words:
        return MIXED
    return next(name for name in (CONTRADICTED, UNDECIDED, SMALLER) if name in words)


def judge_part(part, rows):
    """The `PartVerdict` of a part with its rows (`Judged`)."""
    core = next((row for row in rows if row.rule.role == "core"), None)
    others = tuple(row for row in rows if row is not core)
    if part.kind == "untestable":
        return PartVerdict(part, NOT_TESTABLE, others=others)
    if part.kind == "exact":
        return PartVerdict(part, PROVED if part.test else CITED["defines"], others=others)
    if part.kind == "cite":
        return PartVerdict(part, CITED[part.cited] if part.source else NO_SOURCE, others=others)
    tasks = [row for row in rows if row.rule.role in ("core", "replication")]
    if core.verdict is None:
        return PartVerdict(part, NOT_YET, core, others)
    name = {"plain": lambda _: core.verdict, "may": _sometimes, "most": _mostly}[part.quantifier](tasks)
    return PartVerdict(part, name, core, others)


def _sometimes(tasks):
    """*May, sometimes*: one of the tasks named beforehand suffices, at the level divided by their number."""
    names = [row.verdict for row in tasks]
    if any(row.verdict == SUPPORTED and p_above(row) < 0.025 / len(tasks) for row in tasks):
        return SUPPORTED
    if {None, SUPPORTED, UNDECIDED, NO_VARIATION} & set(names):
        return UNDECIDED
    return CONTRADICTED if set(names) == {CONTRADICTED} else SMALLER


def _mostly(tasks):
    """*Nearly always, most*: the share of the tasks that support it, over at least twelve."""
    if len(tasks) < TASKS_FOR_MOST or any(row.verdict is None for row in tasks):
        return UNDECIDED
    low, high = share_interval(sum(row.verdict == SUPPORTED for row in tasks), len(tasks))
    return judge(low - 0.5, high - 0.5, ">", 0.0)


def rules():
    """All rows of `book/verdict_rules.csv` as `{claim: [Rule, …]}`."""
    found = {}
    for row in read_table("verdict_rules.csv"):
        condition, task = (
            {lang: row.get(f"{kind}_{lang}", "") for lang in LANGUAGES} for kind in ("condition", "task")
        )  # a table of an older commit has no tasks
        plain = {key: row[key] for key in ("claim", "part", "experiment", "quantity", "direction", "unit", "role")}
        margin, _, centre = row["margin"].partition("@")
        rule = Rule(**plain, margin=float(margin), condition=condition, centre=float(centre or 0), task=task)
        found.setdefault(rule.claim, []).append(rule)
    return found


def margins():
    """`{unit: margin}`: the smallest effect of interest of each kind of quantity, from `book/margins.csv`.

    >>> margins()["accuracy"]
    0.01
    """
    return {row["unit"]: float(row["margin"]) for row in read_table("margins.csv")}


def parts():
    """All rows of `book/claim_parts.csv` as `{claim: [Part, …]}`."""
    found = {}
    for row in read_table("claim_parts.csv"):
        text = {lang: row[f"text_{lang}"] for lang in LANGUAGES if row[f"text_{lang}"]}
        settled = {lang: row[f"settled_{lang}"] for lang in LANGUAGES if row[f"settled_{lang}"]}
        plain = {key: row[key] for key in ("kind", "quantifier", "source", "cited", "test")}
        found.setdefault(row["claim"], []).append(Part(number=row["part"], text=text, settled=settled, **plain))
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
            before = results.pilot(result.id) if registered.fresh(result) else None
            pilot = before and registered.measured(rule, before)
            return Judged(rule, measured, _judged(rule, measured), registered.word(rule, result, before), pilot)
    return Judged(rule)


def _judged(rule, measured):
    """The verdict of a row; seeds that all gave one value tell nothing of the next one.

    Undecided too where three Monte-Carlo errors of the ends could give another verdict.
    """
    if measured.method != "exact" and measured.low == measured.high:
        return NO_VARIATION
    low, high, far = measured.low - rule.centre, measured.high - rule.centre, ERRORS * measured.error
    if not 2 * far < high - low:
        return judge(low, high, rule.direction, rule.margin) if far == 0 else UNDECIDED
    moves = [(low + a, high + b) for a in (-far, far) for b in (-far, far)]
    found = {judge(*ends, rule.direction, rule.margin) for ends in moves}
    return found.pop() if len(found) == 1 else UNDECIDED


def verdict(row, parts_of_claim, rules_of_claim, library):
    """The verdict of one row of `book/claims.csv`, from its parts, its rules and the results by experiment.

    A claim without parts is judged by its kind alone; one that is to be measured is then not yet measured.
    """
    kind = row["kind"]
    if kind not in KINDS:
        raise ValueError(f"kind of {row['id']} must be one of {', '.join(KINDS)}, not {kind!r}")
    if not parts_of_claim:
        return Verdict(_by_kind(row), missing=tuple(row["experiments"].split()))
    tests = [measure(rule, library) for rule in rules_of_claim]
    judged = tuple(judge_part(p, [test for test in tests if test.rule.part == p.number]) for p in parts_of_claim)
    missing = tuple(dict.fromkeys(part.core.rule.number for part in judged if part.name == NOT_YET))
    names = [part.name for part in judged if part.joined and part.name != NOT_YET]
    if not names:
        return Verdict(NOT_YET if missing else NOT_TESTABLE, missing=missing, parts=judged)
    if missing:
        return Verdict(PARTLY, so_far=join(names), missing=missing, parts=judged)
    return Verdict(join(names), parts=judged)


def _by_kind(row):
    if row["kind"] == NOT_TESTABLE:
        return NOT_TESTABLE
    if row["kind"] == "exact":
        return PROVED if row["test"] else NOT_YET
    if row["kind"] != "cite" or not row["citation"]:
        return NOT_YET
    if row["cited"] not in CITED:
        raise ValueError(f"cited of {row['id']} must be one of {', '.join(CITED)}, not {row['cited']!r}")
    return CITED[row["cited"]]


def all_verdicts():
    """`{claim id: Verdict}` for all rows of `book/claims.csv`, from the results on disk."""
    library, all_parts, all_rules = results.Library(), parts(), rules()
    claims = read_table("claims.csv")
    return {r["id"]: verdict(r, all_parts.get(r["id"], []), all_rules.get(r["id"], []), library) for r in claims}
