"""The reader's copy: fresh where the reader changed nothing, untouched where they did."""

import json

import pytest

from tools.reader import adapted, sync


def notebook(*cells):
    """A notebook of Markdown cells, as text."""
    made = [
        {"cell_type": "markdown", "id": str(i), "metadata": {}, "source": text.splitlines(keepends=True)}
        for i, text in enumerate(cells)
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, ensure_ascii=False)


def sources(content):
    return ["".join(cell["source"]) for cell in json.loads(content)["cells"]]


@pytest.fixture
def book(tmp_path):
    """A checkout with two editions of two pages, in a folder with spaces and Japanese characters."""
    root = tmp_path / "本 と spaces"
    for language in ("en", "ja"):
        (root / "book" / language).mkdir(parents=True)
        for name in ("stride", "too_large"):
            page(root, language, name).write_text(notebook(f"{language} {name} 一"), encoding="utf-8")
    return root


def page(root, language, name):
    return root / "book" / language / f"{name}.ipynb"


def mine(root, language="en", name="stride"):
    return root / "my-notebooks" / language / f"{name}.ipynb"


def test_first_call_copies_everything(book):
    assert sync(book) == ["4 new notebooks in my-notebooks."]
    for language in ("en", "ja"):
        for name in ("stride", "too_large"):
            assert sources(mine(book, language, name).read_bytes()) == [f"{language} {name} 一"]


def test_second_call_says_and_writes_nothing(book):
    sync(book)
    before = mine(book).stat().st_mtime_ns
    assert sync(book) == []
    assert mine(book).stat().st_mtime_ns == before


def test_an_unchanged_copy_follows_the_book(book):
    sync(book)
    page(book, "en", "stride").write_text(notebook("second edition"), encoding="utf-8")
    assert sync(book) == ["1 updated notebook in my-notebooks."]
    assert sources(mine(book).read_bytes()) == ["second edition"]


def test_a_changed_copy_is_kept(book):
    sync(book)
    mine(book).write_text("my own notes", encoding="utf-8")
    assert sync(book) == []
    page(book, "en", "stride").write_text(notebook("second edition"), encoding="utf-8")
    [line] = sync(book)
    assert "Kept your my-notebooks/en/stride.ipynb" in line
    assert mine(book).read_text(encoding="utf-8") == "my own notes"


def test_a_renamed_copy_makes_room_for_the_new_one(book):
    sync(book)
    mine(book).write_text("my own notes", encoding="utf-8")
    page(book, "en", "stride").write_text(notebook("second edition"), encoding="utf-8")
    kept = mine(book).rename(mine(book, name="stride of mine"))
    sync(book)
    assert sources(mine(book).read_bytes()) == ["second edition"]
    assert kept.read_text(encoding="utf-8") == "my own notes"


def test_a_deleted_copy_comes_back(book):
    sync(book)
    mine(book).unlink()
    assert sync(book) == ["1 new notebook in my-notebooks."]
    assert mine(book).exists()


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_without_its_manifest_nothing_of_the_readers_is_lost(book, damage):
    sync(book)
    mine(book).write_text("my own notes", encoding="utf-8")
    manifest = book / "my-notebooks" / ".handed-out.json"
    if damage == "gone":
        manifest.unlink()
    else:
        manifest.write_text("{", encoding="utf-8")
    sync(book)
    assert mine(book).read_text(encoding="utf-8") == "my own notes"
    page(book, "ja", "stride").write_text(notebook("second edition"), encoding="utf-8")
    sync(book)
    assert sources(mine(book, "ja").read_bytes()) == ["second edition"]  # it was unchanged: found again


def test_a_page_that_left_the_book_stays_with_the_reader(book):
    sync(book)
    page(book, "en", "stride").unlink()
    sync(book)
    assert mine(book).exists()


def test_the_readers_other_files_are_left_alone(book):
    sync(book)
    other = mine(book, name="my experiment")
    other.write_text("mine", encoding="utf-8")
    sync(book)
    assert other.read_text(encoding="utf-8") == "mine"


def test_what_only_the_pages_understand_is_left_out():
    facts = "# Title\n\n```{chapter-facts}\n:name: x\n```\n\nText with ```code``` in it."
    kept = "````{exercise}\n:label: a\n```python\nx = 1\n```\n````"
    content = adapted(notebook(facts, "```{solution-end}\n```", kept, ":::{ledger}\n:::\nAfter").encode("utf-8"))
    assert sources(adapted(notebook("as in {cite}`a-1`; {cite:t}`b,c` says").encode("utf-8"))) == [
        "as in [a-1]; [b,c] says"
    ]
    assert sources(content) == ["# Title\n\nText with ```code``` in it.", kept, "After"]


def test_screenshots_of_cells_that_run_in_jupyterlab_are_left_out():
    text = "Before\n\n![A slider](../_static/controls-1.en.png)\n\nAfter ![a sign](other.png)"
    assert sources(adapted(notebook(text).encode("utf-8"))) == ["Before\n\nAfter ![a sign](other.png)"]


def test_a_real_notebook_keeps_its_code_and_outputs():
    from .conftest import ROOT

    for path in [*(ROOT / "book/en").glob("*.ipynb"), *(ROOT / "book/ja").glob("*.ipynb")]:
        before = json.loads(path.read_bytes())
        after = json.loads(adapted(path.read_bytes()))
        before["metadata"].pop("widgets", None)
        for cell in before["cells"]:
            for output in cell.get("outputs", []):
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        code = [[cell for cell in nb["cells"] if cell["cell_type"] == "code"] for nb in (before, after)]
        assert code[0] == code[1] and before["metadata"] == after["metadata"]


def test_a_widget_is_handed_out_as_the_line_that_says_to_run_it():
    """Its stored state has no code, because the built page brings that; JupyterLab would show an error."""
    cell = {
        "cell_type": "code",
        "source": ["Stride()"],
        "metadata": {},
        "execution_count": 1,
        "outputs": [
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": {
                    "application/vnd.jupyter.widget-view+json": {"model_id": "0"},
                    "text/plain": ["[run this cell]"],
                },
            }
        ],
    }
    stored = {"cells": [cell], "metadata": {"widgets": {"state": {}}}, "nbformat": 4, "nbformat_minor": 5}
    after = json.loads(adapted(json.dumps(stored).encode("utf-8")))
    assert after["metadata"] == {}
    assert after["cells"][0]["outputs"][0]["data"] == {"text/plain": ["[run this cell]"]}
