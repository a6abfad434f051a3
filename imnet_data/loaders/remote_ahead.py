"""Batches from an object store: what is not in the cache is read ahead.

In `block` order, whole blocks come to the cache, a group ahead (see `remote_blocks`), if the cache
can hold the two groups that are in use at a time. In any other order, and in a smaller cache,
records are read by ranges, while whole shards come to the cache (see `remote_ranges`).
"""

from __future__ import annotations

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.dataset.opened import RemotePaths
from imnet_data.loaders.remote_blocks import RemoteBlocks
from imnet_data.loaders.remote_epoch import InStore
from imnet_data.loaders.remote_ranges import READERS, WARMERS, RemoteRanges
from imnet_data.loaders.schedule import BLOCK, GROUP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imnet_data.loaders.files import Files
    from imnet_data.loaders.remote_epoch import RemoteEpoch
    from imnet_data.loaders.schedule import Schedule
    from imnet_data.loaders.source import SupportsExtents

_BLOCKS = 16  # that are fetched at a time, each 8 MB by 8 MB


class RemoteAhead:
    """Reads ahead for the epochs of one loader."""

    def __init__(self, store: InStore) -> None:
        self._store = store
        self._began_ns = time.time_ns()

    @classmethod
    def of(cls, source: SupportsExtents, files: Files) -> RemoteAhead | None:
        """Return what reads ahead for a source whose shards are in a store; else None."""
        paths = source.shard_paths
        return cls(InStore(source, files, paths)) if isinstance(paths, RemotePaths) else None

    @property
    def is_cached(self) -> bool:
        """Whether all shards are in the cache."""
        paths = self._store.paths
        return all(paths.remote.has(name) for name in paths.names)

    def epoch(
        self, schedule: Schedule, order: NDArray[np.int64], *, epoch: int, start: int
    ) -> RemoteEpoch:
        """Return what reads ahead for an epoch in `order`, from batch `start` on."""
        if schedule.order == "block" and self._has_room_for_groups:
            return RemoteBlocks(
                self._store,
                schedule,
                epoch=epoch,
                readers=self._block_readers,
                finished_ns=self._began_ns,
            )
        return RemoteRanges(
            self._store,
            schedule,
            order,
            start=start,
            began_ns=self._began_ns,
            pools=(self._range_readers, self._shard_readers),
        )

    @functools.cached_property
    def _has_room_for_groups(self) -> bool:
        limit, nbytes = self._store.paths.remote.limit_nbytes, self._store.source.nbytes
        blocks = np.sort(np.add.reduceat(nbytes, np.arange(0, len(nbytes), BLOCK)))
        return limit is None or limit >= int(blocks[-2 * GROUP :].sum())

    # made where an epoch begins: threads do not survive a fork
    @functools.cached_property
    def _range_readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS, "ranges")

    @functools.cached_property
    def _block_readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_BLOCKS, "blocks")

    @functools.cached_property
    def _shard_readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(WARMERS, "shards")

    def close(self) -> None:
        """End the threads."""
        for made in vars(self).values():
            if isinstance(made, ThreadPoolExecutor):
                made.shutdown(cancel_futures=True)
