"""What a file is by its first bytes: an image, or data of another tool, which is named.

Source: the formats' own specifications; for LMDB `mdb.c` (MDB_MAGIC), for RecordIO dmlc-core
`recordio.h`, for beton `ffcv/types.py`, for TFRecord TensorFlow's `record_writer.cc`.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.archives.tree import regular_nbytes
from imnet_data.formats.crc32c import masked
from imnet_data.storage.place import open_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.archives.containers import Entry
    from imnet_data.storage.place import Place

_HEAD_NBYTES = 1 << 10
_BETON = struct.Struct("<HHIQQ")  # version, fields, page size, records, allocation table
_PAGE_NBYTES = range(2 << 20, 1 << 32)
_LMDB_MAGIC = b"\xde\xc0\xef\xbe"  # after the 16 bytes of a page's header

_TO_FOLDERS = "write its images to folders train/<wnid>/ with that tool, and pass the folder"
_UNPACK = "unpack it, and pass its contents"

# first bytes -> what it is, and what can be done
_MAGIC = (
    (b"PAR1", "a Parquet file of another name", "call it SPLIT-<number>.parquet"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _TO_FOLDERS),
    (b"ARROW1", "an Arrow file", _TO_FOLDERS),
    (b"\x93NUMPY", "a NumPy array", _TO_FOLDERS),
    (b"\x0a\x23\xd7\xce", "a RecordIO file of MXNet", _TO_FOLDERS),
    (b"\xfd7zXZ\0", "compressed by xz", _UNPACK),
    (b"BZh", "compressed by bzip2", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", _UNPACK),
    (b"\x04\x22\x4d\x18", "compressed by lz4", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
)
_WEB_PAGE = re.compile(rb"\s*<(!doctype html|html|\?xml)", re.IGNORECASE)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_PART = re.compile(r"(.+\.(?:tar|tgz|tar\.gz|zip))\.(?:part|a|\d)[a-z\d]*")
_ZIP_PART = re.compile(r"(.+)\.z\d\d")
_LABEL_SUFFIXES = frozenset({"cls", "json", "txt", "label"})
PEEKED = 12  # members that show what an archive is


def is_image(first: bytes) -> bool:
    """Return whether a file that begins so is a JPEG, PNG, GIF, BMP, WebP or TIFF."""
    return (
        first.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*"))
        or (first.startswith(b"RIFF") and first[8:12] == b"WEBP")
        or (first.startswith(b"BM") and first[6:10] == bytes(4))  # reserved
    )


def foreign(path: Place) -> str:
    """Return what a file of another tool is, and what can be done; "" where it is none known.

    Raises:
        OSError: if it cannot be read.
    """
    if part := _PART.fullmatch(path.name):
        return f"is a part of a split archive; join the parts (cat {part[1]}.* > {part[1]})"
    if part := _ZIP_PART.fullmatch(path.name):
        return f"is a part of a split zip; join the parts (zip -s 0 {part[1]}.zip --out whole.zip)"
    if isinstance(path, Path):
        regular_nbytes(path)
    file = open_place(path)
    head = file.read(0, _HEAD_NBYTES)
    for magic, name, remedy in _MAGIC:
        if head.startswith(magic):
            return f"is {name}, which is not read; {remedy}"
    if _WEB_PAGE.match(head):
        return "is a web page, as a download without a login produces; download the archive again"
    if _PICKLE.match(head):
        return f"is a pickle, which is not read; {_TO_FOLDERS}"
    kind = _structured(head, file.nbytes)
    return f"is {kind} of another name; pass it as a SOURCE of its own" if kind else ""


def _structured(head: bytes, nbytes: int) -> str:
    """Return the name of a format whose first bytes are numbers that must fit together."""
    if head[16:20] == _LMDB_MAGIC:
        return "an LMDB database"
    if len(head) >= 12 and masked(head[:8]) == int.from_bytes(head[8:12], "little"):
        return "a TFRecord file"
    if len(head) >= _BETON.size:
        version, fields, page_nbytes, _, table = _BETON.unpack_from(head)
        is_page = page_nbytes in _PAGE_NBYTES and page_nbytes & (page_nbytes - 1) == 0
        if version == 2 and 0 < fields < 256 and is_page and table <= nbytes:
            return "a beton file of FFCV"
    return ""


def foreign_members(entries: Sequence[Entry]) -> str:
    """Return what an archive of another tool is by its first members, and what can be done."""
    files = [entry.path.rpartition("/")[2] for entry in entries]
    if any(file.endswith(".npy") for file in files):
        return f"holds NumPy arrays (npz), which are not read; {_TO_FOLDERS}"
    if "data.pkl" in files:
        return f"holds a pickle of PyTorch, which is not read; {_TO_FOLDERS}"
    if is_shard(files):
        return (
            "is a WebDataset shard (images with their labels beside them); shards are read where "
            "they are plain files called SPLIT-<number>.tar: unpack or rename it"
        )
    return ""


def is_shard(names: Sequence[str]) -> bool:
    """Return whether an archive that begins with these members is a WebDataset shard."""
    stems: dict[str, set[str]] = {}
    for name in names:
        stem, _, suffix = name.rpartition("/")[2].partition(".")
        stems.setdefault(stem, set()).add(suffix.lower())
    return any(len(found) > 1 and found & _LABEL_SUFFIXES for found in stems.values())
