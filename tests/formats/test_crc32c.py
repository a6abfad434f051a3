"""CRC-32C against published vectors, a loop over bytes, and a native library."""

import random

import pytest

from imnet_data.formats import crc32c

# RFC 3720, B.4, but for the first two: the check value of the CRC catalogue, and no bytes at all
_VECTORS = [
    (b"123456789", 0xE3069283),
    (b"", 0),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]


@pytest.mark.parametrize(("message", "expected"), _VECTORS)
def test_published_vectors(message: bytes, expected: int) -> None:
    assert crc32c.crc32c(message) == expected


def _by_bit(message: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in message:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    "nbytes", [63, 64, 65, 5684, 5685, 5686, 22_741, 40_033, 10_008, 10_009, 20_011]
)
def test_folding_is_the_division_bit_by_bit(nbytes: int) -> None:
    message = random.Random(nbytes).randbytes(nbytes)
    assert crc32c.crc32c(message) == _by_bit(message)


def test_a_native_library_agrees() -> None:
    native = pytest.importorskip("crc32c", reason="the package crc32c is not installed")
    for nbytes in [*range(0, 300, 7), 110_000, 1_000_003]:
        message = random.Random(nbytes).randbytes(nbytes)
        assert crc32c.crc32c(message) == native.crc32c(message)


def test_the_mask_is_tensorflows() -> None:
    """The mask is a rotation and a sum, so it can be undone."""
    crc = crc32c.crc32c(b"123456789")
    rotated = (crc32c.masked(b"123456789") - 0xA282EAD8) % 2**32
    assert ((rotated << 15) | (rotated >> 17)) % 2**32 == crc
