"""Lossless rewriting to restart intervals, and back: any decoder reads it, parts of it are fast.

The same quantised coefficients, with a restart marker every n MCUs (ITU-T T.81, B.2.4.4, E.1.4);
n divides the MCUs of a row, so that a crop is a set of whole intervals. What it takes to have the
original bytes back travels in a segment of its own, some 400 bytes long for a photograph.
"""

from imnet_data.native import _native

TARGET_WIDTH = 128  # pixels of an interval


def seekable(
    jpeg: bytes | memoryview, *, target_width: int = TARGET_WIDTH, joined: bool = True
) -> bytes:
    """Return the same image with restart markers; `restore` of it was checked to give `jpeg`.

    Args:
        jpeg: a baseline or extended sequential JPEG in one scan, without restart markers.
        target_width: wanted width of an interval in pixels; the nearest divisor of a row is taken.
        joined: whether the file has joints; those of datasets before version 3 have none.

    Raises:
        NotSeekable: keep the file as it is; the text says why: progressive, CMYK, several scans,
            markers of its own, bytes in the scan that belong to no block, damaged data.
        ImageError: the header is damaged.
    """
    if target_width < 1:
        raise ValueError(f"target_width is {target_width}; it must be at least 1")
    return _native.jpeg_seekable(jpeg, target_width, joined)


def restore(jpeg: bytes | memoryview, *, is_hashed: bool = False) -> bytes:
    """Return the original bytes of a file that `seekable` made.

    Args:
        jpeg: what `seekable` has returned.
        is_hashed: you compare the hash of what is returned, so that the image data need not be
            walked to find damage in it; takes a third of the time.

    Raises:
        NotSeekable: `seekable` did not make it, or it is damaged since.
        ImageError: the header is damaged.
    """
    return _native.jpeg_restore(jpeg, is_hashed)
