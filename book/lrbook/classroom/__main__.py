"""Command line of the classroom: `python -m lrbook.classroom release pedal OUT [--lang ja]`."""

import argparse
import sys

from ..language import LANGUAGES
from .release import release


def main(argv=None):
    """Run one command; 0 if it succeeded, 1 if a release was refused."""
    parser = argparse.ArgumentParser(prog="python -m lrbook.classroom", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("release", help="write the student's notebook into a folder")
    one.add_argument("name", help="assignment, a folder of book/assignments")
    one.add_argument("out", help="folder to write NAME.ipynb into")
    one.add_argument("--lang", choices=LANGUAGES, default="en")
    options = parser.parse_args(argv)
    try:
        print(release(options.name, options.out, options.lang))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
