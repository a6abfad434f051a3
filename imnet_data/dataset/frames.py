"""Lines in Zstandard frames that can be decompressed each by itself, and the table of them.

A file is a row of frames, each with the size of its content and a checksum, of up to 4,096 whole
lines; then a skippable frame, which every decompressor passes over, with the table. Little-endian:

    0x184D2A50, nbytes of the rest             uint32 each: what makes it a skippable frame
    (nbytes of the frame, lines in it) ...     uint32 each, one pair per frame
    number of frames, the bytes "LINE"         uint32, 4 bytes

Files of the same kind are put together by putting their frames together.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_FRAME_LINES = 4096  # half a megabyte: decompressed in a millisecond, and packed as well as more
_FRAME_NBYTES = 16 << 20  # of content; a frame ends with the line that reaches it
_MAX_CONTENT_NBYTES = 4 * _FRAME_NBYTES  # what a reader allocates for a frame
_LEVEL = 3  # hashes do not shrink: level 6 takes three times the time for the same size
_SKIPPABLE = 0x184D2A50
_HEAD = struct.Struct("<II")
_TAIL = struct.Struct("<I4s")
_MARK = b"LINE"
_COPY_NBYTES = 1 << 20


class Frames(NamedTuple):
    """The table of a file: where frames begin, and at which lines; the last row is the end."""

    start: NDArray[np.int64]  # int64[frames + 1]
    line: NDArray[np.int64]  # int64[frames + 1]


def write(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines, each of which ends with its line feed."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with path.open("wb") as file:
        rows = [(file.write(compressor.compress(b"".join(cut))), len(cut)) for cut in _cut(lines)]
        file.write(_table_bytes(np.array(rows, "<u4").reshape(-1, 2)))


def _cut(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of each frame."""
    frame: list[bytes] = []
    nbytes = 0
    for line in lines:
        frame.append(line)
        nbytes += len(line)
        if len(frame) == _FRAME_LINES or nbytes >= _FRAME_NBYTES:
            yield frame
            frame, nbytes = [], 0
    if frame:
        yield frame


def _table_bytes(rows: NDArray[np.uint32]) -> bytes:
    content = rows.tobytes() + _TAIL.pack(len(rows), _MARK)
    return _HEAD.pack(_SKIPPABLE, len(content)) + content


def join(path: Path, pieces: Iterable[Path]) -> None:
    """Write to `path` the lines of other such files, without compressing them again."""
    rows = []
    with path.open("wb") as file:
        for piece in pieces:
            with piece.open("rb") as source:
                table = read_table(source)
                _copy(source, file, int(table.start[-1]))
            rows.append(np.column_stack([np.diff(table.start), np.diff(table.line)]))
        file.write(_table_bytes(np.concatenate(rows).astype("<u4")))


def _copy(source: BinaryIO, file: BinaryIO, nbytes: int) -> None:
    source.seek(0)
    while nbytes:
        content = source.read(min(nbytes, _COPY_NBYTES))
        nbytes -= file.write(content)


def read_table(file: BinaryIO) -> Frames:
    """Return the table at the end of a file; ValueError if there is none, or it cannot be right."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL.size))
    tail = file.read()
    if len(tail) < _TAIL.size or tail[-len(_MARK) :] != _MARK:
        raise ValueError("its table of frames is missing")
    count, _ = _TAIL.unpack(tail)
    nbytes = count * _HEAD.size + _TAIL.size
    begin = size - nbytes - _HEAD.size
    if begin >= 0:
        file.seek(begin)
        if _HEAD.unpack(file.read(_HEAD.size)) == (_SKIPPABLE, nbytes):
            rows = np.frombuffer(file.read(nbytes - _TAIL.size), "<u4").reshape(-1, 2)
            ends = np.cumsum(np.vstack([np.zeros((1, 2), np.int64), rows]), axis=0, dtype=np.int64)
            if ends[-1, 0] == begin and (rows > 0).all():
                return Frames(ends[:, 0], ends[:, 1])
    raise ValueError("its table of frames is damaged")


def read(file: BinaryIO, table: Frames, start: int, stop: int) -> Iterator[bytes]:
    """Yield lines `start` to `stop`, without their line feeds; only their frames are read.

    ValueError or ZstdError if a frame is not what the table says.
    """
    first = int(np.searchsorted(table.line, start, "right")) - 1
    for number in range(max(first, 0), len(table.start) - 1):
        begin = int(table.line[number])
        if begin >= stop:
            return
        yield from _frame(file, table, number)[max(0, start - begin) : stop - begin]


def _frame(file: BinaryIO, table: Frames, number: int) -> list[bytes]:
    """Return the lines of one frame."""
    begin, end = table.start[number : number + 2].tolist()
    file.seek(begin)
    packed = file.read(end - begin)
    if not 0 < zstandard.frame_content_size(packed) <= _MAX_CONTENT_NBYTES:
        raise ValueError(f"the frame at {begin} is not of a size that frames have")
    stream = zstandard.ZstdDecompressor().decompressobj()
    *lines, rest = stream.decompress(packed).split(b"\n")
    count = int(table.line[number + 1] - table.line[number])
    if not stream.eof or stream.unused_data or rest or len(lines) != count:
        raise ValueError(f"the frame at {begin} does not hold {count} lines")
    return lines
