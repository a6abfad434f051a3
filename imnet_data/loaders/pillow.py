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
    slots: list[NDArray[np.uint8]],
    jpeg: bytes | memoryview,
    rows: NDArray[np.int32],
    *,
    filter: Filter,
    fill: bool,
) -> None:
    """Write to each slot what its row (see `geometry`) says, the pixels decoded by Pillow.

    Args:
        slots: uint8[side, side, 3], one per view.
        jpeg: the image's bytes.
        rows: see `geometry`, one per view.
        filter: of the resize.
        fill: whether what is missing of a damaged JPEG is filled.

    Raises:
        ImageError: if Pillow cannot decode them, or they are damaged and `fill` is false.
    """
    pixels = decode_by_pillow(jpeg, fill=fill)
    height, width = pixels.shape[:2]
    expected_width, expected_height = rows[0, geometry.IMAGE].tolist()
    if (width, height) != (expected_width, expected_height):
        raise ImageError(
            f"the image is {width} x {height} pixels, but the index says "
            f"{expected_width} x {expected_height}"
        )
    for slot, row in zip(slots, rows, strict=True):
        _resize_into(slot, pixels, row, filter)


def _resize_into(
    slot: NDArray[np.uint8], pixels: NDArray[np.uint8], row: NDArray[np.int32], filter: Filter
) -> None:
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
