"""Files that are one container together: a place is a position in them, one after another."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from imnet_data.archives.containers import FIRST_NBYTES
from imnet_data.errors import SourceError
from imnet_data.storage import ranges
from imnet_data.storage.place import StoredPath, identity, nbytes_of, open_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.storage.place import Place

Where = TypeVar("Where", bound="Place")

_REQUESTS = 8  # at a time, where there may be thousands of files
REMEDY = "download it again, or write it again with the tool that made it"


class Joined(Generic[Where]):
    """What a container has but for `entries`; no file is held open, as there may be thousands."""

    def __init__(self, paths: Sequence[Where]) -> None:
        """Join the files, in the order of their paths."""
        self.paths: list[Where] = sorted(paths, key=lambda path: PurePath(str(path)))
        self.path: Place = self.paths[0] if len(self.paths) == 1 else self.paths[0].parent
        self.name = self.path.name
        self.starts = np.cumsum([0, *nbytes_of(self.paths)])
        self.extent = int(self.starts[-1])

    def at(self, place: int) -> tuple[int, int]:
        """Return the number of the file that a place is in, and the position there."""
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        return number, place - int(self.starts[number])

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the bytes at a place."""
        number, offset = self.at(place)
        content = open_place(self.paths[number]).read(offset, nbytes)
        if len(content) < nbytes:
            raise SourceError(f"{self.paths[number]}: became shorter while it was read; {REMEDY}")
        return content

    @property
    def is_far(self) -> bool:
        """Whether the files are in a store: all of them are, or none."""
        return isinstance(self.paths[0], StoredPath)

    def read_together(self, places: Sequence[int], nbytes: Sequence[int]) -> list[bytes]:
        """Return the bytes at several places."""
        at = [self.at(place) for place in places]
        found = [b""] * len(places)
        for number in {number for number, _ in at}:
            members = [row for row, (of, _) in enumerate(at) if of == number]
            starts, sizes = zip(*((at[row][1], nbytes[row]) for row in members), strict=True)
            contents = ranges.read_together(open_place(self.paths[number]).read, starts, sizes)
            for row, content in zip(members, contents, strict=True):
                found[row] = bytes(content)
        return found

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of an entry."""
        return self.read(place, min(nbytes, FIRST_NBYTES))

    def path_of(self, place: int) -> str:
        """Return file and position."""
        number, offset = self.at(place)
        return f"{self.paths[number]}, byte {offset}"

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of each file."""
        return [*zip((path.name for path in self.paths), nbytes_of(self.paths), strict=True)]

    def identity(self) -> str:
        """Return what distinguishes the files from others."""
        with ThreadPoolExecutor(_REQUESTS) as threads:
            found = zip(self.paths, threads.map(identity, self.paths), strict=True)
            identities = "\n".join(f"{path} {each}" for path, each in found)
        return hashlib.sha256(os.fsencode(identities)).hexdigest()

    def close(self) -> None:
        """Nothing is held open."""
