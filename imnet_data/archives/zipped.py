"""Zip archives read in place; a place is the offset of a member's entry in the central directory.

Members are stored or deflated, with 64-bit sizes where need be, and each is checked against its
CRC-32. The directory is walked without keeping it: that of Kaggle's archive has two million rows.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory),
4.3.14 to 4.3.16 (ends of it), 4.5.3 (64-bit sizes).
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives import tar
from imnet_data.archives.containers import FIRST_NBYTES, Entry
from imnet_data.errors import SourceError
from imnet_data.storage.ahead import ahead_of
from imnet_data.storage.object_file import ObjectFile
from imnet_data.storage.place import identity, open_place
from imnet_data.storage.stream import stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imnet_data.storage.place import Place

_ROW = struct.Struct("<4s4xHH4xIIIHHH8xI")  # flags, method, crc, sizes, lengths, local header
_END = struct.Struct("<4s6xHII2x")
_END64_LOCATOR = struct.Struct("<4s4xQ4x")
_END64 = struct.Struct("<4s28xQQQ")
_LOCAL_NBYTES = 30
_MAX_COMMENT = 1 << 16
_IN_EXTRA = 0xFFFFFFFF  # a 32-bit field whose value is in the extra field
_STORED, _DEFLATED = 0, 8
_FIRST_PACKED_NBYTES = 1 << 10  # deflated bytes that the first ones of a file lie in


class _Row(NamedTuple):
    """One entry of the central directory."""

    name: bytes
    encrypted: bool
    method: int
    crc: int
    packed_nbytes: int
    nbytes: int
    header: int  # offset of the local header
    end: int  # offset of the next entry


class Zip:
    """A zip archive."""

    def __init__(self, path: Place) -> None:
        self.path = path
        self.name = path.name
        self._file = open_place(path)
        self.extent = self._file.nbytes

    def __reduce__(self) -> tuple[type[Zip], tuple[Place]]:
        return Zip, (self.path,)

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""
        place, count = self._directory()
        with stream(ahead_of(self._file), min(place, self.extent)) as file:
            for _ in range(count):
                row = self._row(file.read(_ROW.size), place, lambda nbytes, _: file.read(nbytes))
                name = tar.check_name(row.name.decode(errors="replace"), archive=self.name)
                if not name.endswith("/"):
                    yield Entry(name, place, row.nbytes)
                place = row.end

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of a member; none of one that is encrypted or damaged."""
        row = self._row(self._pread(_ROW.size, place), place, self._pread)
        packed = self._pread(min(row.packed_nbytes, _FIRST_PACKED_NBYTES), self._start(row))
        if row.encrypted or row.method not in (_STORED, _DEFLATED):
            return b""
        if row.method == _STORED:
            return packed[: min(nbytes, FIRST_NBYTES)]
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, FIRST_NBYTES)
        except zlib.error:
            return b""  # reading all of it raises the error

    def path_of(self, place: int) -> str:
        """Return the full path of a member."""
        row = self._row(self._pread(_ROW.size, place), place, self._pread)
        return f"{self.path}/{row.name.decode(errors='replace')}"

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the bytes of one member, checked against its CRC-32."""
        row = self._row(self._pread(_ROW.size, place), place, self._pread)
        start = self._start(row)
        if start + row.packed_nbytes > self.extent:
            raise self._damaged(f"the member at byte {row.header} goes beyond the end")
        data = self._unpack(row, self._pread(row.packed_nbytes, start))
        if len(data) != nbytes or zlib.crc32(data) != row.crc:
            raise self._damaged(f"{row.name.decode(errors='replace')} does not match its CRC-32")
        return data

    @property
    def is_far(self) -> bool:
        """Whether it is read in a store."""
        return isinstance(self._file, ObjectFile)

    def read_together(self, places: Sequence[int], nbytes: Sequence[int]) -> list[bytes]:
        """Return the bytes of several members."""
        return [self.read(*each) for each in zip(places, nbytes, strict=True)]

    def _start(self, row: _Row) -> int:
        """Return where the bytes of a member begin."""
        local = self._pread(_LOCAL_NBYTES, min(row.header, self.extent))
        if local[:4] != b"PK\3\4" or len(local) < _LOCAL_NBYTES:
            raise self._damaged(f"no member at byte {row.header}")
        name_nbytes, extra_nbytes = struct.unpack_from("<HH", local, 26)
        return row.header + _LOCAL_NBYTES + int(name_nbytes) + int(extra_nbytes)

    def _unpack(self, row: _Row, packed: bytes) -> bytes:
        if row.encrypted or row.method not in (_STORED, _DEFLATED):
            how = "encrypted" if row.encrypted else f"packed with method {row.method}"
            raise SourceError(
                f"{self.name}: {row.name.decode(errors='replace')} is {how}, which is not read; "
                "unpack the archive and pass the folder"
            )
        if row.method == _STORED:
            return packed
        try:
            # one byte more than it should be, so that a longer stream is noticed, not held
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, row.nbytes + 1)
        except zlib.error as error:
            raise self._damaged(f"{row.name.decode(errors='replace')}: {error}") from error

    def _pread(self, nbytes: int, offset: int) -> bytes:
        return self._file.read(offset, nbytes)

    def _row(self, fixed: bytes, place: int, read_on: tar.Pread) -> _Row:
        """Read the entry whose fixed part is `fixed`; `read_on` reads what follows it."""
        if len(fixed) < _ROW.size or fixed[:4] != b"PK\1\2":
            raise self._damaged(f"no entry of the directory at byte {place}")
        _, flags, method, crc, packed, nbytes, *lengths, header = _ROW.unpack(fixed)
        name_nbytes, extra_nbytes, _ = lengths
        end = place + _ROW.size + sum(lengths)
        tail = read_on(sum(lengths), place + _ROW.size)
        name, extra = tail[:name_nbytes], tail[name_nbytes : name_nbytes + extra_nbytes]
        if _IN_EXTRA in (packed, nbytes, header):
            wide = iter(self._wide_fields(extra, place))
            nbytes, packed, header = (
                next(wide, 0) if field == _IN_EXTRA else field for field in (nbytes, packed, header)
            )
        return _Row(name, bool(flags & 1), method, crc, packed, nbytes, header, end)

    def _wide_fields(self, extra: bytes, place: int) -> list[int]:
        while len(extra) >= 4:
            kind, nbytes = struct.unpack_from("<HH", extra)
            if kind == 1:
                field = extra[4 : 4 + nbytes]
                return [value for (value,) in struct.iter_unpack("<Q", field[: nbytes // 8 * 8])]
            extra = extra[4 + nbytes :]
        raise self._damaged(f"no 64-bit sizes in the entry at byte {place}")

    def _directory(self) -> tuple[int, int]:
        """Find the central directory: its offset and number of entries."""
        tail_start = max(0, self.extent - _MAX_COMMENT - _END.size)
        tail = self._pread(self.extent - tail_start, tail_start)
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _END.size:
            raise SourceError(f"{self.name}: cut short: the directory is missing; {tar.REMEDY}")
        _, count, _, offset = _END.unpack_from(tail, at)
        locator = self._pread(_END64_LOCATOR.size, max(0, tail_start + at - _END64_LOCATOR.size))
        if locator[:4] != b"PK\6\7":
            return offset, count
        end64 = self._pread(_END64.size, min(_END64_LOCATOR.unpack(locator)[1], self.extent))
        if len(end64) < _END64.size or end64[:4] != b"PK\6\6":
            raise self._damaged("the end of its directory is not where it should be")
        _, count, _, offset = _END64.unpack(end64)
        return offset, count

    def _damaged(self, what: str) -> SourceError:
        return SourceError(f"{self.name}: {what}; {tar.REMEDY}")

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read."""
        return [(self.name, self.extent)]

    def identity(self) -> str:
        """Return what distinguishes the file from another."""
        return identity(self.path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
