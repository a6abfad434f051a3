"""What the epochs of a dataset in a store have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.dataset.remote import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from imnet_data.dataset.opened import RemotePaths
    from imnet_data.loaders.files import Files
    from imnet_data.loaders.source import SupportsExtents
    from imnet_data.machine.open_file import OpenFile

PIECE_NBYTES = 8 << 20  # of one request: they take longer than the way there and back


class InStore(NamedTuple):
    """A source whose shards are in a store."""

    source: SupportsExtents
    files: Files
    paths: RemotePaths  # those of the source

    def pieces(self, indices: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the positions in `indices` of what is asked for together: records of one shard."""
        shards, nbytes = self.source.shard[indices], self.source.nbytes[indices]
        found = []
        for number in np.unique(shards).tolist():
            positions = np.flatnonzero(shards == number)
            piece = np.cumsum(nbytes[positions]) // PIECE_NBYTES
            found += np.split(positions, np.flatnonzero(np.diff(piece)) + 1)
        return found

    def ranges(self, indices: NDArray[np.int64]) -> Ranges:
        """Return where some records of one shard are."""
        name = self.paths.names[int(self.source.shard[indices[0]])]
        split = name.partition("/")[0]
        return Ranges(
            name,
            self.source.offset[indices].tolist(),
            self.source.nbytes[indices].tolist(),
            self.paths.remote.stored_sha256(split)[indices],
        )


class RemoteEpoch(ABC):
    """Reads ahead in the order of an epoch."""

    stream = None  # what is read next is not in files that the system could be asked for

    def __init__(self, store: InStore) -> None:
        self._store = store

    @abstractmethod
    def contents(self, step: int, indices: NDArray[np.int64]) -> list[bytes | memoryview] | None:
        """Return what is stored of a batch's records; None if they are in `files`.

        Raises:
            StorageError: if it cannot be had, or its bytes are wrong.
        """

    @abstractmethod
    def end(self) -> None:
        """Ask for nothing more."""

    def first(self, step: int) -> int:
        """Return 0: there is no stream."""
        del step
        return 0

    def files(self, step: int, indices: NDArray[np.int64]) -> list[OpenFile]:
        """Return the files of a batch's records, whole shards."""
        del step
        return self._store.files.open(self._store.source.shard[indices])

    def taking(self, step: int, files: list[OpenFile]) -> Iterator[OpenFile]:
        """Yield the file of each record of a batch: nothing of a file is read ahead."""
        del step
        yield from files
