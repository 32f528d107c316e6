"""The API reference: `lr-api` documents a topic of lrlib through autodoc, `lr-api-index` lists every public name.

The docstrings stay English. The Japanese edition sets the sentence of `api_ja.csv` before each of them. A word in
single backticks links to the public name that it means.
"""

from __future__ import annotations

import re

from docutils import nodes
from docutils.parsers.rst import roles
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from . import api
from .language import BOOK
from .sphinx_ledger import paragraph, table

WORDS = {
    "en": ("Name", "What it is", "Source: {}.", "Kind: {}; keeps {}.", "nothing"),
    "ja": ("名前", "内容", "Source: {}.", "Kind: {}; keeps {}.", "nothing"),
}
DIRECTIVES = {"class": "autoclass", "function": "autofunction", "rule": "autofunction"}
MEMBERS = ["   :members:", "   :exclude-members: rule"]  # an optimizer's rule has a docstring, and a place, of its own


def link(short: str, docname: str, text: str = "") -> addnodes.pending_xref:
    """A reference to a public name."""
    found = addnodes.pending_xref(
        "", refdomain="py", reftype="obj", reftarget=f"lrlib.{short}", refexplicit=True, refwarn=True, refdoc=docname
    )
    found += nodes.literal("", text or short, classes=["xref", "py"])
    return found


class NameRole(SphinxRole):
    """What a docstring has in single backticks: a link if it is a public name or a module, else code."""

    def run(self):
        context = self.env.ref_context
        module = (context.get("py:module") or "").removeprefix("lrlib").removeprefix(".")
        short = api.resolve(self.text, module, context.get("py:class") or "")
        if short:
            return [link(short, self.env.docname, self.text)], []
        name = self.text.removeprefix("lrlib.")
        if name in api.topics():
            found = addnodes.pending_xref(
                "",
                refdomain="std",
                reftype="ref",
                reftarget=f"api-{name}",
                refexplicit=True,
                refwarn=True,
                refdoc=self.env.docname,
            )
            found += nodes.literal("", self.text)
            return [found], []
        return [nodes.literal("", self.text)], []


class Room(SphinxDirective):
    """`.. lr-api:: TOPIC`: every public name of a topic, by autodoc."""

    required_arguments = 1

    def run(self):
        topic = self.arguments[0]
        if topic not in api.topics():
            raise self.error(f"lrlib has no topic {topic!r}; it has {', '.join(api.topics())}")
        self.env.note_dependency(str(BOOK / "api_ja.csv"))
        lines: list[str] = []
        for name in api.names(topic):
            if name.kind != "member":
                lines += [
                    f".. {DIRECTIVES[name.kind]}:: lrlib.{name.short}",
                    *(MEMBERS if name.kind == "class" else []),
                    "",
                ]
        return self.parse_text_to_nodes(StringList(lines, source=f"lr-api {topic}"))


class Index(SphinxDirective):
    """`.. lr-api-index::`: every function, class and rule with its sentence."""

    def run(self):
        lang, sentences = self.config.language, api.japanese()
        self.env.note_dependency(str(BOOK / "api_ja.csv"))
        rows = []
        for name in api.everything().values():
            if name.kind != "member":
                says = sentences.get(name.short, "") if lang == "ja" else plain(api.summary(name.doc))
                rows.append(([[paragraph(link(name.short, self.env.docname))], [with_code(says)]], (), ()))
        return [table(WORDS[lang][:2], (42, 58), rows, ["lr-api-index"])]


class Sentence(SphinxDirective):
    """`.. lr-sentence:: NAME`: the sentence of a public name in the edition's language; nothing in English.

    It stands before every docstring, where it also keeps napoleon from reading a type out of a property's first line.
    """

    required_arguments = 1

    def run(self):
        found = with_code(api.japanese().get(self.arguments[0], "") if self.config.language == "ja" else "")
        found["classes"].append("lr-api-ja")
        return [found] if found.astext() else []


def plain(text: str) -> str:
    """A summary whose roles are reduced to their content, for a table."""
    return re.sub(r":[\w:]+:(`[^`]+`)", r"\1", text).replace("``", "`")


def with_code(text: str) -> nodes.paragraph:
    """A paragraph of a plain text, with what stands in backticks as code."""
    parts = re.split(r"`([^`]+)`", text)
    return paragraph(*(nodes.literal("", part) if i % 2 else part for i, part in enumerate(parts) if part))


def docstring(app, what, name, thing, options, lines):
    """The docstring as reStructuredText: before it the Japanese sentence, behind it what a rule declares."""
    short = name.removeprefix("lrlib.")
    lines[:] = [f".. lr-sentence:: {short}", "", *api.restructured(lines)]
    listed = api.everything().get(short)
    if listed is not None and listed.kind == "rule":
        rule = listed.thing
        _, _, source, kind, nothing = WORDS[app.config.language]
        states = ", ".join(f"``{state}``" for state in rule.state_names) or nothing
        lines += ["", kind.format(f"``{rule.kind}``", states) + " " + source.format(rule.source)]


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.add_directive("lr-api", Room)
    app.add_directive("lr-api-index", Index)
    app.add_directive("lr-sentence", Sentence)
    roles.register_local_role("lr-name", NameRole())
    app.connect("autodoc-process-docstring", docstring, priority=100)  # before napoleon reads its sections
    return {"version": "1", "parallel_read_safe": True}
