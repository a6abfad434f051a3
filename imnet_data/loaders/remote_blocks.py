"""Batches from an object store in `block` order: whole blocks come to the cache, a group ahead.

A block is 256 records that lie one after another in the dataset (see `schedule`). It is fetched in
a few large ranges, and is one file of the cache, which has its records alone. While a group of 64
blocks is in use, those of the next one are fetched: by then no batch waits. The processes of a
machine share the files, so each block comes once.

When a group has been used up, its files count as last used when the loader began. So they make
room for the next ones before what is in use, and after what nobody has used since. Among them
the smallest goes first, always the same one: the others stay, and are found there in the next
epoch. A file that makes room while it is in use stays readable until it has been used up.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.loaders.remote_epoch import RemoteEpoch
from imnet_data.loaders.schedule import BLOCK, GROUP, shuffled_blocks

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from numpy.typing import NDArray

    from imnet_data.loaders.remote_epoch import InStore
    from imnet_data.loaders.schedule import Schedule


class RemoteBlocks(RemoteEpoch):
    """Reads ahead by blocks, for this group and the next.

    Args:
        store: what is read.
        schedule: which records come when.
        epoch: the number of the epoch.
        readers: threads, each of which fetches a block.
        finished_ns: when blocks count as last used once they have been used up.
    """

    def __init__(
        self,
        store: InStore,
        schedule: Schedule,
        *,
        epoch: int,
        readers: ThreadPoolExecutor,
        finished_ns: int,
    ) -> None:
        super().__init__(store)
        self._schedule, self._readers, self._finished_ns = schedule, readers, finished_ns
        blocks = shuffled_blocks(schedule.count, seed=schedule.seed, epoch=epoch)
        self._groups = np.split(blocks, range(GROUP, len(blocks), GROUP))
        counts = [sum(len(self._rows(number)) for number in group) for group in self._groups]
        self._ends = np.cumsum(counts)  # of the groups, among the places of the epoch
        self._asked: dict[int, Future[list[memoryview]]] = {}
        self._first = self._next = 0  # groups: still in use, and to be asked for
        self._stopped = threading.Event()

    def contents(self, step: int, indices: NDArray[np.int64]) -> list[bytes | memoryview]:
        """Return what is stored of a batch's records.

        Raises:
            StorageError: if it cannot be had, or its bytes are wrong.
        """
        size = self._schedule.global_batch_size
        places = np.array([step * size, (step + 1) * size - 1]) // self._schedule.repeats
        group, last = np.searchsorted(self._ends, places, side="right").tolist()
        self._next = max(self._next, group)
        while self._next < min(last + 2, len(self._groups)):
            self._ask(self._groups[self._next])
            self._next += 1
        numbers = indices // BLOCK
        self._ask(np.unique(numbers))  # of the records that fill up the last batch
        found = [
            self._asked[number].result()[position]
            for number, position in zip(numbers.tolist(), (indices % BLOCK).tolist(), strict=True)
        ]
        self._let_go_before(group)
        return found

    def end(self) -> None:
        """Ask for nothing more."""
        self._stopped.set()
        self._let_go([*self._asked])

    def _ask(self, blocks: NDArray[np.int64]) -> None:
        schedule = self._schedule
        first = len(blocks) * schedule.rank // schedule.world_size  # ranks share the work
        for number in np.roll(blocks, -first).tolist():
            if number not in self._asked:
                self._asked[number] = self._readers.submit(self._fetched, number)

    def _let_go_before(self, group: int) -> None:
        for blocks in self._groups[self._first : group]:
            self._let_go([number for number in blocks.tolist() if number in self._asked])
        self._first = max(self._first, group)

    def _let_go(self, blocks: list[int]) -> None:
        for number in blocks:
            self._asked.pop(number).cancel()
            self._store.paths.remote.count_as_used(self._name(number), at_ns=self._finished_ns)

    def _fetched(self, number: int) -> list[memoryview]:
        """Return each record of a block."""
        rows = self._rows(number)
        pieces = self._store.pieces(rows)
        content = self._store.paths.remote.block(
            self._name(number),
            [self._store.ranges(rows[piece]) for piece in pieces],
            is_stopped=self._stopped.is_set,
        )
        found = [content] * len(rows)
        end = 0
        for position in np.concatenate(pieces).tolist():
            start, end = end, end + int(self._store.source.nbytes[rows[position]])
            found[position] = content[start:end]
        return found

    def _name(self, number: int) -> str:
        split = self._store.paths.names[0].partition("/")[0]
        return f"{split}/blocks-of-{BLOCK}/{number:06}"

    def _rows(self, number: int) -> NDArray[np.int64]:
        return np.arange(number * BLOCK, min((number + 1) * BLOCK, self._schedule.count))
