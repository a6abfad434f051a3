"""A folder as a store."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from imnet_data.errors import StorageError
from imnet_data.machine import files
from imnet_data.machine.open_file import OpenFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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
                f"{self.where(name)}: cannot be read ({error.strerror}); check that it is there"
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
        target = self._folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with files.appearing(target) as part:
                shutil.copyfile(path, part)
        except OSError as error:
            raise StorageError(
                f"{target}: cannot be written ({error.strerror}); make room there"
            ) from error
