"""The reader's own copy of the notebooks: `my-notebooks`, where JupyterLab may write what it likes.

A manifest remembers the hash of every file as it was handed out. A file that still has that hash is brought
up to date; one that the reader changed is never touched; one that the reader deleted comes back fresh.
"""

import hashlib
import json
import os
import re
from pathlib import Path

FOLDER = "my-notebooks"
SOURCES = ("book/en", "book/ja")
MANIFEST = ".handed-out.json"
PAGES_ONLY = re.compile(
    r"^(`{3,}|:{3,})\{(?:chapter-facts|solution-end|ledger|document-map)\}.*?^\1\s*?$\n*", re.M | re.S
)
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
SCREENSHOT = re.compile(r"^!\[[^\]]*\]\(\.\./_static/[^)]*\)\s*?$\n*", re.M)  # of a cell that runs here
CITED = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def sync(root: Path) -> list[str]:
    """Bring the reader's copy up to date; returns one line for each thing that a reader wants to know."""
    copy = root / FOLDER
    manifest = read_manifest(copy)
    results = {name: hand_out(source, copy / name, manifest, name) for name, source in originals(root).items()}
    write(copy / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode("utf-8"))
    return report(results)


def originals(root: Path) -> dict[str, Path]:
    """The book's notebooks, by their place in the reader's copy, e.g. `en/stride.ipynb`."""
    return {
        f"{Path(folder).name}/{path.name}": path
        for folder in SOURCES
        for path in sorted((root / folder).glob("*.ipynb"))
    }


def hand_out(source: Path, target: Path, manifest: dict, name: str) -> str:
    """Copy one notebook unless the reader changed it: "new", "updated", "same", "yours" or "yours, newer there"."""
    fresh = adapted(source.read_bytes())
    digest = hashlib.sha256(fresh).hexdigest()
    before = manifest.get(name)
    now = hashlib.sha256(target.read_bytes()).hexdigest() if target.exists() else None
    if now not in (None, before, digest):
        return "yours" if digest == before else "yours, newer there"
    if now != digest:
        write(target, fresh)
    manifest[name] = digest
    return "new" if now is None else "same" if now == digest else "updated"


def adapted(notebook: bytes) -> bytes:
    """The notebook without what only the built pages understand, which JupyterLab would show as errors."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            text = CITED.sub(r"[\1]", SCREENSHOT.sub("", PAGES_ONLY.sub("", "".join(cell["source"]))))
            cell["source"] = text.rstrip("\n").splitlines(keepends=True)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)  # its line of text says: run this cell
    content["metadata"].pop("widgets", None)  # the stored state has no code: the page's host brings it
    content["cells"] = [cell for cell in content["cells"] if cell["source"] or cell["cell_type"] == "code"]
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def report(results: dict[str, str]) -> list[str]:
    """Counts of what was copied, and the names of changed notebooks that the book has a newer version of."""
    lines = []
    for word in ("new", "updated"):
        count = sum(result == word for result in results.values())
        if count:
            lines.append(f"{count} {word} notebook{'s' * (count > 1)} in {FOLDER}.")
    for name, result in results.items():
        if result == "yours, newer there":
            lines.append(f"Kept your {FOLDER}/{name}; the book has a newer one. Rename yours to get it as well.")
    return lines


def read_manifest(copy: Path) -> dict[str, str]:
    try:
        return json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write(path: Path, content: bytes) -> None:
    """Write a file in one atomic step, so that an interruption leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(content)
    os.replace(draft, path)
