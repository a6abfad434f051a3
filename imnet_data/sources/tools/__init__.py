"""Files of other tools that are read in place: which there are at a path, and their containers.

A module for each tool; what their labels and their names mean belongs here, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.sources import find
from imnet_data.sources.tools import parquet, parts, shards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from imnet_data.archives.containers import Container


class ToolFiles:
    """The Parquet files and WebDataset shards at some paths."""

    def __init__(self, *, split: str | None, labels: str | None) -> None:
        """Take files of `split` only, if it is given; `labels` is the label space of integers."""
        self.notes: list[str] = []
        self._split = split
        self._labels = labels
        self._parquet: list[Path] = []
        self._shards: list[Path] = []

    def take(self, path: Path) -> bool:
        """Take the files that a path stands for; return whether there are any."""
        tables, tars = _parquet_files(path), _shards(path)
        for what, found in (("Parquet files", tables), ("WebDataset shards", tars)):
            if found and path.is_dir():
                self.notes.append(f"{path}: only its {len(found)} {what} were read")
        self._parquet += self._wanted(tables, map(parts.split_of_file, tables))
        self._shards += self._wanted(tars, shards.splits_of(tars))
        return bool(tables or tars)

    def _wanted(self, found: list[Path], splits: Iterable[str]) -> list[Path]:
        wanted = ("", self._split)
        pairs = zip(found, splits, strict=True)
        return [file for file, split in pairs if not self._split or split in wanted]

    def containers(self) -> Iterator[Container]:
        """Yield the containers of what was taken.

        Raises:
            MissingExtra: if a package that reads them is not installed.
            SourceError: if a file is damaged.
        """
        if self._labels and not (self._parquet or self._shards):
            self.notes.append("--labels was not used: no file here has integers as labels")
        if self._parquet:
            self.notes += parts.missing(self._parquet)
            yield parquet.Parquet(self._parquet, split=self._split, labels=self._labels)
        if self._shards:
            yield shards.Shards(self._shards, split=self._split, labels=self._labels)


def _parquet_files(path: Path) -> list[Path]:
    if path.is_dir():
        return parts.files_below(path, parquet.SUFFIX)
    return [path] if parquet.is_parquet(path) else []


def _shards(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if shards.is_shard(path) else []
    found = [
        file
        for file in parts.files_below(path, shards.SUFFIX)
        if not find.is_class_archive(file.name) and not find.is_known(file)
    ]
    return found if found and shards.is_shard(found[0]) else []
