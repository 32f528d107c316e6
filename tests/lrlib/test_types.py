"""Every public function and method of lrlib says what it takes and what it returns, in hints that resolve."""

import ast
import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import lrlib

STUB = Path(lrlib.__file__).parent / "methods" / "optimizers" / "__init__.pyi"
OPERATORS = ("__init__", "__call__", "__rshift__", "__mul__", "__rmul__", "__add__", "__radd__")


def public():
    """(name, thing) of everything on the face, and of what its modules keep to themselves."""
    for name in lrlib._FACE:
        thing = getattr(lrlib, name)
        if inspect.ismodule(thing):
            yield from ((f"{name}.{own}", getattr(thing, own)) for own in thing.__all__)
        else:
            yield name, thing


def plain(member):
    """The function behind a property, a class method, a decorated function or a rule; None for anything else."""
    member = getattr(member, "fget", None) or getattr(member, "__func__", member)
    if isinstance(member, functools.cached_property):
        member = member.func
    member = getattr(member, "update", member) if isinstance(member, lrlib.Rule) else member
    member = inspect.unwrap(member) if callable(member) else member
    return member if inspect.isfunction(member) else None


def functions():
    """{(module, qualified name): function} of every public function, rule and public method that lrlib defines."""
    found = {}
    for name, thing in public():
        members = {name: thing}
        if inspect.isclass(thing):
            owned = [vars(cls) for cls in reversed(thing.__mro__) if cls.__module__.startswith("lrlib")]
            members = {n: m for own in owned for n, m in own.items() if n in OPERATORS or not n.startswith("_")}
        for function in filter(None, map(plain, members.values())):
            if function.__module__.startswith("lrlib"):
                found[function.__module__, function.__qualname__] = function
    return found


FUNCTIONS = {f"{module}.{name}": function for (module, name), function in functions().items()}


@functools.cache
def for_checkers(module):
    """What a module imports under ``if TYPE_CHECKING:``, by name."""
    tree = ast.parse(Path(sys.modules[module].__file__).read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    names = {"__name__": module, "__package__": importlib.import_module(module).__spec__.parent}
    for block in blocks:
        exec(compile(ast.Module(block.body, type_ignores=[]), module, "exec"), names)  # noqa: S102
    return names


def without_hint(function):
    """Names of the parameters without a hint, and "return" where the result has none."""
    own, *others = inspect.signature(function).parameters.values() or [None]
    bound = own is not None and own.name in ("self", "cls")
    parameters = others if bound else [own, *others] if own else []
    missing = [p.name for p in parameters if p.annotation is p.empty]
    return missing + ["return"] * (inspect.signature(function).return_annotation is inspect.Signature.empty)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_all_its_hints(name):
    assert without_hint(FUNCTIONS[name]) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_hint_names_something(name):
    function = FUNCTIONS[name]
    assert typing.get_type_hints(function, localns=for_checkers(function.__module__))


@pytest.mark.parametrize("run", [lrlib.fit, lrlib.sweep])
def test_numbers_of_updates_are_hinted_as_they_are_taken(run):
    """As sequences: an iterator, which an ``Iterable`` may be, is refused."""
    hints = typing.get_type_hints(run, localns=for_checkers(run.__module__))
    rows = Sequence[int] | np.ndarray | None
    assert hints["snapshots"] == rows and hints["evaluate"] == int | rows


def test_checkers_see_the_names_that_the_optimizers_have():
    [listed] = [node for node in ast.parse(STUB.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)]
    assert ast.literal_eval(listed.value) == lrlib.optimizers.__all__, "lrlib/methods/optimizers/__init__.pyi: __all__"


HOW_TORCH_RUNS = {"foreach", "capturable", "differentiable", "fused"}  # taken, and of no effect


def constructors():
    """{class: its ``__init__``} of the optimizers, as type checkers see them."""
    stub = ast.parse(STUB.read_text(encoding="utf-8"))
    return {node.name: node.body[0] for node in stub.body if isinstance(node, ast.ClassDef)}


def options(function):
    """{name: default} of what a constructor takes by position after ``params``, and of what it takes by name."""
    by_place, by_name = function.args.args[2:], function.args.kwonlyargs
    pairs = [zip(by_place, function.args.defaults, strict=True), zip(by_name, function.args.kw_defaults, strict=True)]
    return [{argument.arg: ast.literal_eval(default) for argument, default in each} for each in pairs]


@pytest.mark.parametrize("name", [n for n in lrlib.optimizers.__all__ if n[0].isupper() and n != "RuleOptimizer"])
def test_checkers_see_the_constructor_that_an_optimizer_has(name):
    cls = getattr(lrlib.optimizers, name)
    shown = list(inspect.signature(cls).parameters.values())[1:]
    assert name in constructors(), f"add the constructor of {name} to lrlib/methods/optimizers/__init__.pyi"
    by_place, by_name = options(constructors()[name])
    assert by_place == {p.name: p.default for p in shown if p.kind is p.POSITIONAL_OR_KEYWORD}
    torchs = set() if cls.call is None else HOW_TORCH_RUNS & set(cls.call.parameters)
    assert by_name.keys() - torchs == {p.name for p in shown if p.kind is p.KEYWORD_ONLY}
    assert all(by_name[p.name] == p.default for p in shown if p.kind is p.KEYWORD_ONLY)
    assert torchs <= by_name.keys()


def test_functions_without_hints_are_seen():
    def some(a, b: int, *rest): ...

    assert without_hint(some) == ["a", "rest", "return"]


def test_the_package_says_that_it_has_hints():
    assert Path(lrlib.__file__).with_name("py.typed").is_file()
