"""Claims of the four documents, shown with their verdicts in the notebook's language."""

import re
from html import escape

from . import results, verdicts
from .language import BOOK, language, read_table, strings, t

SPACE = {"en": " ", "ja": ""}
COLON = {"en": ": ", "ja": "："}


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


def question(test, lang):
    """What a test asks of its effect: “above 0.5”."""
    rule = test.rule
    key = {">": "claim.test_greater", "<": "claim.test_smaller", "=": "claim.test_equal"}[rule.direction]
    turned = -rule.margin if rule.direction == "<" else rule.margin
    return t(key, lang, margin=number(turned + (rule.centre if rule.direction != "=" else 0.0) or 0.0))


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

    def notes(self):
        """What else the reader must know: condition, missing experiments, citation, proof."""
        lang, verdict, notes = self.lang, self.verdict, []
        if verdict.so_far:
            notes.append(t("claim.so_far", lang, verdict=t(f"verdict.{verdict.so_far}", lang)))
        if verdicts.CONDITION in (verdict.name, verdict.so_far):
            notes.append(t("claim.condition", lang, condition=t("claim.join", lang).join(verdict.conditions(lang))))
        if verdict.missing:
            notes.append(t("claim.missing", lang, experiments=", ".join(verdict.missing)))
        if self.row["citation"]:
            notes.append(t("claim.citation", lang, source=cited(self.row["citation"])))
        if self.row["test"]:
            notes.append(t("claim.proof", lang, test=self.row["test"]))
        return notes

    def tests(self):
        """One `(experiment, what, effect, question, verdict)` of words for each measured rule."""
        lines = []
        for test in self.verdict.tests:
            if test.verdict is not None:
                rule, lang = test.rule, self.lang
                what = quantity_name(rule, lang)
                what += t("claim.aside", lang, text=rule.condition[lang]) if rule.condition.get(lang) else ""
                word = t(f"verdict.{test.verdict}", lang)
                lines.append((rule.number, what, effect(test, lang), question(test, lang), word))
        return lines

    def _asked(self, ask, word):
        return t("claim.aside", self.lang, text=f"{ask} → {word}")

    def __repr__(self):
        lines = [f"{self.row['id']} [{self.verdict_word}] {self.sentence}"]
        colon = COLON[self.lang]
        lines += [f"  {e} {what}{colon}{value}{self._asked(ask, word)}" for e, what, value, ask, word in self.tests()]
        lines += [f"  {note}" for note in self.notes()]
        return "\n".join([*lines, f"  {self.source()}"])

    def _repr_html_(self):
        kind = self.verdict.name.replace(" ", "-")
        head = f'<strong class="lr-claim-verdict">{escape(self.verdict_word)}</strong>'
        tests = "".join(
            f"<li><b>{escape(e)}</b> {escape(what + COLON[self.lang] + value)}"
            f'<span class="lr-claim-test">{escape(self._asked(ask, word))}</span></li>'
            for e, what, value, ask, word in self.tests()
        )
        notes = "".join(f'<p class="lr-claim-note">{escape(note)}</p>' for note in self.notes())
        return (
            f'<div class="lr-claim lr-{kind}" role="note" lang="{self.lang}">'
            f'<p class="lr-claim-head"><span class="lr-claim-id">{self.row["id"]}</span> {head}</p>'
            f'<p class="lr-claim-sentence">{escape(self.sentence)}</p>'
            + (f'<ul class="lr-claim-tests">{tests}</ul>' if tests else "")
            + f'{notes}<p class="lr-claim-source">{escape(self.source())}</p></div>'
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
    """What the claim's first measured test found, in words, or an empty text."""
    return next((what + COLON[claim.lang] + value for _, what, value, _, _ in claim.tests()), "")


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
    book, book_rules, library = rows(), verdicts.rules(), results.Library()
    unknown = [number for number in numbers if number not in book]
    if unknown:
        raise ValueError(f"claim must be one of C1 to C{len(book)}, not {unknown[0]!r}")
    judged = [verdicts.verdict(book[n], book_rules.get(n, []), library) for n in numbers]
    return [Claim(book[n], verdict, lang or language()) for n, verdict in zip(numbers, judged, strict=True)]
