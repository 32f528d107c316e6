"""Notebooks as MyST text to work on, and back, with cell ids and source hashes kept."""

from __future__ import annotations

import copy
import difflib
import hashlib
from pathlib import Path

import jupytext
import nbformat

BOOK = Path(__file__).resolve().parent.parent
LANGUAGES = ("en", "ja")
HASH = "source_hash"
SKIP = "nbval-skip"
LAB_ONLY = "lab-only"


def notebook_path(lang: str, name: str, book: Path = BOOK) -> Path:
    """Where the committed notebook of a page lies."""
    return book / lang / f"{name}.ipynb"


def text_path(lang: str, name: str, book: Path = BOOK) -> Path:
    """Where the MyST text of a page lies while somebody works on it (never committed)."""
    return book / "edit" / lang / f"{name}.md"


def notebook_names(book: Path = BOOK) -> list[str]:
    """Names of all pages that have a notebook or a text, in alphabetical order.

    >>> "index.md" in notebook_names()
    False
    """
    found = {path.stem for lang in LANGUAGES for path in (book / lang).glob("*.ipynb")}
    found |= {path.stem for lang in LANGUAGES for path in (book / "edit" / lang).glob("*.md")}
    return sorted(found)


def read_notebook(path: Path):
    """A notebook from disk, in nbformat 4."""
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def to_text(notebook) -> str:
    """MyST text of a notebook, without outputs, ids and source hashes.

    >>> book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title")])
    >>> to_text(book).splitlines()[-1]
    '# A title'
    """
    plain = copy.deepcopy(notebook)
    for cell in plain.cells:
        cell.metadata.pop(HASH, None)
        tags = [tag for tag in cell.metadata.get("tags", []) if tag != SKIP]
        cell.metadata.pop("tags", None)
        if tags:
            cell.metadata["tags"] = tags
    plain.metadata.pop("widgets", None)
    plain.metadata.pop("language_info", None)
    return jupytext.writes(plain, fmt="md:myst")


def from_text(text: str):
    """A fresh notebook (no outputs) from MyST text; a front matter is not needed."""
    notebook = jupytext.reads(text, fmt="md:myst")
    notebook.metadata.pop("jupytext", None)
    return notebook


def _pairs(old: list, new: list) -> list[tuple[int, int]]:
    """Index pairs (old, new) of cells that are the same cell, perhaps changed."""
    key = lambda cell: (cell.cell_type, cell.source.strip())
    matcher = difflib.SequenceMatcher(None, [key(c) for c in old], [key(c) for c in new], autojunk=False)
    pairs = []
    for what, a0, a1, b0, b1 in matcher.get_opcodes():
        if what == "equal":
            pairs += zip(range(a0, a1), range(b0, b1))
        elif what == "replace":
            for kind in ("markdown", "code", "raw"):
                pairs += zip(
                    [i for i in range(a0, a1) if old[i].cell_type == kind],
                    [j for j in range(b0, b1) if new[j].cell_type == kind],
                )
    return pairs


def _fresh_id(stem: str, source: str, taken: set) -> str:
    digest = hashlib.sha256(source.encode("utf-8")).hexdigest()
    size = 6
    while (name := f"{stem}-{digest[:size]}") in taken:
        digest = hashlib.sha256(digest.encode("ascii")).hexdigest()
    return name[-64:]


def merge(old, new, stem: str):
    """`new` (from text) with the ids and source hashes of the cells of `old` that it continues.

    `old` may be None: every cell then gets an id made from its source.
    """
    taken = set()
    kept = {j: i for i, j in _pairs(old.cells, new.cells)} if old is not None else {}
    for j, cell in enumerate(new.cells):
        if j in kept:
            before = old.cells[kept[j]]
            cell["id"] = before["id"]
            if HASH in before.metadata:
                cell.metadata[HASH] = before.metadata[HASH]
            taken.add(cell["id"])
    for j, cell in enumerate(new.cells):
        if j not in kept:
            cell["id"] = _fresh_id(stem, cell.source, taken)
            taken.add(cell["id"])
    return new


def load(lang: str, name: str, book: Path = BOOK):
    """The notebook to execute: the committed one, with a newer text merged into it.

    Returns (notebook, merged). Raises `ValueError` if the page has neither notebook nor text.
    """
    path, text = notebook_path(lang, name, book), text_path(lang, name, book)
    old = read_notebook(path) if path.exists() else None
    newer = text.exists() and (old is None or text.stat().st_mtime > path.stat().st_mtime)
    if newer:
        return merge(old, from_text(text.read_text(encoding="utf-8")), name), True
    if old is None:
        raise ValueError(f"no page {name!r} in {lang!r}: write {text} or commit {path}")
    return old, False


def unmerged(text: Path, notebook) -> bool:
    """Whether the text has work in it that the notebook does not have; ``notebook`` may be None."""
    if not text.exists():
        return False
    cells = lambda book: [(cell.cell_type, cell.source.strip()) for cell in book.cells]
    return notebook is None or cells(from_text(text.read_text(encoding="utf-8"))) != cells(notebook)
