"""The tool that alone writes notebooks: merge, execute, normalise, twice the same bytes."""

import warnings

import nbformat
import pytest

from lrbook import edit, lint, nbnormal, nbtext, notebooks, parity, translated

TEXT = """# A toy

One parabola, one rate.

```{code-cell} ipython3
import random
print("value", 2 ** 5)
object()
```

+++

A second paragraph with $x$.

```{code-cell} ipython3
:tags: [lab-only]

1 / 0
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-toy
    caption: A toy.
---
sum(range(4))
```
"""
JAPANESE = (
    TEXT.replace("A toy", "試し")
    .replace("One parabola, one rate.", "放物線と学習率。")
    .replace("A second paragraph with $x$.", "二つ目の段落と $x$。")
    .replace("value", "値")
)


@pytest.fixture
def book(tmp_path):
    for lang, text in (("en", TEXT), ("ja", JAPANESE)):
        (tmp_path / lang).mkdir()
        path = nbtext.text_path(lang, "toy", tmp_path)
        path.parent.mkdir(parents=True)
        path.write_text(text.replace("object()", "None"), encoding="utf-8")
    return tmp_path


def fresh():
    return nbtext.from_text(TEXT)


def test_write_twice_is_byte_identical(book):
    assert notebooks.write_notebooks(["toy"], book=book)
    paths = [nbtext.notebook_path(lang, "toy", book) for lang in ("en", "ja")]
    first = [path.read_bytes() for path in paths]
    for path in paths:
        path.write_bytes(path.read_bytes() + b"\n")  # so that the second run has to write
    assert notebooks.write_notebooks(["toy"], book=book)
    assert [path.read_bytes() for path in paths] == first
    english, japanese = map(nbtext.read_notebook, paths)
    assert [cell["id"] for cell in english.cells] == [cell["id"] for cell in japanese.cells]
    assert not parity.problems(english, japanese) and not parity.stale(english, japanese)
    lab = next(cell for cell in english.cells if "lab-only" in cell.metadata.get("tags", []))
    assert lab.outputs == [] and lab.execution_count is None and "nbval-skip" in lab.metadata["tags"]
    runs = [cell.execution_count for cell in english.cells if cell.cell_type == "code" and cell is not lab]
    assert runs == [1, 2]
    assert (
        "language_version" not in english.metadata["language_info"]
        and "version" not in english.metadata["language_info"]
    )


def test_a_failing_cell_writes_nothing(book, capsys):
    path = nbtext.text_path("en", "toy", book)
    path.write_text(path.read_text(encoding="utf-8").replace("2 ** 5", "undefined_name"), encoding="utf-8")
    assert not notebooks.write_notebooks(["toy"], ("en",), book)
    assert not nbtext.notebook_path("en", "toy", book).exists()
    assert "undefined_name" in capsys.readouterr().err


def test_unknown_page_is_named(book):
    with pytest.raises(ValueError, match="toys.*there are: toy"):
        notebooks.write_notebooks(["toys"], book=book)


def test_merge_keeps_ids_and_hashes_of_cells_that_moved_or_changed():
    old = nbtext.merge(None, fresh(), "toy")
    for number, cell in enumerate(old.cells):
        cell.metadata[parity.HASH] = f"hash{number}"
    changed = TEXT.replace("sum(range(4))", "sum(range(5))").replace(
        "# A toy\n", "# A toy\n\n+++\n\nNew paragraph.\n\n+++\n", 1
    )
    new = nbtext.merge(old, nbtext.from_text(changed), "toy")
    ids = {cell["id"]: cell for cell in new.cells}
    assert len(ids) == len(new.cells)
    kept = [cell for cell in old.cells if cell["id"] in ids]
    assert len(kept) >= len(old.cells) - 1
    last = ids[old.cells[-1]["id"]]
    assert last.source == "sum(range(5))" and last.metadata[parity.HASH] == f"hash{len(old.cells) - 1}"


def test_text_round_trip_keeps_sources_and_metadata():
    old = nbtext.merge(None, fresh(), "toy")
    old.cells[0].metadata[parity.HASH] = "abc"
    text = nbtext.to_text(old)
    assert parity.HASH not in text
    again = nbtext.merge(old, nbtext.from_text(text), "toy")
    assert [(c["id"], c.source, c.metadata.get("mystnb")) for c in again.cells] == [
        (c["id"], c.source, c.metadata.get("mystnb")) for c in old.cells
    ]
    assert again.cells[0].metadata[parity.HASH] == "abc"


def test_edit_refuses_to_throw_work_away(tmp_path):
    path = nbtext.notebook_path("en", "toy", tmp_path)
    path.parent.mkdir()
    path.write_text(nbnormal.dumps(nbnormal.normalise(nbtext.merge(None, fresh(), "toy"))), encoding="utf-8")
    (text,) = edit.write_text("toy", book=tmp_path)
    edit.write_text("toy", book=tmp_path)  # nothing changed: fine
    text.write_text(text.read_text(encoding="utf-8").replace("One parabola", "Two parabolas"), encoding="utf-8")
    with pytest.raises(ValueError, match="differs from the notebook"):
        edit.write_text("toy", book=tmp_path)
    edit.write_text("toy", force=True, book=tmp_path)
    assert "One parabola" in text.read_text(encoding="utf-8")


def test_a_new_page_begins_with_a_template_that_runs_and_is_the_same_in_both_languages(tmp_path):
    for lang in ("en", "ja"):
        (tmp_path / lang).mkdir()
    texts = edit.write_text("two_rates", book=tmp_path)
    assert [text.parent.name for text in texts] == ["en", "ja"] and "(ch-two-rates)=" in texts[0].read_text("utf-8")
    assert notebooks.write_notebooks(["two_rates"], book=tmp_path)
    paths = [nbtext.notebook_path(lang, "two_rates", tmp_path) for lang in ("en", "ja")]
    pair = [nbtext.read_notebook(path) for path in paths]
    assert not parity.problems(*pair) and not parity.stale(*pair) and not translated.waiting(tmp_path)
    for path, lang, words in zip(paths, ("en", "ja"), edit.WORDS.values()):
        said = lint.lint_page(path, lang)
        assert len(said) == 3 and all(any(word in line for line in said) for word in words)


def test_a_revision_that_was_not_merged_is_not_declared(book):
    assert notebooks.write_notebooks(["toy"], book=book)
    text = nbtext.text_path("ja", "toy", book)
    text.write_text(text.read_text(encoding="utf-8").replace("試し", "試験"), encoding="utf-8")
    with pytest.raises(ValueError, match="book/edit/ja/toy.md holds work .* call `notebooks toy` first"):
        translated.accept("toy", book)
    assert notebooks.write_notebooks(["toy"], book=book)
    translated.accept("toy", book)


def test_a_begun_page_is_not_thrown_away_and_names_that_are_no_pages_are_refused(tmp_path):
    (text,) = edit.write_text("two_rates", ("en",), book=tmp_path)
    with pytest.raises(ValueError, match="differs from the notebook"):
        edit.write_text("two_rates", book=tmp_path)
    assert not nbtext.text_path("ja", "two_rates", tmp_path).exists()
    edit.write_text("two_rates", force=True, book=tmp_path)
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "plain.md").write_text("# Plain\n", encoding="utf-8")
    with pytest.raises(ValueError, match="'plain' is a plain page: edit book/en/plain.md"):
        edit.write_text("plain", book=tmp_path)
    for name in ("Two rates", "../a", "2", ""):
        with pytest.raises(ValueError, match="NAME must be small letters"):
            edit.write_text(name, book=tmp_path)


def test_a_page_without_its_japanese_passes_with_a_mark_that_is_counted(book):
    """The whole page, and after a translation only the cell whose English changed."""
    nbtext.text_path("ja", "toy", book).unlink()
    with pytest.raises(ValueError, match="no English notebook 'toy'"):
        edit.write_untranslated("toy", book=book)
    assert notebooks.write_notebooks(["toy"], ("en",), book)
    edit.write_untranslated("toy", book=book)
    assert notebooks.write_notebooks(["toy"], book=book)
    paths = [nbtext.notebook_path(lang, "toy", book) for lang in ("en", "ja")]
    pair = [nbtext.read_notebook(path) for path in paths]
    assert not parity.problems(*pair) and not parity.stale(*pair) and lint.lint_page(paths[1], "ja") == []
    assert translated.waiting(book) == {f"{book.name}/ja/toy.ipynb": 3}, "two paragraphs and a caption"

    japanese = nbtext.text_path("ja", "toy", book)
    japanese.write_text(JAPANESE.replace("object()", "None"), encoding="utf-8")
    english = nbtext.text_path("en", "toy", book)
    english.write_text(english.read_text(encoding="utf-8").replace("A second", "Another"), encoding="utf-8")
    assert notebooks.write_notebooks(["toy"], book=book)
    edit.write_untranslated("toy", book=book)
    assert notebooks.write_notebooks(["toy"], ("ja",), book)
    translated.accept("toy", book)
    pair = [nbtext.read_notebook(path) for path in paths]
    assert not parity.problems(*pair) and not parity.stale(*pair)
    assert "試し" in pair[1].cells[0].source and translated.waiting(book) == {f"{book.name}/ja/toy.ipynb": 1}


def test_what_waits_for_its_japanese_is_only_a_warning():
    """Lists the places that a maintainer who writes Japanese has to clear before a release."""
    if places := translated.waiting():
        said = ", ".join(f"{name} ({count})" for name, count in places.items())
        warnings.warn(f"waiting for their Japanese: {said}", stacklevel=1)


def test_an_older_text_does_not_undo_the_notebook(book):
    import os

    path = nbtext.notebook_path("en", "toy", book)
    notebook = nbtext.merge(None, nbtext.from_text(TEXT.replace("One parabola", "Three parabolas")), "toy")
    path.write_text(nbnormal.dumps(nbnormal.normalise(notebook)), encoding="utf-8")
    os.utime(nbtext.text_path("en", "toy", book), (1, 1))
    loaded, merged = nbtext.load("en", "toy", book)
    assert not merged and "Three parabolas" in loaded.cells[0].source


def widget_notebook(names):
    state = {
        name: {
            "model_name": "AnyModel",
            "model_module": "anywidget",
            "model_module_version": "1",
            "state": {"_esm": "export default {}", "_css": "b {}", "lr": 0.1, "layout": f"IPY_MODEL_{names[1]}"},
        }
        for name in names
    }
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": names[0], "version_major": 2, "version_minor": 0}}
    cell = nbformat.v4.new_code_cell(
        "w", id="w", execution_count=1, outputs=[nbformat.v4.new_output("display_data", data=view)]
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata["widgets"] = {nbnormal.WIDGET_STATE: {"state": state, "version_major": 2, "version_minor": 0}}
    return notebook


def test_widget_state_has_no_random_names_and_no_code():
    texts = [nbnormal.dumps(nbnormal.normalise(widget_notebook([a * 32, b * 32]))) for a, b in ("ab", "cd")]
    assert texts[0] == texts[1]
    assert "_esm" not in texts[0] and "_css" not in texts[0] and '"lr": 0.1' in texts[0]
    assert f"IPY_MODEL_{1:032x}" in texts[0] and f'"model_id": "{0:032x}"' in texts[0]


def test_a_notebook_without_widgets_has_no_widget_metadata():
    notebook = fresh()
    notebook.metadata["widgets"] = {nbnormal.WIDGET_STATE: {"state": {}, "version_major": 2, "version_minor": 0}}
    assert "widgets" not in nbnormal.normalise(notebook).metadata
