"""One file as the code hash reads it: its syntax tree without words, its imports, and what it takes from each."""

import ast
import symtable
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

FACTS = ("__all__", "__version__")  # say something about a module, and are left out where its own code reads neither
LOADS = ("import_module", "__import__", "run_module", "run_path")


@dataclass(frozen=True)
class Import:
    """``from module import name as bound`` with ``level`` dots; the name is None where the module itself is bound.

    ``bound`` is None for a module that is only loaded, and "*" (as ``name``) for all names.
    """

    bound: str | None
    level: int
    module: str
    name: str | None


@dataclass(frozen=True)
class Text:
    """What the hash needs of a source text.

    Attributes:
        tree: the syntax tree as text, without docstrings, types and layout.
        acts: whether anything is done or defined in it; False where names are only handed on.
        imports: those that are made at run time, in functions too.
        typing: those under ``if TYPE_CHECKING``.
        uses: {bound name: chains of attributes}. ``lr.tasks.digits()`` gives ``("tasks", "digits", "*")`` for ``lr``:
            "*" stands for the value at the end.
        own: names that it defines.
        lazy: whether it has a ``__getattr__``.
        unreadable: whether it takes modules by names that are computed, outside its ``__getattr__``.
    """

    tree: str
    acts: bool
    imports: tuple
    typing: tuple
    uses: dict
    own: frozenset
    lazy: bool
    unreadable: bool


def skeleton(source):
    """The syntax tree of a source text as text, without docstrings, types of functions and layout.

    >>> skeleton("def f(x: int) -> int:\\n    'words'\\n    return 1") == skeleton("def f(x): return 1  # one")
    True
    """
    return read(source).tree


@lru_cache(maxsize=2048)
def read(source):
    """The `Text` of a source text."""
    strip = _Strip()
    tree = strip.visit(ast.parse(source))
    uses = _uses(tree)
    tree.body = [node for node in tree.body if not _is_fact(node, uses)]
    getattrs = [node for node in tree.body if getattr(node, "name", "") == "__getattr__"]
    imports = tuple(found for node in ast.walk(tree) for found in _imports(node))
    typing = tuple(found for part in strip.typing for node in ast.walk(part) for found in _imports(node))
    symbols = symtable.symtable(source, "source", "exec").get_symbols()
    own = frozenset(symbol.get_name() for symbol in symbols if symbol.is_assigned())
    return Text(
        tree=_dump(tree),
        acts=not all(isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)) for node in tree.body),
        imports=imports,
        typing=typing,
        uses=uses,
        own=own,
        lazy="__getattr__" in own,
        unreadable=any(_loads(node) for node in tree.body if node not in getattrs),
    )


class _Strip(ast.NodeTransformer):
    """Takes away what cannot change a number; keeps the branches that are only for type checkers in `typing`."""

    def __init__(self):
        self.typing = []

    def visit_Expr(self, node):
        words = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if words else self.generic_visit(node)

    def visit_If(self, node):
        negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        if _last(node.test.operand if negated else node.test) != "TYPE_CHECKING":
            return self.generic_visit(node)
        typing, running = (node.orelse, node.body) if negated else (node.body, node.orelse)
        self.typing += typing
        return self.generic_visit(ast.Module(running, [])).body

    def visit_ImportFrom(self, node):
        return None if node.module == "__future__" else node

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef


def _dump(node):
    """Empty fields are left out, so that Python versions with new fields agree."""
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
        inside = ",".join(f"{name}={_dump(value)}" for name, value in fields if name not in ("type_comment", "kind"))
        return f"{type(node).__name__}({inside})"
    if isinstance(node, list):
        return "[" + ",".join(map(_dump, node)) + "]"
    return repr(node)


def _is_fact(node, uses):
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return all(isinstance(t, ast.Name) and t.id in FACTS and t.id not in uses for t in targets)


def _imports(node):
    """The `Import`s of one node; ``import a.b`` loads a.b and binds a."""
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield Import(alias.asname or alias.name, node.level, node.module or "", alias.name)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.asname, 0, alias.name, None)
            if alias.asname is None:
                head = alias.name.split(".")[0]
                yield Import(head, 0, head, None)
    elif (module := _loaded(node)) is not None:
        yield Import(f"import {module}", 0, module, None)


def _uses(tree):
    """{name, or "import module" for a call of `import_module`: chains of attributes that are taken from it}."""
    after = {}  # the attribute that is taken next, and its node
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            after[id(node.value)] = node.attr, node
        elif (name := _argument(node, "getattr", 1)) is not None:
            after[id(node.args[0])] = name, node
    uses = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            uses[node.id].add(_chain(node, after))
        elif (module := _loaded(node)) is not None:
            uses[f"import {module}"].add(_chain(node, after))
    return dict(uses)


def _chain(node, after):
    chain = []
    while id(node) in after:
        name, node = after[id(node)]
        chain.append(name)
    return (*chain, "*")


def _loaded(node):
    """The module of a call ``import_module("module")``; None for any other node."""
    module = _argument(node, "import_module", 0)
    return None if module is None or module.startswith(".") else module


def _argument(node, function, place):
    """The text that a call of a function has in a place; None where it is not written there."""
    if not isinstance(node, ast.Call) or _last(node.func) != function or len(node.args) <= place:
        return None
    value = node.args[place]
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _loads(tree):
    """Whether modules are taken by names that cannot be read."""
    nodes = list(ast.walk(tree))
    read = {id(node.func) for node in nodes if _loaded(node) is not None}
    renamed = any(isinstance(node, ast.alias) and node.asname and node.name in LOADS for node in nodes)
    computed = any(_last(node) in LOADS and id(node) not in read for node in nodes)
    table = any(_last(node) == "modules" and _last(node.value) == "sys" for node in nodes)
    return renamed or computed or table or any(_evaluates(node) for node in nodes)


def _evaluates(node):
    """Whether a node is ``eval(text)`` or ``exec(text)`` without names of its own, so that it sees the module's."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("eval", "exec") and len(node.args) == 1


def _last(node):
    """The last name of ``a.b.name`` or ``name``."""
    return getattr(node, "attr", None) or getattr(node, "id", None)
