"""FFCV's `.beton`, version 2, with the fields `image` (RGBImage) and `label` (Int).

- Header, 24 bytes: u16 version, u16 fields, u32 page size, u64 records, u64 allocation table.
- Two fields of 1041 bytes: u8 type (2 RGBImage, 1 Int), 16 bytes name, 1024 bytes of 0.
- One row of 24 bytes per record: u8 mode (0 JPEG, 1 pixels), u16 width, u16 height, u64 position of
  the image, 3 bytes of 0, i64 label (-1 for none).
- Zeros up to a multiple of the page size, then pages; images follow each other in a page, none
  crosses into the next, the rest of a page is 0.
- The allocation table, to the end of the file: u64 record, u64 position, u64 size of each image.

JPEGs are stored as they are; pixels are height x width x 3 bytes RGB. Pages have 8 MiB, or the next
power of two that holds the largest image. The position of the table is written last: as long as it
is 0 the file is unfinished. An offset is the position of the image. Key and wnid are not held.

Source: libffcv/ffcv 1.0.2, ffcv/types.py, writer.py, memory_allocator.py, fields/rgb_image.py;
names of the fields from libffcv/ffcv-imagenet, write_imagenet.py.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import FormatError
from imnet_data.formats import Stored
from imnet_data.formats.extents import ExtentShard, ShardFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from imnet_data.formats import Sample, Samples, ShardSummary
    from imnet_data.machine.files import Output

EXTENTS = True
ONE_SHARD = True
LABELS = True
PIXELS = True
PACKED = False
SEEKABLE = True
SIDE_SUFFIXES = ()
READERS = ("ffcv",)

record_file = None

_HEADER = struct.Struct("<HHIQQ")
_VERSION = 2
_FIELDS = b"".join(
    bytes([kind]) + name.ljust(16 + 1024, b"\0") for kind, name in [(2, b"image"), (1, b"label")]
)
_ROW = np.dtype(
    {
        "names": ["mode", "width", "height", "position", "label"],
        "formats": ["<u1", "<u2", "<u2", "<u8", "<i8"],
        "offsets": [0, 1, 3, 5, 16],
        "itemsize": 24,
    }
)
_ALLOCATION = np.dtype([("record", "<u8"), ("position", "<u8"), ("nbytes", "<u8")])
_JPEG, _PIXELS = 0, 1
_PAGE_NBYTES = 8 << 20
_MIN_PAGE_NBYTES, _MAX_PAGE_NBYTES = 2 << 20, 2 << 30


class _Layout(NamedTuple):
    page_nbytes: int
    record_count: int

    @property
    def first_page(self) -> int:
        return _align(
            _HEADER.size + len(_FIELDS) + self.record_count * _ROW.itemsize, self.page_nbytes
        )


def _align(position: int, page_nbytes: int) -> int:
    return -(-position // page_nbytes) * page_nbytes


def shard_name(split: str, index: int, count: int) -> str:
    """Name shard `index`: "train.beton" if it is the only one, else "train-000000.beton"."""
    return f"{split}.beton" if count == 1 else f"{split}-{index:06d}.beton"


def write(out: Output, samples: Samples) -> NDArray[np.int64]:
    """Write one beton; return the position of each image.

    Where an image is larger than a page, or so many records are skipped that pages could begin
    earlier, the samples are iterated again: the bytes depend on the written records alone.
    """
    layout = _Layout(_PAGE_NBYTES, len(samples))
    while True:
        with out.path.open("wb") as file:
            writer = _Writer(file, layout)
            needed = writer.add_all(samples)
            if needed.first_page == layout.first_page and needed.page_nbytes == layout.page_nbytes:
                return writer.finish()
        layout = needed


class _Writer:
    def __init__(self, file: BinaryIO, layout: _Layout) -> None:
        self._file = file
        self._layout = layout
        self._rows = np.zeros(layout.record_count, _ROW)
        self._allocations = np.zeros(layout.record_count, _ALLOCATION)
        self._count = 0
        self._position = layout.first_page
        file.seek(self._position)

    def add_all(self, samples: Samples) -> _Layout:
        """Write the images; return the layout that they need, which stops at an image too large."""
        for sample in samples:
            image = _image(sample)
            if len(image) > self._layout.page_nbytes:
                page_nbytes = 1 << (len(image) - 1).bit_length()
                if page_nbytes > _MAX_PAGE_NBYTES:
                    raise FormatError(
                        f"{sample.record.key}: has {len(image)} bytes, more than a page of a beton "
                        f"can have, {_MAX_PAGE_NBYTES}; use --max-side, or choose another format"
                    )
                return self._layout._replace(page_nbytes=page_nbytes)
            self._add(sample, image)
        return self._layout._replace(record_count=self._count)

    def _add(self, sample: Sample, image: bytes | memoryview) -> None:
        page_end = _align(self._position, self._layout.page_nbytes)
        if self._position + len(image) > page_end and self._position != page_end:
            self._position = page_end
            self._file.seek(page_end)
        mode = _JPEG if sample.pixels is None else _PIXELS
        row = (mode, sample.width, sample.height, self._position, sample.label)
        self._rows[self._count] = row
        self._allocations[self._count] = (self._count, self._position, len(image))
        self._file.write(image)
        self._position += len(image)
        self._count += 1

    def finish(self) -> NDArray[np.int64]:
        table = _align(self._position, self._layout.page_nbytes)
        self._file.seek(table)
        self._file.write(self._allocations[: self._count].data)
        self._file.truncate(table + self._count * _ALLOCATION.itemsize)
        self._file.seek(_HEADER.size)
        self._file.write(_FIELDS)
        self._file.write(self._rows[: self._count].data)
        self._file.flush()
        self._file.seek(0)
        header = (_VERSION, 2, self._layout.page_nbytes, self._count, table)
        self._file.write(_HEADER.pack(*header))
        return self._allocations["position"][: self._count].astype(np.int64)


def _image(sample: Sample) -> bytes | memoryview:
    if sample.pixels is None:
        image: bytes | memoryview = sample.record.jpeg
    elif sample.pixels.shape == (sample.height, sample.width, 3):
        image = np.ascontiguousarray(sample.pixels).reshape(-1).data
    else:
        raise ValueError(
            f"pixels of {sample.record.key} are {sample.pixels.shape}, "
            f"not ({sample.height}, {sample.width}, 3)"
        )
    if not len(image):
        raise FormatError(f"{sample.record.key}: has no bytes, which a beton cannot hold")
    return image


def open(path: Path) -> ExtentShard:
    """Open the beton at `path`."""
    return ExtentShard(path, walk)


def walk(file: ShardFile) -> Iterator[Stored]:
    """Yield the records in order."""
    layout = _read_header(file)
    rows = _read_rows(file, layout.record_count)
    allocations = _read_allocations(file, layout)
    _check_rows(file, rows, allocations)
    for row, nbytes in zip(rows, allocations["nbytes"], strict=True):
        position = int(row["position"])
        image = file.read(position, int(nbytes))
        yield Stored(None, None, int(row["label"]), position, image)


class _Header(NamedTuple):
    page_nbytes: int
    record_count: int
    first_page: int
    table: int


def _read_header(file: ShardFile) -> _Header:
    head = file.read(0, _HEADER.size)
    version, field_count, page_nbytes, count, table = _HEADER.unpack(head)
    if version != _VERSION or field_count != 2:
        raise file.fault(f"is not a beton of version {_VERSION} with image and label")
    if not table:
        raise file.fault("is unfinished: it has no allocation table")
    if page_nbytes & (page_nbytes - 1) or page_nbytes < _MIN_PAGE_NBYTES:
        raise file.fault(f"has pages of {page_nbytes} bytes")
    if file.read(_HEADER.size, len(_FIELDS)) != _FIELDS:
        raise file.fault("has other fields than image (RGBImage) and label (Int)")
    first_page = _Layout(page_nbytes, count).first_page
    end = table + count * _ALLOCATION.itemsize
    if table < first_page or table % page_nbytes or end != file.nbytes:
        raise file.fault(
            f"has {file.nbytes} bytes; {count} records with a table at {table} need {end}"
        )
    return _Header(page_nbytes, count, first_page, table)


def _read_rows(file: ShardFile, count: int) -> NDArray[np.void]:
    return np.frombuffer(file.read(_HEADER.size + len(_FIELDS), count * _ROW.itemsize), _ROW)


def _read_allocations(file: ShardFile, header: _Header) -> NDArray[np.void]:
    """Return the allocations in order of the records, each inside a page and none upon another."""
    packed = file.read(header.table, header.record_count * _ALLOCATION.itemsize)
    table = np.frombuffer(packed, _ALLOCATION)
    position, nbytes = table["position"], table["nbytes"]
    inside = (position >= header.first_page) & (position < header.table)
    inside &= (nbytes > 0) & (nbytes <= header.page_nbytes)
    inside &= position % header.page_nbytes + nbytes <= header.page_nbytes
    if not inside.all():
        raise file.fault(f"allocation {int(np.argmin(inside))} is not inside a page")
    by_position = np.argsort(position, kind="stable")
    ends = (position + nbytes)[by_position]
    if (ends[:-1] > position[by_position][1:]).any():
        raise file.fault("two images overlap")
    by_record = table[np.argsort(table["record"], kind="stable")]
    if (by_record["record"] != np.arange(header.record_count)).any():
        raise file.fault("the allocation table does not have each record once")
    return by_record


def _check_rows(file: ShardFile, rows: NDArray[np.void], allocations: NDArray[np.void]) -> None:
    sizes = rows["width"].astype(np.uint64) * rows["height"] * 3
    sound = rows["position"] == allocations["position"]
    sound &= (rows["mode"] == _JPEG) | (
        (rows["mode"] == _PIXELS) & (sizes == allocations["nbytes"])
    )
    if not sound.all():
        number = int(np.argmin(sound))
        raise file.fault(f"record {number} does not agree with the allocation table")


def split_side_files(split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
    """Return none."""
    del split, shards
    return {}
