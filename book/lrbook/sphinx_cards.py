"""Directive `{experiment-card}`, and links to the cards from claim boxes and from the code of figures."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain

from docutils import nodes
from sphinx import addnodes

from . import cards, designs, results, scripts
from .language import BOOK, t
from .sphinx_ledger import Rows, paragraph, table

CODE = ("card.command", "card.settings", "card.shared")
FILES = ("card.script", "card.result", "card.pilot_result")
TABLES = ("designs_ja.csv", "networks.csv", "quantities.csv")  # besides those of the ledger
NUMBER = re.compile(r"\b(E\d\d)\b")
BOX = re.compile(r'<div class="lr-claim.*?</div>', re.S)
QUOTE = '(?:"|&quot;)'  # Pygments escapes it no more
NAME = re.compile(rf'(<span class="s2">{QUOTE})(e\d\d)(_\w+)({QUOTE}</span>)')


def lines(text, wrapped=str):
    """A paragraph for each line of a text; `wrapped` makes a node of a line."""
    return [paragraph(wrapped(line)) for line in text.split("\n")]


def literal(line):
    """A line of code."""
    return nodes.literal("", line)


def marked(text):
    """A paragraph in which names between backticks are code."""
    return paragraph(*(literal(part) if k % 2 else part for k, part in enumerate(text.split("`")) if part))


class Card(Rows):
    """`{experiment-card} e03_rate_sweep`: the card of an experiment."""

    required_arguments = 1

    def run(self):
        name, lang = self.arguments[0], self.lang
        self.depend()
        for path in (*scripts.files(name), *(BOOK / file for file in TABLES)):
            self.env.note_dependency(str(path))
        ways = dict.fromkeys((t(key, lang) for key in CODE), literal)
        ways |= dict.fromkeys((t(key, lang) for key in FILES), self._file)
        rows = [
            ([[paragraph(label)], lines(text, ways.get(label, str))], (), ()) for label, text in cards.facts(name, lang)
        ]
        found = [table([t("card.what", lang), t("card.how", lang)], (25, 75), rows, ["lr-card-table"])]
        found += self._design(name)
        return found + self._rests(results.result(name).experiment)

    def _file(self, path):
        """A file of the project, to be had from the page."""
        found = addnodes.download_reference("", "", reftarget=f"/{path}", refdoc=self.env.docname)
        found += literal(path)
        return found

    def _design(self, name):
        head = nodes.rubric("", t("card.design", self.lang))
        return [head, *map(marked, designs.design(name, self.lang))]

    def _rests(self, number):
        rows = cards.rests(number, self.lang)
        found = []
        for core, key in ((True, "card.decides"), (False, "card.further")):
            chosen = [row for row in rows if row[-1] == core]
            if chosen:
                found += [nodes.rubric("", t(key, self.lang)), *chain.from_iterable(map(self._row, chosen))]
        return found or [paragraph(t("card.nothing", self.lang))]

    def _row(self, row):
        claim, text, mark, word, about, _ = row
        link = self.link(f"claim-{claim}".lower(), claim, "ref", True)
        facts = nodes.definition_list(classes=["lr-card-facts"])
        for label, said in about:
            facts += nodes.definition_list_item("", nodes.term("", label), nodes.definition("", paragraph(said)))
        return [paragraph(link, f" {text} — {mark} {word}"), facts]


@lru_cache(maxsize=1)
def _known(_folder, _stamp):
    """The pages of the cards that there are, until a result comes or goes."""
    return {cards.slug(name) for name in results.names()}


def linked(body: str, root: str) -> str:
    """Numbers of experiments in claim boxes, and names of results in code, as links to their cards."""
    known = _known(results.FOLDER, results.FOLDER.stat().st_mtime_ns)

    def number(match):
        slug = cards.slug(match[1])
        return f'<a href="{root}{slug}.html">{match[1]}</a>' if slug in known else match[0]

    def name(match):
        link = f'<a class="lr-card-link" href="{root}{match[2]}.html">{match[2]}{match[3]}</a>'
        return f"{match[1]}{link}{match[4]}" if match[2] in known else match[0]

    return NAME.sub(name, BOX.sub(lambda box: NUMBER.sub(number, box[0]), body))


def finish(app, pagename, templatename, context, doctree):
    """Sphinx calls this for each page."""
    folder = pagename.rpartition("/")[0]
    if context.get("body") and folder in ("book/en", "book/ja"):
        context["body"] = linked(context["body"], f"{cards.CARDS}/")


def setup(app):
    app.add_directive("experiment-card", Card)
    app.connect("html-page-context", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
