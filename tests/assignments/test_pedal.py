"""The assignment "pedal": its checks know right from wrong, and the student's notebook gives nothing away."""

import asyncio
import random
import re
import time
import warnings

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from traitlets.config import Config

from lrbook.classroom import check, judge, names, number, read_assignment
from lrbook.classroom.__main__ import main
from lrbook.classroom.assignment import load
from lrbook.classroom.release import blank, leaks, release, run_cells, solution_lines, stub, tagged
from lrbook.classroom.values import Miss, close
from lrbook.nbtext import LANGUAGES, notebook_path, read_notebook

WORK, ANSWERS = read_assignment("pedal"), load("pedal", "answers")
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def judged(question, function, **options):
    return check(question, namespace={WORK.functions[question]: function}, **options)


def page(lang):
    return read_notebook(notebook_path(lang, "assignment_pedal"))


@pytest.fixture(scope="module")
def solutions():
    return {lang: run_cells(page(lang)) for lang in LANGUAGES}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    return {lang: release("pedal", tmp_path_factory.mktemp(lang), lang) for lang in LANGUAGES}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_solution_gets_full_points(solutions, lang):
    for question in WORK.functions:
        result = check(question, namespace=solutions[lang], lang=lang)
        assert (result.earned, result.hints) == (WORK.points[question], ()), result


@pytest.mark.parametrize("question, hint, function", ANSWERS.WRONG, ids=[f.__name__ for *_, f in ANSWERS.WRONG])
def test_known_mistakes_lose_points_and_get_their_hint(question, hint, function, monkeypatch):
    if hint == "q4_loop":
        monkeypatch.setattr(judge, "LIMIT", 0.3)
    result = judged(question, function)
    assert result.earned < result.points and hint in result.hints, result
    assert WORK.hints[hint]["en"] in repr(result)


def test_every_question_knows_enough_mistakes_and_every_hint_is_in_use():
    counts = {q: sum(question == q for question, *_ in ANSWERS.WRONG) for q in WORK.functions}
    assert len(ANSWERS.WRONG) >= 10 and min(counts.values()) >= 5, counts
    unused = set(WORK.hints) - {hint for _, hint, _ in ANSWERS.WRONG}
    assert unused == {"q2_other", "q4_other", "q5_other", "slow"}, "hints without a wrong answer: only the general ones"


@pytest.mark.parametrize("question, function", ANSWERS.UNUSUAL, ids=[f.__name__ for _, f in ANSWERS.UNUSUAL])
def test_unusual_right_answers_lose_nothing(question, function, capsys):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = judged(question, function)
    assert result.earned == result.points, result
    assert not seen and capsys.readouterr().out == ""


@pytest.mark.parametrize("question", WORK.functions)
def test_nothing_is_given_to_answers_that_compute_nothing(question):
    for value in (None, 0, 1.0, True, float("nan"), "monotone", [], {}, 1j, object()):
        result = judged(question, lambda *_, value=value: value)
        assert result.earned == 0, (value, result)
    assert judged(question, lambda *_: Agreeable()).earned == 0


class Agreeable(float):
    """Says yes to every comparison."""

    def __eq__(self, _):
        return True

    __hash__ = float.__hash__

    def __le__(self, _):
        return True

    __lt__ = __ge__ = __gt__ = __le__

    def __repr__(self):
        raise RuntimeError("no words")


def test_blank_missing_unknown_and_manual():
    assert "not written" in repr(judged("q1", lambda *_: (_ for _ in ()).throw(NotImplementedError)))
    assert "no function after_steps" in repr(check("q1", namespace={}))
    assert "teacher" in repr(check("q6")) and check("q6").earned == 0
    with pytest.raises(ValueError, match="q1, q2, q3, q4, q5, q6, not 'q7'"):
        check("q7")
    with pytest.raises(ValueError, match="pedal"):
        check("q1", "brake")
    assert names() == ["pedal"]


def test_check_finds_the_function_where_it_is_called():
    def behaviour(lr, curvature):
        return ANSWERS.right_words(lr, curvature)

    assert behaviour(0.1, 1.0) and check("q2").earned == 3


def test_errors_of_every_kind_are_shown():
    def leaving(*_):
        raise SystemExit("bye <b>")

    def deep(*_):
        return deep()

    for function, word in ((leaving, "SystemExit"), (deep, "RecursionError"), (lambda: 1, "TypeError")):
        result = judged("q3", function)
        assert result.earned == 0 and word in repr(result)
    assert "<b>" not in judged("q3", leaving)._repr_html_()


def test_an_interrupt_of_the_student_goes_through():
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged("q1", interrupted)


def test_a_loop_that_swallows_errors_is_stopped_too(monkeypatch):
    monkeypatch.setattr(judge, "LIMIT", 0.2)

    def stubborn(*_):
        while True:
            try:
                sum(range(1000))
            except Exception:
                pass

    result = judged("q5", stubborn)
    assert result.hints == ("slow",) * 3


def test_random_states_are_left_alone():
    def careless(*args):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        return random.random()

    before = random.getstate(), np.random.get_state()[1].copy(), torch.random.get_rng_state()
    judged("q1", careless)
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all() and torch.equal(torch.random.get_rng_state(), before[2])


def test_check_is_instant(solutions):
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        for question in WORK.functions:
            check(question, namespace=solutions["en"])
        seconds.append(time.perf_counter() - began)
    assert min(seconds) / len(WORK.functions) < 0.2


@pytest.mark.parametrize("lang", LANGUAGES)
def test_feedback_is_accessible_and_in_the_language(lang):
    result = judged("q3", ANSWERS.rises_again, lang=lang)
    text, html = repr(result), result._repr_html_()
    assert 'role="status"' in html and f'lang="{lang}"' in html
    assert html.count("✓") == 3 and html.count("✗") == 1
    words = {"en": ("Right", "Not yet"), "ja": ("正解", "まだ")}[lang]
    for shown in (text, html):
        assert shown.count(words[0]) == 3 and words[1] in shown
    assert WORK.hints["q3_after"][lang] in text and "rate_at(40, 0.4, 5, 40, 0.01)" in text
    assert bool(JAPANESE.search(text)) == (lang == "ja")
    assert html.count("<li>") == html.count("</li>") == 4 and "`" not in html


def test_every_word_is_there_in_both_languages():
    for key, words in WORK.hints.items():
        assert set(words) == {"en", "ja"} and JAPANESE.search(words["ja"]) and not JAPANESE.search(words["en"]), key
    for one in WORK.checks:
        assert JAPANESE.search(one.title["ja"]) and not JAPANESE.search(one.title["en"])


def test_tolerance_and_numbers():
    assert close(1.000001, 1.0) and not close(1.0001, 1.0)
    assert close(1e-7, 0.0, scale=1.0) and not close(1e-7, 0.0) and not close(float("nan"), float("nan"), scale=1e9)
    for value in (2, 2.0, np.float32(2), np.array(2), np.array([[2]]), torch.tensor(2), torch.tensor([2.0]).bfloat16()):
        assert number(value) == 2.0
    for value in (
        True,
        np.bool_(True),
        torch.tensor(True),
        np.array([True]),
        "2",
        [2],
        np.zeros(2),
        2j,
        None,
        float("nan"),
        np.float32("nan"),
        torch.tensor(float("nan")),
    ):
        with pytest.raises(Miss):
            number(value)


# the student's notebook
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_blank_notebook_scores_nothing(released, lang):
    space = run_cells(read_notebook(released[lang]))
    for question, name in WORK.functions.items():
        assert callable(space[name])
        assert check(question, namespace=space).earned == 0


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_students_notebook_is_valid_and_gives_nothing_away(released, lang):
    notebook = read_notebook(released[lang])
    nbformat.validate(notebook)
    lines = list(solution_lines(page(lang)))
    assert len(lines) >= 20
    text = released[lang].read_text(encoding="utf-8")
    assert not [line for line in lines if line in text.replace('\\"', '"')]
    assert text.count("raise NotImplementedError") == len(WORK.functions)
    assert not list(leaks(page(lang), notebook))
    assert ":class: dropdown" not in text and "lrbook.classroom release" not in text


SCHEMA = {"schema_version": int, "grade": bool, "locked": bool, "solution": bool, "task": bool, "grade_id": str}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_nbgrader_metadata(released, lang):
    notebook, points = read_notebook(released[lang]), {}
    for cell in notebook.cells:
        mark = dict(cell.metadata.nbgrader)
        if mark["grade"]:
            points[mark["grade_id"]] = mark.pop("points")
        assert {key: type(value) for key, value in mark.items()} == SCHEMA and mark["schema_version"] == 3
        assert re.fullmatch(r"[a-zA-Z0-9_\-]+", mark["grade_id"])
        assert mark["locked"] == (not mark["solution"]) == (not cell.metadata.editable)
        if cell.cell_type == "markdown":  # nbgrader: a marked text is both, or neither
            assert mark["grade"] == mark["solution"]
    ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert points == {**{f"{q}_check": WORK.points[q] for q in WORK.functions}, **WORK.manual}
    assert sum(points.values()) == 20


def test_both_languages_ask_the_same(released):
    notebooks = [read_notebook(released[lang]) for lang in LANGUAGES]
    key = lambda cell: (cell["id"], cell.cell_type, cell.metadata.nbgrader)
    assert [key(c) for c in notebooks[0].cells] == [key(c) for c in notebooks[1].cells]
    assert {"pedal-q1-answer", "pedal-q1-check", "pedal-q6-answer"} <= {cell["id"] for cell in notebooks[0].cells}
    for lang, mark in (("en", r"\*(\d) points"), ("ja", r"\*(\d)点")):
        said = [int(n) for cell in page(lang).cells for n in re.findall(mark, cell.source)]
        assert said == list(WORK.points.values())


QUIET = Config({name: {"transport_encryption": "auto"} for name in ("KernelManager", "AsyncKernelManager")})


def executed(notebook, tmp_path):
    asyncio.run(
        NotebookClient(
            notebook, timeout=120, kernel_name="python3", config=QUIET, resources={"metadata": {"path": str(tmp_path)}}
        ).async_execute()
    )
    return {cell["id"]: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_blank_notebook_runs_from_top_to_bottom(released, lang, tmp_path):
    outputs = executed(read_notebook(released[lang]), tmp_path)
    for question in WORK.functions:
        (shown,) = outputs[f"pedal-{question}-check"]
        assert {"text/plain", "text/html"} <= set(shown.data)
        assert {"en": "not written yet", "ja": "まだ書かれていません"}[lang] in shown.data["text/plain"]


def test_under_nbgrader_points_come_out_as_its_marks_need_them(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(AssertionError, match="0 of 3"):
        judged("q1", lambda *_: 0.0)
    assert judged("q1", ANSWERS.loses_the_side) == 2.0 and isinstance(judged("q1", ANSWERS.loses_the_side), float)
    assert repr(judged("q1", ANSWERS.single_precision)).startswith("q1: 3 of 3")
    with pytest.raises(AssertionError):
        check("q1", namespace={})


# what a release refuses
def changed(tmp_path, change):
    """A book with one page, changed."""
    notebook = page("en")
    for cell in notebook.cells:
        change(cell)
    path = notebook_path("en", "assignment_pedal", tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    return tmp_path


def untag(cell):
    if tagged(cell, "answer-") == "q3":
        cell.metadata["tags"] = ["hide-input", "anwser-q3"]


def break_answer(cell):
    if tagged(cell, "answer-") == "q4":
        cell.source = cell.source.replace("math.ceil", "math.floor")


def quote_answer(cell):
    if cell.source.startswith("## Question 5"):
        cell.source += "\n\nThink of `lowest = min(loss for _, loss in fine)`."


def second_thing_in_the_cell(cell):
    if tagged(cell, "answer-") == "q1":
        cell.source += "\n\nhelper = 3"


def answer_elsewhere(cell):
    if cell.source.startswith("import math"):
        cell.source += "\n\ndef choose(*_):\n    return 1"
    if tagged(cell, "check-") == "q2":
        cell.metadata["tags"] = []


@pytest.mark.parametrize(
    "change, reason",
    [
        (untag, "wanted: q1"),
        (break_answer, "answer to q4 gets 0 of 3"),
        (quote_answer, "a line of an answer"),
        (second_thing_in_the_cell, "nothing else"),
        (answer_elsewhere, "answers and checks in the page"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_release_refuses(tmp_path, change, reason):
    book = changed(tmp_path / "book", change)
    with pytest.raises(ValueError, match=reason):
        release("pedal", tmp_path / "out", "en", book)
    assert not (tmp_path / "out").exists()


def test_release_refuses_a_blank_notebook_that_scores(tmp_path, monkeypatch):
    monkeypatch.setattr("lrbook.classroom.release.stub", lambda source, _: source.replace("factor", "shrinkage"))
    with pytest.raises(ValueError, match="blank notebook gets 3 points for q1"):
        release("pedal", tmp_path / "out", "en")


def test_stub_keeps_head_and_docstring():
    source = 'def f(x,\n      y=2):\n    """Words.\n\n    More."""\n    # a thought\n    z = x\n    return z'
    assert stub(source, "f") == 'def f(x,\n      y=2):\n    """Words.\n\n    More."""\n    raise NotImplementedError'
    with pytest.raises(ValueError, match="function g"):
        stub(source, "g")


def test_the_blank_version_holds_every_question():
    student = blank(page("en"), WORK, "en")
    assert [tagged(cell, "answer-") for cell in student.cells] == [""] * len(student.cells)


def test_command_line(tmp_path, capsys):
    assert main(["release", "pedal", str(tmp_path / "a b"), "--lang", "ja"]) == 0
    assert (tmp_path / "a b" / "pedal.ipynb").exists()
    assert main(["release", "brake", str(tmp_path)]) == 1
    assert "pedal" in capsys.readouterr().err
