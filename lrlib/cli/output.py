"""What the commands write: tables, JSON, progress, files."""

import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path

from .._base.layout import plain, table  # noqa: F401  table: the commands take it from here
from .._base.files import write_atomically

FIGURES = (".png", ".svg", ".pdf")
EVERY = 0.2  # seconds between two lines of progress


def number(value):
    """A number with four digits that count; "-" for nan.

    >>> number(0.123456), number(float("nan")), number(1000)
    ('0.1235', '-', '1000')
    """
    return "-" if math.isnan(value) else f"{value:.4g}"


def interval(mean, low, high):
    """``mean [low, high]``, or the mean alone where there is no interval.

    >>> interval(0.5, 0.25, 0.75), interval(0.5, float("nan"), float("nan"))
    ('0.5 [0.25, 0.75]', '0.5')
    """
    return number(mean) if math.isnan(low) else f"{number(mean)} [{low:.3g}, {high:.3g}]"


def say(options, text, data):
    """Print the text, or with ``--json`` the data, in which nan becomes null."""
    print(json.dumps(plain(data), ensure_ascii=False, allow_nan=False) if options.json else text, flush=True)


class Progress:
    """One line on the standard error, written over again; silent where nobody watches."""

    def __init__(self, quiet=False, stream=None):
        self.stream = stream or sys.stderr
        self.on = not quiet and self.stream.isatty()
        self.last = 0.0

    def __call__(self, text, always=False):
        """Show the text, unless the last one is younger than a moment."""
        if self.on and (always or time.monotonic() - self.last > EVERY):
            self.last = time.monotonic()
            print(f"\r\x1b[K{text}", end="", file=self.stream, flush=True)

    def end(self):
        """Clear the line."""
        if self.on and self.last:
            print("\r\x1b[K", end="", file=self.stream, flush=True)


def checked(options):
    """Raise before anything runs if a file that is asked for could not be written at the end."""
    for flag, endings in {"--figure": FIGURES, "--record": (".npz",), "--html": (".html",)}.items():
        name = getattr(options, flag.removeprefix("--"), None)
        if name is None:
            continue
        if Path(name).suffix.lower() not in endings:
            raise ValueError(f"{flag} {name}: the name must end in {', '.join(endings)}")
        folder = Path(name).resolve().parent
        if not folder.is_dir():
            raise ValueError(f"{flag} {name}: there is no folder {Path(name).parent}")
        if Path(name).is_dir() or not os.access(folder, os.W_OK):
            raise ValueError(f"{flag} {name}: {'it is a folder' if Path(name).is_dir() else 'its folder is read-only'}")
    if getattr(options, "figure", None):
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            raise ImportError("--figure needs matplotlib, which is not installed: pip install matplotlib") from None


def save_figure(name, figure):
    """Write a matplotlib figure to a file, in one piece."""
    kind = Path(name).suffix.lower().removeprefix(".")
    return write_atomically(name, lambda file: figure.savefig(file, format=kind, dpi=150))


@contextlib.contextmanager
def cluster(address):
    """Inside, joblib's backend is the Dask cluster at this address; None: joblib's own choice."""
    if address is None:
        yield
        return
    try:
        import joblib
        from dask.distributed import Client
    except ImportError:
        raise ImportError("--cluster needs Dask: pip install learning-rates[dask]") from None
    with Client(address, timeout="10s"), joblib.parallel_config(backend="dask"):
        yield
