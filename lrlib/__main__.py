"""``python -m lrlib find|sweep|large-rate|plan``: see `lrlib.cli`."""

import sys

from .cli import main

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a console that has no × shows a ? and does not stop the program
        stream.reconfigure(errors="replace")
    raise SystemExit(main())
