"""Small pictures of coloured things, and the XML of their boxes as DET and VID have it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from imnet_data.imagenet.detection import DET, number_of
from imnet_data.rng import Stream, hash64
from imnet_data.synth.layout import FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.record import Box, Object

_QUALITY = 85


class Thing(NamedTuple):
    """One object in a picture, and where it is."""

    what: Object
    box: Box


def numbers(seed: int, *words: int, count: int) -> list[int]:
    """Return numbers from 0 to 2**32 - 1 that depend on the seed and some words alone."""
    state = seed
    for word in words:
        state = int(hash64(state, Stream.SYNTH, FIELDS, np.array([word]))[0])
    return [int(n) >> 32 for n in hash64(state, Stream.SYNTH, FIELDS, np.arange(count))]


def jpeg(width: int, height: int, things: Sequence[Thing], *, shade: int) -> bytes:
    """Return a picture: a slope of grey, and a filled box of the class's colour for each thing."""
    rows, columns = np.mgrid[0:height, 0:width]
    grey = (shade % 64 + rows + columns // 2) % 256
    pixels = np.repeat(grey[:, :, np.newaxis], 3, axis=2).astype(np.uint8)
    for what, box in things:
        number = number_of(DET)[what.wnid]
        colour = (37 * number % 256, 91 * number % 256, 153 * number % 256)
        pixels[box.ymin : box.ymax + 1, box.xmin : box.xmax + 1] = colour
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def xml(
    name: str, folder: str, width: int, height: int, things: Sequence[Thing], *, depth: bool
) -> bytes:
    """Return the file of boxes of a picture; VID's has tracks, and no `depth`."""
    size = f"<width>{width}</width><height>{height}</height>"
    lines = [
        "<annotation>",
        f"\t<folder>{folder}</folder>",
        f"\t<filename>{name}</filename>",
        "\t<source><database>imnet-data</database></source>",
        f"\t<size>{size}{'<depth>3</depth>' if depth else ''}</size>",
        "\t<segmented>0</segmented>" if depth else "",
        *map(_object, things),
        "</annotation>",
    ]
    return "".join(f"{line}\n" for line in lines if line).encode()


def _object(thing: Thing) -> str:
    what, box = thing
    fields = {"trackid": what.track} if what.track >= 0 else {}
    told = {**fields, "name": what.wnid}
    if what.subcategory:
        told["subcategory"] = what.subcategory
    corners = "".join(f"<{side}>{value}</{side}>" for side, value in box._asdict().items())
    told["bndbox"] = corners
    if what.track >= 0:
        told |= {"occluded": int(what.occluded), "generated": int(what.generated)}
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    return f"\t<object>{inside}</object>"
