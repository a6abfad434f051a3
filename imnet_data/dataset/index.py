"""The index: the manifest's numbers as columns, one value per record.

Derived from the manifest, whose digest it holds; rebuilt, never edited. Its bytes on disk are
those of `index_file`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.dataset.manifest import STORED, VERDICTS
from imnet_data.errors import ManifestError, verify_command
from imnet_data.formats import Place
from imnet_data.record import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from imnet_data.dataset.manifest import Entry

REMEDY = f"run {verify_command(repairs=True)}, which rebuilds it from the manifest"
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
    "verdict": "B",
}


class Index(NamedTuple):
    """The columns of one split, each one value per record."""

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
    verdict: NDArray[np.uint8]  # position in manifest.VERDICTS
    key: NDArray[np.bytes_]

    def boxes_of(self, index: int) -> tuple[Box, ...]:
        """Return the boxes of one record."""
        start = int(self.box_end[index - 1]) if index else 0
        return tuple(Box(*row) for row in self.boxes[start : int(self.box_end[index])].tolist())

    def verdict_counts(self) -> dict[str, int]:
        """Return how many images have each verdict other than plain, those that occur."""
        counts = np.bincount(self.verdict, minlength=len(VERDICTS)).tolist()
        named = zip(VERDICTS[1:], counts[1:], strict=True)
        return {verdict: count for verdict, count in named if count}

    def place(self, index: int, classes: Sequence[str]) -> Place:
        """Return where one record lies in its shard; `classes` is what `label` is a position in."""
        label = int(self.label[index])
        return Place(
            key=self.key[index].decode(),
            wnid=classes[label] if label >= 0 else "",
            offset=int(self.offset[index]),
            nbytes=int(self.nbytes[index]),
        )


COLUMNS = Index._fields[1:]


class Builder:
    """Makes an index from the entries of a manifest as they pass."""

    def __init__(self, labels: Mapping[str, int]) -> None:
        """Begin.

        Args:
            labels: wnid -> label.
        """
        self.fixes: Counter[str] = Counter()
        self._labels = {"": -1, **labels}
        self._fix_codes = {"": 0}  # in the order they came; sorted in the index
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
                raise ManifestError(f"{entry.key!r}: {error}; {REMEDY}") from error
            yield entry

    def add(self, entry: Entry) -> None:
        """Note one entry, as `watch` does."""
        if entry.wnid not in self._labels:
            raise ManifestError(
                f"{entry.key}: its wnid {entry.wnid} is not in the class list; {REMEDY}"
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
            VERDICTS.index(entry.verdict),
        )
        for column, number in zip(self._numbers.values(), row, strict=True):
            column.append(number)
        self._keys.append(entry.key.encode())
        if len(self._keys) == _CHUNK:
            self._flush_keys()

    def _flush_keys(self) -> None:
        self._key_chunks.append(np.array(self._keys, np.bytes_))
        self._keys = []

    def index(self, digest: str = "", offsets: NDArray[np.int64] | None = None) -> Index:
        """Return the index, with a manifest's digest and `offsets` instead of the entries' own."""
        self._flush_keys()
        columns = {
            name: np.frombuffer(column, column.typecode) for name, column in self._numbers.items()
        }
        if offsets is not None:
            columns["offset"] = offsets
        codes = _fix_codes([fix for fix in self._fix_codes if fix], self.fixes)
        columns["fix"] = codes[columns["fix"]]
        boxes = np.frombuffer(self._boxes, np.int32).reshape(-1, 4)
        return Index(digest=digest, boxes=boxes, key=np.concatenate(self._key_chunks), **columns)


def _fix_codes(have: Iterable[str], known: Iterable[str]) -> NDArray[np.uint8]:
    """Return the code among `known` of each code among `have`, 0 being that of no fix."""
    in_order = ["", *sorted(known)]
    return np.array([0, *(in_order.index(fix) for fix in have)], np.uint8)


def joined(pieces: Iterable[tuple[Index, Mapping[str, int]]]) -> Index:
    """Return the index of a split, without a digest, from those of its pieces, in order.

    Args:
        pieces: each with what was done to its records, and to how many. They are let go one by
            one, so that the whole is never in memory twice.
    """
    columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name in COLUMNS}
    fixes: list[list[str]] = []
    box_count = 0
    for piece, done in pieces:
        for name in COLUMNS:
            columns[name].append(getattr(piece, name))
        columns["box_end"][-1] = piece.box_end + box_count
        box_count += len(piece.boxes)
        fixes.append(sorted(done))
    known = {fix for those in fixes for fix in those}
    columns["fix"] = [
        _fix_codes(those, known)[codes] for those, codes in zip(fixes, columns["fix"], strict=True)
    ]
    return Index("", *(np.concatenate(columns.pop(name)) for name in COLUMNS))


def check(index: Index, *, class_count: int, shards_nbytes: Sequence[int], fix_count: int) -> str:
    """Return what is out of range in an index, or nothing; it takes one look at each column."""
    largest = max(shards_nbytes, default=0)
    limits = {
        "label": (-1, class_count - 1),
        "shard": (0, len(shards_nbytes) - 1),
        "offset": (0, largest),
        "nbytes": (0, largest),
        "box_end": (0, len(index.boxes)),
        "fix": (0, fix_count),
        "stored": (0, len(STORED) - 1),
        "verdict": (0, len(VERDICTS) - 1),
    }
    for name, (least, most) in limits.items():
        column = getattr(index, name)
        if len(column) and not least <= column.min() <= column.max() <= most:
            return f"its column {name} has values that are not {least} to {most}"
    return ""
