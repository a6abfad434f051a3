"""Betons of FFCV: files with an RGBImage of JPEGs and an Int, and maybe other fields.

The fields have any names and any order; one must be an RGBImage, and of several Ints the label is
the one called `label`. A beton has no names: a key is the file's name and the record's number. A
record that is stored as pixels has no file that could be read, and is refused. FFCV's writer
encodes each image anew, so what is read is what it made, not what was published.

Source: libffcv/ffcv, ffcv/types.py, reader.py, fields/{basics,bytes,ndarray,json,rgb_image}.py:
the row of a record is NumPy's aligned struct of its fields' types.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.imagenet.split_names import split_of
from imnet_data.sources.tools import numbering, parts
from imnet_data.sources.tools.images import Found, Images, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.formats.extents import ShardFile

WHAT = "beton files"

_SUFFIXES = (".beton", ".ffcv")
_HEADER = np.dtype(
    [("version", "<u2"), ("fields", "<u2"), ("page", "<u4"), ("count", "<u8"), ("table", "<u8")]
)
_FIELD = np.dtype([("type", "u1"), ("name", "S16"), ("arguments", "V1024")])
_INT, _IMAGE = 1, 2
# what a record's row has of a field, by the field's type: FFCV's own structs are packed
_ROWS = {
    0: np.dtype("<f8"),
    1: np.dtype("<i8"),
    2: np.dtype([("mode", "u1"), ("width", "<u2"), ("height", "<u2"), ("position", "<u8")]),
    3: np.dtype([("position", "<u8"), ("size", "<u8")]),
    4: np.dtype("<u8"),
    5: np.dtype([("position", "<u8"), ("size", "<u8")]),
    6: np.dtype("<u8"),
}
_ALLOCATION = np.dtype([("record", "<u8"), ("position", "<u8"), ("nbytes", "<u8")])
_JPEG = 0


def files_among(files: Sequence[Path], *, alone: bool) -> list[Path]:
    """Return those that are called as betons; a file alone may begin as one."""
    named = [path for path in files if path.name.endswith(_SUFFIXES)]
    return named or [path for path in files if alone and _is_beton(path)]


def _is_beton(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEADER.itemsize)
    if len(head) < _HEADER.itemsize:
        return False
    header = np.frombuffer(head, _HEADER)[0]
    page = int(header["page"])
    is_page = page >= 1 << 21 and not page & (page - 1)
    return bool(header["version"] == 2 and 0 < header["fields"] < 256 and is_page)


def splits_of(paths: Sequence[Path]) -> list[str]:
    """Return the split that each name says: train.beton, train_500_0.50_90.ffcv."""
    return [
        parts.split_of_file(path) or split_of(re.split("[_.-]", path.name)[0]) for path in paths
    ]


def opened(paths: Sequence[Path], *, split: str | None, labels: str | None) -> Images:
    """Open the files as one container."""
    space = numbering.agreed(labels, None, where="")
    splits = zip(paths, splits_of(paths), strict=True)
    found = [Part(path, parts.require_split(path, named or split), space) for path, named in splits]
    return Images(found, walk)


class _Columns(NamedTuple):
    """Where a record's row has its image, and its label."""

    row: np.dtype[np.void]
    image: str
    label: str


def walk(file: ShardFile) -> Iterator[Found]:
    """Yield the image of each record."""
    header = np.frombuffer(file.read(0, _HEADER.itemsize), _HEADER)[0]
    count, table, field_count = (int(header[name]) for name in ("count", "table", "fields"))
    if header["version"] != 2 or not 0 < field_count < 256:
        raise file.fault("is not a beton of version 2")
    if not table:
        raise file.fault("is unfinished: it has no allocation table")
    fields = np.frombuffer(file.read(_HEADER.itemsize, field_count * _FIELD.itemsize), _FIELD)
    columns = _columns(file, fields)
    start = _HEADER.itemsize + fields.nbytes
    rows = np.frombuffer(file.read(start, count * columns.row.itemsize), columns.row)
    images = rows[columns.image]
    pixels = np.flatnonzero(images["mode"] != _JPEG)
    if len(pixels):
        raise file.fault(
            f"{len(pixels):,} of its {count:,} images are stored as pixels, the first is record "
            f"{pixels[0]}, and only JPEGs are read; write it with write_mode='jpg'"
        )
    nbytes = _sizes(file, table, images["position"])
    for number in range(count):
        yield Found(
            f"{file.path.stem.replace('.', '_')}_{number}",
            int(rows[columns.label][number]),
            int(images["position"][number]),
            int(nbytes[number]),
        )


def _columns(file: ShardFile, fields: NDArray[np.void]) -> _Columns:
    types = fields["type"].tolist()
    names = [name.decode("ascii", "replace") for name in fields["name"].tolist()]
    told = ", ".join(f"{name} of type {kind}" for name, kind in zip(names, types, strict=True))
    if any(kind not in _ROWS for kind in types):
        raise file.fault(f"has fields of a type that is not known ({told})")
    images = [at for at, kind in enumerate(types) if kind == _IMAGE]
    integers = [at for at, kind in enumerate(types) if kind == _INT]
    integers = [at for at in integers if names[at] == "label"] or integers
    if len(images) != 1 or len(integers) != 1:
        raise file.fault(f"needed are one RGBImage and one Int, called label; it has {told}")
    row = np.dtype([(str(at), _ROWS[kind]) for at, kind in enumerate(types)], align=True)
    return _Columns(row, str(images[0]), str(integers[0]))


def _sizes(file: ShardFile, table: int, positions: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the size of what lies at each position, which the allocation table has."""
    packed = file.read(table, file.nbytes - table)
    allocations = np.sort(np.frombuffer(packed, _ALLOCATION), order="position")
    at = np.searchsorted(allocations["position"], positions)
    found = at < len(allocations)
    found[found] = allocations["position"][at[found]] == positions[found]
    if not found.all():
        raise file.fault(f"record {int(np.argmin(found))} is not in the allocation table")
    sizes: NDArray[np.uint64] = allocations["nbytes"][at]
    return sizes
