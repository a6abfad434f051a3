"""A shard whose images are extents of its file: read with pread, walked by its format's parser.

Reads are bounded by the file's size before anything is allocated, and share no position: an open
shard may be used by threads and forked processes at once. Nothing is mapped, so a file that shrinks
while it is read is an error, not a signal.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import REPAIR, FormatError
from imnet_data.machine.open_file import OpenFile, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imnet_data.formats import Place, Seen, Stored
    from imnet_data.machine.open_file import ReadAt

# what parsing damaged bytes can end in; all of it is the file's fault, not ours
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


class ShardFile:
    """One open file, read at given positions."""

    def __init__(self, path: Path, file: ReadAt | None = None) -> None:
        """Open the file at `path`.

        Args:
            path: of a file on a local disk.
            file: is read instead, if it is given.

        Raises:
            FormatError: if it cannot be opened.
        """
        self.path = path
        try:
            self._file = OpenFile(path) if file is None else file
        except OSError as error:
            raise FormatError(f"{path}: {explained(error, REPAIR)}") from error
        self.nbytes = self._file.nbytes

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return exactly `nbytes` bytes from `offset` on.

        Raises:
            FormatError: if the file does not have them.
        """
        if offset < 0 or nbytes < 0 or offset + nbytes > self.nbytes:
            raise self.fault(
                f"{nbytes} bytes should be at {offset}, but the file ends at {self.nbytes}"
            )
        try:
            content = self._file.read(offset, nbytes)
        except OSError as error:
            raise self._unreadable(offset, error) from error
        if len(content) < nbytes:
            raise self._cut_short(offset + len(content))
        return content

    def view(self, offset: int, nbytes: int) -> memoryview:
        """Return the same without a copy, where there is one already; it does not change."""
        return memoryview(ShardFile.read(self, offset, nbytes))

    def fault(self, what: str) -> FormatError:
        """Return the error that says `what` is wrong with this file, and what to do."""
        return FormatError(f"{self._file.path}: {what}; {REPAIR}")

    def _cut_short(self, offset: int) -> FormatError:
        return self.fault(f"cut short at {offset} while it was open")

    def _unreadable(self, offset: int, error: OSError) -> FormatError:
        return self.fault(f"cannot be read at {offset} ({error.strerror})")

    def close(self) -> None:
        """Release the descriptor."""
        self._file.close()

    def __reduce__(self) -> tuple[type[ShardFile], tuple[Path]]:
        return ShardFile, (self.path,)


class _Ahead(ShardFile):
    """The file of a walk: read on in large pieces as long as the walk goes on, not back."""

    def __init__(self, file: ShardFile, seen: Seen) -> None:
        self.path, self.nbytes, self._file = file.path, file.nbytes, file._file
        self._seen = seen
        self._ahead_nbytes = self._file.ahead_nbytes
        self._piece = memoryview(b"")  # a new one each time, as there may be views of it
        self._start = self._stop = 0  # what it has of the file

    def read(self, offset: int, nbytes: int) -> bytes:
        return bytes(self.view(offset, nbytes))

    def view(self, offset: int, nbytes: int) -> memoryview:
        if offset + nbytes > self._stop and not self._go_on(offset, nbytes):
            return super().view(offset, nbytes)
        at = offset - self._start
        if at < 0 or nbytes < 0:
            return super().view(offset, nbytes)
        return self._piece[at : at + nbytes]

    def _go_on(self, offset: int, nbytes: int) -> bool:
        """Make the next piece, which begins with what is asked; False where that is not next."""
        begin, end = min(offset, self._stop), offset + nbytes
        if begin < self._start or offset > self._stop + self._ahead_nbytes or end > self.nbytes:
            return False
        kept = self._piece[begin - self._start : self._stop - self._start]
        more = self._ahead_nbytes if end - begin > self._ahead_nbytes else 0
        size = min(max(end - begin + more, self._ahead_nbytes), self.nbytes - begin)
        piece = np.empty(size, np.uint8).data
        piece[: len(kept)] = kept
        new = piece[len(kept) :]
        self._read_into(new, self._stop)
        self._piece = piece.toreadonly()
        self._seen(self._stop, new)
        self._start, self._stop = begin, self._stop + len(new)
        return True

    def _read_into(self, piece: memoryview, offset: int) -> None:
        try:
            nbytes = self._file.read_into(piece, offset)
        except OSError as error:
            raise self._unreadable(offset, error) from error
        if nbytes < len(piece):
            raise self._cut_short(offset + nbytes)


class ExtentShard:
    """An open shard: a file, and the walk of its format."""

    def __init__(
        self,
        path: Path,
        walk: Callable[[ShardFile], Iterator[Stored]],
        file: ReadAt | None = None,
    ) -> None:
        self.file = ShardFile(path, file)
        self._walk = walk

    def read(self, place: Place) -> bytes:
        """Return the bytes of the image at `place`."""
        return self.file.read(place.offset, place.nbytes)

    def walk(self, seen: Seen) -> Iterator[Stored]:
        """Yield the records in order."""
        walk = self._walk(_Ahead(self.file, seen))
        count = 0
        while True:
            try:
                stored = next(walk)
            except StopIteration:
                return
            except _MALFORMED as error:
                raise self.file.fault(f"record {count} is damaged ({error})") from error
            yield stored
            count += 1

    def close(self) -> None:
        """Close the file."""
        self.file.close()
