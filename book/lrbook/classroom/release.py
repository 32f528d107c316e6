"""The student's notebook, made from the assignment's page: same questions, without the answers."""

import ast
import contextlib
import copy
import io
import re
from pathlib import Path

import nbformat

from ..language import BOOK, check_language, language, set_language
from ..nbtext import notebook_path, read_notebook
from .assignment import read_assignment
from .judge import check

ANSWER, CHECK, PAGE_ONLY = "answer-", "check-", "page-only"
SHORT = 12  # shorter lines of a solution give nothing away ("return None")
EMPTY = {"en": "*Write your answer here.*", "ja": "*ここに答えを書いてください。*"}


def release(name, out, lang="en", book=BOOK):
    """Write the student's notebook of assignment `name` into the folder `out` and return its path.

    Cells of the page tagged `answer-q1` keep the head and the docstring of the function and lose its body;
    a free-text answer becomes an empty one; cells tagged `page-only` are left out. All cells carry nbgrader's
    metadata (schema version 3) and ids that depend on the question alone.

    Raises:
        ValueError: the page's own answers do not get full points, the blank notebook gets some, a line of an
            answer is still in it, or the page's questions are not those of `checks.py`.
    """
    work, page = read_assignment(name), read_notebook(notebook_path(check_language(lang), f"assignment_{name}", book))
    student = blank(page, work, lang)
    problems = [*_structure(student, work), *leaks(page, student), *_scores(page, student, work, lang)]
    if problems:
        raise ValueError(f"assignment {name!r} ({lang}) is not released: " + "; ".join(problems))
    nbformat.validate(student)
    path = Path(out) / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(student) + "\n", encoding="utf-8", newline="\n")
    return path


def tagged(cell, start):
    """The question in a tag such as `answer-q1`, or an empty text."""
    return next((tag.removeprefix(start) for tag in cell.metadata.get("tags", []) if tag.startswith(start)), "")


def blank(page, work, lang):
    """The student's notebook, before it is examined."""
    cells = [_student_cell(cell, work, lang) for cell in page.cells if PAGE_ONLY not in cell.metadata.get("tags", [])]
    metadata = {"kernelspec": page.metadata.get("kernelspec", {}), "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _student_cell(cell, work, lang):
    new = copy.deepcopy(cell)
    answer, checked = tagged(cell, ANSWER), tagged(cell, CHECK)
    if cell.cell_type == "code":
        new.outputs, new.execution_count = [], None
    if answer:
        new.source = stub(cell.source, work.functions[answer]) if cell.cell_type == "code" else EMPTY[lang]
        new["id"] = f"{work.name}-{answer}-answer"
        new.metadata = _metadata(answer, solution=True, points=work.manual.get(answer))
    elif checked:
        new["id"] = f"{work.name}-{checked}-check"
        new.metadata = _metadata(f"{checked}_check", points=work.points[checked])
    else:
        new.metadata = _metadata(f"given_{new['id']}")
    return new


def _metadata(grade_id, solution=False, points=None):
    mark = {
        "schema_version": 3,
        "grade_id": grade_id,
        "grade": points is not None,
        "solution": solution,
        "locked": not solution,
        "task": False,
    }
    if points is not None:
        mark["points"] = points
    return nbformat.from_dict({"deletable": False, "editable": solution, "nbgrader": mark})


def stub(source, name):
    """The head and docstring of function `name`, and a body that says that it is not written yet.

    >>> print(stub("def f(x):\\n    return x + 1", "f"))
    def f(x):
        raise NotImplementedError
    """
    tree = ast.parse(source)
    if [type(node) for node in tree.body] != [ast.FunctionDef] or tree.body[0].name != name:
        raise ValueError(f"an answer cell holds the function {name} and nothing else, not {source[:60]!r}…")
    lines, body = source.splitlines(), tree.body[0].body
    kept = body[0].end_lineno if ast.get_docstring(tree.body[0]) is not None else body[0].lineno - 1
    head = [line for line in lines[:kept] if not line.strip().startswith("#")]
    return "\n".join([*head, "    raise NotImplementedError"])


def solution_lines(page):
    """Lines of the page's answers that a student must not find in the notebook."""
    for cell in page.cells:
        if not tagged(cell, ANSWER):
            continue
        text = cell.source
        if cell.cell_type == "code":
            function = ast.parse(text).body[0]
            begins = function.body[0].end_lineno if ast.get_docstring(function) is not None else function.lineno
            text = "\n".join(text.splitlines()[begins:])
        for line in re.split(r"\n|(?<=[.。])", text):
            if len(line.strip()) >= SHORT and not line.strip().startswith((":::", "```", ":class:")):
                yield line.strip()


def leaks(page, student):
    """What is wrong with the student's notebook because it shows a part of an answer."""
    text = "\n".join(re.sub(r"\s+", " ", cell.source) for cell in student.cells)
    for line in solution_lines(page):
        if re.sub(r"\s+", " ", line) in text:
            yield f"a line of an answer is in the student's notebook: {line!r}"
    if any(cell.get("outputs") for cell in student.cells):
        yield "outputs are in the student's notebook"


def _structure(student, work):
    """Every question has one answer cell, and one check cell unless a person marks it."""
    found = [cell.metadata.nbgrader.grade_id for cell in student.cells]
    wanted = [*work.points, *(f"{question}_check" for question in work.functions)]
    there = [grade_id for grade_id in found if not grade_id.startswith("given_")]
    if sorted(there) != sorted(wanted):
        yield f"answers and checks in the page: {', '.join(sorted(there))}; wanted: {', '.join(sorted(wanted))}"


def run_cells(notebook, skip=CHECK):
    """Variables after running the code cells of a notebook here, without those tagged or marked as checks."""
    space, before = {"__name__": "student"}, language()
    try:
        for cell in notebook.cells:
            mark = cell.metadata.get("nbgrader", {}).get("grade", False) or tagged(cell, skip)
            if cell.cell_type == "code" and not mark and "lab-only" not in cell.metadata.get("tags", []):
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(cell.source, "<cell>", "exec"), space)
    finally:
        set_language(before)
    return space


def _scores(page, student, work, lang):
    for notebook, full in ((page, True), (student, False)):
        space = run_cells(notebook)
        for question in work.functions:
            result = check(question, work.name, namespace=space, lang=lang)
            if full and result.earned != result.points:
                yield f"the page's answer to {question} gets {result.earned} of {result.points} points"
            if not full and result.earned:
                yield f"the blank notebook gets {result.earned} points for {question}"
