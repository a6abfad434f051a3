"""A folder as a store."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.errors import StorageError
from imnet_data.machine import files
from imnet_data.machine.open_file import OpenFile, explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class LocalStore:
    """Store: the files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def where(self, name: str) -> str:
        """Return the path of a file."""
        return str(self._folder / name)

    def nbytes(self, name: str) -> int | None:
        """Return the size of a file."""
        path = self._folder / name
        return path.stat().st_size if path.is_file() else None

    def read(self, name: str, start: int, nbytes: int) -> bytes:
        """Return a range of a file."""
        try:
            content = OpenFile(self._folder / name).read(start, nbytes)
        except OSError as error:
            raise StorageError(
                f"{self.where(name)}: {explained(error, 'check that it is there')}"
            ) from error
        if len(content) < nbytes:
            raise StorageError(
                f"{self.where(name)}: has no {nbytes} bytes at {start}; it was cut short"
            )
        return content

    def read_ranges(
        self, name: str, starts: Sequence[int], nbytes: Sequence[int]
    ) -> list[bytes | memoryview]:
        """Return several ranges of a file."""
        return [self.read(name, *each) for each in zip(starts, nbytes, strict=True)]

    def write(self, name: str, path: Path) -> None:
        """Copy a file to a name below the folder."""
        with self._appearing(name) as part:
            shutil.copyfile(path, part)

    def put(self, name: str, content: bytes) -> None:
        """Write a file."""
        with self._appearing(name) as part:
            part.write_bytes(content)

    def create(self, name: str, content: bytes) -> None:
        """Write a file, unless there is one."""
        part = self._folder / f"{name}.{secrets.token_hex(8)}{files.PART}"
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            with contextlib.suppress(FileExistsError):
                (self._folder / name).hardlink_to(part)
        finally:
            part.unlink()

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._folder / name).unlink(missing_ok=True)

    def names(self, folder: str = "") -> list[str]:
        """Return the names of all files below a folder."""
        found = (
            Path(at, name) for at, _, names in os.walk(self._folder / folder) for name in names
        )
        return sorted(path.relative_to(self._folder).as_posix() for path in found)

    def identity(self, name: str) -> str | None:
        """Return size and time of change of a file."""
        path = self._folder / name
        if not path.is_file():
            return None
        status = path.stat()
        return f"{status.st_size} {status.st_mtime_ns}"

    @contextmanager
    def _appearing(self, name: str) -> Iterator[Path]:
        target = self._folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with files.appearing(target) as part:
                yield part
        except OSError as error:
            raise StorageError(
                f"{target}: cannot be written ({error.strerror}); make room there, or choose "
                "another folder that you may write to"
            ) from error
