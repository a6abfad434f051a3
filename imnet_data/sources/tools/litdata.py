"""LitData folders: index.json, and chunks of samples.

    train/index.json    train/chunk-0-0.bin

- Chunk: u32 number of samples, u32 position of each and of the end, the samples. A sample has a u32
  size for each of its values, in the order of `data_format`, then the values. Recent versions
  (0.2.76) put samples that are dicts into an Arrow file behind the positions, which then are all
  the same; such chunks need pyarrow.
- Of the values, one is the image (`jpeg`, `bytes`, `image:...`) and one the label (`int`); see
  `columns` for dicts, whose names are in `data_spec`, or in the Arrow file.
- Compressed and encrypted chunks are refused.

Source: Lightning-AI/litData, src/litdata/streaming/{writer,item_loader,serializers}.py.
"""

from __future__ import annotations

import json
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imnet_data.archives.joined import REMEDY
from imnet_data.archives.parquet import import_pyarrow
from imnet_data.errors import SourceError
from imnet_data.sources.tools import columns, numbering, parts
from imnet_data.sources.tools.images import Found, Images, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imnet_data.formats.extents import ShardFile

WHAT = "LitData indexes"
splits_of = parts.splits_of_files

_INDEX = "index.json"
_ARROW = b"ARROW1"
_FOOTER_NBYTES = 12  # after the Arrow file: u32 its size, 8 bytes that mark it
_NEEDED = {"chunks", "config"}


def files_among(files: Sequence[Path], *, alone: bool) -> list[Path]:
    """Return the index of each folder of chunks."""
    del alone
    return [path for path in files if path.name == _INDEX and _index(path).keys() >= _NEEDED]


def _index(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def opened(paths: Sequence[Path], *, split: str | None, labels: str | None) -> Images:
    """Open the chunks of all folders as one container."""
    found: list[Part] = []
    layouts: dict[Path, _Layout] = {}
    for index, named in zip(paths, splits_of(paths), strict=True):
        space = numbering.agreed(labels, None, where=str(index))
        of_split = parts.require_split(index, named or split)
        about = _index(index)
        try:
            layout = _layout(about["config"], index)
            chunks = [
                (str(chunk["filename"]), int(chunk["chunk_size"]), int(chunk["chunk_bytes"]))
                for chunk in about["chunks"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"{index}: cannot be read ({error!r}); {REMEDY}") from error
        for name, count, nbytes in chunks:
            path = index.parent / name
            if path.parent != index.parent or not path.is_file():
                raise SourceError(f"{index}: its chunk {name} is not there; {REMEDY}")
            layouts[path] = layout._replace(nbytes=nbytes)
            found.append(Part(path, of_split, space, count))
    return Images(found, partial(_walk, layouts))


class _Layout(NamedTuple):
    """What index.json says of the chunks."""

    formats: tuple[str, ...]
    columns: tuple[columns.Column, ...]
    nbytes: int = 0


def _layout(config: dict[str, Any], index: Path) -> _Layout:
    packed = [name for name in ("compression", "encryption", "ipc_compression") if config.get(name)]
    if packed:
        raise SourceError(
            f"{index}: its chunks have {packed[0]} ({config[packed[0]]}), which is not read; write "
            "them again without it"
        )
    formats = tuple(map(str, config["data_format"]))
    names = _names(json.loads(config["data_spec"]), len(formats))
    return _Layout(
        formats,
        tuple(
            columns.Column(name, _kind(found)) for name, found in zip(names, formats, strict=True)
        ),
    )


def _names(spec: Any, count: int) -> list[str]:
    """Return the keys of a dict, or the numbers of the values."""
    _, root = spec
    context = json.loads(root["context"]) if root.get("context") else None
    if isinstance(context, list) and len(context) == count:
        return list(map(str, context))
    return list(map(str, range(count)))


def _kind(found: str) -> Any:
    if found in ("jpeg", "bytes") or found.startswith("image"):
        return "image"
    return {"int": "integer", "str": "text"}.get(found, "other")


def _walk(layouts: dict[Path, _Layout], file: ShardFile) -> Iterator[Found]:
    layout = layouts[file.path]
    if file.nbytes != layout.nbytes:
        raise file.fault(f"has {file.nbytes} bytes, and {_INDEX} says {layout.nbytes}")
    (count,) = struct.unpack("<I", file.read(0, 4))
    ends = np.frombuffer(file.read(4, 4 * (count + 1)), "<u4").tolist()
    first = 4 * (count + 2)
    if file.read(first, len(_ARROW)) == _ARROW and ends[-1] == first:
        yield from _rows(file, first, count)
        return
    chosen = columns.chosen(layout.columns)
    for number in range(count):
        yield _found(file, layout, chosen, number, ends[number], ends[number + 1])


def _found(
    file: ShardFile, layout: _Layout, chosen: columns.Chosen, number: int, start: int, end: int
) -> Found:
    width = len(layout.formats)
    sizes = struct.unpack(f"<{width}I", file.read(start, 4 * width))
    offsets = np.cumsum([start + 4 * width, *sizes]).tolist()
    if offsets[-1] != end:
        raise file.fault(f"sample {number} has {offsets[-1] - start} bytes of its {end - start}")
    label = None
    if chosen.label is not None:
        (label,) = struct.unpack("<q", file.read(offsets[chosen.label], sizes[chosen.label]))
    texts = [
        "" if column is None else file.read(offsets[column], sizes[column]).decode()
        for column in (chosen.name, chosen.wnid)
    ]
    name = columns.named(texts[0] or _unnamed(file, number), texts[1])
    return Found(name, label, offsets[chosen.image], sizes[chosen.image])


def _unnamed(file: ShardFile, number: int) -> str:
    return f"{file.path.stem}_{number}"


def _rows(file: ShardFile, first: int, count: int) -> Iterator[Found]:
    """Yield the images of a chunk's Arrow file, whose values are not compressed."""
    arrow = import_pyarrow()
    whole = arrow.py_buffer(file.read(first, file.nbytes - first - _FOOTER_NBYTES))
    number = 0
    try:
        reader = arrow.ipc.open_file(whole)
        chosen = columns.chosen([_column(field, arrow) for field in reader.schema])
        for at in range(reader.num_record_batches):
            batch = reader.get_batch(at)
            batch.validate(full=True)
            images = _extents(batch.column(chosen.image), arrow)
            others = [
                [None] * batch.num_rows if column is None else batch.column(column).to_pylist()
                for column in (chosen.label, chosen.name, chosen.wnid)
            ]
            for (address, nbytes), label, name, wnid in zip(images, *others, strict=True):
                named = columns.named(name or _unnamed(file, number), wnid or "")
                yield Found(named, label, first + address - whole.address, nbytes)
                number += 1
    except arrow.ArrowException as error:
        raise file.fault(f"its Arrow file is damaged ({' '.join(str(error).split())})") from error
    if number != count:
        raise file.fault(f"has {number} rows, and says {count}")


def _extents(column: Any, arrow: Any) -> list[tuple[int, int]]:
    """Return the address and the size of each value."""
    if column.null_count:
        raise ValueError("a row has no image")
    wide = arrow.types.is_large_binary(column.type)
    _, offsets, values = column.buffers()
    ends = np.frombuffer(offsets, "<i8" if wide else "<i4")[column.offset :][: len(column) + 1]
    starts = ends[:-1].astype(np.int64) + values.address
    return list(zip(starts.tolist(), np.diff(ends).tolist(), strict=True))


def _column(field: Any, arrow: Any) -> columns.Column:
    types = arrow.types
    if types.is_binary(field.type) or types.is_large_binary(field.type):
        return columns.Column(field.name, "image")
    if types.is_integer(field.type):
        return columns.Column(field.name, "integer")
    return columns.Column(field.name, "text" if types.is_string(field.type) else "other")
