"""The Records of a source: where each image lies, in NumPy arrays, sorted by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.archives.containers import is_far
from imnet_data.errors import SourceError
from imnet_data.record import Listing, Record
from imnet_data.sources.names import KEY_OF_CLASS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imnet_data.archives.containers import Container
    from imnet_data.sources.boxes import BoxesOfKeys
    from imnet_data.sources.names import Named

_CHUNK_ROWS = 1 << 15  # rows held as Python objects before they become arrays


class Columns(NamedTuple):
    """Images and their positions; one row per image."""

    keys: NDArray[np.bytes_]
    wnids: NDArray[np.bytes_]  # b"" where not known
    nbytes: NDArray[np.int64]
    places: NDArray[np.int64]  # as the row's container counts
    containers: NDArray[np.int16]  # which container

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Columns:
        """Return the chosen rows."""
        return Columns(
            self.keys[rows],
            self.wnids[rows],
            self.nbytes[rows],
            self.places[rows],
            self.containers[rows],
        )


class ColumnsBuilder:
    """Gathers the images of one container, compactly while it goes."""

    def __init__(self, container: int) -> None:
        self._container = container
        self._chunks: list[Columns] = []
        self._rows: list[tuple[str, str, int, int]] = []

    def add(self, image: Named, *, place: int, nbytes: int) -> None:
        """Add one image."""
        self._rows.append((image.key, image.wnid, nbytes, place))
        if len(self._rows) == _CHUNK_ROWS:
            self._flush()

    def columns(self) -> Columns:
        """Return all images, in the order they came."""
        if self._rows:
            self._flush()
        return concatenated(self._chunks)

    def _flush(self) -> None:
        keys, wnids, nbytes, places = zip(*self._rows, strict=True)
        self._chunks.append(
            Columns(
                np.array(keys, np.bytes_),
                np.array(wnids, "S9"),
                np.array(nbytes, np.int64),
                np.array(places, np.int64),
                np.full(len(keys), self._container, np.int16),
            )
        )
        self._rows = []


def concatenated(parts: Sequence[Columns]) -> Columns:
    """Join columns, one after another."""
    return Columns(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def sorted_by_key(columns: Columns, containers: Sequence[Container]) -> tuple[Columns, int]:
    """Return the rows in canonical order, and how many have their class in the key.

    That is needed where another class has a file of the same name, and only there.

    Raises:
        SourceError: if two rows have the same key and class.
    """
    columns = columns.take(np.argsort(columns.keys, kind="stable"))
    equal = columns.keys[1:] == columns.keys[:-1]
    if not equal.any():
        return columns, 0
    rows = np.flatnonzero(np.append(equal, False) | np.insert(equal, 0, False))
    shared = columns.take(rows)
    shared = shared.take(np.lexsort((shared.wnids, shared.keys)))
    twice = (shared.keys[1:] == shared.keys[:-1]) & (shared.wnids[1:] == shared.wnids[:-1])
    if twice.any():
        raise _twice(shared, int(np.flatnonzero(twice)[0]), containers)
    if (shared.wnids == b"").any():
        raise _twice(shared, int(np.flatnonzero(shared.wnids == b"")[0]), containers)
    keys = np.char.add(np.char.add(shared.wnids, KEY_OF_CLASS), shared.keys)
    whole = concatenated(
        [columns.take(~np.isin(columns.keys, shared.keys)), shared._replace(keys=keys)]
    )
    whole = whole.take(np.argsort(whole.keys, kind="stable"))
    return whole, len(rows)


def _twice(columns: Columns, row: int, containers: Sequence[Container]) -> SourceError:
    paths = [
        containers[columns.containers[at]].path_of(int(columns.places[at])) for at in (row, row + 1)
    ]
    return SourceError(
        f"{columns.keys[row].decode()} is there twice: {paths[0]} and {paths[1]}; "
        "remove one of them"
    )


class ImageRecords:
    """The images of one split, read in place; the containers belong to the Source."""

    def __init__(
        self,
        columns: Columns,
        containers: Sequence[Container],
        boxes: BoxesOfKeys | None = None,
    ) -> None:
        self._columns = columns
        self._containers = containers
        self._boxes = boxes
        self._closed = False

    @property
    def listing(self) -> Listing:
        """Keys, wnids and sizes of all records, without reading an image."""
        return Listing(self._columns.keys, self._columns.wnids, self._columns.nbytes)

    def places_in(self, container: Container, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of those of `rows` that lie in a container, in the order of `rows`."""
        number = next((n for n, one in enumerate(self._containers) if one is container), -1)
        is_there = self._columns.containers[rows] == number
        places: NDArray[np.int64] = self._columns.places[rows[is_there]]
        return places

    def __len__(self) -> int:
        return len(self._columns.keys)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        if self._closed:
            raise ValueError("these records were closed")
        columns = self._columns
        key = columns.keys[index].decode()
        container = self._containers[columns.containers[index]]
        try:
            jpeg = container.read(int(columns.places[index]), int(columns.nbytes[index]))
        except (OSError, SourceError) as error:
            raise SourceError(f"{key}: {error}") from error
        return self._record(index, jpeg)

    @property
    def is_far(self) -> bool:
        """Whether some of them lie in a store."""
        return any(map(is_far, self._containers))

    def read_together(self, indices: Sequence[int]) -> list[Record]:
        """Return some records; what lies in a store is read in few requests."""
        rows = np.asarray(indices)
        numbers = self._columns.containers[rows]
        found: dict[int, Record] = {}
        for number in np.unique(numbers).tolist():
            container, inside = self._containers[number], rows[numbers == number]
            if not is_far(container):
                found |= {index: self[index] for index in inside.tolist()}
                continue
            places, nbytes = self._columns.places[inside], self._columns.nbytes[inside]
            contents = container.read_together(places.tolist(), nbytes.tolist())
            for index, content in zip(inside.tolist(), contents, strict=True):
                found[index] = self._record(index, content)
        return [found[index] for index in indices]

    def _record(self, index: int, jpeg: bytes) -> Record:
        boxes = self._boxes.of_record(index, jpeg) if self._boxes else ()
        key, wnid = self._columns.keys[index].decode(), self._columns.wnids[index].decode()
        return Record(key, wnid, jpeg, boxes)

    def close(self) -> None:
        """Refuse to read from now on; `Source.close` releases the files."""
        self._closed = True
