"""Where a file is: a Path, or a StoredPath, which has what a Path has that is asked for here.

What reads archives opens a place and reads at positions; whether it is on a disk or in a store is
known here alone.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlunsplit

from imnet_data.errors import StorageError
from imnet_data.machine import files
from imnet_data.machine.open_file import OpenFile
from imnet_data.storage import address
from imnet_data.storage.apart import StoreApart
from imnet_data.storage.object_file import ObjectFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.machine.open_file import ReadAt


@dataclass
class _Tree:
    """What is known of what lies below a URL."""

    store: StoreApart
    is_file: bool  # the URL is of one object: nothing beside it is looked for
    folders: dict[str, tuple[list[str], dict[str, int]]] = field(default_factory=dict)

    def listed(self, folder: str) -> tuple[list[str], dict[str, int]]:
        if folder not in self.folders:
            self.folders[folder] = ([], {}) if self.is_file else self.store.listed(folder)
        return self.folders[folder]


@dataclass(frozen=True, eq=False)
class StoredPath:
    """A file or a folder in a store."""

    _tree: _Tree
    _key: str  # "" is the folder that the store was opened at

    def __str__(self) -> str:
        return self._tree.store.where(self._key).rstrip("/")

    def __lt__(self, other: StoredPath) -> bool:
        return str(self) < str(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __truediv__(self, name: str) -> StoredPath:
        return StoredPath(self._tree, f"{self._key}/{name}" if self._key else name)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(str(self)).name

    @property
    def stem(self) -> str:
        """Its name without what is behind the last dot."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> StoredPath:
        """The folder that it is in."""
        return StoredPath(self._tree, self._key.rpartition("/")[0])

    def is_dir(self) -> bool:
        """Return whether it is a folder that has something in it."""
        folder, _, name = self._key.rpartition("/")
        if not name:
            return not self._tree.is_file
        return name in self._tree.listed(folder)[0]

    def is_file(self) -> bool:
        """Return whether it is an object."""
        folder, _, name = self._key.rpartition("/")
        return bool(name) and name in self._tree.listed(folder)[1]

    def exists(self) -> bool:
        """Return whether there is something."""
        return self.is_file() or self.is_dir()

    def listed(self) -> tuple[list[str], list[str]]:
        """Return the names of the folders and of the files in it; sorted."""
        folders, objects = self._tree.listed(self._key)
        return folders, list(objects)

    def open(self) -> ObjectFile:
        """Open it to be read at positions."""
        folder, _, name = self._key.rpartition("/")
        known = self._tree.listed(folder)[1].get(name)
        return ObjectFile(self._tree.store, self._key, nbytes=known)

    def written_ns(self) -> int:
        """Return when it was last written to, in ns; of a folder, 0."""
        return self._tree.store.written_ns(self._key) if self.is_file() else 0

    def identity(self) -> str:
        """Return what distinguishes it from others, and from what is written there later."""
        found = self._tree.store.identity(self._key)
        if found is None:
            raise StorageError(f"{self}: there is no such object any more; check the URL")
        return found


Place = Path | StoredPath


def located(place: str | os.PathLike[str] | StoredPath) -> Place:
    """Return the place that a path or a URL names.

    Raises:
        StorageError: if there is nothing at a URL, or no such stores.
        MissingExtra: if a URL's package is not installed.
    """
    if isinstance(place, StoredPath) or not address.is_url(place):
        return place if isinstance(place, StoredPath) else Path(place)
    url = os.fspath(place)
    above, name = _above(url)
    if name:
        store = StoreApart(above)
        nbytes = store.nbytes(name)
        if nbytes is not None:
            return StoredPath(_Tree(store, True, {"": ([], {name: nbytes})}), name)
    found = StoredPath(_Tree(StoreApart(url), False), "")
    if url.startswith("http") or not any(found.listed()):
        raise StorageError(f"{address.shown(url)}: there is no such object; check the URL")
    return found


def _above(url: str) -> tuple[str, str]:
    """Return the URL of the folder that a URL is in, with its query, and the name there."""
    parts = address.parts(url)
    folder, _, name = parts.path.rstrip("/").rpartition("/")
    return urlunsplit(parts._replace(path=folder or "/")), unquote(name)


def open_place(place: Place) -> ReadAt:
    """Open a file to be read at positions.

    Raises:
        OSError: if it cannot be opened.
        StorageError: if it is in a store that cannot be read.
    """
    return OpenFile(place) if isinstance(place, Path) else place.open()


def identity(place: Place) -> str:
    """Return a text that is another when the file is replaced or written to."""
    return files.identity(place) if isinstance(place, Path) else place.identity()


def nbytes_of(places: Sequence[Place]) -> list[int]:
    """Return the sizes of files."""
    return [
        place.stat().st_size if isinstance(place, Path) else place.open().nbytes for place in places
    ]


def stamp_ns(place: Place) -> int:
    """Return a time to set on what is made of a file: another if that is written to."""
    if isinstance(place, Path):
        return place.stat().st_mtime_ns
    digest = hashlib.sha256(place.identity().encode()).digest()
    return int.from_bytes(digest[:7])  # some time before 2255


def written_ns(place: Place) -> int:
    """Return when a file, or the newest below a folder, was last written to, in ns."""
    return files.written_ns(place) if isinstance(place, Path) else place.written_ns()
