"""Batches from an object store, by ranges.

For each of the next batches, threads ask for those of its records whose shards are not in the
cache, ranges that lie near each other together. Meanwhile, as long as there is room, other threads
bring whole shards into the cache, in the order in which the epoch comes to them; what this loader
has used does not make room for them. A batch whose shards are all there is read from the disk.

Of a small dataset, all records would be asked for before the first shard is there, and come twice.
So its batches wait for their shards.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import Stopped
from imnet_data.loaders.files import read_extent
from imnet_data.loaders.remote_epoch import RemoteEpoch

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from numpy.typing import NDArray

    from imnet_data.loaders.remote_epoch import InStore
    from imnet_data.loaders.schedule import Schedule

    Contents = list[bytes | memoryview]

READERS = 64  # requests at a time: most of them are for one record, and last as long as the way
WARMERS = 4  # shards that are brought at a time
_MOST_NBYTES = 128 << 20  # of records that are read ahead
_MOST_BATCHES = 32
_SMALL_NBYTES = 128 << 20  # of a dataset whose records are not read by themselves


class RemoteRanges(RemoteEpoch):
    """Reads ahead by ranges, for several batches.

    Args:
        store: what is read.
        schedule: which records come when.
        order: of the epoch.
        start: the first batch.
        began_ns: when the loader began; only what was used before makes room for shards.
        pools: READERS threads, and WARMERS.
    """

    def __init__(
        self,
        store: InStore,
        schedule: Schedule,
        order: NDArray[np.int64],
        *,
        start: int,
        began_ns: int,
        pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor],
    ) -> None:
        super().__init__(store)
        self._schedule, self._order, self._began_ns = schedule, order, began_ns
        self._readers, warmers = pools
        self._next = start
        nbytes = max(1.0, float(np.mean(store.source.nbytes))) * schedule.batch_size
        self._batches = max(1, min(_MOST_BATCHES, int(_MOST_NBYTES / nbytes)))
        limit, total = store.paths.remote.limit_nbytes, int(store.source.nbytes.sum())
        fits = limit is None or limit >= 2 * total  # shards have more than records
        self._waits_for_shards = fits and total <= _SMALL_NBYTES
        self._asked: dict[int, list[tuple[NDArray[np.int64], Future[Contents]]] | None] = {}
        self._stopped = threading.Event()
        self._wanted = deque(self._shards_in_order(range(start, len(schedule))))
        self._warming = [warmers.submit(self._warm) for _ in range(WARMERS)]

    def contents(self, step: int, indices: NDArray[np.int64]) -> Contents | None:
        """Return what is stored of a batch's records; None if they are read from shards.

        Raises:
            StorageError: if it cannot be had, or its bytes are wrong.
        """
        self._ask(step)
        asked = self._asked.pop(step)
        if asked is None:
            return None
        found: Contents = [b""] * len(indices)
        for positions, future in asked:
            for position, content in zip(positions.tolist(), future.result(), strict=True):
                found[position] = content
        return found

    def end(self) -> None:
        """Ask for nothing more."""
        self._stopped.set()
        futures = [future for asked in self._asked.values() for _, future in asked or ()]
        for reading in futures:
            reading.cancel()
        for warming in self._warming:
            warming.cancel()

    def _ask(self, step: int) -> None:
        until = min(len(self._schedule), step + 1 + self._batches)
        for number in range(self._next, until):
            self._asked[number] = self._asked_for(self._schedule.batch(self._order, number))
        self._next = max(self._next, until)

    def _asked_for(
        self, indices: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.int64], Future[Contents]]] | None:
        """Ask for the records of a batch, piece by piece; None if they are read from shards."""
        if self._waits_for_shards:
            return None
        paths, shards = self._store.paths, self._store.source.shard[indices]
        cached = {
            number: paths.remote.has(paths.names[number]) for number in np.unique(shards).tolist()
        }
        if all(cached.values()):
            return None
        asked = []
        for positions in self._store.pieces(indices):
            is_cached = cached[int(shards[positions[0]])]
            read = self._read_cached if is_cached else self._read_ranges
            asked.append((positions, self._readers.submit(read, indices[positions])))
        return asked

    def _read_cached(self, indices: NDArray[np.int64]) -> Contents:
        source = self._store.source
        files = self._store.files.open(source.shard[indices])
        return [
            read_extent(source, file, index)
            for file, index in zip(files, indices.tolist(), strict=True)
        ]

    def _read_ranges(self, indices: NDArray[np.int64]) -> Contents:
        if self._stopped.is_set():
            raise Stopped("stopped")
        return self._store.paths.remote.read_ranges(self._store.ranges(indices))

    def _shards_in_order(self, steps: range) -> list[int]:
        """Return the shards of what is left of the epoch, those first that come first."""
        if not len(steps):
            return []
        rows = np.concatenate([self._schedule.batch(self._order, step) for step in steps])
        shards, first = np.unique(self._store.source.shard[rows], return_index=True)
        return [int(shard) for shard in shards[np.argsort(first)]]

    def _warm(self) -> None:
        """Bring whole shards, until there is no room or no need."""
        paths = self._store.paths
        while self._wanted and not self._stopped.is_set():
            try:
                name = paths.names[self._wanted.popleft()]
                if not paths.remote.warm(
                    name,
                    unused_since_ns=self._began_ns,
                    is_stopped=self._stopped.is_set,
                ):
                    return
            except (IndexError, Stopped):  # the other thread took the last, or the epoch has ended
                return
