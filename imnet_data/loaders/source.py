"""What a loader has to know of the records: columns, and where the bytes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, overload, runtime_checkable

import numpy as np

from imnet_data import formats
from imnet_data.dataset.manifest import VERDICTS
from imnet_data.dataset.opened import RemotePaths
from imnet_data.errors import ImageError, verify_command
from imnet_data.imagenet.labels import integers, label_count

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.dataset.opened import Dataset


# what to do where the bytes of a record are not what they should be
CHANGED = (
    f"run {verify_command(decodes=True)}, which shows whether its bytes have changed; "
    "`--repair SOURCE` restores them"
)

# the same where nobody could decode them then
UNDECODABLE = (
    "it could not be decoded when it was converted, and was kept; "
    "`imnet-data convert DATASET OUT --bad skip` leaves such images out"
)


class Columns(Protocol):
    """One value per record."""

    @property
    def key(self) -> NDArray[np.bytes_]:
        """Names, for errors."""

    @property
    def label(self) -> NDArray[np.integer]:
        """Positions in the class list, -1 where there is none."""

    @property
    def width(self) -> NDArray[np.integer]:
        """Of the image, in pixels."""

    @property
    def height(self) -> NDArray[np.integer]:
        """Of the image, in pixels."""

    @property
    def pixels(self) -> NDArray[np.bool_]:
        """Whether the image is stored as height x width x 3 bytes RGB, not as a JPEG."""


@runtime_checkable
class SupportsExtents(Columns, Protocol):
    """Records whose images are in one piece in files, to be read by the native loader itself."""

    @property
    def shard_paths(self) -> Sequence[Path]:
        """The files, which `shard` numbers."""

    @property
    def shard(self) -> NDArray[np.integer]:
        """Position of the record's file in `shard_paths`."""

    @property
    def offset(self) -> NDArray[np.int64]:
        """Where the image begins in its file."""

    @property
    def nbytes(self) -> NDArray[np.int64]:
        """Size of the image as it is stored."""


class SupportsReading(Columns, Protocol):
    """Records whose images are asked for one by one."""

    def read(self, index: int) -> bytes | memoryview:
        """Return the image of record `index` as it is stored."""


class Extents(NamedTuple):
    """SupportsExtents as plain columns."""

    shard_paths: Sequence[Path]
    shard: NDArray[np.integer]
    offset: NDArray[np.int64]
    nbytes: NDArray[np.int64]
    key: NDArray[np.bytes_]
    label: NDArray[np.integer]
    width: NDArray[np.integer]
    height: NDArray[np.integer]
    pixels: NDArray[np.bool_]
    verdict: NDArray[np.uint8] | None = None  # see published_as
    whole: bool = False  # see is_whole
    class_count: int | None = None  # see class_count_of


class _RecordPaths(Sequence["Path"]):
    """The file of each record."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    @overload
    def __getitem__(self, number: int) -> Path: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Path]: ...

    def __getitem__(self, number: int | slice) -> Path | Sequence[Path]:
        numbers = np.arange(len(self))[number]
        found = self._dataset.files_of(np.atleast_1d(numbers))
        return found if isinstance(number, slice) else found[0]


class Readable:
    """SupportsReading on an opened dataset."""

    def __init__(self, dataset: Dataset, label: NDArray[np.integer], class_count: int) -> None:
        self.key = dataset.index.key
        self.label = label
        self.class_count = class_count
        self.width = dataset.index.width
        self.height = dataset.index.height
        self.verdict = dataset.index.verdict
        self.pixels = dataset.is_pixels
        self.read = dataset.stored


def source_of(dataset: Dataset, *, labels: str | None = None) -> SupportsExtents | SupportsReading:
    """Return what a loader needs of an opened dataset, the fastest way that its format has.

    Args:
        dataset: the split.
        labels: the label space that labels are taken from; by default the dataset's own classes.

    Raises:
        LabelError: if that has none of the dataset's classes.
        ValueError: if there is no such label space.
    """
    index = dataset.index
    label = index.label if labels is None else _labels_in(labels, dataset)
    class_count = label_count(dataset.classes, "sorted" if labels is None else labels)
    format = formats.get(dataset.about.format)
    whole = format.record_file is not None
    if not format.EXTENTS and not whole:
        return Readable(dataset, label, class_count)
    return Extents(
        shard_paths=_RecordPaths(dataset) if whole else dataset.shard_paths,
        shard=np.arange(len(dataset), dtype=np.int32) if whole else index.shard,
        offset=index.offset,
        nbytes=index.nbytes,
        key=index.key,
        label=label,
        width=index.width,
        height=index.height,
        pixels=dataset.is_pixels,
        verdict=index.verdict,
        whole=whole,
        class_count=class_count,
    )


def _labels_in(space: str, dataset: Dataset) -> NDArray[np.int32]:
    integer_of = integers(dataset.classes, space)
    table = np.array([*integer_of.values(), -1], np.int32)  # label -1 is the last
    return table[dataset.index.label]


def is_whole(source: SupportsExtents) -> bool:
    """Return whether each record has a file of its own, which holds nothing else.

    `source.whole` says it; it is not so where a source has none.
    """
    return bool(getattr(source, "whole", False))


def class_count_of(source: SupportsExtents | SupportsReading) -> int | None:
    """Return how many labels there are, which mixup makes targets of; None if nobody has said.

    `source.class_count` says it.
    """
    count: int | None = getattr(source, "class_count", None)
    return count


def published_as(source: SupportsExtents | SupportsReading, *verdicts: str) -> NDArray[np.bool_]:
    """Return which records had one of `verdicts` when they were converted, bool[len].

    `source.verdict` has them, as positions in VERDICTS; all are plain where a source has none.
    """
    found: NDArray[np.uint8] | None = getattr(source, "verdict", None)
    if found is None:
        return np.broadcast_to(np.False_, len(source.label))
    return np.isin(found, [VERDICTS.index(verdict) for verdict in verdicts])


def undecodable(source: SupportsExtents | SupportsReading) -> NDArray[np.bool_]:
    """Return which records nobody could decode when they were converted, bool[len]."""
    return published_as(source, "undecodable", "refused")


def require_decodable(source: SupportsExtents | SupportsReading) -> None:
    """Raise if there are records that nobody can decode, before an epoch comes to them.

    Raises:
        ImageError: with their number, and the name of the first.
    """
    rows = np.flatnonzero(undecodable(source))
    if len(rows):
        first = record_name(source, int(rows[0]))
        more = f" (and {len(rows) - 1:,} more)" if len(rows) > 1 else ""
        raise ImageError(f"{first}{more}: {UNDECODABLE}")


def record_name(source: SupportsExtents | SupportsReading, index: int) -> str:
    """Return which record an error is about, and where it is."""
    name = f"{source.key[index].decode()} (record {index})"
    if not isinstance(source, SupportsExtents):
        return name
    paths, number = source.shard_paths, int(source.shard[index])
    where = paths.where(number) if isinstance(paths, RemotePaths) else paths[number]
    return f"{name} in {where} at {source.offset[index]}"
