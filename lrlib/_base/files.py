"""Files that appear in one piece."""

import os
import uuid
from pathlib import Path


def write_atomically(path, write):
    """Call ``write(file)`` on a file beside ``path`` and rename it to ``path``: readers see the old or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")  # not of tempfile, whose files only the owner may read
    try:
        with open(temporary, "xb") as file:
            write(file)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
