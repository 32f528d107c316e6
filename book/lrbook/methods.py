"""The README's table of methods, from what lrlib registers: `python -m lrbook.methods --json PATH`.

Every schedule and every update rule with the first line of its docstring, what a rule keeps, and the source.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from . import api

COLUMNS = ["", "method", "what it does", "kind; keeps", "source"]
SOURCE = re.compile(r"Sources?: (.+?)\.(?:\s|$)", re.S)


def source(doc: str) -> str:
    """The source that a docstring names, or nothing.

    >>> source("Rise to 1." + chr(10) * 2 + "Raises. Source: Goyal" + chr(10) + "2017.")
    'Goyal 2017'
    """
    found = SOURCE.search(doc)
    return " ".join(found[1].split()) if found else ""


def rows() -> list[list[str]]:
    """Schedules, then rules; the kind of a rule and the names of its state."""
    found = [
        ["schedule", f"`{name.path}`", said(name), "", source(name.doc)]
        for name in api.names("plans")
        if name.kind == "function"
    ]
    for name in api.names("rules"):
        if name.kind == "rule":
            keeps = "; ".join(filter(None, [name.thing.kind, " ".join(name.thing.state_names)]))
            found.append(["optimizer", f"`{name.path}`", said(name), keeps, name.thing.source])
    return found


def said(name: api.Name) -> str:
    """The summary of a name without the marks of code."""
    return re.sub(r":\w+:`([^`]+)`|`+([^`]+)`+", lambda m: m[1] or m[2], api.summary(name.doc)).rstrip(".")


def table() -> dict:
    """The table in the form of the stored benchmarks; nothing in it was measured."""
    return {"name": "methods", "columns": COLUMNS, "rows": rows(), "note": ""}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True, metavar="PATH", help="write the table there")
    text = json.dumps(table(), ensure_ascii=False, indent=1) + "\n"
    parser.parse_args(arguments).json.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
