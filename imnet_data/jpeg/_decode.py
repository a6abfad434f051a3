"""JPEG to pixels, equal to Pillow's (libjpeg-turbo's accurate decode) bit for bit.

Taken: baseline and extended sequential Huffman coding, 8 bits, one or three components, any
sampling factors that divide the largest, interleaved or not, with or without restart markers.
The rest is an UnsupportedJpeg, or is decoded by Pillow where the caller asks for that.
"""

import io
import threading
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imnet_data.errors import ImageError, UnsupportedJpeg
from imnet_data.native import _native

Box = tuple[int, int, int, int]

MAX_PIXELS = 178_956_970  # where Pillow refuses, too

_handed_over = 0
_lock = threading.Lock()


def decode(
    jpeg: bytes | memoryview,
    box: Box | None = None,
    *,
    other: Literal["error", "pillow"] = "error",
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Return the pixels of `box`, or all, as RGB: uint8[height, width, 3].

    A box costs less than the whole: where there are restart markers, only the intervals that it
    needs are read; where there are none, the data above it is read, but not turned to pixels.

    Args:
        jpeg: the file's bytes.
        box: (left, upper, right, lower) in pixels, half open, within the image.
        other: what is done with a JPEG that this decoder does not take; "pillow" decodes it by
            Pillow, and counts it in `handed_over`.
        max_pixels: of the whole image; more is an ImageError before memory is asked for.

    Raises:
        UnsupportedJpeg: a kind of JPEG that is not taken, unless `other` is "pillow".
        ImageError: damaged or cut short, with the place in the file. Bytes below the box are
            not looked at.
    """
    if other not in ("error", "pillow"):
        raise ValueError(f"other is {other!r}; known: error, pillow")
    try:
        return _native.jpeg_decode(jpeg, box, max_pixels, False)[0]
    except UnsupportedJpeg:
        if other == "error":
            raise
    return _decode_by_pillow(jpeg, box, max_pixels)


def decode_damaged(
    jpeg: bytes | memoryview, box: Box | None = None, *, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[np.uint8], str]:
    """Return pixels as `decode` does, and the first fault in the data ("" where it is sound).

    What is missing is filled as libjpeg does: grey from where the data ends, to the next restart
    marker if there is one.

    Raises:
        ImageError: the header is damaged, so that there is no image to fill.
    """
    return _native.jpeg_decode(jpeg, box, max_pixels, True)


def handed_over() -> int:
    """Return how many images `decode` has given to Pillow in this process."""
    return _handed_over


def _decode_by_pillow(
    jpeg: bytes | memoryview, box: Box | None, max_pixels: int
) -> NDArray[np.uint8]:
    global _handed_over
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if image.width * image.height > max_pixels:
                raise ImageError("more pixels than allowed")
            pixels = image.convert("RGB")
    except (OSError, SyntaxError) as error:
        raise ImageError(f"Pillow cannot decode it either: {error}") from error
    with _lock:
        _handed_over += 1
    return np.asarray(pixels if box is None else pixels.crop(box))
