"""A file that is read at positions, as Python's own streams are."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

    from imnet_data.machine.open_file import ReadAt

_BUFFER_NBYTES = 1 << 20


class _Raw(io.RawIOBase):
    def __init__(self, file: ReadAt, position: int) -> None:
        self._file, self._position = file, position

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        nbytes = self._file.read_into(memoryview(buffer).cast("B"), self._position)
        self._position += nbytes
        return nbytes

    def tell(self) -> int:
        return self._position


def stream(file: ReadAt, position: int = 0) -> io.BufferedReader:
    """Return a stream of what comes from a position on; closing it leaves the file open."""
    return io.BufferedReader(_Raw(file, position), _BUFFER_NBYTES)
