"""The hash of an experiment's code: what can change its numbers, and nothing else.

Hashed are the script, the modules beside it that it imports, and of `lrlib` every module behind the names that they
use, through all of lrlib's own imports. In `lrbook` only the statistics count, which turn values into means and
intervals: how a result is written, printed and started changes no number. Views never count. Docstrings, comments,
types and layout are left out, so that a better explanation does not call a result stale.

A name is looked up as Python would: in what the ``__init__`` of a package imports or defines, in its stub
(``__init__.pyi``, the list of a lazy face), among its modules. A package that only hands a name on brings in none of
its other modules, and where the name comes from is hashed in its place; an ``__init__`` with code of its own is a
module like any other. So a module that acts on others while it is loaded, as a rule that lists itself, needs such an
``__init__``. Where a name is computed (``getattr(tasks, name)``), everything counts that it could mean.

Not hashed: Python, torch, NumPy and other installed packages, with the data that come with them; a result names the
versions. The project has no data files of its own.
"""

import hashlib
import importlib.util
from pathlib import Path

from .codefiles import Modules

VIEWS = ("lrlib.looking.plot",)
STATISTICS = ("lrbook.quantity",)
# What these take by computed names is a user's own, who has named it.
LOADERS = ("lrlib.methods.rules.base", "lrlib._base.digest")


def code_hash(file, packages=None):
    """Sixteen hexadecimal digits for a script and all that can change its numbers.

    Args:
        file: the script.
        packages: the folders of the project's packages; default those of `lrlib` and `lrbook`.
    """
    search = _Search(file, packages)
    lines = [f"{name} {module.text.tree}" for name, module in search.found.items()] + list(search.ways)
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8")).hexdigest()[:16]


def sources(file, packages=None):
    """{dotted name: file} of all that is hashed for a script, in the order of the names."""
    return {name: module.path for name, module in sorted(_Search(file, packages).found.items())}


def counts(module):
    """Whether a module, by its dotted name, can change a number.

    >>> [counts(name) for name in ("lrlib._base.streams", "lrlib.looking.plot.axes", "lrbook.results")]
    [True, False, False]
    """
    if module.split(".")[0] == "lrbook":
        return module in STATISTICS
    return not any(module == view or module.startswith(f"{view}.") for view in VIEWS)


def _packages():
    return [Path(importlib.util.find_spec("lrlib").submodule_search_locations[0]), Path(__file__).parent]


class _Search:
    """All that a script can use: the modules ``found``, by name, and the ``ways`` of the names that are handed on.

    A request is a module and a chain of attributes that are taken from it, as in `codetext.Text.uses`; the empty chain
    only loads the module.
    """

    def __init__(self, file, packages):
        script = Path(file).resolve()
        self.modules = Modules(script, _packages() if packages is None else packages)
        self.found, self.ways = {}, set()
        self.asked, self.waiting = set(), []
        self.ask(script.stem)
        while self.waiting:
            self.answer(*self.waiting.pop())

    def ask(self, name, chain=()):
        if (name, chain) not in self.asked:
            self.asked.add((name, chain))
            self.waiting.append((name, chain))

    def answer(self, name, chain):
        module = self.modules.find(name)
        if module is None:
            return self.ask_for_everything()
        self.load(name)
        if chain[:1] == ("*",):
            self.answer_whole(module)
        elif chain:
            self.answer_attribute(module, chain)

    def ask_for_everything(self):
        for root in self.modules.roots:
            self.ask(root, ("*",))

    def answer_whole(self, module):
        """The module itself is used, so that all of a package counts."""
        if module.folder:
            for name in filter(counts, self.modules.children(module)):
                self.ask(name, ("*",))
            self.hand_on(module, module.listed, ("*", "*"))
        elif module.text.lazy:
            self.ask_for_everything()

    def answer_attribute(self, module, chain):
        """A name is what is imported under it, or a module of the package, or defined there."""
        name, inner = chain[0], f"{module.name}.{chain[0]}"
        lines = [line for line in module.listed if line.bound == name or self.brings(module, line, name)]
        self.hand_on(module, lines, chain)
        inside = module.folder and self.modules.find(inner)
        if inside:
            self.ask(inner, chain[1:])
        known = lines or inside or name in module.text.own
        if not known and (module.folder or module.text.lazy):
            self.ask_for_everything()

    def hand_on(self, module, lines, chain):
        """Follow a chain through imports; where two bind the same name, the last one holds, so that their order counts."""
        for place, line in enumerate(lines):
            name, start = self.target(module, line)
            if name is None:
                continue
            if module.folder and counts(module.name) and counts(name):
                self.ways.add(f"{module.name}.{chain[0]} is {name}:{line.name}, {place}")
            self.ask(name, chain if line.name == "*" else (*start, *chain[1:]))

    def load(self, name):
        """To load a module runs it, and the ``__init__`` of every package around it."""
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            module = self.modules.find(".".join(parts[:end]))
            if module.name not in self.found and counts(module.name) and not module.only_hands_on:
                self.found[module.name] = module
                self.follow(module)

    def follow(self, module):
        """Ask for what a module uses of its imports."""
        for line in module.text.imports:
            name, start = self.target(module, line)
            if name is None:
                continue
            if line.name == "*":
                self.follow_star(name, module.text.uses)
            else:
                for chain in module.text.uses.get(line.bound, [()]):
                    self.ask(name, (*start, *chain))
        if module.text.unreadable and module.name not in LOADERS:
            self.ask_for_everything()

    def follow_star(self, name, uses):
        """All names of a module are imported: those count that are used, or everything where no list tells them."""
        self.ask(name)
        module = self.modules.find(name)
        if module and module.unlisted:
            self.ask_for_everything()
        for used in uses:
            if self.has(name, used):
                for chain in uses[used]:
                    self.ask(name, (used, *chain))

    def target(self, module, line):
        """(module, start of the chain) that an import means; the module is None where it is not the project's."""
        name = line.module
        if line.level:
            parts = module.name.split(".")
            around = parts[: len(parts) - line.level + bool(module.folder)]
            name = ".".join([*around, *filter(None, [name])]) if around else ""
        ours = name and self.modules.find(name.split(".")[0])
        return name if ours else None, () if line.name is None else (line.name,)

    def brings(self, module, line, name):
        """Whether an import is one of all names, and a given name among them."""
        return line.name == "*" and self.has(self.target(module, line)[0], name)

    def has(self, name, attribute, seen=()):
        """Whether a module is known to have an attribute."""
        module = self.modules.find(name) if name else None
        if module is None or name in seen:
            return False
        if attribute in module.text.own or any(line.bound == attribute for line in module.listed):
            return True
        if module.folder and self.modules.find(f"{name}.{attribute}"):
            return True
        stars = [self.target(module, line)[0] for line in module.listed if line.name == "*"]
        return any(self.has(star, attribute, (*seen, name)) for star in stars)
