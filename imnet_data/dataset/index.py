"""`index.npy`: the manifest's numbers as columns that loaders map into memory.

One structured element, each field of which is a whole column: opening the file costs a page, and
reading a column touches no other. Derived from the manifest, whose digest it holds; rebuilt, never
edited.
"""

from __future__ import annotations

import io
from array import array
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.dataset.manifest import STORED
from imnet_data.errors import ManifestError, verify_command
from imnet_data.formats import Place
from imnet_data.record import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.dataset.manifest import Entry

FILE_NAME = "index.npy"
_CHUNK = 65_536  # keys held as objects before they become an array

# columns that are gathered as numbers, by the code of `array`, in the order of `Builder.add`
_ARRAY_CODES = {
    "offset": "q",
    "nbytes": "q",
    "published_nbytes": "q",
    "box_end": "q",
    "label": "i",
    "shard": "i",
    "width": "H",
    "height": "H",
    "fix": "B",
    "stored": "B",
}


_COLUMNS = (*_ARRAY_CODES, "key")  # one value a record


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
        """Return the boxes of one record."""
        start = int(self.box_end[index - 1]) if index else 0
        return tuple(Box(*row) for row in self.boxes[start : int(self.box_end[index])].tolist())

    def place(self, index: int, classes: Sequence[str]) -> Place:
        """Return where one record lies in its shard; `classes` is what `label` is a position in."""
        label = int(self.label[index])
        return Place(
            key=self.key[index].decode(),
            wnid=classes[label] if label >= 0 else "",
            offset=int(self.offset[index]),
            nbytes=int(self.nbytes[index]),
        )


def index_dtype(record_count: int, box_count: int, key_nbytes: int) -> np.dtype[np.void]:
    """Return the type of the one element of index.npy; wide columns first, so all are aligned."""
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


class Builder:
    """Makes the table of index.npy from the entries of a manifest as they pass."""

    def __init__(self, labels: Mapping[str, int]) -> None:
        """Begin.

        Args:
            labels: wnid -> label.
        """
        self.fixes: Counter[str] = Counter()
        self._labels = {"": -1, **labels}
        self._fix_codes = {"": 0}  # in the order they came; sorted in the table
        self._numbers = {name: array(code) for name, code in _ARRAY_CODES.items()}
        self._boxes = array("i")
        self._keys: list[bytes] = []
        self._key_chunks: list[NDArray[np.bytes_]] = []

    @property
    def record_count(self) -> int:
        """How many entries have passed."""
        return len(self._numbers["offset"])

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the entries on, noted.

        Raises:
            ManifestError: if one is of a class that has no label, or has what no column can hold.
        """
        for entry in entries:
            try:
                self.add(entry)
            except (OverflowError, TypeError, UnicodeEncodeError) as error:
                raise ManifestError(f"{entry.key!r}: {error}; {_REMEDY}") from error
            yield entry

    def add(self, entry: Entry) -> None:
        """Note one entry, as `watch` does."""
        if entry.wnid not in self._labels:
            raise ManifestError(
                f"{entry.key}: its wnid {entry.wnid} is not in the class list; {_REMEDY}"
            )
        for box in entry.boxes:
            self._boxes.extend(box)
        if entry.fix:
            self.fixes[entry.fix] += 1
        row = (
            entry.offset,
            entry.nbytes,
            entry.published_nbytes or entry.nbytes,
            len(self._boxes) // 4,
            self._labels[entry.wnid],
            entry.shard,
            entry.width,
            entry.height,
            self._fix_codes.setdefault(entry.fix, len(self._fix_codes)),
            STORED.index(entry.stored),
        )
        for column, number in zip(self._numbers.values(), row, strict=True):
            column.append(number)
        self._keys.append(entry.key.encode())
        if len(self._keys) == _CHUNK:
            self._flush_keys()

    def _flush_keys(self) -> None:
        self._key_chunks.append(np.array(self._keys, np.bytes_))
        self._keys = []

    def table(self, digest: str = "", offsets: NDArray[np.int64] | None = None) -> NDArray[np.void]:
        """Return the table, with a manifest's digest and `offsets` instead of the entries' own."""
        self._flush_keys()
        keys = np.concatenate(self._key_chunks)
        boxes = np.frombuffer(self._boxes, np.int32).reshape(-1, 4)
        table = np.zeros((), index_dtype(len(keys), len(boxes), max(1, keys.itemsize)))
        table["digest"], table["key"], table["boxes"] = digest, keys, boxes
        for name, column in self._numbers.items():
            table[name] = np.frombuffer(column, column.typecode)
        if offsets is not None:
            table["offset"] = offsets
        table["fix"] = _fix_codes([fix for fix in self._fix_codes if fix], self.fixes)[table["fix"]]
        return table


def _fix_codes(have: Iterable[str], known: Iterable[str]) -> NDArray[np.uint8]:
    """Return the code among `known` of each code among `have`, 0 being that of no fix."""
    in_order = ["", *sorted(known)]
    return np.array([0, *(in_order.index(fix) for fix in have)], np.uint8)


def joined(
    tables: Sequence[NDArray[np.void]], fixes: Sequence[Mapping[str, int]], digest: str
) -> NDArray[np.void]:
    """Return the table of a split from those of its shards, in order.

    Args:
        tables: as `Builder.table` gives them.
        fixes: of each of them, what was done to its records.
        digest: of the manifest.
    """
    counts = np.array([_counts(table.dtype) for table in tables])
    ends = counts.cumsum(0)
    record_count, box_count, _ = ends[-1].tolist()
    whole = np.zeros((), index_dtype(record_count, box_count, int(counts[:, 2].max())))
    whole["digest"] = digest
    known = {fix for those in fixes for fix in those}
    for table, those, (record, box, _), (record_end, box_end, _) in zip(
        tables, fixes, ends - counts, ends, strict=True
    ):
        for name in _COLUMNS:
            whole[name][record:record_end] = table[name]
        whole["boxes"][box:box_end] = table["boxes"]
        whole["box_end"][record:record_end] += box
        whole["fix"][record:record_end] = _fix_codes(sorted(those), known)[table["fix"]]
    return whole


def to_bytes(table: NDArray[np.void]) -> bytes:
    """Return the bytes of index.npy."""
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
        expected = index_dtype(*_counts(dtype))
        if dtype != expected:
            raise ValueError("its columns are not those of an index")
        return columns(table)
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: is missing; {_REMEDY}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path}: damaged ({error}); {_REMEDY}") from error


def columns(table: NDArray[np.void]) -> Index:
    """Return the columns of a table as an Index."""
    fields = {name: table[name] for name in Index._fields}
    return Index(**fields | {"digest": table["digest"].item().decode()})


def _counts(dtype: np.dtype[np.void]) -> tuple[int, int, int]:
    """Return what `index_dtype` has to be given for this type."""
    keys, boxes = dtype["key"], dtype["boxes"]
    return keys.shape[0], boxes.shape[0], keys.base.itemsize


_REMEDY = f"run {verify_command(repairs=True)}, which makes it again from the manifest"
