"""An experiment's card: what it asks, how it was carried out, what rests on it, and how to repeat it.

Everything comes from the script, its result file and the tables, so that no card can be older than what it tells.
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from . import claims, registered, results, scripts, verdicts
from .language import BOOK, read_table, t

NOT_TEST = re.compile("(training|validation) accuracy")
CARDS = "cards"  # folder of the generated pages, in each edition


def slug(name):
    """The page of a card: `slug("e03_rate_sweep")` → `"e03"`; also from a number, "E03"."""
    return results.experiment_number(name).lower()


def question(result, lang):
    """What an experiment asks, in the language of the edition."""
    if lang == "en":
        return result.question
    return next(row["question_ja"] for row in read_table("tasks.csv") if row["experiment"] == result.experiment)


def networks(number, lang):
    """The networks that an experiment trains, with their trained parameters: a line each; none where it trains none."""
    rows = [row for row in read_table("networks.csv") if row["experiment"] == number]
    return [
        t("card.network_text", lang, network=row[f"network_{lang}"], parameters=f"{int(row['parameters']):,}")
        for row in rows
    ]


def grids(result):
    """The axes of the arrays: {axis: its ticks}; of an axis with several lists of ticks the longest."""
    found = {}
    for quantity in result.quantities.values():
        for axis, ticks in quantity.axes.items():
            if len(ticks) > len(found.get(axis, ())):
                found[axis] = ticks
    return found


def span(ticks):
    """An axis in a few characters.

    >>> span([0.001, 0.01, 0.1]), span(["sgd", "adam"])
    ('3: 0.001 … 0.1', 'sgd, adam')
    """
    if all(isinstance(tick, (int, float)) for tick in ticks):
        return f"{len(ticks)}: {ticks[0]:.3g} … {ticks[-1]:.3g}" if len(ticks) > 1 else f"{ticks[0]:.3g}"
    return ", ".join(map(str, ticks))


def reached(result):
    """The highest mean test accuracy that any of the arrays holds; None where none is of test accuracies."""
    tops = [
        float(np.nanmax(quantity.mean))
        for name, quantity in result.quantities.items()
        if quantity.unit == "accuracy" and "accuracy" in name and np.isfinite(quantity.mean).any()
        if not {"train", "valid"} & set(name.split("_")) and not NOT_TEST.search(quantity.about)
    ]
    return max(tops, default=None)


def rests(number, lang):
    """What rests on an experiment: (claim, part's text, mark, word, `Claim.about`, whether it is the core) for each row."""
    files = [*BOOK.glob("*.csv"), *results.FOLDER.rglob("*.json")]
    return _resting(lang, tuple((path, path.stat().st_mtime_ns) for path in sorted(files))).get(number, [])


@lru_cache(maxsize=2)  # the languages
def _resting(lang, _stamps):
    """{number: what `rests` gives}, for tables and results with these times."""
    found, claims_of = {}, claims.rows()
    for claim, verdict in verdicts.all_verdicts().items():
        shown = claims.Claim(claims_of[claim], verdict, lang)
        for part in verdict.parts:
            for row in (part.core, *part.others):
                if row is not None and row.verdict is not None:
                    text = part.part.text.get(lang, "") or shown.sentence
                    mark, word = claims.MARKS[row.verdict], t(f"verdict.{row.verdict}", lang)
                    core = row is part.core
                    line = (claim, text, mark, word, shown.about(row, part if core else None)[1:], core)
                    found.setdefault(row.rule.number, []).append(line)
    return found


def written(settings):
    """Settings in one line: "seeds = 20; steps = 200"."""
    return "; ".join(f"{key} = {text}" for key, text in settings.items())


def seeds(result, lang):
    """How many seeds there are and where they are counted from, with the round and where the pilot's were counted from."""
    n = max((quantity.n for quantity in result.quantities.values()), default=0)
    if not n:
        return t("card.no_chance", lang)
    about, before = result.about, results.pilot(result.id)
    said = [t("card.seeds_text", lang, n=n, origin=about.get("seeds_from", 0))]
    if about.get("round", 1) > 1:
        said.append(t("card.round", lang, n=about["round"]))
    if before is not None:
        said.append(t("card.seeds_before", lang, origin=before.about.get("seeds_from", 0)))
    return "\n".join(said)


def commands(result):
    """The commands that give the result again, and on seeds that nobody has seen."""
    start = f"python3 run.py experiment {result.experiment} --seeds-from"
    chance = any(quantity.n for quantity in result.quantities.values())
    same = f"{start} {'rules' if 'seeds_from' in result.about else 0}"
    return f"{same}\n{start} 500000" if chance else same


def facts(name, lang):
    """The rows of a card, (label, text), without what rests on it; a text may have several lines."""
    result = results.result(name)
    about, number = result.about, result.experiment
    accuracy, pilot = reached(result), results.PILOTS / f"{name}.json"
    rows = [
        ("card.question", question(result, lang)),
        ("card.task", claims.task_name(number, lang)),
        ("card.network", "\n".join(networks(number, lang))),
        ("card.settings", written(scripts.settings(name))),
        ("card.shared", "\n".join(f"{key}: {written(constants)}" for key, constants in scripts.shared(name).items())),
        ("card.grids", "; ".join(f"{axis}: {span(ticks)}" for axis, ticks in grids(result).items())),
        ("card.seeds", seeds(result, lang)),
        ("card.status", t("card.fresh" if registered.fresh(result) else "card.pilot", lang)),
        ("card.accuracy", "" if accuracy is None else claims.number(accuracy)),
        (
            "card.cost",
            t("card.cost_text", lang, minutes=claims.number(about["seconds"] / 60), machine=about["machine"]),
        ),
        ("card.versions", ", ".join(f"{key} {value}" for key, value in about["versions"].items())),
        ("card.commit", about.get("commit", "")),
        ("card.command", commands(result)),
        ("card.script", f"book/experiments/{name}.py"),
        ("card.result", f"book/results/{name}.json"),
        ("card.pilot_result", f"book/results/pilot/{name}.json" if pilot.exists() else ""),
    ]
    return [(t(label, lang), text) for label, text in rows if text]


def write_pages(folder, lang):
    """A page for each result in a folder of this edition, and none besides; Sphinx fills them (`lrbook.sphinx_cards`)."""
    folder = Path(folder) / CARDS
    folder.mkdir(exist_ok=True)
    pages = {f"{slug(name)}.md": page(name, lang) for name in results.names()}
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")


def page(name, lang):
    """The source of a card's page."""
    result = results.result(name)
    head = f"(card-{slug(name)})=\n# {result.experiment}{claims.COLON[lang]}{question(result, lang)}\n"
    return f"{head}\n```{{experiment-card}} {name}\n```\n"
