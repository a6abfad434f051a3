"""The files of a small VID set, below its root: things that move slowly, faster, and fast."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.imagenet.detection import VID, categories, number_of
from imnet_data.record import Box, Object
from imnet_data.synth.objects import Thing, jpeg, numbers, xml

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH, _HEIGHT = 128, 96
_SIDE = 40  # of things, pixels
_WNIDS = ("n02084071", "n02958343", "n02121808")  # dog, car, domestic_cat
_SPEEDS = (0, 1, 9)  # pixels per frame: with _SIDE, slow, medium and fast
EMPTY_FRAME = 2  # of the last train snippet: nothing is in it


class _Snippet(NamedTuple):
    folder: str  # below Data/VID
    name: str
    speeds: tuple[int, ...]  # of each thing in it, positions in _SPEEDS


_SNIPPETS = (
    _Snippet("train/ILSVRC2015_VID_train_0000", "ILSVRC2015_train_00000000", (0,)),
    _Snippet("train/ILSVRC2015_VID_train_0000", "ILSVRC2015_train_00000001", (1, 2)),
    _Snippet("train/ILSVRC2015_VID_train_0001", "ILSVRC2015_train_00001000", (2,)),
    _Snippet("val", "ILSVRC2015_val_00000000", (0, 1)),
    _Snippet("val", "ILSVRC2015_val_00000001", (2,)),
    _Snippet("test", "ILSVRC2015_test_00000000", (1,)),
)


def files(seed: int, frame_count: int) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file; the frames of a snippet together, the lists last."""
    lists: dict[int, list[str]] = defaultdict(list)
    frames: dict[str, list[str]] = defaultdict(list)
    for at, snippet in enumerate(_SNIPPETS):
        split, _, below = f"{snippet.folder}/{snippet.name}".partition("/")
        yield f"Data/VID/snippets/{split}/{below}.mp4", b"a video, which is not read"
        for frame in range(max(2, frame_count - 2 * (at % 3))):
            name, things = f"{frame:06d}", _things(seed, at, frame)
            path = f"VID/{snippet.folder}/{snippet.name}/{name}"
            yield f"Data/{path}.JPEG", jpeg(_WIDTH, _HEIGHT, things, shade=at * 20 + frame)
            if split != "test":
                text = xml(name, snippet.name, _WIDTH, _HEIGHT, things, depth=False)
                yield f"Annotations/{path}.xml", text
            frames[split].append(f"{below}/{name}")
        if split == "train":
            for wnid in sorted({_WNIDS[(at + place) % 3] for place in range(len(snippet.speeds))}):
                lists[number_of(VID)[wnid]].append(f"{below} 1\n")
    for number in range(1, len(categories(VID)) + 1):
        yield f"ImageSets/VID/train_{number}.txt", "".join(lists[number]).encode()
    for split, names in frames.items():
        lines = (f"{name} {number}\n" for number, name in enumerate(names, 1))
        yield f"ImageSets/VID/{split}.txt", "".join(lines).encode()
    rows = "".join(f"{each.wnid} {each.number} {each.name}\n" for each in categories(VID))
    yield "devkit/data/map_vid.txt", rows.encode()


def _things(seed: int, at: int, frame: int) -> list[Thing]:
    if at == 2 and frame == EMPTY_FRAME:
        return []
    found = []
    for place, speed in enumerate(_SNIPPETS[at].speeds):
        start = numbers(seed, at, place, count=2)
        x = (start[0] % 8 + frame * _SPEEDS[speed]) % (_WIDTH - _SIDE)
        y = start[1] % 8 + place * 44
        what = Object(
            _WNIDS[(at + place) % 3],
            track=place,
            occluded=frame % 5 == 4,
            generated=frame % 2 == 1,
        )
        found.append(Thing(what, Box(x, y, x + _SIDE - 1, y + _SIDE - 1)))
    return found
