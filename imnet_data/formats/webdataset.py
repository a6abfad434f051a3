"""WebDataset: a USTAR tar, of each record the members `<key>.cls`, `<key>.jpg`, `<key>.json`.

- `cls`: the label in decimal ASCII; left out where there is none. `jpg`: the image as it is.
- `packed` instead of `jpg`: the image as a packed JPEG, which only imnet-data reads.
- `json`: key, wnid, label, width, height and boxes, and the scene of DET and VID (what is in each
  box); compact, names sorted, UTF-8; label, boxes and scene are left out where there are none.
- Headers: mode 0444, time, user and group 0 without names; two zero blocks end the archive, which
  is filled up to 10,240 bytes. So the same records give the same bytes, those of Python's tarfile.
- A key is also a member's name up to its first dot: visible ASCII without `.` and `/`, at most 95
  bytes, as a USTAR name has 100.

An offset is the position of the JPEG in the tar. Beside each tar lies DALI's index (v1.2); beside
those of a split, timm's `_info.json` and a `wids` index.

Source: POSIX.1-1988 ustar; webdataset/webdataset, src/webdataset/writer.py; NVIDIA/DALI,
tools/wds2idx.py; huggingface/pytorch-image-models, timm/data/readers/reader_wds.py.
"""

from __future__ import annotations

import json
import re
from array import array
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.archives import tar
from imnet_data.errors import FormatError
from imnet_data.formats import Stored
from imnet_data.formats.extents import ExtentShard, ShardFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.formats import Sample, Samples, ShardSummary
    from imnet_data.machine.files import Output

EXTENTS = True
ONE_SHARD = False
LABELS = True
PIXELS = False
PACKED = True
SEEKABLE = True
SIDE_SUFFIXES = (".idx",)
READERS = ("webdataset", "timm", "wids", "DALI")

record_file = None

_TIMM = "_info.json"
_BLOCK = 512
_ARCHIVE_NBYTES = 20 * _BLOCK  # tar writes whole records of 20 blocks
_PACKED = "packed"  # no image reader has this extension
_IMAGES = {"jpg", _PACKED}
_EXTENSIONS = {"cls", "json", *_IMAGES}
_KEY = re.compile(r"[!-\-0-~]{1,95}")
_CHECKSUM = slice(148, 156)
_NUMBER = re.compile(rb" *([0-7]+)[ \0]*")
_MAX_MEMBER_NBYTES = 8**11 - 1  # eleven octal digits
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode  # half the time of loads


class Member(NamedTuple):
    """One file in the tar."""

    name: str
    offset: int  # of its bytes
    nbytes: int


def shard_name(split: str, index: int, count: int) -> str:
    """Name shard `index`: "train-000000.tar"."""
    del count
    return f"{split}-{index:06d}.tar"


def write(out: Output, samples: Samples) -> NDArray[np.int64]:
    """Write one tar and DALI's index of it; return the position of each JPEG."""
    offsets, lines = array("q"), []
    for sample in samples:
        key = sample.record.key
        if not _KEY.fullmatch(key):
            raise FormatError(
                f"{key!r}: no key for webdataset, which needs 1 to 95 visible ASCII characters "
                "without dot and slash; rename the image, or choose another format"
            )
        words = []
        for extension, content in _contents(sample):
            name = f"{key}.{extension}"
            offset = _BLOCK + out.append(*_member(name, content))
            words.append(f"{extension} {offset} {len(content)} {name}")
            if extension in _IMAGES:
                offsets.append(offset)
        lines.append(" ".join(words))
    out.append(bytes(2 * _BLOCK + -(out.nbytes + 2 * _BLOCK) % _ARCHIVE_NBYTES))
    # one line per record, four words per member
    out.side_files[".idx"] = "\n".join([f"v1.2 {len(lines)}", *lines, ""]).encode()
    return np.array(offsets, np.int64)


def _contents(sample: Sample) -> Iterator[tuple[str, bytes]]:
    if sample.label >= 0:
        yield "cls", b"%d" % sample.label
    yield _PACKED if sample.is_packed else "jpg", sample.record.jpeg
    yield "json", _description(sample)


def _description(sample: Sample) -> bytes:
    record = sample.record
    boxes = f'"boxes":{_encode(record.boxes)},' if record.boxes else ""
    label = f'"label":{sample.label},' if sample.label >= 0 else ""
    scene = f'"scene":{_encode(record.scene.to_json())},' if record.scene else ""
    return (
        f'{{{boxes}"height":{sample.height},"key":{_quoted(record.key)},{label}{scene}'
        f'"width":{sample.width},"wnid":{_quoted(record.wnid)}}}'
    ).encode()


def _member(name: str, content: bytes) -> tuple[bytes, bytes, bytes]:
    """Return header, content and padding of a member."""
    nbytes = len(content)
    if nbytes > _MAX_MEMBER_NBYTES:
        raise FormatError(f"{name}: has {nbytes} bytes, more than a USTAR member can have")
    field, size = name.encode("ascii"), b"%011o\0" % nbytes
    checksum = b"%06o\0 " % (_BLANK_SUM + sum(field) + sum(size))
    head = b"".join((field.ljust(100, b"\0"), _OWNER, size, _TIME, checksum, _REST))
    return head, content, _PADDING[: -nbytes % _BLOCK]


_PADDING = bytes(_BLOCK)
_NO_PREFIX = bytes(155)
_OWNER = b"0000444\0" + b"0000000\0" * 2  # mode, user, group
_TIME = b"00000000000\0"
_REST = (b"0".ljust(101, b"\0") + b"ustar\00000").ljust(_BLOCK - 156, b"\0")
_BLANK_SUM = sum(_OWNER + _TIME + b" " * 8 + _REST)


def open(path: Path) -> ExtentShard:
    """Open the tar at `path`."""
    return ExtentShard(path, walk)


def walk(file: ShardFile) -> Iterator[Stored]:
    """Yield the records in order."""
    for key, members in _groups(file):
        unknown = members.keys() - _EXTENSIONS
        images = members.keys() & _IMAGES
        if unknown or len(images) != 1:
            raise file.fault(f"record {key} has the members {', '.join(sorted(members))}")
        about: dict[str, object] = {}
        if "json" in members:
            text = str(members["json"].content, "utf-8")
            about, end = _decode(text)
            if about["key"] != key or end != len(text):
                raise file.fault(f"record {key} is described as {text!r}")
        label = -1
        if "cls" in members:
            label = int(str(members["cls"].content, "ascii"))
        if about.get("label", label) != label:
            raise file.fault(f"record {key} has the labels {label} and {about['label']}")
        wnid = about.get("wnid")
        if not isinstance(wnid, str | None):
            raise file.fault(f"record {key} has the wnid {wnid!r}")
        yield Stored(key, wnid, label, *members[images.pop()])


class _Content(NamedTuple):
    offset: int
    content: memoryview


def _groups(file: ShardFile) -> Iterator[tuple[str, dict[str, _Content]]]:
    """Yield each run of members of one key, by extension."""
    current, group = "", dict[str, _Content]()
    for member in _members(file):
        key, dot, extension = member.name.partition(".")
        if not dot or not key:
            raise file.fault(f"member {member.name!r} at {member.offset} is not <key>.<extension>")
        if group and (key != current or extension in group):
            yield current, group
            group = {}
        current = key
        nbytes = member.nbytes if extension in _EXTENSIONS else 0
        group[extension] = _Content(member.offset, file.view(member.offset, nbytes))
    if group:
        yield current, group


def _members(file: ShardFile) -> Iterator[Member]:
    """Yield the members in order; their headers are read, their bytes are not."""
    position = 0
    while True:
        header = file.read(position, _BLOCK)
        if not any(header):
            break
        member = _parse_header(file, position, header)
        yield member
        position = member.offset + member.nbytes + -member.nbytes % _BLOCK
    end_nbytes = 2 * _BLOCK + -(position + 2 * _BLOCK) % _ARCHIVE_NBYTES
    if position + end_nbytes != file.nbytes or any(file.read(position, end_nbytes)):
        raise file.fault(f"does not end as a tar does after its last member at {position}")


def _parse_header(file: ShardFile, position: int, header: bytes) -> Member:
    plain = header[257:263] == b"ustar\0" and header[156:157] in {b"0", b"\0"}
    if not plain or header[345:500] != _NO_PREFIX:
        raise file.fault(f"at {position} there is no USTAR header of a plain file")
    checksum, nbytes = _NUMBER.fullmatch(header[_CHECKSUM]), _NUMBER.fullmatch(header[124:136])
    total = tar.header_sum(header)
    if checksum is None or nbytes is None or int(checksum[1], 8) % tar.MAX_SUM != total:
        raise file.fault(f"the header at {position} is damaged")
    name = header[:100].partition(b"\0")[0].decode("utf-8", "replace")
    return Member(name, position + _BLOCK, int(nbytes[1], 8))


def split_side_files(split: str, shards: Sequence[ShardSummary]) -> Mapping[str, bytes]:
    """Return timm's `_info.json` and the `wids` index."""
    wids = {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": split,
        "shardlist": [
            {"url": shard.name, "nsamples": shard.record_count, "filesize": shard.nbytes}
            for shard in shards
        ],
    }
    return {
        _TIMM: _json({"splits": _timm_splits(split, shards)}),
        "wids-index.json": _json(wids),
    }


def root_side_files(splits: Mapping[str, Sequence[ShardSummary]]) -> Mapping[str, bytes]:
    """Return timm's `_info.json` of all splits."""
    found: dict[str, dict[str, object]] = {}
    for split, shards in splits.items():
        found |= _timm_splits(split, shards, folder=f"{split}/")
    return {_TIMM: _json({"splits": found})}


def _timm_splits(
    split: str, shards: Sequence[ShardSummary], *, folder: str = ""
) -> dict[str, dict[str, object]]:
    """Return what timm reads of a split; its users call val "validation", too."""
    info = {
        "num_samples": sum(shard.record_count for shard in shards),
        "filenames": [folder + shard.name for shard in shards],
        "shard_lengths": [shard.record_count for shard in shards],
    }
    names = [split, "validation"] if split == "val" else [split]
    return {name: {"name": name, **info} for name in names}


def _json(content: object) -> bytes:
    return f"{json.dumps(content, indent=1)}\n".encode()
