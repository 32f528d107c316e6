"""Files that appear in one piece, are on the disk when they do, and say when they were changed."""

import contextlib
import hashlib
import os
import socket
import uuid
from pathlib import Path

from .arguments import path_of

DIGEST = 32  # hexadecimal digits


def write_atomically(path, write):
    """Call ``write(file)`` on a file beside ``path`` and rename it to ``path``; returns the path.

    Readers see the old or the new file, whole, even after a loss of power; a link keeps leading where it led. What a
    writer that was killed here before has left is removed. Raises ``OSError`` naming the folder that cannot be written,
    and ``TypeError`` for what is no path.
    """
    target = Path(os.path.realpath(path_of("path", path)))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep_up(target)
        temporary = target.with_name(f".{_stem(target)}.{_writer()}-{uuid.uuid4().hex[:12]}.tmp")
        try:
            with open(temporary, "xb") as file:  # not of tempfile, whose files only the owner may read
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise type(error)(
            error.errno, f"{error.strerror or error} (writing {target.name})", str(target.parent)
        ) from error
    _sync_folder(target.parent)
    return Path(path)


def _stem(target):
    """As much of a file's name as leaves room in 255 bytes for who writes it."""
    return target.name.encode(errors="surrogateescape")[:120].decode(errors="ignore")


def _writer():
    return f"{socket.gethostname()[:40]}-{os.getpid()}"


def _sweep_up(target):
    """Remove what processes of this machine that are no more have left beside a file."""
    for left in target.parent.glob(f".{_literal(_stem(target))}.{_literal(socket.gethostname()[:40])}-*.tmp"):
        process = left.name.rsplit("-", 2)[1]
        if process.isdigit() and not _lives(int(process)):
            left.unlink(missing_ok=True)


def _literal(text):
    """A text as a pattern that only it fits."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def _lives(process):
    """Whether a process of that number is there; on Windows, where asking would end it, always true."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _sync_folder(folder):
    """Put the new name on the disk too, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sealed(kind, content):
    """Bytes with a first line that names their kind and their digest: what `opened` checks.

    >>> opened("a text", sealed("a text", b"abc"))
    b'abc'
    """
    return f"{kind} {_digest(content)}\n".encode("ascii") + content


def opened(kind, data):
    """The content of sealed bytes; ``ValueError`` where they are of another kind, or not whole.

    >>> opened("a text", sealed("a text", b"abc")[:-1] + b"d")
    Traceback (most recent call last):
    ...
    ValueError: its content was changed or cut
    """
    first, _, content = data.partition(b"\n")
    head = f"{kind} ".encode("ascii")
    if not first.startswith(head) or len(first) != len(head) + DIGEST:
        raise ValueError(f"it does not begin as {kind!r}")
    if first[len(head) :] != _digest(content).encode("ascii"):
        raise ValueError("its content was changed or cut")
    return content


def _digest(content):
    return hashlib.blake2b(content, digest_size=DIGEST // 2).hexdigest()
