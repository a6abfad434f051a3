"""An object of a store, read as an open file is: for what walks a shard from start to end."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from imnet_data.storage.download import PIECE_NBYTES

if TYPE_CHECKING:
    from imnet_data.storage.store import Store


class ObjectFile:
    """ReadAt: an object, of which nothing is kept."""

    ahead_nbytes = PIECE_NBYTES

    def __init__(self, store: Store, name: str) -> None:
        """Ask for its size.

        Raises:
            FileNotFoundError: if there is no such object.
            StorageError: if the store cannot be asked.
        """
        self.path = store.where(name)
        nbytes = store.nbytes(name)
        if nbytes is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        self.nbytes = nbytes
        self._store, self._name = store, name

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return a range of it; less only where it ends."""
        return self._store.read(self._name, offset, max(0, min(nbytes, self.nbytes - offset)))

    def read_into(self, piece: memoryview, offset: int) -> int:
        """Fill a piece with what comes from `offset` on; return how much that is."""
        content = self.read(offset, len(piece))
        piece[: len(content)] = content
        return len(content)

    def require_open(self) -> None:
        """Nothing is held open."""

    def close(self) -> None:
        """Nothing is held open."""
