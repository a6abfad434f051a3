"""Reading from storage: in stored order and in epoch order, the page cache emptied or filled.

The cache is emptied by posix_fadvise(POSIX_FADV_DONTNEED), which needs no rights but drops nothing
that another process has mapped, or on file systems that live in memory. So whether bytes came from
storage is read afterwards from /proc/self/io, and reported. The caches of a disk, of its controller
or of the host of a virtual machine cannot be dropped.
"""

from __future__ import annotations

import hashlib
import os
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.bench import names
from imnet_data.bench.measurement import Done
from imnet_data.bench.sample import some
from imnet_data.bench.stored import StoredReader, require_hash, stored_hashes
from imnet_data.dataset.opened import Dataset

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.bench.sample import Work

_MOST_RECORDS = 4096  # of a warm pass: 450 MB of photographs
_MOST_COLD_RECORDS = 1 << 15  # that repeats take from, each where the last one stopped


class Reading:
    """Stage: the bytes of records, by plain reads in several threads.

    Args:
        dataset: opened, for what is known of the records; files are opened anew in each repeat.
        work: says which records come first in an epoch.
        hashes: what these records have to be, as `hashes_of` gives them.
        in_epoch_order: whether the records are those of an epoch, or lie one after another.
        is_cold: whether the page cache is emptied of their files first, or filled.
        threads: that read at once.
    """

    takes = "stored bytes"

    def __init__(
        self,
        dataset: Dataset,
        work: Work,
        hashes: Mapping[int, str],
        *,
        in_epoch_order: bool,
        is_cold: bool,
        threads: int,
    ) -> None:
        self.name = names.reading(is_cold=is_cold, in_epoch_order=in_epoch_order)
        self.is_cold: bool | None = is_cold
        self.threads = threads
        self._dataset, self._hashes = dataset, hashes
        self._batch_size = work.schedule.batch_size
        most = _MOST_COLD_RECORDS if is_cold else _MOST_RECORDS
        self._indices = work.first(most, in_epoch_order=in_epoch_order)
        self._start = 0  # in `_indices`, of the next cold repeat
        self._last: tuple[NDArray[np.int64], list[bytes]] = (self._indices[:0], [])

    def prepare(self) -> None:
        """Empty the page cache of the files, or fill it with the records."""
        if not self.is_cold:
            for _ in self._passes(self._indices):
                pass
            return
        if self._start >= len(self._indices):
            self._start = 0
        for path in self._dataset.files_of(self._indices[self._start :]):
            drop(path)

    def batches(self) -> Generator[Done, None, None]:
        """Read batches, each record once where it is to come from storage."""
        if self.is_cold:
            yield from self._passes(self._indices[self._start :])
            return
        yield from self._passes(self._indices, is_endless=True)

    def check(self) -> int:
        """Compare the last batch with the manifest's hashes."""
        indices, contents = self._last
        for position in some(len(indices)):
            index = int(indices[position])
            got = hashlib.sha256(contents[position]).hexdigest()
            require_hash(self._dataset, index, got=got, hashes=self._hashes)
        return len(some(len(indices)))

    def _passes(
        self, chosen: NDArray[np.int64], *, is_endless: bool = False
    ) -> Generator[Done, None, None]:
        with (
            Dataset.open(self._dataset.root, self._dataset.split) as dataset,
            StoredReader(dataset, threads=self.threads) as reader,
        ):
            starts = range(0, len(chosen), self._batch_size)
            for first in cycle(starts) if is_endless else starts:
                indices = chosen[first : first + self._batch_size]
                contents = reader.read(indices)
                self._last = indices, contents
                self._start += len(indices)
                yield Done(len(contents), sum(map(len, contents)))


def hashes_of(dataset: Dataset, work: Work) -> dict[int, str]:
    """Return the hashes of all records that are read, in one walk through the manifest."""
    orders = [work.first(_MOST_COLD_RECORDS, in_epoch_order=one) for one in (False, True)]
    return stored_hashes(dataset, np.concatenate(orders))


def drop(path: Path) -> None:
    """Ask the system to drop a file from the page cache."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
