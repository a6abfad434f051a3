"""A dataset in a store: what describes it is fetched once, its shards come when they are needed.

The cache has two folders: `datasets/<key>` with the small files of each dataset, which stay, and
`shards/<key>`, whose files go as they grow old. The key is the hash of SHA256SUMS, so a dataset
that changes in its store is another one here. Whatever comes is held against SHA256SUMS: shards
before they get their name, and records that are read by themselves against the manifest.
"""

from __future__ import annotations

import functools
import hashlib
import mmap
import os
import secrets
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.dataset import description, index_file, layout, manifest
from imnet_data.errors import Stopped, StorageError
from imnet_data.machine import files
from imnet_data.storage import address
from imnet_data.storage.apart import StoreApart
from imnet_data.storage.cache import Cache
from imnet_data.storage.download import content, download, size
from imnet_data.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.storage.store import Store

_SHA256_NBYTES = 32
_HASHES = "stored.sha256"  # of each record's stored bytes, made of the manifest
_ATTEMPTS = 3  # at records whose bytes arrive wrong
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_FETCH = """
import sys
from pathlib import Path
from imnet_data.dataset.remote import fetch
print(fetch(sys.argv[1], Path(sys.argv[2])))
"""


class Ranges(NamedTuple):
    """Where some records of a shard are."""

    name: str  # of the shard
    starts: list[int]
    nbytes: list[int]
    sha256: NDArray[np.uint8]  # that each must have


class RemoteFiles(NamedTuple):
    """The files of a dataset in a store, and the cache that has some of them.

    As a path it is the folder of the small files, so that it is taken where a dataset's folder is.
    """

    url: str
    folder: Path  # of the cache
    key: str
    limit_nbytes: int | None

    def __fspath__(self) -> str:
        return str(self.root)

    def __repr__(self) -> str:
        return f"RemoteFiles({address.shown(self.url)}, {self.folder})"

    @property
    def root(self) -> Path:
        """Where the small files are."""
        return self.folder / "datasets" / self.key

    def where(self, name: str) -> str:
        """Return the URL of a file, without what may be secret."""
        return f"{address.shown(self.url)}/{name}"

    @property
    def store(self) -> Store:
        """The store, as this process has it."""
        return _store(self.url)

    @property
    def keeps_shards(self) -> bool:
        """Whether shards come to the cache; or else records are read by themselves."""
        return self.limit_nbytes != 0

    @property
    def _cache(self) -> Cache:
        return Cache(self.folder / "shards", self.limit_nbytes)

    def has(self, name: str) -> bool:
        """Return whether a shard is in the cache."""
        return self._cache.has(f"{self.key}/{name}")

    def path(self, name: str) -> Path:
        """Return the path of a shard, which is fetched if it is not in the cache.

        Raises:
            StorageError: if it cannot be had, or its bytes are wrong.
        """
        path = self._get(name, unused_since_ns=None, is_stopped=lambda: False)
        assert path is not None
        return path

    def warm(self, name: str, *, unused_since_ns: int, is_stopped: Callable[[], bool]) -> bool:
        """Fetch a shard, if there is room for it beside those in use; return whether there was."""
        return self._get(name, unused_since_ns=unused_since_ns, is_stopped=is_stopped) is not None

    def _get(
        self, name: str, *, unused_since_ns: int | None, is_stopped: Callable[[], bool]
    ) -> Path | None:
        cached = f"{self.key}/{name}"
        if self._cache.has(cached):
            return self._cache.path(cached)
        sha256 = _sums(self.root / layout.SUMS).get(name)
        if sha256 is None:
            raise StorageError(f"{self.store.where(name)}: {layout.SUMS} does not list it")

        nbytes = size(self.store, name)

        def fill(part: Path) -> None:
            download(self.store, name, nbytes, part, sha256=sha256, is_stopped=is_stopped)

        return self._cache.get(cached, nbytes, fill, unused_since_ns=unused_since_ns)

    def block(
        self, name: str, pieces: Sequence[Ranges], *, is_stopped: Callable[[], bool]
    ) -> memoryview:
        """Return records that lie one after another in a file of the cache, and are fetched to it.

        Raises:
            StorageError: if they cannot be had, or are other bytes each time.
            Stopped: if `is_stopped` says so.
        """

        def fill(part: Path) -> None:
            with part.open("r+b") as file:
                for piece in pieces:
                    if is_stopped():
                        raise Stopped("stopped")
                    file.writelines(self.read_ranges(piece))

        nbytes = sum(sum(piece.nbytes) for piece in pieces)
        for _ in range(_ATTEMPTS):
            path = self._cache.get(f"{self.key}/{name}", nbytes, fill)
            assert path is not None
            try:
                return _mapped(path, nbytes)
            except FileNotFoundError:  # another job has made room
                continue
        raise StorageError(
            f"{path}: is evicted from the cache as soon as it is there; pass a larger cache_size"
        )

    def count_as_used(self, name: str, *, at_ns: int) -> None:
        """Let a file make room as if it had last been used at that time."""
        self._cache.count_as_used(f"{self.key}/{name}", at_ns=at_ns)

    def read_ranges(self, ranges: Ranges) -> list[bytes | memoryview]:
        """Return records of a shard.

        Raises:
            StorageError: if they cannot be had, or are other bytes each time.
        """
        name = ranges.name
        for _ in range(_ATTEMPTS):
            store = self.store if self.keeps_shards else _store_apart(self.url)
            found = store.read_ranges(name, ranges.starts, ranges.nbytes)
            digests = b"".join(files.digests(found))
            if digests == ranges.sha256.tobytes():
                return found
        raise StorageError(
            f"{self.store.where(name)}: records of it are not what the manifest says, {_ATTEMPTS} "
            "times in a row; copy the dataset there again"
        )

    def stored_sha256(self, split: str) -> NDArray[np.uint8]:
        """Return the sha256 of what is stored of each record, uint8[len, 32]."""
        return _hashes(self.root / split)


def open_remote(url: str, folder: Path, limit_nbytes: int | None) -> RemoteFiles:
    """Fetch what describes the dataset at `url`, in a process of its own.

    Raises:
        StorageError: if it cannot be had, or its bytes are wrong.
        MissingExtra: if what reads from stores is not installed.
    """
    from imnet_data.storage.cloud import isolated

    key = isolated(_FETCH, url, str(folder)).split()[-1]
    return RemoteFiles(url, folder, key, limit_nbytes)


def is_remote_dataset(url: str) -> bool:
    """Return whether there is a finished dataset at a URL, which is not that of an archive."""
    name = address.parts(url).path
    return not name.endswith(_ARCHIVES) and (
        StoreApart(url).nbytes(description.FILE_NAME) is not None
    )


def fetch(url: str, folder: Path) -> str:
    """Fetch the small files of a dataset to `folder`; return its key.

    Raises:
        StorageError: if they cannot be had or written, or their bytes are wrong.
    """
    try:
        return _fetch(url, folder)
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder}: cannot be written to the cache ({error.strerror}); make "
            "room there, or pass another cache, a folder that you may write to"
        ) from error


def _fetch(url: str, folder: Path) -> str:
    store = open_store(url)
    sums = content(store, layout.SUMS)
    key = hashlib.sha256(sums).hexdigest()[:32]
    root = folder / "datasets" / key
    root.mkdir(parents=True, exist_ok=True)
    if not (root / layout.SUMS).exists():
        part = _part(root / layout.SUMS)
        part.write_bytes(sums)
        part.rename(root / layout.SUMS)
    listed = _sums(root / layout.SUMS)
    _bring(store, description.FILE_NAME, root, listed)
    about = description.read(root)
    names = [layout.LABELS]
    for split in about.splits:
        names += [f"{split}/{name}" for name in (index_file.FILE_NAME, manifest.FILE_NAME)]
    for name in names:
        _bring(store, name, root, listed)
    for split in about.splits:
        _write_hashes(root / split)
    return key


def _bring(store: Store, name: str, root: Path, listed: dict[str, str]) -> None:
    path = root / name
    if path.exists():
        return
    if name not in listed:
        raise StorageError(f"{store.where(layout.SUMS)}: does not list {name}; copy it again")
    path.parent.mkdir(exist_ok=True)
    part = _part(path)
    try:
        download(store, name, size(store, name), part, sha256=listed[name])
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def _write_hashes(folder: Path) -> None:
    path = folder / _HASHES
    if not path.exists():
        entries = manifest.read(folder / manifest.FILE_NAME)
        digests = (bytes.fromhex(entry.stored_sha256 or entry.sha256) for entry in entries)
        part = _part(path)
        part.write_bytes(b"".join(digests))
        part.rename(path)


@functools.lru_cache(8)
def _hashes(folder: Path) -> NDArray[np.uint8]:
    mapped: NDArray[np.uint8] = np.memmap(folder / _HASHES, np.uint8, "r")
    return mapped.reshape(-1, _SHA256_NBYTES)


def _mapped(path: Path, nbytes: int) -> memoryview:
    """Return the bytes of a file, which the system begins to read."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != nbytes:
            raise StorageError(f"{path}: does not have {nbytes:,} bytes any more; remove it")
        mapped = mmap.mmap(file.fileno(), nbytes, prot=mmap.PROT_READ)
    mapped.madvise(mmap.MADV_WILLNEED)
    return memoryview(mapped)


def _part(path: Path) -> Path:
    """Return a name that no other process uses until the file is whole."""
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}{files.PART}")


@functools.lru_cache(8)
def _store(url: str) -> Store:
    return open_store(url)


@functools.lru_cache(8)
def _store_apart(url: str) -> StoreApart:
    return StoreApart(url)


@functools.lru_cache(8)
def _sums(path: Path) -> dict[str, str]:
    return dict(layout.read_sums(path))
