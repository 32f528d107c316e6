"""Cards of the experiments: what they tell is what script, result and tables say, and everything that names one links to it."""

import importlib
import json

import pytest
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lrbook import cards, golden, registered, results, scripts, verdicts
from lrbook.sphinx_cards import linked


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", results.names())
def test_a_card_tells_what_the_result_holds(name, lang):
    document = json.loads((results.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    rows = dict(cards.facts(name, lang))
    text = "\n".join(rows.values())
    assert all(rows.values()) and len(rows) >= 9
    assert document["machine"] in text and document["versions"]["torch"] in text and f"{name}.py" in text
    if any(entry.get("values") for entry in document["quantities"].values()):
        assert str(document.get("seeds_from", 0)) in text
    assert ("確かめた" in text or "confirmed" in text) == registered.fresh(results.result(name))
    assert lang == "ja" or document["question"] == rows["Question"]


@pytest.mark.parametrize("name", golden.names())
def test_a_card_shows_the_design_and_the_settings_of_the_script(name):
    module = golden.experiment(name)
    assert scripts.design(name) and module.question
    source = (golden.SCRIPTS / f"{name}.py").read_text(encoding="utf-8")
    assert bool(scripts.settings(name)) == ("full=dict(" in source)


def test_a_card_shows_the_settings_that_its_script_takes_from_other_modules():
    robustness, ticks = scripts.shared("e39_robustness"), scripts.shared("e34_ticks")
    assert "steps=2500" in robustness["large_rates"]["SIZES"] and "quick" not in robustness["large_rates"]["SIZES"]
    assert "FINEST" in robustness["own_rates"], "what the networks of another module are trained with counts too"
    assert "TRAINING" in scripts.shared("e20_tunability")["importance"], "a module that is imported as a whole"
    assert "SHIFT" in scripts.shared("e27_layers")["shifted"] and "own_rates" not in scripts.shared("e03_rate_sweep")
    assert "steps=40000" in ticks["ticks_pair"]["PAPER"] and "PAIRS" in scripts.settings("e34_ticks")


@pytest.mark.parametrize("name", golden.names())
def test_the_constants_of_a_card_are_those_of_the_modules(name):
    golden.experiment(name)
    for module, constants in scripts.shared(name).items():
        assert all(hasattr(importlib.import_module(module), key) for key in constants)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_core_stands_on_the_card_of_its_experiment(lang):
    cores = {(claim, core.rule.number) for claim, verdict in verdicts.all_verdicts().items() for core in verdict.cores}
    shown = {
        (row[0], number) for number in {number for _, number in cores} for row in cards.rests(number, lang) if row[-1]
    }
    assert shown == cores


def test_pages_are_written_for_results_and_for_nothing_else(tmp_path):
    folder = tmp_path / cards.CARDS
    folder.mkdir()
    (folder / "e99.md").write_text("gone", encoding="utf-8")
    cards.write_pages(tmp_path, "en")
    assert sorted(path.stem for path in folder.glob("*.md")) == sorted(map(cards.slug, results.names()))
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.md")}
    cards.write_pages(tmp_path, "en")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.md")} == before


def test_numbers_in_claim_boxes_are_links():
    box = '<div class="lr-claim"><p>E03 steps to the goal; E99 nothing</p></div><p>E03 steps</p>'
    shown = linked(box, "cards/")
    assert '<p><a href="cards/e03.html">E03</a> steps to the goal; E99 nothing</p></div><p>E03 steps</p>' in shown
    assert "e99.html" not in shown


def test_names_of_results_in_code_are_links():
    for name, there in (("e36_geometry", True), ("e99_nothing", False)):
        code = highlight(f'lrbook.result("{name}")', PythonLexer(), HtmlFormatter())
        assert (f'<a class="lr-card-link" href="cards/{name[:3]}.html">{name}</a>' in linked(code, "cards/")) == there
        assert linked(code.replace(f'"{name}"', f"&quot;{name}&quot;"), "cards/").count("<a") == there, (
            "as older ones did"
        )
