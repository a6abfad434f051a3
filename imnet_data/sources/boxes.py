"""Bounding boxes: of the XML files of the bbox archives and Kaggle, and of Kaggle's CSV.

An XML file belongs to the image of its own name: its `filename` may be "%s". Its coordinates
relate to its `size`, which for some images is not the JPEG's: they are scaled to the JPEG when it
is read. Published corners are 0-based in some files and 1-based in others; they are kept, put in
order, held inside [0, width] and [0, height], and dropped where nothing is left.

Source: tensorflow/models, research/slim/datasets/process_bounding_boxes.py, on the oddities.
"""

from __future__ import annotations

import array
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

import numpy as np

from imnet_data import jpeg
from imnet_data.errors import ImageError, SourceError
from imnet_data.record import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

_MAX_XML_NBYTES = 1 << 20
_NO_SIZE = (0, 0)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_CSV_ROW = re.compile(r"([!-+\--~]{1,255}),((?:n\d{8}(?: -?\d{1,9}){4} ?)*)", re.ASCII)
_CSV_GROUP = 5  # wnid and four corners


class Annotation(NamedTuple):
    """The boxes of one image as published."""

    key: str
    width: int  # of the image that was annotated; 0 where it is not given
    height: int
    boxes: tuple[Box, ...]


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a DTD, which alone can define entities that expand."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError(f"it has a document type ({name}), which is not read")


def from_xml(content: bytes, *, key: str, archive: str) -> Annotation:
    """Read one XML file.

    Raises:
        SourceError: if it is not an annotation, or has a document type.
    """
    with faults_named(key, archive):
        root = parsed(content)
        boxes = tuple(map(box_of, root.iterfind("object/bndbox")))
        return Annotation(key, *annotated_size(root), boxes)


@contextmanager
def faults_named(key: str, archive: str) -> Iterator[None]:
    """Raise a SourceError for whatever is wrong with the XML of an image."""
    try:
        yield
    except (ElementTree.ParseError, ValueError, OverflowError) as error:
        raise SourceError(
            f"{archive}: the boxes of {key} cannot be read ({error}); download it again"
        ) from error


def parsed(content: bytes) -> ElementTree.Element:
    """Return the root of an XML file; ValueError or ParseError if it is none that is read."""
    if len(content) > _MAX_XML_NBYTES:
        raise ValueError(f"{len(content)} bytes are too many")
    return ElementTree.fromstring(content, ElementTree.XMLParser(target=_NoDoctype()))


def annotated_size(root: ElementTree.Element) -> tuple[int, int]:
    """Return width and height of the image that was annotated; 0 where they are not given."""
    width, height = (int(root.findtext(f"size/{side}", "0")) for side in ("width", "height"))
    return width, height


def box_of(element: ElementTree.Element) -> Box:
    """Return the box of a `bndbox`; ValueError or OverflowError if it has none."""
    return Box(*(round(float(element.findtext(corner, ""))) for corner in _CORNERS))


def from_csv_row(row: str, *, archive: str) -> tuple[Annotation, str]:
    """Read `ImageId,wnid x1 y1 x2 y2 wnid x1 ...`; return the boxes, and the first wnid."""
    match = _CSV_ROW.fullmatch(row)
    if match is None or not match[2]:
        raise SourceError(
            f"{archive}: {row[:60]!r} is not `ImageId,wnid x1 y1 x2 y2 ...`; download it again"
        )
    words = match[2].split()
    boxes = tuple(
        Box(*map(int, words[at + 1 : at + _CSV_GROUP])) for at in range(0, len(words), _CSV_GROUP)
    )
    return Annotation(match[1], *_NO_SIZE, boxes), words[0]


class BoxColumns(NamedTuple):
    """The boxes of many images as published, one after another."""

    keys: NDArray[np.bytes_]
    sizes: NDArray[np.int32]  # [keys, 2]: width and height that the corners relate to
    counts: NDArray[np.int32]  # of the boxes of each key
    corners: NDArray[np.int32]  # [boxes, 4]


class BoxesBuilder:
    """Gathers annotations compactly: there are 544,546 for train alone."""

    def __init__(self) -> None:
        self._keys: list[NDArray[np.bytes_]] = []
        self._new_keys: list[str] = []
        self._sizes = array.array("i")
        self._counts = array.array("i")
        self._corners = array.array("i")

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, annotation: Annotation) -> None:
        """Add the boxes of one image."""
        try:
            self._sizes.extend((annotation.width, annotation.height))
            for box in annotation.boxes:
                self._corners.extend(box)
        except OverflowError as error:
            raise SourceError(f"the boxes of {annotation.key} are beyond 32 bits") from error
        self._counts.append(len(annotation.boxes))
        self._new_keys.append(annotation.key)
        if len(self._new_keys) == 1 << 15:
            self._flush()

    def extend(self, columns: BoxColumns) -> None:
        """Add the boxes of many images."""
        self._flush()
        self._keys.append(columns.keys)
        self._sizes.frombytes(columns.sizes.tobytes())
        self._counts.frombytes(columns.counts.tobytes())
        self._corners.frombytes(columns.corners.tobytes())

    def columns(self) -> BoxColumns:
        """Return all boxes, in the order they came."""
        self._flush()
        return BoxColumns(
            np.concatenate(self._keys),
            np.array(self._sizes, np.int32).reshape(-1, 2),
            np.array(self._counts, np.int32),
            np.array(self._corners, np.int32).reshape(-1, 4),
        )

    def _flush(self) -> None:
        self._keys.append(np.array(self._new_keys, np.bytes_))
        self._new_keys = []

    def of_keys(self, keys: NDArray[np.bytes_]) -> BoxesOfKeys:
        """Return the boxes of `keys`, the sorted keys of a split.

        Raises:
            SourceError: if one key was annotated twice.
        """
        annotated, sizes, counts, corners = self.columns()
        order = np.argsort(annotated, kind="stable")
        in_order = annotated[order]
        twice = in_order[1:][in_order[1:] == in_order[:-1]]
        if len(twice):
            raise SourceError(
                f"{twice[0].decode()} has two files of boxes; pass one archive of boxes per split"
            )
        at = np.minimum(np.searchsorted(in_order, keys), max(0, len(order) - 1))
        found = in_order[at] == keys if len(order) else np.zeros(len(keys), np.bool_)
        starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        return BoxesOfKeys(
            np.where(found, order[at], -1) if len(order) else np.full(len(keys), -1),
            sizes,
            starts,
            corners,
        )


class BoxesOfKeys(NamedTuple):
    """The boxes of a split's records."""

    rows: NDArray[np.int64]  # of each record; -1 where it was not annotated
    sizes: NDArray[np.int32]  # [rows, 2]: width and height that the corners relate to
    starts: NDArray[np.int64]  # [rows + 1]: where each row's corners begin
    corners: NDArray[np.int32]  # [boxes, 4]

    @property
    def annotated_count(self) -> int:
        """How many of the records were annotated."""
        return int(np.count_nonzero(self.rows >= 0))

    def of_record(self, index: int, image: bytes) -> tuple[Box, ...]:
        """Return the boxes of record `index`, in pixels of `image`."""
        row = self.rows[index]
        if row < 0:
            return ()
        corners = self.corners[self.starts[row] : self.starts[row + 1]].tolist()
        width, height = self.sizes[row].tolist()
        return fitted(corners, annotated=(width, height), stored=jpeg_size(image))


def fitted(
    corners: Iterable[list[int]], *, annotated: tuple[int, int], stored: tuple[int, int] | None
) -> tuple[Box, ...]:
    """Return boxes in pixels of the stored image; sizes are (width, height).

    Where the stored size is not known, the annotated one is used; where neither is, the corners
    are put in order and nothing else.
    """
    boxes = held(corners, annotated=annotated, stored=stored)
    return tuple(box for box in boxes if box.xmin < box.xmax and box.ymin < box.ymax)


def held(
    corners: Iterable[Sequence[int]], *, annotated: tuple[int, int], stored: tuple[int, int] | None
) -> Iterator[Box]:
    """Yield boxes as `fitted` makes them, those that nothing is left of included."""
    known = annotated if all(annotated) else None
    to, since = stored or known, known or stored
    for x1, y1, x2, y2 in corners:
        (left, right), (top, bottom) = sorted((x1, x2)), sorted((y1, y2))
        if to and since:
            left, right = (_scaled(x, to=to[0], since=since[0]) for x in (left, right))
            top, bottom = (_scaled(y, to=to[1], since=since[1]) for y in (top, bottom))
        yield Box(left, top, right, bottom)


def _scaled(coordinate: int, *, to: int, since: int) -> int:
    return min(max((2 * coordinate * to + since) // (2 * since), 0), to)


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a JPEG; None where its header cannot be read."""
    try:
        header = jpeg.header(content)
    except ImageError:
        return None
    return header.width, header.height
