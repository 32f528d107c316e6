"""The command line: ``python -m lrlib find|sweep|large-rate|plan``, for ready-made tasks and for a user's own module.

``find`` makes a range test, ``sweep`` trains a grid of rates, ``large-rate`` measures whether a rate above the
convergence threshold pays off, ``plan`` explains a schedule. A task is the name of a ready-made one (``digits``,
``"mnist1d(width=32)"``), ``module:function`` or ``path/to/file.py:function``, where the function returns a
`lrlib.Task`. Tables go to the standard output (JSON with ``--json``), progress and errors to the standard error.

Exit codes: 0 fine; 1 the run failed, or no run reached its end; 2 bad input; 130 interrupted.
"""

import argparse
import sys
import traceback

from . import find, large_rate, plan, sweep

COMMANDS = {"find": find, "sweep": sweep, "large-rate": large_rate, "plan": plan}
_INPUT = (ValueError, TypeError, ImportError, OSError)


def main(argv=None):
    """Run one command and return its exit code; ``argv``: the words after the program's name.

    >>> main(["plan", "warmup(2) >> linear(4)", "--at", "0,2,4", "--lr", "0.3"])
    warmup(2) >> linear(4)
    steps 0 to 1: rises from 0.3333 to 1 (linear)
    steps 2 to 5: falls from 1 to 0 (linear)
    from step 6: stays at 0
    <BLANKLINE>
    step  rate
       0   0.1
       2   0.3
       4  0.15
    0
    """
    try:
        options, unknown = parser().parse_known_args(argv)
        if unknown:
            options.refuse(_unknown(options, unknown))
    except SystemExit as left:  # argparse has said what is wrong, or has printed the help
        return left.code
    try:
        return COMMANDS[options.command].run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the table has gone, as `head` does
        return 0
    except Exception as error:  # a user's task may raise anything
        if options.traceback:
            traceback.print_exc()
        kind = "" if isinstance(error, _INPUT) else f"{type(error).__name__}: "
        print(f"python -m lrlib {options.command}: error: {kind}{error}", file=sys.stderr)
        return 2 if isinstance(error, _INPUT) else 1


def _unknown(options, words):
    """What to say of words that no argument takes: an option of a rule is given by ``--set``."""
    from ..methods.rules import RULES

    said = f"unrecognized arguments: {' '.join(words)}"
    name, _, value = words[0].removeprefix("--").partition("=")
    if hasattr(options, "set") and any(name in rule.defaults for rule in RULES.values()):
        said += f"; an option of the rule is given by --set {name}={value or ''.join(words[1:2]) or 'VALUE'}"
    return said


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and leaves the list of arguments to ``--help``."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}; --help lists the arguments\n")


def parser():
    """The ``argparse`` parser of all commands."""
    top = _Parser(
        prog="python -m lrlib", description="Learning rates: find one, compare many, plan.", allow_abbrev=False
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="|".join(COMMANDS))
    for name, module in COMMANDS.items():
        words = module.__doc__.strip().splitlines()[0]
        command = commands.add_parser(name, help=words, description=words, allow_abbrev=False)
        module.add(command)
        command.set_defaults(refuse=command.error)
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        if getattr(module, "FIGURE", True):
            command.add_argument(
                "--figure", metavar="FILE", help="draw into this .png, .svg or .pdf (needs matplotlib)"
            )
        command.add_argument("--traceback", action="store_true", help="show where in your own code an error arose")
    return top
