"""run.py's own words: help, unknown commands, an old Python, JupyterLab's command line."""

import ast
import os
import signal
import subprocess
import sys
import time

import pytest

from tools import cli, lab

from .conftest import ROOT


def call(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **variables},
        timeout=60,
    )


def test_help_names_every_command():
    done = call("--help")
    for command in ("setup", "lab", "test", "book", "notebooks", "edit", "translated", "js", "tables"):
        assert command in done.stdout
    assert done.returncode == 0


def test_help_is_readable_where_the_console_is_not_utf_8():
    done = call("--help", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0


@pytest.mark.parametrize("arguments", [(), ("dance",), ("test", "--fast"), ("book", "fr"), ("edit",)])
def test_a_wrong_command_is_refused_before_anything_happens(arguments):
    done = call(*arguments)
    assert done.returncode == 2 and "usage:" in done.stderr


def test_an_old_python_is_told_so():
    """The check stands before anything that an old Python cannot read, and nothing of the project precedes it."""
    source = (ROOT / "run.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 4))
    old = "import sys; sys.version_info = (3, 8, 1); exec(compile(open('run.py').read(), 'run.py', 'exec'))"
    done = subprocess.run([sys.executable, "-c", old], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 1
    assert "This is Python 3.8" in done.stderr and "3.11 or newer" in done.stderr and "Traceback" not in done.stderr


def test_tools_need_nothing_but_the_standard_library():
    allowed = set(sys.stdlib_module_names) | {"tools"}
    for path in [ROOT / "run.py", *(ROOT / "tools").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            assert {name.split(".")[0] for name in names} <= allowed, path


def test_lab_opens_the_readers_copy(env):
    command = lab.command(env, ["--port=9999"], browser=False)
    assert command[1:3] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={env.root / 'my-notebooks'}" in command
    assert "--no-browser" in command and command[-1] == "--port=9999"
    assert "--no-browser" not in lab.command(env, [], browser=True)


@pytest.mark.parametrize(("spoken", "edition"), [("ja_JP.UTF-8", "ja"), ("en_GB.UTF-8", "en"), ("C.UTF-8", "en")])
def test_lab_opens_in_the_systems_language(env, monkeypatch, spoken, edition):
    monkeypatch.setenv("LC_ALL", spoken)
    assert f"--LabApp.default_url=/lab/tree/{edition}/index.ipynb" in lab.command(env, [], browser=True)


def test_lab_passes_jupyters_own_options_on(monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "ensure", lambda env, cuda: "ready")
    monkeypatch.setattr(lab, "start", lambda env, rest, browser: seen.append((rest, browser)) or 0)
    assert cli.main(["lab", "--no-browser", "--port=9999"]) == 0
    assert seen == [(["--port=9999"], False)]


@pytest.mark.parametrize(
    "said",
    [
        ["edit", "two_rates", "--lang", "en", "--force", "--untranslated"],
        ["notebooks", "stride", "--lang", "ja"],
        ["translated", "a", "b"],
    ],
)
def test_those_who_write_hand_their_options_on(said, monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "ensure", lambda env, cuda: "ready")
    monkeypatch.setattr(cli.Environment, "run", lambda env, *words: seen.append(words) or 0)
    assert cli.main(said) == 0
    assert seen == [("-m", f"lrbook.{said[0]}", *said[1:])]


@pytest.mark.parametrize(
    "said", [["experiment", "E03", "E05", "--seeds-from", "7", "--folder", "out"], ["reproduce", "--tenth", "0"]]
)
def test_experiments_are_run_again_by_name_or_by_lot(said, monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "ensure", lambda env, cuda: "ready")
    monkeypatch.setattr(cli.Environment, "run", lambda env, *words: seen.append(words) or 0)
    assert cli.main(said) == 0
    assert seen == [("-m", "lrbook.fresh", *said[1:])]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_no_browser_is_tried(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not lab.has_display()
    monkeypatch.setenv("DISPLAY", ":0")
    assert lab.has_display()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_jupyterlab_without_a_traceback(tmp_path):
    """A real Ctrl-C to the whole group, with a program in JupyterLab's place that notes how it ended."""
    child = (
        "import time\ntry: print('up', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: print('saved', flush=True)"
    )
    parent = (
        "import subprocess, sys; from tools import lab\n"
        f"sys.exit(lab.wait(subprocess.Popen([sys.executable, '-c', {child!r}])))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdout.readline() == "up\n"
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "saved" in out and "JupyterLab has ended" in out and "Traceback" not in err


def test_jupyterlab_fetches_no_news():
    code = (
        "import json; from jupyterlab.labapp import LabApp; app = LabApp(); app.load_config_file();"
        "print(json.dumps([app.news_url, app.check_for_updates_class.__name__]))"
    )
    config = {"JUPYTER_CONFIG_PATH": str(ROOT / "tools" / "jupyter")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=os.environ | config)
    assert done.stdout.strip().splitlines()[-1] == '[null, "NeverCheckForUpdate"]', done.stderr
