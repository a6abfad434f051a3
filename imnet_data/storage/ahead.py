"""A file in a store, read from start to end: in large pieces, the next ones under way meanwhile.

The header of a member of a tar says where the next one is, so headers by themselves would be asked
for one after another: 1.28 million round trips. Between two of them lie 110 kB, which take a
millisecond. So all is read, but what is longer than a piece and not asked for: behind it, reading
begins again with small pieces that become larger.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from imnet_data.storage.object_file import ObjectFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from imnet_data.machine.open_file import ReadAt

_FIRST_NBYTES = 256 << 10
PIECE_NBYTES = 8 << 20
_AHEAD = 4  # pieces under way


class _Piece:
    def __init__(self, start: int, stop: int, wait: Callable[[], bytes]) -> None:
        self.start, self.stop = start, stop
        self._wait = wait
        self._content: bytes | None = None

    def content(self) -> bytes:
        if self._content is None:
            self._content = self._wait()
        return self._content


class Ahead(ObjectFile):
    """An object that is read on; six pieces of it are in memory at most."""

    def __init__(self, file: ObjectFile) -> None:
        super().__init__(file.store, file.name, file.nbytes)
        self._file = file
        self._begin(0)

    def _begin(self, offset: int) -> None:
        self._pieces: deque[_Piece] = deque()
        self._next_nbytes = _FIRST_NBYTES
        self._first_stop = self._stop = offset  # of the first piece, and of all that were asked for

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return a range of it; less only where it ends."""
        stop = min(offset + nbytes, self.nbytes)
        if stop <= offset:
            return b""
        start = self._pieces[0].start if self._pieces else self._stop
        if not start <= offset <= self._stop + self._next_nbytes:
            self._begin(offset)
        is_read_on = self._pieces and stop > self._first_stop
        self._ask(stop + _AHEAD * self._next_nbytes * bool(is_read_on))
        while self._pieces[0].stop <= offset - PIECE_NBYTES:  # some go back a little
            self._pieces.popleft()
        return b"".join(
            piece.content()[max(0, offset - piece.start) : stop - piece.start]
            for piece in self._pieces
            if piece.start < stop and offset < piece.stop
        )

    def _ask(self, goal: int) -> None:
        while self._stop < min(goal, self.nbytes):
            stop = min(self._stop + self._next_nbytes, self.nbytes)
            wait = self._file.read_later(self._stop, stop - self._stop)
            self._pieces.append(_Piece(self._stop, stop, wait))
            if self._first_stop == self._pieces[0].start:
                self._first_stop = stop
            self._stop = stop
            self._next_nbytes = min(2 * self._next_nbytes, PIECE_NBYTES)


def ahead_of(file: ReadAt) -> ReadAt:
    """Return what reads a file from start to end; of one on a disk, itself."""
    return Ahead(file) if isinstance(file, ObjectFile) else file
