"""Lint of the book's sources: `python -m lrbook.lint` prints what breaks a house rule.

Each rule is a function that yields messages; none of them changes a file.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

from .edit import WORDS
from .nbtext import BOOK, LAB_ONLY, LANGUAGES, read_notebook
from .prose import markdown_parts, pages, strip_blocks, strip_inline

MAX_LINES = 15
MAX_IGNORED = 2
NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])\d+[.．]\d+(?![A-Za-z0-9_]|\.\d)|\d[\d,.]*\s*[%％]|\d+\s*パーセント|\d+ per ?cent\b"
)
SENTENCE = re.compile(r"(?<=[。！？])|(?<=[.!?])\s+|\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.)\s?)")
WIDE = re.compile(r"[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff60]")
ALLOW = re.compile(r"^% lint-allow: *(.+)$", re.M)


def numbers(markdown: str) -> Iterator[str]:
    """Decimals and percentages in prose: those belong to results, maths or a cited sentence.

    >>> list(numbers("It reached 97.5 of them. A source says 90 % {cite}`smith2017cyclical`."))
    ["number '97.5' in prose: 'It reached 97.5 of them.'"]
    """
    for sentence in SENTENCE.split(strip_blocks(markdown)):
        if "{cite" not in sentence:
            for found in NUMBER.findall(strip_inline(sentence)):
                yield f"number {found!r} in prose: {sentence.strip()[:70]!r}"


def line_breaks(markdown: str) -> Iterator[str]:
    """Line breaks inside a Japanese paragraph, which a page shows as a space."""
    for token in MarkdownIt("commonmark").enable("table").parse(strip_blocks(markdown)):
        parts = token.children or []
        for before, here, after in zip(parts, parts[1:], parts[2:]):
            if here.type == "softbreak" and WIDE.search(before.content[-1:] + after.content[:1]):
                if not after.content.startswith(":"):
                    yield f"line break in a Japanese paragraph: {before.content[-12:]!r} / {after.content[:12]!r}"


def _names(cell: str) -> list[str]:
    return [name.strip() for name in cell.split(",") if name.strip()]


def forbidden(path: Path = BOOK / "terms.csv") -> tuple[list[str], dict[str, str]]:
    """(allowed Japanese terms, longest first; forbidden rendering → the term to use) of `terms.csv`."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    allowed = sorted({re.sub(r"[((].*", "", row["ja"]) for row in rows}, key=len, reverse=True)
    return allowed, {name: row["ja"] for row in rows for name in _names(row["never"])}


def _pattern(term: str) -> re.Pattern:
    """A katakana term or a single kanji counts only where it stands alone (クロス is not ロス)."""
    if re.fullmatch(r"[ァ-ヶー]+", term):
        return re.compile(rf"(?<![ァ-ヶー]){term}(?![ァ-ヶー])")
    if len(term) == 1:
        return re.compile(rf"(?<![\u4e00-\u9fffこそあど]の)(?<![\u4e00-\u9fff]){term}(?![\u4e00-\u9fff])")
    return re.compile(re.escape(term))


def renderings(text: str, terms=None) -> Iterator[str]:
    """Renderings that `terms.csv` forbids.

    >>> list(renderings("訓練を続ける", (["学習"], {"訓練": "学習"})))
    ["'訓練' is forbidden: write '学習'"]
    """
    allowed, never = terms or forbidden()
    spared = {name for found in ALLOW.findall(text) for name in _names(found)}
    masked = ALLOW.sub("", text)
    for term in allowed:
        masked = masked.replace(term, "\0")
    for term, instead in never.items():
        if term not in spared and _pattern(term).search(masked):
            yield f"{term!r} is forbidden: write {instead!r}"


def literal_stars(html: str) -> Iterator[str]:
    """`**` that a built page shows as such, because Japanese punctuation stood at its edge."""
    text = re.sub(r"<(script|style|pre|code|title)\b.*?</\1>", "", html, flags=re.S)
    text = re.sub(r"<dt class=\"sig .*?</dt>", "", text, flags=re.S)  # `**options` of a signature means itself
    text = re.sub(r"<span class=\"math.*?</span>|<div class=\"math.*?</div>", "", text, flags=re.S)
    for found in re.findall(r"[^<>\n]{0,20}\*\*[^<>\n]{0,20}", re.sub(r"<[^>]+>", "\n", text)):
        yield f"literal ** in the page: {found!r}"


def code_cells(notebook) -> Iterator[str]:
    """Length, order, errors and warnings of the code cells of a notebook."""
    count = 0
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        size = sum(bool(line.strip()) for line in cell.source.splitlines())
        if size > MAX_LINES:
            yield f"cell {i}: {size} lines of code, allowed are {MAX_LINES}"
        if LAB_ONLY in cell.metadata.get("tags", []):
            continue
        count += 1
        if cell.execution_count != count:
            yield f"cell {i}: execution count {cell.execution_count}, expected {count}: run `notebooks`"
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                yield f"cell {i}: error {output.ename}"
            if output.get("name") == "stderr":
                yield f"cell {i}: writes to stderr: {output.text[:70]!r}"


def ignored(notebook) -> Iterator[str]:
    """At most two cells whose output nbval does not compare, each followed by an assertion."""
    tagged = [i for i, cell in enumerate(notebook.cells) if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    if len(tagged) > MAX_IGNORED:
        yield f"{len(tagged)} cells tagged nbval-ignore-output, allowed are {MAX_IGNORED}"
    for i in tagged:
        later = [cell.source for cell in notebook.cells[i + 1 :] if cell.cell_type == "code"]
        if not (later and "assert" in later[0]):
            yield f"cell {i}: output ignored, but the next code cell asserts nothing"


def templates(notebook) -> Iterator[str]:
    """Words of the template that a new page begins with, not yet replaced."""
    words = [words for told in WORDS.values() for words in told[1:]] + [f"# {told[0]}" for told in WORDS.values()]
    for i, cell in enumerate(notebook.cells):
        lines = cell.source.splitlines() if cell.cell_type == "markdown" else []
        yield from (f"cell {i}: still the template's {word!r}" for word in words if word in lines)


def output_alts(notebook) -> Iterator[str]:
    """Stored pictures without alt text."""
    for i, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            for mime in ("image/png", "image/svg+xml", "image/jpeg"):
                named = output.get("metadata", {}).get(mime, {}).get("alt") or _cell_alt(cell)
                if mime in output.get("data", {}) and not str(named or "").strip():
                    yield f"cell {i}: figure without alt text"


def _cell_alt(cell) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def markdown_alts(markdown: str) -> Iterator[str]:
    """Markdown pictures and figure directives without alt text."""
    for found in re.findall(r"!\[\s*\]\([^)]*\)", markdown):
        yield f"picture without alt text: {found}"
    for mark, body in re.findall(r"^(`{3,}|:{3,})\{(?:figure|image)\}(.*?)^\1", markdown, re.M | re.S):
        if not re.search(r"^:alt:\s*\S", body, re.M):
            yield f"{mark}{{figure}} without :alt: {body.strip().splitlines()[0]}"


def lint_page(path: Path, lang: str) -> list[str]:
    """All messages about one source file."""
    found = []
    for where, markdown in markdown_parts(path):
        rules = [numbers(markdown), markdown_alts(markdown)]
        if lang == "ja":
            rules += [line_breaks(markdown), renderings(_words(markdown))]
        found += [f"{lang}/{where}: {message}" for rule in rules for message in rule]
    if path.suffix == ".ipynb":
        notebook = read_notebook(path)
        rules = [code_cells(notebook), ignored(notebook), output_alts(notebook), templates(notebook)]
        found += [f"{lang}/{path.name} {message}" for rule in rules for message in rule]
    return found


def _words(markdown: str) -> str:
    """Visible words, with the lint's own remarks kept."""
    return "\n".join([strip_inline(strip_blocks(markdown)), *(m[0] for m in ALLOW.finditer(markdown))])


def main() -> int:
    messages = [message for lang in LANGUAGES for path in pages(lang) for message in lint_page(path, lang)]
    print("\n".join(messages) or "nothing to complain about")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
