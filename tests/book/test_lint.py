"""The house rules of prose and cells, on the book and on planted mistakes."""

import re

import nbformat
import pytest

from lrbook import lint
from lrbook.nbtext import LANGUAGES
from lrbook.prose import pages, strip_blocks, strip_inline

SOURCES = [(lang, path) for lang in LANGUAGES for path in pages(lang)]


@pytest.mark.parametrize("lang, path", SOURCES, ids=[f"{lang}-{path.stem}" for lang, path in SOURCES])
def test_page(lang, path):
    found = lint.lint_page(path, lang)
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize(
    "prose, found",
    [
        ("It reached 0.97 of them.", 1),
        ("About 12 % fell.", 1),
        ("12%が下がりました。", 1),
        ("精度は0.97でした。", 1),
        ("With $0.97$ and `0.5` it works.", 0),
        ("A source says 3.5 {cite}`smith2017cyclical`.", 0),
        ("A source says 3 {cite}`smith2017cyclical`. We saw 3.5 here.", 1),
        ("Twelve of 40 seeds, chapter 3.", 0),
        ("$$\n0.5\n$$ (eq-x)\ntext", 0),
        ("```python\nx = 0.5\n```\ntext", 0),
        ("```{note}\nIt was 0.5 here.\n```", 1),
        ("````{exercise} Title\n:label: ex-a\n\nTry 0.5.\n\n```python\nlr = 0.25\n```\n````", 1),
        ("See <https://example.org/2.5> and [this](a-1.5.html).", 0),
    ],
)
def test_numbers(prose, found):
    assert len(list(lint.numbers(prose))) == found


@pytest.mark.parametrize(
    "prose, found",
    [
        ("一行目です。\n二行目です。", 1),
        ("一行目です。\n\n二行目です。", 0),
        ("- 一つ目\n- 二つ目", 0),
        ("- 一つ目は長い\n  ので折った", 1),
        ("One line\nand another.", 0),
        ("| 表 | 値 |\n| --- | --- |\n| あ | い |", 0),
        ("```{note}\n一行目です。\n二行目です。\n```", 1),
        ("$$\nx\n$$\n\n続きです。", 0),
    ],
)
def test_line_breaks(prose, found):
    assert len(list(lint.line_breaks(prose))) == found


@pytest.mark.parametrize(
    "text, found",
    [
        ("訓練データ", 1),
        ("学習データ", 0),
        ("クロスエントロピー", 0),
        ("ロスが下がる", 1),
        ("正規化する", 1),
        ("バッチ正規化する", 0),
        ("種類が多い", 0),
        ("この種の誤り", 0),
        ("種を変える", 1),
        ("三角関数ではない\n% lint-allow: 三角関数", 0),
    ],
)
def test_renderings(text, found):
    assert len(list(lint.renderings(text))) == found


def test_literal_stars():
    assert list(lint.literal_stars("<p>これは**学習率(η)**です。</p>"))
    assert not list(lint.literal_stars("<p><strong>x</strong></p><pre>2**3</pre><code>a ** b</code>"))
    assert not list(lint.literal_stars('<dt class="sig sig-object py">f(<span>**</span>options)</dt>'))


def notebook(*cells):
    made = []
    for source, tags in cells:
        cell = nbformat.v4.new_code_cell(source, execution_count=len(made) + 1)
        cell.metadata["tags"] = tags
        made.append(cell)
    return nbformat.v4.new_notebook(cells=made)


def test_long_cell_and_unrun_cell_and_stderr():
    book = notebook(("x = 1\n" * 16, []), ("y", []), ("z", ["lab-only"]))
    book.cells[1].execution_count = None
    book.cells[0].outputs = [nbformat.v4.new_output("stream", name="stderr", text="a warning")]
    book.cells[2].execution_count = None
    found = " ".join(lint.code_cells(book))
    assert (
        "16 lines" in found
        and "execution count None" in found
        and "stderr" in found
        and found.count("execution count") == 1
    )


def test_ignored_cells_are_few_and_asserted():
    assert not list(lint.ignored(notebook(("run()", ["nbval-ignore-output"]), ("assert 1 < 2", []))))
    assert len(list(lint.ignored(notebook(("run()", ["nbval-ignore-output"]), ("print(1)", []))))) == 1
    three = [("run()", ["nbval-ignore-output"]), ("assert True", [])] * 3
    assert any("3 cells" in message for message in lint.ignored(notebook(*three)))


def test_alt_text():
    book = notebook(("show()", []))
    book.cells[0].outputs = [nbformat.v4.new_output("display_data", data={"image/png": "x"})]
    assert list(lint.output_alts(book))
    book.cells[0].outputs[0].metadata["image/png"] = {"alt": "A falling line"}
    assert not list(lint.output_alts(book))
    assert list(lint.markdown_alts("![](a.png)")) and not list(lint.markdown_alts("![A line](a.png)"))
    assert list(lint.markdown_alts("```{figure} a.png\n:name: a\n\nCaption\n```"))
    assert not list(lint.markdown_alts("```{figure} a.png\n:alt: A line\n\nCaption\n```"))


def test_stripping_keeps_line_numbers():
    text = "a\n```python\nx\n```\n$$\ny\n$$\nb"
    assert strip_blocks(text).count("\n") == text.count("\n")
    assert re.sub(r"\s+", " ", strip_inline("a {ref}`b <c>` d")) == "a d"
