"""The files of a small DET set, below its root, as the archives of 2015 and later have them."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.imagenet.detection import DET, categories, number_of
from imnet_data.record import Box, Object
from imnet_data.synth.objects import Thing, jpeg, numbers, xml

if TYPE_CHECKING:
    from collections.abc import Iterator

# dog, domestic_cat, car, person, bow, bow_tie; and the breeds that train has of two of them
_WNIDS = ("n02084071", "n02121808", "n02958343", "n00007846", "n02879718", "n02883205")
_BREEDS = {"n02084071": "n02085620", "n02121808": "n02123045"}
_EXTRA_COUNT, _NEW_COUNT, _VAL_COUNT, _TEST_COUNT = 3, 4, 6, 2
_TRAIN, _EXTRA, _NEW, _VAL, _TEST = range(5)  # domains of random numbers
BLACKLISTED = (3, "n02084071")  # image of val.txt, and the class that is not scored there
_LISTS = {1: "pos", 0: "part", -1: "neg"}


class _Image(NamedTuple):
    folder: str  # below Data/DET
    name: str
    jpeg: bytes
    xml: bytes  # b"" where there is none
    labels: dict[str, int]  # of train: what the lists say


def files(seed: int, images_per_class: int) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file; images of a folder together, the lists last."""
    lists: dict[int, list[str]] = defaultdict(list)
    names: dict[str, list[str]] = defaultdict(list)
    for image in _images(seed, images_per_class):
        yield f"Data/DET/{image.folder}/{image.name}.JPEG", image.jpeg
        if image.xml:
            yield f"Annotations/DET/{image.folder}/{image.name}.xml", image.xml
        split, _, below = f"{image.folder}/{image.name}".partition("/")
        names[split].append(below)
        for wnid, value in image.labels.items():
            lists[number_of(DET)[wnid]].append(f"{below} {value}\n")
    for number in range(1, len(categories(DET)) + 1):
        yield f"ImageSets/DET/train_{number}.txt", "".join(lists[number]).encode()
    for split in ("val", "test"):
        text = "".join(f"{name} {number}\n" for number, name in enumerate(names[split], 1))
        yield f"ImageSets/DET/{split}.txt", text.encode()
    rows = "".join(f"{each.wnid} {each.number} {each.name}\n" for each in categories(DET))
    yield "devkit/data/map_det.txt", rows.encode()
    blacklist = f"{BLACKLISTED[0]} {BLACKLISTED[1]}\n"
    yield "devkit/data/ILSVRC2015_det_validation_blacklist.txt", blacklist.encode()


def lists_of_2014(seed: int, images_per_class: int) -> Iterator[tuple[str, bytes]]:
    """Yield the lists as the devkit of 2014 has them: one per class and value, without numbers."""
    lists: dict[str, list[str]] = defaultdict(list)
    names: dict[str, list[str]] = defaultdict(list)
    for image in _images(seed, images_per_class):
        names[image.folder.partition("/")[0]].append(image.name)
        for wnid, value in image.labels.items():
            batch = image.folder.rpartition("/")[2]
            number = number_of(DET)[wnid]
            lists[f"train_{_LISTS[value]}_{number}.txt"].append(f"{batch}/{image.name}\n")
    for name, lines in sorted(lists.items()):
        yield f"det_lists/{name}", "".join(lines).encode()
    for split in ("val", "test"):
        text = "".join(f"{name} {number}\n" for number, name in enumerate(names[split], 1))
        yield f"det_lists/{split}.txt", text.encode()


@functools.lru_cache(maxsize=2)
def _images(seed: int, images_per_class: int) -> tuple[_Image, ...]:
    return tuple(_drawn(seed, images_per_class))


def _drawn(seed: int, images_per_class: int) -> Iterator[_Image]:
    for at, wnid in enumerate(_WNIDS):
        folder = _BREEDS.get(wnid, wnid)
        for index in range(images_per_class):
            draws = numbers(seed, _TRAIN, at, index, count=8)
            what = Object(wnid, _BREEDS.get(wnid, ""))
            labels = {wnid: 0 if index % 4 == 3 else 1}  # of a crowd, one alone has a box
            if index % 3 == 1:
                labels[_WNIDS[(at + 1) % len(_WNIDS)]] = -1
            name = f"{folder}_{(7 * at + 1) * 10 + index}"
            yield _image(f"train/ILSVRC2013_train/{folder}", name, draws, [what], labels)
    for index in range(_EXTRA_COUNT):
        draws, labels = numbers(seed, _EXTRA, index, count=8), {_WNIDS[index]: -1}
        image = _image(
            "train/ILSVRC2013_train_extra0", f"ILSVRC2013_train_{index + 1:08d}", draws, [], labels
        )
        yield image._replace(xml=b"")
    for index in range(_NEW_COUNT):
        draws = numbers(seed, _NEW, index, count=20)
        found = [Object(_WNIDS[word % len(_WNIDS)]) for word in draws[17:]]
        present = {what.wnid for what in found}
        labels = {each.wnid: 1 if each.wnid in present else -1 for each in categories(DET)}
        name = f"ILSVRC2014_train_{index + 1:08d}"
        yield _image("train/ILSVRC2014_train_0000", name, draws, found, labels)
    for index in range(_VAL_COUNT):
        draws = numbers(seed, _VAL, index, count=20)
        found = [Object(_WNIDS[word % len(_WNIDS)]) for word in draws[17 : 17 + index % 4]]
        if index == BLACKLISTED[0] - 1:
            found.append(Object(BLACKLISTED[1]))
        yield _image("val", f"ILSVRC2012_val_{4 * index + 1:08d}", draws, found, {})
    for index in range(_TEST_COUNT):
        draws = numbers(seed, _TEST, index, count=8)
        image = _image("test", f"ILSVRC2012_test_{3 * index + 1:08d}", draws, [], {})
        yield image._replace(xml=b"")


def _image(
    folder: str, name: str, draws: list[int], found: list[Object], labels: dict[str, int]
) -> _Image:
    width, height = 64 + draws[0] % 65, 64 + draws[1] % 65
    things = [
        Thing(what, _box(draws[2 + 4 * place :], width, height)) for place, what in enumerate(found)
    ]
    picture = jpeg(width, height, things, shade=draws[0])
    text = xml(name, folder.rpartition("/")[2], width, height, things, depth=True)
    return _Image(folder, name, picture, text, labels)


def _box(draws: list[int], width: int, height: int) -> Box:
    """Return a box of 8 pixels at least; both corners are in the picture."""
    x, y = draws[0] % (width - 8), draws[1] % (height - 8)
    return Box(x, y, x + 7 + draws[2] % (width - x - 7), y + 7 + draws[3] % (height - y - 7))
