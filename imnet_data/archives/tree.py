"""A folder of image files; a place is the running number of a file in the walk.

The folder is walked once. Names are kept as one NumPy array a folder, never as Python strings.
"""

from __future__ import annotations

import bisect
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.archives.containers import Entry
from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class Branch(NamedTuple):
    """A folder to walk."""

    path: Path
    prefix: str  # what its files' paths begin with: "train"; "" for nothing
    classes_only: bool = False  # pass over folders that are not called as a wnid


class Tree:
    """Files in folders, and some single files beside them."""

    def __init__(self, root: Path, branches: Sequence[Branch], files: Sequence[Path] = ()) -> None:
        self.name = str(root)
        self.extent = 0
        self._branches = branches
        self._files = [file.absolute() for file in files]
        self._single = {str(file) for file in self._files}  # not to come again in a branch
        self._folders: list[bytes] = []
        self._names: list[NDArray[np.bytes_]] = []
        self._starts: list[int] = []  # place of each folder's first file
        self._next_place = 0
        self._sizes: list[tuple[str, int]] = []

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""
        for file in self._files:
            nbytes = file.stat().st_size
            place = self._keep(str(file.parent), [file.name])
            self._sizes.append((file.name, nbytes))
            yield Entry(file.name, place, nbytes)
        for branch in self._branches:
            total = 0
            for entry in self._walk(str(branch.path.absolute()), branch.prefix, branch):
                yield entry
                total += entry.nbytes
            self._sizes.append((branch.path.name, total))

    def _walk(self, folder: str, prefix: str, branch: Branch) -> Iterator[Entry]:
        with os.scandir(folder) as found:
            items = sorted(found, key=lambda item: item.name)
        files = [item for item in items if not item.is_dir() and item.path not in self._single]
        place = self._keep(folder, [item.name for item in files])
        before = f"{prefix}/" if prefix else ""
        for at, item in enumerate(files):
            yield Entry(f"{before}{item.name}", place + at, item.stat().st_size)
        for item in items:
            hidden = item.name.startswith(".")
            if item.is_dir() and not hidden and (is_wnid(item.name) or not branch.classes_only):
                yield from self._walk(item.path, f"{before}{item.name}", branch)

    def _keep(self, folder: str, names: list[str]) -> int:
        start = self._next_place
        if names:
            self._starts.append(start)
            self._folders.append(os.fsencode(folder))
            self._names.append(np.array([os.fsencode(name) for name in names]))
            self._next_place += len(names)
        return start

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the bytes of one file, if it has the size it was listed with."""
        number = bisect.bisect_right(self._starts, place) - 1
        name = bytes(self._names[number][place - self._starts[number]])
        path = os.path.join(self._folders[number], name)  # noqa: PTH118 (bytes, a Path is slow)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            data = file.read()
        if len(data) != nbytes:
            raise SourceError(
                f"{os.fsdecode(path)}: had {nbytes} bytes when the folder was listed, "
                f"has {len(data)} now; start again"
            )
        return data

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read."""
        return self._sizes

    def close(self) -> None:
        """Nothing is held open."""
