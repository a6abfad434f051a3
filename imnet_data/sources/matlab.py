"""The struct array of a MATLAB level-5 file: as much of the format as the devkit's meta.mat needs.

A file is a header of 128 bytes and data elements: a type, a size, data, padding to 8 bytes; up to
four bytes of data may sit in the tag. Elements may be compressed with zlib. A matrix is an element
of elements: flags (the class), dimensions, name, then what the class has.

Files are little-endian, as today's machines write them, and fields are numbers or text.

Source: MathWorks, "MAT-File Format", R2022a, "Level 5 MAT-File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Value = NDArray[np.generic] | str

_HEADER_NBYTES = 128
_MAX_NBYTES = 1 << 26  # of an element, inflated; meta.mat has about 2 MB
_MATRIX, _COMPRESSED = 14, 15
_TEXT = {1: "utf-8", 2: "utf-8", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
_NUMBERS = {
    1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8",
    13: "<u8",
}  # fmt: skip
_STRUCT_CLASS, _CHAR_CLASS = 2, 4


class _Element(NamedTuple):
    kind: int
    data: bytes


def struct_array(content: bytes, name: str) -> list[dict[str, Value]]:
    """Return the elements of the struct array `name`, in column-major order.

    Numbers come flattened in column-major order, text as one string.

    Raises:
        ValueError: if the file is damaged, of another version, or has no such array.
    """
    if content[126:_HEADER_NBYTES] != b"IM":
        raise ValueError("it is not a MATLAB level-5 file")
    try:
        for element in _elements(content[_HEADER_NBYTES:]):
            if element.kind == _COMPRESSED:
                element = next(_elements(_inflated(element.data)))
            if element.kind == _MATRIX:
                found = _named_struct(element.data, name)
                if found is not None:
                    return found
    except (struct.error, zlib.error, StopIteration, UnicodeDecodeError, IndexError) as error:
        raise ValueError(f"it is damaged ({error})") from error
    raise ValueError(f"it has no struct array {name!r}")


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    content = inflater.decompress(data, _MAX_NBYTES)
    if not inflater.eof:
        raise ValueError("a compressed element is cut short or too large")
    return content


def _elements(data: bytes) -> Iterator[_Element]:
    """Walk elements; compressed ones are not padded."""
    at = 0
    while at < len(data):
        kind, nbytes = struct.unpack_from("<II", data, at)
        if kind >> 16:  # the small form: size and type share the first word
            yield _Element(kind & 0xFFFF, data[at + 4 : at + 4 + (kind >> 16)])
            at += 8
            continue
        if at + 8 + nbytes > len(data):
            raise ValueError("it is cut short")
        yield _Element(kind, data[at + 8 : at + 8 + nbytes])
        at += 8 + nbytes
        if kind != _COMPRESSED:
            at = (at + 7) // 8 * 8


def _class_of(flags: _Element) -> int:
    word: int = struct.unpack_from("<I", flags.data)[0]
    return word & 0xFF


def _named_struct(matrix: bytes, name: str) -> list[dict[str, Value]] | None:
    elements = _elements(matrix)
    flags, dimensions, matrix_name = (next(elements) for _ in range(3))
    if _class_of(flags) != _STRUCT_CLASS or matrix_name.data != name.encode():
        return None
    name_nbytes = struct.unpack_from("<I", next(elements).data)[0]
    names_data = next(elements).data
    if not 0 < name_nbytes <= len(names_data):
        raise ValueError("its field names are damaged")
    names = [
        names_data[at : at + name_nbytes].split(b"\0", 1)[0].decode()
        for at in range(0, len(names_data), name_nbytes)
    ]
    values = [_value(element.data) for element in elements]
    count = math.prod(_numbers(dimensions).tolist())
    if len(values) != count * len(names):
        raise ValueError(f"it has {len(values)} values for {count} times {len(names)} fields")
    return [
        dict(zip(names, values[at : at + len(names)], strict=True))
        for at in range(0, len(values), len(names))
    ]


def _value(matrix: bytes) -> Value:
    flags, _, _, content = islice(_elements(matrix), 4)
    if _class_of(flags) != _CHAR_CLASS:
        return _numbers(content)
    if content.kind not in _TEXT:
        raise ValueError(f"it has text of unknown type {content.kind}")
    return content.data.decode(_TEXT[content.kind])


def _numbers(element: _Element) -> NDArray[np.generic]:
    if element.kind not in _NUMBERS:
        raise ValueError(f"it has numbers of unknown type {element.kind}")
    return np.frombuffer(element.data, _NUMBERS[element.kind])
