"""How lrlib's functions are called inside lrlib: few arguments by position, so that a new one is added in one place.

A rule is called in the notation of its paper, f(x, g, state, t), by whatever name holds it.
"""

import ast
from pathlib import Path

import pytest

import lrlib

LIBRARY = Path(lrlib.__file__).parent
FILES = sorted(LIBRARY.rglob("*.py"))
MOST = 4


def trees():
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def own_names(trees):
    """Names of all functions, methods and classes that lrlib defines."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, kinds)}


def called(node):
    """The name by which something is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)


def crowded(trees, names):
    """Calls of lrlib's own functions with more than `MOST` arguments by position."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in names and len(node.args) > MOST:
                yield f"{path.relative_to(LIBRARY)}:{node.lineno} {called(node)}"


def test_calls_of_own_functions_pass_at_most_four_arguments_by_position():
    found = trees()
    assert list(crowded(found, own_names(found))) == []


@pytest.mark.parametrize(
    "call, named", [("f(1, 2, 3, 4)", False), ("f(1, 2, 3, 4, 5)", True), ("o.f(1, 2, 3, 4, 5)", True)]
)
def test_a_crowded_call_is_seen(call, named):
    assert bool(list(crowded({LIBRARY / "x.py": ast.parse(call)}, {"f"}))) == named
