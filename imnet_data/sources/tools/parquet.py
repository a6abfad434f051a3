"""Hugging Face's Parquet files: which there are, and what their rows mean.

All files together are one container; a place is the number of a row, counted over the files in the
order of their paths. A row becomes the path `SPLIT/<wnid>/<name>`, as which it is treated like any
other image. The split is that of the file's name, else of its folder; the wnid is that of the
image's path, else what the label means. A label of -1, as the test split has it, is none.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.archives.containers import FIRST_NBYTES, Entry
from imnet_data.archives.parquet import KEPT_NBYTES, MAGIC, Kept, Row, Rows
from imnet_data.errors import SourceError
from imnet_data.machine import files
from imnet_data.sources.tools import numbering, parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

WHAT = "Parquet files"
splits_of = parts.splits_of_files
_SUFFIX = ".parquet"


def files_among(files: Sequence[Path], *, alone: bool) -> list[Path]:
    """Return those that are called as Parquet files; a file alone may begin as one."""
    named = [path for path in files if path.name.endswith(_SUFFIX)]
    return named or [path for path in files if alone and _is_parquet(path)]


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def is_hard(path: Path) -> bool:
    """Return whether a file has the columns of ImageNet-Hard, several labels per row.

    Raises:
        MissingExtra: if pyarrow is not installed.
        SourceError: if it is damaged, or has other columns.
    """
    rows = Rows(path, Kept(0))
    return rows.has_label_lists and "english_label" in rows.names


def opened(paths: Sequence[Path], *, split: str | None, labels: str | None) -> Parquet:
    """Open the files as one container."""
    return Parquet(paths, split=split, labels=labels)


class Parquet:
    """The rows of Parquet files, as files of a container."""

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        split: str | None = None,
        labels: str | None = None,
        kept_nbytes: int = KEPT_NBYTES,
    ) -> None:
        """Read the schemas of Parquet files.

        Args:
            paths: of files.
            split: that of files whose names say none.
            labels: the label space of their labels.
            kept_nbytes: how many bytes of row groups are kept in memory.

        Raises:
            MissingExtra: if pyarrow is not installed.
            SourceError: if one is damaged, has other columns, or says no split.
        """
        paths = sorted(paths)
        self.path = paths[0] if len(paths) == 1 else paths[0].parent
        self.name = self.path.name
        kept = Kept(kept_nbytes)
        self._files = [Rows(path, kept) for path in paths]
        for rows in self._files:
            if rows.has_label_lists:
                raise SourceError(
                    f"{rows.path}: its column label has lists; an integer per row is read"
                )
        self._splits = [
            parts.require_split(path, parts.split_of_file(path) or split) for path in paths
        ]
        self._numberings = [
            numbering.agreed(labels, rows.class_names, where=str(rows.path)) for rows in self._files
        ]
        self._starts = np.cumsum([0, *(rows.count for rows in self._files)])
        self.extent = int(self._starts[-1])

    def entries(self) -> Iterator[Entry]:
        """Walk all rows once."""
        place = 0
        for number, rows in enumerate(self._files):
            for at, row in enumerate(rows):
                where = f"{rows.path}, row {at}"
                if row.image is None:
                    raise SourceError(
                        f"{where}: has no bytes of an image, at most a path; write the file again "
                        "with its images embedded"
                    )
                name = row.path or f"{rows.path.stem}_{at}"
                yield Entry(self._path(number, row, name, where), place, int(row.image.size))
                place += 1

    def _path(self, number: int, row: Row, name: str, where: str) -> str:
        image = numbering.Image(name, row.label, self._splits[number])
        return numbering.path_of(image, self._numberings[number], where=where)

    def _row(self, place: int) -> tuple[Rows, int]:
        number = int(np.searchsorted(self._starts, place, side="right")) - 1
        return self._files[number], place - int(self._starts[number])

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the image of a row, if it has the size it was listed with."""
        rows, at = self._row(place)
        content = rows.image(at)
        if len(content) != nbytes:
            raise SourceError(
                f"{rows.path}, row {at}: had {nbytes} bytes when it was listed, has "
                f"{len(content)} now; start again"
            )
        return content

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of an image."""
        return self.read(place, nbytes)[:FIRST_NBYTES]

    def path_of(self, place: int) -> str:
        """Return file and row."""
        rows, at = self._row(place)
        return f"{rows.path}, row {at}"

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size in bytes of each file."""
        return [(rows.path.name, rows.path.stat().st_size) for rows in self._files]

    def identity(self) -> str:
        """Return what distinguishes the files from others."""
        identities = "\n".join(f"{rows.path} {files.identity(rows.path)}" for rows in self._files)
        return hashlib.sha256(os.fsencode(identities)).hexdigest()

    def close(self) -> None:
        """Nothing is held open."""
