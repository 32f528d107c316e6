"""Say that the Japanese of a page follows the English as it is now: `python -m lrbook.translated NAME …`.

Writes the hash of each English cell into the Japanese cell beside it (in a plain Markdown page: the
hash of the whole page into the front matter). The number of an experiment, E03, means the design on its
card. Run it after the Japanese was revised.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from . import designs
from .nbnormal import dumps
from .nbtext import BOOK, HASH, notebook_path, read_notebook, text_path, unmerged
from .parity import caption, set_hashes, text_hash

MARK = "未訳です"  # says to readers and to the tests that what stands here waits for its Japanese
UNTRANSLATED = f"（{MARK}。）"
EXPERIMENT = re.compile(r"E\d\d")
FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.S)


def body(text: str) -> str:
    """A Markdown page without its front matter."""
    return FRONT.sub("", text, count=1)


def page_hash(text: str) -> str | None:
    """The source hash in a page's front matter."""
    front = FRONT.match(text)
    found = re.search(rf"^{HASH}: *(\w+)$", front[1], re.M) if front else None
    return found[1] if found else None


def with_hash(text: str, digest: str) -> str:
    """The page with `digest` as its source hash.

    >>> page_hash(with_hash("# 題", "abc1"))
    'abc1'
    """
    front = FRONT.match(text)
    kept = [line for line in (front[1].splitlines() if front else []) if not line.startswith(f"{HASH}:")]
    return "\n".join(["---", *kept, f"{HASH}: {digest}", "---", ""]) + body(text)


def accept(name: str, book: Path = BOOK) -> Path:
    """Set the hashes of one page. Raises `ValueError` if an edition lacks it or the cells do not match."""
    plain = [book / lang / f"{name}.md" for lang in ("en", "ja")]
    if all(path.exists() for path in plain):
        digest = text_hash(body(plain[0].read_text(encoding="utf-8")))
        text = with_hash(plain[1].read_text(encoding="utf-8"), digest)
        plain[1].write_text(text, encoding="utf-8", newline="\n")
        return plain[1]
    paths = [notebook_path(lang, name, book) for lang in ("en", "ja")]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise ValueError(f"page {name!r} is not in both editions: {', '.join(missing)} missing")
    english, japanese = map(read_notebook, paths)
    for lang, notebook in (("en", english), ("ja", japanese)):
        if unmerged(text_path(lang, name, book), notebook):
            raise ValueError(
                f"book/edit/{lang}/{name}.md holds work that the notebook has not: call `notebooks {name}` first"
            )
    if [c.cell_type for c in english.cells] != [c.cell_type for c in japanese.cells]:
        raise ValueError(f"the cells of {name!r} do not match between the editions")
    paths[1].write_text(dumps(set_hashes(english, japanese)), encoding="utf-8", newline="\n")
    return paths[1]


def waiting(book: Path = BOOK) -> dict[str, int]:
    """{file: number of marks} of all that waits for its Japanese: pages, tables with a column for it, widgets' words."""
    files = [*sorted((book / "ja").glob("*.ipynb")), *sorted((book / "ja").glob("*.md")), *sorted(book.glob("*.csv"))]
    files += sorted((book.parent / "widgets" / "js" / "core").glob("i18n*.js"))
    counts = {path.relative_to(book.parent).as_posix(): _own_text(path).count(MARK) for path in files}
    return {name: count for name, count in counts.items() if count}


def _own_text(path: Path) -> str:
    """What a file says itself: of a notebook its cells and captions, not the outputs, which repeat words of tables."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = read_notebook(path).cells
    return "\n".join(f"{cell.source}\n{caption(cell)}" for cell in cells)


def main(names: list[str]) -> int:
    try:
        for name in names:
            print(designs.accept(name) if EXPERIMENT.fullmatch(name) else accept(name))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
