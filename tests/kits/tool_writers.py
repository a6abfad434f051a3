"""Files of other tools, each written by its own library, of whatever records."""

import io
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imnet_data.imagenet import labels
from imnet_data.record import Record

Writer = Callable[[Path, Sequence[Record]], None]


def sorted_label(record: Record) -> int:
    return labels.ilsvrc2012_wnids().index(record.wnid)


def tf_scripts(folder: Path, records: Sequence[Record]) -> None:
    """Write what TensorFlow's scripts do, in two files."""
    writer = _tfrecord_writer()
    for number in range(2):
        file = writer(str(folder / f"{folder.name}-{number:05}-of-00002"))
        for record in records[number::2]:
            file.write(
                {
                    "image/class/label": (sorted_label(record) + 1, "int"),
                    "image/class/synset": (record.wnid.encode(), "byte"),
                    "image/encoded": (record.jpeg, "byte"),
                    "image/filename": (f"{record.key}.JPEG".encode(), "byte"),
                }
            )
        file.close()


def tfds(folder: Path, records: Sequence[Record]) -> None:
    """Write what TensorFlow Datasets do, with the files that lie beside."""
    writer = _tfrecord_writer()
    split = {"val": "validation"}.get(folder.name, folder.name)
    file = writer(str(folder / f"imagenet2012-{split}.tfrecord-00000-of-00001"))
    for record in records:
        file.write(
            {
                "file_name": (f"{record.key}.JPEG".encode(), "byte"),
                "image": (record.jpeg, "byte"),
                "label": (sorted_label(record), "int"),
            }
        )
    file.close()
    classes = "".join(f"{wnid}\n" for wnid in labels.ilsvrc2012_wnids())
    (folder / "label.labels.txt").write_text(classes)
    splits = [{"name": split, "shardLengths": [str(len(records))]}]
    about = {"name": "imagenet2012", "version": "5.1.0", "fileFormat": "tfrecord", "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(about))


def _tfrecord_writer() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("tfrecord.writer", reason="tfrecord is not installed")
    return module.TFRecordWriter


def mds(folder: Path, records: Sequence[Record]) -> None:
    """Write the columns that streaming's own converter of ImageNet has, in several shards."""
    streaming = _streaming()
    columns = {"i": "int", "x": "jpeg", "y": "int"}
    with streaming.MDSWriter(out=str(folder), columns=columns, size_limit=40_000) as writer:
        for number, record in enumerate(records):
            writer.write({"i": number, "x": record.jpeg, "y": sorted_label(record)})


def mds_with_names(folder: Path, records: Sequence[Record]) -> None:
    streaming = _streaming()
    columns = {"image": "bytes", "filename": "str", "label": "uint16", "extra": "json"}
    hashes = ["sha1", "xxh64"]
    with streaming.MDSWriter(out=str(folder), columns=columns, hashes=hashes) as writer:
        for record in records:
            name = f"{record.key}.JPEG"
            label = sorted_label(record)
            writer.write(
                {"image": record.jpeg, "filename": name, "label": label, "extra": {"a": 1}}
            )


def _streaming() -> Any:
    return pytest.importorskip("streaming", reason="mosaicml-streaming is not installed")


def litdata_tuples(folder: Path, records: Sequence[Record]) -> None:
    _litdata(folder, [(record.jpeg, sorted_label(record)) for record in records])


def litdata_dicts(folder: Path, records: Sequence[Record]) -> None:
    """Write dicts, which today's LitData puts into Arrow files."""
    _litdata(
        folder,
        [
            {
                "image": record.jpeg,
                "label": sorted_label(record),
                "filename": f"{record.wnid}/{record.key}.JPEG",
            }
            for record in records
        ],
    )


def _litdata(folder: Path, samples: Sequence[object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("litdata.streaming.writer", reason="litdata is not installed")
    writer = module.BinaryWriter(str(folder), chunk_size=30)
    for number, sample in enumerate(samples):
        writer[number] = sample
    writer.done()
    writer.merge()


def caffe_lmdb(folder: Path, records: Sequence[Record]) -> None:
    """Write what Caffe's convert_imageset does, in a few transactions."""
    lmdb = pytest.importorskip("lmdb", reason="lmdb is not installed")
    with lmdb.open(str(folder), map_size=1 << 28) as environment:
        for first in range(0, len(records), 40):
            with environment.begin(write=True) as transaction:
                for number, record in enumerate(records[first : first + 40], first):
                    key = f"{number:08d}_{record.wnid}/{record.key}.JPEG".encode()
                    transaction.put(key, datum(record.jpeg, sorted_label(record)))


def path_lmdb(folder: Path, records: Sequence[Record]) -> None:
    """Write images under their paths."""
    lmdb = pytest.importorskip("lmdb", reason="lmdb is not installed")
    with (
        lmdb.open(str(folder), map_size=1 << 28) as environment,
        environment.begin(write=True) as transaction,
    ):
        for record in records:
            transaction.put(f"{record.wnid}/{record.key}.JPEG".encode(), record.jpeg)


def datum(image: bytes, label: int, *, encoded: bool = True) -> bytes:
    """Return Caffe's Datum as protobuf's own library would write it."""
    head = b"\x08\x03\x10\x07\x18\x07"  # channels, height, width
    varint = b""
    rest = len(image)
    while rest >= 0x80:
        varint, rest = varint + bytes([rest & 0x7F | 0x80]), rest >> 7
    number = bytes([label]) if label < 0x80 else bytes([label & 0x7F | 0x80, label >> 7])
    return (
        head
        + b"\x22"
        + varint
        + bytes([rest])
        + image
        + b"\x28"
        + number
        + b"\x38" * encoded
        + (b"\x01" * encoded)
    )


_FFCV = """
import sys, warnings
warnings.simplefilter("ignore")
import io
import numpy as np
from PIL import Image
from ffcv.fields import FloatField, IntField, RGBImageField
from ffcv.writer import DatasetWriter
folder = sys.argv[1]
import pathlib
items = sorted(pathlib.Path(folder).iterdir(), key=lambda path: int(path.name.partition("_")[0]))
class Images:
    def __len__(self):
        return len(items)
    def __getitem__(self, index):
        pixels = np.asarray(Image.open(items[index]).convert("RGB"))
        return pixels, 0.5, int(items[index].name.partition("_")[2])
for mode, path in zip(("jpg", "raw"), sys.argv[2:]):
    fields = {"picture": RGBImageField(write_mode=mode, jpeg_quality=90), "weight": FloatField(),
              "label": IntField()}
    DatasetWriter(path, fields, num_workers=1).from_indexed_dataset(Images())
"""


def ffcv(jpegs: Path, pixels: Path, records: Sequence[Record]) -> None:
    """Write two betons with one field more; FFCV encodes each image anew."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torch", reason="ffcv needs torch")
        pytest.importorskip("ffcv.fields", reason="ffcv is not installed")
    images = jpegs.parent / f"{jpegs.name}.images"
    images.mkdir()
    for number, record in enumerate(records):
        file = images / f"{number}_{sorted_label(record)}"
        Image.open(io.BytesIO(record.jpeg)).convert("RGB").save(file, "PNG")
    subprocess.run([sys.executable, "-c", _FFCV, images, jpegs, pixels], check=True)
