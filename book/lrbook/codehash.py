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


VIEWS = ("plot.py",)  # a view never changes a number


def code_hash(file):
    """Sixteen hexadecimal digits for a script and the `lrlib` modules that it imports.

    Imports are followed through `lrlib` and through the script's own folder.
    """
    digest = hashlib.sha256()
    for path in sources(Path(file).resolve()):
        digest.update(path.name.encode("utf-8"))
        digest.update(_dump(_tree(path, path.stat().st_mtime_ns)).encode("utf-8"))
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
        if path not in found and path.name not in VIEWS:
            found.add(path)
            waiting += _imports(path, script.parent, library)
    return [script, *sorted(found - {script})]


def _imports(path, folder, library):
    files = []
    for node in ast.walk(_tree(path, path.stat().st_mtime_ns)):
        for name in _names(node, path, library):
            head, _, rest = name.partition(".")
            root = library if head == "lrlib" else folder / head
            files += _files(root, rest) if head == "lrlib" else _files(root, "")
    return files


def _names(node, path, library):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    module = node.module or ""
    if node.level:
        if library not in path.parents:
            return []
        inside = path.relative_to(library).parts[: -node.level]
        module = ".".join(("lrlib", *inside, *([module] if module else [])))
    return [f"{module}.{alias.name}" for alias in node.names]


def _files(root, rest):
    """The module files that a dotted name under `root` reaches: a file, or a folder's all."""
    if root.with_suffix(".py").is_file() and not rest:
        return [root.with_suffix(".py")]
    for part in rest.split(".") if rest else []:
        if (root / f"{part}.py").is_file():
            return [root / f"{part}.py"]
        if not (root / part).is_dir():
            break
        root = root / part
    inner = root.name != "lrlib" and (root / "__init__.py").is_file()
    return sorted(root.glob("*.py")) if inner else []
