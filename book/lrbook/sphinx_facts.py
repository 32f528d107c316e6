"""The `{chapter-facts}` directive: how long a chapter takes to read and to run, and what it builds on.

The reading time is counted from the page's own text, the running time is measured by `run.py notebooks`
and kept in `book/times.csv`.
"""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

BOOK = Path(__file__).resolve().parents[1]
TIMES = BOOK / "times.csv"
WORDS_A_MINUTE, CHARACTERS_A_MINUTE = 200, 500
LABELS = {
    "en": ("Reading: about {} min.", "Running every cell: about {} s.", "Builds on: "),
    "ja": ("読む時間：約 {} 分。", "全セルの実行：約 {} 秒。", "先に読む章："),
}
HIDDEN = re.compile(r"```.*?```|\$\$.*?\$\$|^---.*?^---", re.S | re.M)
CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def reading_minutes(text: str, lang: str) -> int:
    """Minutes for the prose of `text` (folded blocks, formulas and code left out), at least one.

    200 words a minute in English, 500 characters in Japanese.

    >>> reading_minutes("word " * 400, "en")
    2
    """
    prose = HIDDEN.sub(" ", text)
    amount = len(CJK.findall(prose)) / CHARACTERS_A_MINUTE if lang == "ja" else len(prose.split()) / WORDS_A_MINUTE
    return max(1, round(amount))


def page_text(path: Path) -> str:
    """The Markdown of a page, without its code cells."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def read_times(path: Path = TIMES) -> dict[tuple[str, str], float]:
    """Measured seconds by (language, page); empty before the first measurement."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["lang"], row["page"]): float(row["seconds"]) for row in csv.DictReader(file)}


def remember_time(lang: str, page: str, seconds: float, path: Path = TIMES) -> bool:
    """Keep a page's running time; small changes are noise and leave the file alone.

    A new value replaces the old one when they differ by more than 5 s and by more than half.
    """
    times = read_times(path)
    old = times.get((lang, page))
    if old is not None and not (abs(seconds - old) > 5 and abs(seconds - old) > old / 2):
        return False
    times[lang, page] = round(seconds, 1)
    rows = [f"{lang},{page},{value}" for (lang, page), value in sorted(times.items())]
    path.write_text("\n".join(["lang,page,seconds", *rows]) + "\n", encoding="utf-8", newline="\n")
    return True


class ChapterFacts(SphinxDirective):
    """Reading time, running time and the pages named in `:needs:`."""

    option_spec = {"needs": directives.unchanged}

    def run(self):
        folder, page = self.env.docname.rsplit("/", 1)
        lang = folder.rsplit("/", 1)[-1]
        read, ran, builds = LABELS[lang]
        text = read.format(reading_minutes(page_text(Path(self.env.doc2path(self.env.docname))), lang))
        seconds = read_times().get((lang, page))
        if seconds is not None:
            text += ("" if lang == "ja" else " ") + ran.format(5 * math.ceil(seconds / 5))
        paragraph = nodes.paragraph(classes=["chapter-facts"])
        paragraph += nodes.Text(text)
        self._needs(paragraph, folder, builds if lang == "ja" else " " + builds)
        return [paragraph]

    def _needs(self, paragraph, folder, label):
        names = [name.strip() for name in self.options.get("needs", "").split(",") if name.strip()]
        if not names:
            return
        paragraph += nodes.Text(label)
        for i, name in enumerate(names):
            if i:
                paragraph += nodes.Text("、" if folder.endswith("ja") else ", ")
            target = addnodes.pending_xref(
                "",
                refdomain="std",
                reftype="doc",
                reftarget=f"/{folder}/{name}",
                refexplicit=False,
                refwarn=True,
                refdoc=self.env.docname,
            )
            target += nodes.inline("", name, classes=["xref", "std", "std-doc"])
            paragraph += target
        paragraph += nodes.Text("。" if folder.endswith("ja") else ".")


def setup(app):
    app.add_directive("chapter-facts", ChapterFacts)
    return {"version": "1", "parallel_read_safe": True}
