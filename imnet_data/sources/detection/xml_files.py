"""The XML of an image of DET or VID: its boxes, and what is in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imnet_data.errors import SourceError
from imnet_data.imagenet.detection import number_of
from imnet_data.record import Object
from imnet_data.sources import boxes

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from imnet_data.record import Box

MAX_NBYTES = 1 << 20
_MOST = (1 << 31) - 1  # that a corner can be
_FLAGS = {"0": False, "1": True}


class Annotated(NamedTuple):
    """What the XML of an image says."""

    width: int  # of the image that was annotated; 0 where it is not given
    height: int
    boxes: tuple[Box, ...]
    objects: tuple[Object, ...]  # one per box


def from_xml(content: bytes, task: str, *, key: str, archive: str) -> Annotated:
    """Read one XML file.

    Raises:
        SourceError: if it is not an annotation of the task.
    """
    with boxes.faults_named(key, archive):
        root = boxes.parsed(content)
        found = list(root.iterfind("object"))
        return Annotated(
            *boxes.annotated_size(root),
            tuple(_box(each) for each in found),
            tuple(_object(each, task, where=f"{archive}: {key}") for each in found),
        )


def _box(element: Element) -> Box:
    box = boxes.box_of(_child(element, "bndbox"))
    if not all(-_MOST <= corner <= _MOST for corner in box):
        raise ValueError(f"a box goes to {max(box, key=abs)}, beyond 32 bits")
    return box


def _child(element: Element, name: str) -> Element:
    child = element.find(name)
    if child is None:
        raise ValueError(f"an object has no {name}")
    return child


def _object(element: Element, task: str, *, where: str) -> Object:
    wnid = element.findtext("name", "")
    if wnid not in number_of(task):
        raise SourceError(
            f"{where}: has an object called {wnid[:40]!r}, which is not a class of {task}; "
            "download its boxes again"
        )
    return Object(
        wnid,
        element.findtext("subcategory", ""),
        int(element.findtext("trackid", "-1")),
        _flag(element, "occluded"),
        _flag(element, "generated"),
    )


def _flag(element: Element, name: str) -> bool:
    text = element.findtext(name, "0")
    if text not in _FLAGS:
        raise ValueError(f"{name} is {text[:20]!r}, and 0 or 1 is read")
    return _FLAGS[text]
