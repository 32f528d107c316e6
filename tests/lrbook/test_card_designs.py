"""The designs on Japanese cards: one for each experiment, which follows the English of the script as it is now."""

import importlib

import pytest

from lrbook import designs, golden, results, scripts, translated
from lrbook.parity import JAPANESE

language = importlib.import_module("lrbook.language")  # `lrbook.language` is a function of it


@pytest.mark.parametrize("name", golden.names())
def test_a_japanese_design_follows_the_english(name):
    number = results.experiment_number(name)
    assert JAPANESE.search(designs.design(name, "ja")[0]) and designs.design(name, "en") == scripts.design(name)
    assert not designs.stale(name), f"the English changed; after revising the Japanese: run.py translated {number}"


def test_every_row_is_of_an_experiment_in_order():
    rows = [row["experiment"] for row in language.read_table("designs_ja.csv")]
    assert rows == [results.experiment_number(name) for name in golden.names()]


def test_another_english_asks_for_the_japanese_until_it_is_accepted(tmp_path, monkeypatch, capsys):
    name, before = "e03_rate_sweep", designs.TABLE.read_bytes()
    monkeypatch.setattr(language, "BOOK", tmp_path)
    monkeypatch.setattr(designs, "TABLE", tmp_path / designs.TABLE.name)
    designs.TABLE.write_bytes(before)
    monkeypatch.setattr(scripts, "design", lambda name: ["Another design."])
    assert designs.stale(name) and translated.main(["E03"]) == 0 and not designs.stale(name)
    after = designs.TABLE.read_bytes()
    assert sum(one != other for one, other in zip(before.splitlines(), after.splitlines(), strict=True)) == 1
    assert translated.main(["E99"]) == 2 and "E99" in capsys.readouterr().err
