"""TFRecord: one `tf.train.Example` per record, with the feature names of TensorFlow's ImageNet.

- Record: u64 size, u32 masked CRC-32C of these 8 bytes, the Example, u32 masked CRC-32C of it.
- Features, sorted by name: image/{encoded, format "JPEG", colorspace "RGB", channels 3, height,
  width, filename = key + ".JPEG"}, image/class/{label, synset, text} where there is a label, and
  image/object/bbox/{xmin, xmax, ymin, ymax, label} where there are boxes. In DET and VID the label
  of a box is its class's number there (from 1), also image/object/class/label, and its wnid is
  image/object/class/text, as TensorFlow's detection API has them; `image/scene` is the JSON of all
  that is published besides.
- A packed JPEG, which only imnet-data reads, is in image/packed, and there is no image/encoded.
- Labels follow the convention `tf`: position among the sorted wnids + 1, as 0 is a background.
- A box is divided by the image's width and height and cut to 0..1, in float32.

An offset is the position of the JPEG in the file. Beside each shard lies DALI's index, one line
`<position> <size>` per record. val is called validation, as TensorFlow's input pipelines want it.

Source: tensorflow/tensorflow, core/lib/io/record_writer.h and core/example/example.proto;
tensorflow/models, research/slim/datasets/build_imagenet_data.py; NVIDIA/DALI, tools/tfrecord2idx.
"""

from __future__ import annotations

import json
import struct
from array import array
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.formats import Stored, crc32c, protobuf
from imnet_data.formats.extents import ExtentShard, ShardFile
from imnet_data.imagenet import labels
from imnet_data.imagenet.detection import DET, VID, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.formats import Sample, Samples, ShardSummary
    from imnet_data.formats.protobuf import Field
    from imnet_data.machine.files import Output
    from imnet_data.record import Box, Scene

EXTENTS = True
ONE_SHARD = False
LABELS = True
PIXELS = False
PACKED = True
SEEKABLE = True
SIDE_SUFFIXES = (".idx",)
READERS = ("tfrecord", "DALI")

record_file = None

_HEAD_NBYTES, _TAIL_NBYTES = 12, 4
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_SUFFIX = ".JPEG"
_IMAGE, _PACKED_IMAGE = "image/encoded", "image/packed"
_FILE_SPLITS = {"val": "validation"}
_encode = json.JSONEncoder(separators=(",", ":")).encode


def shard_name(split: str, index: int, count: int) -> str:
    """Name shard `index`: "train-00000-of-00012"."""
    return f"{_FILE_SPLITS.get(split, split)}-{index:05d}-of-{count:05d}"


def write(out: Output, samples: Samples) -> NDArray[np.int64]:
    """Write one file of records and DALI's index; return the position of each JPEG."""
    offsets, lines = array("q"), []
    for sample in samples:
        example, image_start = _example(sample)
        size = struct.pack("<Q", len(example))
        position = out.append(size + _crc(size), example, _crc(example))
        offsets.append(position + _HEAD_NBYTES + image_start)
        lines.append(f"{position} {out.nbytes - position}\n")
    out.side_files[".idx"] = "".join(lines).encode()
    return np.array(offsets, np.int64)


def _crc(content: bytes) -> bytes:
    return struct.pack("<I", crc32c.masked(content))


def _example(sample: Sample) -> tuple[bytes, int]:
    """Return the serialised Example, and where in it the JPEG starts."""
    before: list[bytes] = []
    after: list[bytes] = []
    image_name = _PACKED_IMAGE if sample.is_packed else _IMAGE
    for name, feature in sorted(_features(sample, image_name).items()):
        entry = protobuf.delimited(1, name.encode()) + protobuf.delimited(2, feature)
        (before if name <= image_name else after).append(protobuf.delimited(1, entry))
    nbytes = sum(len(entry) for entry in before)
    head = protobuf.head(1, nbytes + sum(len(entry) for entry in after))
    # the image is the innermost and last value of its entry, which is the last before
    start = len(head) + nbytes - len(sample.record.jpeg)
    return b"".join([head, *before, *after]), start


def _features(sample: Sample, image_name: str) -> dict[str, bytes]:
    record = sample.record
    features = {
        image_name: _bytes_list(record.jpeg),
        "image/channels": _int64_list([3]),
        "image/colorspace": _bytes_list(b"RGB"),
        "image/filename": _bytes_list(f"{record.key}{_SUFFIX}".encode()),
        "image/format": _bytes_list(b"packed JPEG" if sample.is_packed else b"JPEG"),
        "image/height": _int64_list([sample.height]),
        "image/width": _int64_list([sample.width]),
    }
    if sample.label >= 0:
        features["image/class/label"] = _int64_list([sample.label + 1])
        features["image/class/synset"] = _bytes_list(record.wnid.encode())
        words = labels.words_of().get(record.wnid)
        if words is not None:
            features["image/class/text"] = _bytes_list(words.encode())
    if record.boxes:
        features |= _boxes(record.boxes, sample.width, sample.height)
        features["image/object/bbox/label"] = _int64_list([sample.label + 1] * len(record.boxes))
    if record.scene is not None:
        features |= _scene(record.scene)
    return features


def _scene(scene: Scene) -> dict[str, bytes]:
    features = {"image/scene": _bytes_list(_encode(scene.to_json()).encode())}
    if scene.objects:
        task = VID if scene.snippet else DET
        numbers = _int64_list([number_of(task)[each.wnid] for each in scene.objects])
        wnids = b"".join(protobuf.delimited(1, each.wnid.encode()) for each in scene.objects)
        features["image/object/bbox/label"] = features["image/object/class/label"] = numbers
        features["image/object/class/text"] = protobuf.delimited(_BYTES_LIST, wnids)
    return features


def _boxes(boxes: Sequence[Box], width: int, height: int) -> dict[str, bytes]:
    columns = np.array(boxes, np.float64) / [width, height, width, height]
    shares = np.clip(columns, 0, 1).astype("<f4")
    return {
        f"image/object/bbox/{side}": _feature(_FLOAT_LIST, shares[:, column].tobytes())
        for column, side in enumerate(("xmin", "ymin", "xmax", "ymax"))
    }


def _bytes_list(value: bytes) -> bytes:
    return _feature(_BYTES_LIST, value)


def _int64_list(values: Sequence[int]) -> bytes:
    return _feature(_INT64_LIST, b"".join(protobuf.varint(value) for value in values))


def _feature(kind: int, content: bytes) -> bytes:
    return protobuf.delimited(kind, protobuf.delimited(1, content))


def open(path: Path) -> ExtentShard:
    """Open the file of records at `path`."""
    return ExtentShard(path, walk)


def walk(file: ShardFile) -> Iterator[Stored]:
    """Yield the records in order."""
    for number, (start, nbytes) in enumerate(_extents(file)):
        content = file.read(start, nbytes + _TAIL_NBYTES)
        example, crc = content[:nbytes], content[nbytes:]
        if crc != _crc(example):
            raise file.fault(f"record {number} at {start} does not have its checksum")
        lists = _parse_example(example)
        image = _single(lists, _PACKED_IMAGE if _PACKED_IMAGE in lists else _IMAGE, example)
        filename = _text(lists, "image/filename", example)
        label, wnid = -1, ""
        if "image/class/label" in lists:
            field = lists["image/class/label"]
            value, _ = protobuf.read_varint(example, field.start, field.stop)
            label, wnid = value - 1, _text(lists, "image/class/synset", example)
        yield Stored(
            key=filename.removesuffix(_SUFFIX),
            wnid=wnid,
            label=label,
            offset=start + image.start,
            image=example[image.start : image.stop],
        )


def _extents(file: ShardFile) -> Iterator[tuple[int, int]]:
    """Yield the position and size of each Example; their heads are read, they are not."""
    position = number = 0
    while position < file.nbytes:
        head = file.read(position, _HEAD_NBYTES)
        if head[8:] != _crc(head[:8]):
            raise file.fault(f"record {number} at {position} does not have its size's checksum")
        nbytes = int.from_bytes(head[:8], "little")
        yield position + _HEAD_NBYTES, nbytes
        position += _HEAD_NBYTES + nbytes + _TAIL_NBYTES
        number += 1
    if position > file.nbytes:
        raise file.fault(f"ends within record {number - 1}")


def _parse_example(example: bytes) -> dict[str, Field]:
    """Return each feature's values: the field that holds them, or the last of several."""
    lists = {}
    for features in protobuf.fields(example, 0, len(example)):
        for entry in protobuf.fields(example, features.start, features.stop):
            key, feature = protobuf.fields(example, entry.start, entry.stop)
            name = example[key.start : key.stop].decode()
            for kind in protobuf.fields(example, feature.start, feature.stop):
                for values in protobuf.fields(example, kind.start, kind.stop):
                    lists[name] = values
    return lists


def _single(lists: Mapping[str, Field], name: str, example: bytes) -> Field:
    if name not in lists or lists[name].value is not None:
        raise ValueError(f"an Example of {len(example)} bytes has no {name}")
    return lists[name]


def _text(lists: Mapping[str, Field], name: str, example: bytes) -> str:
    field = _single(lists, name, example)
    return example[field.start : field.stop].decode()


def split_side_files(split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
    """Return none."""
    del split, shards
    return {}
