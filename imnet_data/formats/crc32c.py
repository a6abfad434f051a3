"""CRC-32C (Castagnoli) in NumPy, by folding with a sparse multiple of its polynomial.

A CRC is the remainder of the message, read as a polynomial over GF(2), modulo P. The tetranomial

    x^5685 + x^1362 + x^426 + 1

is a multiple of P, and of least weight: by the Frobenius map so is its eighth power, which is the
same sum with whole bytes for steps, and its 32nd with groups of four. A block of bytes may
therefore be taken off the front of a message and XORed into it 4323, 5259 and 5685 steps further
on, three vector operations, until less than 5685 bytes are left. The remainder of those comes from
one table lookup a byte, by value and by distance from the end.

Source: RFC 3720, B.4, for the polynomial and test vectors; Koopman, "32-bit cyclic redundancy
codes for internet applications", DSN 2002, for the least weights (4 from 5276 bits on); the
tetranomial comes from a search over sums of two powers of x.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # bits in reflected order, without the leading one
_DEGREE = 5685
_EXPONENTS = (1362, 426, 0)
_STEP = _DEGREE - _EXPONENTS[0]  # as many bytes at once do not fall upon themselves
_ALL_ONES = 0xFFFFFFFF
_SMALL = 64  # bytes: below it a loop beats the set-up of vector operations


def crc32c(message: bytes) -> int:
    """Return the CRC-32C of `message`, 32 bits."""
    if len(message) < _SMALL:
        return _by_byte(message) ^ _ALL_ONES
    folded = np.frombuffer(bytearray(message), np.uint8)
    folded[:4] ^= 0xFF  # a register of ones at the start
    rest = _fold(_fold(folded, 4), 1)
    values = _values()[256 * (_DEGREE - len(rest)) :]
    remainders = values[np.arange(0, 256 * len(rest), 256) + rest]
    return int(np.bitwise_xor.reduce(remainders)) ^ _ALL_ONES


def _fold(message: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Fold all but the last 5685 * width bytes away, in place; return the bytes that are left."""
    end = len(message) - width * _DEGREE
    step = width * _STEP
    for start in range(0, end, step):
        stop = min(start + step, end)
        for exponent in _EXPONENTS:
            shift = width * (_DEGREE - exponent)
            message[start + shift : stop + shift] ^= message[start:stop]
    return message[max(end, 0) :]


def masked(message: bytes) -> int:
    """Return the CRC-32C as TFRecord stores it: rotated right by 15 bits, plus a constant."""
    crc = crc32c(message)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & _ALL_ONES


def _by_byte(message: bytes) -> int:
    table = _byte_table()
    register = _ALL_ONES
    for byte in message:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register


@functools.cache
def _byte_table() -> tuple[int, ...]:
    table = []
    for register in range(256):
        for _ in range(8):
            register = (register >> 1) ^ (_POLYNOMIAL if register & 1 else 0)
        table.append(register)
    return tuple(table)


@functools.cache
def _values() -> NDArray[np.uint32]:
    """Return the remainder of each byte value, uint32[5685 * 256]; last byte, last 256."""
    values = np.empty((_DEGREE, 256), np.uint32)  # 5.8 MB
    first = np.array(_byte_table(), np.uint32)
    values[-1] = first
    for row in range(_DEGREE - 2, -1, -1):
        after = values[row + 1]
        values[row] = (after >> np.uint32(8)) ^ first[after & np.uint32(0xFF)]
    return values.reshape(-1)
