"""Bounding boxes as ILSVRC2012 publishes them: one VOC XML file per image, pitfalls included.

Of every ten files one says `%s` for its file name, one has an English name instead of the wnid,
one has a corner pair inverted, and one gives another size than the image's, to which its
coordinates relate. All four occur in the published files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.imagenet import labels
from imnet_data.record import Box

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imnet_data.synth.layout import Picture


def voc_xml(key: str, wnid: str, picture: Picture, *, number: int) -> bytes:
    """Return the XML of an image; `number`, counted from 0 in the archive, decides on a pitfall."""
    pitfall = number % 10
    width, height, boxes = picture.width, picture.height, picture.boxes
    name = labels.words_of()[wnid].split(", ")[0].replace(" ", "_") if pitfall == 5 else wnid
    if pitfall == 7:
        boxes = tuple(box._replace(xmin=box.xmax, xmax=box.xmin) for box in boxes)
    if pitfall == 9:
        width, height = 2 * width, 2 * height
        boxes = tuple(Box(*(2 * side for side in box)) for box in boxes)
    lines = [
        "<annotation>",
        f"\t<folder>{wnid if key.startswith(wnid) else 'val'}</folder>",
        f"\t<filename>{'%s' if pitfall == 3 else key}</filename>",
        "\t<source><database>imnet-data</database></source>",
        f"\t<size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        "\t<segmented>0</segmented>",
        *_objects(name, boxes),
        "</annotation>",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _objects(name: str, boxes: Iterable[Box]) -> Iterable[str]:
    for box in boxes:
        yield "\t<object>"
        yield f"\t\t<name>{name}</name>"
        yield "\t\t<pose>Unspecified</pose>"
        yield "\t\t<truncated>0</truncated>"
        yield "\t\t<difficult>0</difficult>"
        corners = "".join(
            f"<{field}>{side}</{field}>" for field, side in zip(box._fields, box, strict=True)
        )
        yield f"\t\t<bndbox>{corners}</bndbox>"
        yield "\t</object>"
