"""The hash of an experiment's code: what can change its numbers, and nothing else.

Docstrings, comments and layout are left out, so that a better explanation does
not call a result stale. Only the syntax trees of the script, of its neighbours
that it imports, and of the imported `lrlib` modules are hashed.
"""

import ast
import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path


VIEWS = "plot"  # the folder of views, which never change a number


def code_hash(file):
    """Sixteen hexadecimal digits for a script and the `lrlib` modules that it imports.

    Imports are followed through `lrlib` and through the script's own folder.
    """
    digest = hashlib.sha256()
    for path in sources(Path(file).resolve()):
        digest.update(path.name.encode("utf-8"))
        digest.update(_dumped(path, path.stat().st_mtime_ns))
    return digest.hexdigest()[:16]


def skeleton(source):
    """The syntax tree of a source text as text, without docstrings.

    Empty fields are left out, so that Python versions with new fields agree.

    >>> skeleton("def f():\\n    'words'\\n    return 1") == skeleton("def f(): return 1  # one")
    True
    """
    return _dump(ast.parse(source))


@lru_cache(maxsize=256)
def _tree(path, _stamp):
    return ast.parse(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def _dumped(path, stamp):
    return _dump(_tree(path, stamp)).encode("utf-8")


def _dump(node):
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            fields = [(name, _without_docstring(value) if name == "body" else value) for name, value in fields]
        inside = ",".join(f"{name}={_dump(value)}" for name, value in fields if name not in ("type_comment", "kind"))
        return f"{type(node).__name__}({inside})"
    if isinstance(node, list):
        return "[" + ",".join(map(_dump, node)) + "]"
    return repr(node)


def _without_docstring(body):
    first = body[0] if body else None
    words = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return body[1:] if words else body


def sources(script):
    """The files that are hashed, in a fixed order: the script, then the rest by path."""
    library = Path(importlib.util.find_spec("lrlib").submodule_search_locations[0])
    found, waiting = set(), [script]
    while waiting:
        path = waiting.pop()
        if path not in found and path.parent.name != VIEWS:
            found.add(path)
            waiting += _imports(path, path.stat().st_mtime_ns, script.parent, library)
    return [script, *sorted(found - {script})]


@lru_cache(maxsize=512)
def _imports(path, _stamp, folder, library):
    files = []
    for name in _names(path, library):
        head, *rest = name.split(".")
        neighbour = folder / f"{head}.py"
        files += _files(library, rest) if head == "lrlib" else [neighbour] if neighbour.is_file() else []
    return files


def _names(path, library):
    """Dotted names that a file imports; of a module that it only takes names from, those: `tasks.digits`."""
    tree = _tree(path, path.stat().st_mtime_ns)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (module := _module(node, path, library)) is not None:
            for alias in node.names:
                taken = _taken(tree, alias.asname or alias.name)
                yield from (".".join(filter(None, (module, alias.name, name))) for name in taken or [""])


def _module(node, path, library):
    """The absolute name of the module of an import; None for one outside `lrlib` that is relative."""
    if not node.level:
        return node.module or ""
    if library not in path.parents:
        return None
    inside = path.relative_to(library).parts[: -node.level]
    return ".".join(("lrlib", *inside, *([node.module] if node.module else [])))


def _taken(tree, name):
    """The names that a file takes from a name, as in `tasks.digits`; None where it uses the name in another way."""
    owners = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    uses = [owners.get(id(node)) for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    return None if not uses or None in uses else sorted(set(uses))


def _files(package, parts):
    """The files of `lrlib` that hold what a dotted name means.

    A name that an `__init__` only hands on is looked up in the module that it comes from, so that a new
    module beside it changes no hash.
    """
    if not parts:
        return []
    inner, file = package / parts[0], package / f"{parts[0]}.py"
    if file.is_file():
        return [file]
    if inner.is_dir():
        return _files(inner, parts[1:]) or [inner / "__init__.py"]
    init = package / "__init__.py"
    home = _homes(init, init.stat().st_mtime_ns).get(parts[0])
    return [init] if home is None else _files(package, home.split("."))


@lru_cache(maxsize=256)
def _homes(init, stamp):
    """Of an `__init__`: the name of the module, and the name in it, behind every name that it hands on."""
    nodes = [node for node in _tree(init, stamp).body if isinstance(node, ast.ImportFrom) and node.level == 1]
    return {
        alias.asname or alias.name: ".".join(filter(None, (node.module, alias.name)))
        for node in nodes
        for alias in node.names
    }
