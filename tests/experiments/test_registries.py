"""Every experiment is kept whole: its script, its result, its golden values, and the verdicts that rest on it."""

import pytest

from lrbook import golden, golden_values, results
from lrbook.language import read_table

NO_RULE = {}  # name of a script → why no row of book/verdict_rules.csv rests on it
RULES = {row["experiment"] for row in read_table("verdict_rules.csv")}


@pytest.mark.parametrize("name", golden.names())
def test_an_experiment_is_whole(name):
    assert (results.FOLDER / f"{name}.json").is_file(), (
        f"run book/experiments/{name}.py --full, which writes book/results/{name}.json"
    )
    assert (golden_values.FOLDER / f"{name}.json").is_file(), f"run `python -m lrbook.golden --store {name}`"
    used = {name, name.split("_")[0].upper()} & RULES
    assert used or name in NO_RULE, f"add a row of {name} to book/verdict_rules.csv, or why there is none to NO_RULE"
    assert not (used and name in NO_RULE), f"{name} has a verdict rule: remove it from NO_RULE"


def test_nothing_is_left_of_an_experiment_that_is_gone():
    for folder in (results.FOLDER, golden_values.FOLDER):
        gone = {path.stem for path in folder.glob("e[0-9][0-9]_*.json")} - set(golden.names())
        assert not gone, f"remove {', '.join(sorted(gone))} from {folder}: book/experiments has no such script"
    numbers = {name.split("_")[0].upper() for name in golden.names()}
    gone = {rule for rule in RULES if rule.split("_")[0].upper() not in numbers}
    assert not gone, (
        f"remove the rows of {', '.join(sorted(gone))} from book/verdict_rules.csv: there is no such script"
    )
    assert set(NO_RULE) <= set(golden.names()), "NO_RULE names an experiment that does not exist"
