"""Batches from an object store: what is not in the cache is read ahead, by ranges.

For each of the next batches, threads ask for those of its records whose shards are not in the
cache: from each shard in one go, ranges that lie near each other together. Meanwhile, as long as
there is room, two threads bring whole shards into the cache, in the order in which the epoch comes
to them; what this loader has used does not make room for them. A batch whose shards are all there
is read from the disk, as that of any dataset.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.dataset.opened import RemotePaths
from imnet_data.errors import Stopped
from imnet_data.loaders.files import read_extent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from imnet_data.loaders.files import Files
    from imnet_data.loaders.schedule import Schedule
    from imnet_data.loaders.source import SupportsExtents
    from imnet_data.machine.open_file import OpenFile

    Contents = list[bytes | memoryview]

_THREADS = 16  # requests at a time
_WARMING = 2  # shards that are brought at a time
_MOST_NBYTES = 128 << 20  # of records that are read ahead
_MOST_BATCHES = 32


def are_remote(source: SupportsExtents) -> bool:
    """Return whether the shards of a source are in a store."""
    return isinstance(source.shard_paths, RemotePaths)


class RemoteAhead:
    """Reads ahead for the epochs of one loader."""

    def __init__(self, source: SupportsExtents, files: Files) -> None:
        assert isinstance(source.shard_paths, RemotePaths)
        self.source, self.files, self.paths = source, files, source.shard_paths
        self.began_ns = time.time_ns()
        self._pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None
        self._epochs: list[RemoteEpoch] = []

    def epoch(
        self, schedule: Schedule, order: NDArray[np.int64], *, epoch: int, start: int
    ) -> RemoteEpoch:
        """Return what reads ahead for an epoch in `order`, from batch `start` on."""
        del epoch
        if self._pools is None:  # made where an epoch begins: threads do not survive a fork
            self._pools = (
                ThreadPoolExecutor(_THREADS, "ranges"),
                ThreadPoolExecutor(_WARMING, "shards"),
            )
        return RemoteEpoch(self, schedule, order, start=start, pools=self._pools)

    def close(self) -> None:
        """End the threads."""
        for pool in self._pools or ():
            pool.shutdown(cancel_futures=True)


class RemoteEpoch:
    """Reads ahead in the order of an epoch."""

    stream = None  # what is read next is not in files that the system could be asked for

    def __init__(
        self,
        ahead: RemoteAhead,
        schedule: Schedule,
        order: NDArray[np.int64],
        *,
        start: int,
        pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor],
    ) -> None:
        self._ahead, self._schedule, self._order = ahead, schedule, order
        self._readers, warmers = pools
        self._next = start
        nbytes = max(1.0, float(np.mean(ahead.source.nbytes))) * schedule.batch_size
        self._batches = max(1, min(_MOST_BATCHES, int(_MOST_NBYTES / nbytes)))
        self._asked: dict[int, list[tuple[NDArray[np.int64], Future[Contents]]] | None] = {}
        self._stopped = threading.Event()
        steps = range(start, len(schedule))
        self._wanted = deque(self._shards_in_order(steps))
        self._warming = [warmers.submit(self._warm) for _ in range(_WARMING)]

    def first(self, step: int) -> int:
        """Return 0: there is no stream."""
        del step
        return 0

    def files(self, step: int, indices: NDArray[np.int64]) -> list[OpenFile]:
        """Return the files of a batch's records, whole shards."""
        del step
        return self._ahead.files.open(self._ahead.source.shard[indices])

    def taking(self, step: int, files: list[OpenFile]) -> Iterator[OpenFile]:
        """Yield the file of each record of a batch: nothing of a file is read ahead."""
        del step
        yield from files

    def contents(self, step: int, indices: NDArray[np.int64]) -> Contents | None:
        """Return what is stored of a batch's records; None if all their shards are in the cache.

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
        """Ask for nothing more, and wait for what is being asked for."""
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
        """Ask for the records of a batch, shard by shard; None if all shards are in the cache."""
        paths, shards = self._ahead.paths, self._ahead.source.shard[indices]
        numbers = np.unique(shards).tolist()
        cached = {number: paths.remote.has(paths.names[number]) for number in numbers}
        if all(cached.values()):
            return None
        asked = []
        for number in numbers:
            positions = np.flatnonzero(shards == number)
            read = self._read_cached if cached[number] else self._read_ranges
            asked.append((positions, self._readers.submit(read, number, indices[positions])))
        return asked

    def _read_cached(self, number: int, indices: NDArray[np.int64]) -> Contents:
        del number
        files = self._ahead.files.open(self._ahead.source.shard[indices])
        return [
            read_extent(self._ahead.source, file, index)
            for file, index in zip(files, indices.tolist(), strict=True)
        ]

    def _read_ranges(self, number: int, indices: NDArray[np.int64]) -> Contents:
        if self._stopped.is_set():
            raise Stopped("stopped")
        source, paths = self._ahead.source, self._ahead.paths
        name = paths.names[number]
        split = name.partition("/")[0]
        return paths.remote.read_ranges(
            name,
            source.offset[indices].tolist(),
            source.nbytes[indices].tolist(),
            paths.remote.stored_sha256(split)[indices],
        )

    def _shards_in_order(self, steps: range) -> list[int]:
        """Return the shards of what is left of the epoch, those first that come first."""
        if not len(steps):
            return []
        rows = np.concatenate([self._schedule.batch(self._order, step) for step in steps])
        shards, first = np.unique(self._ahead.source.shard[rows], return_index=True)
        return [int(shard) for shard in shards[np.argsort(first)]]

    def _warm(self) -> None:
        """Bring whole shards, until there is no room or no need."""
        paths = self._ahead.paths
        while self._wanted and not self._stopped.is_set():
            try:
                name = paths.names[self._wanted.popleft()]
                if not paths.remote.warm(
                    name,
                    unused_since_ns=self._ahead.began_ns,
                    is_stopped=self._stopped.is_set,
                ):
                    return
            except (IndexError, Stopped):  # the other thread took the last, or the epoch has ended
                return
