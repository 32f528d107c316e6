"""Claims of the four documents, shown with their verdicts in the notebook's language."""

import re
from html import escape

import numpy as np

from . import boxes, results, verdicts
from .chance import NOT_DECIDED
from .language import BOOK, language, read_table, strings, t
from .registered import SECOND

SPACE = {"en": " ", "ja": ""}
COLON = boxes.COLON
DIRECTIONS = {">": "above", "<": "below", "=": "within"}
MARKS = {
    verdicts.SUPPORTED: "■",
    verdicts.UNDECIDED: "□",
    verdicts.SMALLER: "△",
    verdicts.NO_VARIATION: "–",
    verdicts.CONTRADICTED: "×",
}


def rows():
    """All rows of `book/claims.csv`: `{id: row}`, in order.

    >>> rows()["C72"]["document"]
    '001'
    """
    return {row["id"]: row for row in read_table("claims.csv")}


def number(value):
    """A number with three significant digits, no exponent and a true minus sign.

    >>> number(-0.012345), number(9.34e-05), number(2.0)
    ('−0.0123', '0.0000934', '2')
    """
    text = np.format_float_positional(value, 3, unique=False, fractional=False, trim="-")
    return text.replace("-", "−")


def cited(key):
    """First author or authors and year of an entry of `references.bib`.

    >>> cited("he2016deep"), cited("sadrtdinov2024large")
    ('He et al. (2016)', 'Sadrtdinov et al. (2024)')
    """
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    entry = re.search(rf"^@\w+\{{{re.escape(key)},(.*?)^\}}", text, re.S | re.M).group(1)
    names = re.search(r"author = \{(.*?)\},?$", entry, re.M).group(1).split(" and ")
    names = [name.strip("{} ").split(",")[0] for name in names]
    who = names[0] + (" et al." if len(names) > 2 else "".join(f" & {name}" for name in names[1:]))
    year = re.search(r"year = \{(\d+)\}", entry)
    return f"{who} ({year.group(1)})" if year else who


def with_unit(value, unit, lang):
    """A number and its unit's word from `strings.csv` (`unit.decades`), or the unit itself.

    >>> with_unit(0.5, "decades", "en"), with_unit(0.5, "decades", "ja")
    ('0.5 decades', '0.5桁')
    """
    key = f"unit.{unit}"
    word = t(key, lang) if key in strings() else unit
    return SPACE[lang].join(part for part in (number(value), word) if part)


def finding(test, lang):
    """What a test measured: value, unit and 95 % interval; a value without chance in it alone."""
    measured = test.measured
    value = with_unit(measured.mean, test.rule.unit, lang)
    if measured.method == "exact":
        return t("claim.exact_line", lang, value=value)
    return f"{value} [{number(measured.low)}, {number(measured.high)}]"


def repeats(test, lang):
    """What the interval runs over, counted: “30 seeds”; some experiments have a word of their own for it."""
    own = f"claim.seeds.{test.rule.number}"
    return t(own if own in strings() else "claim.seeds", lang, n=test.measured.n)


def before(test, lang):
    """What was measured before, with its interval; an empty text where nothing was."""
    pilot = test.pilot
    if pilot is None:
        return ""
    return f"{with_unit(pilot.mean, test.rule.unit, lang)} [{number(pilot.low)}, {number(pilot.high)}]"


def quantity_name(rule, lang):
    """What a rule's quantity is, from `book/quantities.csv`; its identifier where that has no row."""
    bare = rule.quantity.partition("[")[0]
    for row in read_table("quantities.csv"):
        if (row["experiment"], row["quantity"]) == (rule.number, bare):
            return row[f"name_{lang}"]
    return bare


def task_name(number, lang):
    """What an experiment measures on, from `book/tasks.csv`; an empty text for one that is not there.

    >>> task_name("E01", "en")
    'a parabola'
    """
    return next((row[f"task_{lang}"] for row in read_table("tasks.csv") if row["experiment"] == number), "")


def where(rule, lang):
    """The task that a rule's quantity is measured on, and further conditions."""
    asides = [rule.task.get(lang) or task_name(rule.number, lang), rule.condition.get(lang, "")]
    return t("claim.join", lang).join(aside for aside in asides if aside)


def asked(rule, lang):
    """What a rule asks of the interval: “asked: above 0.01”."""
    low, high = (with_unit(rule.centre + side * rule.margin or 0.0, rule.unit, lang) for side in (-1, 1))
    return t(f"claim.asked_{DIRECTIONS[rule.direction]}", lang, low=low, high=high)


def borders(test, lang):
    """Where the whole interval must lie for which verdict: “supported above 0.01, contradicted below −0.01 …”."""
    rule = test.rule
    low, high = (number(rule.centre + side * rule.margin or 0.0) for side in (-1, 1))
    margin = "" if rule.margin else "_side"
    return t(f"claim.border_{DIRECTIONS[rule.direction]}{margin}", lang, low=low, high=high)


class Claim:
    """A claim with its verdict; a notebook shows it as a box, a terminal as text."""

    def __init__(self, row, verdict, lang):
        self.row, self.verdict, self.lang = row, verdict, lang

    @property
    def sentence(self):
        """The claim in our words, in the language of the box."""
        return self.row[f"sentence_{self.lang}"]

    @property
    def verdict_word(self):
        """The verdict's name in the language of the box."""
        return t(f"verdict.{self.verdict.name}", self.lang)

    def source(self):
        """Title and author of the document, section and line."""
        row, lang = self.row, self.lang
        document = next(d for d in read_table("documents.csv") if d["document"] == row["document"])
        section = next(s for s in read_table("sections.csv") if _key(s) == (row["document"], row["section"]))
        place = dict(title=document[f"title_{lang}"], section=section[f"title_{lang}"], line=row["line"])
        return t("claim.place", lang, author=document[f"author_{lang}"], **place)

    def head(self):
        """What stands beside the verdict's word: how many parts are supported, and that it is of what is there so far."""
        lang, verdict = self.lang, self.verdict
        joined = [part for part in verdict.parts if part.joined]
        supported = sum(verdicts.AS.get(part.name, part.name) == verdicts.SUPPORTED for part in joined)
        left_out = len(verdict.parts) - len(joined)
        said = [t("claim.parts", lang, supported=supported, all=len(joined))] if len(verdict.parts) > 1 else []
        if left_out and joined:
            said.append(t("claim.left_out", lang, n=left_out))
        if verdict.so_far:
            said.append(t("claim.so_far", lang, verdict=t(f"verdict.{verdict.so_far}", lang)))
        return t("claim.join", lang).join(said)

    def parts(self):
        """One `(text, word, what decides it)` for each part; the text is empty where the sentence is its only part."""
        return [
            (part.part.text.get(self.lang, ""), self._word(part.name), self._ground(part))
            for part in self.verdict.parts
        ]

    def _word(self, name):
        return t(f"verdict.{name}", self.lang)

    def _ground(self, part):
        """What a part's verdict rests on: its core's finding, its proof, its source."""
        lang, here = self.lang, part.part
        if part.core is not None and part.core.verdict is not None:
            return self.found(part.ground) + self._asked(part.ground) + self._quantified(part)
        if here.test:
            return t("claim.proved_by", lang, test=here.test)
        return cited(here.source) if here.source else ""

    def _quantified(self, part):
        tasks = sum(row.rule.role == "replication" for row in part.others) + 1
        if part.part.quantifier == "plain" or (part.part.quantifier == "may" and tasks == 1):
            return ""
        return t("claim.join", self.lang) + t(f"claim.{part.part.quantifier}", self.lang, n=tasks)

    def _asked(self, test):
        """What was asked of the interval, for a reader who leaves the box closed."""
        if test.measured.method == "exact":
            return ""
        return t("claim.join", self.lang) + asked(test.rule, self.lang)

    def found(self, test):
        """A measured row in one line: experiment, quantity, value and interval."""
        return f"{test.rule.number} {self._short(test)}{COLON[self.lang]}{finding(test, self.lang)}"

    def about(self, test, part=None):
        """Everything about a measured row, (label, text): what was measured where, the value, the borders, the rule.

        part: the `verdicts.PartVerdict` whose core it is.
        """
        lang, rule, judged_before = self.lang, test.rule, test.registered == SECOND
        chance = test.measured.method != "exact"
        value = finding(test, lang) + (t("claim.join", lang) + repeats(test, lang) if chance else "")
        rows = [
            ("experiment", rule.number),
            ("quantity", quantity_name(rule, lang)),
            ("task", where(rule, lang)),
            ("value" if chance else "exact", value),
            ("borders", borders(test, lang)),
            ("rule", t(f"registered.{test.registered}", lang) if chance else ""),
            ("first" if judged_before else "pilot", before(test, lang)),
            ("core", part.part.settled.get(lang, "") if part is not None else ""),
        ]
        return [(t(f"claim.label_{key}", lang), text) for key, text in rows if text]

    def cores(self):
        """One `(part, row)` for each part that a measured row decides."""
        return [(part, part.ground) for part in self.verdict.parts if part.core in self.verdict.cores]

    def others(self):
        """One `(mark, row, role, word)` for each measured row that has no say in the verdict."""
        rows = [
            (part, row) for part in self.verdict.parts for row in (part.core, *part.others) if row is not part.ground
        ]
        return [
            (MARKS[row.verdict], row, t(f"claim.{row.rule.role}", self.lang), self._word(row.verdict))
            for _, row in rows
            if row is not None and row.verdict is not None
        ]

    def warning(self):
        """The rows that speak against the verdict, in a sentence; an empty text where none does."""
        against = self.verdict.against
        if not against:
            return ""
        key = "claim.but" if against[0].verdict == verdicts.SUPPORTED else "claim.but_not"
        rows = (f"{self._short(row)}{COLON[self.lang]}{finding(row, self.lang)}" for row in against)
        return t(key, self.lang, rows=t("claim.rows", self.lang).join(rows))

    def remarks(self):
        """What is open or missing, the source, the proof: a list."""
        lang, verdict, said = self.lang, self.verdict, []
        if earlier := [row for row in read_table("verdict_changes.csv") if row["claim"] == self.row["id"]]:
            words = [self._word(row["before"]) for row in earlier] + [self._word(earlier[-1]["after"])]
            said.append(t("claim.earlier", lang, words=" → ".join(words)))
        open_rows = sum(row.verdict in NOT_DECIDED for row in verdict.others)
        if open_rows:
            said.append(t("claim.undecided_rows", lang, n=open_rows))
        if verdict.missing:
            said.append(t("claim.missing", lang, experiments=", ".join(verdict.missing)))
        if self.row["citation"]:
            said.append(t("claim.citation", lang, source=cited(self.row["citation"])))
        if self.row["test"]:
            said.append(t("claim.proof", lang, test=self.row["test"]))
        return said

    def notes(self):
        """What else the reader must know: what speaks against the verdict, and the remarks."""
        return [*filter(None, [self.warning()]), *self.remarks()]

    def _short(self, row):
        """A row in a note: its quantity, and what sets it apart from others of that name."""
        apart = (part.get(self.lang) for part in (row.rule.task, row.rule.condition))
        return t("claim.join", self.lang).join(filter(None, (quantity_name(row.rule, self.lang), *apart)))

    def __repr__(self):
        return boxes.text(self)

    def _repr_html_(self):
        return boxes.html(self)


class Table:
    """Claims as a table, one row a claim: id, sentence, verdict, effect of the first main test."""

    def __init__(self, claims, lang):
        self.claims, self.lang = claims, lang

    def cells(self):
        """The words of the table, one tuple a claim."""
        return [(c.row["id"], c.sentence, c.verdict_word, first_finding(c)) for c in self.claims]

    def __repr__(self):
        return "\n".join(" | ".join(cells) for cells in self.cells())

    def _repr_html_(self):
        names = [t(f"table.{key}", self.lang) for key in ("id", "claim", "verdict", "effect")]
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in self.cells()
        )
        return (
            f'<table class="lr-verdicts" lang="{self.lang}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        )


def first_finding(claim):
    """What the first row that decides found, in words, or an empty text."""
    return next(map(claim.found, claim.verdict.grounds), "")


def _key(section):
    return section["document"], section["section"]


def claim(number, lang=None):
    """The claim of that number with sentence, effect, interval, seeds, verdict and source.

    `lang` overrides the notebook's language. Raises `ValueError` for a number
    that is not in `book/claims.csv`.

    >>> claim("C141", lang="en").verdict_word
    'not testable here'
    """
    return _claims([number], lang)[0]


def verdict_table(numbers, lang=None):
    """The claims of those numbers as a table, in the order given.

    >>> verdict_table(["C141", "C143"], lang="ja").cells()[0][2]
    'ここでは検証できない'
    """
    return Table(_claims(numbers, lang), lang or language())


def _claims(numbers, lang):
    book, parts, rules, library = rows(), verdicts.parts(), verdicts.rules(), results.Library()
    unknown = [number for number in numbers if number not in book]
    if unknown:
        raise ValueError(f"claim must be one of C1 to C{len(book)}, not {unknown[0]!r}")
    judged = [verdicts.verdict(book[n], parts.get(n, []), rules.get(n, []), library) for n in numbers]
    return [Claim(book[n], verdict, lang or language()) for n, verdict in zip(numbers, judged, strict=True)]
