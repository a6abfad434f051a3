"""Open files of a dataset, as few at a time as the process may have."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import FormatError, verify_command
from imnet_data.loaders.schedule import BLOCK, GROUP, shuffled_blocks
from imnet_data.loaders.source import record_name
from imnet_data.machine.open_file import OpenFile, explained, room

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.loaders.schedule import Schedule
    from imnet_data.loaders.source import SupportsExtents


def read_extent(source: SupportsExtents, file: OpenFile, index: int) -> bytes:
    """Return what is stored of record `index`; a FormatError names it if the file lacks it."""
    nbytes = int(source.nbytes[index])
    try:
        stored = file.read(int(source.offset[index]), nbytes)
    except OSError as error:
        raise _unreadable(source, index, str(error.strerror)) from error
    if len(stored) < nbytes:
        raise _unreadable(source, index, "its file is cut short")
    return stored


def _unreadable(source: SupportsExtents, index: int, why: str) -> FormatError:
    name = record_name(source, index)
    return FormatError(f"{name}: {why}; run {verify_command()}")


class Files:
    """Opens files by number; the least recently used one is let go where there are too many.

    A file stays open for as long as a batch that is read from it is under way. Where batches hold
    so many that no more may be open, the others are opened for each read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._open: weakref.WeakValueDictionary[int, OpenFile] = weakref.WeakValueDictionary()
        self._recent: dict[int, OpenFile] = {}  # the least recently used first

    def open(self, numbers: NDArray[np.integer]) -> list[OpenFile]:
        """Return the open file of each number.

        Raises:
            FormatError: if there is no such file, or it cannot be opened.
        """
        return [self._file(number) for number in numbers.tolist()]

    def close(self) -> None:
        """Close all files."""
        self._recent.clear()

    def _file(self, number: int) -> OpenFile:
        file = self._open.get(number)
        if file is None:
            if not 0 <= number < len(self._paths):
                raise FormatError(
                    f"the index names shard {number} of {len(self._paths)}; run {verify_command()}"
                )
            file = self._opened(self._paths[number])
            if file.descriptor < 0:
                return file
            self._open[number] = file
        self._recent.pop(number, None)
        self._recent[number] = file
        return file

    def _opened(self, path: Path) -> OpenFile:
        if not room():
            self._recent.pop(next(iter(self._recent), -1), None)
        try:
            return OpenFile(path, opens=room())
        except OSError as error:
            raise FormatError(f"{path}: {explained(error, f'run {verify_command()}')}") from error


class ReadAhead:
    """In block order, asks the system for the blocks of the next group while one is in use."""

    def __init__(
        self, source: SupportsExtents, files: Files, schedule: Schedule, *, epoch: int, start: int
    ) -> None:
        self._source = source
        self._files = files
        self._records_at_once = schedule.global_batch_size
        self._blocks = shuffled_blocks(schedule.count, seed=schedule.seed, epoch=epoch)
        self._asked = start * self._records_at_once // BLOCK // GROUP * GROUP

    def ask(self, step: int) -> None:
        """Ask for what batch number `step` and its successors will read; does not wait for it."""
        until = GROUP + (step + 1) * self._records_at_once // BLOCK
        for block in self._blocks[self._asked : until].tolist():
            self._ask(slice(block * BLOCK, (block + 1) * BLOCK))
        self._asked = max(self._asked, until)

    def _ask(self, records: slice) -> None:
        shards, offsets = self._source.shard[records], self._source.offset[records]
        ends = offsets + self._source.nbytes[records]
        for shard in np.unique(shards):
            (file,) = self._files.open(np.array([shard]))
            start, end = int(offsets[shards == shard].min()), int(ends[shards == shard].max())
            if file.descriptor < 0:
                continue
            os.posix_fadvise(file.descriptor, start, end - start, os.POSIX_FADV_WILLNEED)
