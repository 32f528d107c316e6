"""`run.py tables`: the README's generated tables, from what the benchmarks stored.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`, and comes from
`tests/benchmarks/results/NAME.json`.
"""
import json
import re
from pathlib import Path

from .environment import Environment

RESULTS = "tests/benchmarks/results"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.S)


def measure(env: Environment) -> int:
    """Run every benchmark anew and store what it measured; takes minutes on a quiet machine."""
    status = 0
    for script in sorted((env.root / "tests" / "benchmarks").glob("*.py")):
        if script.stem != "report":
            target = env.root / RESULTS / f"{script.stem}.json"
            print(f"\n=== {script.stem}", flush=True)
            status |= env.run(str(script), "--json", str(target), OMP_NUM_THREADS="1")
    return status


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
    """One stored table as Markdown, with its note, its machine and its day below."""
    rows = [stored["columns"], ["---"] * len(stored["columns"]), *stored["rows"]]
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    note = stored["note"].rstrip(".") + ". " if stored.get("note") else ""
    return "\n".join([*lines, "", f"{note}Measured {stored['measured']} on {stored['machine']}.", ""])
