"""Which images the synthetic dataset has: their classes, keys, order and oddities.

Two classes are always among the chosen: those of `n02105855_2933`, the published PNG in disguise,
and `n01739381_1309`, a published CMYK JPEG. The others are spread evenly over the 1000.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from imnet_data.arguments import integer
from imnet_data.imagenet import labels
from imnet_data.rng import Stream, hash64, require_seed, uniform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from imnet_data.record import Box

Split = Literal["train", "val", "test"]
Oddity = Literal["", "png", "cmyk", "broken exif", "progressive", "grey", "huge"]

PNG_KEY = "n02105855_2933"
CMYK_KEY = "n01739381_1309"
NAMED_WNIDS = tuple(key.partition("_")[0] for key in (PNG_KEY, CMYK_KEY))

# domains of the random numbers of this package, given as rng's epoch
FIELDS, NUMBERS, VAL_LABELS, VAL_ORDER, TRAIN_IMAGE, VAL_IMAGE, TEST_IMAGE = range(7)
IMAGE_DOMAINS: dict[Split, int] = {
    "train": TRAIN_IMAGE,
    "val": VAL_IMAGE,
    "test": TEST_IMAGE,
}


class Slot(NamedTuple):
    """One image that is to be."""

    split: Split
    image_index: int  # in its split: train by class, val and test by number
    key: str
    label: int  # position in the classes; of a test image too, though it is never written
    oddity: Oddity


class Picture(NamedTuple):
    """One image made."""

    data: bytes  # its file
    width: int  # pixels, 0 where unknown
    height: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """All images of the dataset, listed from a few numbers."""

    seed: int
    classes: tuple[str, ...]  # sorted wnids
    images_per_class: int
    val_per_class: int
    test_count: int

    def __post_init__(self) -> None:
        require_seed("seed", self.seed)
        integer("images_per_class", self.images_per_class, least=1)
        integer("val_per_class", self.val_per_class, least=0)
        integer("test_count", self.test_count, least=0)

    @property
    def image_count(self) -> int:
        """Return the number of images in the three splits."""
        return len(self.classes) * (self.images_per_class + self.val_per_class) + self.test_count

    def train(self, label: int) -> Iterator[Slot]:
        """Yield the train images of a class in the order they are stored, which is by number."""
        wnid = self.classes[label]
        first = label * self.images_per_class
        for index, number in enumerate(self._numbers(wnid), first):
            key = f"{wnid}_{number}"
            yield Slot("train", index, key, label, self._train_oddity(index, key))

    def val(self) -> Iterator[Slot]:
        """Yield the val images in the order they are stored, which is not by number."""
        val_labels = self.val_labels()
        count = len(val_labels)
        order = _permutation(self.seed, VAL_ORDER, count)
        if count > 1 and (np.diff(order) > 0).all():
            order = order[::-1]
        for index in order.tolist():
            oddity: Oddity = "huge" if index == count // 3 else ""
            key = f"ILSVRC2012_val_{index + 1:08d}"
            yield Slot("val", index, key, val_labels[index], oddity)

    def val_labels(self) -> list[int]:
        """Return the labels of the val images in number order."""
        count = len(self.classes) * self.val_per_class
        order = _permutation(self.seed, VAL_LABELS, count)
        return [place // self.val_per_class for place in order.tolist()]

    def test(self) -> Iterator[Slot]:
        """Yield the test images."""
        for index in range(self.test_count):
            key = f"ILSVRC2012_test_{index + 1:08d}"
            yield Slot("test", index, key, index % len(self.classes), "")

    def _numbers(self, wnid: str) -> list[int]:
        first = labels.ilsvrc2012_wnids().index(wnid) * 10_000
        indices = np.arange(first, first + self.images_per_class)
        # the numbers of the original have one to six digits and gaps of all sizes
        gaps = 1 + (uniform(self.seed, Stream.SYNTH, NUMBERS, indices) ** 2 * 60).astype(np.int64)
        numbers = np.cumsum(gaps)
        for key in (PNG_KEY, CMYK_KEY):
            if key.startswith(wnid):
                published = int(key.partition("_")[2])
                numbers[np.abs(numbers - published).argmin()] = published
        return [int(number) for number in numbers]

    def _train_oddity(self, index: int, key: str) -> Oddity:
        if key == PNG_KEY:
            return "png"
        if key == CMYK_KEY:
            return "cmyk"
        return self._unnamed_oddities.get(index, "")

    @functools.cached_property
    def _unnamed_oddities(self) -> dict[int, Oddity]:
        """Map train indices to oddities, one each, in the classes whose names are not published."""
        plain = [label for label, wnid in enumerate(self.classes) if wnid not in NAMED_WNIDS]
        found: dict[int, Oddity] = {}
        oddities: tuple[Oddity, ...] = ("broken exif", "progressive", "grey")
        for turn, oddity in enumerate(oddities if plain else ()):
            lap, place = divmod(turn, len(plain))
            position = (self.images_per_class // 2 + lap) % self.images_per_class
            found.setdefault(plain[place] * self.images_per_class + position, oddity)
        return found


def choose_classes(count: int, *, first: Sequence[str] = NAMED_WNIDS) -> tuple[str, ...]:
    """Return `count` sorted wnids of ILSVRC2012: those of `first`, then others spread evenly."""
    integer("class_count", count, least=1, most=1000)
    chosen = list(first[:count])
    others = [wnid for wnid in labels.ilsvrc2012_wnids() if wnid not in chosen]
    rest = count - len(chosen)
    return tuple(sorted(chosen + [others[index * len(others) // rest] for index in range(rest)]))


def _permutation(seed: int, domain: int, count: int) -> NDArray[np.int64]:
    return np.argsort(hash64(seed, Stream.SYNTH, domain, np.arange(count)), kind="stable")
