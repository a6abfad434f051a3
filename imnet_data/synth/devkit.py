"""The devkit: meta.mat as MATLAB 7 writes it, the ground truth of val in devkit ids, a readme.

meta.mat is a level-5 MAT-file with one compressed struct array `synsets` of 1 column, whose fields
are the eight of ILSVRC2012's devkit, in its order. As MATLAB does, numbers of class double are
stored as the smallest integer that holds them, text as UTF-8, and 1 to 4 bytes inside their tag.
The classes are leaves under their true ILSVRC2012_ID; above them stand a few internal nodes, whose
ids begin at 1001 and whose num_children is above 0, as in the original.

Source: MathWorks, "MAT-File Format" (2019), chapter 1, level 5.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.imagenet import labels

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = "ILSVRC2012_devkit_t12"

README = """\
This development kit was made by imnet-data to stand in for that of ILSVRC2012 in tests and
demonstrations. Its images are synthetic; the WNIDs, words and ids of its classes are the real ones.

data/meta.mat                                 synsets: a struct array with all synsets
data/ILSVRC2012_validation_ground_truth.txt   line k: ILSVRC2012_ID of ILSVRC2012_val_<k>.JPEG
"""

_INT8, _UINT8, _UINT16, _INT32, _UINT32, _DOUBLE = 1, 2, 4, 5, 6, 9
_MATRIX, _COMPRESSED, _UTF8 = 14, 15, 16
_STRUCT_CLASS, _CHAR_CLASS, _DOUBLE_CLASS = 2, 4, 6


class _Node(NamedTuple):
    """One synset; the fields and their names are the devkit's."""

    ILSVRC2012_ID: int
    WNID: str
    words: str
    gloss: str
    num_children: int
    children: list[int]
    wordnet_height: int
    num_train_images: int


def ground_truth(wnids: Sequence[str]) -> bytes:
    """Return the text of the val labels: one devkit id per line, in number order."""
    ids = labels.integers(sorted(set(wnids)), "ilsvrc")
    return "".join(f"{ids[wnid]}\n" for wnid in wnids).encode()


def meta_mat(classes: Sequence[str], *, images_per_class: int) -> bytes:
    """Return the bytes of meta.mat for the classes, wnids of ILSVRC2012."""
    nodes = _nodes(classes, images_per_class)
    width = max(map(len, _Node._fields)) + 1
    names = b"".join(field.encode().ljust(width, b"\0") for field in _Node._fields)
    payload = _element(_INT32, struct.pack("<i", width)) + _element(_INT8, names)
    payload += b"".join(_value(value) for node in nodes for value in node)
    matrix = _matrix(_STRUCT_CLASS, (len(nodes), 1), payload, name=b"synsets")
    packed = zlib.compress(matrix)
    header = b"MATLAB 5.0 MAT-file, written by imnet-data".ljust(116) + bytes(8)
    return header + struct.pack("<H2s", 0x0100, b"IM") + _tag(_COMPRESSED, len(packed)) + packed


def _nodes(classes: Sequence[str], images_per_class: int) -> list[_Node]:
    chosen = set(classes)
    synsets = sorted(
        (s for s in labels.ilsvrc2012() if s.wnid in chosen), key=lambda s: s.ilsvrc_id
    )
    leaves = [
        _Node(s.ilsvrc_id, s.wnid, s.words, f"synthetic: {s.words}", 0, [], 0, images_per_class)
        for s in synsets
    ]
    # nearly all animals of ILSVRC2012 have a wnid below this one
    animals = [leaf for leaf in leaves if leaf.WNID < "n02600000"]
    things = [leaf for leaf in leaves if leaf.WNID >= "n02600000"]
    groups = [
        _internal(ilsvrc_id, wnid, words, members)
        for ilsvrc_id, wnid, words, members in (
            (1002, "n00015388", "animal", animals),
            (1003, "n00001930", "physical entity", things),
        )
        if members
    ]
    return [*leaves, _internal(1001, "n00001740", "entity", groups), *groups]


def _internal(ilsvrc_id: int, wnid: str, words: str, children: list[_Node]) -> _Node:
    return _Node(
        ilsvrc_id,
        wnid,
        words,
        f"synthetic: {words}",
        len(children),
        [child.ILSVRC2012_ID for child in children],
        1 + max(child.wordnet_height for child in children),
        sum(child.num_train_images for child in children),
    )


def _value(value: int | str | list[int]) -> bytes:
    if isinstance(value, str):
        return _matrix(_CHAR_CLASS, (1, len(value)), _element(_UTF8, value.encode()))
    numbers = value if isinstance(value, list) else [value]
    if not numbers:
        return _matrix(_DOUBLE_CLASS, (0, 0), _element(_DOUBLE, b""))
    kind, code = (_UINT8, "B") if max(numbers) < 256 else (_UINT16, "H")
    if max(numbers) > 65535:
        kind, code = _UINT32, "I"
    data = struct.pack(f"<{len(numbers)}{code}", *numbers)
    return _matrix(_DOUBLE_CLASS, (1, len(numbers)), _element(kind, data))


def _matrix(
    array_class: int, shape: tuple[int, int], payload: bytes, *, name: bytes = b""
) -> bytes:
    body = _element(_UINT32, struct.pack("<II", array_class, 0))
    body += _element(_INT32, struct.pack("<ii", *shape)) + _element(_INT8, name) + payload
    return _tag(_MATRIX, len(body)) + body


def _element(kind: int, data: bytes) -> bytes:
    if 0 < len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return _tag(kind, len(data)) + data + bytes(-len(data) % 8)


def _tag(kind: int, nbytes: int) -> bytes:
    return struct.pack("<II", kind, nbytes)
