"""run.py test: order, counting, the table, and that nothing missing or crashed can pass for success."""

import os
import sys
import time
from pathlib import Path

import pytest

from tools import choice, stages
from tools.environment import Environment
from tools.stages import Result, Stage

from .conftest import ROOT

PASS, FAIL = "def test_a(): pass\n", "def test_b(): assert False\n"
SKIP = "import pytest\n@pytest.mark.skip\ndef test_c(): pass\n"
CRASH = "def test_d():\n    import os; os._exit(3)\n"


class Here(Environment):
    """A checkout that borrows the Python that runs these tests."""

    @property
    def python(self):
        return Path(sys.executable)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the plugins of this project take seconds
    root = tmp_path / "本 と spaces"
    root.mkdir()
    return Here(root)


def suite(env, name, text):
    """A stage with one test file."""
    (env.root / f"test_{name}.py").write_text(text, encoding="utf-8")
    return Stage(name, 60, (("-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{name}.py"),), (f"test_{name}.py",))


def run(monkeypatch, env, *made, names=(), ci=False, expression=None):
    monkeypatch.setattr(stages, "STAGES", made)
    monkeypatch.setenv("CI", "true")
    if not ci:
        monkeypatch.delenv("CI")
    return stages.test(env, list(names), 1.5, expression)


def last_line(capfd):
    return capfd.readouterr().out.rstrip("\n").split("\n")[-1]


def test_the_stages_and_their_order():
    names = [stage.name for stage in stages.STAGES]
    assert names == ["setup", "unit", "conformance", "notebooks", "experiments", "book", "pages", "lab"]
    assert stages.ENVIRONMENT_BUDGET + sum(stage.budget for stage in stages.STAGES) <= 30 * 60


def test_it_goes_on_after_a_failure_and_adds_up(monkeypatch, here, capfd):
    status = run(monkeypatch, here, suite(here, "one", PASS + FAIL), suite(here, "two", PASS + SKIP))
    out = capfd.readouterr().out
    assert status == 1
    assert out.rstrip("\n").split("\n")[-1] == "2 passed, 1 failed, 1 skipped"
    assert "1 passed, 1 failed" in out and "=== two" in out


def test_all_passed(monkeypatch, here, capfd):
    assert run(monkeypatch, here, suite(here, "one", PASS)) == 0
    assert last_line(capfd) == "1 passed, 0 failed"


def test_only_the_named_stages_run(monkeypatch, here, capfd):
    assert run(monkeypatch, here, suite(here, "one", FAIL), suite(here, "two", PASS), names=["two"]) == 0
    assert last_line(capfd) == "1 passed, 0 failed"


def test_an_unknown_stage_is_refused(monkeypatch, here):
    with pytest.raises(SystemExit, match="No stage is called dance; there are one"):
        run(monkeypatch, here, suite(here, "one", PASS), names=["dance"])


@pytest.mark.parametrize(
    "text",
    [CRASH, "", "import not_there\n", "def test_a(:\n"],
    ids=["crash", "no test", "import error", "syntax error"],
)
def test_what_did_not_really_run_has_failed(monkeypatch, here, capfd, text):
    assert run(monkeypatch, here, suite(here, "one", text)) == 1
    assert last_line(capfd).startswith("0 passed, 1 failed")


def test_an_old_report_is_never_counted(monkeypatch, here, capfd):
    assert run(monkeypatch, here, suite(here, "one", PASS)) == 0
    assert run(monkeypatch, here, suite(here, "one", CRASH)) == 1


def test_a_command_without_a_report_counts_as_one(monkeypatch, here, capfd):
    build = Stage("book", 60, (("-c", "pass"), ("-c", "raise SystemExit(2)")))
    assert run(monkeypatch, here, build) == 1
    out = capfd.readouterr().out
    assert out.rstrip("\n").split("\n")[-1] == "1 passed, 1 failed" and "ended with status 2" in out


@pytest.mark.parametrize("ci", [False, True])
def test_a_missing_folder_fails_in_ci_and_is_said_elsewhere(monkeypatch, here, capfd, ci):
    gone = Stage("pages", 60, (("-c", "pass"),), ("tests/pages",))
    assert run(monkeypatch, here, gone, ci=ci) == int(ci)
    assert "not run: pages, because tests/pages is missing" in capfd.readouterr().out


@pytest.mark.parametrize("ci", [False, True])
def test_a_missing_browser_fails_in_ci_and_costs_one_line_elsewhere(monkeypatch, here, capfd, ci):
    monkeypatch.setattr(stages.shutil, "which", lambda name: None)
    lab = Stage("lab", 60, (("-c", "raise SystemExit(2)"),), needs=("a browser (Chromium)",))
    assert run(monkeypatch, here, lab, ci=ci) == int(ci)
    out = capfd.readouterr().out.split("=== lab\n")[1].split("\n\n")[0]
    assert out == "not run: lab, because there is no browser (Chromium)"


@pytest.mark.parametrize("ci", [False, True])
def test_a_missing_compiler_is_said_and_the_rest_runs(monkeypatch, here, capfd, ci):
    monkeypatch.setattr(stages.shutil, "which", lambda name: None)
    unit = Stage("unit", 60, suite(here, "one", PASS).commands, wants=("a C++ compiler",))
    assert run(monkeypatch, here, unit, ci=ci) == int(ci)
    out = capfd.readouterr().out
    assert "not run: tests in unit that need a C++ compiler, because there is none" in out and "1 passed" in out


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_stage_that_hangs_is_ended_with_all_its_children(monkeypatch, here, capfd):
    monkeypatch.setattr(stages, "LEAST", 1.5)
    (here.root / "child.py").write_text("import time; time.sleep(4); open('alive', 'w')", encoding="utf-8")
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, 'child.py']); time.sleep(60)"
    started = time.monotonic()
    assert run(monkeypatch, here, Stage("lab", 0, (("-c", code),))) == 1
    assert time.monotonic() - started < 20
    assert "ended at its time limit" in capfd.readouterr().out
    time.sleep(4)
    assert not (here.root / "alive").exists()


def test_the_table():
    results = [Result("environment", 240, 3.2), Result("unit", 240, 250, passed=5, failed=1, skipped=2)]
    assert stages.table(results).split("\n") == [
        "stage        seconds  budget  result",
        "environment        3     240  done",
        "unit             250     240  5 passed, 1 failed, 2 skipped; over its budget of 240 s",
        "all              253     480",
    ]
    assert stages.totals(results) == "5 passed, 1 failed, 2 skipped"


# -- paths and -k -----------------------------------------------------------------------------------------------------


def commands(*words, expression=None):
    """{stage: the arguments of its commands} of the project's own stages, narrowed."""
    return {stage.name: stage.commands for stage in choice.chosen(ROOT, stages.STAGES, list(words), expression)}


def test_a_path_runs_under_the_options_of_its_stage():
    assert commands("book/en/index.ipynb") == {
        "notebooks": ((*stages.PYTEST, *stages.TWO, *stages.NBVAL, "book/en/index.ipynb"),)
    }
    assert commands("lrlib/plans") == {"unit": ((*stages.PYTEST, *stages.TWO, "--doctest-modules", "lrlib/plans"),)}
    assert [*commands("tests/setup/test_stages.py", "book/ja")] == ["setup", "notebooks"]


def test_a_folder_above_stages_chooses_what_lies_in_it():
    assert [*commands("book")] == ["book"], "a stage's name goes before a folder's"
    assert [*commands("book/")] == ["unit", "notebooks"]
    [unit] = commands("tests")["unit"]
    assert set(stages.UNIT) < set(unit) and not set(stages.PACKAGES) & set(unit)


def test_a_node_id_keeps_what_stands_behind_its_file():
    node = "tests/lrlib/test_index.py::test_every_listed_name_exists[a/b::c]"
    [command] = commands(node)["unit"]
    assert command[-1] == node


def test_a_stage_by_name_is_whole_also_beside_a_path_of_it():
    assert commands("setup", "tests/setup/test_stages.py")["setup"] == stages.STAGES[0].commands
    assert commands() == {stage.name: stage.commands for stage in stages.STAGES}


def test_an_expression_goes_to_every_stage_that_has_tests():
    found = commands(expression="adam and not radam")
    assert "book" not in found and len(found) == len(stages.STAGES) - 1
    assert all(command[-2:] == ("-k", "adam and not radam") for made in found.values() for command in made)


def test_paths_may_be_given_from_the_folder_where_one_stands(monkeypatch):
    monkeypatch.chdir(ROOT / "tests" / "setup")
    assert commands("test_stages.py") == commands("tests/setup/test_stages.py")


@pytest.mark.parametrize(
    ("words", "expression", "message"),
    [
        (["tests/lrlib/test_nothing.py"], None, "There is no tests/lrlib/test_nothing.py"),
        (["tests/nothing.py::test_a"], None, "There is no tests/nothing.py"),
        (["README.md"], None, "No stage tests README.md; they test tests/setup, tests/lrlib"),
        (["tests/benchmarks"], None, "No stage tests tests/benchmarks"),
        ([".."], None, "lies outside of"),
        (["dance"], None, "No stage is called dance; there are setup"),
        (["book"], "adam", "the stage book has none to choose from"),
    ],
)
def test_what_cannot_be_chosen_is_said(words, expression, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match=message):
        commands(*words, expression=expression)


def test_a_file_and_an_expression_run_and_are_counted(monkeypatch, here, capfd):
    made = suite(here, "one", PASS + FAIL), suite(here, "two", PASS)
    assert run(monkeypatch, here, *made, names=["test_one.py"], expression="test_a") == 0
    assert last_line(capfd) == "1 passed, 0 failed"
    assert run(monkeypatch, here, *made, names=["test_one.py::test_b"]) == 1
    assert last_line(capfd) == "0 passed, 1 failed"


def test_an_expression_may_choose_nothing_of_one_stage_but_not_of_all(monkeypatch, here, capfd):
    made = suite(here, "one", PASS), suite(here, "two", FAIL.replace("assert False", "pass"))
    assert run(monkeypatch, here, *made, expression="test_b") == 0
    assert last_line(capfd) == "1 passed, 0 failed"
    assert run(monkeypatch, here, *made, expression="test_z") == 1
    out = capfd.readouterr().out
    assert out.rstrip("\n").split("\n")[-1] == "0 passed, 1 failed" and "no test is chosen by -k 'test_z'" in out
