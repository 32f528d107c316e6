"""Rules that stood before their result, and the seeds that show it.

A rule of `book/verdict_rules.csv` is known by the hash of what it says, not by its line. The seeds of a run that is to
judge are counted from a number that all rules of its experiment give together, and its result holds their hashes. So the
result itself shows which rules stood before it: with another rule other seeds would have been drawn. A run from other
seeds, and the results from before there were such seeds, are a *pilot*: they say how many seeds are needed, and are
printed beside the result that judges. Where a result has been seen and the experiment is changed, though not its rules,
its next *round* has other seeds again.
"""

import hashlib
import json
import subprocess

from . import results
from .language import BOOK, read_table
from .result_file import save

RULES = BOOK / "verdict_rules.csv"
BEFORE, REDEFINED, SECOND, AGAIN, AFTER = WORDS = ("before", "re-defined", "second", "looked again", "after")


def identity(rule):
    """Twelve hexadecimal digits of a rule: of its claim, quantity, direction, margin, centre and role.

    >>> from lrbook.verdicts import Rule
    >>> identity(Rule("C1", "E03", "gap", ">", 0.1, "decades")) == identity(Rule("C1", "E03", "gap", ">", 0.10, "nats"))
    True
    >>> identity(Rule("C1", "E03", "gap", ">", 0.1, "")) == identity(Rule("C1", "E03", "gap", ">", 0.2, ""))
    False
    """
    margin = f"{rule.margin:g}@{rule.centre:g}"
    return _hash(" ".join((rule.claim, rule.number, rule.quantity, rule.direction, margin, rule.role)), 12)


def identities(one, rules):
    """The identities of all rules of an experiment's family, sorted; `rules` as `verdicts.rules()` gives them."""
    family = one.family or (one.number,)
    return sorted({identity(rule) for claim in rules.values() for rule in claim if rule.number in family})


def origin(names, round=1):
    """Where the seeds of a run that judges by rules of these identities are counted from.

    round: 1, and one more each time the experiment was changed after its result had been seen.

    >>> origin(["0123456789ab", "a0b1c2d3e4f5"]) == origin(["a0b1c2d3e4f5", "0123456789ab"])
    True
    >>> origin(["0123456789ab"]) == origin(["0123456789ab"], round=2)
    False
    """
    words = [*sorted(names), *([f"round {round}"] if round > 1 else [])]
    return int(_hash(" ".join(words), 7), 16)


def _hash(text, digits):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:digits]


def word(rule, result, pilot=None):
    """One of `WORDS` for a rule, the result that it judges, and the result before it, if there is one (`results.pilot`).

    *before*: the rule stood before the result. *re-defined*: so it did, and its quantity was defined, or defined anew,
    after the pilot. *second*: it did, and the pilot had judged already, on other seeds. *looked again*: it did, but the
    same seeds were run anew and gave other numbers. *after*: the seeds do not come from the rule.
    """
    about = result.about
    if not fresh(result) or identity(rule) not in about["rules"]:
        return AFTER
    if about.get("looks", 1) > 1:
        return AGAIN
    if pilot is None:
        return BEFORE
    old = measured(rule, pilot)
    if old is None or old.about != result.quantity(rule.quantity).about:
        return REDEFINED
    return SECOND if fresh(pilot) else BEFORE


def measured(rule, result):
    """What a result measured of a rule's quantity; `None` where it has no such quantity."""
    try:
        return result.quantity(rule.quantity)
    except ValueError:  # the quantity, or its place, is newer than the result
        return None


def fresh(result):
    """Whether the seeds of a result come from rules that stood before it."""
    about = result.about
    held = about.get("rules")
    return bool(held) and about.get("seeds_from") == origin(held, about.get("round", 1))


def check_committed():
    """Raise `ValueError` where the rules differ from those of the last commit: a rule is committed before its result."""
    if _git("status", "--porcelain", "--", RULES.name):
        raise ValueError(f"{RULES.name} has changes that are not committed; a rule is committed before its result")


def commit():
    """The commit that the code and the rules are of, abbreviated."""
    return _git("rev-parse", "--short=10", "HEAD")


def _git(*words):
    return subprocess.run(["git", *words], cwd=BOOK, capture_output=True, text=True, check=True).stdout.strip()


def store(name, found, quick, rules, at, round=1):
    """Write a full run as the result of an experiment; the one before, of other seeds, is kept as pilot.

    name: the experiment's id. found: the run's document, as JSON. quick: its quick part (`result_file.quick_part`).
    rules: its identities. at: `commit()` when it began. round: see `origin`.
    Raises `ValueError` where the seeds of the run do not come from the rules.
    """
    begin = origin(rules, round)
    if found["mode"] != "full" or found.get("seeds_from") != begin:
        raise ValueError(f"{name}: not a full run with the seeds of its rules, {begin}")
    path = results.FOLDER / f"{name}.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    same = old.get("seeds_from") == begin
    if old and not same:
        save(results.PILOTS / path.name, pilot(old))
    looks = old.get("looks", 1) + _moved(old, found) if same else 1
    counts = {name: count for name, count in (("round", round), ("looks", looks)) if count > 1}
    save(path, found | {"quick": quick, "rules": rules, "commit": at} | counts)


def _moved(old, new):
    """Whether a number of a result came out otherwise; quantities that were not there before are no other numbers."""
    return any(new["quantities"].get(name) != entry for name, entry in old["quantities"].items())


def pilot(document):
    """What is kept of a result as pilot: the quantities that a rule can judge."""
    number = results.experiment_number(document["id"])
    judged = {
        row["quantity"].partition("[")[0]
        for row in read_table(RULES.name)
        if results.experiment_number(row["experiment"]) == number
    }
    kept = {name: entry for name, entry in document["quantities"].items() if name in judged}
    return {key: value for key, value in document.items() if key != "quick"} | {"quantities": kept}
