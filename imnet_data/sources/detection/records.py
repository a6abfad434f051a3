"""The Records of DET and VID: images read in place, with their boxes and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.archives.containers import is_far
from imnet_data.errors import SourceError
from imnet_data.imagenet.detection import VID
from imnet_data.record import Listing, Record, Scene
from imnet_data.sources import boxes
from imnet_data.sources.detection import xml_files
from imnet_data.sources.detection.paths import snippet_and_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imnet_data.archives.containers import Container
    from imnet_data.record import Box, Object
    from imnet_data.sources.detection.image_sets import Known
    from imnet_data.sources.images import Columns


class Published(NamedTuple):
    """What is published of the images of a split."""

    images: Columns  # sorted by key
    xml: Columns  # likewise; not of all images
    known: Known


class DetectionRecords:
    """The images of one split; the containers belong to the Source."""

    def __init__(self, task: str, published: Published, containers: Sequence[Container]) -> None:
        self._task = task
        self._published = published
        self._containers = containers
        self._closed = False
        keys, annotated = published.images.keys, published.xml.keys
        place = np.minimum(np.searchsorted(annotated, keys), max(0, len(annotated) - 1))
        there = annotated[place] == keys if len(annotated) else np.zeros(len(keys), np.bool_)
        self._xml_rows: NDArray[np.int64] = np.where(there, place, -1)

    @property
    def listing(self) -> Listing:
        """Keys and sizes of all records, without reading an image; they have no wnid."""
        images = self._published.images
        return Listing(images.keys, images.wnids, images.nbytes)

    @property
    def annotated_count(self) -> int:
        """How many images have a file of boxes."""
        return int(np.count_nonzero(self._xml_rows >= 0))

    def __len__(self) -> int:
        return len(self._published.images.keys)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        if self._closed:
            raise ValueError("these records were closed")
        key = self._published.images.keys[index].decode()
        jpeg = self._read(self._published.images, index, key)
        found, objects = self._annotated(index, key, jpeg)
        return Record(key, "", jpeg, found, scene=self._scene(index, key, objects))

    @property
    def is_far(self) -> bool:
        """Whether some of them lie in a store."""
        return any(map(is_far, self._containers))

    def read_together(self, indices: Sequence[int]) -> list[Record]:
        """Return some records."""
        return [self[index] for index in indices]

    def _read(self, columns: Columns, row: int, key: str) -> bytes:
        container = self._containers[int(columns.containers[row])]
        try:
            return container.read(int(columns.places[row]), int(columns.nbytes[row]))
        except (OSError, SourceError) as error:
            raise SourceError(f"{key}: {error}") from error

    def _annotated(
        self, index: int, key: str, jpeg: bytes
    ) -> tuple[tuple[Box, ...], tuple[Object, ...]]:
        row = int(self._xml_rows[index])
        if row < 0:
            return (), ()
        xml = self._published.xml
        archive = self._containers[int(xml.containers[row])].name
        said = xml_files.from_xml(self._read(xml, row, key), self._task, key=key, archive=archive)
        size = (said.width, said.height)
        held = boxes.held(said.boxes, annotated=size, stored=boxes.jpeg_size(jpeg))
        return tuple(held), said.objects

    def _scene(self, index: int, key: str, objects: tuple[Object, ...]) -> Scene:
        known = self._published.known
        snippet, frame = snippet_and_frame(key) if self._task == VID else ("", -1)
        number = int(known.numbers[index])
        ignored = known.ignored.get(number, ()) if number else ()
        labels = known.labels(index, self._task)
        return Scene(objects, labels, ignored, number, snippet, frame)

    def close(self) -> None:
        """Refuse to read from now on; `Source.close` gives back the files."""
        self._closed = True
