"""`index.npy`: the columns of an index, one after the other, which loaders map into memory.

Opening the file costs a page, and reading a column touches no other. In version 2 it is an array of
bytes to NumPy, in which there are, little-endian: the mark "COLUMNS2"; the numbers of records, of
boxes, and of bytes of the longest key, int64 each; the manifest's digest, 64 bytes; then the
columns in the order of `Index`, each from a multiple of 64 bytes on, what is between them 0.

In version 1 it is one structured element, whose size NumPy has no more than 31 bits for.
"""

from __future__ import annotations

import io
import struct
import tokenize
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from imnet_data.dataset.description import VERSION
from imnet_data.dataset.index import COLUMNS, REMEDY, Index
from imnet_data.errors import ManifestError
from imnet_data.machine.mapped import mapped
from imnet_data.machine.open_file import OpenFile, explained

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILE_NAME = "index.npy"
_MARK = b"COLUMNS2"
_HEAD = struct.Struct("<8s3q64s")
_ALIGNMENT = 64
_MAX_KEY_NBYTES = 1 << 16
# what NumPy's reading of a damaged header can end in
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)
_TYPES = {
    "offset": "<i8",
    "nbytes": "<i8",
    "published_nbytes": "<i8",
    "box_end": "<i8",
    "label": "<i4",
    "shard": "<i4",
    "boxes": "<i4",
    "width": "<u2",
    "height": "<u2",
    "fix": "u1",
    "stored": "u1",
    "verdict": "u1",
}


class _Column(NamedTuple):
    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    start: int

    @property
    def end(self) -> int:
        count = self.shape[0] * (self.shape[1] if len(self.shape) == 2 else 1)
        return self.start + count * self.dtype.itemsize


def _columns(record_count: int, box_count: int, key_nbytes: int) -> list[_Column]:
    """Return where each column lies."""
    columns: list[_Column] = []
    end = _HEAD.size
    for name in COLUMNS:
        shape = (box_count, 4) if name == "boxes" else (record_count,)
        dtype = np.dtype(_TYPES.get(name, f"S{key_nbytes}"))
        columns.append(_Column(name, dtype, shape, _aligned(end)))
        end = columns[-1].end
    return columns


def _aligned(position: int) -> int:
    return -(-position // _ALIGNMENT) * _ALIGNMENT


def write(file: BinaryIO, index: Index, *, version: int = VERSION) -> None:
    """Write index.npy of a dataset of this version."""
    if version == 1:
        _write_version_1(file, index)
        return
    counts = len(index.key), len(index.boxes), max(1, index.key.itemsize)
    columns = _columns(*counts)
    header = {"descr": "|u1", "fortran_order": False, "shape": (columns[-1].end,)}
    np.lib.format.write_array_header_1_0(file, header)
    file.write(_HEAD.pack(_MARK, *counts, index.digest.encode()))
    end = _HEAD.size
    for column in columns:
        file.write(bytes(column.start - end))
        values = np.ascontiguousarray(getattr(index, column.name), column.dtype)
        file.write(values.data.cast("B") if values.size else b"")
        end = column.end


def _write_version_1(file: BinaryIO, index: Index) -> None:
    counts = len(index.key), len(index.boxes), max(1, index.key.itemsize)
    table = np.zeros((), _dtype_version_1(*counts))
    for name in table.dtype.names or ():
        table[name] = getattr(index, name)
    np.save(file, table)


def to_bytes(index: Index, *, version: int) -> bytes:
    """Return the bytes of index.npy in a dataset of this version."""
    file = io.BytesIO()
    write(file, index, version=version)
    return file.getvalue()


def _dtype_version_1(record_count: int, box_count: int, key_nbytes: int) -> np.dtype[np.void]:
    """Return the type of the one element of version 1."""
    columns = _columns(record_count, box_count, key_nbytes)
    fields = [(name, dtype, shape) for name, dtype, shape, _ in columns if name != "verdict"]
    return np.dtype([("digest", "S64"), *fields])


def open_index(path: Path) -> Index:
    """Map the index at `path` into memory, which takes no time whatever its size.

    Raises:
        ManifestError: if it is missing, cut short, or no index.
    """
    try:
        content = mapped(OpenFile(path))
        np.lib.format.read_magic(content)
        shape, _, dtype = np.lib.format.read_array_header_1_0(content)
        start = content.tell()
        nbytes = len(content) - start
        if dtype.names is not None and shape == () and dtype.itemsize == nbytes:
            return _open_version_1(np.frombuffer(content, dtype, 1, start)[0])
        if dtype != np.uint8 or shape != (nbytes,):
            raise ValueError("its size is not what its header says")
        return _open(np.frombuffer(content, np.uint8, nbytes, start))
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: is missing; {REMEDY}") from error
    except OSError as error:
        raise ManifestError(f"{path}: {explained(error, REMEDY)}") from error
    except _MALFORMED as error:
        raise ManifestError(f"{path}: damaged ({error}); {REMEDY}") from error


def _open(content: NDArray[np.uint8]) -> Index:
    """Return the columns in the bytes of version 2; ValueError if they are not its size."""
    if len(content) < _HEAD.size:
        raise ValueError("it ends within its header")
    mark, *counts, digest = _HEAD.unpack(content[: _HEAD.size].tobytes())
    if mark != _MARK or min(counts) < 0 or not 0 < counts[2] <= _MAX_KEY_NBYTES:
        raise ValueError("its header is not that of an index")
    columns = _columns(*counts)
    if columns[-1].end != len(content):
        raise ValueError("its size is not what its header says")
    values = (content[c.start : c.end].view(c.dtype).reshape(c.shape) for c in columns)
    return Index(digest.rstrip(b"\0").decode(), *values)


def _open_version_1(table: np.void) -> Index:
    dtype = table.dtype
    keys, boxes = dtype["key"], dtype["boxes"]
    if dtype != _dtype_version_1(keys.shape[0], boxes.shape[0], keys.base.itemsize):
        raise ValueError("its columns are not those of an index")
    plain = np.broadcast_to(np.uint8(0), keys.shape)
    columns = {name: table[name] for name in COLUMNS if name != "verdict"}
    return Index(table["digest"].item().decode(), verdict=plain, **columns)
