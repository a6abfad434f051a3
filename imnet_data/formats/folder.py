"""Folder: plain files, `<wnid>/<key>.JPEG`, or `<key>.JPEG` where there are no labels.

What torchvision's ImageFolder reads, and the way back to the published files. A shard is a share of
the tree; once written, all shards of a split are merged into its one directory, which is what is
opened. Offsets are 0.

Source: pytorch/vision, torchvision/datasets/folder.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import REPAIR, FormatError
from imnet_data.formats import Stored
from imnet_data.formats.extents import ShardFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.formats import Place, Samples, Seen, ShardSummary
    from imnet_data.machine.files import Output

EXTENTS = False
ONE_SHARD = False
LABELS = False
PIXELS = False
PACKED = False
SEEKABLE = False  # a folder is there to have the published files
SIDE_SUFFIXES = ()
READERS = ("torchvision", "DALI")

_SUFFIX = ".JPEG"


def shard_name(split: str, index: int, count: int) -> str:
    """Name shard `index`, a directory until it is merged."""
    del count
    return f"{split}-{index:06d}"


def record_file(wnid: str, key: str) -> str:
    """Name the file of a record, below the folder of its split."""
    return f"{wnid}/{key}{_SUFFIX}" if wnid else f"{key}{_SUFFIX}"


def write(out: Output, samples: Samples) -> NDArray[np.int64]:
    """Write one share of the tree into a fresh directory; return 0 for each image."""
    out.path.mkdir()
    count = 0
    for sample in samples:
        image = out.path / record_file(sample.record.wnid, sample.record.key)
        image.parent.mkdir(exist_ok=True)
        try:
            with image.open("xb") as file:
                file.write(sample.record.jpeg)
        except FileExistsError as error:
            raise FormatError(f"{image}: two records have this key; leave one out") from error
        count += 1
    return np.zeros(count, np.int64)


class FolderShard:
    """An open tree of files."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise FormatError(f"{path}: is not a directory; name the directory of a split")
        self._path = path

    def read(self, place: Place) -> bytes:
        """Return the bytes of the file of `place`."""
        path = self._path / record_file(place.wnid, place.key)
        image = _read(path)
        if len(image) != place.nbytes:
            raise FormatError(f"{path}: has {len(image)} bytes, not {place.nbytes}; {REPAIR}")
        return image

    def walk(self, seen: Seen) -> Iterator[Stored]:
        """Yield the files in order of wnid and key; other files beside them are not records."""
        del seen
        for image in sorted(self._path.glob(f"*{_SUFFIX}")):
            yield Stored(image.stem, "", -1, 0, _read(image))
        for directory in sorted(path for path in self._path.iterdir() if path.is_dir()):
            for image in sorted(directory.glob(f"*{_SUFFIX}")):
                yield Stored(image.stem, directory.name, None, 0, _read(image))

    def close(self) -> None:
        """Nothing is held open."""


def _read(path: Path) -> bytes:
    file = ShardFile(path)
    try:
        return file.read(0, file.nbytes)
    finally:
        file.close()


def open(path: Path) -> FolderShard:
    """Open the tree of one split."""
    return FolderShard(path)


def split_side_files(split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
    """Return none."""
    del split, shards
    return {}
