"""``python -m lrlib find|sweep|plan``: see `lrlib.cli`."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
