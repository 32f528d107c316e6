"""Result files: the schema, the numbers that come back, the rules that refer to them, and their age."""

import json
import warnings

import numpy as np
import pytest

import lrbook
from lrbook import codehash, ledger, result_file, results, verdicts

DOCUMENT = {
    "schema": 1,
    "id": "e98_helper",
    "question": "Does the helper work?",
    "mode": "full",
    "seeds": [0, 1, 2],
    "quantities": {
        "loss": {
            "unit": "nats",
            "axes": {"lr": [0.1, 1.0], "task": ["a"]},
            "method": "t",
            "values": [[[1.0, 2.0, 3.0]], [[4.0, None, 6.0]]],
            "mean": [[2.0], [None]],
            "low": [[1.0], [None]],
            "high": [[3.0], [None]],
        },
        "limit": {"unit": "rate", "axes": {}, "method": "exact", "mean": 0.5, "low": 0.5, "high": 0.5},
    },
    "versions": {"python": "3.11", "torch": "2.13", "numpy": "2.4"},
    "machine": "a machine",
    "device": "cpu",
    "seconds": 1.5,
    "code": "0123456789abcdef",
}


def changed(**changes):
    return {key: value for key, value in (DOCUMENT | changes).items() if value is not None}


def test_a_result_reads_back():
    result = results.parse(json.dumps(DOCUMENT))
    assert (result.experiment, result.full, result.seeds) == ("E98", True, [0, 1, 2])
    loss = result.quantity("loss")
    assert loss.values.shape == (2, 1, 3) and loss.n == 3 and np.isnan(loss.mean[1, 0])
    one = result.quantity("loss[lr=0.1,task=a]")
    assert (one.mean, one.low, one.high, one.axes) == (2.0, 1.0, 3.0, {})
    assert one.values.tolist() == [1.0, 2.0, 3.0]
    assert loss.at(task="a").axes == {"lr": [0.1, 1.0]}
    assert result.quantity("limit").n == 0


@pytest.mark.parametrize(
    "name, words",
    [("gain", r"\['limit', 'loss'\], not 'gain'"), ("loss[lr=3]", "not '3'"), ("loss[rate=3]", "not 'rate'")],
)
def test_wrong_quantities_are_named(name, words):
    with pytest.raises(ValueError, match=words):
        results.parse(json.dumps(DOCUMENT)).quantity(name)


@pytest.mark.parametrize(
    "changes",
    [
        dict(id="E03"),
        dict(mode="fast"),
        dict(seeds=[1, 1]),
        dict(code=None),
        dict(code="xyz"),
        dict(note="more"),
        dict(quantities={}),
        dict(quantities={"Loss": DOCUMENT["quantities"]["limit"]}),
        dict(quantities={"limit": DOCUMENT["quantities"]["limit"] | {"mean": [0.5]}}),
        dict(quantities={"limit": DOCUMENT["quantities"]["limit"] | {"method": "guess"}}),
        dict(quantities={"loss": DOCUMENT["quantities"]["loss"] | {"values": [[1.0, 2.0]]}}),
    ],
)
def test_broken_documents_are_refused(changes):
    results.check(DOCUMENT)
    with pytest.raises(ValueError):
        results.check(changed(**changes))


@pytest.mark.parametrize("name", results.names())
def test_every_result_on_disk(name):
    path = results.FOLDER / f"{name}.json"
    text = path.read_text(encoding="utf-8")
    document = json.loads(text)
    assert len(text.encode("utf-8")) <= results.LIMIT
    assert document["id"] == name and document["mode"] == "full"
    assert document.get("quick"), "CI recomputes the quick part"
    read = lrbook.result(name)
    for quantity in read.quantities.values():
        known = np.isfinite(quantity.mean)
        assert np.all(np.asarray(quantity.low)[known] <= np.asarray(quantity.high)[known] + 1e-12)
        assert quantity.method == "exact" or quantity.n >= 10 or set(quantity.axes)


def floats(node):
    if isinstance(node, list):
        for item in node:
            yield from floats(item)
    elif isinstance(node, float):
        yield node


@pytest.mark.parametrize("name", results.names())
def test_numbers_on_disk_have_six_digits(name):
    document = json.loads((results.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for entry in document["quantities"].values():
        assert all(float(f"{x:.6g}") == x for key in ("values", "mean", "low", "high") for x in floats(entry.get(key)))


def test_rules_refer_to_quantities_that_exist():
    """Where an experiment has its result, each rule finds one number in the rule's own unit."""
    library = results.Library()
    for rules in verdicts.rules().values():
        for rule in rules:
            tested = verdicts.measure(rule, library)
            assert tested.measured is None or tested.measured.unit == rule.unit, rule


def test_wrong_names_are_named():
    with pytest.raises(ValueError, match="not 'e00_nothing'"):
        lrbook.result("e00_nothing")


def test_stale_results_are_only_a_warning():
    """Prints the results whose code has changed since; CI recomputes their quick part instead."""
    stale = ledger.stale_results()
    assert set(stale) <= set(results.names())
    if stale:
        warnings.warn(f"results older than their code: {', '.join(stale)}", stacklevel=1)


def test_a_changed_script_makes_its_result_stale(tmp_path, monkeypatch):
    script = tmp_path / "e98_helper.py"
    script.write_text("from lrlib import rules\nRATE = 0.1\n", encoding="utf-8")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/schema.json").write_text(
        (results.FOLDER / "schema.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(ledger, "SCRIPTS", tmp_path)
    document = changed(code=codehash.code_hash(script))
    result_file.save(tmp_path / "results/e98_helper.json", document)
    assert ledger.stale_results() == []
    script.write_text('"""Words."""\nfrom lrlib import rules\n\nRATE = 0.1  # more words\n', encoding="utf-8")
    assert ledger.stale_results() == []
    script.write_text("from lrlib import rules\nRATE = 0.2\n", encoding="utf-8")
    assert ledger.stale_results() == ["e98_helper"]
