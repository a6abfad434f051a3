"""JPEG to pixels, equal to Pillow's (libjpeg-turbo's accurate decode) bit for bit.

Taken: baseline and extended sequential Huffman coding, 8 bits, one or three components, any
sampling factors that divide the largest, interleaved or not, with or without restart markers.
The rest is an UnsupportedJpeg, or is decoded by Pillow where the caller asks for that. What is
damaged is an ImageError, or is filled by Pillow where the caller asks for that.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imnet_data.errors import ImageError, UnsupportedJpeg
from imnet_data.jpeg._pillow import MAX_PIXELS, decode_by_pillow
from imnet_data.native import _native

Box = tuple[int, int, int, int]


def decode(
    jpeg: bytes | memoryview,
    box: Box | None = None,
    *,
    other: Literal["error", "pillow"] = "error",
    damaged: Literal["error", "pillow"] = "error",
    structure: Literal["regular", "any"] = "regular",
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Return the pixels of `box`, or all, as RGB: uint8[height, width, 3].

    A box costs less than the whole: where there are restart markers, only the intervals that it
    needs are read; where there are none, the data above it is read, but not turned to pixels.

    Args:
        jpeg: the file's bytes.
        box: (left, upper, right, lower) in pixels, half open, within the image.
        other: what is done with an image that this decoder does not take; "pillow" decodes it by
            Pillow, whatever its kind.
        damaged: what is done with damaged data; "pillow" decodes it by Pillow, which fills what is
            missing.
        structure: "any" takes also a JPEG that Pillow may refuse or read in another way.
        max_pixels: of the whole image; more is an ImageError before memory is asked for.

    Raises:
        UnsupportedJpeg: a kind of JPEG that is not taken, unless `other` is "pillow".
        ImageError: damaged or cut short, unless `damaged` is "pillow"; or Pillow cannot decode it
            either. Bytes below the box are not looked at.
    """
    for name, value in (("other", other), ("damaged", damaged)):
        if value not in ("error", "pillow"):
            raise ValueError(f"{name} is {value!r}; known: error, pillow")
    if structure not in ("regular", "any"):
        raise ValueError(f"structure is {structure!r}; known: regular, any")
    try:
        return _native.jpeg_decode(jpeg, box, max_pixels, structure == "any")
    except UnsupportedJpeg:
        if other == "error":
            raise
    except ImageError:
        if damaged == "error":
            raise
    pixels = decode_by_pillow(jpeg, fill=damaged == "pillow", max_pixels=max_pixels)
    return pixels if box is None else pixels[_slices(box, pixels.shape[1], pixels.shape[0])]


def _slices(box: Box, width: int, height: int) -> tuple[slice, slice]:
    left, upper, right, lower = box
    if not (0 <= left < right <= width and 0 <= upper < lower <= height):
        raise ValueError(
            f"box is {box}; it must not be empty, and lie within (0, 0, {width}, {height})"
        )
    return slice(upper, lower), slice(left, right)
