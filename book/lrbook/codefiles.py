"""Where the code hash finds the project's modules: in the packages, and beside the script."""

import os
from dataclasses import dataclass
from pathlib import Path

from .codetext import Text, read


@dataclass(frozen=True)
class Module:
    """A module of the project, by its dotted name.

    ``folder`` is None unless it is a package. ``listed`` are the imports that say what it hands on: its own, and of a
    package also those of its stub and those for type checkers, which both say where a lazy table takes its names from.
    """

    name: str
    path: Path
    folder: Path | None
    text: Text
    listed: tuple

    @property
    def only_hands_on(self):
        """Whether it is a package whose ``__init__`` has no code of its own."""
        return self.folder is not None and not self.text.acts

    @property
    def unlisted(self):
        """Whether it gives names on request that no list tells."""
        return self.text.lazy and self.listed == self.text.imports


class Modules:
    """The modules of some packages and those beside a script, each read when it is asked for."""

    def __init__(self, script, packages):
        self.roots = {folder.name: folder for folder in packages}
        self._beside = script.parent
        self._entries, self._known = {}, {}
        self._known[script.stem] = _module(script.stem, script)

    def find(self, name):
        """The `Module` of a dotted name; None where the project has none."""
        if name not in self._known:
            self._known[name] = self._looked_up(name)
        return self._known[name]

    def children(self, package):
        """The dotted names of the modules in a package, in a fixed order."""
        stems = {entry.removesuffix(".py") for entry in self._listing(package.folder)} - {"__init__"}
        names = [f"{package.name}.{stem}" for stem in sorted(stems) if stem.isidentifier()]
        return [name for name in names if self.find(name)]

    def _looked_up(self, name):
        if name in self.roots:
            return _package(name, self.roots[name])
        above, _, last = name.rpartition(".")
        package = self.find(above) if above else None
        folder = package and package.folder if above else self._beside
        if not folder:
            return None
        inner = self._listing(folder / last) if last in self._listing(folder) else ()
        if "__init__.py" in inner:
            return _package(name, folder / last)
        if f"{last}.py" in self._listing(folder):
            return _module(name, folder / f"{last}.py")
        return _package(name, folder / last) if above and any(entry.endswith(".py") for entry in inner) else None

    def _listing(self, folder):
        """The names in a folder, in their own case on every machine."""
        if folder not in self._entries:
            self._entries[folder] = set(os.listdir(folder)) if folder.is_dir() else set()
        return self._entries[folder]


def _module(name, path):
    text = _text(path)
    return Module(name, path, None, text, text.imports)


def _package(name, folder):
    path, stub = folder / "__init__.py", folder / "__init__.pyi"
    text = _text(path) if path.exists() else read("")
    listed = _text(stub).imports if stub.exists() else ()
    return Module(name, path, folder, text, text.imports + text.typing + listed)


def _text(path):
    return read(path.read_text(encoding="utf-8"))
