"""Last touches on each HTML page: a description, and markup that a screen reader understands."""

from __future__ import annotations

import html

from docutils import nodes

LENGTH = 160
REPAIRS = {
    'class="citation-list" role="list"': 'class="citation-list"',  # its children are no list items
    'role="list" class="citation-list"': 'class="citation-list"',
    'aria-label="Toggle hidden content"': "",  # hides the visible words beside it
    "</strong> -- ": "</strong> – ",  # an argument and its text, in autodoc's lists
}
CHROME = {
    "ja": {
        "Link to this heading": "この見出しへのリンク",
        "Link to this image": "この図へのリンク",
        "Link to this equation": "この式へのリンク",
        "Link to this table": "この表へのリンク",
        "Link to this term": "この用語へのリンク",
        "Link to this code": "このコードへのリンク",
        "Link to this definition": "この定義へのリンク",
        "Permalink to this heading": "この見出しへのリンク",
    }
}


def description(doctree, fallback: str) -> str:
    """The first paragraph of a page, cut to what a search engine shows; `fallback` without one."""
    first = next((node.astext() for node in doctree.findall(nodes.paragraph)), "") if doctree else ""
    text = " ".join(first.split()) or fallback
    return text if len(text) <= LENGTH else text[: LENGTH - 1].rstrip() + "…"


def finish(app, pagename, templatename, context, doctree):
    """Sphinx calls this for each page."""
    if 'name="description"' not in context.get("metatags", ""):
        text = html.escape(description(doctree, app.config.html_context["about"]), quote=True)
        context["metatags"] = context.get("metatags", "") + f'\n<meta name="description" content="{text}" />'
    body = context.get("body")
    if body:
        for old, new in {**REPAIRS, **_titles(app.config.language)}.items():
            body = body.replace(old, new)
        context["body"] = body


def _titles(lang: str) -> dict[str, str]:
    return {f'title="{old}"': f'title="{new}"' for old, new in CHROME.get(lang, {}).items()}


def setup(app):
    app.connect("html-page-context", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
