"""The ledger of all claims and the map of the documents, as rows for the pages.

Pages are built from these rows; the words are those of the edition's language.
"""

import math
from pathlib import Path

from . import chance, claims, results, verdicts
from .language import check_language, read_table, t
from .scripts import SCRIPTS


def rows(lang):
    """One dictionary for each claim, in order, also for those not yet measured.

    Keys: `id`, `document`, `title`, `author`, `section` (its title), `line`,
    `sentence`, `kind`, `verdict` (its word), `verdict_key` (its name in
    `verdicts.VERDICTS`), `head` (how many parts),
    `parts`, `notes`, `others` (lists, as `claims.Claim` gives them),
    `experiments`, `missing` (lists), `chapters` (pages of this book), `stale`
    (list of the results whose code has changed).

    >>> [row["id"] for row in rows("en")][:3]
    ['C1', 'C2', 'C3']
    """
    check_language(lang)
    judged, places, papers = verdicts.all_verdicts(), _places(lang), documents(lang)
    stale = stale_results()
    return [_row(row, judged[row["id"]], places, papers, stale, lang) for row in claims.rows().values()]


def _row(row, verdict, places, papers, stale, lang):
    claim = claims.Claim(row, verdict, lang)
    place, paper = places[row["document"], row["section"]], papers[row["document"]]
    used = {test.rule.number for test in (*verdict.cores, *verdict.others)}
    return {
        "id": row["id"],
        "document": row["document"],
        "title": paper["title"],
        "author": paper["author"],
        "section": place["title"],
        "line": int(row["line"]),
        "sentence": claim.sentence,
        "kind": row["kind"],
        "verdict": claim.verdict_word,
        "verdict_key": verdict.name,
        "head": claim.head(),
        "parts": claim.parts(),
        "notes": claim.notes(),
        "others": claim.others(),
        "experiments": row["experiments"].split(),
        "missing": list(verdict.missing),
        "chapters": place["chapters"],
        "stale": [name for name in stale if results.experiment_number(name) in used],
    }


def sections(lang):
    """One dictionary for each section of the four documents, in order.

    Keys: `document`, `title`, `author`, `order`, `section`, `section_title`,
    `line`, `chapters` (pages of this book, empty when there is none yet),
    `claims` (ids of the claims it makes).

    >>> sections("ja")[32]["section_title"], sections("ja")[32]["chapters"]
    ('その1 大きすぎる', ['too_large'])
    """
    check_language(lang)
    papers, made = documents(lang), {}
    for row in claims.rows().values():
        made.setdefault((row["document"], row["section"]), []).append(row["id"])
    return [
        {
            "document": key[0],
            "title": papers[key[0]]["title"],
            "author": papers[key[0]]["author"],
            "order": place["order"],
            "section": key[1],
            "section_title": place["title"],
            "line": place["line"],
            "chapters": place["chapters"],
            "claims": made.get(key, []),
        }
        for key, place in _places(lang).items()
    ]


def documents(lang):
    """Title and author of each document: `{"001": {"title": …, "author": …}}`.

    >>> documents("en")["001"]["author"]
    'Yusei, Sei Consulting Group'
    """
    return {
        row["document"]: {"title": row[f"title_{lang}"], "author": row[f"author_{lang}"]}
        for row in read_table("documents.csv")
    }


def _places(lang):
    return {
        (row["document"], row["section"]): {
            "order": int(row["order"]),
            "title": row[f"title_{lang}"],
            "line": int(row["line"]),
            "chapters": row["chapter"].split(),
        }
        for row in read_table("sections.csv")
    }


def changes(lang):
    """Every verdict that changed after it was published, newest first: `id`, `day`, `before`, `after`, `cause` in words.

    >>> changes("en")[0]["before"] != changes("en")[0]["after"]
    True
    """
    check_language(lang)
    rows = read_table("verdict_changes.csv")
    return [
        {"id": row["claim"], "day": row["day"], "cause": row[f"cause_{lang}"]}
        | {when: t(f"verdict.{row[when]}", lang) for when in ("before", "after")}
        for row in sorted(rows, key=lambda row: row["day"], reverse=True)
    ]


def counts():
    """How many claims have each verdict, as `{verdict name: number}`, all names included.

    >>> sum(counts().values()) == len(claims.rows())
    True
    """
    names = [verdict.name for verdict in verdicts.all_verdicts().values()]
    return {name: names.count(name) for name in verdicts.VERDICTS}


def summary(lang):
    """Sentences for the head of the ledger: what is decided, and how much of it by chance.

    >>> len(summary("en")) in (1, 3)
    True
    """
    judged = verdicts.all_verdicts().values()
    decided = sum(verdict.decided and verdict.name != verdicts.NOT_TESTABLE for verdict in judged)
    lines = [t("ledger.decided", lang, decided=decided, all=len(judged))]
    tests = measured_tests(judged)
    share = chance.false_share(tests)
    if share is not None:
        n = sum(test.verdict not in chance.NOT_DECIDED for test in tests)
        kept = chance.benjamini_hochberg([2 * chance.p_value(test) for test in tests])
        lines.append(t("ledger.false_share", lang, decided=n, share=_percent(share, lang)))
        lines.append(t("ledger.discoveries", lang, kept=kept, all=len(tests)))
    return lines


def _percent(share, lang):
    """A share rounded up to a tenth of a percent, since the sentence says "at most"."""
    return f"{math.ceil(1000 * share) / 10:.1f}" + {"en": " %", "ja": "%"}[lang]


def measured_tests(judged):
    """The measured cores with chance in them; a core that several claims share counts once."""
    found = {}
    for verdict in judged:
        for test in verdict.cores:
            if test.measured.method != "exact":
                rule = test.rule
                found[rule.experiment, rule.quantity, rule.direction, rule.margin, rule.centre] = test
    return list(found.values())


def stale_results():
    """Ids of the results whose script, or whose part of `lrlib`, has changed since.

    A result without a script counts as stale; one that was confirmed with the code as it is now does not.
    Stale is a warning, never an error.
    """
    from .codehash import code_hash

    def changed(name):
        script, about = Path(SCRIPTS / f"{name}.py"), results.result(name).about
        return not script.exists() or code_hash(script) not in (about["code"], about.get("confirmed"))

    return [name for name in results.names() if changed(name)]
