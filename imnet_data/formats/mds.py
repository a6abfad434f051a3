"""MDS, the format of mosaicml-streaming, with the columns `key`, `wnid`, `x` and `y`.

- u32 number of samples; u32 position of each sample, and of the end; a JSON with the columns, as in
  index.json; the samples.
- A sample has a u32 size of `key`, `wnid` and `x`, then `key` (str), `wnid` (str), `x` (jpeg: the
  file as it is) and `y` (int: i64, the position in the class list; -1 for none).
- Beside the shards of a split lies `index.json`: columns, number of samples and size of each.

`x` and `y` are the columns of streaming's own converter of ImageNet, and of its StreamingImageNet.
An offset is the position of the JPEG in the file. Positions are u32, so a shard has less than
4 GiB. How many samples there are is known at the end only, where some are skipped: then they are
iterated again, as the positions of all depend on it.

Source: mosaicml/streaming, streaming/base/format/mds/{writer,reader,encodings}.py, format/index.py.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

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
ONE_SHARD = False
LABELS = True
PIXELS = False
PACKED = False
SEEKABLE = True
SIDE_SUFFIXES = ()
READERS = ("streaming",)

record_file = None

_COLUMNS = (("key", "str", None), ("wnid", "str", None), ("x", "jpeg", None), ("y", "int", 8))
_SIZES = struct.Struct("<III")
_LABEL = struct.Struct("<q")
_U32 = struct.Struct("<I")
_MAX_NBYTES = (1 << 32) - 1
_NAMES = tuple(name for name, _, _ in _COLUMNS)
_ABOUT: dict[str, Any] = {
    "column_encodings": [encoding for _, encoding, _ in _COLUMNS],
    "column_names": list(_NAMES),
    "column_sizes": [size for _, _, size in _COLUMNS],
    "compression": None,
    "format": "mds",
    "hashes": [],
    "size_limit": _MAX_NBYTES,
    "version": 2,
}


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def shard_name(split: str, index: int, count: int) -> str:
    """Name shard `index`: "train-00000.mds"."""
    del count
    return f"{split}-{index:05d}.mds"


def write(out: Output, samples: Samples) -> NDArray[np.int64]:
    """Write one shard; return the position of each JPEG."""
    count = len(samples)
    with out.path.open("wb") as file:
        while True:
            offsets, ends = _write(file, samples, count)
            if len(offsets) == count:
                break
            count = len(offsets)
        file.truncate(ends[-1])
        file.seek(0)
        file.write(_U32.pack(count) + np.array(ends, "<u4").tobytes())
    return offsets


def _write(file: BinaryIO, samples: Samples, count: int) -> tuple[NDArray[np.int64], list[int]]:
    """Write the samples where they lie if there are `count`; return positions of JPEGs and ends."""
    about = _json(_ABOUT)
    head_nbytes = _U32.size * (count + 2)
    file.seek(head_nbytes)
    file.write(about)
    offsets, ends = [], [head_nbytes + len(about)]
    for sample in samples:
        before, jpeg, after = _pieces(sample)
        end = ends[-1] + len(before) + len(jpeg) + len(after)
        if end > _MAX_NBYTES:
            raise FormatError(
                f"{sample.record.key}: would end at byte {end} of its shard, and MDS counts to "
                f"{_MAX_NBYTES}; choose a smaller --shard-size"
            )
        file.write(before + jpeg + after)
        offsets.append(ends[-1] + len(before))
        ends.append(end)
    return np.array(offsets, np.int64), ends


def _pieces(sample: Sample) -> tuple[bytes, bytes, bytes]:
    record = sample.record
    key, wnid = record.key.encode(), record.wnid.encode()
    sizes = _SIZES.pack(len(key), len(wnid), len(record.jpeg))
    return sizes + key + wnid, record.jpeg, _LABEL.pack(sample.label)


def open(path: Path) -> ExtentShard:
    """Open the shard at `path`."""
    return ExtentShard(path, walk)


def walk(file: ShardFile) -> Iterator[Stored]:
    """Yield the records in order."""
    (count,) = _U32.unpack(file.read(0, _U32.size))
    ends = np.frombuffer(file.read(_U32.size, _U32.size * (count + 1)), "<u4").tolist()
    about, start = _json(_ABOUT), _U32.size * (count + 2)
    if file.read(start, len(about)) != about or ends[0] != start + len(about):
        raise file.fault(f"is no MDS shard with the columns {', '.join(_NAMES)}")
    if ends[-1] != file.nbytes:
        raise file.fault(f"has {file.nbytes} bytes, and says {ends[-1]}")
    for number in range(count):
        content = file.read(ends[number], ends[number + 1] - ends[number])
        sizes = _SIZES.unpack_from(content)
        key_end, wnid_end, jpeg_end = (np.cumsum(sizes) + _SIZES.size).tolist()
        if jpeg_end + _LABEL.size != len(content):
            raise file.fault(f"sample {number} at {ends[number]} has other sizes than its own")
        yield Stored(
            key=content[_SIZES.size : key_end].decode(),
            wnid=content[key_end:wnid_end].decode(),
            label=_LABEL.unpack_from(content, jpeg_end)[0],
            offset=ends[number] + wnid_end,
            image=content[wnid_end:jpeg_end],
        )


def split_side_files(split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
    """Return index.json, which streaming reads first."""
    del split
    described = [
        {
            **_ABOUT,
            "raw_data": {"basename": shard.name, "bytes": shard.nbytes, "hashes": {}},
            "samples": shard.record_count,
            "zip_data": None,
        }
        for shard in shards
    ]
    return {"index.json": _json({"shards": described, "version": 2})}
