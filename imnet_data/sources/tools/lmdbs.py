"""LMDB databases of other tools, where they say what they contain.

    ilsvrc12_train_lmdb/data.mdb    Caffe: Datum messages with encoded images
    train.lmdb, train/data.mdb      values that are image files, under their paths as keys

Caffe's tool writes keys `<8 digits>_<path>`, so a path may have the wnid; else the Datum's label
is looked up. What is pickled or serialised by anything else does not say what it is, and unpickling
runs what the file says: it is refused.

Source: BVLC/caffe, src/caffe/proto/caffe.proto and tools/convert_imageset.cpp.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imnet_data.archives.containers import FIRST_NBYTES
from imnet_data.errors import FormatError
from imnet_data.formats import lmdb_pages, protobuf
from imnet_data.sources import first_bytes
from imnet_data.sources.tools import numbering, parts
from imnet_data.sources.tools.images import Found, Images, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imnet_data.formats.extents import ShardFile
    from imnet_data.formats.lmdb_pages import Value

WHAT = "LMDB databases"
splits_of = parts.splits_of_files

_SUFFIXES = (".mdb", ".lmdb")
_LOCK = "lock.mdb"
_DATA, _LABEL, _ENCODED = 4, 5, 7
_NUMBERED = re.compile(r"\d{8}_(.+)", re.DOTALL)
_ABOUT = (b"__keys__", b"__len__", b"num-samples", b"length")  # keys of tools for themselves


def files_among(files: Sequence[Path], *, alone: bool) -> list[Path]:
    """Return those that are called as databases; a file alone may begin as one."""
    named = [path for path in files if path.name.endswith(_SUFFIXES) and path.name != _LOCK]
    found = named or (list(files) if alone else [])
    return found if found and _is_database(found[0]) else []


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(20)[16:] == lmdb_pages.MAGIC


def opened(paths: Sequence[Path], *, split: str | None, labels: str | None) -> Images:
    """Open the databases as one container."""
    space = numbering.agreed(labels, None, where="")
    splits = zip(paths, splits_of(paths), strict=True)
    found = [Part(path, parts.require_split(path, named or split), space) for path, named in splits]
    return Images(found, walk)


def walk(file: ShardFile) -> Iterator[Found]:
    """Yield the images of a database, in order of their keys."""
    for value in lmdb_pages.walk(file):
        if value.key in _ABOUT:
            continue
        first = file.read(value.offset, min(value.nbytes, FIRST_NBYTES))
        name = value.key.decode("utf-8", "surrogateescape").strip("\0")
        numbered = _NUMBERED.fullmatch(name)
        if first_bytes.is_image(first):
            yield Found(name, None, value.offset, value.nbytes)
        else:
            yield _of_datum(file, value, numbered[1] if numbered else name)


def _of_datum(file: ShardFile, value: Value, name: str) -> Found:
    content = file.read(value.offset, value.nbytes)
    try:
        fields = {field.number: field for field in protobuf.fields(content, 0, len(content))}
    except ValueError as error:
        raise _unknown(file, value, content) from error
    image, label, encoded = (fields.get(number) for number in (_DATA, _LABEL, _ENCODED))
    if image is None or image.value is not None:
        raise _unknown(file, value, content)
    if not (encoded and encoded.value) or not first_bytes.is_image(content[image.start :]):
        raise file.fault(
            f"the Datum of {name!r} has pixels, and only encoded images are read; make it with "
            "convert_imageset -encoded"
        )
    number = None if label is None else label.value
    return Found(name, number, value.offset + image.start, image.stop - image.start)


def _unknown(file: ShardFile, value: Value, content: bytes) -> FormatError:
    pickled = " (it looks like a pickle)" if content[:1] == b"\x80" else ""
    return FormatError(
        f"{file.path}: the value of {value.key[:40]!r} is neither an image nor Caffe's Datum"
        f"{pickled}, and does not say what it is; write its images to folders train/<wnid>/ with "
        "the tool that made it, and pass the folder"
    )
