"""A gzip file that can be read at any place: decompressed from the nearest one that was passed.

While the file is read from its start to its end, the state of the decompressor (some 45 KB: the
last 32 KiB of what came out, and its tables) is kept now and then. What lies between two of them is
a block, and to read a place again its block is decompressed. Blocks begin with 4 MiB and become
twice as long whenever there are too many: 128 MiB for 1.1 TB. The last blocks stay in memory, so
that places which lie near each other cost one decompression.

Forked processes share the states, and each has blocks of its own.
"""

from __future__ import annotations

import bisect
import time
import zlib
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.archives import tar
from imnet_data.errors import SourceError
from imnet_data.storage.ahead import ahead_of
from imnet_data.storage.place import open_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imnet_data.machine.open_file import ReadAt
    from imnet_data.storage.place import Place

_PACKED_NBYTES = 1 << 18  # read at once
_PIECE_NBYTES = 1 << 20  # decompressed at once, at most: of a byte, deflate can make a thousand
_LEAST_BLOCK_NBYTES = 4 << 20
_MOST_BLOCKS = 12_288
_KEPT_NBYTES = 512 << 20  # of blocks, per process
_SAMPLE_NBYTES = 32 << 20
_GZIP = 16 + zlib.MAX_WBITS  # header, checksum and length are zlib's matter


class Cost(NamedTuple):
    """What it takes to decompress a whole file, by a look at its start."""

    nbytes: int  # of what comes out
    seconds: float  # of one core


class SeekableGzip:
    """The decompressed bytes of a file: from its start to its end once, then anywhere."""

    def __init__(self, path: Place) -> None:
        self._name = path.name
        self._file = open_place(path)
        self.nbytes = self._file.nbytes
        self._ahead = _Inflater(ahead_of(self._file))
        self._states = [self._ahead.copy(self._file)]
        self._starts = [0]  # of the blocks, in what comes out
        self._block_nbytes = _LEAST_BLOCK_NBYTES
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    @property
    def position(self) -> int:
        """How far the file was read on, in decompressed bytes."""
        return self._ahead.position

    @property
    def expected_nbytes(self) -> int:
        """How many decompressed bytes there may be, by the share that was read; 0 at the start."""
        return self._ahead.position * self.nbytes // max(1, self._ahead.packed_at)

    def read_on(self) -> bytes:
        """Return the next piece; b"" at the end.

        Raises:
            SourceError: if the data is damaged or cut short.
        """
        piece = self._read(self._ahead)
        if self._ahead.position >= self._starts[-1] + self._block_nbytes:
            self._starts.append(self._ahead.position)
            self._states.append(self._ahead.copy(self._file))
            if len(self._states) > _MOST_BLOCKS:
                del self._states[1::2], self._starts[1::2]
                self._block_nbytes *= 2
                self._kept.clear()
        return piece

    def pread(self, nbytes: int, offset: int) -> bytes:
        """Return bytes at a place that was read on past, fewer at the end."""
        pieces = []
        end = min(offset + nbytes, self.position)
        while offset < end:
            number = bisect.bisect_right(self._starts, offset) - 1
            at = offset - self._starts[number]
            pieces.append(self._block(number)[at : at + end - offset])
            offset += len(pieces[-1])
        return b"".join(pieces)

    def decompressed_nbytes(self, places: NDArray[np.int64]) -> int:
        """Return how much is decompressed to read places in this order, each block being kept."""
        blocks = np.searchsorted(self._starts, places, side="right") - 1
        entered = blocks[np.flatnonzero(np.diff(blocks, prepend=-1))]
        lengths = np.diff([*self._starts, self.position])
        kept: OrderedDict[int, None] = OrderedDict()
        total = 0
        for number in entered.tolist():
            if number not in kept:
                total += int(lengths[number])
            kept[number] = None
            kept.move_to_end(number)
            while len(kept) > max(1, _KEPT_NBYTES // self._block_nbytes):
                kept.popitem(last=False)
        return total

    def _block(self, number: int) -> bytes:
        content = self._kept.pop(number, None)
        if content is None:
            starts = [*self._starts[number : number + 2], self.position]
            inflater, pieces = self._states[number].copy(ahead_of(self._file)), bytearray()
            while starts[0] + len(pieces) < starts[1] and (piece := self._read(inflater)):
                pieces += piece
            content = bytes(pieces)
        self._kept[number] = content
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _KEPT_NBYTES:
            self._kept.popitem(last=False)
        return content

    def _read(self, inflater: _Inflater) -> bytes:
        try:
            return inflater.read()
        except (EOFError, OSError, zlib.error) as error:
            raise SourceError(f"{self._name}: damaged gzip data ({error}); {tar.REMEDY}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._kept.clear()


class _Inflater:
    """A place in the file, and the state of the decompressor there."""

    def __init__(self, file: ReadAt) -> None:
        self._file = file
        self._state = zlib.decompressobj(_GZIP)
        self.packed_at = 0  # of the next byte that it takes
        self.position = 0  # of the next byte that it gives

    def copy(self, file: ReadAt) -> _Inflater:
        """Return another that goes on from here; `file` is read by it alone."""
        other = _Inflater(file)
        other.packed_at, other.position = self.packed_at, self.position
        other._state = self._state.copy()
        return other

    def read(self) -> bytes:
        """Return the next piece; b"" at the end, which may be followed by zeros.

        Raises:
            EOFError: if the file is cut short.
            zlib.error: if it is damaged.
        """
        while packed := self._file.read(self.packed_at, _PACKED_NBYTES):
            if self._state.eof:  # gzip files may follow one another
                stripped = packed.lstrip(b"\0")
                self.packed_at += len(packed) - len(stripped)
                if stripped:
                    self._state = zlib.decompressobj(_GZIP)
                continue
            piece = self._state.decompress(packed, _PIECE_NBYTES)
            rest = self._state.unused_data if self._state.eof else self._state.unconsumed_tail
            self.packed_at += len(packed) - len(rest)
            self.position += len(piece)
            if piece:
                return piece
        if not self._state.eof:
            raise EOFError("it is cut short")
        return b""


def cost(path: Place) -> Cost:
    """Return what it takes to decompress the file at `path`.

    Raises:
        SourceError: if its start is damaged.
    """
    file = SeekableGzip(path)
    try:
        begin = time.process_time()
        while file.position < _SAMPLE_NBYTES and file.read_on():
            pass
        seconds = time.process_time() - begin
        nbytes = max(file.position, file.expected_nbytes)
        return Cost(nbytes, seconds * nbytes / max(1, file.position))
    finally:
        file.close()
