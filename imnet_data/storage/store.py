"""What a store can do; a folder and an object store are stores alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imnet_data.errors import StorageError
from imnet_data.storage import address
from imnet_data.storage.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Sequence


class Store(Protocol):
    """Objects by name, below one place; a name has `/` between its parts.

    Each raises a StorageError that names the object: after retries, where it may be the network.
    """

    def where(self, name: str) -> str:
        """Return how messages call an object."""

    def nbytes(self, name: str) -> int | None:
        """Return the size of an object; None if there is none."""

    def read(self, name: str, start: int, nbytes: int) -> bytes:
        """Return `nbytes` bytes of an object from `start` on, neither fewer nor more."""

    def read_ranges(
        self, name: str, starts: Sequence[int], nbytes: Sequence[int]
    ) -> list[bytes | memoryview]:
        """Return several ranges of an object; those that lie near each other in one go."""

    def write(self, name: str, path: Path) -> None:
        """Make an object of a file; it appears whole, or not at all."""

    def put(self, name: str, content: bytes) -> None:
        """Make a small object, likewise."""

    def create(self, name: str, content: bytes) -> None:
        """Make a small object, unless there is one.

        Of two that do so at a time, the first one counts; the last one in a store that has no such
        request. Whoever has to know reads what is there.
        """

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""

    def names(self, folder: str = "") -> list[str]:
        """Return the names of all objects below a folder, sorted.

        In some stores an object is listed a while after it was written or removed: `nbytes` and
        `identity` know.
        """

    def identity(self, name: str) -> str | None:
        """Return a text that changes when an object is written again; None if there is none."""


def open_store(place: str | os.PathLike[str]) -> Store:
    """Return the store at a folder or a URL.

    Raises:
        StorageError: if there are no stores of that scheme.
        MissingExtra: if a URL's package is not installed.
    """
    if not address.is_url(place):
        return LocalStore(Path(place))
    url = os.fspath(place)
    scheme = url.partition(":")[0]
    if scheme not in address.SCHEMES or "://" not in url:
        schemes = ", ".join(f"{each}://" for each in address.SCHEMES)
        raise StorageError(f"{address.shown(url)}: is not a URL of {schemes}, nor a folder")
    if not scheme.startswith("http") and ("?" in url or "#" in url):
        raise StorageError(
            f"{address.shown(url)}: its URL has a query, which {scheme}:// does not take; leave it "
            "out (credentials come from the environment)"
        )
    from imnet_data.storage.cloud import CloudStore

    return CloudStore(url)
