"""What is written is registered: a widget that no reader can open fails here, with the step to take."""

import ast
import importlib
import pathlib
import pkgutil
import re

import pytest

import lrwidgets
from lrwidgets.base import Figure, LiveFigure

HERE = pathlib.Path(__file__).parent
KIT = (HERE.parents[1] / "widgets" / "js" / "kit.js").read_text(encoding="utf-8")


def written():
    """{name: class} of every widget, also in a file that nothing imports yet."""
    for module in pkgutil.iter_modules(lrwidgets.__path__, "lrwidgets."):
        importlib.import_module(module.name)
    found, left = {}, [Figure]
    while left:
        cls = left.pop()
        left += cls.__subclasses__()
        if cls not in (Figure, LiveFigure) and cls.__module__.startswith("lrwidgets."):
            found[cls.__name__] = cls
    return found


def views():
    """The kinds that the table VIEWS of kit.js knows."""
    table = re.search(r"VIEWS = \{(.*?)\}", KIT, re.S)[1]
    return re.findall(r"(\w+)(?:: \w+)?,", table)


def named_alone(name):
    """Whether a test of test_page.py is of this widget: the only one that it names."""
    tree = ast.parse((HERE / "test_page.py").read_text(encoding="utf-8"))
    for test in tree.body:
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
            if names & set(lrwidgets.__all__) == {name}:
                return True
    return False


@pytest.mark.parametrize("name", sorted(written()))
def test_a_widget_can_be_reached(name):
    kind = written()[name].kind.default_value
    assert name in lrwidgets.__all__, f"add {name} to __all__ of lrwidgets/__init__.py, and import it there"
    assert kind in views(), f"add {kind!r}, the kind of {name}, to VIEWS of widgets/js/kit.js"
    assert f"``{name}``" in lrwidgets.__doc__, f"add a sentence on {name} to the docstring of lrwidgets/__init__.py"
    assert named_alone(name), f"add a test of {name} alone to tests/widgets/test_page.py"
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py") if path.name != "test_page.py")
    assert re.search(rf"\b{name}\(", tests), f"add a file of tests for the Python of {name}: tests/widgets/test_NAME.py"


def test_every_view_has_its_widget():
    kinds = [cls.kind.default_value for cls in written().values()]
    assert sorted(kinds) == sorted(views()), "VIEWS of widgets/js/kit.js and the widgets' kinds differ"
