"""The packed form of a JPEG, which takes less time to decode, and the published bytes out of it.

The quantised coefficients are stored without the Huffman code, in intervals that can be entered
directly. No JPEG reader takes a packed file for one. docs/packed.md is the specification.
"""

from imnet_data.native import _native

TARGET_WIDTH = 128  # pixels of an interval
MAGIC = b"\x89IMNPK\r\n"


def pack(jpeg: bytes | memoryview, *, target_width: int = TARGET_WIDTH) -> bytes:
    """Return the packed form; `unpack` of it gives `jpeg` again, byte for byte.

    Args:
        jpeg: a baseline or extended sequential JPEG in one scan.
        target_width: wanted width of an interval in pixels.

    Raises:
        NotPackable: keep the file as it is; the text says why: progressive, CMYK, several scans,
            bytes in the scan that belong to no block, symbols that no encoder has to write.
        ImageError: the header is damaged.
    """
    if target_width < 1:
        raise ValueError(f"target_width is {target_width}; it must be at least 1")
    return _native.jpeg_pack(jpeg, target_width)


def unpack(packed: bytes | memoryview) -> bytes:
    """Return the JPEG that a packed file was made of.

    Raises:
        UnsupportedJpeg: a later version of imnet-data has packed it.
        ImageError: it is not a packed file, or is damaged.
    """
    return _native.jpeg_unpack(packed)


def is_packed(image: bytes | memoryview) -> bool:
    """Return whether the bytes begin as a packed file does."""
    return bytes(image[: len(MAGIC)]) == MAGIC


def as_jpeg(image: bytes | memoryview) -> bytes | memoryview:
    """Return the JPEG out of a packed file; other bytes as they are.

    Raises:
        ImageError: the packed file is damaged.
    """
    return unpack(image) if is_packed(image) else image
