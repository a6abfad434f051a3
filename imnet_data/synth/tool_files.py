"""Files of other tools: train and val, in the layouts that `sources.tools` reads."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from imnet_data.archives.parquet import import_pyarrow
from imnet_data.formats import Sample, beton, caffe, crc32c, protobuf, tfrecord
from imnet_data.imagenet import labels
from imnet_data.machine.files import Output
from imnet_data.record import Record
from imnet_data.synth.archives import tar_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from imnet_data.formats import Format
    from imnet_data.synth.layout import Layout, Picture, Slot

    Draw = Callable[[Slot], Picture]
    Writer = Callable[[Path, Layout, Draw], None]

_NAMES = {"val": "validation"}


def samples(layout: Layout, draw: Draw) -> Iterator[tuple[str, list[Sample]]]:
    """Yield each split, and its images with labels by the 1000 sorted wnids; train not by class."""
    label_of = {wnid: label for label, wnid in enumerate(labels.ilsvrc2012_wnids())}
    train = [slot for label in range(len(layout.classes)) for slot in layout.train(label)]
    for split, slots in (("train", train[::2] + train[1::2]), ("val", list(layout.val()))):
        found = []
        for slot in slots:
            picture, wnid = draw(slot), layout.classes[slot.label]
            record = Record(slot.key, wnid, picture.data)
            found.append(Sample(record, label_of[wnid], picture.width, picture.height))
        yield split, found


def _shard(module: Format, path: Path, written: Sequence[Sample]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Output(path) as out:
        module.write(out, list(written))
        out.hexdigest()


def _tf_scripts(out: Path, layout: Layout, draw: Draw) -> None:
    for split, found in samples(layout, draw):
        for number in range(2):
            name = f"{_NAMES.get(split, split)}-{number:05}-of-00002"
            _shard(tfrecord, out / name, found[number::2])


def _tfds(out: Path, layout: Layout, draw: Draw) -> None:
    splits = []
    for split, found in samples(layout, draw):
        name = _NAMES.get(split, split)
        splits.append({"name": name, "shardLengths": [str(len(found))]})
        content = b"".join(map(_tfds_record, found))
        (out / f"imagenet2012-{name}.tfrecord-00000-of-00001").write_bytes(content)
    about = {"name": "imagenet2012", "version": "5.1.0", "fileFormat": "tfrecord", "splits": splits}
    (out / "dataset_info.json").write_text(json.dumps(about))
    wnids = "".join(f"{wnid}\n" for wnid in labels.ilsvrc2012_wnids())
    (out / "label.labels.txt").write_text(wnids)


def _tfds_record(sample: Sample) -> bytes:
    values = {
        "file_name": (1, f"{sample.record.key}.JPEG".encode()),
        "image": (1, sample.record.jpeg),
        "label": (3, protobuf.varint(sample.label)),
    }
    example = b""
    for name, (kind, content) in values.items():
        feature = protobuf.delimited(kind, protobuf.delimited(1, content))
        entry = protobuf.delimited(1, name.encode()) + protobuf.delimited(2, feature)
        example += protobuf.delimited(1, entry)
    example = protobuf.delimited(1, example)
    size = struct.pack("<Q", len(example))
    return size + _crc(size) + example + _crc(example)


def _crc(content: bytes) -> bytes:
    return struct.pack("<I", crc32c.masked(content))


def _beton(out: Path, layout: Layout, draw: Draw) -> None:
    for split, found in samples(layout, draw):
        _shard(beton, out / f"{split}_500_0.50_90.ffcv", found)


def _lmdb(out: Path, layout: Layout, draw: Draw) -> None:
    for split, found in samples(layout, draw):
        named = [
            sample._replace(
                record=sample.record._replace(key=f"{sample.record.wnid}/{sample.record.key}.JPEG")
            )
            for sample in found
        ]
        _shard(caffe, out / f"ilsvrc12_{split}_lmdb" / "data.mdb", named)


def _mds(out: Path, layout: Layout, draw: Draw) -> None:
    about = {
        "column_encodings": ["int", "jpeg", "int"],
        "column_names": ["i", "x", "y"],
        "column_sizes": [8, None, 8],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": 1 << 26,
        "version": 2,
    }
    head = json.dumps(about, sort_keys=True).encode()
    for split, found in samples(layout, draw):
        pieces = [
            struct.pack("<Iq", len(each.record.jpeg), number)
            + each.record.jpeg
            + struct.pack("<q", each.label)
            for number, each in enumerate(found)
        ]
        content = _positions(pieces, after=head) + head + b"".join(pieces)
        raw = {"basename": "shard.00000.mds", "bytes": len(content), "hashes": {}}
        shard = {**about, "raw_data": raw, "samples": len(found), "zip_data": None}
        (out / split).mkdir()
        (out / split / "shard.00000.mds").write_bytes(content)
        (out / split / "index.json").write_text(json.dumps({"shards": [shard], "version": 2}))


def _litdata(out: Path, layout: Layout, draw: Draw) -> None:
    leaf: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
    spec = {"type": "builtins.tuple", "context": "null", "children_spec": [leaf, leaf]}
    config = {
        "compression": None,
        "data_format": ["bytes", "int"],
        "data_spec": json.dumps([1, spec]),
        "encryption": None,
        "item_loader": "PyTreeLoader",
    }
    for split, found in samples(layout, draw):
        pieces = [
            struct.pack("<II", len(each.record.jpeg), 8)
            + each.record.jpeg
            + struct.pack("<q", each.label)
            for each in found
        ]
        content = _positions(pieces) + b"".join(pieces)
        chunk = {
            "chunk_bytes": len(content),
            "chunk_size": len(found),
            "dim": None,
            "filename": "chunk-0-0.bin",
        }
        (out / split).mkdir()
        (out / split / "chunk-0-0.bin").write_bytes(content)
        index = {"chunks": [chunk], "config": config, "updated_at": "0"}
        (out / split / "index.json").write_text(json.dumps(index))


def _positions(pieces: Sequence[bytes], *, after: bytes = b"") -> bytes:
    """Return u32 number of pieces, and u32 position of each and of the end."""
    first = 4 * (len(pieces) + 2) + len(after)
    ends = np.cumsum([first, *map(len, pieces)]).astype("<u4")
    return struct.pack("<I", len(pieces)) + ends.tobytes()


def _webdataset(out: Path, layout: Layout, draw: Draw) -> None:
    splits = {}
    for split, found in samples(layout, draw):
        name = _NAMES.get(split, split)
        file = f"imagenet1k-{name}-0000.tar"
        with tar_file(out / file) as tar:
            for each in found:
                key = each.record.key
                about = {"label": each.label, "width": each.width, "height": each.height}
                tar.add(f"{key}.cls", str(each.label).encode())
                tar.add(f"{key}.jpg", each.record.jpeg)
                tar.add(f"{key}.json", json.dumps(about | {"filename": f"{key}.JPEG"}).encode())
        splits[name] = {
            "name": name,
            "filenames": [file],
            "shard_lengths": [len(found)],
            "num_samples": len(found),
        }
    (out / "info.json").write_text(json.dumps({"splits": splits}))


def _parquet(out: Path, layout: Layout, draw: Draw) -> None:
    arrow = import_pyarrow()
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    schema = arrow.schema([("image", image), ("label", arrow.int64())])
    (out / "data").mkdir()
    for split, found in samples(layout, draw):
        columns = {
            "image": [
                {
                    "bytes": each.record.jpeg,
                    "path": f"{each.record.key}_{each.record.wnid}.JPEG",
                }
                for each in found
            ],
            "label": [each.label for each in found],
        }
        file = out / "data" / f"{_NAMES.get(split, split)}-00000-of-00001.parquet"
        arrow.parquet.write_table(arrow.table(columns, schema=schema), file)


TOOLS: dict[str, Writer] = {
    "parquet": _parquet,
    "webdataset": _webdataset,
    "tfrecord": _tf_scripts,
    "tfds": _tfds,
    "beton": _beton,
    "mds": _mds,
    "litdata": _litdata,
    "lmdb": _lmdb,
}
