"""A folder of image files, and of archives of a class or batch each; a place is a running number.

The folder is walked once. Each file takes one place; an archive `<wnid>.tar` takes as many as it
has bytes, and its files lie at theirs. Names are kept as one NumPy array a folder, never as
Python strings. Links are followed, as people make subsets of them; a loop of links is refused.
"""

from __future__ import annotations

import bisect
import hashlib
import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imnet_data.archives.containers import (
    FIRST_NBYTES,
    Entry,
    class_members,
    is_inner_archive,
    pread_all,
)
from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_MAX_DEPTH = 16  # folders below a branch


class Branch(NamedTuple):
    """A folder to walk."""

    path: Path
    prefix: str  # what its files' paths begin with: "train"; "" for nothing
    classes_only: bool = False  # pass over folders that are not called as a wnid
    once: bool = False  # pass over links to folders that are in it anyway


class Tree:
    """Files in folders, and some single files beside them."""

    def __init__(self, root: Path, branches: Sequence[Branch], files: Sequence[Path] = ()) -> None:
        self.path = root
        self.name = str(root)
        self.extent = 0
        self._branches = branches
        self._files = [file.absolute() for file in files]
        self._single = {str(file) for file in self._files}  # not to come again in a branch
        self._folders: list[bytes] = []  # or a class's archive
        self._names: list[NDArray[np.bytes_] | None] = []  # None for an archive
        self._starts: list[int] = []  # place of each folder's first file
        self._next_place = 0
        self._sizes: list[tuple[str, int]] = []
        self.hidden_folders: list[str] = []  # that were not gone into
        self.linked_folders: list[str] = []  # likewise, because they are there without the link
        self._walked: set[tuple[int, int]] = set()  # device and inode of folders
        self._identity = hashlib.sha256()  # of path, size and time of each file

    def __getstate__(self) -> dict[str, Any]:
        """Return what reading needs."""
        return {name: value for name, value in vars(self).items() if name != "_identity"}

    def entries(self) -> Iterator[Entry]:
        """Walk all files once."""
        for file in self._files:
            nbytes = regular_nbytes(file)
            self._identify(file.name, file.stat())
            self._sizes.append((file.name, nbytes))
            if is_inner_archive(file.name):
                yield from self._archive(str(file), nbytes, f"{file.stem}/")
            else:
                yield Entry(file.name, self._keep(str(file.parent), [file.name]), nbytes)
        for branch in self._branches:
            total = 0
            for entry in self._walk(str(branch.path.absolute()), branch.prefix, branch, ()):
                yield entry
                total += entry.nbytes
            self._sizes.append((branch.path.name, total))

    def _walk(
        self, folder: str, prefix: str, branch: Branch, above: tuple[tuple[int, int], ...]
    ) -> Iterator[Entry]:
        status = os.stat(folder)  # noqa: PTH116 (a Path is slow)
        here = status.st_dev, status.st_ino
        self._walked.add(here)
        if here in above:
            raise SourceError(f"{folder}: a link leads back into it; remove the link")
        if len(above) > _MAX_DEPTH:
            raise SourceError(
                f"{folder}: lies {_MAX_DEPTH} folders deep; pass a folder closer to it"
            )
        with os.scandir(folder) as found:
            items = sorted(found, key=lambda item: item.name)
        folders = [item for item in items if item.is_dir()]
        self.hidden_folders += [item.path for item in folders if item.name.startswith(".")]
        folders = [item for item in folders if not item.name.startswith(".")]
        # an archive whose class has its folder beside it was unpacked into that: only listed
        unpacked = {f"{item.name}.tar" for item in folders}
        files: list[os.DirEntry[str]] = []
        archives: list[os.DirEntry[str]] = []
        for item in items:
            if not item.is_dir() and item.path not in self._single:
                is_read = is_inner_archive(item.name) and item.name not in unpacked
                (archives if is_read else files).append(item)
        place = self._keep(folder, [item.name for item in files])
        before = f"{prefix}/" if prefix else ""
        for at, item in enumerate(files):
            self._identify(f"{before}{item.name}", item.stat())
            yield Entry(f"{before}{item.name}", place + at, _nbytes(item))
        for item in archives:
            self._identify(f"{before}{item.name}", item.stat())
            stem = item.name.removesuffix(".tar")
            yield from self._archive(item.path, _nbytes(item), f"{before}{stem}/")
        for item in folders:
            if self._is_linked(item, branch):
                self.linked_folders.append(item.path)
            elif is_wnid(item.name) or not branch.classes_only:
                yield from self._walk(item.path, f"{before}{item.name}", branch, (*above, here))

    def _is_linked(self, item: os.DirEntry[str], branch: Branch) -> bool:
        """Return whether a folder is a link into the branch, or to what was walked."""
        if not (branch.once and item.is_symlink()):
            return False
        status = item.stat()
        inside = os.path.realpath(branch.path) + os.sep
        return (status.st_dev, status.st_ino) in self._walked or (
            os.path.realpath(item.path).startswith(inside)
        )

    def _identify(self, path: str, status: os.stat_result) -> None:
        identity = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
        self._identity.update(os.fsencode(identity))

    def _archive(self, path: str, nbytes: int, prefix: str) -> Iterator[Entry]:
        start = self._next_place
        self._starts.append(start)
        self._folders.append(os.fsencode(path))
        self._names.append(None)
        self._next_place += nbytes
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            pread = partial(pread_all, file.fileno())
            for entry in class_members(pread, end=nbytes, archive=path, prefix=prefix):
                yield entry._replace(place=start + entry.place)

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
        path, offset = self._file_of(place)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            data = file.read() if offset is None else pread_all(file.fileno(), nbytes, offset)
        if len(data) != nbytes:
            raise SourceError(
                f"{os.fsdecode(path)}: had {nbytes} bytes when the folder was listed, "
                f"has {len(data)} now; start again"
            )
        return data

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of one file."""
        path, offset = self._file_of(place)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return pread_all(file.fileno(), min(nbytes, FIRST_NBYTES), offset or 0)

    def _file_of(self, place: int) -> tuple[bytes, int | None]:
        """Return the file that a place is in, and where; None for a file of its own."""
        number = bisect.bisect_right(self._starts, place) - 1
        at, names = place - self._starts[number], self._names[number]
        if names is None:
            return self._folders[number], at
        path = os.path.join(self._folders[number], bytes(names[at]))  # noqa: PTH118
        return path, None

    def path_of(self, place: int) -> str:
        """Return the full path of a file; of one in an archive, the archive's and the offset."""
        path, offset = self._file_of(place)
        return os.fsdecode(path) + ("" if offset is None else f", byte {offset}")

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of what was read."""
        return self._sizes

    def identity(self) -> str:
        """Return what distinguishes the files that were walked: their paths, sizes, times."""
        return self._identity.hexdigest()

    def close(self) -> None:
        """Nothing is held open."""


def _nbytes(item: os.DirEntry[str]) -> int:
    status = item.stat()
    return status.st_size if stat.S_ISREG(status.st_mode) else regular_nbytes(Path(item.path))


def regular_nbytes(path: Path) -> int:
    """Return the size of a regular file.

    Raises:
        SourceError: for a pipe, a socket or a device, which would not end or not answer.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a folder")
        raise SourceError(f"{path}: is {kind}, and only regular files are read; remove it")
    return status.st_size


_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
