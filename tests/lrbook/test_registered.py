"""Rules that stood before their result: their identity, the seeds that come from it, and what the history of the files says."""

import csv
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbook import fresh, golden, registered, results, verdicts
from lrbook.language import BOOK
from lrbook.verdicts import Rule

FRESH = [name for name in results.names() if registered.fresh(results.result(name))]
WORDS = st.sampled_from(["gap", "gain"])
RULES = st.builds(
    Rule,
    claim=st.sampled_from(["C1", "C2"]),
    experiment=st.sampled_from(["E01", "E02"]),
    quantity=WORDS,
    direction=st.sampled_from("><="),
    margin=st.sampled_from([0.0, 0.1, 0.2]),
    unit=WORDS,
    role=st.sampled_from(verdicts.ROLES),
    centre=st.sampled_from([0.0, 0.5]),
)


QUICK = {"quantities": {}, "code": "0" * 16}


def said(rule):
    return rule.claim, rule.number, rule.quantity, rule.direction, rule.margin, rule.centre, rule.role


@given(RULES, RULES)
def test_two_rules_have_one_identity_just_where_they_say_the_same(one, other):
    assert (registered.identity(one) == registered.identity(other)) == (said(one) == said(other))


@given(st.lists(RULES, min_size=1), RULES)
def test_another_rule_gives_other_seeds(rules, more):
    names = {registered.identity(rule) for rule in rules}
    both = names | {registered.identity(more)}
    assert (registered.origin(names) == registered.origin(both)) == (names == both)


def document(about, value=1.0):
    entry = {"unit": "", "axes": {}, "method": "exact", "mean": value, "low": value, "high": value, "about": "a gap"}
    head = {
        "schema": 1,
        "id": "e98_gap",
        "question": "How large?",
        "mode": "full",
        "seeds": [],
        "quantities": {"gap": entry},
    }
    end = {"versions": dict.fromkeys(("python", "torch", "numpy"), "0"), "machine": "one", "device": "cpu"}
    return head | end | {"seconds": 1.0, "code": "0" * 16} | about


def result(about):
    return results.parse(json.dumps(document(about)))


def test_a_rule_stands_before_the_result_whose_seeds_come_from_it():
    rule, later = Rule("C1", "E98", "gap", ">", 0.1, ""), Rule("C1", "E98", "gap", ">", 0.2, "")
    held = [registered.identity(rule)]
    found = {"rules": held, "seeds_from": registered.origin(held)}
    pilot, judged = (
        result({}),
        result(found | {"seeds_from": registered.origin([*held, "0" * 12]), "rules": [*held, "0" * 12]}),
    )
    other = results.parse(
        json.dumps(document({}) | {"quantities": {"gap": document({})["quantities"]["gap"] | {"about": "another"}}})
    )
    assert registered.word(rule, result(found)) == registered.word(rule, result(found), pilot) == "before"
    assert registered.word(rule, result(found), other) == "re-defined"
    assert registered.word(Rule("C1", "E98", "gain", ">", 0.1, ""), result(found), pilot) == "after"
    assert registered.word(rule, result(found), judged) == "second"
    assert registered.word(rule, result(found | {"looks": 2})) == "looked again"
    second = {"rules": held, "round": 2, "seeds_from": registered.origin(held, round=2)}
    assert registered.word(rule, result(second), judged) == "second"
    assert registered.word(rule, result(found | {"round": 2})) == "after"
    assert registered.word(later, result(found)) == "after"
    assert registered.word(rule, result({})) == registered.word(rule, result(found | {"seeds_from": 7})) == "after"


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """The folder of results, empty, of an experiment whose rule asks for one place of its quantity."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(results, "PILOTS", tmp_path / "pilot")
    monkeypatch.setattr(results, "check", lambda _: None)
    monkeypatch.setattr(registered, "read_table", lambda _: [{"experiment": "E98", "quantity": "gap[at=1]"}])
    return tmp_path


def test_a_run_is_stored_beside_the_one_before(stored):
    path, names = stored / "e98_gap.json", ["0" * 12]
    old = document({"quick": {"quantities": {}, "code": "1" * 16}})
    path.write_text(json.dumps(old), encoding="utf-8")
    new = document({"seeds_from": registered.origin(names)}, 2.0)
    with pytest.raises(ValueError, match="not a full run with the seeds of its rules"):
        registered.store("e98_gap", new, QUICK, ["1" * 12], "abcdef0")
    for value, looks in ((2.0, None), (2.0, None), (3.0, 2), (4.0, 3)):
        registered.store("e98_gap", document({"seeds_from": registered.origin(names)}, value), QUICK, names, "abcdef0")
        now = json.loads(path.read_text(encoding="utf-8"))
        assert now["quantities"]["gap"]["mean"] == value and now["quick"] == QUICK and now.get("looks") == looks
        assert json.loads((stored / "pilot" / path.name).read_text(encoding="utf-8"))["quantities"] == old["quantities"]


def test_another_round_has_other_seeds_and_the_round_before_is_its_pilot(stored):
    names = ["0" * 12]
    for round, value in ((1, 2.0), (2, 5.0)):
        found = document({"seeds_from": registered.origin(names, round)}, value)
        registered.store("e98_gap", found, QUICK, names, "abcdef0", round)
    now, then = (json.loads((folder / "e98_gap.json").read_text("utf-8")) for folder in (stored, stored / "pilot"))
    assert (now["quantities"]["gap"]["mean"], now["round"], now.get("looks")) == (5.0, 2, None)
    assert then["quantities"]["gap"]["mean"] == 2.0 and "round" not in then
    with pytest.raises(ValueError, match="not a full run with the seeds of its rules"):
        registered.store("e98_gap", found, QUICK, names, "abcdef0")


def test_only_a_run_with_seeds_from_the_rules_is_stored(capsys):
    for words in (["E01", "--store"], ["E01", "--store", "--seeds-from", "7"], ["E01", "--seeds-from", "rule"]):
        with pytest.raises(SystemExit):
            fresh.main(words)
    assert "--seeds-from must be a whole number, 0 or larger, or rules; got rule" in capsys.readouterr().err


def git(*words):
    return subprocess.run(["git", *words], cwd=BOOK, capture_output=True, text=True, encoding="utf-8")


HISTORY = git("rev-parse", "--is-shallow-repository").stdout.strip() == "false"


@pytest.mark.parametrize("name", FRESH)
def test_the_history_shows_the_rules_before_the_result(name, monkeypatch):
    """The commit that a result names holds all its rules and not yet the result; a copy without history has the hashes."""
    about = results.result(name).about
    assert about["seeds_from"] == registered.origin(about["rules"], about.get("round", 1))
    if not HISTORY:
        return
    table = git("show", f"{about['commit']}:./verdict_rules.csv").stdout
    then = git("show", f"{about['commit']}:./results/{name}.json").stdout
    rows = list(csv.DictReader(table.splitlines()))
    monkeypatch.setattr(verdicts, "read_table", lambda _: rows)
    assert registered.identities(golden.experiment(name), verdicts.rules()) == about["rules"]
    assert not then or json.loads(then).get("seeds_from") != about["seeds_from"] or about.get("looks", 1) > 1
