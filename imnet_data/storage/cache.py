"""Objects on a local disk, kept up to a size: those that were last used longest ago go first.

Several processes share a folder, and none of them is in charge. A file has its name only when it is
whole and checked. Whoever brings one holds its lock meanwhile (flock, which ends with its process),
and has reserved its space on the disk; so what a killed process has left is known by its lock being
free. A file that is removed while somebody reads it stays readable until it is closed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.errors import StorageError
from imnet_data.machine import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KEY = re.compile("[0-9a-f]{32}")  # the folder of each dataset
_LOCKS = ".locks"
_ROOM = "room"
_WAIT_SECONDS = 0.05  # until another process has brought what it has reserved space for
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class _Entry(NamedTuple):
    used_ns: int
    nbytes: int
    path: Path


class Cache(NamedTuple):
    """A folder of files that can be had again."""

    folder: Path
    limit_nbytes: int | None  # None: as much as the disk has

    def path(self, name: str) -> Path:
        """Return where a file is, if it is there."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """Return whether a file is there; if it is, it counts as used now."""
        try:
            os.utime(self.path(name))
        except FileNotFoundError:
            return False
        return True

    def count_as_used(self, name: str, *, at_ns: int) -> None:
        """Let a file, if it is there, make room as if it had last been used at that time."""
        with suppress(FileNotFoundError):
            os.utime(self.path(name), ns=(at_ns, at_ns))

    def get(
        self,
        name: str,
        nbytes: int,
        fill: Callable[[Path], None],
        *,
        unused_since_ns: int | None = None,
    ) -> Path | None:
        """Return the path of a file, which `fill` writes if it is not there.

        Args:
            name: of the file, with `/` between its parts; the first one is a dataset's key.
            nbytes: its size.
            fill: writes it, whole and checked, to the path that it is given.
            unused_since_ns: only files that were last used before this time may make room; if
                that is not enough, None is returned. By default any file may.

        Raises:
            StorageError: if it does not fit into the cache or onto its disk.
        """
        path = self.path(name)
        try:
            with self._locked(name.replace("/", "--")):
                if self.has(name):
                    return path
                part = files.part_of(path)
                try:
                    if not self._reserve(part, nbytes, unused_since_ns):
                        return None
                    fill(part)
                    part.rename(path)
                finally:
                    part.unlink(missing_ok=True)
        except OSError as error:
            room = "; make room there, or pass a smaller cache_size" * (error.errno in _FULL)
            raise StorageError(
                f"{path}: cannot be written to the cache ({error.strerror}){room}"
            ) from error
        return path

    def _reserve(self, part: Path, nbytes: int, unused_since_ns: int | None) -> bool:
        """Make a file of `nbytes` that is still to be filled; return whether there is room."""
        if self.limit_nbytes is not None and nbytes > self.limit_nbytes:
            raise StorageError(
                f"{part}: has {nbytes:,} bytes, and cache_size is {self.limit_nbytes:,}; pass a "
                "larger cache_size"
            )
        part.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with self._locked(_ROOM):
                if self._make_room(nbytes, unused_since_ns):
                    with part.open("wb") as file:
                        if nbytes:
                            os.posix_fallocate(file.fileno(), 0, nbytes)
                    return True
            if unused_since_ns is not None:
                return False
            time.sleep(_WAIT_SECONDS)

    def _make_room(self, nbytes: int, unused_since_ns: int | None) -> bool:
        if self.limit_nbytes is None:
            return True
        entries = sorted(self._entries())
        total = sum(entry.nbytes for entry in entries)
        for entry in entries:
            if total + nbytes <= self.limit_nbytes:
                break
            is_part = entry.path.name.endswith(files.PART)
            if unused_since_ns is not None and entry.used_ns >= unused_since_ns and not is_part:
                continue
            if not is_part or self._is_left(entry.path):
                entry.path.unlink(missing_ok=True)
                total -= entry.nbytes
        return total + nbytes <= self.limit_nbytes

    def _entries(self) -> Iterator[_Entry]:
        for at, folders, names in os.walk(self.folder):
            if Path(at) == self.folder:  # what has another name is somebody else's
                folders[:] = filter(_KEY.fullmatch, folders)
                continue
            for name in names:
                path = Path(at) / name
                try:
                    status = path.stat()
                except FileNotFoundError:  # it has just got its name, or was given up
                    continue
                yield _Entry(status.st_mtime_ns, status.st_size, path)

    def _is_left(self, part: Path) -> bool:
        """Return whether a file that is not whole was left by a process that is gone."""
        name = part.relative_to(self.folder).as_posix().removesuffix(files.PART)
        with (self.folder / _LOCKS / name.replace("/", "--")).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        path = self.folder / _LOCKS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as lock:  # a link may lead to what is not ours
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
