"""Are the English and the Japanese edition the same book? Structure, and hashes of what was translated."""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path

from .nbtext import BOOK, HASH, notebook_path, read_notebook

MATH = re.compile(r"\$\$.*?\$\$|(?<!\$)\$[^$\n]+\$(?!\$)", re.S)
WORDS_IN_MATH = re.compile(r"\\(?:text|mathrm|textrm|mbox)\{[^{}]*\}")
LABEL = re.compile(r"^\(([\w-]+)\)=|^:(?:label|name):\s*(\S+)|\$\$\s*\(([\w-]+)\)", re.M)
CODE = re.compile(r"^(`{3,})(?!\{).*?^\1`*|(?<!`)`[^`\n]+`(?!`)", re.M | re.S)
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
MAGIC = re.compile(r"^\s*[%!].*$", re.M)


class _Blank(ast.NodeTransformer):
    """Strings may differ between the languages; everything else in code may not."""

    def visit_Constant(self, node):
        return ast.copy_location(ast.Constant(""), node) if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node):
        """A template keeps its values, in whatever order the language wants them."""
        values = [self.visit(part) for part in node.values if isinstance(part, ast.FormattedValue)]
        return ast.JoinedStr(sorted(values, key=ast.dump))


def _tree(code: str) -> ast.Module:
    return ast.parse(MAGIC.sub("pass", code))


def shape(code: str) -> str:
    """Code with its strings and comments blanked.

    >>> shape("print('learning rate')") == shape("print('学習率')  # 表示")
    True
    >>> shape("f(1)") == shape("f(2)")
    False
    """
    return ast.dump(_Blank().visit(_tree(code)))


def _strings(code: str) -> list[str]:
    try:
        return [
            node.value
            for node in ast.walk(_tree(code))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    except SyntaxError:
        return [code]


def caption(cell) -> str:
    """The figure caption in a code cell's metadata, or nothing."""
    return cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")


def source_hash(cell) -> str:
    """Hash of what a translator translates: Markdown, or the strings and the caption of a code cell."""
    parts = [cell.source.strip()] if cell.cell_type != "code" else [*_strings(cell.source), caption(cell)]
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:16]


def text_hash(text: str) -> str:
    """Hash of a plain Markdown page, written on the first lines of its translation as `source_hash`."""
    return hashlib.sha256(text.strip().encode("utf-8")).hexdigest()[:16]


def outline(markdown: str) -> dict:
    """What both languages must have in common: maths, labels, headings, directives."""
    math = [WORDS_IN_MATH.sub("", found) for found in MATH.findall(CODE.sub("", markdown))]
    return {
        "maths": sorted(re.sub(r"\s+", "", found) for found in math),
        "labels": sorted(filter(None, (a or b or c for a, b, c in LABEL.findall(markdown)))),
        "headings": [len(mark) for mark in re.findall(r"^(#+) ", CODE.sub("", markdown), re.M)],
        "directives": sorted(re.findall(r"^[`:]{3,}\{([\w:.-]+)\}", markdown, re.M)),
        "citations": sorted(re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", markdown)),
    }


def _cell_problems(english, japanese) -> list[str]:
    problems = []
    if english.cell_type == "code":
        try:
            if shape(english.source) != shape(japanese.source):
                problems.append("code differs in more than strings and comments")
        except SyntaxError as error:
            problems.append(f"code does not parse: {error}")
        if english.metadata.get("tags", []) != japanese.metadata.get("tags", []):
            problems.append("tags differ")
        if bool(caption(english)) != bool(caption(japanese)):
            problems.append("only one edition has a figure caption")
    else:
        mine, other = outline(english.source), outline(japanese.source)
        problems += [f"{key} differ: {mine[key]} / {other[key]}" for key in mine if mine[key] != other[key]]
    return problems


def problems(english, japanese) -> list[str]:
    """All ways in which two notebooks are not the same page; empty if they are."""
    kinds = [[cell.cell_type for cell in book.cells] for book in (english, japanese)]
    if kinds[0] != kinds[1]:
        where = next((i for i, (a, b) in enumerate(zip(*kinds)) if a != b), min(map(len, kinds)))
        return [f"cells differ from cell {where} on: {len(kinds[0])} English, {len(kinds[1])} Japanese cells"]
    found = []
    for i, (a, b) in enumerate(zip(english.cells, japanese.cells)):
        found += [f"cell {i} ({a['id']}): {problem}" for problem in _cell_problems(a, b)]
    prose = "".join(cell.source for cell in japanese.cells if cell.cell_type == "markdown")
    return found if JAPANESE.search(prose) else found + ["no Japanese characters in the Japanese edition"]


def stale(english, japanese) -> list[str]:
    """English cells that changed since their Japanese cell was made, or whose Japanese has no hash."""
    found = []
    for i, (a, b) in enumerate(zip(english.cells, japanese.cells)):
        if b.metadata.get(HASH) != source_hash(a):
            first = a.source.strip().splitlines()[0][:60] if a.source.strip() else ""
            found.append(f"cell {i} ({a['id']}): {first!r} changed since it was translated")
    return found


def set_hashes(english, japanese, only_missing: bool = False):
    """Write into each Japanese cell the hash of the English cell beside it, and its id."""
    for a, b in zip(english.cells, japanese.cells):
        if not (only_missing and HASH in b.metadata):
            b.metadata[HASH] = source_hash(a)
        b["id"] = a["id"]
    return japanese


def adopt(notebook, lang: str, name: str, book: Path = BOOK):
    """Give a Japanese notebook the cell ids of its English one, and hashes to its new cells."""
    original = notebook_path("en", name, book)
    if lang == "en" or not original.exists():
        return notebook
    english = read_notebook(original)
    if [c.cell_type for c in english.cells] != [c.cell_type for c in notebook.cells]:
        print(f"note    {lang}/{name}: cells do not match the English edition; see `run.py test book`")
        return notebook
    return set_hashes(english, notebook, only_missing=True)
