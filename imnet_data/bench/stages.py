"""Stages on images in memory, on one core: hash, cut, decode, resize, normalize."""

from __future__ import annotations

import hashlib
import io
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from imnet_data import jpeg
from imnet_data.bench import names
from imnet_data.bench.measurement import Done
from imnet_data.bench.sample import resized, some
from imnet_data.bench.stored import require_hash
from imnet_data.errors import EvaluationError, verify_command
from imnet_data.transforms import normalize, train_image

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from imnet_data.bench.sample import Sample


class InMemory:
    """Stage: a call for each image of a sample.

    Args:
        name: of the stage.
        sample: the images.
        takes: what goes in.
        nbytes: of what goes in, one number per image.
        work: does image number i of the sample.
        is_right: returns whether the result of `work(i)` is right.
    """

    threads = 1
    is_cold: bool | None = None

    def __init__(
        self,
        name: str,
        sample: Sample,
        *,
        takes: str,
        nbytes: list[int],
        work: Callable[[int], Any],
        is_right: Callable[[int, Any], bool],
    ) -> None:
        self.name, self.takes = name, takes
        self._sample, self._nbytes = sample, nbytes
        self._work, self._is_right = work, is_right
        self._last: dict[int, Any] = {}  # position in the sample -> what was made of it

    def prepare(self) -> None:
        """Nothing is to be done."""

    def batches(self) -> Generator[Done, None, None]:
        """Do batch after batch, from the sample's first on again and again."""
        size = self._sample.work.schedule.batch_size
        kept = set(some(size))  # no more: memory that is not used again costs time
        for first in cycle(range(0, len(self._sample), size)):
            last = {}
            for offset in range(size):
                result = self._work(first + offset)
                if offset in kept:
                    last[first + offset] = result
            self._last = last
            yield Done(size, sum(self._nbytes[first : first + size]))

    def check(self) -> int:
        """Look at some results of the last batch."""
        for position, result in self._last.items():
            if not self._is_right(position, result):
                raise wrong(self.name, self._sample, position)
        return len(self._last)


def wrong(name: str, sample: Sample, position: int) -> EvaluationError:
    """Return the error that a stage made something else than it has to."""
    index = int(sample.indices[position])
    key = sample.dataset.index.key[index].decode()
    return EvaluationError(
        f"{name}: {key} (record {index}) of {sample.dataset.root} came out wrong, so its time "
        f"means nothing; run {verify_command(sample.dataset.root, decodes=True)}"
    )


def in_memory(sample: Sample) -> list[InMemory]:
    """Return the stages of a sample: hash, cut where JPEGs can be cut, decode and resize."""
    cut = [cutting(sample)] if any(is_seekable(sample)) else []
    return [hashing(sample), *cut, decoding(sample), resizing(sample)]


def is_seekable(sample: Sample) -> list[bool]:
    """Return which images are JPEGs with restart markers."""
    return [
        not is_pixels and not jpeg.is_packed(content) and jpeg.header(content).restart_interval > 0
        for content, is_pixels in zip(sample.stored, sample.is_pixels.tolist(), strict=True)
    ]


def hashing(sample: Sample) -> InMemory:
    """Return the stage that takes the sha256 of what is stored."""

    def is_right(position: int, digest: bytes) -> bool:
        index = int(sample.indices[position])
        require_hash(sample.dataset, index, got=digest.hex(), hashes=sample.hashes)
        return True

    return InMemory(
        names.HASH,
        sample,
        takes="stored bytes",
        nbytes=[len(content) for content in sample.stored],
        work=lambda position: hashlib.sha256(sample.stored[position]).digest(),
        is_right=is_right,
    )


def cutting(sample: Sample) -> InMemory:
    """Return the stage that cuts a smaller JPEG out of the compressed bytes."""
    takes_part = is_seekable(sample)

    def cut(position: int) -> tuple[bytes, tuple[int, int, int, int]] | None:
        if not takes_part[position]:
            return None
        return jpeg.crop(sample.stored[position], sample.box(position))

    def is_right(position: int, result: tuple[bytes, tuple[int, int, int, int]] | None) -> bool:
        if result is None:
            return not takes_part[position]
        content, box = result
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image.convert("RGB").crop(box))
        return np.array_equal(pixels, np.asarray(sample.picture(position)))

    return InMemory(
        names.CUT,
        sample,
        takes="stored bytes",
        nbytes=[len(content) for content in sample.stored],
        work=cut,
        is_right=is_right,
    )


def decoding(sample: Sample) -> InMemory:
    """Return the stage that makes pixels of the crop's part of what is stored."""
    return InMemory(
        names.DECODE,
        sample,
        takes="stored bytes",
        nbytes=[len(content) for content in sample.stored],
        work=lambda position: pixels_of(sample, position),
        is_right=lambda position, pixels: np.array_equal(
            pixels, np.asarray(sample.picture(position))
        ),
    )


def pixels_of(sample: Sample, position: int) -> NDArray[np.uint8]:
    """Return the pixels of the box of an image."""
    box = sample.box(position)
    if not sample.is_pixels[position]:
        return jpeg.decode(sample.stored[position], box, other="pillow")
    columns = sample.dataset.index
    index = int(sample.indices[position])
    shape = int(columns.height[index]), int(columns.width[index]), 3
    image = np.frombuffer(sample.stored[position], np.uint8).reshape(shape)
    left, upper, right, lower = box
    return image[upper:lower, left:right]


def resizing(sample: Sample) -> InMemory:
    """Return the stage that resizes a crop to the square, and mirrors it."""
    crops = [pixels_of(sample, position) for position in range(len(sample))]
    size = sample.work.recipe.size_at(0)

    def resize(position: int) -> NDArray[np.uint8]:
        height, width = crops[position].shape[:2]
        flip = bool(sample.flips[position])
        return train_image(crops[position], (0, 0, width, height), size=size, flip=flip)

    def is_right(position: int, pixels: NDArray[np.uint8]) -> bool:
        flip = bool(sample.flips[position])
        return np.array_equal(pixels, resized(sample.picture(position), size=size, flip=flip))

    return InMemory(
        names.RESIZE,
        sample,
        takes="pixels of crops",
        nbytes=[crop.nbytes for crop in crops],
        work=resize,
        is_right=is_right,
    )


class Normalizing:
    """Stage: whole batches of uint8 to float32 in planes, on the CPU."""

    name, takes = names.NORMALIZE, "pixels"
    threads = 1
    is_cold: bool | None = None

    def __init__(self, sample: Sample) -> None:
        self._recipe = sample.work.recipe
        size = self._recipe.size_at(0)
        count = sample.work.schedule.batch_size
        values = np.arange(count * size * size * 3, dtype=np.uint64) * 7919
        self._images = values.astype(np.uint8).reshape(count, size, size, 3)
        self._last = np.empty(0, np.float32)

    def prepare(self) -> None:
        """Nothing is to be done."""

    def batches(self) -> Generator[Done, None, None]:
        """Do the same batch again and again."""
        mean, std = self._recipe.mean, self._recipe.std
        while True:
            self._last = normalize(self._images, mean=mean, std=std)
            yield Done(len(self._images), self._images.nbytes)

    def check(self) -> int:
        """Compare some images with the arithmetic written out."""
        for position in some(len(self._images)):
            require_normalized(self._last[position], self._images[position], self._recipe)
        return len(some(len(self._images)))


def require_normalized(values: NDArray[np.float32], image: NDArray[np.uint8], recipe: Any) -> None:
    """Raise if `values`, float32[3, h, w], are not those of the image, uint8[h, w, 3]."""
    expected = (image / 255 - np.array(recipe.mean)) / np.array(recipe.std)
    if not np.allclose(values, expected.transpose(2, 0, 1), rtol=0, atol=1e-5):
        raise EvaluationError("normalize: the numbers came out wrong, so its time means nothing")
