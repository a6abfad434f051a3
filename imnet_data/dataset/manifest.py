"""The manifest of one split: order, identity, size, hash and place of every record.

`manifest.jsonl.zst` has one JSON object a line, in order, keys as in `Entry`; those that have a
default are left out where they have it. Its *digest* covers what the records are and their order,
not where they lie, so that all formats of the same records share it: the sha256 of one line a
record,

    key TAB wnid TAB width TAB height TAB sha256 TAB boxes LF

where boxes are `xmin,ymin,xmax,ymax` joined with `;`.
"""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import zstandard

from imnet_data.errors import REPAIR, ManifestError
from imnet_data.record import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILE_NAME = "manifest.jsonl.zst"
STORED = ("", "seekable", "pixels")  # what `Entry.stored` may be; the index has the position
_encode = json.JSONEncoder(separators=(",", ":")).encode  # one for all: half the time of dumps
_decode = json.JSONDecoder().raw_decode  # half the time of loads
_SHA256_NBYTES = 32
_CHUNK_NBYTES = 1 << 16


class Entry(NamedTuple):
    """One line of the manifest."""

    key: str
    wnid: str  # "" where there is no label
    width: int  # pixels
    height: int
    nbytes: int  # of what is stored
    sha256: str  # of the JPEG, restored where it is stored otherwise
    shard: int  # number of the shard in its split
    offset: int  # in the shard, as its format counts
    published_nbytes: int = 0  # of the file as published; 0 where it is `nbytes`
    fix: str = ""  # what was done to the published bytes
    boxes: tuple[Box, ...] = ()
    stored: str = ""  # "seekable" or "pixels", where it is not the JPEG that is stored
    stored_sha256: str = ""  # of what is stored then


_REQUIRED = len(Entry._fields) - len(Entry._field_defaults)
_TYPES = (str, str, int, int, int, str, int, int, int, str, tuple, str, str)


class Digest:
    """The digest of a manifest, taken entry by entry."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, entry: Entry) -> None:
        """Take the next entry."""
        self._hash.update(identity(entry).encode())

    def hexdigest(self) -> str:
        """Return the digest of all entries so far."""
        return self._hash.hexdigest()


def identity(entry: Entry) -> str:
    """Return the line that the entry adds to the digest."""
    boxes = ";".join(",".join(map(str, box)) for box in entry.boxes)
    return f"{entry.key}\t{entry.wnid}\t{entry.width}\t{entry.height}\t{entry.sha256}\t{boxes}\n"


def to_line(entry: Entry) -> str:
    """Return the entry as one JSON line, without the line feed."""
    # a quarter of the time of the encoder, which is left what most entries do not have
    line = (
        f'{{"key":{_quoted(entry.key)},"wnid":{_quoted(entry.wnid)},"width":{entry.width},'
        f'"height":{entry.height},"nbytes":{entry.nbytes},"sha256":"{entry.sha256}",'
        f'"shard":{entry.shard},"offset":{entry.offset}'
    )
    for name, value in zip(Entry._field_defaults, entry[_REQUIRED:], strict=True):
        if value:
            line += f',"{name}":{_encode(value)}'
    return f"{line}}}"


def digest(identities: Iterable[bytes]) -> str:
    """Return the digest of a manifest from what its records add to it."""
    state = hashlib.sha256()
    for piece in identities:
        state.update(piece)
    return state.hexdigest()


def placed(line: str, offset: int) -> str:
    """Return a line that was made before the offset was known, with 0 in its place, as it is to be.

    Within a string of JSON a quotation mark has a backslash before it, so there is one such place.
    """
    return line.replace('"offset":0', f'"offset":{offset}', 1)


def from_line(line: str) -> Entry:
    """Return the entry of one JSON line; ValueError or TypeError if it is none."""
    fields, end = _decode(line)
    if end != len(line):
        raise ValueError(f"it goes on after column {end}")
    entry = Entry(**fields)
    if entry.boxes != ():
        entry = entry._replace(boxes=tuple(Box(*box) for box in entry.boxes))
    if tuple(map(type, entry)) != _TYPES:
        raise TypeError(f"{entry.key!r}: a number or a text is none")
    sizes = (entry.width, entry.height, entry.nbytes, entry.published_nbytes)
    if min(*sizes, entry.shard, entry.offset) < 0:
        raise ValueError(f"{entry.key}: a number is below 0")
    if entry.stored not in STORED:
        raise ValueError(f"{entry.key}: is stored as {entry.stored!r}")
    for digest in (entry.sha256, entry.stored_sha256 or entry.sha256):
        if len(bytes.fromhex(digest)) != _SHA256_NBYTES:
            raise ValueError(f"{entry.key}: a sha256 is none")
    return entry


def write(path: Path, lines: Iterable[bytes]) -> None:
    """Write the manifest to `path` from its lines, however they are cut into pieces."""
    compressor = zstandard.ZstdCompressor(level=6, write_checksum=True)
    with path.open("wb") as file, compressor.stream_writer(file) as stream:
        for piece in lines:
            stream.write(piece)


def read(path: Path, *, start: int = 0) -> Iterator[Entry]:
    """Yield the entries in order, from number `start` on.

    Raises:
        ManifestError: if the file is missing, cut short or not a manifest.
    """
    number = start
    try:
        with path.open("rb") as file:
            for line in islice(_lines(file), start, None):
                yield from_line(line.decode())
                number += 1
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: is missing; {REPAIR}") from error
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); {REPAIR}") from error
    except (zstandard.ZstdError, ValueError, TypeError, RecursionError) as error:
        raise ManifestError(f"{path}: damaged after line {number} ({error}); {REPAIR}") from error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the decompressed lines; ValueError or ZstdError if they do not end as they should."""
    stream = zstandard.ZstdDecompressor().decompressobj()
    rest = b""
    while chunk := file.read(_CHUNK_NBYTES):
        *lines, rest = (rest + stream.decompress(chunk)).split(b"\n")
        yield from lines
    if not stream.eof or rest:
        raise ValueError("it ends too early")
