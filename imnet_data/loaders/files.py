"""Open files of a dataset, as few at a time as the process may have."""

from __future__ import annotations

import errno
import weakref
from typing import TYPE_CHECKING

from imnet_data.dataset.opened import RemotePaths
from imnet_data.errors import FormatError, verify_command
from imnet_data.loaders.source import SupportsExtents, is_whole, record_name
from imnet_data.machine.open_file import OpenFile, explained, room

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.loaders.source import SupportsReading

_ATTEMPTS = 20  # to open a file of a cache that others use as well


def read_extent(source: SupportsExtents, file: OpenFile, index: int) -> bytes:
    """Return what is stored of record `index`; a FormatError names it if the file lacks it."""
    nbytes = int(source.nbytes[index])
    try:
        stored = file.read(int(source.offset[index]), nbytes + is_whole(source))
    except OSError as error:
        raise _unreadable(source, index, str(error.strerror)) from error
    if len(stored) < nbytes:
        raise _unreadable(source, index, "its file is cut short")
    if len(stored) > nbytes:
        raise _unreadable(source, index, f"its file has more than {nbytes} bytes")
    return stored


def _unreadable(source: SupportsExtents, index: int, why: str) -> FormatError:
    name = record_name(source, index)
    return FormatError(f"{name}: {why}; run {verify_command()}")


class Files:
    """Opens files by number; the least recently used one is let go where there are too many.

    A file stays open for as long as a batch that is read from it is under way. Where batches hold
    so many that no more may be open, the others are opened for each read.
    """

    def __init__(self, paths: Sequence[Path], *, stay_open: bool = True) -> None:
        self._paths = paths
        self._stay_open = stay_open  # False where each holds one record, and is read once an epoch
        self._open: weakref.WeakValueDictionary[int, OpenFile] = weakref.WeakValueDictionary()
        self._recent: dict[int, OpenFile] = {}  # the least recently used first

    @classmethod
    def of(cls, source: SupportsExtents | SupportsReading) -> Files | None:
        """Return the files of a source; None where it reads records itself."""
        if not isinstance(source, SupportsExtents):
            return None
        return cls(source.shard_paths, stay_open=not is_whole(source))

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
            if not self._stay_open:
                return OpenFile(self._paths[number], opens=False)
            file = self._opened(number)
            if file.descriptor < 0:
                return file
            self._open[number] = file
        self._recent.pop(number, None)
        self._recent[number] = file
        return file

    def _opened(self, number: int) -> OpenFile:
        if not room():
            self._recent.pop(next(iter(self._recent), -1), None)
        for _ in range(_ATTEMPTS):
            path = self._paths[number]
            try:
                return OpenFile(path, opens=room())
            except OSError as error:
                if isinstance(self._paths, RemotePaths) and error.errno == errno.ENOENT:
                    continue  # it was evicted from the cache since: it is fetched again
                raise FormatError(
                    f"{path}: {explained(error, f'run {verify_command()}')}"
                ) from error
        raise FormatError(
            f"{path}: is evicted from the cache as soon as it is there; pass a larger cache_size"
        )
