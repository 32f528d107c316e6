"""Claims of the four documents, shown with their verdicts in the notebook's language."""

import re
from html import escape

from . import results, verdicts
from .chance import NOT_DECIDED
from .language import BOOK, language, read_table, strings, t

SPACE = {"en": " ", "ja": ""}
COLON = {"en": ": ", "ja": "："}
MARKS = {
    verdicts.SUPPORTED: "▮",
    verdicts.UNDECIDED: "▯",
    verdicts.SMALLER: "▫",
    verdicts.NO_VARIATION: "–",
    verdicts.CONTRADICTED: "✕",
}


def rows():
    """All rows of `book/claims.csv`: `{id: row}`, in order.

    >>> rows()["C72"]["document"]
    '001'
    """
    return {row["id"]: row for row in read_table("claims.csv")}


def number(value):
    """A number with three significant digits and a true minus sign.

    >>> number(-0.012345)
    '−0.0123'
    """
    return f"{value:.3g}".replace("-", "−")


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


def effect(test, lang):
    """One sentence about what a test measured: value, unit, interval, seeds."""
    measured = test.measured
    value = with_unit(measured.mean, test.rule.unit, lang)
    if measured.method == "exact":
        return t("claim.exact_line", lang, value=value)
    seeds = t("claim.seeds", lang, n=measured.n)
    ends = dict(low=number(measured.low), high=number(measured.high))
    return t("claim.effect_line", lang, value=value, seeds=seeds, **ends)


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


def row_name(rule, lang):
    """A rule's quantity with its task, or with what its place in the result means and further conditions, in brackets."""
    condition = rule.condition.get(lang, "")
    asides = [condition] if condition and "[" in rule.quantity else [task_name(rule.number, lang), condition]
    text = t("claim.join", lang).join(aside for aside in asides if aside)
    return quantity_name(rule, lang) + (t("claim.aside", lang, text=text) if text else "")


def question(test, lang):
    """What a test asks of its effect: “above 0.5”."""
    rule = test.rule
    if rule.direction == "=":
        return t("claim.test_equal", lang, margin=number(rule.margin), centre=number(rule.centre))
    key, turned = ("claim.test_greater", rule.margin) if rule.direction == ">" else ("claim.test_smaller", -rule.margin)
    return t(key, lang, margin=number(turned + rule.centre or 0.0))


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
        said = [t("claim.parts", lang, supported=supported, all=len(joined))] if len(joined) > 1 else []
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
        """What a part's verdict rests on: its core's effect, its proof, its source."""
        lang, here = self.lang, part.part
        if part.core is not None and part.core.verdict is not None:
            return self.effect(part.ground) + self._quantified(part) + self._sign(part.ground)
        if here.test:
            return t("claim.proved_by", lang, test=here.test)
        return cited(here.source) if here.source else ""

    def effect(self, test):
        """What a measured row found, in one line: experiment, quantity, value, what was asked, and when the rule was made."""
        rule, lang = test.rule, self.lang
        asked = t("claim.aside", lang, text=question(test, lang))
        return f"{rule.number} {row_name(rule, lang)}{COLON[lang]}{effect(test, lang)}{asked}{self._registered(test)}"

    def _registered(self, test):
        """Whether the rule stood before the result, and what the pilot had measured; nothing where no chance is in it."""
        lang, pilot = self.lang, test.pilot
        if test.measured.method == "exact":
            return ""
        said = [t(f"registered.{test.registered}", lang)]
        if pilot:
            value = with_unit(pilot.mean, test.rule.unit, lang)
            said.append(t("claim.pilot", lang, value=value, low=number(pilot.low), high=number(pilot.high)))
        return t("claim.aside", lang, text=t("claim.join", lang).join(said))

    def _quantified(self, part):
        tasks = sum(row.rule.role == "replication" for row in part.others) + 1
        if part.part.quantifier == "plain" or (part.part.quantifier == "may" and tasks == 1):
            return ""
        return t("claim.aside", self.lang, text=t(f"claim.{part.part.quantifier}", self.lang, n=tasks))

    def _sign(self, test):
        if not test.sign:
            return ""
        key = "claim.sign_positive" if test.sign > 0 else "claim.sign_negative"
        return t("claim.aside", self.lang, text=t(key, self.lang, centre=number(test.rule.centre)))

    def others(self):
        """One `(mark, effect, role, word)` for each measured row that has no say in the verdict."""
        lang, rows = self.lang, [row for part in self.verdict.parts for row in part.others if row.verdict is not None]
        return [
            (MARKS[row.verdict], self.effect(row), t(f"claim.{row.rule.role}", lang), self._word(row.verdict))
            for row in rows
        ]

    def notes(self):
        """What else the reader must know: what speaks against the verdict, what is missing, source, proof."""
        lang, verdict, notes = self.lang, self.verdict, []
        join = t("claim.join", lang)
        if verdict.against:
            rows = join.join(f"{row.rule.number} {row_name(row.rule, lang)}" for row in verdict.against)
            key = "claim.but" if verdict.against[0].verdict == verdicts.SUPPORTED else "claim.but_not"
            notes.append(t(key, lang, rows=rows))
        open_rows = sum(row.verdict in NOT_DECIDED for row in verdict.others)
        if open_rows:
            notes.append(t("claim.undecided_rows", lang, n=open_rows))
        if verdict.missing:
            notes.append(t("claim.missing", lang, experiments=", ".join(verdict.missing)))
        if self.row["citation"]:
            notes.append(t("claim.citation", lang, source=cited(self.row["citation"])))
        if self.row["test"]:
            notes.append(t("claim.proof", lang, test=self.row["test"]))
        return notes

    def __repr__(self):
        head = self.head()
        lines = [f"{self.row['id']} [{self.verdict_word}] {head and head + ': '}{self.sentence}"]
        for text, word, ground in self.parts():
            lines.append(f"  {word}: " + "; ".join(words for words in (text, ground) if words))
        lines += [f"  {mark} {said} → {word}, {role}" for mark, said, role, word in self.others()]
        lines += [f"  {note}" for note in self.notes()]
        return "\n".join([*lines, f"  {self.source()}"])

    def _repr_html_(self):
        kind, head = self.verdict.name.replace(" ", "-"), self.head()
        word = f'<strong class="lr-claim-verdict">{escape(self.verdict_word)}</strong>'
        count = f' <span class="lr-claim-count">{escape(head)}</span>' if head else ""
        notes = "".join(f'<p class="lr-claim-note">{escape(note)}</p>' for note in self.notes())
        return (
            f'<div class="lr-claim lr-{kind}" role="note" lang="{self.lang}">'
            f'<p class="lr-claim-head"><span class="lr-claim-id">{self.row["id"]}</span> {word}{count}</p>'
            f'<p class="lr-claim-sentence">{escape(self.sentence)}</p>{self._parts_html()}{notes}{self._others_html()}'
            f'<p class="lr-claim-source">{escape(self.source())}</p></div>'
        )

    def _parts_html(self):
        items = [
            f"<li>{f'{escape(text)}{COLON[self.lang]}' if text else ''}<b>{escape(word)}</b>"
            + (f'<span class="lr-claim-test">{escape(ground)}</span>' if ground else "")
            + "</li>"
            for text, word, ground in self.parts()
        ]
        return f'<ul class="lr-claim-parts">{"".join(items)}</ul>' if items else ""

    def _others_html(self):
        rows = self.others()
        if not rows:
            return ""
        marks = "".join(mark for mark, *_ in rows)
        items = "".join(
            f'<li>{escape(said)} → <b>{escape(word)}</b><span class="lr-claim-test">{escape(role)}</span></li>'
            for _, said, role, word in rows
        )
        said = escape(t("claim.further", self.lang, n=len(rows)))
        return (
            f'<details class="lr-claim-further"><summary>{said} <span aria-hidden="true">{marks}</span></summary>'
            f"<ul>{items}</ul></details>"
        )


class Table:
    """Claims as a table, one row a claim: id, sentence, verdict, effect of the first main test."""

    def __init__(self, claims, lang):
        self.claims, self.lang = claims, lang

    def cells(self):
        """The words of the table, one tuple a claim."""
        return [(c.row["id"], c.sentence, c.verdict_word, first_effect(c)) for c in self.claims]

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


def first_effect(claim):
    """What the first row that decides found, in words, or an empty text."""
    return next(map(claim.effect, claim.verdict.grounds), "")


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
