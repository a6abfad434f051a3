"""TFRecord files of TensorFlow's scripts and of TensorFlow Datasets.

    train-00000-of-01024                         build_imagenet_data.py, imagenet_to_gcs.py
    imagenet2012-train.tfrecord-00000-of-01024   TFDS; beside it label.labels.txt, dataset_info.json

A record is an Example with `image/encoded` (the scripts) or `image` (TFDS). The wnid is
`image/class/synset`, else that of `image/filename` or `file_name`; the integer, `image/class/label`
or `label`, is one of the classes in label.labels.txt, or of --labels. The scripts count from 1 with
the sorted wnids (`tf`), TFDS counts them from 0; as others count otherwise, neither is taken for
granted.

Only heads are read to list the records. The checksum of a record is compared when its image is
read.

Source: tensorflow/tensorflow, core/lib/io/record_writer.h and core/example/example.proto;
tensorflow/models, research/slim/datasets/build_imagenet_data.py; tensorflow/datasets,
core/naming.py, core/features/class_label_feature.py and image_classification/imagenet.py.
"""

from __future__ import annotations

import bisect
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives.containers import FIRST_NBYTES
from imnet_data.archives.joined import REMEDY
from imnet_data.errors import SourceError
from imnet_data.formats import crc32c, protobuf
from imnet_data.imagenet.labels import is_wnid
from imnet_data.sources.tools import numbering, parts
from imnet_data.sources.tools.images import Found, Images, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from imnet_data.formats.extents import ShardFile
    from imnet_data.formats.protobuf import Field

WHAT = "TFRecord files"
splits_of = parts.splits_of_files

_NAME = re.compile(r".*\.tfrecords?([-.]\d.*)?|[^.]+-\d{5}-of-\d{5}")
_LABELS, _INFO = "label.labels.txt", "dataset_info.json"
_HEAD_NBYTES, _TAIL_NBYTES = 12, 4
_WINDOW_NBYTES = 1 << 14
_MAX_NAME_NBYTES = 1 << 10
_IMAGES = ("image/encoded", "image")
_NAMES = ("image/filename", "file_name")
_NUMBERS = ("image/class/label", "label")
_SYNSET = "image/class/synset"


def files_among(files: Sequence[Path], *, alone: bool) -> list[Path]:
    """Return those that are called as TFRecord files; a file alone may begin as one."""
    named = [path for path in files if _NAME.fullmatch(path.name)]
    return named or [path for path in files if alone and _is_tfrecord(path)]


def _is_tfrecord(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD_NBYTES)
    return len(head) == _HEAD_NBYTES and _is_whole(head[:8], head[8:])


def _is_whole(content: bytes, checksum: bytes) -> bool:
    return crc32c.masked(content) == int.from_bytes(checksum, "little")


def opened(paths: Sequence[Path], *, split: str | None, labels: str | None) -> TfRecords:
    """Open the files as one container."""
    beside = {folder: _beside(folder, labels) for folder in {path.parent for path in paths}}
    found = []
    for path, named in zip(paths, splits_of(paths), strict=True):
        known = beside[path.parent]
        of_split = parts.require_split(path, named or split)
        count = known.counts.get(path.name)
        found.append(Part(path, of_split, known.numbering, count))
    return TfRecords(found, walk)


class _Beside(NamedTuple):
    """What TFDS writes beside its files."""

    numbering: numbering.Numbering | None
    counts: dict[str, int]  # file name -> records


def _beside(folder: Path, labels: str | None) -> _Beside:
    names, path = None, folder / _LABELS
    if path.is_file():
        names = path.read_text("utf-8", "replace").split("\n")
        names = names[:-1] if names[-1] == "" else names
    return _Beside(numbering.agreed(labels, names, where=str(path)), _counts(folder / _INFO))


def _counts(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    counts = {}
    try:
        about = json.loads(path.read_bytes())
        name, suffix = about["name"], about.get("fileFormat", "tfrecord")
        for split in about["splits"]:
            lengths = split["shardLengths"]
            for number, length in enumerate(lengths):
                file = f"{name}-{split['name']}.{suffix}-{number:05}-of-{len(lengths):05}"
                counts[file] = int(length)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(
            f"{path}: is damaged ({error!r}); download it again, or take it away"
        ) from error
    return counts


class TfRecords(Images):
    """The images of TFRecord files, each compared with the checksum of its record."""

    def read(self, place: int, nbytes: int) -> bytes:
        """Return an image.

        Raises:
            SourceError: if its record does not have its checksum.
        """
        start = self.records[bisect.bisect_right(self.records, place) - 1]
        head = super().read(start, _HEAD_NBYTES)
        size = int.from_bytes(head[:8], "little")
        content = super().read(start + _HEAD_NBYTES, size + _TAIL_NBYTES)
        if not (_is_whole(head[:8], head[8:]) and _is_whole(content[:size], content[size:])):
            raise SourceError(f"{self.path_of(start)}: does not have its checksum; {REMEDY}")
        at = place - start - _HEAD_NBYTES
        return content[at : at + nbytes]

    def first_bytes(self, place: int, nbytes: int) -> bytes:
        """Return the first bytes of an image, unchecked."""
        return super().read(place, min(nbytes, FIRST_NBYTES))


class _Window:
    """A file whose bytes can be indexed, read in small pieces."""

    def __init__(self, file: ShardFile) -> None:
        self._file = file
        self._start, self._piece = 0, b""

    def __getitem__(self, at: int) -> int:
        if not 0 <= at - self._start < len(self._piece):
            self._go_to(at, 1)
        return self._piece[at - self._start]

    def cut(self, start: int, stop: int) -> bytes:
        """Return a few bytes."""
        if not self._start <= start <= stop <= self._start + len(self._piece):
            self._go_to(start, stop - start)
        return self._piece[start - self._start : stop - self._start]

    def _go_to(self, at: int, nbytes: int) -> None:
        wanted = min(max(nbytes, _WINDOW_NBYTES), max(self._file.nbytes - at, nbytes))
        self._piece, self._start = self._file.read(at, wanted), at


def walk(file: ShardFile) -> Iterator[Found]:
    """Yield the image of each record, by the heads of its fields."""
    if not file.nbytes:
        raise file.fault("is empty")
    window, start, number = _Window(file), 0, 0
    while start < file.nbytes:
        head = window.cut(start, start + _HEAD_NBYTES)
        if not _is_whole(head[:8], head[8:]):
            raise file.fault(f"record {number} at {start} does not have its size's checksum")
        first = start + _HEAD_NBYTES
        end = first + int.from_bytes(head[:8], "little")
        if end + _TAIL_NBYTES > file.nbytes:
            raise file.fault(f"ends within record {number}")
        yield _found(window, start, _features(window, first, end), f"{file.path.name}_{number}")
        start, number = end + _TAIL_NBYTES, number + 1


def _features(window: _Window, start: int, stop: int) -> dict[str, Field]:
    """Return where the values of each feature lie; of several, the last."""
    lists = {}
    for features in protobuf.fields(window, start, stop):
        for entry in protobuf.fields(window, features.start, features.stop):
            key, feature = protobuf.fields(window, entry.start, entry.stop)
            name = _text(window, key)
            for kind in protobuf.fields(window, feature.start, feature.stop):
                for values in protobuf.fields(window, kind.start, kind.stop):
                    lists[name] = values
    return lists


def _found(window: _Window, start: int, lists: Mapping[str, Field], unnamed: str) -> Found:
    image = next((lists[name] for name in _IMAGES if name in lists), None)
    if image is None or image.value is not None:
        raise ValueError(
            f"its Example has no {' or '.join(_IMAGES)}, and has {', '.join(lists)[:100]}"
        )
    name = next((_text(window, lists[name]) for name in _NAMES if name in lists), unnamed)
    synset = _text(window, lists[_SYNSET]) if _SYNSET in lists else ""
    if is_wnid(synset):
        name = f"{synset}/{name.rpartition('/')[2]}"
    label = next((_number(window, lists[name]) for name in _NUMBERS if name in lists), None)
    return Found(name, label, image.start, image.stop - image.start, start)


def _text(window: _Window, field: Field) -> str:
    if field.value is not None or field.stop - field.start > _MAX_NAME_NBYTES:
        raise ValueError("a name is no text, or too long for one")
    return window.cut(field.start, field.stop).decode()


def _number(window: _Window, field: Field) -> int:
    if field.value is not None:
        number = field.value
    else:
        number, _ = protobuf.read_varint(window, field.start, field.stop)
    return number - (number >> 63 << 64)
