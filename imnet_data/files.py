"""Files that appear when they are whole, and their sha256."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from imnet_data.closing import Closing
from imnet_data.native import _native

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

_MORE_NBYTES = 1 << 14  # above what a format writes beside an image, so that little is left over
_CHUNK_NBYTES = 1 << 20


def file_sha256(path: Path) -> str:
    """Give the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, content: bytes, *, sync: bool = True) -> str:
    """Write a file so that it appears when it is whole; give its sha256.

    A link stays one, and what is there and no plain file (a pipe, /dev/null) is written to.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()
    path = path.resolve()
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    part.rename(path)
    return hashlib.sha256(content).hexdigest()


class FileHash(Closing):
    """The sha256 of a file that is being written from start to end, beside that of its records.

    Two streams at once take a processor with SHA instructions no longer than one; so the file is
    read again while it is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._stream = _native.Sha256() if _native.has_sha256_instructions() else None
        self._buffer = bytearray()

    def sha256_beside(self, content: bytes) -> str:
        """Give the sha256 of `content`; what the file has by now is hashed beside it."""
        if self._stream is None:
            return hashlib.sha256(content).hexdigest()
        more = self._read(len(content) + _MORE_NBYTES)
        return _native.sha256_beside(content, self._stream, more).hex()

    def _read(self, nbytes: int) -> memoryview:
        if self._file is None:
            self._file = self._path.open("rb", buffering=0)
        if len(self._buffer) < nbytes:
            self._buffer = bytearray(nbytes)
        view = memoryview(self._buffer)[:nbytes]
        return view[: self._file.readinto(view)]

    def hexdigest(self) -> str:
        """Give the sha256 of the whole file, once all of it is written."""
        if self._stream is None:
            return file_sha256(self._path)
        while more := self._read(_CHUNK_NBYTES):
            _native.sha256_beside(b"", self._stream, more)
        return self._stream.digest().hex()

    def close(self) -> None:
        """Give back the file."""
        if self._file is not None:
            self._file.close()
