"""Parquet: the columns of Hugging Face's image data sets; nothing is compressed or split.

- Schema, all fields optional: `image` {`bytes`: BYTE_ARRAY, `path`: BYTE_ARRAY (UTF8)}, `label`:
  INT64. `path` is `<key>_<wnid>.JPEG`; without a label it is `<key>.JPEG`, and `label` -1. No value
  is null. The metadata `huggingface` says that `image` is an Image.
- Row groups of 100 rows, the last one of fewer. Of each, the pages of `bytes`, one per image, then
  one page of `path` and one of `label`: data pages of version 1, PLAIN, not compressed, without
  dictionaries and statistics, with a CRC-32.
- The footer has no time, no version of a library and no hash: the same records give the same bytes.

An offset is the position of the JPEG in the file. Reading needs no library either: a header or a
footer that is not what this module writes for the same records is damaged.

Source: apache/parquet-format, README.md, Encodings.md and parquet.thrift; apache/thrift,
thrift-compact-protocol.md; huggingface/datasets, features/features.py.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import FormatError
from imnet_data.formats import Stored, thrift
from imnet_data.formats.extents import ExtentShard, ShardFile
from imnet_data.formats.thrift import Field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.formats import Sample, Samples, ShardSummary
    from imnet_data.machine.files import Output

EXTENTS = True
ONE_SHARD = False
LABELS = True
PIXELS = False
PACKED = False
SEEKABLE = True
SIDE_SUFFIXES = ()
READERS = ("pyarrow",)

record_file = None

GROUP_ROWS = 100  # as `datasets` has it for images

_MAGIC = b"PAR1"
_OF_OURS = "as it is described in docs/formats/parquet.md"
_SUFFIX = ".JPEG"
_MAX_IMAGE_NBYTES = (1 << 31) - 64  # sizes of pages are signed 32-bit integers
_INT64, _BYTE_ARRAY = 2, 6
_PLAIN, _RLE = 0, 3
_MOST_HEADER_NBYTES = 40  # of a page
_PAGE_BEGIN = [Field(1, 0)]  # a data page of version 1
_LENGTH = struct.Struct("<I")
_END = struct.Struct("<I4s")  # size of the footer's text, and the magic
_CREATED_BY = "imnet-data version 1 (build parquet)"
_FEATURES = (
    '{"info": {"features": {"image": {"_type": "Image"}, '
    '"label": {"dtype": "int64", "_type": "Value"}}}}'
)


class _Column(NamedTuple):
    path: tuple[str, ...]
    kind: int
    max_level: int  # definition level of a value that is there


_COLUMNS = (
    _Column(("image", "bytes"), _BYTE_ARRAY, 2),
    _Column(("image", "path"), _BYTE_ARRAY, 2),
    _Column(("label",), _INT64, 1),
)


class _Chunk(NamedTuple):
    """Where the pages of one column of a row group lie."""

    start: int
    nbytes: int

    @property
    def end(self) -> int:
        return self.start + self.nbytes


class _Group(NamedTuple):
    row_count: int
    chunks: tuple[_Chunk, ...]  # as `_COLUMNS`


def shard_name(split: str, index: int, count: int) -> str:
    """Name shard `index`: "train-00000-of-00294.parquet"."""
    return f"{split}-{index:05d}-of-{count:05d}.parquet"


def write(out: Output, samples: Samples) -> NDArray[np.int64]:
    """Write one file; return the position of each JPEG."""
    offsets = array("q")
    groups: list[_Group] = []
    names: list[bytes] = []
    labels: list[int] = []
    start = out.append(_MAGIC) + len(_MAGIC)
    for sample in samples:
        if len(names) == GROUP_ROWS:
            groups.append(_end_group(out, start, names, labels))
            start, names, labels = out.nbytes, [], []
        offsets.append(_append_image(out, sample))
        names.append(_name(sample))
        labels.append(sample.label)
    if names:
        groups.append(_end_group(out, start, names, labels))
    footer = _footer(groups)
    out.append(footer, _END.pack(len(footer), _MAGIC))
    return np.array(offsets, np.int64)


def _name(sample: Sample) -> bytes:
    record = sample.record
    stem = f"{record.key}_{record.wnid}" if record.wnid else record.key
    return f"{stem}{_SUFFIX}".encode()


def _append_image(out: Output, sample: Sample) -> int:
    jpeg = sample.record.jpeg
    if len(jpeg) > _MAX_IMAGE_NBYTES:
        raise FormatError(
            f"{sample.record.key}: has {len(jpeg)} bytes, more than a page of Parquet can have; "
            "take another format"
        )
    before = _levels(1, _COLUMNS[0]) + _LENGTH.pack(len(jpeg))
    header = _page_header((before, jpeg), 1)
    return out.append(header, before, jpeg) + len(header) + len(before)


def _end_group(out: Output, start: int, names: list[bytes], labels: list[int]) -> _Group:
    """Write the other columns of a row group whose images begin at `start`."""
    chunks = [_Chunk(start, out.nbytes - start)]
    for column, values in zip(_COLUMNS[1:], (_byte_arrays(names), _int64s(labels)), strict=True):
        content = _levels(len(names), column) + values
        header = _page_header((content,), len(names))
        chunks.append(_Chunk(out.append(header, content), len(header) + len(content)))
    return _Group(len(names), tuple(chunks))


def _byte_arrays(values: list[bytes]) -> bytes:
    return b"".join(_LENGTH.pack(len(value)) + value for value in values)


def _int64s(values: list[int]) -> bytes:
    return np.array(values, "<i8").tobytes()


def _levels(count: int, column: _Column) -> bytes:
    """Return the definition levels of `count` values that are all there: one run."""
    run = thrift.varint(count << 1) + bytes([column.max_level])
    return _LENGTH.pack(len(run)) + run


def _page_header(content: tuple[bytes, ...], count: int) -> bytes:
    nbytes, checksum = sum(map(len, content)), 0
    for piece in content:
        checksum = zlib.crc32(piece, checksum)
    signed = checksum - (checksum >> 31 << 32)
    sizes = [Field(2, nbytes), Field(3, nbytes), Field(4, signed)]
    return thrift.struct([*_PAGE_BEGIN, *sizes, *_page_end(count)])


def _page_end(count: int) -> list[Field]:
    return [Field(5, [Field(1, count), Field(2, _PLAIN), Field(3, _RLE), Field(4, _RLE)])]


def _footer(groups: Sequence[_Group]) -> bytes:
    rows = sum(group.row_count for group in groups)
    metadata = ([Field(1, "huggingface"), Field(2, _FEATURES)],)
    return thrift.struct(
        [
            *_FOOTER_BEGIN,
            Field(3, rows, is_wide=True),
            Field(4, tuple(map(_row_group, groups))),
            Field(5, metadata),
            Field(6, _CREATED_BY),
        ]
    )


def _row_group(group: _Group) -> list[Field]:
    columns = tuple(
        _column_chunk(column, chunk, group.row_count)
        for column, chunk in zip(_COLUMNS, group.chunks, strict=True)
    )
    nbytes = sum(chunk.nbytes for chunk in group.chunks)
    return [
        Field(1, columns),
        Field(2, nbytes, is_wide=True),
        Field(3, group.row_count, is_wide=True),
    ]


def _column_chunk(column: _Column, chunk: _Chunk, count: int) -> list[Field]:
    metadata = [
        Field(1, column.kind),
        Field(2, (_PLAIN, _RLE)),
        Field(3, column.path),
        Field(4, 0),  # not compressed
        Field(5, count, is_wide=True),
        Field(6, chunk.nbytes, is_wide=True),
        Field(7, chunk.nbytes, is_wide=True),
        Field(9, chunk.start, is_wide=True),
    ]
    return [Field(2, chunk.start, is_wide=True), Field(3, metadata)]


def _schema() -> tuple[list[Field], ...]:
    optional, utf8 = 1, 0
    return (
        [Field(4, "schema"), Field(5, 2)],
        [Field(3, optional), Field(4, "image"), Field(5, 2)],
        [Field(1, _BYTE_ARRAY), Field(3, optional), Field(4, "bytes")],
        [Field(1, _BYTE_ARRAY), Field(3, optional), Field(4, "path"), Field(6, utf8)],
        [Field(1, _INT64), Field(3, optional), Field(4, "label")],
    )


_FOOTER_BEGIN = [Field(1, 2), Field(2, _schema())]


def open(path: Path) -> ExtentShard:
    """Open the file at `path`."""
    return ExtentShard(path, walk)


def walk(file: ShardFile) -> Iterator[Stored]:
    """Yield the records in order."""
    if file.read(0, len(_MAGIC)) != _MAGIC:
        raise file.fault(f"is no Parquet file {_OF_OURS}")
    footer_nbytes, magic = _END.unpack(file.read(file.nbytes - _END.size, _END.size))
    footer_start = file.nbytes - _END.size - footer_nbytes
    footer = file.read(footer_start, footer_nbytes)
    begin = thrift.struct(_FOOTER_BEGIN)[:-1]
    if magic != _MAGIC or not footer.startswith(begin):
        raise file.fault(f"is no Parquet file {_OF_OURS}, or its end is damaged")
    row_count, _ = thrift.read_integer(footer, len(begin) + 1)
    pages, groups = _Pages(file, len(_MAGIC)), []
    for first in range(0, row_count, GROUP_ROWS):
        count = min(GROUP_ROWS, row_count - first)
        group: list[_Chunk] = []
        yield from _read_group(pages, count, group)
        groups.append(_Group(count, tuple(group)))
    if pages.position != footer_start or footer != _footer(groups):
        raise file.fault("its footer is damaged, or is not that of its pages")
    file.read(footer_start, footer_nbytes + _END.size)  # the file is seen to its end


def _read_group(pages: _Pages, count: int, chunks: list[_Chunk]) -> Iterator[Stored]:
    """Yield the records of a row group; append its chunks."""
    images, (of_bytes, of_path, of_label) = [], _COLUMNS
    start = pages.position
    for _ in range(count):
        content = pages.read(of_bytes, 1)
        ((begin, end),) = _places(content, 1)
        images.append((pages.position - len(content) + begin, content[begin:end]))
    chunks.append(_Chunk(start, pages.position - start))
    names = pages.read(of_path, count)
    chunks.append(_Chunk(chunks[-1].end, pages.position - chunks[-1].end))
    labels = np.frombuffer(pages.read(of_label, count), "<i8", count).tolist()
    chunks.append(_Chunk(chunks[-1].end, pages.position - chunks[-1].end))
    places = _places(names, count)
    for (offset, image), (begin, end), label in zip(images, places, labels, strict=True):
        key, wnid = _parsed(names[begin:end].decode(), label)
        yield Stored(key, wnid, label, offset, image)


def _places(content: bytes, count: int) -> list[tuple[int, int]]:
    """Return begin and end of each value of a page of byte arrays.

    Raises:
        ValueError: if they are more, or less, than the content.
    """
    places, at = [], 0
    for _ in range(count):
        (nbytes,) = _LENGTH.unpack_from(content, at)
        places.append((at + _LENGTH.size, at + _LENGTH.size + nbytes))
        at = places[-1][1]
    if at != len(content):
        raise ValueError(f"{count} values end at {at} of {len(content)} bytes")
    return places


def _parsed(name: str, label: int) -> tuple[str, str]:
    """Return key and wnid of a path."""
    stem, suffix = name[: -len(_SUFFIX)], name[-len(_SUFFIX) :]
    if suffix != _SUFFIX:
        raise ValueError(f"the path {name!r}")
    if label < 0:
        return stem, ""
    key, _, wnid = stem.rpartition("_")
    return key, wnid


class _Pages:
    """The pages of a file, one after another."""

    def __init__(self, file: ShardFile, position: int) -> None:
        self.position = position
        self._file = file

    def read(self, column: _Column, count: int) -> bytes:
        """Return the values of a page of `count`; all of it is what `write` would write."""
        start = self.position
        head = self._file.read(start, min(_MOST_HEADER_NBYTES, self._file.nbytes - start))
        nbytes, at = thrift.read_integer(head, len(thrift.struct(_PAGE_BEGIN)))
        for _ in range(2):  # the same once more, and the CRC-32
            _, at = thrift.read_integer(head, at + 1)
        header_nbytes = at + len(thrift.struct(_page_end(count)))
        content = self._file.read(start + header_nbytes, nbytes)
        levels, header = _levels(count, column), _page_header((content,), count)
        if head[:header_nbytes] != header or not content.startswith(levels):
            raise self._file.fault(f"the page at {start} is damaged")
        self.position += header_nbytes + nbytes
        return content[len(levels) :]


def split_side_files(split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
    """Return none."""
    del split, shards
    return {}
