"""Images decoded, shrunk and encoded by Pillow, with every parameter fixed.

EXIF is never read, so an orientation is ignored, as torchvision and timm do. Decoding and encoding
are libjpeg-turbo's accurate integer DCT, which gives the same bits on all machines.

CMYK becomes RGB by TensorFlow's rule, in integers rounded down. With an Adobe marker the stored
values are inverted inks, so that red = cyan * black / 255; without one they are inks, and
red = (255 - cyan) * (255 - black) / 255. Source: tensorflow/core/lib/jpeg/jpeg_mem.cc.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imnet_data.errors import ImageError
from imnet_data.jpeg import open_by_pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

# those with 8 bits a channel; Pillow would cut the values of the others
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "YCbCr")


def to_pixels(image: bytes, *, fill: bool = False) -> NDArray[np.uint8]:
    """Return the pixels as RGB, uint8[h, w, 3]; see `decode`."""
    return np.asarray(decode(image, fill=fill).convert("RGB"))


def decode(image: bytes, *, fill: bool = False) -> Image.Image:
    """Return the image of a file of any kind that Pillow reads, in mode L or RGB.

    Transparency is dropped; of an animation the first picture is taken. With `fill`, what is
    missing of a JPEG is filled as libjpeg does.

    Raises:
        ImageError: if it cannot be decoded, or not in full where `fill` is false.
    """
    picture = open_by_pillow(image, fill=fill)
    if picture.mode == "CMYK" and picture.format == "JPEG":
        return _from_cmyk(picture)
    if picture.mode not in _MODES:
        raise ImageError(f"it has pixels of mode {picture.mode}, which do not fit into RGB")
    return picture if picture.mode == "L" else picture.convert("RGB")


def to_jpeg(picture: Image.Image, *, quality: int) -> bytes:
    """Encode as baseline 4:4:4 (or grey) JPEG without metadata.

    Chroma is kept in full since a picture that was shrunk has it in full; Huffman tables are the
    standard's, as Pillow's buffer can be too small for a noisy image with optimised ones.
    """
    file = io.BytesIO()
    picture.save(
        file,
        "JPEG",
        quality=quality,
        subsampling=0,
        optimize=False,
        progressive=False,
        comment=b"",
    )
    return file.getvalue()


def resize_to(
    jpeg: bytes,
    *,
    max_side: int | None = None,
    short_side: int | None = None,
    square: int | None = None,
    quality: int,
    fill: bool = False,
) -> bytes:
    """Shrink an image so that its sides are within both limits, or to a square; grey stays grey.

    An image that is small enough is returned as it is. Sides are rounded to the nearest pixel.
    To a square, both sides are brought, whatever the image's proportions, if the longer one is as
    long or longer; this is how ImageNet-21K-P was made.
    The filter is Pillow's antialiased BICUBIC: it keeps more detail than BOX (the INTER_AREA of
    others) for the resampling that training does once more.

    Args:
        jpeg: the file.
        max_side: limit of the longer side, in pixels.
        short_side: limit of the shorter side, in pixels.
        square: side of the square, in pixels; goes with neither limit.
        quality: 1 to 100, of the new JPEG.
        fill: see `decode`.

    Raises:
        ImageError: if it cannot be decoded.
    """
    given = {"max_side": max_side, "short_side": short_side, "square": square}
    if square is None and max_side is None and short_side is None:
        raise ValueError("neither max_side nor short_side nor square is given; pass one of them")
    for name, value in given.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; allowed: 1 or more")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}; allowed: 1 to 100")
    picture = decode(jpeg, fill=fill)
    if square is not None:
        size = picture.size if max(picture.size) < square else (square, square)
    else:
        size = _shrunk(*picture.size, max_side=max_side, short_side=short_side)
    if size == picture.size:
        return jpeg
    return to_jpeg(picture.resize(size, Image.Resampling.BICUBIC), quality=quality)


def _shrunk(
    width: int, height: int, *, max_side: int | None, short_side: int | None
) -> tuple[int, int]:
    long, short = max(width, height), min(width, height)
    limits = [(long, long)]
    if max_side is not None:
        limits.append((max_side, long))
    if short_side is not None:
        limits.append((short_side, short))
    wanted, side = min(limits, key=lambda limit: limit[0] / limit[1])
    return max(1, round(width * wanted / side)), max(1, round(height * wanted / side))


def _from_cmyk(picture: Image.Image) -> Image.Image:
    """Return RGB; Pillow has inverted what is stored, with or without Adobe's marker."""
    values = np.asarray(picture).astype(np.uint16)
    if "adobe" in picture.info:
        values = 255 - values
    return Image.fromarray((values[..., :3] * values[..., 3:] // 255).astype(np.uint8))
