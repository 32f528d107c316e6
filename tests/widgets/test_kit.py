"""The built kit: fresh, small, offline; and the pure functions under Node."""

import json
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
JS, STATIC = ROOT / "widgets" / "js", ROOT / "widgets" / "lrwidgets" / "static"
HERE = pathlib.Path(__file__).parent
UNTYPED = {  # written before types were checked; a file that passes leaves this list, and no new one enters it
    "core/chart.js",
    "core/controls.js",
    "core/frame.js",
    "core/i18n.js",
    "core/i18n_cost.js",
    "core/i18n_edge.js",
    "core/i18n_regime.js",
    "core/i18n_share.js",
    "core/i18n_train.js",
    "core/i18n_walk.js",
    "core/kernel.js",
    "core/lab.js",
    "core/model.js",
    "core/stream.js",
    "cost.js",
    "edge.js",
    "kit.js",
    "landscape.js",
    "page.js",
    "regimes.js",
    "shared.js",
    "stride.js",
    "sweep_lab.js",
    "training_lab.js",
}


@pytest.fixture
def tools(need):
    """The JavaScript tools that package-lock.json names, installed."""
    need("node", "npm")
    if not all((JS / "node_modules" / tool).is_dir() for tool in ("esbuild", "prettier", "typescript")):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=JS, check=True, capture_output=True)


def test_the_source_is_formatted(tools):
    done = subprocess.run(["npm", "run", "--silent", "format", "--", "--check"], cwd=JS, capture_output=True, text=True)
    assert done.returncode == 0, "run `python3 run.py format`\n" + done.stderr


def test_the_types_are_right(tools):
    done = subprocess.run(["npm", "run", "--silent", "types"], cwd=JS, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout


def test_the_types_of_every_new_file_are_checked():
    unchecked = {
        path.relative_to(JS).as_posix()
        for path in [*JS.glob("*.js"), *JS.glob("core/*.js")]
        if not path.read_text(encoding="utf-8").startswith("// @ts-check\n")
    }
    new, done = sorted(unchecked - UNTYPED), sorted(UNTYPED - unchecked)
    assert not new, f"begin {', '.join(new)} with the line // @ts-check, and say the types in JSDoc"
    assert not done, f"remove {', '.join(done)} from UNTYPED: their types are checked now, or they are gone"


def test_the_checker_of_types_is_strict_and_pinned():
    options = json.loads((JS / "tsconfig.json").read_text(encoding="utf-8"))["compilerOptions"]
    assert options["strict"] and options["noEmit"] and options["allowJs"]
    tools = json.loads((JS / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in tools.values()), "pin the tools exactly"


def test_the_committed_kit_is_what_the_source_gives(tools):
    done = subprocess.run(["node", "build.mjs", "--check"], cwd=JS, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, f"run `python3 run.py js`: {done.stderr}"


def test_pure_functions(need):
    need("node")
    done = subprocess.run(
        ["node", "--test", str(HERE / "kit.test.mjs")], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout[-3000:]
    written = re.findall(r"^test\(", (HERE / "kit.test.mjs").read_text(encoding="utf-8"), re.M)
    assert int(re.search(r"# pass (\d+)", done.stdout).group(1)) == len(written) > 0


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
