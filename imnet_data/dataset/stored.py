"""What may be stored of an image, and the published JPEG out of it."""

from imnet_data import jpeg


def restored(image: bytes, stored: str) -> bytes:
    """Return the published JPEG of an image that is stored as `stored` says; see manifest.STORED.

    Raises:
        ImageError: it cannot be restored.
    """
    if stored == "seekable":
        return jpeg.restore(image)
    return jpeg.unpack(image) if stored == "packed" else image
