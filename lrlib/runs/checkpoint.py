"""A run on disk, whole at any moment: a killed run goes on from it as if nothing had happened."""

import hashlib
from pathlib import Path

import torch

from .._base.files import write_atomically

FORMAT = 2


def digest(tensors):
    """Sixteen hexadecimal digits for the content of tensors.

    >>> digest([torch.zeros(2)]) == digest([torch.zeros(2)]) != digest([torch.ones(2)])
    True
    """
    found = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def save(path, signature, state):
    """Write ``state`` (nested dicts and lists of tensors, numbers, text) under ``signature`` (dict: what is run).

    The new file takes the old one's place in one step, so that a reader always finds a whole one.
    """
    content = {"format": FORMAT, "signature": signature, "state": state}
    write_atomically(path, lambda file: torch.save(content, file))


def load(path, signature):
    """Return the state that was saved for the same run, on the CPU whatever device it was saved from.

    None if there is no file.
    Raises ``ValueError`` naming what differs if the file belongs to another run, or if it is no checkpoint.
    """
    if not Path(path).exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}; this version reads {FORMAT}")
        stored = content["signature"]
    except Exception as error:
        raise ValueError(f"checkpoint {str(path)!r} is not a checkpoint of lrlib.fit: {error}") from error
    for name in signature:
        if stored.get(name) != signature[name]:
            raise ValueError(
                f"checkpoint {str(path)!r} belongs to another run: its {name} is {stored.get(name)!r}, "
                f"not {signature[name]!r}; give another path or remove the file"
            )
    return content["state"]
