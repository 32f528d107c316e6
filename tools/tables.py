"""`run.py tables`: the README's generated tables, from what the benchmarks stored.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`, and comes from
`tests/benchmarks/results/NAME.json`. The benchmarks and the conformance tests measure theirs; `methods` is read from
what lrlib registers, and so is made anew each time.
"""

import json
import re
from pathlib import Path

from .environment import Environment, SetupError

RESULTS = "tests/benchmarks/results"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.S)


def scripts(root: Path) -> dict[str, Path]:
    """What is measured, by the table's name: every benchmark, and the conformance tests."""
    tests = root / "tests"
    found = {path.stem: path for path in sorted((tests / "benchmarks").glob("*.py")) if path.stem != "report"}
    return {**found, "conformance": tests / "conformance" / "table.py"}


def measure(env: Environment, wanted: list[str]) -> int:
    """Measure the wanted tables anew, all where none is named; takes minutes on a quiet machine."""
    status, known = 0, scripts(env.root)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise SetupError(f"No table is called {', '.join(unknown)}. There are: {', '.join(known)}.")
    for name, script in known.items():
        if wanted and name not in wanted:
            continue
        print(f"\n=== {name}", flush=True)
        status |= env.run(str(script), "--json", str(env.root / RESULTS / f"{name}.json"), OMP_NUM_THREADS="1")
    return status


def list_methods(env: Environment) -> int:
    """Store the table of methods as lrlib registers them now."""
    return env.run("-m", "lrbook.methods", "--json", str(env.root / RESULTS / "methods.json"))


def rewrite(root: Path) -> bool:
    """Put the stored tables into the README; returns whether that changed it."""
    readme = root / "README.md"
    before = readme.read_text(encoding="utf-8")
    after = filled(before, root)
    if after != before:
        readme.write_text(after, encoding="utf-8", newline="\n")
    return after != before


def filled(text: str, root: Path) -> str:
    """The text with every marked table as the stored results have it; one without results says so."""

    def table(match: re.Match) -> str:
        path = root / RESULTS / f"{match[2]}.json"
        body = markdown(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else "Not measured yet.\n"
        return f"{match[1]}{body}{match[3]}"

    return MARKED.sub(table, text)


def markdown(stored: dict) -> str:
    """One stored table as Markdown; below it its note, and its machine and day if it was measured."""
    rows = [stored["columns"], ["---"] * len(stored["columns"]), *stored["rows"]]
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    below = [stored["note"].rstrip(".") + "."] if stored.get("note") else []
    below += [f"Measured {stored['measured']} on {stored['machine']}."] if "machine" in stored else []
    return "\n".join([*lines, *(["", " ".join(below)] if below else []), ""])
