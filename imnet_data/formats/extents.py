"""A shard whose images are extents of its file: read with pread, walked by its format's parser.

Reads are bounded by the file's size before anything is allocated, and share no position: an open
shard may be used by threads and forked processes at once. Nothing is mapped, so a file that shrinks
while it is read is an error, not a signal.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from imnet_data.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imnet_data.formats import Place, Stored

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
_REMEDY = "run `imnet-data verify --repair SOURCE`, or copy the dataset again"


class ShardFile:
    """One open file, read at given positions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise self.fault(f"can not be opened ({error.strerror})") from error
        self.nbytes = os.fstat(self._file.fileno()).st_size

    def read(self, offset: int, nbytes: int) -> bytes:
        """Give exactly `nbytes` bytes from `offset` on.

        Raises:
            FormatError: if the file does not have them.
        """
        if offset < 0 or nbytes < 0 or offset + nbytes > self.nbytes:
            raise self.fault(
                f"{nbytes} bytes should lie at {offset}, but the file ends at {self.nbytes}"
            )
        descriptor = self._file.fileno()
        try:
            content = os.pread(descriptor, nbytes, offset)
            while len(content) < nbytes:  # a read gives 2 GiB at most
                more = os.pread(descriptor, nbytes - len(content), offset + len(content))
                if not more:
                    raise self.fault(f"cut short at {offset + len(content)} while it was open")
                content += more
        except OSError as error:
            raise self.fault(f"can not be read at {offset} ({error.strerror})") from error
        return content

    def fault(self, what: str) -> FormatError:
        """Give the error that says `what` is wrong with this file, and what to do."""
        return FormatError(f"{self.path}: {what}; {_REMEDY}")

    def close(self) -> None:
        """Give back the descriptor."""
        self._file.close()

    def __reduce__(self) -> tuple[type[ShardFile], tuple[Path]]:
        return ShardFile, (self.path,)


class ExtentShard:
    """An open shard: a file, and the walk of its format."""

    def __init__(self, path: Path, walk: Callable[[ShardFile], Iterator[Stored]]) -> None:
        self.file = ShardFile(path)
        self._walk = walk

    def read(self, place: Place) -> bytes:
        """Give the bytes of the image at `place`."""
        return self.file.read(place.offset, place.nbytes)

    def __iter__(self) -> Iterator[Stored]:
        walk = self._walk(self.file)
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
        """Give back the file."""
        self.file.close()
