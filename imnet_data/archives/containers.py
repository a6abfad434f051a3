"""Containers: what holds files, under one Protocol: tar archives, zip archives, folders.

Each gives entries (a path, a place, a size) in one walk that reads no image, and later the bytes
at a place. A place is one integer, so that 1.28 million records take three NumPy arrays.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeGuard, runtime_checkable

from imnet_data.archives import tar
from imnet_data.archives.gzipped import SeekableGzip
from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid
from imnet_data.storage import ranges
from imnet_data.storage.ahead import ahead_of
from imnet_data.storage.object_file import ObjectFile
from imnet_data.storage.place import identity, nbytes_of, open_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imnet_data.storage.place import Place

FIRST_NBYTES = 16  # which distinguish kinds of files

_STREAM_CHUNK = 1 << 20  # bytes
_UNKNOWN_END = 1 << 62  # of a stream: it ends where it ends
_BATCH = re.compile(r"ILSVRC20\d\d_(DET_)?train_(extra)?\d+", re.ASCII)


class Entry(NamedTuple):
    """One file of a container."""

    path: str
    place: int  # as the container counts
    nbytes: int


class Container(Protocol):
    """What holds files."""

    name: str  # base name, for errors

    @property
    def path(self) -> Place:
        """What it is in."""

    @property
    def extent(self) -> int:
        """What `place` goes up to; 0 where that is not known."""

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the bytes of one entry; also in forked processes, and in others once pickled."""

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of an entry of `nbytes`, FIRST_NBYTES at most, during the walk."""

    def path_of(self, place: int) -> str:
        """Return the full path of an entry, for errors; it may take another walk."""

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read, once it was walked."""

    def identity(self) -> str:
        """Return a text that is another when what was walked is replaced or written to."""

    def close(self) -> None:
        """Close files."""


@runtime_checkable
class MayBeFar(Container, Protocol):
    """A container that may be in a store: then entries are better read several at a time."""

    @property
    def is_far(self) -> bool:
        """Whether it is."""

    def read_together(self, places: Sequence[int], nbytes: Sequence[int]) -> list[bytes]:
        """Return the bytes of several entries; threads may do so at once."""


def is_far(container: Container) -> TypeGuard[MayBeFar]:
    """Return whether a container is in a store."""
    return isinstance(container, MayBeFar) and container.is_far


def unfolded(
    pread: tar.Pread, *, end: int, start: int = 0, archive: str, prefix: str = ""
) -> Iterator[Entry]:
    """Yield the files of a tar; of a member `<wnid>.tar` its files, as `<wnid>/<name>`.

    So are those of the batches that the train images of DET come in.

    Args:
        pread: reads the outermost file.
        end: where the archive ends at the latest.
        start: where it begins.
        archive: its name, for errors.
        prefix: what paths begin with.

    Raises:
        SourceError: if an archive is damaged or unsafe, or one inside is not of a class.
    """
    for name, offset, nbytes in tar.members(pread, start=start, end=end, archive=archive):
        file = name.rpartition("/")[2]
        if not file.endswith(".tar") or file.startswith("."):
            yield Entry(prefix + name, offset, nbytes)
            continue
        if not is_inner_archive(file):
            raise SourceError(
                f"{archive}, {name}: only <wnid>.tar is read inside another archive, and the "
                "batches of DET; unpack the outer one, and pass its contents"
            )
        inner = f"{archive}, {name}"
        yield from class_members(
            pread,
            start=offset,
            end=offset + nbytes,
            archive=inner,
            prefix=f"{prefix}{name.removesuffix('.tar')}/",
        )


def is_inner_archive(name: str) -> bool:
    """Return whether a file is called as the archive of a class, or of a batch of DET."""
    stem = name.removesuffix(".tar")
    return stem != name and (is_wnid(stem) or _BATCH.fullmatch(stem) is not None)


def class_members(
    pread: tar.Pread, *, end: int, start: int = 0, archive: str, prefix: str
) -> Iterator[Entry]:
    """Yield the files of the archive of one class.

    Raises:
        SourceError: if it is damaged, unsafe or empty.
    """
    empty = True
    for name, offset, nbytes in tar.members(pread, start=start, end=end, archive=archive):
        yield Entry(prefix + name, offset, nbytes)
        empty = False
    if empty:
        raise SourceError(f"{archive}: contains no images; {tar.REMEDY}")


def pread_all(descriptor: int, nbytes: int, offset: int) -> bytes:
    """Return `nbytes` bytes at `offset`, fewer only at the end of the file."""
    data = os.pread(descriptor, nbytes, offset)
    while len(data) < nbytes:  # Linux gives 2 GiB at most in one call
        more = os.pread(descriptor, nbytes - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


class Tar:
    """A tar archive, or an archive of one archive a class; a place is an absolute offset."""

    def __init__(self, path: Place, *, packed: Place | None = None) -> None:
        """Open the archive at `path`; `packed` is the file it was unpacked from."""
        self._opened = path
        self.path = packed or path
        self.name = self.path.name
        self._file = open_place(path)  # it has no position, so forked processes can share it
        self._ahead = ahead_of(self._file)  # for the walk
        self.extent = self._file.nbytes

    def __reduce__(self) -> tuple[Callable[[], Tar], tuple[()]]:
        return partial(Tar, self._opened, packed=self.path), ()

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""
        return unfolded(self._pread, end=self.extent, archive=self.name)

    def _pread(self, nbytes: int, offset: int) -> bytes:
        return self._ahead.read(offset, nbytes)

    def read(self, place: int, nbytes: int) -> bytes:
        """Return `nbytes` bytes at an absolute offset."""
        data = self._file.read(place, nbytes)
        if len(data) < nbytes:
            raise SourceError(f"{self.name}: became shorter while it was read; {tar.REMEDY}")
        return data

    @property
    def is_far(self) -> bool:
        """Whether it is read in a store."""
        return isinstance(self._file, ObjectFile)

    def read_together(self, places: Sequence[int], nbytes: Sequence[int]) -> list[bytes]:
        """Return the bytes of several entries."""
        return [*map(bytes, ranges.read_together(self._file.read, places, nbytes))]

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of an entry."""
        return self._pread(min(nbytes, FIRST_NBYTES), place)

    def path_of(self, place: int) -> str:
        """Return the full path of an entry; of one in a store, its place."""
        if not isinstance(self.path, Path):
            return f"{self.path}, byte {place}"  # another walk would read all of it
        return f"{self.path}/{walked_path(self, place)} (byte {place})"

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read."""
        return list(zip([self.name], nbytes_of([self.path]), strict=True))

    def identity(self) -> str:
        """Return what distinguishes the file from another."""
        return identity(self.path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def walked_path(container: Container, place: int) -> str:
    """Return the path of the entry at `place` by walking there."""
    return next(
        (entry.path for entry in container.entries() if entry.place == place), f"byte {place}"
    )


class GzippedTar:
    """A .tar.gz; a place is an offset in what is decompressed.

    It is walked in one stream. An entry that was given last costs nothing to read, another one the
    decompression of a part of the file (see `gzipped`).
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self.name = path.name
        self.file = SeekableGzip(path)
        self._buffer, self._buffer_start = bytearray(), 0

    def __reduce__(self) -> tuple[Callable[[Place], GzippedTar], tuple[Place]]:
        """Return what decompresses all of the file once: its states cannot be pickled."""
        return _decompressed_once, (self.path,)

    @property
    def extent(self) -> int:
        """How far places go, as far as it is known."""
        return self.file.expected_nbytes

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""
        yield from unfolded(self._pread, end=_UNKNOWN_END, archive=self.name)
        self._buffer_start, self._buffer = self.file.position, bytearray()

    def _pread(self, nbytes: int, offset: int) -> bytes:
        if offset < self._buffer_start:
            return self.file.pread(nbytes, offset)
        # a little of what lies before may be asked for again
        while self._buffer_start + len(self._buffer) < offset and self._read_on(keep=_STREAM_CHUNK):
            pass
        end = offset + nbytes
        while self._buffer_start + len(self._buffer) < end and self._read_on(keep=None):
            pass
        at = offset - self._buffer_start
        return bytes(self._buffer[at : at + nbytes])

    def _read_on(self, *, keep: int | None) -> bool:
        """Read a piece of the stream, if there is more; keep so many bytes of those before it."""
        piece = self.file.read_on()
        if keep is not None and len(self._buffer) > keep:
            self._buffer_start += len(self._buffer) - keep
            del self._buffer[:-keep]
        self._buffer += piece
        return bool(piece)

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the bytes of one entry."""
        return self._pread(nbytes, place)

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of one entry."""
        return self._pread(min(nbytes, FIRST_NBYTES), place)

    def path_of(self, place: int) -> str:
        """Return the archive's path and where the entry lies in the unpacked stream."""
        return f"{self.path}, byte {place}"

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read."""
        return [(self.name, self.file.nbytes)]

    def identity(self) -> str:
        """Return what distinguishes the file from another."""
        return identity(self.path)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _decompressed_once(path: Place) -> GzippedTar:
    archive = GzippedTar(path)
    while archive.file.read_on():
        pass
    archive._buffer_start = archive.file.position
    return archive
