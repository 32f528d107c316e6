"""Parts of a sweep on disk, so that a sweep that was broken off goes on where it was."""

from ..._base.arguments import folder_of
from ..._base.digest import digest
from ..identity import identity
from ..record import Record

LANE_WISE = ("lr", "seed", "options", "start")


class Shelf:
    """Records in a folder, each under the digest of everything that decides its numbers (`identity`).

    A file that cannot be read, or that holds another part, counts as missing and is written anew.
    """

    def __init__(self, folder, description):
        self.folder, self.taken = folder_of("folder", folder), 0
        self.folder.mkdir(parents=True, exist_ok=True)
        found = identity(description)
        self.shared = {name: part for name, part in found.items() if name not in LANE_WISE}

    def key(self, piece):
        """The digest of one part's description."""
        return digest((self.shared, piece.lr0, piece.seed, piece.hyper, piece.start))

    def path(self, key):
        """The file of the part with that key."""
        return self.folder / f"part-{key}.npz"

    def get(self, piece):
        """The part's Record, or None."""
        key = self.key(piece)
        try:
            record = Record.load(self.path(key), key)
        except (OSError, ValueError):
            return None
        self.taken += 1
        return record

    def put(self, record, piece):
        """Store the part's Record, in one piece."""
        key = self.key(piece)
        record.save(self.path(key), key)
