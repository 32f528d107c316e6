"""Write a page's MyST text to work on: `python -m lrbook.edit NAME [--lang ja] [--force] [--untranslated]`.

A page that does not exist yet begins with a template. With ``--untranslated`` the Japanese text is made from the
English notebook: cells whose translation is up to date stay, the others are English with a mark that the tests count.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from pathlib import Path

from .nbtext import BOOK, HASH, LANGUAGES, notebook_path, read_notebook, text_path, to_text, unmerged
from .parity import caption, source_hash
from .translated import UNTRANSLATED

WORDS = {
    "en": ("Title", "What will the reader get wrong? Ask for a guess, then show.", "One idea, one picture."),
    "ja": ("題", "読者が間違えそうなことを尋ね、予想してもらってから見せます。", "一つの考えに一つの図。"),
}
TEMPLATE = """\
(ch-{label})=
# {title}

```{{chapter-facts}}
```

```{{code-cell}}
:tags: [hide-input]

import lrbook

lrbook.start("{lang}")
```

{opening}

```{{code-cell}}
from lrlib import cosine, warmup

warmup(10) >> cosine(90)
```

{closing}
"""


def template(lang: str, name: str) -> str:
    """The text that a new page begins with.

    >>> template("en", "two_rates").splitlines()[:2]
    ['(ch-two-rates)=', '# Title']
    """
    title, opening, closing = WORDS[lang]
    return TEMPLATE.format(label=name.replace("_", "-"), title=title, lang=lang, opening=opening, closing=closing)


def _check_merged(text: Path, notebook) -> None:
    if unmerged(text, notebook):
        raise ValueError(
            f"{text} differs from the notebook: merge it with `notebooks {text.stem}`, or throw it away with --force"
        )


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def write_text(name: str, languages: tuple = LANGUAGES, force: bool = False, book: Path = BOOK) -> list[Path]:
    """Write `book/edit/{lang}/NAME.md` from the notebooks, or a template where no language has the page.

    Returns the paths. Raises `ValueError` if the name is none for a file, or a text holds work that would be lost
    (unless `force`).
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"NAME must be small letters, digits and underscores, as in two_rates; got {name!r}")
    books = {lang: _notebook(lang, name, book) for lang in languages}
    there = [lang for lang in languages if books[lang] is not None]
    if not there and any((book / lang / f"{name}.md").exists() for lang in languages):
        raise ValueError(f"{name!r} is a plain page: edit {', '.join(f'book/{lang}/{name}.md' for lang in languages)}")
    texts = {lang: to_text(books[lang]) for lang in there} or {lang: template(lang, name) for lang in languages}
    for lang in () if force else texts:
        _check_merged(text_path(lang, name, book), books[lang])
    return [_write(text_path(lang, name, book), text) for lang, text in texts.items()]


def _notebook(lang: str, name: str, book: Path):
    path = notebook_path(lang, name, book)
    return read_notebook(path) if path.exists() else None


def write_untranslated(name: str, force: bool = False, book: Path = BOOK) -> list[Path]:
    """Write `book/edit/ja/NAME.md` from the English notebook, marked where it is not translated (`untranslated`).

    Returns the path in a list. Raises `ValueError` as `write_text`, and without an English notebook.
    """
    english, japanese = (_notebook(lang, name, book) for lang in ("en", "ja"))
    if english is None:
        raise ValueError(f"no English notebook {name!r}: call `notebooks {name} --lang en` first")
    path = text_path("ja", name, book)
    if not force:
        _check_merged(path, japanese)
    return [_write(path, to_text(untranslated(english, japanese)))]


def untranslated(english, japanese):
    """The Japanese notebook as far as it goes: cells that are up to date, and English ones with a mark.

    ``japanese``: the edition so far, or None.
    """
    known = {} if japanese is None else {cell["id"]: cell for cell in japanese.cells}
    made = copy.deepcopy(english)
    for cell in made.cells:
        kept = known.get(cell["id"])
        if kept is not None and kept.metadata.get(HASH) == source_hash(cell):
            cell.source, cell.metadata = kept.source, kept.metadata
        else:
            _mark(cell)
    return made


def _mark(cell) -> None:
    if cell.cell_type != "code":
        cell.source += f"\n\n{UNTRANSLATED}"
        return
    cell.source = cell.source.replace('lrbook.start("en")', 'lrbook.start("ja")')
    if caption(cell):
        cell.metadata["mystnb"]["figure"]["caption"] += f" {UNTRANSLATED}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="edit", description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--lang", choices=LANGUAGES)
    parser.add_argument("--force", action="store_true", help="overwrite a text that was not merged")
    parser.add_argument("--untranslated", action="store_true", help="write the Japanese text from the English")
    options = parser.parse_args(argv)
    try:
        if options.untranslated:
            paths = write_untranslated(options.name, options.force)
        else:
            paths = write_text(options.name, (options.lang,) if options.lang else LANGUAGES, options.force)
    except ValueError as error:
        parser.error(str(error))
    for path in paths:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
