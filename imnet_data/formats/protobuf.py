"""The wire format of protocol buffers, as far as Caffe's Datum and TensorFlow's Example need it.

A message is a sequence of fields, each a varint `number << 3 | wire type` and a value: wire type 0
is a varint (a negative number as its 64-bit two's complement), 2 is a length and as many bytes,
1 and 5 are 8 and 4 bytes. Positions are kept, as an image is read from where it lies.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _EIGHT_BYTES, _DELIMITED, _FOUR_BYTES = 0, 1, 2, 5
_WORD = 1 << 64


class Message(Protocol):
    """Bytes, or what can be indexed as they can."""

    def __getitem__(self, at: int, /) -> int: ...


class Field(NamedTuple):
    """One field of a message, by its place in the bytes parsed."""

    number: int
    value: int | None  # of a varint; None where the value is bytes
    start: int  # of the bytes
    stop: int


def varint(value: int) -> bytes:
    """Encode an integer, -2**63 to 2**64 - 1."""
    value %= _WORD
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def integer(number: int, value: int) -> bytes:
    """Encode a field that is an integer."""
    return varint(number << 3 | _VARINT) + varint(value)


def head(number: int, nbytes: int) -> bytes:
    """Encode what stands before the bytes of a field that is bytes."""
    return varint(number << 3 | _DELIMITED) + varint(nbytes)


def delimited(number: int, content: bytes) -> bytes:
    """Encode a field that is bytes, a text or a message."""
    return head(number, len(content)) + content


def read_varint(message: Message, position: int, stop: int) -> tuple[int, int]:
    """Return the varint at `position` and its end; ValueError if it does not end before `stop`."""
    value = shift = 0
    while position < stop and shift < 64:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value % _WORD, position
        shift += 7
    raise ValueError(f"the varint before {position} does not end")


def fields(message: Message, start: int, stop: int) -> Iterator[Field]:
    """Yield the fields of the message that is `message[start:stop]`.

    Raises:
        ValueError: if it is none, or a field reaches beyond it.
    """
    while start < stop:
        tag, start = read_varint(message, start, stop)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, start = read_varint(message, start, stop)
            yield Field(number, value, start, start)
            continue
        if wire_type == _DELIMITED:
            nbytes, start = read_varint(message, start, stop)
        elif wire_type in {_EIGHT_BYTES, _FOUR_BYTES}:
            nbytes = 8 if wire_type == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"field {number} has wire type {wire_type}")
        if nbytes > stop - start:
            raise ValueError(f"field {number} has {nbytes} bytes of which {stop - start} are there")
        yield Field(number, None, start, start + nbytes)
        start += nbytes
