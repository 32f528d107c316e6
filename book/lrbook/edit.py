"""Write a page's MyST text to work on: `python -m lrbook.edit NAME [--lang ja] [--force]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .nbtext import BOOK, LANGUAGES, from_text, notebook_path, read_notebook, text_path, to_text


def _unmerged(text: Path, notebook) -> bool:
    """Whether the text has work in it that the notebook does not have."""
    if not text.exists():
        return False
    cells = lambda book: [(cell.cell_type, cell.source.strip()) for cell in book.cells]
    return cells(from_text(text.read_text(encoding="utf-8"))) != cells(notebook)


def write_text(name: str, languages: tuple = LANGUAGES, force: bool = False, book: Path = BOOK) -> list[Path]:
    """Write `book/edit/{lang}/NAME.md` from the notebooks; returns the paths.

    Raises `ValueError` if no language has the page, or if a text holds work that would be lost
    (unless `force`).
    """
    there = [lang for lang in languages if notebook_path(lang, name, book).exists()]
    if not there:
        raise ValueError(f"no notebook {name!r}; for a new page write {text_path(languages[0], name, book)} by hand")
    books = {lang: read_notebook(notebook_path(lang, name, book)) for lang in there}
    for lang in there:
        if not force and _unmerged(text_path(lang, name, book), books[lang]):
            raise ValueError(
                f"{text_path(lang, name, book)} differs from the notebook: merge it with "
                f"`notebooks {name}`, or throw it away with --force"
            )
    for lang in there:
        path = text_path(lang, name, book)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_text(books[lang]), encoding="utf-8", newline="\n")
    return [text_path(lang, name, book) for lang in there]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="edit", description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--lang", choices=LANGUAGES)
    parser.add_argument("--force", action="store_true", help="overwrite a text that was not merged")
    options = parser.parse_args(argv)
    try:
        for path in write_text(options.name, (options.lang,) if options.lang else LANGUAGES, options.force):
            print(path)
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
