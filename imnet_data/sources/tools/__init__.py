"""Files of other tools that are read in place: which there are at a path, and their containers.

A module for each tool; what their labels and their names mean belongs here, too.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imnet_data.dataset.opened import is_dataset
from imnet_data.errors import SourceError
from imnet_data.sources.archive import far_cost_text
from imnet_data.sources.tools import (
    betons,
    litdata,
    lmdbs,
    mds,
    parquet,
    parts,
    shards,
    tfrecords,
)
from imnet_data.storage.place import nbytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imnet_data.archives.containers import Container
    from imnet_data.sources.tools.parts import Where
    from imnet_data.storage.place import Place, StoredPath


_log = logging.getLogger("imnet_data")


class Tool(Protocol):
    """What the module of a tool has."""

    @property
    def WHAT(self) -> str:
        """Its files, for messages."""

    def files_among(self, files: Sequence[Path], *, alone: bool) -> list[Path]:
        """Return those that are the tool's; a file given alone may have any name."""

    def splits_of(self, paths: Sequence[Path]) -> list[str]:
        """Return the split of each of its files, or ""."""

    def opened(self, paths: Sequence[Path], *, split: str | None, labels: str | None) -> Container:
        """Return its files as one container.

        Raises:
            MissingExtra: if a package that reads them is not installed.
            SourceError: if a file is damaged, or nothing says its split.
        """


TOOLS: tuple[Tool, ...] = (parquet, shards, tfrecords, betons, mds, litdata, lmdbs)


class ToolFiles:
    """The files of other tools at some paths."""

    def __init__(self, *, split: str | None, labels: str | None) -> None:
        """Take files of `split` only, if it is given; `labels` is the label space of integers."""
        self.notes: list[str] = []
        self._split = split
        self._labels = labels
        self._taken: dict[Tool, list[Path]] = {}
        self._stored: list[StoredPath] = []  # shards

    def take(self, path: Place) -> bool:
        """Take the files that a path stands for; return whether there are any.

        Raises:
            SourceError: if they are those of a dataset of this program.
        """
        if not isinstance(path, Path):
            return self._take_stored(path)
        alone = path.is_file()
        files = [path] if alone else parts.files_below(path) if path.is_dir() else []
        found = {tool: tool.files_among(files, alone=alone) for tool in TOOLS}
        for tool, paths in found.items():
            if paths:
                _refuse_ours(paths)
                if path.is_dir():
                    self.notes.append(f"{path}: only its {len(paths)} {tool.WHAT} were read")
                self._taken.setdefault(tool, []).extend(self._wanted(paths, tool.splits_of(paths)))
        return any(found.values())

    def _take_stored(self, path: StoredPath) -> bool:
        """Take the shards at a place in a store; what other tools write is read from a disk."""
        alone = path.is_file()
        files = [path] if alone else parts.files_below(path)
        found = shards.files_among(files, alone=alone)
        if found and not alone:
            self.notes.append(f"{path}: only its {len(found)} {shards.WHAT} were read")
        self._stored += self._wanted(found, shards.splits_of(found))
        return bool(found)

    def _wanted(self, paths: Sequence[Where], splits: Sequence[str]) -> list[Where]:
        pairs = zip(paths, splits, strict=True)
        return [path for path, split in pairs if not self._split or split in ("", self._split)]

    def containers(self) -> Iterator[Container]:
        """Yield the containers of what was taken.

        Raises:
            MissingExtra: if a package that reads them is not installed.
            SourceError: if a file is damaged.
        """
        if self._labels and not (any(self._taken.values()) or self._stored):
            self.notes.append("--labels was not used: no file here has integers as labels")
        if self._stored:
            self.notes += parts.missing(self._stored)
            _log.info("%s", far_cost_text(shards.WHAT, sum(nbytes_of(self._stored))))
            yield shards.opened(self._stored, split=self._split, labels=self._labels)
        for tool, paths in self._taken.items():
            if paths:
                self.notes += parts.missing(paths)
                yield tool.opened(paths, split=self._split, labels=self._labels)


def _refuse_ours(paths: Sequence[Path]) -> None:
    """Refuse the shards of a dataset, whose JPEGs may be seekable: not the published bytes."""
    for folder in sorted({path.absolute().parent for path in paths}):
        for root in (folder, folder.parent, folder.parent.parent):
            if is_dataset(root):
                raise SourceError(
                    f"{folder}: is of a dataset of this program, which is given by its folder, "
                    f"the one that has dataset.json: {root}"
                )
