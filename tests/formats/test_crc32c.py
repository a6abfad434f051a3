"""CRC-32C against published vectors, a loop over bits, and other libraries."""

import random

import pytest

from imnet_data.formats import crc32c
from imnet_data.native import _native

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


@pytest.mark.parametrize("variant", _native.simd_variants())
def test_each_variant_is_the_division_bit_by_bit(variant: str) -> None:
    best = _native.simd()
    _native.set_simd(variant)
    try:
        for nbytes in (1, 7, 8, 9, 3071, 3072, 3073, 3095, 22_741):
            message = random.Random(nbytes).randbytes(nbytes)
            assert crc32c.crc32c(message) == _by_bit(message)
    finally:
        _native.set_simd(best)


@pytest.mark.parametrize(("package", "name"), [("crc32c", "crc32c"), ("google_crc32c", "value")])
def test_another_library_agrees(package: str, name: str) -> None:
    reason = f"the package {package} is not installed"
    other = getattr(pytest.importorskip(package, reason=reason), name)
    for nbytes in [*range(0, 300, 7), 110_000, 1_000_003]:
        message = random.Random(nbytes).randbytes(nbytes)
        assert crc32c.crc32c(message) == other(message)


def test_the_mask_is_tensorflows() -> None:
    """The mask is a rotation and a sum, so it can be undone."""
    crc = crc32c.crc32c(b"123456789")
    rotated = (crc32c.masked(b"123456789") - 0xA282EAD8) % 2**32
    assert ((rotated << 15) | (rotated >> 17)) % 2**32 == crc
