"""A small copy of the project in a folder whose name has spaces and Japanese characters."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # tools/ is no part of the installed packages


@pytest.fixture
def checkout(tmp_path):
    """What run.py needs of a checkout, without the book."""
    root = tmp_path / "本 と spaces"
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture
def env(checkout):
    """The environment of that copy, not made yet."""
    from tools.environment import Environment

    return Environment(checkout)
