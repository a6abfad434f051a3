"""Plain files that are read at given positions, no more of them open than the process may have."""

from __future__ import annotations

import errno
import os
import resource
import stat
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

_AHEAD_NBYTES = 1 << 20
_all: weakref.WeakSet[OpenFile] = weakref.WeakSet()


class ReadAt(Protocol):
    """What is read at given positions: a file, or an object in a store."""

    @property
    def path(self) -> object:
        """How messages call it."""

    @property
    def nbytes(self) -> int:
        """Its size."""

    @property
    def ahead_nbytes(self) -> int:
        """How much is well read in one go by what goes on from start to end."""

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return `nbytes` bytes from `offset` on; fewer only where it ends."""

    def read_into(self, piece: memoryview, offset: int) -> int:
        """Fill a piece with the bytes from `offset` on; return how many there are."""

    def require_open(self) -> None:
        """Raise a ValueError if it was closed."""

    def close(self) -> None:
        """Release it."""


class OpenFile:
    """One file, closed by `close`, or when nobody holds this any more; shares no position."""

    ahead_nbytes = _AHEAD_NBYTES

    def __init__(self, path: Path, *, opens: bool = True) -> None:
        """Open the file at `path`.

        Args:
            path: of a plain file; a pipe or a device is refused, and not waited for.
            opens: False to open it for each read anew instead: `descriptor` is -1 then.

        Raises:
            OSError: if it cannot be opened, or is no plain file.
        """
        self.path = path
        self.descriptor = plain(path) if opens else -1
        self._opens = opens
        if opens:
            _all.add(self)

    @property
    def nbytes(self) -> int:
        """The size of the file now."""
        about = os.fstat(self.descriptor) if self._opens else self.path.stat()
        return about.st_size

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return `nbytes` bytes from `offset` on; fewer only where the file ends.

        Raises:
            OSError: if they cannot be read.
            ValueError: if the file was closed.
        """
        if not self._opens:
            return OpenFile(self.path).read(offset, nbytes)
        self.require_open()
        content = os.pread(self.descriptor, nbytes, offset)
        while len(content) < nbytes:  # a read may be short for many reasons
            more = os.pread(self.descriptor, nbytes - len(content), offset + len(content))
            if not more:
                break
            content += more
        return content

    def read_into(self, piece: memoryview, offset: int) -> int:
        """Fill a piece with the bytes from `offset` on; return how many there are.

        Raises:
            OSError: if they cannot be read.
            ValueError: if the file was closed.
        """
        self.require_open()
        done = 0
        while done < len(piece):
            nbytes = os.preadv(self.descriptor, [piece[done:]], offset + done)
            if not nbytes:
                break
            done += nbytes
        return done

    def require_open(self) -> None:
        """Raise a ValueError if the file was closed."""
        if self.descriptor < 0:
            raise ValueError(f"{self.path}: was closed; open it again")

    def close(self) -> None:
        """Close the file."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
            _all.discard(self)

    _close = staticmethod(os.close)  # the names of a module may be gone when a program ends

    def __del__(self) -> None:
        descriptor = getattr(self, "descriptor", -1)
        if descriptor >= 0:
            self._close(descriptor)


def plain(path: Path) -> int:
    """Return the descriptor of a plain file; OSError if it is none, or cannot be opened."""
    # a pipe that nobody writes to would be waited for
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a plain file", str(path))
    return descriptor


def most() -> int:
    """Return how many may stay open: half of the limit is left to others."""
    return max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def room() -> bool:
    """Return whether one more may stay open."""
    return len(_all) < most()


def explained(error: OSError, remedy: str) -> str:
    """Return why a file could not be opened, and what to do: `remedy` where it is at fault."""
    reason = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"cannot be opened ({reason}); raise the limit with `ulimit -n`"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"cannot be opened ({reason}); check its permissions and those of its folders"
    return f"cannot be opened ({reason}); {remedy}"
