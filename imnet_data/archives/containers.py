"""Containers: what holds files, under one Protocol: tar archives, zip archives, folders.

Each gives entries (a path, a place, a size) in one walk that reads no image, and later the bytes
at a place. A place is one integer, so that 1.28 million records take three NumPy arrays.
"""

from __future__ import annotations

import functools
import gzip
import os
import zlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

from imnet_data.archives import tar
from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STREAM_CHUNK = 1 << 20  # bytes
_UNKNOWN_END = 1 << 62  # of a stream: it ends where it ends


class Entry(NamedTuple):
    """One file of a container."""

    path: str
    place: int  # as the container counts
    nbytes: int


class Container(Protocol):
    """What holds files."""

    name: str  # base name, for errors
    extent: int  # what `place` goes up to; 0 where that is not known

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the bytes of one entry; may be called in forked processes."""

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read, once it was walked."""

    def close(self) -> None:
        """Close files."""


class Tar:
    """A tar archive, or an archive of one archive a class; a place is an absolute offset.

    A member `<wnid>.tar` is walked in place, and its members come as `<wnid>/<name>`.
    """

    def __init__(self, path: Path, *, packed: Path | None = None) -> None:
        """Open the archive at `path`; `packed` is the file it was unpacked from."""
        self.name = (packed or path).name
        self._nbytes = (packed or path).stat().st_size
        self._file = path.open("rb", buffering=0)
        self.extent = path.stat().st_size
        # pread moves no position, so forked processes can share the descriptor
        self._pread = functools.partial(os.pread, self._file.fileno())

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""
        for member in tar.members(self._pread, end=self.extent, archive=self.name):
            if member.name.endswith(".tar"):
                yield from self._class_entries(member)
            else:
                yield Entry(*member)

    def _class_entries(self, outer: tar.Member) -> Iterator[Entry]:
        wnid = outer.name.rpartition("/")[2].removesuffix(".tar")
        archive = f"{self.name}, {outer.name}"
        if not is_wnid(wnid):
            raise SourceError(f"{archive}: an archive in the archive is called <wnid>.tar")
        end, empty = outer.offset + outer.nbytes, True
        for inner in tar.members(self._pread, start=outer.offset, end=end, archive=archive):
            yield Entry(f"{wnid}/{inner.name}", inner.offset, inner.nbytes)
            empty = False
        if empty:
            raise SourceError(f"{archive}: holds no images; {tar.REMEDY}")

    def read(self, place: int, nbytes: int) -> bytes:
        """Return `nbytes` bytes at an absolute offset."""
        data = self._pread(nbytes, place)
        if len(data) < nbytes:
            raise SourceError(f"{self.name}: became shorter while it was read; {tar.REMEDY}")
        return data

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read."""
        return [(self.name, self._nbytes)]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class GzippedTar:
    """A .tar.gz walked in one stream: an entry can be read only just after it was given."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.extent = 0
        self._nbytes = path.stat().st_size
        self._stream = gzip.open(path)  # noqa: SIM115 (closed by `close`)
        self._buffer, self._buffer_start = b"", 0

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""
        for member in tar.members(self._pread, end=_UNKNOWN_END, archive=self.name):
            yield Entry(*member)

    def _pread(self, nbytes: int, offset: int) -> bytes:
        if offset > self._buffer_start + 2 * _STREAM_CHUNK:  # the start is not asked for again
            keep_from = offset - _STREAM_CHUNK
            self._fill(keep_from)
            self._buffer = self._buffer[keep_from - self._buffer_start :]
            self._buffer_start = keep_from
        self._fill(offset + nbytes)
        at = offset - self._buffer_start
        return self._buffer[at : at + nbytes]

    def _fill(self, end: int) -> None:
        try:
            while self._buffer_start + len(self._buffer) < end:
                chunk = self._stream.read(_STREAM_CHUNK)
                if not chunk:
                    return
                self._buffer += chunk
        except (EOFError, OSError, zlib.error) as error:
            raise SourceError(f"{self.name}: damaged gzip data ({error}); {tar.REMEDY}") from error

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the bytes of the entry that was given last."""
        return self._pread(nbytes, place)

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read."""
        return [(self.name, self._nbytes)]

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
