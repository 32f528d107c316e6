"""A strict type checker reads the face of lrlib, passes a user's script and finds what is wrong in another."""

import os
import re
import subprocess
import sys

import pytest

from .conftest import ROOT

USER = ROOT / "tests" / "setup" / "typed_user.py"
WRONG = """
from lrlib import Adam, attach, cosine, fit, rules, sweep, tasks, warmup

warmup("3")
warmup(3) >> 2
cosine(10, finale=0.1)
fit(tasks.digits, "sgd")
fit(tasks.digits(), lr="0.1")
sweep(tasks.digits(), rule=3)
Adam([], betas=0.9)
Adam([], beta3=0.9)
rules.gett("sgd")
attach(None, warmup(3))
tasks.digits(width="wide")
length: str = warmup(3).length
"""


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Let mypy read files with the project's settings, strictly: → what it says of them."""
    cache = tmp_path_factory.mktemp("mypy")

    def checked(*files):
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), *map(str, files)]
        environment = {**os.environ, "MYPYPATH": str(ROOT)}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True).stdout

    return checked


def test_the_face_and_a_users_script_pass_a_strict_checker(check):
    said = check(ROOT / "lrlib" / "__init__.pyi", USER)
    assert said.startswith("Success: no issues found in 2 source files"), said


def test_each_wrong_line_is_found(check, tmp_path):
    script = tmp_path / "wrong.py"
    script.write_text(WRONG, encoding="utf-8")
    found = {int(line) for line in re.findall(r"wrong\.py:(\d+): error", check(script))}
    assert found == {k for k, line in enumerate(WRONG.splitlines(), 1) if line and "import" not in line}
