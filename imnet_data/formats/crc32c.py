"""CRC-32C (Castagnoli), as it is and as TFRecord stores it.

Source: RFC 3720, B.4; the mask is that of TensorFlow's tsl/lib/hash/crc32c.h.
"""

from __future__ import annotations

_ALL_ONES = 0xFFFFFFFF


def crc32c(message: bytes | memoryview) -> int:
    """Return the CRC-32C of `message`, 32 bits."""
    from imnet_data.native import _native  # doctor lists formats where it is missing

    return _native.crc32c(message)


def masked(message: bytes | memoryview) -> int:
    """Return the CRC-32C as TFRecord stores it: rotated right by 15 bits, plus a constant."""
    crc = crc32c(message)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & _ALL_ONES
