"""What may be stored of an image, and the published JPEG out of it."""

from imnet_data import jpeg


def restored(image: bytes | memoryview, stored: str, *, is_hashed: bool = False) -> bytes:
    """Return the published JPEG of an image that is stored as `stored` says; see manifest.STORED.

    Args:
        image: the stored bytes.
        stored: their form.
        is_hashed: the hash of what is returned will be compared; see `jpeg.restore`.

    Raises:
        ImageError: it cannot be restored.
    """
    if stored == "seekable":
        return jpeg.restore(image, is_hashed=is_hashed)
    return jpeg.unpack(image) if stored == "packed" else bytes(image)
