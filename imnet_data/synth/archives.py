"""Tar archives written as a stream, with fixed times, owners and modes, so that bytes repeat.

A tar inside a tar is written in place: its header is written again once its size is known.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tarfile
from typing import IO, TYPE_CHECKING, cast

from imnet_data.machine.files import appearing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TarWriter:
    """Writes one USTAR archive to an open file, which must be seekable for `nested`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._nbytes = 0

    def add(self, name: str, data: bytes) -> None:
        """Append a file."""
        self._write(_header(name, len(data)) + data + bytes(-len(data) % tarfile.BLOCKSIZE))

    def add_folder(self, name: str) -> None:
        """Append the entry of a folder."""
        self._write(_header(name, 0, kind=tarfile.DIRTYPE))

    @contextlib.contextmanager
    def nested(self, name: str) -> Iterator[TarWriter]:
        """Append a tar archive as a member, to be filled inside the `with`."""
        start = self._file.tell()
        self._write(_header(name, 0))
        inner = TarWriter(self._file)
        yield inner
        inner.finish()
        self._nbytes += inner._nbytes
        self._file.seek(start)
        self._file.write(_header(name, inner._nbytes))
        self._file.seek(0, os.SEEK_END)

    def finish(self) -> None:
        """Write the end of the archive, to a full record."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._write(bytes(-self._nbytes % tarfile.RECORDSIZE))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._nbytes += len(data)


def _header(name: str, nbytes: int, *, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = nbytes
    info.type = kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


@contextlib.contextmanager
def tar_file(path: Path) -> Iterator[TarWriter]:
    """Open a tar archive for writing; gzip where the name ends so; it appears when whole."""
    with appearing(path) as part, part.open("wb") as file, _packed(file, path) as inside:
        tar = TarWriter(inside)
        yield tar
        tar.finish()


def _packed(file: IO[bytes], path: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    if path.suffix not in (".gz", ".tgz"):
        return contextlib.nullcontext(file)
    return cast("IO[bytes]", gzip.GzipFile("", "wb", fileobj=file, mtime=0))
