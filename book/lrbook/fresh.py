"""Experiments again, on seeds and data that nobody has seen, beside what is stored.

`run.py experiment E03 --seeds-from 500000` runs experiments at their full protocol with other weights, orders, noise,
training, validation and test data, and prints every row of the ledger that rests on them: the stored interval and
verdict, the fresh ones, and how likely the stored verdict was to come again. `run.py reproduce --tenth SEED` does so for
a random tenth of all experiments. Finished pieces are kept in a folder and taken up again.

A row goes *over* where it leaves one decided verdict for another; its intervals are *apart* where they do not touch.
None should go over, at most one in fifty should be apart, and as many verdicts should come again as their own power says.
"""

import argparse
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from . import golden, results, verdicts
from .chance import NOT_DECIDED, chance_to_repeat
from .language import BOOK

FOLDER = BOOK.parent / "_build" / "fresh"
FIRST = 1_000_000  # origin of the seeds of a drawn tenth, counted on by what it was drawn with


@dataclass(frozen=True)
class Row:
    """One row of the ledger twice: `stored` and `fresh`, a `verdicts.Judged` each, and the claims that it bears on."""

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
    number, found = one.id.split("_")[0].upper(), {}
    for claim, rules in verdicts.rules().items():
        for rule in rules:
            if rule.number == number:
                found.setdefault((rule.quantity, rule.direction, rule.margin, rule.centre), []).append((claim, rule))
    return [_row(same, {number: [results.result(one.id)]}, {number: [fresh]}) for same in found.values()]


def _row(same, stored, fresh):
    claims, rule = tuple(claim for claim, _ in same), same[0][1]
    return Row(claims, verdicts.measure(rule, stored), verdicts.measure(rule, fresh))


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
        rule, marks = row.stored.rule, [word for word in ("over", "apart") if getattr(row, word)]
        before, now = (f"{_shown(t)} {t.verdict}" for t in (row.stored, row.fresh))
        ends = " ".join([f"(expected with {row.expected:.0%})", *(word.upper() for word in marks)])
        lines.append(f"{rule.number} {rule.quantity} [{' '.join(row.claims)}]\n    {before}\n    {now} {ends}")
    return "\n".join([*lines, *summary(found)])


def _shown(test):
    measured = test.measured
    return f"{measured.mean:.3g} [{measured.low:.3g}, {measured.high:.3g}], {measured.n} seeds:"


def summary(found):
    """Three sentences: verdicts that came again, rows that went over, intervals that are apart."""
    chance = [row for row in found if row.stored.measured.method != "exact"]
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
    known = {name.split("_")[0].upper(): name for name in golden.names()}
    found = [known.get(word.split("_")[0].upper()) for word in words]
    wrong = [word for word, name in zip(words, found) if name is None]
    if wrong:
        raise ValueError(f"no experiment is called {', '.join(wrong)}; there are {', '.join(known)}")
    return found


def tenth(seed):
    """A random tenth of all experiments, rounded up: the same for the same seed."""
    names = golden.names()
    return sorted(random.Random(seed).sample(names, -(-len(names) // 10)))


def main(argv=None):
    parser = argparse.ArgumentParser(prog="experiment", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments, as E03")
    parser.add_argument("--tenth", type=int, metavar="SEED", help="a random tenth of all experiments instead")
    parser.add_argument("--seeds-from", type=int, metavar="N", help="origin of seeds and data (500000)")
    parser.add_argument("--folder", default=FOLDER, help="where finished pieces are kept (_build/fresh/N)")
    options = parser.parse_args(argv)
    if bool(options.names) == (options.tenth is not None):
        parser.error("name experiments, or draw some with --tenth SEED")
    begin = options.seeds_from
    if begin is None:
        begin = 500_000 if options.tenth is None else FIRST + options.tenth
    if begin < 0 or (options.tenth or 0) < 0:
        parser.error("SEED and N must be 0 or larger")
    try:
        names = chosen(options.names) if options.names else tenth(options.tenth)
        found = []
        for name in names:
            one = golden.experiment(name)
            print(f"{name}: seeds from {begin} …", file=sys.stderr, flush=True)
            found += rows(one, again(one, begin, Path(options.folder) / str(begin)))
    except ValueError as error:
        parser.error(str(error))
    print(table(found))
    return 1 if any(row.over for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
