"""LMDB: one environment file per shard; key = number of the record, value = header, names, JPEG.

- Key: the number in the shard, from 0, u32 big-endian, so that keys sort as records are ordered.
- Value: i32 label (-1 for none), u32 size of the image, u16 width, u16 height, u8 size of the
  key's text, u8 size of the wnid's, u16 version of this layout (1: a JPEG follows; 2: a packed
  JPEG, which only imnet-data reads), all little-endian; then key and wnid in UTF-8, then the image
  as it is. Nothing is pickled.

An offset is the position of the JPEG in the file, which an LMDB environment keeps in one piece.
Any LMDB binding reads the file: `lmdb.open(path, subdir=False, readonly=True, lock=False)`.

Source: the file's own layout is spelled out in `lmdb_pages`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imnet_data.errors import FormatError
from imnet_data.formats import Stored, lmdb_pages
from imnet_data.formats.extents import ExtentShard, ShardFile
from imnet_data.formats.lmdb_pages import Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.formats import Sample, Samples, ShardSummary
    from imnet_data.machine.files import Output

EXTENTS = True
ONE_SHARD = False
LABELS = True
PIXELS = False
PACKED = True
SEEKABLE = True
SIDE_SUFFIXES = ()
READERS = ("lmdb",)

record_file = None

_HEAD = struct.Struct("<iIHHBBH")
_VERSION = 1  # of the layout, where the image is a JPEG
_PACKED_VERSION = 2  # where it is a packed one
_MAX_NAME_NBYTES = 255


def shard_name(split: str, index: int, count: int) -> str:
    """Name shard `index`: "train-000000.mdb"."""
    del count
    return f"{split}-{index:06d}.mdb"


def write(out: Output, samples: Samples) -> NDArray[np.int64]:
    """Write one environment; return the position of each JPEG."""
    items = (
        Item(struct.pack(">I", number), _before(sample), sample.record.jpeg)
        for number, sample in enumerate(samples)
    )
    return lmdb_pages.write(out.path, items)


def _before(sample: Sample) -> bytes:
    key, wnid, jpeg = (sample.record.key.encode(), sample.record.wnid.encode(), sample.record.jpeg)
    if len(key) > _MAX_NAME_NBYTES or len(wnid) > _MAX_NAME_NBYTES:
        raise FormatError(
            f"{sample.record.key}: key and wnid may have {_MAX_NAME_NBYTES} bytes each in LMDB; "
            "rename the image, or choose another format"
        )
    sizes = (sample.width, sample.height, len(key), len(wnid))
    version = _PACKED_VERSION if sample.is_packed else _VERSION
    return _HEAD.pack(sample.label, len(jpeg), *sizes, version) + key + wnid


def open(path: Path) -> ExtentShard:
    """Open the environment at `path`."""
    return ExtentShard(path, walk)


def walk(file: ShardFile) -> Iterator[Stored]:
    """Yield the records in order."""
    for number, (packed_number, offset, nbytes) in enumerate(lmdb_pages.walk(file)):
        if packed_number != struct.pack(">I", number):
            raise file.fault(f"record {number} has the key {packed_number!r}")
        value = file.read(offset, nbytes)
        label, jpeg_nbytes, _, _, key_nbytes, wnid_nbytes, version = _HEAD.unpack_from(value)
        start = _HEAD.size + key_nbytes + wnid_nbytes
        if version not in (_VERSION, _PACKED_VERSION) or start + jpeg_nbytes != nbytes:
            raise file.fault(f"record {number} at {offset} has a damaged header")
        names = value[_HEAD.size : start]
        key, wnid = names[:key_nbytes].decode(), names[key_nbytes:].decode()
        yield Stored(key, wnid, label, offset + start, value[start:])


def split_side_files(split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
    """Return none."""
    del split, shards
    return {}
