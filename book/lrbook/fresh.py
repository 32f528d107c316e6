"""Experiments again, on seeds and data that nobody has seen, beside what is stored.

`run.py experiment E03 --seeds-from 500000` runs experiments at their full protocol with other weights, orders, noise,
training, validation and test data, and prints every row of the ledger that rests on them: the stored interval and
verdict, the fresh ones, and how likely the stored verdict was to come again. `run.py reproduce --tenth SEED` does so for
a random tenth of all experiments. Finished pieces are kept in a folder and taken up again. `--seeds-from rules` counts the
seeds from the number that the experiment's rules give together, and `--store` keeps such a run as the result that
judges; the one before stays as pilot.

A row goes *over* where it leaves one decided verdict for another; its intervals are *apart* where they do not touch.
None should go over, at most one in fifty should be apart, and as many verdicts should come again as their own power says.
"""

import argparse
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from . import golden, registered, results, scripts, verdicts
from .chance import NOT_DECIDED, chance_to_repeat
from .language import BOOK
from .result_file import quick_part

FOLDER = BOOK.parent / "_build" / "fresh"
RULES = "rules"  # the origin of seeds that the rules give
FIRST = 1_000_000  # origin of the seeds of a drawn tenth, counted on by what it was drawn with


@dataclass(frozen=True)
class Row:
    """One row of the ledger twice: `stored` (not measured where the quantity is new) and `fresh`, a `verdicts.Judged` each."""

    claims: tuple
    stored: object
    fresh: object

    @property
    def same(self):
        """Whether the verdict came again."""
        return self.stored.verdict == self.fresh.verdict

    @property
    def over(self):
        """Whether it went from one decided verdict to another."""
        return not self.same and not set(NOT_DECIDED) & {self.stored.verdict, self.fresh.verdict}

    @property
    def apart(self):
        """Whether the two intervals do not touch."""
        one, other = self.stored.measured, self.fresh.measured
        return one.low > other.high or other.low > one.high

    @property
    def expected(self):
        """How likely the stored verdict was to come again, if the stored effect is the true one."""
        return chance_to_repeat(self.stored)


def rows(one, fresh):
    """The `Row` of every rule that rests on an experiment, from its stored result and a fresh one (a `results.Result`)."""
    number, found = one.number, {}
    for claim, rules in verdicts.rules().items():
        for rule in rules:
            if rule.number == number:
                found.setdefault((rule.quantity, rule.direction, rule.margin, rule.centre), []).append((claim, rule))
    stored = {number: [results.result(one.id)]} if one.path.exists() else {}
    return [_row(same, stored, {number: [fresh]}) for same in found.values()]


def _row(same, stored, fresh):
    claims, rule = tuple(claim for claim, _ in same), same[0][1]
    return Row(claims, _measured(rule, stored), verdicts.measure(rule, fresh))


def _measured(rule, library):
    """A rule judged by a stored result; not measured where the result is older than the quantity."""
    try:
        return verdicts.measure(rule, library)
    except ValueError:
        return verdicts.Judged(rule)


def again(one, begin, folder, mode="full"):
    """Run an experiment with seeds counted from `begin`, in pieces kept in a folder: → `results.Result`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    one.elsewhere(mode, folder, begin)
    document = json.loads((Path(folder) / f"{one.id}.json").read_text(encoding="utf-8"))
    return results.parse(json.dumps(document | {"mode": "full"}))


def table(found):
    """The rows as text, one a line, and below them what they come to."""
    lines = []
    for row in found:
        if row.stored.measured is None:
            lines.append(f"{_named(row)}\n    {_shown(row.fresh)} {row.fresh.verdict} (not stored yet)")
            continue
        marks = [word for word in ("over", "apart") if getattr(row, word)]
        before, now = (f"{_shown(t)} {t.verdict}" for t in (row.stored, row.fresh))
        ends = " ".join([f"(expected with {row.expected:.0%})", *(word.upper() for word in marks)])
        lines.append(f"{_named(row)}\n    {before}\n    {now} {ends}")
    return "\n".join([*lines, *summary(found)])


def _named(row):
    rule = row.fresh.rule
    return f"{rule.number} {rule.quantity} [{' '.join(row.claims)}]"


def _shown(test):
    measured = test.measured
    return f"{measured.mean:.3g} [{measured.low:.3g}, {measured.high:.3g}], {measured.n} seeds:"


def summary(found):
    """Three sentences: verdicts that came again, rows that went over, intervals that are apart."""
    chance = [row for row in found if row.stored.measured and row.stored.measured.method != "exact"]
    if not chance:
        return ["No row with chance in it rests on these experiments."]
    same, expected = sum(row.same for row in chance), sum(row.expected for row in chance)
    over, apart = sum(row.over for row in chance), sum(row.apart for row in chance)
    return [
        f"{same} of {len(chance)} verdicts came again; their power says {expected:.1f}.",
        f"{over} went from one decided verdict to another; allowed are none.",
        f"{apart} of {len(chance)} pairs of intervals do not touch; allowed are {0.02 * len(chance):.1f}.",
    ]


def chosen(words):
    """The ids of experiments from numbers or ids: `["E03"]` → `["e03_rate_sweep"]`.

    Raises `ValueError` naming what there is.
    """
    known = scripts.by_number()
    found = [known.get(results.experiment_number(word)) for word in words]
    wrong = [word for word, name in zip(words, found) if name is None]
    if wrong:
        raise ValueError(f"no experiment is called {', '.join(wrong)}; there are {', '.join(known)}")
    return found


def tenth(seed):
    """A random tenth of all experiments, rounded up: the same for the same seed."""
    names = golden.names()
    return sorted(random.Random(seed).sample(names, -(-len(names) // 10)))


def parsed(argv):
    """The options of a command line; what does not go together ends it with a message."""
    parser = argparse.ArgumentParser(prog="experiment", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments, as E03")
    parser.add_argument("--tenth", type=int, metavar="SEED", help="a random tenth of all experiments instead")
    words = 'origin of seeds and data (500000), or "rules": the number that the experiment\'s rules give'
    parser.add_argument("--seeds-from", metavar="N", help=words)
    parser.add_argument("--store", action="store_true", help="keep the runs as the results that judge")
    parser.add_argument("--folder", default=FOLDER, help="where finished pieces are kept (_build/fresh/N)")
    options = parser.parse_args(argv)
    if bool(options.names) == (options.tenth is not None):
        parser.error("name experiments, or draw some with --tenth SEED")
    if (options.tenth or 0) < 0:
        parser.error(f"--tenth must be 0 or larger; got {options.tenth}")
    if options.store and options.seeds_from != RULES:
        parser.error("--store needs --seeds-from rules: what judges has seeds that come from its rules")
    options.seeds_from = _origin(parser, options)
    return parser, options


def _origin(parser, options):
    given = options.seeds_from
    if given is None:
        return 500_000 if options.tenth is None else FIRST + options.tenth
    if given != RULES and not given.isdecimal():
        parser.error(f"--seeds-from must be a whole number, 0 or larger, or {RULES}; got {given}")
    return given if given == RULES else int(given)


def compared(one, options):
    """Run an experiment as the options say, store it if they say so, and return its rows (`Row`)."""
    rules, at = registered.identities(one, verdicts.rules()), None
    if options.store:
        registered.check_committed()
        at = registered.commit()
    begin = registered.origin(rules, one.round) if options.seeds_from == RULES else options.seeds_from
    print(f"{one.id}: seeds from {begin} …", file=sys.stderr, flush=True)
    folder = Path(options.folder) / str(begin)
    found = rows(one, again(one, begin, folder))
    if options.store:
        document = json.loads((folder / f"{one.id}.json").read_text(encoding="utf-8"))
        registered.store(one.id, document, quick_part(one.quick(), one.code), rules, at, one.round)
    return found


def main(argv=None):
    parser, options = parsed(argv)
    try:
        names = chosen(options.names) if options.names else tenth(options.tenth)
        found = [row for name in names for row in compared(golden.experiment(name), options)]
    except ValueError as error:
        parser.error(str(error))
    print(table(found))
    return 1 if any(row.over for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
