"""The manifest of one split: order, identity, size, hash and place of every record.

`manifest.jsonl.zst` has one JSON object per line, in order, keys as in `Entry`; those that have a
default are left out where they have it. In version 2 it is made of frames (see `frames`), none of
which has lines of two shards; in version 1 it is one frame, which has to be read from its start.

Its *digest* covers what the records are and their order, not where they lie nor what was found out
about them, so that all formats of the same records share it: the sha256 of one line per record,

    key TAB wnid TAB width TAB height TAB sha256 TAB boxes LF

where boxes are `xmin,ymin,xmax,ymax` joined with `;`. A record that has a scene, of DET or VID,
adds a TAB and the scene's JSON before the LF.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import sys
from contextlib import contextmanager
from itertools import islice
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import zstandard

from imnet_data.dataset import frames
from imnet_data.errors import REPAIR, ManifestError
from imnet_data.machine.open_file import plain
from imnet_data.record import Box, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from imnet_data.dataset.frames import Frames

FILE_NAME = "manifest.jsonl.zst"
STORED = (
    "",
    "seekable",
    "pixels",
    "packed",
)  # what `Entry.stored` may be; the index has the position
VERDICTS = (  # what `Entry.verdict` may be, likewise; "" is plain
    "",
    "other-decoder",
    "damaged",
    "refused",
    "undecodable",
    "not-a-jpeg",
)
_encode = json.JSONEncoder(separators=(",", ":")).encode  # one for all: half the time of dumps
_decode = json.JSONDecoder().raw_decode  # half the time of loads
_SHA256_NBYTES = 32
_CHUNK_NBYTES = 1 << 10
_MAX_LINE_NBYTES = 16 << 20  # half a million boxes
_FRAME_HEADER_NBYTES = 18  # at most, with the magic number
_KEPT_FRAMES = 4
_PART_LINES = 16_384  # at least, of what is read separately


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
    stored: str = ""  # "seekable", "packed" or "pixels", where it is not the JPEG that is stored
    stored_sha256: str = ""  # of what is stored then
    verdict: str = ""  # of the examination of the image that is stored, "" where it is plain
    scene: Scene | None = None  # of an image of DET or VID


_REQUIRED = len(Entry._fields) - len(Entry._field_defaults)
_TYPES = (str, str, int, int, int, str, int, int, int, str, tuple, str, str, str, type(None))


def identity(entry: Entry) -> str:
    """Return the line that the entry adds to the digest."""
    boxes = ";".join(",".join(map(str, box)) for box in entry.boxes)
    scene = "" if entry.scene is None else f"\t{_encode(entry.scene.to_json())}"
    size = f"{entry.width}\t{entry.height}"
    return f"{entry.key}\t{entry.wnid}\t{size}\t{entry.sha256}\t{boxes}{scene}\n"


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
            told = value.to_json() if isinstance(value, Scene) else value
            line += f',"{name}":{_encode(told)}'
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
        raise ValueError(f"it continues after column {end}")
    entry = Entry(**fields)
    if entry.boxes != ():
        entry = entry._replace(boxes=tuple(Box(*box) for box in entry.boxes))
    scene = entry.scene  # as JSON has it
    entry = entry._replace(scene=None)
    if tuple(map(type, entry)) != _TYPES:
        raise TypeError(f"{entry.key!r}: a number or a text has another type")
    sizes = (entry.width, entry.height, entry.nbytes, entry.published_nbytes)
    if min(*sizes, entry.shard, entry.offset) < 0:
        raise ValueError(f"{entry.key}: a number is below 0")
    if entry.stored not in STORED:
        raise ValueError(f"{entry.key}: is stored as {entry.stored!r}")
    if entry.verdict not in VERDICTS:
        raise ValueError(f"{entry.key}: its verdict is {entry.verdict!r}")
    for digest in (entry.sha256, entry.stored_sha256 or entry.sha256):
        if len(bytes.fromhex(digest)) != _SHA256_NBYTES:
            raise ValueError(f"{entry.key}: a value is not a sha256")
    return entry if scene is None else entry._replace(scene=_scene(entry, scene))


def _scene(entry: Entry, told: Any) -> Scene:
    scene = Scene.from_json(told)
    if len(scene.objects) != len(entry.boxes):
        raise ValueError(
            f"{entry.key}: has {len(entry.boxes)} boxes around {len(scene.objects)} objects"
        )
    return scene


def write(path: Path, lines: Iterable[bytes]) -> None:
    """Write the manifest to `path` from its lines, each of which ends with its line feed."""
    frames.write(path, lines)


def join(path: Path, pieces: Iterable[Path]) -> None:
    """Write to `path` the lines of other manifests, in order, without compressing them again."""
    frames.join(path, pieces)


def write_version_1(path: Path, entries: Iterable[Entry]) -> None:
    """Write the manifest to `path` as version 1 had it, where a dataset of then is repaired."""
    compressor = zstandard.ZstdCompressor(level=6, write_checksum=True)
    with path.open("wb") as file, compressor.stream_writer(file) as stream:
        for entry in entries:
            stream.write(f"{to_line(entry)}\n".encode())


def read(path: Path, *, start: int = 0, stop: int = sys.maxsize) -> Iterator[Entry]:
    """Yield the entries in order, from number `start` to `stop`.

    Raises:
        ManifestError: if the file is missing, cut short or not a manifest.
    """
    number = start
    with _faults_named(path, lambda: f" after line {number}"), _opened(path) as file:
        for line in _lines(file, start, stop):
            yield from_line(line.decode())
            number += 1


class Lines:
    """Single lines of a manifest; those of a few frames are kept, as neighbours are read often."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _faults_named(path, str), _opened(path) as file:
            table = _table(file)
        if table is None:
            raise ManifestError(f"{path}: is of version 1, whose lines cannot be read singly")
        self._table = table
        self._frame = functools.lru_cache(_KEPT_FRAMES)(self._read)

    def entry(self, number: int) -> Entry:
        """Return line `number`.

        Raises:
            ManifestError: if the file is damaged.
        """
        frame = int(np.searchsorted(self._table.line, number, "right")) - 1
        with _faults_named(self._path, lambda: f" at line {number}"):
            return from_line(self._frame(frame)[number - int(self._table.line[frame])].decode())

    def _read(self, frame: int) -> list[bytes]:
        start, stop = self._table.line[frame : frame + 2].tolist()
        with _faults_named(self._path, str), _opened(self._path) as file:
            return list(frames.read(file, self._table, start, stop))


def parts(path: Path) -> list[range]:
    """Return the ranges of lines that can be read separately; of version 1, all are one.

    Raises:
        ManifestError: if the file is missing, cut short or not a manifest.
    """
    with _faults_named(path, str), _opened(path) as file:
        table = _table(file)
        if table is None:
            return [range(sys.maxsize)]
        ends = table.line
        cuts = np.searchsorted(ends, np.arange(0, ends[-1] + _PART_LINES, _PART_LINES))
        starts = np.unique(ends[np.minimum(cuts, len(ends) - 1)]).tolist()
        return [range(*pair) for pair in itertools.pairwise(starts)]


@contextmanager
def _faults_named(path: Path, place: Callable[[], str]) -> Iterator[None]:
    """Raise a ManifestError for whatever is wrong with the file at `path`."""
    try:
        yield
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: is missing; {REPAIR}") from error
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); {REPAIR}") from error
    except (zstandard.ZstdError, ValueError, TypeError, RecursionError) as error:
        raise ManifestError(f"{path}: damaged{place()} ({error}); {REPAIR}") from error


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(plain(path), "rb")


def _lines(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """Yield decompressed lines; ValueError or ZstdError if they do not end as they should."""
    table = _table(file)
    if table is None:
        return islice(_lines_of_one_frame(file), start, stop)
    return frames.read(file, table, start, stop)


def _table(file: BinaryIO) -> Frames | None:
    """Return the table of frames; None for version 1, whose frame does not say its size."""
    try:
        return frames.read_table(file)
    except ValueError:
        file.seek(0)
        if zstandard.frame_content_size(file.read(_FRAME_HEADER_NBYTES)) != -1:
            raise
        file.seek(0)
        return None


def _lines_of_one_frame(file: BinaryIO) -> Iterator[bytes]:
    stream = zstandard.ZstdDecompressor().decompressobj()
    rest = b""
    # of a byte, zstd can make 32 KiB, so little is taken at a time
    while chunk := file.read(_CHUNK_NBYTES):
        *lines, rest = (rest + stream.decompress(chunk)).split(b"\n")
        if len(rest) > _MAX_LINE_NBYTES:
            raise ValueError(f"a line has more than {_MAX_LINE_NBYTES} bytes")
        yield from lines
    if not stream.eof or stream.unused_data or rest:
        raise ValueError("it ends too early, or continues after its end")
