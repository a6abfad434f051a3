"""The records that stages work on, in memory, and what has to come out of them.

They are the first ones of epoch 0, with that epoch's boxes and flips, so that the stages' work is
the loader's work. The result is compared with Pillow's pixels of the image as published.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from imnet_data.bench.stored import StoredReader, require_hash
from imnet_data.loaders.schedule import Schedule
from imnet_data.transforms import TrainRecipe, train_boxes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from imnet_data.dataset.opened import Dataset

MOST_IMAGES = 512  # more do not make it truer, and their crops take 155 MB
CHECKED = 8  # images of a batch that are compared with Pillow: 3 ms each
SEED = 0

Box = tuple[int, int, int, int]


class Work(NamedTuple):
    """What is done to which records."""

    schedule: Schedule
    recipe: TrainRecipe

    def first(self, most: int, *, in_epoch_order: bool) -> NDArray[np.int64]:
        """Return the records of the first batches, whole ones: one at least, `most` records."""
        size = self.schedule.batch_size
        count = min(len(self.schedule), max(1, most // size)) * size
        return self.schedule.epoch_order(0)[:count] if in_epoch_order else np.arange(count)


def work_of(dataset: Dataset, *, batch_size: int, size: int) -> Work:
    """Return the work of `open_loader` on a dataset.

    Raises:
        ValueError: if the records do not fill one batch.
    """
    schedule = Schedule(count=len(dataset), batch_size=batch_size, seed=SEED)
    return Work(schedule, TrainRecipe(size=size))


class Sample:
    """Whole batches of epoch 0.

    Args:
        dataset: opened.
        work: says which batches, and what is done to them.
        hashes: of what is stored, by record number; for `Reading`, too.

    Raises:
        FormatError: if what is stored is not what the manifest says.
    """

    def __init__(self, dataset: Dataset, work: Work, hashes: Mapping[int, str]) -> None:
        self.dataset, self.work, self.hashes = dataset, work, hashes
        self.indices = work.first(MOST_IMAGES, in_epoch_order=True)
        boxes, self.flips = boxes_of(dataset, work.recipe, self.indices, epoch=0)
        self._boxes: list[Box] = [(*box,) for box in boxes.tolist()]  # of Python: it is timed
        with StoredReader(dataset) as reader:
            self.stored = reader.read(self.indices)
        self.is_pixels = dataset.is_pixels[self.indices]
        for index, content in zip(self.indices.tolist(), self.stored, strict=True):
            got = hashlib.sha256(content).hexdigest()
            require_hash(dataset, index, got=got, hashes=hashes)

    def __len__(self) -> int:
        return len(self.indices)

    def box(self, position: int) -> Box:
        """Return the box that is cut out of an image: left, upper, right, lower."""
        return self._boxes[position]

    def picture(self, position: int) -> Image.Image:
        """Return the box of an image as Pillow has it."""
        return picture(self.dataset, int(self.indices[position])).crop(self.box(position))


def boxes_of(
    dataset: Dataset, recipe: TrainRecipe, indices: NDArray[np.int64], *, epoch: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return boxes and flips of some records, as `train_boxes` does."""
    widths, heights = dataset.index.width[indices], dataset.index.height[indices]
    return train_boxes(widths, heights, indices, recipe=recipe, seed=SEED, epoch=epoch)


def picture(dataset: Dataset, index: int) -> Image.Image:
    """Return a whole image: its bytes as published, decoded by Pillow; or the pixels it has."""
    if dataset.is_pixels[index]:
        size = int(dataset.index.width[index]), int(dataset.index.height[index])
        return Image.frombytes("RGB", size, dataset.stored(index))
    with Image.open(io.BytesIO(dataset[index].jpeg)) as image:
        return image.convert("RGB")


def resized(image: Image.Image, *, size: int, flip: bool) -> NDArray[np.uint8]:
    """Return an image resized and mirrored by Pillow, uint8[size, size, 3]."""
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image)


def some(count: int) -> list[int]:
    """Return the positions that are checked, at even distances, the last one among them."""
    checked = min(count, CHECKED)
    return [count * (number + 1) // checked - 1 for number in range(checked)]
