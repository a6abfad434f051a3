"""A smaller JPEG of a part of an image, cut out of the compressed bytes."""

from imnet_data.jpeg._packed import as_jpeg
from imnet_data.native import _native


def crop(
    jpeg: bytes | memoryview, box: tuple[int, int, int, int]
) -> tuple[bytes, tuple[int, int, int, int]]:
    """Return a JPEG that has `box`, and where the box lies in it; nothing is decoded.

    It has whole restart intervals, and the neighbours that chroma upsampling looks at: the pixels
    of the inner box, by whatever decoder, equal those of the whole image. A file without restart
    intervals that divide its rows comes back whole, with the same box: make it `seekable` first. So
    does a packed file, as the JPEG that it was made of.

    Args:
        jpeg: the file's bytes.
        box: (left, upper, right, lower) in pixels, half open, within the image.

    Raises:
        ImageError: the header is damaged, or restart markers are missing.
    """
    return _native.jpeg_crop(as_jpeg(jpeg), box)
