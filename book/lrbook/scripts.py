"""What the script of an experiment says of itself, read from its text as it is now: its account and its settings.

Settings that lie in modules beside the scripts count where the script uses them, by itself or through what it calls.
"""

import ast
from functools import lru_cache

from . import results
from .language import BOOK

SCRIPTS = BOOK / "experiments"


def names():
    """The ids of all experiments, sorted."""
    return sorted(path.stem for path in SCRIPTS.glob("e[0-9][0-9]_*.py"))


def by_number():
    """{number: id} of all experiments, such as "E03": "e03_rate_sweep"."""
    return {results.experiment_number(name): name for name in names()}


def script(name):
    """The syntax tree of a script, or of a module beside the scripts."""
    path = SCRIPTS / f"{name}.py"
    return _tree(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)  # there are fifty files
def _tree(path, _stamp):
    return ast.parse(path.read_text(encoding="utf-8"))


def files(name):
    """The files that this account of a script comes from: its own, and those of the modules beside it that it reaches."""
    found, waiting = {}, [name]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found[module] = SCRIPTS / f"{module}.py"
            waiting += [source for source, _ in _imported(script(module)).values()]
    return list(found.values())


def design(name):
    """The script's own account of the experiment, its first line left out: paragraphs."""
    return [" ".join(part.split()) for part in ast.get_docstring(script(name)).split("\n\n")[1:]]


def settings(name):
    """The settings of the full run as the script writes them, and its constants that they name: {name: its text}.

    Empty where it has none.
    """
    full = _full(script(name))
    call = [part for part in ast.walk(full) if isinstance(part, ast.Call) and part.keywords] if full else []
    if not call:
        return {}
    named = _reached(_uses(name, call[0]))
    return {key.arg: ast.unparse(key.value) for key in call[0].keywords if key.arg} | _constants(name, named)


def shared(name):
    """The constants of the modules beside a script that it can use: {module: {constant: its text}}.

    Of sizes in several modes it is the text of the full one.
    """
    used = _reached(_uses(name, script(name)))
    found = {module: _constants(module, used) for module in sorted({module for module, _ in used} - {name})}
    return {module: constants for module, constants in found.items() if constants}


def _constants(module, used):
    """{constant: its text} of a module, in the order of its file, for those among the places (module, name)."""
    values = {key: node for key, node in _defined(script(module)).items() if key.isupper() and (module, key) in used}
    return {key: ast.unparse(_full(value) or value) for key, value in values.items()}


def _full(tree):
    """What the first argument `full=` is, or None."""
    return next((node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "full"), None)


def _reached(places):
    """All places (module, name) that some of them use, through whatever they call or name."""
    found, waiting = set(), list(places)
    while waiting:
        module, name = place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        tree = script(module)
        if name in _defined(tree):
            waiting += _uses(module, _defined(tree)[name])
        elif name in _imported(tree):
            waiting.append(_imported(tree)[name])
    return found


def _uses(module, node):
    """The places (module, name) that a piece of a file names: of its own file and of the modules beside it."""
    own, brought = _defined(script(module)), _imported(script(module))
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            if part.id in own:
                yield module, part.id
            elif brought.get(part.id, (None, None))[1]:
                yield brought[part.id]
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in brought:
            yield brought[part.value.id][0], part.attr


def _defined(tree):
    """{name: its function, its class or its value} at the top level of a file."""
    found = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found |= {key: value for target in node.targets for key, value in _pairs(target, node.value)}
    return found


def _pairs(target, value):
    """(name, value) of an assignment; where several values are assigned to several names, one by one."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return [pair for one in zip(target.elts, value.elts, strict=True) for pair in _pairs(*one)]
    return [(node.id, value) for node in ast.walk(target) if isinstance(node, ast.Name)]


def _imported(tree):
    """{name: (module beside the scripts, name in it, or None for the module itself)} of the imports of a file."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            found |= {one.asname or one.name: (node.module, one.name) for one in node.names}
        elif isinstance(node, ast.Import):
            found |= {one.asname or one.name: (one.name, None) for one in node.names}
    return {key: place for key, place in found.items() if (SCRIPTS / f"{place[0]}.py").exists()}
