"""Whole objects, piece by piece: their hashes, and copies of them on a local disk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from imnet_data.errors import Stopped, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imnet_data.storage.store import Store

PIECE_NBYTES = 8 << 20
_ATTEMPTS = 3  # at an object whose bytes arrive wrong


def _never() -> bool:
    return False


def pieces(
    store: Store, name: str, nbytes: int, is_stopped: Callable[[], bool] = _never
) -> Iterator[bytes | memoryview]:
    """Yield an object piece by piece.

    Raises:
        StorageError: if they cannot be had.
        Stopped: if `is_stopped` says so.
    """
    for start in range(0, nbytes, PIECE_NBYTES):
        if is_stopped():
            raise Stopped("stopped")
        yield from store.read_ranges(name, [start], [min(PIECE_NBYTES, nbytes - start)])


def sha256(store: Store, name: str, nbytes: int, is_stopped: Callable[[], bool] = _never) -> str:
    """Return the sha256 of an object, of which nothing is kept; raise what `pieces` does."""
    digest = hashlib.sha256()
    for piece in pieces(store, name, nbytes, is_stopped):
        digest.update(piece)
    return digest.hexdigest()


def has(store: Store, name: str, wanted: str, is_stopped: Callable[[], bool] = _never) -> bool:
    """Return whether there is an object with this sha256; raise what `pieces` does."""
    nbytes = store.nbytes(name)
    return nbytes is not None and sha256(store, name, nbytes, is_stopped) == wanted


def size(store: Store, name: str) -> int:
    """Return the size of an object.

    Raises:
        StorageError: if there is none.
    """
    nbytes = store.nbytes(name)
    if nbytes is None:
        raise StorageError(f"{store.where(name)}: there is no such object; check the place")
    return nbytes


def content(store: Store, name: str) -> bytes:
    """Return all of a small object."""
    return store.read(name, 0, size(store, name))


def download(
    store: Store,
    name: str,
    nbytes: int,
    path: Path,
    *,
    sha256: str | None,
    is_stopped: Callable[[], bool] = _never,
    keeps_other: bool = False,
) -> None:
    """Write an object to `path`, checked to be what it should be; other bytes are asked for again.

    Args:
        store: where it is.
        name: of the object.
        nbytes: its size.
        path: of the file.
        sha256: what its bytes should have; None where that is not known.
        is_stopped: asked now and then.
        keeps_other: whether bytes that are other ones each time are left there.

    Raises:
        StorageError: if they are other ones each time.
        Stopped: if `is_stopped` says so.
        OSError: if they cannot be written.
    """
    for _ in range(_ATTEMPTS):
        digest = hashlib.sha256()
        with path.open("r+b" if path.exists() else "wb") as file:
            for piece in pieces(store, name, nbytes, is_stopped):
                file.write(piece)
                digest.update(piece)
            file.truncate()
        if sha256 in (None, digest.hexdigest()):
            return
    if keeps_other:
        return
    raise StorageError(
        f"{store.where(name)}: its bytes are not those of SHA256SUMS, {_ATTEMPTS} times in a row; "
        "copy the dataset there again"
    )
