"""The API reference: complete in both languages, from docstrings that say what they must."""

import importlib
import inspect
import re

import pytest

from lrbook import api
from lrbook.lint import renderings
from lrbook.nbtext import BOOK, LANGUAGES

NAMES = list(api.everything().values())
TOP = [name for name in NAMES if name.kind != "member"]
YEAR = re.compile(r"\b(1[89]|20)\d\d\b")
ROOM = re.compile(r"^\.\. lr-api:: (\w+)$", re.M)
LABEL = re.compile(r"^\(api-(\w+)\)=$", re.M)
# Shapes that have no author: arithmetic that everyone uses.
NOBODYS = {
    "ramp",
    "hold",
    "constant",
    "step",
    "multi_step",
    "exponential",
    "linear",
    "polynomial",
    "inverse_time",
    "piecewise",
    "fade",
    "reheat",
}
short = dict(ids=lambda name: name.short)


def pages(lang):
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((BOOK / lang).glob("api_*.md"))}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_topic_is_on_one_page(lang):
    found = [room for text in pages(lang).values() for room in ROOM.findall(text)]
    wanted = [topic for topic in api.topics() if api.names(topic)]
    missing = [topic for topic in wanted if topic not in found]
    assert not missing, (
        f"add `.. lr-api:: {missing[0]}` under a label (api-{missing[0]})= to a page book/{lang}/api_*.md"
    )
    assert sorted(found) == sorted(wanted), "a topic stands twice, or has no public names"
    assert found == [label for text in pages(lang).values() for label in LABEL.findall(text)]


def test_both_editions_show_the_same():
    english, japanese = ({name: ROOM.findall(text) for name, text in pages(lang).items()} for lang in LANGUAGES)
    assert english == japanese


def test_every_name_has_a_japanese_sentence():
    found = set(api.japanese())
    public = {name.short for name in NAMES}
    missing, gone = sorted(public - found), sorted(found - public)
    assert not missing, f"add a row to book/api_ja.csv for each of {', '.join(missing)}"
    assert not gone, f"remove from book/api_ja.csv what is no public name any more: {', '.join(gone)}"


def test_the_japanese_is_one_sentence_in_the_terms_of_the_book():
    from lrbook.language import read_table

    rows = read_table("api_ja.csv")
    assert len({row["name"] for row in rows}) == len(rows)
    wrong = {}
    for row in rows:
        text = row["sentence_ja"]
        problems = [] if re.search(r"[\u3040-\u30ff]", text) else ["no Japanese"]
        problems += [] if text.endswith("。") and text.count("。") == 1 else ["not one sentence"]
        problems += ["half-width punctuation"] * bool(re.search(r"[(),;:](?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", text))
        problems += list(renderings(re.sub(r"`[^`]*`", "", text)))
        wrong |= {row["name"]: problems} if problems else {}
    assert not wrong


@pytest.mark.parametrize("name", NAMES, **short)
def test_docstring_begins_with_one_line(name):
    first = name.doc.split("\n")[0]
    assert re.search(r"[.…]$", first.rstrip("`")) and name.doc.split("\n\n")[0].count("\n") == 0, first


@pytest.mark.parametrize("name", TOP, **short)
def test_docstring_has_an_example(name):
    """Its own, or for a class one of a name of the topic that speaks of it and so hands it out."""
    docs = [other.doc for other in NAMES if other.topic == name.topic and re.search(rf"`{name.path}`", other.doc)]
    found = any(">>> " in doc for doc in [name.doc, *(docs if name.kind == "class" else [])])
    where = "RuleOptimizer (lrlib/methods/optimizers/driver.py)" if "optimizers" in name.thing.__module__ else "another"
    assert found, f"give {name.path} an example, or name `{name.path}` in a docstring that has one, that of {where}"


@pytest.mark.parametrize("name", [name for name in TOP if name.kind == "rule"], **short)
def test_rule_names_its_source(name):
    assert YEAR.search(name.thing.source)


@pytest.mark.parametrize("name", [name for name in TOP if name.topic == "plans" and name.kind == "function"], **short)
def test_schedule_names_its_source(name):
    assert name.path in NOBODYS or YEAR.search(name.doc), "no source"


def arguments(doc):
    """The names that the docstring's section `Args:` explains."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)*)", doc, re.M)
    items = re.findall(r"^    (\*{0,2}\w+(?:, \*{0,2}\w+)*):", section[1], re.M) if section else []
    return {part.strip(" *") for item in items for part in item.split(",")}


@pytest.mark.parametrize("name", [name for name in TOP if arguments(name.doc)], **short)
def test_explained_arguments_exist(name):
    assert arguments(name.doc) <= set(inspect.signature(name.thing).parameters)


@pytest.mark.parametrize("name", NAMES, **short)
def test_references_in_a_docstring_lead_somewhere(name):
    lost = [text for text in re.findall(r"(?<![`:\w])`(lrlib\.[\w.]+)`(?!`)", name.doc) if not exists(text)]
    assert not lost


def exists(path):
    """Whether a dotted path is a module or an attribute of one."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_a_lost_reference_is_seen():
    assert (
        exists("lrlib.fit") and exists("lrlib.Plan.repeat") and not exists("lrlib.fit.fat") and not exists("lrlib.fat")
    )


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a * b and |x| and y_", ["a \\* b and \\|x\\| and y\\_", ""]),
        ("``a * b`` and `x|y` and a_b", ["``a * b`` and `x|y` and a_b", ""]),
        ("name: a word\n    and more", ["* ``name``: a word and more", ""]),
        ("* on data: x\n* toys: y", ["* on data: x", "* toys: y", ""]),
        ("Text.\n>>> f(2 * 3)\n6", ["Text.", "", ">>> f(2 * 3)", "6", ""]),
        ("Attributes:\n    a, b: all\n        of it\n    c: none", ["* ``a, b``: all of it", "* ``c``: none", ""]),
        ("Args:\n    a, b: *all*", ["Args:", "    a, b: \\*all\\*", ""]),
    ],
)
def test_docstrings_become_restructured_text(text, shown):
    assert api.restructured(text.split("\n")) == shown


def test_the_nearest_name_is_meant():
    assert api.resolve("init", "", "Rule") == api.resolve("init") == "Rule.init"
    assert api.resolve("lrlib.fit") == api.resolve("fit") == "fit"
    assert api.resolve("plot") is None, "several classes have one"


def test_the_table_of_methods_is_what_lrlib_registers():
    import json

    from lrbook import methods

    stored = BOOK.parent / "tests" / "benchmarks" / "results" / "methods.json"
    assert json.loads(stored.read_text(encoding="utf-8")) == methods.table(), "run `python3 run.py tables`"
