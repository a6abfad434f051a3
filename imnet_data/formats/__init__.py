"""Formats: each is one module that writes and opens shards; a shard is one file of it.

A format's module satisfies the Protocol `Format`, which is all that the package knows of it. To add
one, write the module, inside this package or outside, and add its row to `FORMATS`. Splits,
manifests and labels of a whole dataset belong to `dataset`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from imnet_data.arguments import one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.machine.files import Output
    from imnet_data.record import Record

    Seen = Callable[[int, memoryview], None]

# name -> module, imported on first use
FORMATS = {
    name: f"imnet_data.formats.{name}"
    for name in ("webdataset", "lmdb", "caffe", "beton", "tfrecord", "parquet", "mds", "folder")
}


class Sample(NamedTuple):
    """What a format writes: a record, and what is known of it."""

    record: Record
    label: int  # position in the dataset's class list; -1 where there is no label
    width: int  # pixels, as the JPEG's header has them
    height: int
    pixels: NDArray[np.uint8] | None = None  # uint8[height, width, 3]: to be stored instead
    is_packed: bool = False  # whether record.jpeg is a packed JPEG, to be marked as such


class Samples(Protocol):
    """The samples of one shard; may be iterated more than once."""

    def __len__(self) -> int:
        """Return the planned count; fewer may come where bad images are skipped."""

    def __iter__(self) -> Iterator[Sample]: ...


class Place(NamedTuple):
    """Where one record lies in a shard."""

    key: str
    wnid: str
    offset: int  # as `Format.write` gave it
    nbytes: int


class Stored(NamedTuple):
    """One record as a shard describes it by itself; None for what the format does not store."""

    key: str | None
    wnid: str | None
    label: int | None
    offset: int
    image: bytes | memoryview  # the JPEG; raw pixels where the format holds those


class Shard(Protocol):
    """One open shard; every fault in its bytes is a FormatError that names the file."""

    def read(self, place: Place) -> bytes:
        """Return the bytes of the JPEG at `place`, checked to be there in full."""

    def walk(self, seen: Seen) -> Iterator[Stored]:
        """Return the records in stored order, checking the container's own structure.

        Args:
            seen: given what is read of the shard's file from its start on without a gap: position
                and bytes, which do not change. No more than a help: a format may pass nothing, or
                stop.
        """

    def close(self) -> None:
        """Close the file."""


class ShardSummary(NamedTuple):
    """What side files of a split need to know of a shard."""

    name: str
    record_count: int
    nbytes: int


class Format(Protocol):
    """What the module of a format has."""

    @property
    def EXTENTS(self) -> bool:
        """Whether an offset is a position in the shard's file, to be read with pread."""

    @property
    def ONE_SHARD(self) -> bool:
        """Whether its tools want one file per split, so that this is the default."""

    @property
    def LABELS(self) -> bool:
        """Whether it holds labels, so that its tools do not number the classes by themselves."""

    @property
    def PIXELS(self) -> bool:
        """Whether it can store an image as pixels: `Sample.pixels`."""

    @property
    def PACKED(self) -> bool:
        """Whether it can store packed JPEGs, so that no other tool takes them for JPEGs."""

    @property
    def SEEKABLE(self) -> bool:
        """Whether JPEGs are stored seekable unless the options say otherwise."""

    @property
    def SIDE_SUFFIXES(self) -> tuple[str, ...]:
        """The suffixes of the files that `write` leaves beside each shard, in that order."""

    @property
    def READERS(self) -> tuple[str, ...]:
        """The libraries that it is made for, by their names in `verification.readers.READERS`."""

    @property
    def record_file(self) -> Callable[[str, str], str] | None:
        """Name the file of a record, from wnid and key, below the folder of its split.

        None where the records of a shard share one file. Where each has a file of its own, which
        holds the stored bytes alone, a shard is written as a folder, all shards of a split are
        merged into the split's folder, and `open` is given that.
        """

    def shard_name(self, split: str, index: int, count: int) -> str:
        """Name shard `index` of `count`."""

    def write(self, out: Output, samples: Samples) -> NDArray[np.int64]:
        """Write one shard and its side files; return the offset of each image, int64[written]."""

    def open(self, path: Path) -> Shard:
        """Open the shard at `path`, cheaply."""

    def split_side_files(self, split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
        """Return the files that go beside all shards of a split."""


def walk_of(format: Format) -> Callable[[Any], Iterator[Stored]] | None:
    """Return how a format walks an `extents.ShardFile`, wherever its bytes lie.

    That is its function `walk`. A format that has none reads from a local disk alone.
    """
    found: Callable[[Any], Iterator[Stored]] | None = getattr(format, "walk", None)
    return found


def get(name: str) -> Format:
    """Return the module of the format `name`.

    Raises:
        ValueError: if there is no such format.
    """
    one_of("format", name, FORMATS)
    return cast("Format", importlib.import_module(FORMATS[name]))
