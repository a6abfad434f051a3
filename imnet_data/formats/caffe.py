"""Caffe's LMDB of `Datum` messages, which DALI's `fn.readers.caffe` reads; one folder per split.

- Key: the number in the shard in eight digits, `_`, the record's key.
- Value: the protocol buffer `Datum` with 4 data (the JPEG), 5 label and 7 encoded (true), in this
  order, as Caffe's `convert_imageset -encoded` writes it; no label field where there is no label.

A wnid is not held. An offset is the position of the JPEG in the file. Caffe and DALI name an LMDB
by the folder of its `data.mdb`, so a split is one shard of this name by default; for the others a
folder with a link named `data.mdb` does.

Source: BVLC/caffe, src/caffe/proto/caffe.proto and tools/convert_imageset.cpp; `lmdb_pages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.errors import FormatError
from imnet_data.formats import Stored, lmdb_pages, protobuf
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
ONE_SHARD = True
LABELS = True
PIXELS = False
PACKED = False
SEEKABLE = True
SIDE_SUFFIXES = ()
READERS = ("lmdb", "DALI")

record_file = None

_DATA, _LABEL, _ENCODED = 4, 5, 7
_MAX_COUNT = 10**8  # eight digits keep the keys in order


def shard_name(split: str, index: int, count: int) -> str:
    """Name shard `index`: "data.mdb" if it is the only one, else "train-000000.mdb"."""
    return "data.mdb" if count == 1 else f"{split}-{index:06d}.mdb"


def write(out: Output, samples: Samples) -> NDArray[np.int64]:
    """Write one environment; return the position of each JPEG."""
    if len(samples) > _MAX_COUNT:
        raise FormatError(
            f"{out.path}: Caffe's keys count to {_MAX_COUNT} records; split it into shards"
        )
    items = (_item(number, sample) for number, sample in enumerate(samples))
    return lmdb_pages.write(out.path, items)


def _item(number: int, sample: Sample) -> Item:
    jpeg = sample.record.jpeg
    label = protobuf.integer(_LABEL, sample.label) if sample.label >= 0 else b""
    key = f"{number:08d}_{sample.record.key}".encode()
    after = label + protobuf.integer(_ENCODED, 1)
    return Item(key, protobuf.head(_DATA, len(jpeg)), jpeg, after)


def open(path: Path) -> ExtentShard:
    """Open the environment at `path`."""
    return ExtentShard(path, walk)


def walk(file: ShardFile) -> Iterator[Stored]:
    """Yield the records in order."""
    for number, (packed_key, offset, nbytes) in enumerate(lmdb_pages.walk(file)):
        digits, _, key = packed_key.decode().partition("_")
        if digits != f"{number:08d}":
            raise file.fault(f"record {number} has the key {packed_key!r}")
        value = file.read(offset, nbytes)
        by_number = {field.number: field for field in protobuf.fields(value, 0, nbytes)}
        if _DATA not in by_number or by_number.keys() - {_DATA, _LABEL, _ENCODED}:
            raise file.fault(f"record {key} at {offset} is not a Datum with an encoded image")
        label = by_number[_LABEL].value if _LABEL in by_number else -1
        data = by_number[_DATA]
        if label is None or data.value is not None or by_number[_ENCODED].value != 1:
            raise file.fault(f"record {key} at {offset} is not a Datum with an encoded image")
        yield Stored(key, None, label, offset + data.start, value[data.start : data.stop])


def split_side_files(split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
    """Return none."""
    del split, shards
    return {}
