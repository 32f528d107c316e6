"""One set-up at a time: two windows that start together must not build one environment twice."""

import contextlib
import os
import time
from pathlib import Path


@contextlib.contextmanager
def only_one(path: Path):
    """Hold the lock file; wait, and say so, while another process holds it. The system frees it on any exit."""
    with open(path, "a+b") as file:
        waited = False
        while not _taken(file):
            if not waited:
                print("Another run.py is setting up; waiting for it.", flush=True)
            waited = True
            time.sleep(0.5)
        yield


def _taken(file) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
