"""`index.npy`: the manifest's numbers as columns that loaders map into memory.

One structured element, each field of which is a whole column: opening the file costs a page, and
reading a column touches no other. Derived from the manifest, whose digest it holds; rebuilt, never
edited.
"""

from __future__ import annotations

import io
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import ManifestError
from imnet_data.manifest import STORED
from imnet_data.record import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.manifest import Entry

FILE_NAME = "index.npy"
_CHUNK = 65_536  # records turned into arrays at a time


class Index(NamedTuple):
    """The columns of one split, each one value a record; see `index_dtype` for the types."""

    digest: str  # of the manifest it was made from
    offset: NDArray[np.int64]
    nbytes: NDArray[np.int64]
    published_nbytes: NDArray[np.int64]
    box_end: NDArray[np.int64]  # boxes of record i are rows box_end[i - 1] to box_end[i]
    label: NDArray[np.int32]  # position in the class list, -1 where there is none
    shard: NDArray[np.int32]
    boxes: NDArray[np.int32]  # [boxes, 4]: xmin, ymin, xmax, ymax
    width: NDArray[np.uint16]
    height: NDArray[np.uint16]
    fix: NDArray[np.uint8]  # 0, or 1 + position among the split's sorted fixes
    stored: NDArray[np.uint8]  # position in manifest.STORED
    key: NDArray[np.bytes_]

    def boxes_of(self, index: int) -> tuple[Box, ...]:
        """Give the boxes of one record."""
        start = int(self.box_end[index - 1]) if index else 0
        return tuple(Box(*row) for row in self.boxes[start : int(self.box_end[index])].tolist())


def index_dtype(record_count: int, box_count: int, key_nbytes: int) -> np.dtype[np.void]:
    """Give the type of the one element of index.npy; wide columns first, so all are aligned."""
    return np.dtype(
        [
            ("digest", "S64"),
            ("offset", "<i8", (record_count,)),
            ("nbytes", "<i8", (record_count,)),
            ("published_nbytes", "<i8", (record_count,)),
            ("box_end", "<i8", (record_count,)),
            ("label", "<i4", (record_count,)),
            ("shard", "<i4", (record_count,)),
            ("boxes", "<i4", (box_count, 4)),
            ("width", "<u2", (record_count,)),
            ("height", "<u2", (record_count,)),
            ("fix", "u1", (record_count,)),
            ("stored", "u1", (record_count,)),
            ("key", f"S{key_nbytes}", (record_count,)),
        ]
    )


class Extent(NamedTuple):
    """How large an index has to be."""

    record_count: int
    box_count: int
    key_nbytes: int  # of the longest key


class Tally:
    """Measures the entries that pass, for `build`."""

    def __init__(self) -> None:
        self.extent = Extent(0, 0, 1)
        self.fixes: Counter[str] = Counter()

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Give the entries on, counted."""
        record_count, box_count, key_nbytes = self.extent
        for entry in entries:
            record_count += 1
            box_count += len(entry.boxes)
            key_nbytes = max(key_nbytes, len(entry.key))
            if entry.fix:
                self.fixes[entry.fix] += 1
            yield entry
        self.extent = Extent(record_count, box_count, key_nbytes)


def build(
    entries: Iterable[Entry],
    extent: Extent,
    *,
    digest: str,
    labels: Mapping[str, int],
    fixes: Sequence[str],
) -> NDArray[np.void]:
    """Give the table of index.npy for the entries of a manifest.

    Args:
        entries: in order, as many as `extent` says.
        extent: what the columns have to hold.
        digest: of the manifest.
        labels: wnid -> label.
        fixes: what was done to records, sorted.
    """
    table = np.zeros((), index_dtype(*extent))
    table["digest"] = digest
    codes = {"": 0} | {fix: code for code, fix in enumerate(fixes, 1)}
    start = box_start = 0
    rows = iter(entries)
    while chunk := list(islice(rows, _CHUNK)):
        stop = start + len(chunk)
        for name in ("offset", "nbytes", "shard", "width", "height", "key"):
            table[name][start:stop] = [getattr(entry, name) for entry in chunk]
        table["published_nbytes"][start:stop] = [e.published_nbytes or e.nbytes for e in chunk]
        table["label"][start:stop] = [_label(entry, labels) for entry in chunk]
        table["stored"][start:stop] = [STORED.index(entry.stored) for entry in chunk]
        table["fix"][start:stop] = [codes[entry.fix] for entry in chunk]
        table["box_end"][start:stop] = box_start + np.cumsum([len(e.boxes) for e in chunk])
        boxes = [box for entry in chunk for box in entry.boxes]
        if boxes:
            table["boxes"][box_start : box_start + len(boxes)] = boxes
        start, box_start = stop, box_start + len(boxes)
    return table


def _label(entry: Entry, labels: Mapping[str, int]) -> int:
    if not entry.wnid:
        return -1
    if entry.wnid not in labels:
        raise ManifestError(
            f"{entry.key}: its wnid {entry.wnid} is not in the class list; {_REMEDY}"
        )
    return labels[entry.wnid]


def to_bytes(table: NDArray[np.void]) -> bytes:
    """Give the bytes of index.npy."""
    file = io.BytesIO()
    np.save(file, table)
    return file.getvalue()


def open_index(path: Path) -> Index:
    """Map the index at `path` into memory, which takes no time whatever its size.

    Raises:
        ManifestError: if it is missing, cut short, or no index.
    """
    try:
        # a map of 0 dimensions is not to be had, so the one element is seen as an array of one
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
        if shape != () or dtype.names is None or path.stat().st_size != start + dtype.itemsize:
            raise ValueError("its size is not what its header says")
        table = np.memmap(path, dtype, "r", start, (1,))[0]
        expected = index_dtype(*_extent(dtype))
        if dtype != expected:
            raise ValueError("its columns are not those of an index")
        return columns(table)
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: is missing; {_REMEDY}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path}: damaged ({error}); {_REMEDY}") from error


def columns(table: NDArray[np.void]) -> Index:
    """Give the columns of a table as an Index."""
    fields = {name: table[name] for name in Index._fields}
    return Index(**fields | {"digest": table["digest"].item().decode()})


def _extent(dtype: np.dtype[np.void]) -> Extent:
    keys, boxes = dtype["key"], dtype["boxes"]
    return Extent(keys.shape[0], boxes.shape[0], keys.base.itemsize)


_REMEDY = "run `imnet-data verify --repair SOURCE`, which makes it again from the manifest"
