"""The public names of `lrlib`, and its docstrings as reStructuredText: what the API reference is made from.

Public is what the face of `lrlib` lists, what the modules among that list in `__all__`, every registered rule, and the
documented members of public classes. A topic is the last word of the module where the face finds a name.
"""

from __future__ import annotations

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
    """A public name: the topic that it belongs to, its path below `lrlib`, the thing itself, and its kind."""

    topic: str
    short: str  # "warmup", "Plan.repeat", "tasks.digits": as `api_ja.csv` has it
    thing: object
    kind: str  # function, class, rule or member

    @property
    def path(self) -> str:
        """The name without the module that keeps it, as `digits`."""
        return self.short.removeprefix(f"{self.topic}.")

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.thing) or ""


@cache
def topics() -> dict[str, tuple[str, ...]]:
    """{topic: public names}: the last word of each module that the face of `lrlib` names, in its order.

    >>> "cosine" in topics()["plans"], "tasks.digits" in topics()["tasks"], topics()["plateau"]
    (True, True, ('Plateau',))
    """
    found: dict[str, list[str]] = {}
    for name, (module, own) in lrlib._FACE.items():
        if inspect.ismodule(getattr(lrlib, name)):
            found.setdefault(own, [])
        else:
            found.setdefault(module.rpartition(".")[2], []).append(name)
    for topic, names in found.items():
        names += kept(topic) if topic in lrlib._FACE else []
    return {topic: tuple(names) for topic, names in found.items()}


def kept(module: str) -> list[str]:
    """The public names that a module of the face keeps to itself, as "tasks.digits"."""
    room = getattr(lrlib, module)
    own = [*room.__all__, *(room.RULES if module == "rules" else ())]
    return [f"{module}.{name}" for name in dict.fromkeys(own) if name not in lrlib._FACE]


@cache
def names(topic: str) -> tuple[Name, ...]:
    """The public names of a topic, members behind their class.

    >>> [name.short for name in names("attachment")][:3]
    ['Attachment', 'Attachment.t', 'Attachment.base']
    """
    found = []
    for short in topics()[topic]:
        thing = lrlib
        for part in short.split("."):
            thing = getattr(thing, part)
        if inspect.isclass(thing):
            found += [Name(topic, short, thing, "class"), *members(topic, thing, short)]
        elif callable(thing):
            found.append(Name(topic, short, thing, "function" if inspect.isroutine(thing) else "rule"))
    return tuple(found)


def members(topic: str, cls: type, short: str) -> list[Name]:
    """The documented public methods and properties that a class defines itself, in the order of the source."""
    own = {name: getattr(value, "__func__", value) for name, value in vars(cls).items() if not name.startswith("_")}
    documented = {
        name: thing
        for name, thing in own.items()
        if (inspect.isroutine(thing) or isinstance(thing, property)) and thing.__doc__
    }
    return [Name(topic, f"{short}.{name}", documented[name], "member") for name in documented]


@cache
def everything() -> dict[str, Name]:
    """Every public name by its short form."""
    return {name.short: name for topic in topics() for name in names(topic)}


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

    >>> resolve("repeat", "", "Plan"), resolve("sgd", "rules"), resolve("rules.sgd"), resolve("eta")
    ('Plan.repeat', 'rules.sgd', 'rules.sgd', None)
    """
    text = text.removeprefix("lrlib.").removesuffix("()")
    near = [".".join(filter(None, parts)) for parts in ((module, cls, text), (module, text), (cls, text), (text,))]
    found = [name for name in near if name in everything()]
    found += _only(name for name in everything() if name.partition(".")[2] == text)
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
