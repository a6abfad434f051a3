"""The way of a JPEG that the native decoder does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.errors import ImageError
from imnet_data.jpeg import decode_by_pillow
from imnet_data.loaders import geometry
from imnet_data.transforms import resize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.transforms.pixels import Filter


def decode_into(
    slot: NDArray[np.uint8],
    jpeg: bytes | memoryview,
    row: NDArray[np.int32],
    *,
    filter: Filter,
    fill: bool,
) -> None:
    """Write to `slot` what `row` (see `geometry`) says, the pixels decoded by Pillow.

    Args:
        slot: uint8[side, side, 3].
        jpeg: the image's bytes.
        row: see `geometry`.
        filter: of the resize.
        fill: whether what is missing of a damaged JPEG is filled.

    Raises:
        ImageError: if Pillow cannot decode them, or they are damaged and `fill` is false.
    """
    pixels = decode_by_pillow(jpeg, fill=fill)
    height, width = pixels.shape[:2]
    if (width, height) != tuple(row[geometry.IMAGE].tolist()):
        raise ImageError(
            f"the image is {width} x {height} pixels, but the index says "
            f"{row[geometry.IMAGE][0]} x {row[geometry.IMAGE][1]}"
        )
    left, upper, right, lower = row[geometry.CROP].tolist()
    window_left, window_upper, window_right, window_lower = row[geometry.WINDOW].tolist()
    place_x, place_y = row[geometry.PLACE].tolist()
    size_x, size_y = row[geometry.SIZE].tolist()
    slot[:] = 0
    resize(
        pixels[upper:lower, left:right],
        (size_x, size_y),
        window=(window_left, window_upper, window_right, window_lower),
        filter=filter,
        flip=bool(row[geometry.FLIP]),
        out=slot[
            place_y : place_y + window_lower - window_upper,
            place_x : place_x + window_right - window_left,
        ],
    )
