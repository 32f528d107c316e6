"""Generated data on disk, under the hash of what made them."""

import hashlib
import json
import os
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .._base.files import write_atomically
from .._base.streams import origin

FORMAT = 1


def folder():
    """Return the folder of cached data: ``LRLIB_CACHE`` if set, else ``lrlib`` in the user's cache folder."""
    if os.environ.get("LRLIB_CACHE"):
        return Path(os.environ["LRLIB_CACHE"])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "lrlib"


def path_of(name, arguments, where=None):
    """Return the file for data ``name`` made with ``arguments`` (a dict that JSON can write), below ``where``.

    Data of another origin of the seeds (`lrlib.streams.seeds_from`) have another file.
    """
    text = json.dumps({"format": FORMAT, **arguments}, sort_keys=True)
    text = f"{origin()}|{text}" if origin() else text
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=12).hexdigest()
    return (folder() if where is None else Path(where)) / f"{name}-{digest}.npz"


def cached(name, arguments, make, where=None):
    """Return ``make()``, a dict of arrays, from disk if it was made before with the same arguments.

    The file lies in the folder ``where``, `folder` by default. It appears in one piece (written beside, then renamed);
    one that cannot be read is made again. Where the folder cannot be written the data are made each time, with a
    warning.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.environ["LRLIB_CACHE"] = folder
    ...     first = cached("squares", {"n": 3}, lambda: {"y": np.arange(3) ** 2})
    ...     again = cached("squares", {"n": 3}, lambda: 1 / 0)
    ...     _ = os.environ.pop("LRLIB_CACHE")
    >>> again["y"]
    array([0, 1, 4])
    """
    path = path_of(name, arguments, where)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        arrays = make()
    try:
        write_atomically(path, lambda file: np.savez_compressed(file, **arrays))
    except OSError as error:
        warnings.warn(f"cannot keep {name} in {path.parent}: {error}; it is made again each time", stacklevel=2)
    return arrays
