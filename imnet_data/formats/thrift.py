"""Thrift's compact protocol, as far as the headers and footers of Parquet files need it.

Source: apache/thrift, doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

from typing import NamedTuple

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_LONG_LIST = 15  # elements from which on their number follows as a varint


class Field(NamedTuple):
    """One field of a struct; a value that is a list is a struct, one that is a tuple is a list."""

    number: int
    value: int | str | list[Field] | tuple[int, ...] | tuple[str, ...] | tuple[list[Field], ...]
    is_wide: bool = False  # of an integer: 64 bits


def struct(fields: list[Field]) -> bytes:
    """Return a struct; the numbers of its fields rise, by 15 at most."""
    content, before = bytearray(), 0
    for field in fields:
        kind = _I64 if field.is_wide else _kind(field.value)
        content.append(field.number - before << 4 | kind)
        content += _encoded(field.value)
        before = field.number
    return bytes(content) + b"\0"


def _kind(value: object) -> int:
    kinds = {int: _I32, str: _BINARY, tuple: _LIST, list: _STRUCT}
    return kinds[type(value)]


def _encoded(value: object) -> bytes:
    if isinstance(value, int):
        return varint(value << 1 if value >= 0 else ~(value << 1))
    if isinstance(value, str):
        return varint(len(value.encode())) + value.encode()
    if isinstance(value, list):
        return struct(value)
    assert isinstance(value, tuple)
    kind = _kind(value[0]) if value else _STRUCT
    count = len(value)
    short = min(count, _LONG_LIST)
    head = bytes([short << 4 | kind]) + (varint(count) if short == _LONG_LIST else b"")
    return head + b"".join(map(_encoded, value))


def varint(value: int) -> bytes:
    """Return an integer that is not negative, seven bits a byte, the lowest first."""
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)


def read_integer(content: bytes, at: int) -> tuple[int, int]:
    """Return the integer of a field, and the position after it.

    Raises:
        IndexError: if the bytes end before it does.
    """
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value >> 1 ^ -(value & 1), at
