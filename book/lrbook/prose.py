"""What is prose in a page, and what is maths, code, option or markup."""

from __future__ import annotations

import re
from pathlib import Path

from .nbtext import BOOK, read_notebook
from .parity import caption

OPAQUE = {
    "code-cell",
    "code",
    "code-block",
    "math",
    "raw",
    "eval-rst",
    "glossary",
    "list-table",
    "csv-table",
    "table",
    "bibliography",
    "ledger",
    "document-map",
    "toctree",
    "literalinclude",
}
FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:.-]+)\})?(.*)$")
TITLED = {"admonition", "dropdown", "card", "tab-item", "figure", "grid-item-card"}


def pages(lang: str, book: Path = BOOK) -> list[Path]:
    """The sources of an edition: notebooks and plain Markdown pages."""
    folder = book / lang
    return sorted([*folder.glob("*.ipynb"), *folder.glob("*.md")])


def markdown_parts(path: Path) -> list[tuple[str, str]]:
    """(where, Markdown) of each prose cell and caption of a notebook, or of a whole plain page."""
    if path.suffix == ".md":
        return [(path.name, re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.S))]
    parts = []
    for i, cell in enumerate(read_notebook(path).cells):
        if cell.cell_type == "markdown":
            parts.append((f"{path.name} cell {i}", cell.source))
        elif caption(cell):
            parts.append((f"{path.name} cell {i} caption", caption(cell)))
    return parts


def _blank(text: str) -> str:
    """Remove a match but keep its line breaks, so that line numbers stay."""
    return "\n" * text.count("\n")


def _opened(fence) -> tuple[str, bool]:
    """(marker, opaque) of the block that a fence line opens; a fence without a directive is code."""
    return fence[1], fence[2] in OPAQUE if fence[2] else True


def _title(fence) -> str:
    """The visible title on a directive's own line."""
    name = fence[2] or ""
    return fence[3].strip() if name in TITLED or name.startswith(("prf:", "exercise")) else ""


def strip_blocks(markdown: str) -> str:
    """Markdown without code, displayed maths, directive fences and options; line numbers stay.

    The text inside an admonition or an exercise stays, and so does its title.

    >>> strip_blocks("a" + chr(10) + "```python" + chr(10) + "x = 0.5" + chr(10) + "```" + chr(10) + "b").split()
    ['a', 'b']
    """
    markdown = re.sub(r"\$\$.*?\$\$(?:\s*\([\w-]+\))?", lambda m: _blank(m[0]), markdown, flags=re.S)
    lines, stack, options = [], [], False
    for line in markdown.split("\n"):
        fence = FENCE.match(line)
        closes = fence and stack and not fence[2] and not fence[3].strip() and fence[1].startswith(stack[-1][0])
        kept = ""
        if closes:
            stack.pop()
        elif stack and stack[-1][1]:
            pass
        elif fence:
            stack.append(_opened(fence))
            kept, options = _title(fence), True
        elif not (options and re.match(r"^\s*:[\w-]+:", line)):
            options = options and not line.strip()
            kept = "" if re.match(r"^% |^\([\w-]+\)=\s*$|^\+\+\+", line) else line
        lines.append(kept)
    return "\n".join(lines)


def strip_inline(text: str) -> str:
    """Text without inline code, roles, maths, addresses and HTML tags.

    >>> strip_inline("a rate of $0.5$ and `0.25`, see {eq}`eq-update`").split()
    ['a', 'rate', 'of', 'and', ',', 'see']
    """
    text = re.sub(r"(?:\{[\w:.-]+\})?(`+)(?!`).+?(?<!`)\1(?!`)", " ", text)
    text = re.sub(r"(?<![\\$])\$[^$\n]+\$", " ", text)
    text = re.sub(r"\]\([^)\s]*\)|<https?:[^>]*>|https?://\S+", "]", text)
    return re.sub(r"<[^>\n]+>", " ", text)
