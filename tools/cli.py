"""The command line of `run.py`."""

import argparse
import os
import shutil
import subprocess
import sys
import time

from . import lab, stages, tables
from .environment import Environment, SetupError, ensure


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="run.py", description="Set up, read, test and edit the book.")
    add = top.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser
    for name, words in (
        ("setup", "make or update the environment in .venv, and nothing else"),
        ("lab", "open JupyterLab on your own copy of the notebooks"),
    ):
        one = add(name, help=words, description=words)
        one.add_argument("--cuda", action="store_true", default=None, help="install PyTorch's CUDA build (Linux)")
    one.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")
    one = add("test", help="run what CI runs, or the named stages, files, folders or tests of it")
    one.add_argument(
        "words",
        nargs="*",
        metavar="STAGE|PATH",
        help=f"{', '.join(stage.name for stage in stages.STAGES)}; or files, folders and pytest's node ids",
    )
    one.add_argument("-k", dest="expression", metavar="EXPR", help="only tests whose names match, as pytest's -k")
    one = add("book", help="build the pages into _build/html, in both languages or one")
    one.add_argument("language", nargs="?", choices=("en", "ja"))
    one = add("notebooks", help="merge edited text, execute and store the notebooks, all or the named ones")
    one.add_argument("names", nargs="*", metavar="NAME")
    one.add_argument("--lang", choices=("en", "ja"), help="one language only")
    one = add("edit", help="write a page's text to work on to book/edit")
    one.add_argument("name", metavar="NAME")
    one.add_argument("--lang", choices=("en", "ja"), help="one language only")
    one.add_argument("--force", action="store_true", help="overwrite a text that was not merged")
    one.add_argument("--untranslated", action="store_true", help="write the Japanese text from the English, marked")
    add("translated", help="declare the Japanese of pages, or of designs (E03), up to date").add_argument(
        "names", nargs="+", metavar="NAME"
    )
    words = "run experiments on other seeds and data, and print their rows beside the stored ones"
    one = add("experiment", help=words, description=words)
    one.add_argument("names", nargs="+", metavar="NAME", help="experiments, as E03")
    one.add_argument(
        "--store", action="store_true", help="with --seeds-from rules: keep the runs as the results that judge"
    )
    other = add("reproduce", help="the same for a random tenth of all experiments")
    other.add_argument("--tenth", required=True, metavar="SEED", help="what the tenth is drawn with, a whole number")
    for each in (one, other):
        each.add_argument("--seeds-from", metavar="N", help='origin of seeds and data, or "rules"')
        each.add_argument("--folder", metavar="PATH", help="where finished pieces are kept (_build/fresh/N)")
    add("js", help="build and check the widgets' JavaScript (needs Node)")
    add("format", help="lay out the Python, and where Node is installed the JavaScript, as the tests ask for")
    one = add("tables", help="rewrite the README's tables from the stored benchmarks")
    words = "measure first: the named ones (as conformance), or all benchmarks and the conformance tests"
    one.add_argument("--measure", nargs="*", metavar="TABLE", help=words)
    return top


def main(argv: list[str] | None = None) -> int:
    """Read the command line, see to the environment, and hand over."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")
    options, rest = parser().parse_known_args(argv)
    if rest and options.command != "lab":
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return act(Environment(), options, rest)
    except SetupError as error:
        print(error, file=sys.stderr)
        if options.command == "test":
            print("0 passed, 1 failed")
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def act(env: Environment, options: argparse.Namespace, rest: list[str]) -> int:
    """Carry out one command."""
    started = time.time()
    ensure(env, getattr(options, "cuda", None))
    match options.command:
        case "setup":
            print(f"The environment is ready: {env.folder}")
            return 0
        case "lab":
            return lab.start(env, rest, browser=not options.no_browser)
        case "test":
            begun = float(os.environ.get("LR_STARTED", started))  # CI counts the system's packages too
            return stages.test(env, options.words, time.time() - begun, options.expression)
        case "js":
            return javascript(env, ["run", "build"], ["run", "types"], ["test"])
        case "format":
            status = env.run("-m", "ruff", "format", ".")
            return status or (javascript(env, ["run", "format", "--", "--write"]) if shutil.which("npm") else 0)
        case "tables":
            measured = 0 if options.measure is None else tables.measure(env, options.measure)
            status = tables.list_methods(env) | measured
            print("The README's tables " + ("were rewritten." if tables.rewrite(env.root) else "are up to date."))
            return status
        case "experiment" | "reproduce":
            words = [*getattr(options, "names", []), *given(options, "tenth", "seeds_from", "folder")]
            return env.run("-m", "lrbook.fresh", *words, *["--store"] * getattr(options, "store", False))
        case "book":
            languages = [options.language] if options.language else ["en", "ja"]
            return max([env.run("-m", "lrbook.build", language) for language in languages])
    return writing(env, options)


def given(options: argparse.Namespace, *names: str) -> list[str]:
    """Those of the named options that were given, as words of a command line."""
    found = {name: getattr(options, name, None) for name in names}
    return [word for name, value in found.items() if value for word in (f"--{name.replace('_', '-')}", str(value))]


def writing(env: Environment, options: argparse.Namespace) -> int:
    """The commands of those who write the book."""
    names = [options.name] if options.command == "edit" else options.names
    switches = [f"--{name}" for name in ("force", "untranslated") if getattr(options, name, False)]
    return env.run("-m", f"lrbook.{options.command}", *names, *given(options, "lang"), *switches)


def javascript(env: Environment, *steps: list[str]) -> int:
    """Run npm's scripts in the kit's folder, after installing what they need; returns the first bad status."""
    npm, folder = shutil.which("npm"), env.root / "widgets" / "js"
    if npm is None:
        raise SetupError("There is no npm here. Install Node 20 or newer (Debian and Ubuntu: sudo apt install npm).")
    missing = not all((folder / "node_modules" / tool).exists() for tool in ("esbuild", "prettier", "typescript"))
    for step in [["ci", "--no-audit", "--no-fund"]] * missing + [*steps]:
        status = subprocess.run([npm, *step], cwd=folder).returncode
        if status:
            return status
    return 0
