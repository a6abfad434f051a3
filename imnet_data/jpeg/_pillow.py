"""Pillow's decode, for what the native decoder does not take: the one place that asks Pillow.

Pixels are those of `Image.open(...).convert("RGB")`. Differences are on purpose: EXIF is not read
(Pillow warns where it is damaged), no process-wide switch is touched, and only kinds of files that
are known by their first bytes are opened.
"""

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from imnet_data.errors import ImageError
from imnet_data.jpeg._packed import MAGIC, as_jpeg
from imnet_data.native import _native

MAX_PIXELS: int = _native.MAX_PIXELS  # of an image; where Pillow refuses, too

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"


class _Kind(NamedTuple):
    first_bytes: bytes
    name: str
    pillow: str = ""  # Pillow's name of the format; "" where it is not asked


_KINDS = (
    _Kind(_SOI, "jpeg", "JPEG"),
    _Kind(b"\x89PNG\r\n\x1a\n", "png", "PNG"),
    _Kind(b"GIF8", "gif", "GIF"),
    _Kind(b"BM", "bmp", "BMP"),
    _Kind(MAGIC, "packed JPEG"),
    _Kind(b"RIFF", "webp", "WEBP"),  # nothing else of RIFF is an image
    _Kind(b"II*\0", "tiff", "TIFF"),
    _Kind(b"MM\0*", "tiff", "TIFF"),
    _Kind(b"\0\0\0\x0cjP  ", "jpeg2000"),
    _Kind(b"\x1f\x8b", "gzip"),
    _Kind(b"PK\x03\x04", "zip"),
    _Kind(b"BZh", "bzip2"),
    _Kind(b"\xfd7zXZ\0", "xz"),
    _Kind(b"(\xb5/\xfd", "zstandard"),
    _Kind(b"%PDF", "pdf"),
    _Kind(b"<", "html"),
)


def kind_of(image: bytes | memoryview) -> str:
    """Return the kind of a file by its first bytes: jpeg, png, ...; "" where it is unknown."""
    found = _kind(image)
    return found.name if found else ""


def is_asked(image: bytes | memoryview) -> bool:
    """Return whether Pillow is asked about files of this kind."""
    found = _kind(image)
    return found is not None and bool(found.pillow)


def open_by_pillow(
    image: bytes | memoryview, *, fill: bool = False, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Return an image as Pillow decodes it, in Pillow's mode; of an animation the first picture.

    Args:
        image: a file of a kind that `kind_of` knows; of a packed JPEG, the published one.
        fill: whether a JPEG that ends early is filled, as with Pillow's LOAD_TRUNCATED_IMAGES.
        max_pixels: of the image; more is an ImageError before memory is asked for.

    Raises:
        ImageError: Pillow cannot decode it, or only by filling where `fill` is false.
    """
    image = as_jpeg(image)
    kind = _kind(image)
    if kind is None or not kind.pillow:
        what = f"a {kind.name}" if kind else "not an image of a known kind"
        raise ImageError(f"it cannot be decoded: it is {what}")
    if fill and kind.name == "jpeg":
        try:
            return _loaded(bytes(image), kind, max_pixels)
        except ImageError:
            image = bytes(image) + _EOI  # what LOAD_TRUNCATED_IMAGES adds where data is missing
    return _loaded(bytes(image), kind, max_pixels)


def decode_by_pillow(
    image: bytes | memoryview, *, fill: bool = False, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Return the pixels of `open_by_pillow` as RGB: uint8[height, width, 3].

    Raises:
        ImageError: Pillow cannot decode it, or it is damaged and `fill` is false.
    """
    image = as_jpeg(image)
    if not fill and (fault := _native.jpeg_examine(image, max_pixels)["data"]):
        raise ImageError(f"the JPEG is damaged: {fault}")
    try:
        return np.asarray(open_by_pillow(image, fill=fill, max_pixels=max_pixels).convert("RGB"))
    except ValueError as error:
        raise ImageError(f"it cannot be decoded by Pillow to RGB ({error})") from error


def _kind(image: bytes | memoryview) -> _Kind | None:
    first = bytes(image[:16])
    return next((kind for kind in _KINDS if first.startswith(kind.first_bytes)), None)


def _loaded(image: bytes, kind: _Kind, max_pixels: int) -> Image.Image:
    try:
        picture = _opened(image, kind)
        if picture.width * picture.height <= max_pixels:
            picture.load()
    except UnidentifiedImageError as error:  # its text has an address in memory
        raise ImageError(f"it cannot be decoded by Pillow (not a sound {kind.name})") from error
    except MemoryError:
        raise
    except Exception as error:  # its readers raise whatever they meet, such as KeyError
        raise ImageError(f"it cannot be decoded by Pillow ({error})") from error
    if picture.width * picture.height > max_pixels:
        raise ImageError(f"it has more pixels than allowed: {picture.width} x {picture.height}")
    return picture


def _opened(image: bytes, kind: _Kind) -> Image.Image:
    if kind.name != "jpeg":
        return Image.open(io.BytesIO(image), formats=[kind.pillow])
    return _Jpeg(io.BytesIO(image))  # Image.open would warn of a large one


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG whose EXIF is not read: Pillow looks for its resolution there, and warns."""

    def getexif(self) -> Image.Exif:
        """Return an empty one."""
        return Image.Exif()
