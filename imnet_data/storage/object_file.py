"""An object of a store, read as an open file is: for what walks a shard from start to end."""

from __future__ import annotations

import errno
import functools
import os
from typing import TYPE_CHECKING, Protocol

from imnet_data.storage.apart import StoreApart
from imnet_data.storage.download import PIECE_NBYTES

if TYPE_CHECKING:
    from collections.abc import Callable


class Objects(Protocol):
    """What of a Store is needed here."""

    def where(self, name: str) -> str:
        """Return how messages call an object."""

    def nbytes(self, name: str) -> int | None:
        """Return the size of an object; None if there is none."""

    def read(self, name: str, start: int, nbytes: int) -> bytes:
        """Return `nbytes` bytes of an object from `start` on, neither fewer nor more."""


class ObjectFile:
    """ReadAt: an object, of which nothing is kept."""

    ahead_nbytes = PIECE_NBYTES

    def __init__(self, store: Objects, name: str, nbytes: int | None = None) -> None:
        """Ask for its size, unless it is given.

        Raises:
            FileNotFoundError: if there is no such object.
            StorageError: if the store cannot be asked.
        """
        self.path = store.where(name)
        if nbytes is None:
            nbytes = store.nbytes(name)
        if nbytes is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        self.nbytes = nbytes
        self.store, self.name = store, name

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return a range of it; less only where it ends."""
        return self.store.read(self.name, offset, max(0, min(nbytes, self.nbytes - offset)))

    def read_later(self, offset: int, nbytes: int) -> Callable[[], bytes]:
        """Return what returns a range of it, which is within it; it may be under way meanwhile."""
        if isinstance(self.store, StoreApart):
            return self.store.read_later(self.name, offset, nbytes)
        return functools.partial(self.store.read, self.name, offset, nbytes)

    def read_into(self, piece: memoryview, offset: int) -> int:
        """Fill a piece with what comes from `offset` on; return how much that is."""
        content = self.read(offset, len(piece))
        piece[: len(content)] = content
        return len(content)

    def require_open(self) -> None:
        """Nothing is held open."""

    def close(self) -> None:
        """Nothing is held open."""
