"""Files that appear when they are whole, shards that are being written, and their sha256.

A file that is there already is replaced only where this program keeps it up to date itself, in a
folder of its own (a stage, a run), or where the user says so: `require_new` is that rule.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.errors import OutputError
from imnet_data.machine.closing import Closing
from imnet_data.machine.open_file import plain
from imnet_data.native import _native

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO

PART = ".part"  # at the end of the name of what is not whole
_END_NBYTES = 1 << 16
_MAX_PIECES = 1024  # IOV_MAX of Linux
_MAX_WAITING_NBYTES = 16 << 20
_MAX_SMALL_NBYTES = 64 << 20  # of a list of classes, labels or figures


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with os.fdopen(plain(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(contents: Iterable[bytes | memoryview]) -> list[bytes]:
    """Return the sha256 of each."""
    return [hashlib.sha256(content).digest() for content in contents]


def identity(path: Path) -> str:
    """Return what distinguishes a file from another: size, time of change, hash of its two ends."""
    status = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_END_NBYTES))
        file.seek(max(file.tell(), status.st_size - _END_NBYTES))
        digest.update(file.read(_END_NBYTES))
    return f"{status.st_size} {status.st_mtime_ns} {digest.hexdigest()}"


def written_ns(path: Path) -> int:
    """Return when a file, or the newest file below a folder, was last written to, in ns."""
    if not path.is_dir():
        return path.stat().st_mtime_ns
    found = (Path(at, name) for at, _, names in os.walk(path) for name in names)
    return max((file.lstat().st_mtime_ns for file in found), default=0)


def read_small(path: Path) -> bytes:
    """Return the content of a file that the user names; it may be a pipe.

    Raises:
        OSError: if it cannot be read, or is larger than any such file (a device may have no end).
    """
    with path.open("rb") as file:
        content = file.read(_MAX_SMALL_NBYTES + 1)
    if len(content) > _MAX_SMALL_NBYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def part_of(path: Path) -> Path:
    """Return the name that a file has until it is whole."""
    return path.with_name(f"{path.name}{PART}")


@contextmanager
def appearing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield the name under which a file is written, and rename it when it is whole.

    With `sync` it is on the disk by then. After an error nothing is left of it.
    """
    part = part_of(path)
    try:
        yield part
        if sync:
            with part.open("rb") as file:
                os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, *, sync: bool = True) -> str:
    """Replace a file of our own so that it appears when it is whole; return its sha256.

    A link stays one, and what is there and no plain file (a pipe, /dev/null) is written to.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()
    with appearing(path.resolve(), sync=sync) as part:
        part.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def require_new(
    path: Path,
    *,
    overwrite: bool = False,
    remedy: str = "choose another name, or add --overwrite",
) -> None:
    """Refuse an output file that is there already; an empty one has nothing to lose.

    Raises:
        OutputError: if there is a file with something in it, and it is not to be replaced.
    """
    if not overwrite and path.is_file() and path.stat().st_size:
        raise OutputError(f"{path}: exists already, and is not replaced; {remedy}")


def write_new(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write a file that a user asked for, so that it appears when it is whole.

    Raises:
        OutputError: if it is there already and not to be replaced, or cannot be written.
    """
    require_new(path, overwrite=overwrite)
    require_new(part_of(path), overwrite=overwrite)
    try:
        write_whole(path, content)
    except (OSError, RuntimeError) as error:  # of a loop of links, pathlib raises RuntimeError
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"{path}: cannot be written ({reason}); choose another place") from error


class Output(Closing):
    """A shard that is being written, and the sha256 of its file beside that of its records.

    A format whose bytes come from start to end appends them here, and they are hashed on their way;
    any other writes to `path` by its own means, and the file is read again for its hash.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.nbytes = 0  # appended
        self._written = 0  # of them
        self.side_files: dict[str, bytes] = {}  # suffix -> content; they lie beside the shard
        self._file: FileIO | None = None
        self._pieces: list[bytes] = []  # appended, and not yet written
        self._stream = _native.Sha256() if _native.has_sha256_instructions() else None
        self._sum = hashlib.sha256()  # of the file, where there are no such instructions

    def append(self, *pieces: bytes) -> int:
        """Write pieces at the end; return the position of the first."""
        position = self.nbytes
        self._pieces += pieces
        self.nbytes += sum(map(len, pieces))
        if self.nbytes - self._written > _MAX_WAITING_NBYTES:
            self.digests_beside()
        return position

    def digests_beside(self, *contents: bytes | memoryview) -> list[bytes]:
        """Return the sha256 of each; what was appended is hashed beside them, and written."""
        if self._stream is None:
            found = digests(contents)
            for piece in self._pieces:
                self._sum.update(piece)
        else:
            found = _native.sha256_beside([*contents], self._stream, self._pieces)
        self._write()
        return found

    def _write(self) -> None:
        if not self._pieces:
            return
        if self._file is None:
            self._file = self.path.open("wb", buffering=0)
        descriptor = self._file.fileno()
        written = os.writev(descriptor, self._pieces) if len(self._pieces) <= _MAX_PIECES else 0
        if written < self.nbytes - self._written:  # a disk that fills up takes a part
            rest = memoryview(b"".join(self._pieces))[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        self._pieces.clear()
        self._written = self.nbytes

    def hexdigest(self) -> str:
        """Return the sha256 of the whole file, once all is written."""
        self.digests_beside()
        if self._file is None:
            self.path.touch()  # where there was nothing to append
            return file_sha256(self.path)
        return (self._stream.digest() if self._stream else self._sum.digest()).hex()

    def close(self) -> None:
        """Close the file; what was not hashed by then is not written."""
        if self._file is not None:
            self._file.close()
