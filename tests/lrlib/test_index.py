"""The face of lrlib: every name that it lists exists, importing it loads nothing heavy, and rooms import one way."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lrlib

LIBRARY = Path(lrlib.__file__).parent
# Each room may import those before it. A view is loaded where it is asked for: `Plan.plot` draws, `plot.range_test` is
# of a finder's result.
ROOMS = ["_base", "plans", "methods", "tasks", "runs", "looking", "choosing", "cli"]
VIEWS = {("plans", "looking"), ("looking", "choosing")}


@pytest.mark.parametrize("name", lrlib.__all__)
def test_every_listed_name_exists(name):
    assert getattr(lrlib, name) is not None and name in dir(lrlib)


def test_an_unknown_name_is_an_attribute_error_that_names_the_nearest():
    with pytest.raises(AttributeError, match="module 'lrlib' has no attribute 'warmpu'; did you mean 'warmup'"):
        lrlib.warmpu  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'qqq'$"):
        lrlib.qqq  # noqa: B018


def test_names_are_loaded_when_they_are_used():
    code = "import sys, lrlib; assert 'torch' not in sys.modules; lrlib.warmup; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_on_the_face_is_a_module_but_the_namespaces():
    modules = {name for name in lrlib.__all__ if inspect.ismodule(getattr(lrlib, name))}
    assert modules == {"plans", "tasks", "rules", "optimizers", "plot", "streams"}


def exported(package):
    """The public names of an `__init__`: its `__all__`."""
    return getattr(importlib.import_module(f"lrlib.{package}"), "__all__", [])


@pytest.mark.parametrize("package", ["plans", "choosing.finder", "choosing.recipe", "looking.curvature"])
def test_what_a_room_exports_is_on_the_face(package):
    missing = [name for name in exported(package) if name not in lrlib.__all__]
    assert not missing, f"add these to lrlib/__init__.pyi: {', '.join(missing)}"


def for_checkers(node):
    """Whether a statement is there for type checkers alone: nothing in it is imported at run time."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(path):
    """(room imported, whether at the top of the file) of every relative import of a file."""
    here, tree = path.relative_to(LIBRARY).parts[:-1], ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not for_checkers(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            for alias in node.names:
                yield next(filter(None, [*base, alias.name])), node.col_offset == 0


def test_rooms_import_one_way():
    for path in sorted(LIBRARY.rglob("*.py")):
        room = path.relative_to(LIBRARY).parts[0]
        for other, at_top in imports(path) if room in ROOMS else ():
            lazy_view = (room, other) in VIEWS and not at_top
            assert lazy_view or ROOMS.index(other) <= ROOMS.index(room), f"{path} imports {other}"
