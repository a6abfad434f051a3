"""Files that are one container together: a place is a position in them, one after another."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.archives.containers import FIRST_NBYTES, pread_all
from imnet_data.errors import SourceError
from imnet_data.machine import files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REMEDY = "download it again, or write it again with the tool that made it"


class Joined:
    """What a container has but for `entries`; no file is held open, as there may be thousands."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Join the files, in the order of their paths."""
        self.paths = sorted(paths)
        self.path = self.paths[0] if len(self.paths) == 1 else self.paths[0].parent
        self.name = self.path.name
        self.starts = np.cumsum([0, *(path.stat().st_size for path in self.paths)])
        self.extent = int(self.starts[-1])

    def at(self, place: int) -> tuple[int, int]:
        """Return the number of the file that a place is in, and the position there."""
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        return number, place - int(self.starts[number])

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the bytes at a place."""
        number, offset = self.at(place)
        with self.paths[number].open("rb", buffering=0) as file:
            content = pread_all(file.fileno(), nbytes, offset)
        if len(content) < nbytes:
            raise SourceError(f"{self.paths[number]}: became shorter while it was read; {REMEDY}")
        return content

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of an entry."""
        return self.read(place, min(nbytes, FIRST_NBYTES))

    def path_of(self, place: int) -> str:
        """Return file and position."""
        number, offset = self.at(place)
        return f"{self.paths[number]}, byte {offset}"

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of each file."""
        return [(path.name, path.stat().st_size) for path in self.paths]

    def identity(self) -> str:
        """Return what distinguishes the files from others."""
        identities = "\n".join(f"{path} {files.identity(path)}" for path in self.paths)
        return hashlib.sha256(os.fsencode(identities)).hexdigest()

    def close(self) -> None:
        """Nothing is held open."""
