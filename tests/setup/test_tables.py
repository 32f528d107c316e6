"""run.py tables: the README's marked tables, from stored results."""

import json

import pytest

from tools import tables

TEXT = (
    "before\n<!-- table: attach -->\nold\n<!-- end of table -->\nafter\n<!-- table: sweep -->\n<!-- end of table -->\n"
)
STORED = {
    "name": "attach",
    "columns": ["what", "µs"],
    "rows": [["plan | step", "1.5"]],
    "note": "Median of 5",
    "machine": "a CPU, 2 cores",
    "measured": "2026-11-21",
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / tables.RESULTS).mkdir(parents=True)
    (tmp_path / tables.RESULTS / "attach.json").write_text(json.dumps(STORED), encoding="utf-8")
    (tmp_path / "README.md").write_text(TEXT, encoding="utf-8")
    return tmp_path


def test_only_the_marked_text_is_rewritten(root):
    assert tables.rewrite(root)
    assert (root / "README.md").read_text(encoding="utf-8") == (
        "before\n<!-- table: attach -->\n| what | µs |\n| --- | --- |\n| plan \\| step | 1.5 |\n\n"
        "Median of 5. Measured 2026-11-21 on a CPU, 2 cores.\n<!-- end of table -->\nafter\n"
        "<!-- table: sweep -->\nNot measured yet.\n<!-- end of table -->\n"
    )


def test_a_second_rewrite_changes_nothing(root):
    tables.rewrite(root)
    assert not tables.rewrite(root)


def test_a_table_that_was_not_measured_names_no_machine():
    assert tables.markdown({"columns": ["what"], "rows": [["a"]], "note": ""}) == "| what |\n| --- |\n| a |\n"
    assert tables.markdown({"columns": ["what"], "rows": [["a"]], "note": "So"}).endswith("| a |\n\nSo.\n")
