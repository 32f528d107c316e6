"""Which tests `run.py test` runs: whole stages by name, or parts of them by files, folders, node ids and `-k`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stages import Stage


def chosen(root: Path, stages: tuple[Stage, ...], words: list[str], expression: str | None) -> list[Stage]:
    """The stages to run, in their order, each with the paths among ``words`` that it covers.

    ``words`` are names of stages and paths, ``expression`` is what pytest's ``-k`` takes. Without words it is all
    stages. Ends the program, saying why, for a word that is neither, and for a path that no stage covers.
    """
    names = {word for word in words if word in {stage.name for stage in stages}}
    paths = [inside(root, word, stages) for word in words if word not in names]
    parts = {stage.name: [part for path in paths for part in covered(stage, path)] for stage in stages}
    for path in paths:
        if not any(covered(stage, path) for stage in stages):
            sys.exit(f"No stage tests {path}; they test {', '.join(all_searched(stages))}.")
    if expression is not None and (pure := [stage for stage in stages if stage.name in names and not searched(stage)]):
        sys.exit(f"-k chooses tests, and the stage {pure[0].name} has none to choose from.")
    found = []
    for stage in stages:
        whole = stage.name in names or not words and (expression is None or searched(stage))
        if whole or parts[stage.name]:
            found.append(narrowed(stage, [] if whole else parts[stage.name], expression))
    return found


def inside(root: Path, word: str, stages: tuple[Stage, ...]) -> str:
    """A path or node id as it reads from the project's root; it may be given from the current folder too."""
    path, *node = word.split("::")
    places = [place for place in (Path(path).absolute(), root / path) if place.exists()]
    if not places and not node and not {"/", "\\", "."} & set(word):
        sys.exit(
            f"No stage is called {word}; there are {', '.join(stage.name for stage in stages)}. Nor is there a file."
        )
    if not places:
        sys.exit(f"There is no {path}.")
    place = places[0].resolve()
    if not place.is_relative_to(root.resolve()):
        sys.exit(f"{path} lies outside of {root}.")
    return "::".join([place.relative_to(root.resolve()).as_posix(), *node])


def searched(stage: Stage) -> list[str]:
    """The files and folders in which a stage's commands look for tests."""
    return [folder for folder in stage.folders if any("pytest" in c and folder in c for c in stage.commands)]


def all_searched(stages: tuple[Stage, ...]) -> list[str]:
    return [folder for stage in stages for folder in searched(stage)]


def covered(stage: Stage, path: str) -> list[str]:
    """What a path chooses of a stage: itself where it lies in a searched place, else the places that it holds."""
    file, folders = Path(path.split("::")[0]), searched(stage)
    if any(file.is_relative_to(folder) for folder in folders):
        return [path]
    return [folder for folder in folders if Path(folder).is_relative_to(file)]


def narrowed(stage: Stage, paths: list[str], expression: str | None) -> Stage:
    """The stage with its own options, on these paths alone where there are some, and with `-k` where it is given."""
    if not paths and expression is None:
        return stage
    kept = [command for command in stage.commands if "pytest" in command]
    if paths:
        kept = [(*(word for word in command if word not in searched(stage)), *paths) for command in kept]
    if expression is not None:
        kept = [(*command, "-k", expression) for command in kept]
    return dataclasses.replace(stage, commands=tuple(kept), may_be_empty=expression is not None)
