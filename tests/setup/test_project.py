"""The files around the code agree with one another, and nothing of anyone's machine is in them."""

import ast
import csv
import importlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import lrlib
from tools import cli, environment, tables

from .conftest import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = {"lrlib": "lrlib", "lrwidgets": "widgets/lrwidgets", "lrbook": "book/lrbook"}


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, (li for li in lines if li and li[0] != "#"))}


def ranges():
    extras = {
        name: group for name, group in PROJECT["optional-dependencies"].items() if name != "ray"
    }  # never installed
    groups = [PROJECT["dependencies"], *extras.values()]
    return [one for one in (Requirement(text) for group in groups for text in group) if one.name != PROJECT["name"]]


def tracked():
    """What git tracks, and what it would track: a new file counts before it is added."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode("utf-8").split("\0") if name and (ROOT / name).is_file()]


def test_every_requirement_has_a_pin_inside_its_range():
    known = pins()
    for wanted in ranges():
        pin = known[canonicalize_name(wanted.name)]
        [version] = [specifier.version for specifier in pin.specifier]
        assert wanted.specifier.contains(version), f"{wanted} does not admit {pin}"


def test_the_running_environment_is_the_pinned_one():
    wrong = []
    for name, pin in pins().items():
        installed = importlib.metadata.version(name)
        if not pin.specifier.contains(installed):
            wrong.append(f"{pin} is installed as {installed}")
    assert not wrong


def test_every_installed_package_is_pinned():
    ours = {canonicalize_name(PROJECT["name"]), "pip", "setuptools", "wheel"}
    installed = {
        canonicalize_name(one.metadata["Name"])
        for one in importlib.metadata.distributions()
        if ".venv" in str(one._path)
    }
    assert installed - ours <= set(pins())


def test_conda_and_binder_get_the_same():
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert set(wanted) == {"name", "channels", "dependencies"} and wanted["name"] == PROJECT["name"]
    *conda, last = wanted["dependencies"]
    assert [spec.split("=")[0].rstrip(">") for spec in conda] == ["python", "pip"]
    python = next(spec for spec in conda if spec.startswith("python=")).split("=")[1]
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    assert last == {
        "pip": [f"--extra-index-url {environment.TORCH_INDEX}", "-c constraints.txt", f"-e .[{environment.EXTRAS}]"]
    }


def test_the_extras_that_are_installed_exist():
    assert set(environment.EXTRAS.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_licences_are_there():
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert "https://creativecommons.org/licenses/by/4.0/" in (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"] and citation["license"] == ["MIT", "CC-BY-4.0"]
    assert citation["title"] in README


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_imported_from_the_checkout_by_plain_paths(package):
    module = importlib.import_module(package)
    assert (ROOT / PACKAGES[package]).samefile(next(iter(module.__path__)))


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("lrlib", {"lrwidgets", "lrbook", "tools"}), ("lrwidgets", {"lrbook", "tools"}), ("lrbook", {"tools"})],
)
def test_imports_go_one_way(package, forbidden):
    for path in (ROOT / PACKAGES[package]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for name in names:
                assert name.split(".")[0] not in forbidden, f"{path.relative_to(ROOT)}:{node.lineno} imports {name}"


def test_the_library_knows_its_version():
    assert lrlib.__version__ == PROJECT["version"]


WHEEL = SETTINGS["tool"]["hatch"]["build"]["targets"]["wheel"]
ALONE = """
import sys
from importlib.util import find_spec
from pathlib import Path

here = Path(sys.argv[1])
checkout = lambda path: any((Path(path) / name).is_dir() for name in ("lrlib", "lrwidgets", "lrbook"))
sys.path = [str(here), *(path for path in sys.path if not checkout(path))]
import lrlib, lrwidgets

assert find_spec("lrbook") is None
assert all(Path(package.__file__).is_relative_to(here) for package in (lrlib, lrwidgets))
assert not [name for name in lrlib.__all__ if getattr(lrlib, name) is None]
assert lrwidgets.Stride().kind == "stride"
"""


@pytest.fixture
def unpacked(tmp_path):
    """A folder with the tracked files that the wheel's configuration names, as a wheel lays them out."""
    for folder in WHEEL["packages"]:
        for path in tracked():
            if path.is_relative_to(ROOT / folder):
                target = tmp_path / path.relative_to((ROOT / folder).parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
    return tmp_path


def test_the_wheel_holds_the_library_and_the_widgets_and_no_dead_package(unpacked):
    """lrbook reads tables, pages and results that lie beside it: without a checkout it can do nothing."""
    assert sorted(path.name for path in unpacked.iterdir()) == ["lrlib", "lrwidgets"]
    assert all((unpacked / "lrlib" / name).is_file() for name in ("__init__.pyi", "py.typed"))
    assert set(WHEEL) == {"packages", "dev-mode-dirs"}, "what else the wheel takes in or leaves out is not seen here"


def test_the_wheels_packages_work_outside_of_a_checkout(unpacked):
    done = subprocess.run(
        [sys.executable, "-E", "-c", ALONE, str(unpacked)], cwd=unpacked, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr


def private(name):
    return name.startswith("_") and not name.startswith("__")


def foreign_private_names(path):
    """(line, name) of what a file takes from a module and that module keeps to itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names if private(alias.name))
            modules |= {alias.asname or alias.name for alias in node.names} if not node.module else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            if private(node.attr):
                yield node.lineno, f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("package", ["lrwidgets", "lrbook"])
def test_modules_keep_their_private_names_to_themselves(package):
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in (ROOT / PACKAGES[package]).rglob("*.py")
        for line, name in foreign_private_names(path)
    ]
    assert not found, "make these public where they are, or write them where they are used: " + ", ".join(found)


def test_widgets_know_nothing_of_the_books_folders():
    for path in (ROOT / "widgets" / "lrwidgets").glob("*.py"):
        assert '"book"' not in path.read_text(encoding="utf-8"), f"{path.name} reads the book"


def test_the_readmes_commands_exist():
    known = cli.parser()._subparsers._group_actions[0].choices
    used = re.findall(r"run\.py ([a-z]+)", README)
    assert {"lab", "test"} <= set(used) <= set(known)


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            there = page.parent / name if name else page
            assert there.exists(), f"{page.name} links {target}"
            assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), f"{page.name} links {target}"


PATHS = re.compile(r"`((?:lrlib|widgets|book|tests|tools|docs)/[\w./-]+|run\.py|pyproject\.toml|constraints\.txt)`")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_files_and_tests_that_the_pages_name_exist(page):
    """Names that stand for one of many (NAME, NN, CNN) are left out."""
    text, sources = page.read_text(encoding="utf-8"), [path for path in tracked() if path.name.startswith("test_")]
    for name in PATHS.findall(text):
        assert re.search("NAME|NN|book/edit|node_modules", name) or (ROOT / name).exists(), f"{page.name} names {name}"
    tests = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.suffix == ".py")
    for name in re.findall(r"\b(test_\w{12,})\b(?!\.py)", text):
        assert f"def {name}(" in tests, f"{page.name} names {name}"


def test_the_index_of_docs_lists_every_page():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {p.name for p in (ROOT / "docs").glob("*.md")} - {"README.md"} == set(
        re.findall(r"\]\((\w[\w-]*\.md)\)", index)
    )


def dotted(node):
    """The dotted name that an expression is, or ""."""
    if isinstance(node, ast.Attribute):
        return f"{start}.{node.attr}" if (start := dotted(node.value)) else ""
    return node.id if isinstance(node, ast.Name) else ""


def is_private(name):
    parts = name.split(".")
    return parts[0] == "torch" and any(re.match(r"_(?!_)", p) or p == "experimental" for p in parts)


def private_parts_of_torch(tree):
    """What a file uses of torch that is private: dotted names, and names of attributes, hooks and keywords."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    lines = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch")
    ]
    theirs = {"torch", *(alias.asname or alias.name for line in lines for alias in line.names)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from (n for n in (f"{node.module}.{alias.name}" for alias in node.names) if is_private(n))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_private(alias.name))
        elif isinstance(node, ast.Attribute) and id(node) not in inner and is_private(dotted(node)):
            yield dotted(node)
        elif isinstance(node, ast.Attribute) and node.attr in ("_parameters", "_buffers", "_modules"):
            yield node.attr
        elif isinstance(node, ast.Constant) and re.fullmatch(r"_optimizer_\w+", str(node.value)):
            yield node.value
        elif isinstance(node, ast.Call) and dotted(node.func).split(".")[0] in theirs:
            yield from (each.arg for each in node.keywords if re.match(r"_(?!_)", each.arg or ""))


def test_every_private_part_of_torch_is_named_in_docs():
    page = (ROOT / "docs" / "torch-internals.md").read_text(encoding="utf-8")
    used = set()
    for package in PACKAGES.values():
        for path in (ROOT / package).rglob("*.py"):
            found = set(private_parts_of_torch(ast.parse(path.read_text(encoding="utf-8"))))
            unnamed = [name for name in sorted(found) if f"`{name}`" not in page]
            assert not unnamed, f"{path.relative_to(ROOT)} uses {unnamed}: name them in docs/torch-internals.md"
            used |= found
    cells = "\n".join(line for line in page.splitlines() if line.startswith("|"))
    named = {name for name in re.findall(r"`([\w.]+)`", cells) if is_private(name)}
    modules = {name.rpartition(".")[0] for name in used}
    assert not named - used - modules, "docs/torch-internals.md names what nothing uses"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import torch\ntorch._foreach_add_(a, b)", ["torch._foreach_add_"]),
        ("import torch._inductor.config", ["torch._inductor.config"]),
        ("from torch._guards import tracing as t", ["torch._guards.tracing"]),
        ("from torch.utils import _pytree", ["torch.utils._pytree"]),
        ("import torch\ntorch.ops.aten._to_copy.default(x)", ["torch.ops.aten._to_copy.default"]),
        ("del module._parameters[n]", ["_parameters"]),
        ("from torch.fx import trace\ntrace(step, _allow=True)", ["_allow"]),
        ("own(step, _allow=True)", []),
        ("import torch\nprint(torch.__version__, torch.func.vmap, self._own)", []),
    ],
)
def test_the_search_for_private_parts_finds_them(code, found):
    assert list(private_parts_of_torch(ast.parse(code))) == found


def test_torch_has_an_upper_bound():
    """It admits the pinned minor version and none after it."""
    [wanted] = [one for one in ranges() if one.name == "torch"]
    [pinned] = [one.version for one in pins()["torch"].specifier]
    major, minor, *_ = map(int, pinned.split("."))
    assert wanted.specifier.contains(pinned) and not wanted.specifier.contains(f"{major}.{minor + 1}.0")
    page = (ROOT / "docs" / "torch-internals.md").read_text(encoding="utf-8")
    said = SpecifierSet(re.search(r"`torch(>=[^`]+)`", page)[1])
    assert said == wanted.specifier, f"docs/torch-internals.md says {said}"


def test_the_readmes_tables_are_what_the_benchmarks_stored():
    assert tables.filled(README, ROOT) == README, "run `python3 run.py tables`"


def test_the_readme_credits_the_four_documents():
    credited = README.split("## Credits")[1]
    for title in (
        "AIモデルにおける学習率(Learning Rate)の最適化戦略を徹底解説",
        "「学習率」というアクセルの踏み込み方",
        "大きな学習率はどこに導くか",
    ):
        assert title in credited
    assert len(re.findall(r"^\d\. ", credited, re.M)) == 4


TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".yml",
    ".yaml",
    ".cfg",
    ".csv",
    ".json",
    ".js",
    ".mjs",
    ".css",
    ".html",
    ".bib",
    ".ipynb",
    ".cff",
    ".svg",
    "",
}
BIG = 3_000_000
LEAKS = {
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:work|home/\w+|root|Users/\w+|opt/(?:pypi|wheels))(?:/|\b(?!\.))"
    ),
    "a temporary path": re.compile(r"(?<![\w.])/tmp/(?!\W)"),
    "a package registry's host": re.compile(
        r"(?:pypi\.org/simple|pythonhosted|registry\.npmjs|registry\.yarnpkg|deb\.debian\.org|/artifactory/|:\d+/simple)"
    ),
}
ALLOWED = {"tests/setup/test_project.py", "tests/setup/test_environment.py"}  # they name such things to refuse them


def texts():
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in TEXT and name not in ALLOWED and "/vendor/" not in name and path.stat().st_size < BIG:
            yield name, path.read_text(encoding="utf-8", errors="replace")


def test_nothing_of_anyones_machine_is_in_the_project():
    found = []
    for name, text in texts():
        for what, pattern in LEAKS.items():
            for hit in pattern.finditer(text):
                found.append(f"{name}:{text.count(chr(10), 0, hit.start()) + 1}: {what}: {hit[0]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line", ["/work/x", "see /root/.cache", "/home/ann/book", "/tmp/try", "https://pypi.org/simple"]
)
def test_the_search_for_leaks_finds_them(line):
    assert any(pattern.search(line) for pattern in LEAKS.values())


@pytest.mark.parametrize("line", ["book/work/x", "https://download.pytorch.org/whl/cpu", "homework/", "a/root/b"])
def test_the_search_for_leaks_leaves_the_rest(line):
    assert not any(pattern.search(line) for pattern in LEAKS.values())


def test_text_files_are_utf_8_and_name_their_encoding():
    """Every tracked table and source decodes, and no Python file opens text in the system's own encoding."""
    for path in tracked():
        if path.suffix in {".py", ".md", ".csv", ".json", ".ipynb", ".toml", ".yml"}:
            path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            with open(path, encoding="utf-8", newline="") as file:
                widths = {len(row) for row in csv.reader(file)}
            assert len(widths) == 1, f"{path.relative_to(ROOT)} has rows of {sorted(widths)} cells"


def test_ruff_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", "."],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_python_is_formatted():
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "."], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, "run `python3 run.py format`\n" + done.stdout + done.stderr


def test_experiments_hold_tables_and_no_walls():
    for path in (ROOT / "book" / "experiments").glob("*.py"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert len(line) <= 160, f"{path.relative_to(ROOT)}:{number} has {len(line)} characters"


def test_no_javascript_lock_file_names_a_host():
    for path in tracked():
        if path.name == "package-lock.json":
            assert '"resolved"' not in path.read_text(encoding="utf-8"), path
