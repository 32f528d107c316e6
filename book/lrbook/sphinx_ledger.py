"""Directives `{ledger}` (all claims with their verdicts), `{verdict-changes}` (those that changed, and why) and
`{document-map}` (all sections of the documents).

The rows come from `lrbook.ledger`; each claim has the anchor `claim-C72`, which `` {ref}`claim-c72` `` reaches.
"""

from __future__ import annotations

import re
from itertools import groupby

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from . import ledger
from .language import BOOK, read_table

WORDS = {
    "en": {
        "id": "Claim",
        "sentence": "What the document says",
        "verdict": "What was found",
        "line": "line {}",
        "section": "Section",
        "chapters": "Chapter",
        "claims": "Claims",
        "none": "not in the book yet",
        "stale": "the code has changed since this result: {}",
        "by": "By: {}",
        "comma": ", ",
        "colon": ": ",
        "stop": ". ",
        "counts": "Verdict",
        "number": "Claims with it",
        "filter": "Show claims with",
        "all": "any verdict",
        "find": "and the word",
        "why": "Why",
        "kind": "Difference in",
        "margin": "Margin",
    },
    "ja": {
        "id": "主張",
        "sentence": "文書の記述",
        "verdict": "判定",
        "line": "{}行目",
        "section": "節",
        "chapters": "章",
        "claims": "主張",
        "none": "まだこの本にない",
        "stale": "この結果の後でコードが変わりました：{}",
        "by": "著者：{}",
        "comma": "、",
        "colon": "：",
        "stop": "。",
        "counts": "判定",
        "number": "主張の数",
        "filter": "表示する判定",
        "all": "すべて",
        "find": "含まれる語",
        "why": "理由",
        "kind": "何の差か",
        "margin": "許容幅",
    },
}
MARGINS = "margins.csv"
SOURCES = (
    "claims.csv",
    "claim_parts.csv",
    MARGINS,
    "verdict_changes.csv",
    "verdict_rules.csv",
    "tasks.csv",
    "sections.csv",
    "documents.csv",
    "strings.csv",
)


def slug(text: str) -> str:
    """A class name from a verdict's name: `partly measured` → `partly-measured`."""
    return re.sub(r"\W+", "-", text).strip("-").lower()


def paragraph(*parts, classes=()) -> nodes.paragraph:
    found = nodes.paragraph(classes=list(classes))
    for part in parts:
        found += nodes.Text(part) if isinstance(part, str) else part
    return found


def table(heads, widths, rows, classes) -> nodes.table:
    """A table node; a row is (cells, ids, classes) and a cell a list of block nodes."""
    found = nodes.table(classes=["lr-table", *classes])
    group = nodes.tgroup(cols=len(heads))
    found += group
    group += [nodes.colspec(colwidth=width) for width in widths]
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    head += _row([[paragraph(text)] for text in heads])
    body += [_row(cells, ids, names) for cells, ids, names in rows]
    return found


def _row(cells, ids=(), classes=()) -> nodes.row:
    row = nodes.row(ids=list(ids), classes=list(classes))
    for cell in cells:
        entry = nodes.entry()
        entry += cell
        row += entry
    return row


class Rows(SphinxDirective):
    """What both directives need: the language, links to pages and the files that they depend on."""

    @property
    def lang(self):
        return self.env.docname.split("/")[1]  # of book/en/… and of book/en/cards/…

    @property
    def words(self):
        return WORDS[self.lang]

    def depend(self):
        for path in [*(BOOK / name for name in SOURCES), *sorted((BOOK / "results").glob("*.json"))]:
            if path.exists():
                self.env.note_dependency(str(path))

    def link(self, target, text="", kind="doc", explicit=False):
        found = addnodes.pending_xref(
            "",
            refdomain="std",
            reftype=kind,
            reftarget=target,
            refexplicit=explicit,
            refwarn=True,
            refdoc=self.env.docname,
        )
        found += nodes.inline("", text or target)
        return found

    def part(self, anchor, row):
        """The section of one document, with its title and author."""
        section = nodes.section(ids=[anchor], names=[anchor])
        section += nodes.title("", row["title"])
        section += paragraph(self.words["by"].format(row["author"]), classes=["lr-note"])
        return section

    def chapters(self, names):
        """Links to the chapters that exist; nothing where none does."""
        folder = self.env.docname.rsplit("/", 1)[0]
        there = [name for name in names if f"{folder}/{name}" in self.env.found_docs]
        return _joined([self.link(f"/{folder}/{name}", name) for name in there], self.words["comma"])


def _joined(parts, comma):
    found = []
    for part in parts:
        found += ([nodes.Text(comma)] if found else []) + [part]
    return found


class Ledger(Rows):
    """`{ledger}`: every claim of the four documents with its verdict, grouped by document."""

    def run(self):
        self.depend()
        rows = sorted(ledger.rows(self.lang), key=lambda row: row["document"])
        self._targets(rows)
        found = [paragraph(line) for line in ledger.summary(self.lang)]
        found += [self._counts(rows), self._filter(rows)]
        for document, group in groupby(rows, key=lambda row: row["document"]):
            found.append(self._document(document, list(group)))
        return found

    def _targets(self, rows):
        domain = self.env.get_domain("std")
        for row in rows:
            anchor = f"claim-{row['id']}"
            domain.anonlabels[anchor.lower()] = self.env.docname, anchor
            domain.labels[anchor.lower()] = self.env.docname, anchor, row["id"]

    def _counts(self, rows):
        names = {row["verdict_key"]: row["verdict"] for row in rows}
        number = {key: sum(row["verdict_key"] == key for row in rows) for key in names}
        lines = [
            ([[paragraph(names[key])], [paragraph(str(number[key]))]], (), ())
            for key in sorted(names, key=lambda key: -number[key])
        ]
        return table([self.words["counts"], self.words["number"]], (70, 30), lines, ["lr-ledger-counts"])

    def _filter(self, rows):
        """An empty place with its words; the page's script fills it, since it is of no use without one."""
        names = {slug(row["verdict_key"]): row["verdict"] for row in rows}
        options = "".join(f'<option value="{key}">{name}</option>' for key, name in names.items())
        words = self.words
        html = (
            f'<form class="lr-ledger-filter" hidden><label>{words["filter"]} <select><option value="">{words["all"]}'
            f'</option>{options}</select></label> <label>{words["find"]} <input type="search" size="16"></label> '
            f"<output></output></form>"
        )
        return nodes.raw("", html, format="html")

    def _document(self, document, rows):
        section = self.part(f"ledger-{document}", rows[0])
        heads = [self.words[key] for key in ("id", "sentence", "verdict")]
        section += table(heads, (8, 46, 46), [self._line(row) for row in rows], ["lr-ledger-table"])
        return section

    def _line(self, row):
        place = [nodes.Text(self.words["comma"].join([row["section"], self.words["line"].format(row["line"])]))]
        chapters = self.chapters(row["chapters"])
        place += [nodes.Text(self.words["stop"]), *chapters] if chapters else []
        says = [paragraph(row["sentence"]), paragraph(*place, classes=["lr-place"])]
        return (
            [[paragraph(row["id"])], says, self._finding(row)],
            [f"claim-{row['id']}"],
            [f"lr-verdict-{slug(row['verdict_key'])}"],
        )

    def _finding(self, row):
        head = [nodes.Text(self.words["comma"] + row["head"])] if row["head"] else []
        marks = [nodes.inline("", f" {''.join(mark for mark, *_ in row['others'])}", classes=["lr-marks"])]
        found = [paragraph(nodes.strong("", row["verdict"]), *head, *marks, classes=["lr-verdict"])]
        for text, word, ground in row["parts"]:
            said = [self.words["colon"].join((word, text))] if text else []
            found.append(paragraph(self.words["stop"].join((*said, *([ground] if ground else [])))))
        notes = list(row["notes"])
        notes += [self.words["stale"].format(self.words["comma"].join(row["stale"]))] if row["stale"] else []
        return found + [paragraph(note, classes=["lr-note"]) for note in notes]


class DocumentMap(Rows):
    """`{document-map}`: every section of the four documents, with its chapter and its claims."""

    def run(self):
        self.depend()
        found, by = [], lambda row: row["document"]
        for document, group in groupby(sorted(ledger.sections(self.lang), key=by), key=by):
            rows = list(group)
            section = self.part(f"map-{document}", rows[0])
            heads = [self.words[key] for key in ("section", "chapters", "claims")]
            section += table(heads, (50, 25, 25), [self._line(row) for row in rows], ["lr-map-table"])
            found.append(section)
        return found

    def _line(self, row):
        chapters = self.chapters(row["chapters"])
        place = paragraph(*chapters) if chapters else paragraph(self.words["none"], classes=["lr-note"])
        return ([[paragraph(row["section_title"])], [place], [self._claims(row["claims"])]], (), ())

    def _claims(self, ids):
        there = f"{self.env.docname.rsplit('/', 1)[0]}/ledger" in self.env.found_docs
        parts = [self.link(f"claim-{name}".lower(), name, "ref", True) if there else nodes.Text(name) for name in ids]
        return paragraph(*_joined(parts, self.words["comma"]))


class Changes(DocumentMap):
    """`{verdict-changes}`: every verdict that changed, from what to what, and why."""

    def run(self):
        self.depend()
        heads = [self.words[key] for key in ("id", "verdict", "why")]
        rows = [self._line(row) for row in ledger.changes(self.lang)]
        return [table(heads, (10, 30, 60), rows, ["lr-ledger-table"])]

    def _line(self, row):
        said = paragraph(nodes.Text(f"{row['before']} → "), nodes.strong("", row["after"]))
        return (
            [
                [self._claims([row["id"]])],
                [said, paragraph(row["day"], classes=["lr-note"])],
                [paragraph(row["cause"])],
            ],
            (),
            (),
        )


class SmallestEffects(Rows):
    """`{smallest-effects}`: the margin of each kind of quantity, with its reason."""

    def run(self):
        self.depend()
        heads = [self.words[key] for key in ("kind", "margin", "why")]
        cells = [(row[f"name_{self.lang}"], row["margin"], row[f"reason_{self.lang}"]) for row in read_table(MARGINS)]
        rows = [([[paragraph(text)] for text in line], (), ()) for line in cells]
        return [table(heads, (32, 12, 56), rows, ["lr-margin-table"])]


def setup(app):
    app.add_directive("smallest-effects", SmallestEffects)
    app.add_directive("ledger", Ledger)
    app.add_directive("verdict-changes", Changes)
    app.add_directive("document-map", DocumentMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
