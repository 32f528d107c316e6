"""The two editions are the same book, and each Japanese cell follows the English as it is now."""

import copy

import pytest

from lrbook import nbtext, parity, translated
from lrbook.prose import pages

ENGLISH, JAPANESE = pages("en"), pages("ja")
NAMES = sorted({path.name for path in ENGLISH + JAPANESE})


def test_both_editions_have_the_same_pages():
    assert [path.name for path in ENGLISH] == [path.name for path in JAPANESE]
    assert len({path.stem for path in ENGLISH}) == len(ENGLISH), "a page is both a notebook and plain Markdown"


@pytest.mark.parametrize("name", NAMES)
def test_page_is_the_same_and_up_to_date(name):
    english, japanese = (nbtext.BOOK / lang / name for lang in ("en", "ja"))
    if name.endswith(".ipynb"):
        pair = [nbtext.read_notebook(path) for path in (english, japanese)]
        found = parity.problems(*pair) + parity.stale(*pair)
    else:
        texts = [path.read_text(encoding="utf-8") for path in (english, japanese)]
        mine, other = (parity.outline(translated.body(text)) for text in texts)
        found = [f"{key} differ: {mine[key]} / {other[key]}" for key in mine if mine[key] != other[key]]
        if translated.page_hash(texts[1]) != parity.text_hash(translated.body(texts[0])):
            found.append("the English changed since it was translated (or `run.py translated` was never called)")
    if found:
        pytest.fail(
            "\n".join([f"{name}; after revising the Japanese: run.py translated {english.stem}", *found]), pytrace=False
        )


@pytest.fixture
def pair():
    english = nbtext.merge(
        None,
        nbtext.from_text(
            "(eq-a)=\n# Rates\n\nUse $\\eta$ {cite}`smith2017cyclical`.\n\n```{code-cell} ipython3\nprint(f'rate {1 + 1}', 3)\n```\n"
        ),
        "a",
    )
    japanese = nbtext.merge(
        None,
        nbtext.from_text(
            "(eq-a)=\n# 学習率\n\n$\\eta$ を使います {cite}`smith2017cyclical`。\n\n```{code-cell} ipython3\nprint(f'学習率 {1 + 1}', 3)\n```\n"
        ),
        "a",
    )
    return english, parity.set_hashes(english, japanese)


def test_a_faithful_translation_passes(pair):
    assert not parity.problems(*pair) and not parity.stale(*pair)


@pytest.mark.parametrize(
    "cell, old, new, word",
    [
        (0, "\\eta", "\\lambda", "maths"),
        (0, "# 学習率", "## 学習率", "headings"),
        (0, "(eq-a)=", "(eq-b)=", "labels"),
        (0, "smith2017cyclical", "kingma2015adam", "citations"),
        (1, ", 3", ", 4", "code differs"),
        (1, "{1 + 1}", "{1 + 2}", "code differs"),
    ],
)
def test_a_difference_is_named(pair, cell, old, new, word):
    changed = copy.deepcopy(pair[1])
    changed.cells[cell].source = changed.cells[cell].source.replace(old, new)
    assert any(word in problem for problem in parity.problems(pair[0], changed))


def test_untranslated_page_is_named(pair):
    assert any("no Japanese" in problem for problem in parity.problems(pair[0], pair[0]))


def test_missing_cell_is_named(pair):
    short = copy.deepcopy(pair[1])
    del short.cells[1]
    assert "2 English, 1 Japanese" in parity.problems(pair[0], short)[0]


@pytest.mark.parametrize(
    "cell, old, new, stale", [(0, "Use", "Do use", True), (1, "rate ", "speed ", True), (1, "print", "pprint", False)]
)
def test_a_changed_english_cell_makes_its_translation_stale(pair, cell, old, new, stale):
    english = copy.deepcopy(pair[0])
    english.cells[cell].source = english.cells[cell].source.replace(old, new)
    assert [f"cell {cell} " in found for found in parity.stale(english, pair[1])] == [True] * stale


def test_translated_sets_the_hashes(tmp_path, pair):
    from lrbook.nbnormal import dumps

    for lang, notebook in zip(("en", "ja"), pair):
        (tmp_path / lang).mkdir()
        for c in notebook.cells:
            c.metadata.pop(parity.HASH, None)
        (tmp_path / lang / "a.ipynb").write_text(dumps(notebook), encoding="utf-8")
        (tmp_path / lang / "b.md").write_text("# 題\n", encoding="utf-8")
    translated.accept("a", tmp_path)
    translated.accept("b", tmp_path)
    books = [nbtext.read_notebook(tmp_path / lang / "a.ipynb") for lang in ("en", "ja")]
    assert not parity.stale(*books)
    assert translated.page_hash((tmp_path / "ja" / "b.md").read_text(encoding="utf-8")) == parity.text_hash("# 題\n")
    with pytest.raises(ValueError, match="missing"):
        translated.accept("c", tmp_path)
