"""The built kit: fresh, small, offline; and the pure functions under Node."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
JS, STATIC = ROOT / "widgets" / "js", ROOT / "widgets" / "lrwidgets" / "static"
HERE = pathlib.Path(__file__).parent


@pytest.fixture
def tools(need):
    """The JavaScript tools that package-lock.json names, installed."""
    need("node", "npm")
    if not all((JS / "node_modules" / tool).is_dir() for tool in ("esbuild", "prettier")):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=JS, check=True, capture_output=True)


def test_the_source_is_formatted(tools):
    done = subprocess.run(["npm", "run", "--silent", "format", "--", "--check"], cwd=JS, capture_output=True, text=True)
    assert done.returncode == 0, "run `python3 run.py format`\n" + done.stderr


def test_the_committed_kit_is_what_the_source_gives(tools):
    done = subprocess.run(["node", "build.mjs", "--check"], cwd=JS, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


def test_pure_functions(need):
    need("node")
    done = subprocess.run(
        ["node", "--test", str(HERE / "kit.test.mjs")], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"# pass (\d+)", done.stdout).group(1)) >= 19


@pytest.mark.parametrize("name, limit", [("kit.js", 96_000), ("page.js", 98_000), ("kit.css", 6_000)])
def test_the_kit_stays_small(name, limit):
    assert len((STATIC / name).read_bytes()) <= limit


@pytest.mark.parametrize("name", ["kit.js", "page.js"])
def test_the_kit_asks_no_network(name):
    text = (STATIC / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|\bfetch\(|XMLHttpRequest|\bimport\(|WebSocket", text)
    assert (name == "page.js") != bool(re.search(r"export\s*\{", text))


def test_the_lock_file_names_no_host():
    text = (JS / "package-lock.json").read_text(encoding="utf-8")
    assert "http" not in re.sub(r'"(url|funding)": ?"[^"]*"', "", text) and '"integrity"' in text
