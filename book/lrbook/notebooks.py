"""Write the book's notebooks: merge edited text, execute, normalise.

`python -m lrbook.notebooks [NAME …] [--lang en|ja]` treats both languages, two notebooks at a
time. A second run on the same machine leaves every byte as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from .nbnormal import dumps, normalise
from .nbtext import BOOK, LAB_ONLY, LANGUAGES, load, notebook_names, notebook_path, text_path
from .parity import adopt
from .sphinx_facts import remember_time

AT_ONCE = 2
TIMEOUT = 300
QUIET = Config({name: {"transport_encryption": "auto"} for name in ("KernelManager", "AsyncKernelManager")})


async def execute(notebook, folder: Path):
    """Run all cells but the `lab-only` ones in a fresh kernel that starts in `folder`."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        config=QUIET,
        skip_cells_with_tag=LAB_ONLY,
        resources={"metadata": {"path": str(folder)}},
    )
    await client.async_execute()
    return notebook


def _write(path: Path, text: str) -> bool:
    """Write only what changed; says whether it did."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return True


async def _one(lang: str, name: str, book: Path, gate: asyncio.Semaphore) -> bool:
    async with gate:
        began = time.perf_counter()
        try:
            notebook, merged = load(lang, name, book)
            notebook = normalise(await execute(notebook, book / lang))
        except (CellExecutionError, ValueError) as error:
            print(f"FAILED  {lang}/{name}: {error}", file=sys.stderr, flush=True)
            return False
        notebook = adopt(notebook, lang, name, book)
        changed = _write(notebook_path(lang, name, book), dumps(notebook))
        remember_time(lang, name, time.perf_counter() - began, book / "times.csv")
        note = ("text merged, " if merged else "") + ("written" if changed else "unchanged")
        print(f"ok      {lang}/{name}: {note} ({time.perf_counter() - began:.1f} s)", flush=True)
        return True


async def _all(names: list[str], languages: tuple, book: Path) -> list[bool]:
    gate, done = asyncio.Semaphore(AT_ONCE), []
    for lang in languages:  # English first: the Japanese cells take its ids
        there = [n for n in names if notebook_path(lang, n, book).exists() or text_path(lang, n, book).exists()]
        done += await asyncio.gather(*(_one(lang, name, book, gate) for name in there))
    return done


def write_notebooks(names: list[str] | None = None, languages: tuple = LANGUAGES, book: Path = BOOK) -> bool:
    """Merge, execute and normalise the named pages (default: all); True if all succeeded.

    A notebook whose cells fail is not written. Raises `ValueError` for a name without a page.
    """
    known = notebook_names(book)
    names = list(names or known)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"unknown page(s) {', '.join(unknown)}; there are: {', '.join(known)}")
    return all(asyncio.run(_all(names, languages, book)))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="pages, default all")
    parser.add_argument("--lang", choices=LANGUAGES, help="one language only")
    options = parser.parse_args(argv)
    try:
        fine = write_notebooks(options.names, (options.lang,) if options.lang else LANGUAGES)
    except ValueError as error:
        parser.error(str(error))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
