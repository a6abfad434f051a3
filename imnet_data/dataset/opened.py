"""A converted dataset on disk, opened as Records."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from imnet_data import arguments, formats
from imnet_data.dataset import description, index, index_file, layout, manifest
from imnet_data.dataset.remote import Ranges, RemoteFiles, open_remote
from imnet_data.dataset.stored import restored
from imnet_data.errors import FormatError, ManifestError, verify_command
from imnet_data.imagenet.detection import TASKS
from imnet_data.machine import open_file
from imnet_data.machine.closing import Closing
from imnet_data.record import Listing, Record, Scene
from imnet_data.storage import address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.arguments import StrPath
    from imnet_data.dataset.description import Description, SplitDescription
    from imnet_data.dataset.manifest import Entry
    from imnet_data.formats import Format, Shard

_MOST_OPEN_SHARDS = 64  # to open one again takes microseconds


def is_dataset(path: Path) -> bool:
    """Return whether there is a finished dataset at `path`."""
    return (path / description.FILE_NAME).is_file()


class RemotePaths(Sequence["Path"]):
    """The shards of a split that is in a store; each is fetched when it is taken."""

    def __init__(self, remote: RemoteFiles, names: list[str]) -> None:
        self.remote, self.names = remote, names

    def __len__(self) -> int:
        return len(self.names)

    def where(self, number: int) -> str:
        """Return the URL of a shard, for messages."""
        return self.remote.where(self.names[number])

    @overload
    def __getitem__(self, number: int) -> Path: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Path]: ...

    def __getitem__(self, number: int | slice) -> Path | Sequence[Path]:
        if isinstance(number, slice):
            return RemotePaths(self.remote, self.names[number])
        return self.remote.path(self.names[number])


def _remote(
    root: StrPath, cache: StrPath | None, cache_size: int | str | None
) -> RemoteFiles | None:
    """Return the files of a dataset at a URL; None where it is in a folder."""
    if isinstance(root, RemoteFiles):
        return root
    if not address.is_url(root):
        if cache is not None or cache_size is not None:
            raise ValueError("cache and cache_size are for a URL, and root is a folder")
        return None
    if cache is None:
        raise ValueError(
            f"cache is None, and root is {address.shown(str(root))}; pass the folder on a local "
            "disk that its files come to"
        )
    limit = None if cache_size is None else arguments.nbytes("cache_size", cache_size)
    return open_remote(str(root), arguments.path("cache", cache), limit)


class Dataset(Closing):
    """One split of a converted dataset: Records, with labels and places besides."""

    def __init__(
        self, root: Path, split: str, about: Description, remote: RemoteFiles | None = None
    ) -> None:
        self.root = root
        self.remote = remote  # where its shards come from, if they are not below `root`
        self.split = split
        self.about = about
        self.directory = root / split
        self._format = formats.get(about.format)
        self.index = index_file.open_index(self._index_path)
        self._fixes = ("", *about.splits[split].fixes)
        self._open_shard = _opener(self._format, self.directory, self.shard_paths)
        self._is_closed = False
        if self.index.digest != self.split_description.digest:
            raise ManifestError(
                f"{self._index_path}: belongs to another manifest than "
                f"{root / description.FILE_NAME} says; run {verify_command(root)}"
            )
        fault = index.check(
            self.index,
            class_count=len(about.classes),
            shards_nbytes=[shard.nbytes for shard in self._shard_files],
            fix_count=len(self._fixes) - 1,
        )
        if fault:
            raise ManifestError(f"{self._index_path}: damaged ({fault}); {index.REMEDY}")

    @classmethod
    def open(
        cls,
        root: StrPath,
        split: str | None = None,
        *,
        cache: StrPath | None = None,
        cache_size: int | str | None = None,
    ) -> Dataset:
        """Open one split of the dataset at `root`, in milliseconds whatever its size.

        Args:
            root: the folder that holds dataset.json, or the URL of one in an object store, or what
                `open_remote` has made of that.
            split: by default the only one, or "train" where there are several. Other
                names of a split do, too, such as "validation".
            cache: of a URL, the folder on a local disk that its files come to.
            cache_size: what the shards there may take, in bytes or as "500GB".

        Raises:
            ManifestError: if there is no dataset, or it is damaged.
            SplitError: if it has no such split.
            StorageError: if it cannot be had from its store.
            MissingExtra: if a URL is given, and obstore is not installed.
        """
        files = _remote(root, cache, cache_size)
        root = arguments.path("root", root) if files is None else files.root
        about = description.read(root)
        if files is not None and formats.get(about.format).record_file is not None:
            raise ManifestError(
                f"{address.shown(files.url)}: has a file for each record, which is not loaded from "
                "a store; copy it to a disk, or convert it to another format"
            )
        if split is None:
            split = next(iter(about.splits)) if len(about.splits) == 1 else "train"
        return cls(root, layout.require_split(root, split, about.splits), about, files)

    @property
    def split_description(self) -> SplitDescription:
        """What dataset.json says of this split."""
        return self.about.splits[self.split]

    @property
    def classes(self) -> tuple[str, ...]:
        """The sorted wnids; a label is a position among them."""
        return self.about.classes

    @property
    def labels(self) -> NDArray[np.int32]:
        """The label of each record, int32[len], -1 where there is none; read-only."""
        return self.index.label

    @property
    def shard_paths(self) -> Sequence[Path]:
        """The files that `index.shard` numbers; the split's folder where each record has a file.

        One that is in a store is fetched when it is taken from here.
        """
        if self.remote is not None:
            return RemotePaths(self.remote, [f"{self.split}/{s.name}" for s in self._shard_files])
        return tuple(self._shard_path(number) for number in range(len(self._shard_files)))

    @functools.cached_property
    def listing(self) -> Listing:
        """Keys, wnids and published sizes of all records, in stored order."""
        wnids = np.array([*self.classes, ""], "S")  # label -1 is the last: no label
        return Listing(self.index.key, wnids[self.index.label], self.index.published_nbytes)

    def __len__(self) -> int:
        return len(self.index.label)

    def __getitem__(self, index: int) -> Record:
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        index %= len(self)
        stored = manifest.STORED[self.index.stored[index]]
        if stored == "pixels":
            key = self.index.key[index].decode()
            raise FormatError(
                f"{key} (record {index}) in {self.directory}: is stored as pixels, so there is no "
                "JPEG; `Dataset.stored` returns the pixels, and the source has the JPEG"
            )
        image = restored(self.stored(index), stored)
        return self.without_jpeg(index)._replace(jpeg=image)

    def without_jpeg(self, index: int) -> Record:
        """Return record `index` but for its JPEG, which is empty."""
        key, wnid, *_ = self.index.place(index, self.classes)
        fix = self._fixes[self.index.fix[index]]
        return Record(key, wnid, b"", self.index.boxes_of(index), fix, self.scene(index))

    def scene(self, index: int) -> Scene | None:
        """Return what is published of a record of DET or VID besides its boxes; else None.

        Raises:
            ManifestError: if the manifest is damaged.
        """
        return self._lines.entry(index).scene if self.about.name in TASKS else None

    @functools.cached_property
    def _lines(self) -> manifest.Lines:
        return manifest.Lines(self.directory / manifest.FILE_NAME)

    def holds_pixels(self, index: int) -> bool:
        """Return whether record `index` is stored as pixels, not as a JPEG."""
        return manifest.STORED[self.index.stored[index]] == "pixels"

    @functools.cached_property
    def sha256(self) -> NDArray[np.uint8]:
        """The sha256 of each JPEG, uint8[len, 32]; all of the manifest is read for it."""
        digests = b"".join(bytes.fromhex(entry.sha256) for entry in self.entries())
        return np.frombuffer(digests, np.uint8).reshape(-1, hashlib.sha256().digest_size)

    def stored(self, index: int) -> bytes:
        """Return what is stored of record `index`: a JPEG, packed or not, or its pixels as RGB."""
        if self.is_far:
            return self._stored_far([index])[0]
        place = self.index.place(index, self.classes)
        return self.open_shard(int(self.index.shard[index])).read(place)

    @property
    def is_far(self) -> bool:
        """Whether records are read in a store, without their shards."""
        return self.remote is not None and not self.remote.keeps_shards

    def read_together(self, indices: Sequence[int]) -> list[Record]:
        """Return some records that have a JPEG, of a dataset that is far."""
        stored = zip(indices, self._stored_far(indices), strict=True)
        return [
            self.without_jpeg(index)._replace(
                jpeg=restored(content, manifest.STORED[self.index.stored[index]])
            )
            for index, content in stored
        ]

    def _stored_far(self, indices: Sequence[int]) -> list[bytes]:
        assert self.remote is not None
        rows = np.asarray(indices, np.int64)
        found: dict[int, bytes] = {}
        for number in np.unique(self.index.shard[rows]).tolist():
            inside = rows[self.index.shard[rows] == number]
            ranges = Ranges(
                f"{self.split}/{self._shard_files[number].name}",
                self.index.offset[inside].tolist(),
                self.index.nbytes[inside].tolist(),
                self.remote.stored_sha256(self.split)[inside],
            )
            contents = map(bytes, self.remote.read_ranges(ranges))
            found |= zip(inside.tolist(), contents, strict=True)
        return [found[index] for index in indices]

    @property
    def is_pixels(self) -> NDArray[np.bool_]:
        """Whether each record is stored as pixels, not as a JPEG, bool[len]."""
        pixels: NDArray[np.bool_] = self.index.stored == manifest.STORED.index("pixels")
        return pixels

    def __iter__(self) -> Iterator[Record]:
        return (self[index] for index in range(len(self)))

    def find(self, key: str) -> int:
        """Return the index of the record called `key`; KeyError if there is none."""
        found = np.flatnonzero(self.index.key == key.encode())
        if not len(found):
            raise KeyError(f"{self.directory}: no record has the key {key!r}")
        return int(found[0])

    def entries(self, *, start: int = 0) -> Iterator[Entry]:
        """Return the lines of the manifest in order, from record `start` on.

        Raises:
            ValueError: if the dataset was closed.
        """
        self._require_open()
        return manifest.read(self.directory / manifest.FILE_NAME, start=start)

    def files_of(self, indices: NDArray[np.integer]) -> list[Path]:
        """Return the files that hold some records: those of their shards, or one for each."""
        record_file = self._format.record_file
        if record_file is None:
            return [self._shard_path(shard) for shard in np.unique(self.index.shard[indices])]
        keys, labels = self.index.key[indices].tolist(), self.labels[indices].tolist()
        return [
            self.directory / record_file(self.classes[label] if label >= 0 else "", key.decode())
            for key, label in zip(keys, labels, strict=True)
        ]

    def entry(self, index: int) -> Entry:
        """Return the line of the manifest of one record; little more than that is read.

        Raises:
            ManifestError: if the manifest is damaged, or has another record there.
        """
        path = self.directory / manifest.FILE_NAME
        entry = next(manifest.read(path, start=index, stop=index + 1), None)
        if entry is None or entry.key.encode() != self.index.key[index]:
            raise ManifestError(
                f"{self.directory}: manifest and index differ at record {index}; "
                f"run {verify_command(self.root)}"
            )
        return entry

    def open_shard(self, number: int) -> Shard:
        """Return shard `number`, one of those that are open, or opened now.

        Raises:
            FormatError: if there is no such shard, or it cannot be opened.
            ValueError: if the dataset was closed.
        """
        self._require_open()
        return self._open_shard(number)

    def _require_open(self) -> None:
        if self._is_closed:
            raise ValueError(f"{self.directory}: the dataset was closed; open it again")

    def close(self) -> None:
        """Close the files of the shards; nothing can be read afterwards."""
        self._is_closed = True
        self._open_shard.cache_clear()

    def __reduce__(self) -> tuple[type[Dataset], tuple[Path, str, Description, RemoteFiles | None]]:
        return Dataset, (self.root, self.split, self.about, self.remote)

    @property
    def _index_path(self) -> Path:
        return self.directory / index_file.FILE_NAME

    @property
    def _shard_files(self) -> tuple[description.ShardFile, ...]:
        return self.split_description.shards

    def _shard_path(self, number: int) -> Path:
        name = self._shard_files[number].name
        return self.directory / name if name else self.directory


def _opener(
    format: Format, directory: Path, paths: Sequence[Path]
) -> functools._lru_cache_wrapper[Shard]:
    """Return what opens the shards of a split; one is closed when nobody holds it any more."""

    @functools.lru_cache(min(_MOST_OPEN_SHARDS, open_file.most() // 4))
    def open_shard(number: int) -> Shard:
        if not 0 <= number < len(paths):
            raise FormatError(
                f"{directory}: there is no shard {number}; run {verify_command(directory.parent)}"
            )
        return format.open(paths[number])

    return open_shard
