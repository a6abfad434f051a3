"""MDS folders of mosaicml-streaming: index.json, and shards of samples.

    train/index.json    train/shard.00000.mds

- Shard: u32 number of samples, u32 position of each and of the end, a JSON, the samples. A sample
  has a u32 size for each column whose values differ in size, then the values of all columns.
- The columns are those of index.json: one is the image (`jpeg`, or `bytes`, `png`), and of integers
  the label is `y`, `label`, `cls` or `class`, else the only one that is not a number `i` or `id`.
  A `str` that is called `filename`, `file_name`, `path`, `name` or `key` is the image's name, one
  called `wnid` or `synset` its class; without a name, it is the folder's and the sample's number.
- A compressed shard is read if what is in it lies beside it, too, as `keep_local` leaves it.

Source: mosaicml/streaming, streaming/base/format/mds/{writer,reader,encodings}.py, and
base/format/base/reader.py.
"""

from __future__ import annotations

import json
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imnet_data.archives.joined import REMEDY
from imnet_data.errors import SourceError
from imnet_data.sources.tools import columns, numbering, parts
from imnet_data.sources.tools.images import Found, Images, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imnet_data.formats.extents import ShardFile

WHAT = "MDS shards"
_INDEX = "index.json"
_INTEGERS = {
    "int": "<i8",
    "int8": "<i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "<u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
}
_IMAGES = ("jpeg", "png", "bytes")


def files_among(files: Sequence[Path], *, alone: bool) -> list[Path]:
    """Return the index of each folder of MDS shards."""
    del alone
    return [path for path in files if path.name == _INDEX and _is_index(path)]


def _is_index(path: Path) -> bool:
    try:
        shards = _shards(path)
    except (SourceError, OSError):
        return False
    return bool(shards) and all(shard.get("format") == "mds" for shard in shards)


def _shards(path: Path) -> list[dict[str, Any]]:
    try:
        shards = json.loads(path.read_bytes())["shards"]
        if isinstance(shards, list) and all(isinstance(shard, dict) for shard in shards):
            return shards
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(f"{path}: is damaged ({error!r}); {REMEDY}") from error
    raise SourceError(f"{path}: is damaged; {REMEDY}")


splits_of = parts.splits_of_files


def opened(paths: Sequence[Path], *, split: str | None, labels: str | None) -> Images:
    """Open the shards of all folders as one container."""
    found: list[Part] = []
    layouts: dict[Path, _Layout] = {}
    for index, named in zip(paths, splits_of(paths), strict=True):
        space = numbering.agreed(labels, None, where=str(index))
        of_split = parts.require_split(index, named or split)
        for shard in _shards(index):
            layout, path = _layout(shard, index), _shard_path(shard, index)
            layouts[path] = layout
            found.append(Part(path, of_split, space, layout.sample_count))
    return Images(found, partial(_walk, layouts))


class _Layout(NamedTuple):
    """What index.json says of a shard."""

    sizes: tuple[int | None, ...]  # of the columns' values; None where they differ
    encodings: tuple[str, ...]
    chosen: columns.Chosen
    sample_count: int
    nbytes: int


def _layout(shard: dict[str, Any], index: Path) -> _Layout:
    try:
        names, encodings = shard["column_names"], shard["column_encodings"]
        described = [
            columns.Column(name, _kind(encoding))
            for name, encoding in zip(names, encodings, strict=True)
        ]
        sizes = tuple(None if size is None else int(size) for size in shard["column_sizes"])
        counts = int(shard["samples"]), int(shard["raw_data"]["bytes"])
        chosen = columns.chosen(described)
        if len(sizes) != len(names):
            raise ValueError(f"{len(sizes)} sizes of {len(names)} columns")
        for at, encoding in enumerate(encodings):
            if encoding in _INTEGERS and sizes[at] != np.dtype(_INTEGERS[encoding]).itemsize:
                raise ValueError(f"{names[at]} is of type {encoding} and has {sizes[at]} bytes")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{index}: cannot be read ({error}); {REMEDY}") from error
    return _Layout(sizes, tuple(encodings), chosen, *counts)


def _kind(encoding: str) -> Any:
    if encoding in _IMAGES:
        return "image"
    return "integer" if encoding in _INTEGERS else "text" if encoding == "str" else "other"


def _shard_path(shard: dict[str, Any], index: Path) -> Path:
    try:
        raw, packed = shard["raw_data"]["basename"], shard.get("zip_data")
        path = index.parent / str(raw)
        packed_name = packed and str(packed["basename"])
    except (KeyError, TypeError) as error:
        raise SourceError(f"{index}: is damaged ({error!r}); {REMEDY}") from error
    if path.parent != index.parent or not path.is_file():
        hint = f"; it is compressed: unpack {packed_name} to it" if packed_name else ""
        raise SourceError(f"{index}: its shard {raw} is not there{hint or f'; {REMEDY}'}")
    return path


def _walk(layouts: dict[Path, _Layout], file: ShardFile) -> Iterator[Found]:
    layout = layouts[file.path]
    if file.nbytes != layout.nbytes:
        raise file.fault(f"has {file.nbytes} bytes, and {_INDEX} says {layout.nbytes}")
    (count,) = struct.unpack("<I", file.read(0, 4))
    if count != layout.sample_count:
        raise file.fault(f"has {count} samples, and {_INDEX} says {layout.sample_count}")
    ends = np.frombuffer(file.read(4, 4 * (count + 1)), "<u4").tolist()
    for number in range(count):
        yield _found(file, layout, number, ends[number], ends[number + 1])


def _found(file: ShardFile, layout: _Layout, number: int, start: int, end: int) -> Found:
    varying = sum(size is None for size in layout.sizes)
    sizes = iter(struct.unpack(f"<{varying}I", file.read(start, 4 * varying)))
    values, at = [], start + 4 * varying
    for size in layout.sizes:
        nbytes = next(sizes) if size is None else size
        values.append((at, nbytes))
        at += nbytes
    if at != end:
        raise file.fault(f"sample {number} has {at - start} bytes of its {end - start}")
    chosen, label = layout.chosen, None
    if chosen.label is not None:
        content = file.read(*values[chosen.label])
        label = int(np.frombuffer(content, _INTEGERS[layout.encodings[chosen.label]])[0])
    texts = [
        "" if column is None else file.read(*values[column]).decode()
        for column in (chosen.name, chosen.wnid)
    ]
    unnamed = f"{file.path.stem.replace('.', '_')}_{number}"
    return Found(columns.named(texts[0] or unnamed, texts[1]), label, *values[chosen.image])
