"""The public names of `lrlib`, and its docstrings as reStructuredText: what the API reference is made from.

Public is what `lrlib` lists for a module, what the module lists in `__all__`, the function that is called like its
module (`fit`, `sweep`, `attach`), every registered rule, and the documented members of public classes.
"""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass
from functools import cache

import lrlib

from .language import read_table

SECTIONS = re.compile(r"(Args|Arguments|Attributes|Example|Examples|Note|Raises|Returns|Yields):$")
BULLET = re.compile(r"([-*+]|\d+\.) ")
ITEM = re.compile(r"((?:\*{0,2}\w+(?:, )?)+): +(.*)")
INLINE = re.compile(r"(``.+?``|(?::[\w:]+:)?`[^`]+`)")


@dataclass(frozen=True)
class Name:
    """A public name: its module below `lrlib`, its path there, the thing itself, and what kind of thing it is."""

    module: str
    path: str
    thing: object
    kind: str  # function, class, rule or member

    @property
    def short(self) -> str:
        """The name as `api_ja.csv` has it: without `lrlib.`"""
        return f"{self.module}.{self.path}"

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.thing) or ""


@cache
def modules() -> tuple[str, ...]:
    """The modules that `lrlib` lists."""
    return tuple(lrlib._HOME)


@cache
def names(module: str) -> tuple[Name, ...]:
    """The public names of a module of `lrlib`, members behind their class.

    >>> [name.path for name in names("attach")][:3]
    ['attach', 'Attachment', 'Attachment.t']
    """
    room = importlib.import_module(f"lrlib.{module}")
    listed = [module, *lrlib._HOME[module], *getattr(room, "__all__", ()), *(room.RULES if module == "rules" else ())]
    found = []
    for path in dict.fromkeys(listed):
        thing = getattr(room, path, None)
        if inspect.isclass(thing):
            found += [Name(module, path, thing, "class"), *members(module, thing, path)]
        elif callable(thing):
            found.append(Name(module, path, thing, "function" if inspect.isroutine(thing) else "rule"))
    return tuple(found)


def members(module: str, cls: type, path: str) -> list[Name]:
    """The documented public methods and properties that a class defines itself, in the order of the source."""
    own = {name: getattr(value, "__func__", value) for name, value in vars(cls).items() if not name.startswith("_")}
    documented = {
        name: thing
        for name, thing in own.items()
        if (inspect.isroutine(thing) or isinstance(thing, property)) and thing.__doc__
    }
    return [Name(module, f"{path}.{name}", documented[name], "member") for name in documented]


@cache
def everything() -> dict[str, Name]:
    """Every public name by its short form."""
    return {name.short: name for module in modules() for name in names(module)}


def japanese() -> dict[str, str]:
    """The Japanese sentence of each name, from `api_ja.csv`."""
    return {row["name"]: row["sentence_ja"] for row in read_table("api_ja.csv")}


def summary(doc: str) -> str:
    """The first paragraph of a docstring as one line.

    >>> summary("Gradient descent: x ← x − η g." + chr(10) * 2 + "More.")
    'Gradient descent: x ← x − η g.'
    """
    return " ".join(doc.strip().split("\n\n")[0].split())


def resolve(text: str, module: str = "", cls: str = "") -> str | None:
    """The short form of the public name that a docstring means by `text`, or None.

    The nearest counts: a member of the same class, a name of the same module, then a name that only one module has.

    >>> resolve("repeat", "schedules", "Plan"), resolve("rules.sgd"), resolve("eta")
    ('schedules.Plan.repeat', 'rules.sgd', None)
    """
    text = text.removeprefix("lrlib.").removesuffix("()")
    near = [f"{module}.{cls}.{text}", f"{module}.{text}", text]
    found = [name for name in near if name in everything()]
    found += _only(name for name in everything() if name.split(".", 1)[1] == text)
    return found[0] if found else None


def _only(found) -> list[str]:
    found = list(found)
    return found if len(found) == 1 else []


def restructured(lines: list[str]) -> list[str]:
    """A docstring of lrlib as reStructuredText: examples set apart, `name: text` lines as a list, symbols kept.

    >>> restructured(["lr: the rate |η|", "    of a step.", "t: the step."])
    ['* ``lr``: the rate \\\\|η\\\\| of a step.', '* ``t``: the step.', '']
    """
    found: list[str] = []
    for block in _blocks(lines):
        found += [*(block if block[0].lstrip().startswith((">>>", ".. ")) else _prose(block)), ""]
    return found


def _blocks(lines: list[str]) -> list[list[str]]:
    """Runs of lines without a blank one; an example always begins a block of its own."""
    found, block = [], []
    for line in lines:
        begins = line.lstrip().startswith(">>>") and block and not block[0].lstrip().startswith(">>>")
        if (begins or not line.strip()) and block:
            found.append(block)
            block = []
        block += [line] * bool(line.strip())
    return found + [block] * bool(block)


def _prose(block: list[str]) -> list[str]:
    """One paragraph, list or section with its symbols escaped; lines that only name things become a list."""
    indent = len(block[0]) - len(block[0].lstrip())
    section = SECTIONS.match(block[0].strip())
    if section and section[1] == "Attributes" and len(block) > 1:  # a short list; napoleon makes a heading of each
        return [" " * indent + _item(text) for text in _joined(block[1:], len(block[1]) - len(block[1].lstrip()))]
    hanging = any(len(line) - len(line.lstrip()) > indent for line in block[1:])
    starts = [line.strip() for line in block if len(line) - len(line.lstrip()) == indent]
    itemised = len(starts) > 1 and all(map(ITEM.match, starts))
    if section or BULLET.match(starts[0]) or not (hanging or itemised):
        return [_escaped(line) for line in block]
    return [" " * indent + _item(text) for text in _joined(block, indent)]


def _joined(block: list[str], indent: int) -> list[str]:
    found: list[str] = []
    for line in block:
        if len(line) - len(line.lstrip()) > indent and found:
            found[-1] += " " + line.strip()
        else:
            found.append(line.strip())
    return found


def _item(text: str) -> str:
    named = ITEM.match(text)
    return f"* ``{named[1]}``: {_escaped(named[2])}" if named else f"* {_escaped(text)}"


def _escaped(line: str) -> str:
    """A line whose stars, bars and trailing underscores mean themselves, outside of code and roles."""
    start = re.match(r"\s*(?:[-*+] )?", line)[0]
    parts = INLINE.split(line[len(start) :])
    parts[::2] = [re.sub(r"_(?!\w)", r"\\_", re.sub(r"([*|])", r"\\\1", part)) for part in parts[::2]]
    return start + "".join(parts)
