"""Where what is verified lies: in a folder, or in an object store.

Of a dataset in a store, the small files that describe it come to a temporary folder. Shards and
files of single records are read where they are, piece by piece, and nothing of them is kept.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imnet_data import formats
from imnet_data.dataset import beside, description, layout, mirror
from imnet_data.dataset.layout import SUMS
from imnet_data.errors import REPAIR, FormatError, StorageError
from imnet_data.formats.extents import ExtentShard, ShardFile
from imnet_data.machine.open_file import OpenFile, explained
from imnet_data.storage.object_file import ObjectFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imnet_data.dataset.description import Description
    from imnet_data.dataset.mirror import Mirror
    from imnet_data.formats import Format, Place, Seen, Shard, Stored
    from imnet_data.machine.open_file import ReadAt

_log = logging.getLogger("imnet_data")  # on stderr, unless it is sent elsewhere


class Location(Protocol):
    """The files of a dataset."""

    @property
    def root(self) -> Path:
        """The folder of those that describe the others."""

    @property
    def attempts(self) -> int:
        """How often a file is looked at before it is said to differ: more, over a network."""

    @property
    def names(self) -> Sequence[str] | None:
        """Of all files that there are; None for a folder, which is looked through."""

    def open(self, file: str) -> ReadAt:
        """Open any file; OSError if it cannot be."""

    def shard(self, format: Format, split: str, name: str) -> Shard:
        """Open a shard of a split; of a format with a file for each record, all of the split."""


class Folder:
    """Location: a folder."""

    attempts = 1
    names = None

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, file: str) -> OpenFile:
        """Open a file."""
        return OpenFile(self.root / file)

    def shard(self, format: Format, split: str, name: str) -> Shard:
        """Open a shard."""
        return format.open(self.root / split / name)


class Bucket:
    """Location: objects of a store. Workers that are forked open the store themselves."""

    attempts = 2

    def __init__(self, brought: Mirror, names: Sequence[str] | None) -> None:
        self.root, self.names = brought.root, names
        self._store = brought.store

    def open(self, file: str) -> ReadAt:
        """Open what has come here, or else an object."""
        path = self.root / file
        return OpenFile(path) if path.is_file() else ObjectFile(self._store, file)

    def shard(self, format: Format, split: str, name: str) -> Shard:
        """Open an object as a shard."""
        if format.record_file is not None:
            return _RecordObjects(self._file, split, format.record_file)
        walk = formats.walk_of(format)
        assert walk is not None  # as `bucket` has seen to
        return ExtentShard(Path(name), walk, self._file(f"{split}/{name}"))

    def _file(self, file: str) -> ReadAt:
        try:
            return self.open(file)
        except FileNotFoundError as error:
            where = self._store.where(file)
            raise FormatError(f"{where}: {explained(error, REPAIR)}") from error


class _RecordObjects:
    """Shard: the objects of a split, each of which has one record."""

    def __init__(
        self,
        opened: Callable[[str], ReadAt],
        split: str,
        record_file: Callable[[str, str], str],
    ) -> None:
        self._opened, self._split, self._record_file = opened, split, record_file

    def read(self, place: Place) -> bytes:
        """Return the bytes of the object of `place`."""
        name = self._record_file(place.wnid, place.key)
        file = ShardFile(Path(name), self._opened(f"{self._split}/{name}"))
        if file.nbytes != place.nbytes:
            raise file.fault(f"has {file.nbytes} bytes, not {place.nbytes}")
        return file.read(0, file.nbytes)

    def walk(self, seen: Seen) -> Iterator[Stored]:
        """Return nothing: they have no order to be walked in."""
        del seen
        return iter(())

    def close(self) -> None:
        """Nothing is held open."""


@contextmanager
def bucket(url: str) -> Iterator[tuple[Bucket, Mirror]]:
    """Yield the dataset at `url`, as it is there, damaged or not.

    Raises:
        ManifestError: if dataset.json is missing or damaged.
        StorageError: if the store cannot be read.
    """
    with mirror.mirror(url) as brought:
        brought.bring([SUMS, description.FILE_NAME], keeps_other=True)
        about = description.read(brought.root)
        _require_walk(about, brought.name)
        brought.bring([*layout.describing(about), *beside.contents(about)], keeps_other=True)
        yield Bucket(brought, _names(brought)), brought


def _require_walk(about: Description, name: str) -> None:
    format = formats.get(about.format)
    if format.record_file is None and formats.walk_of(format) is None:
        raise StorageError(
            f"{name}: the format {about.format} is read from a local disk alone; copy the dataset "
            "to one with `imnet-data copy`"
        )


def _names(brought: Mirror) -> list[str] | None:
    """Return the names of all objects; none, and a warning, where a web server has no list."""
    if not brought.url.startswith("http"):
        return brought.store.names()
    _log.warning(
        f"{brought.name}: a web server does not list what it has, so files that do not belong to "
        "the dataset are not looked for"
    )
    return []
