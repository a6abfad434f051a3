"""Validation: batches of whole images resized and cut in the middle, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imnet_data.bench import names
from imnet_data.bench.loading import Loading
from imnet_data.bench.sample import picture, some
from imnet_data.loaders.opening import open_loader
from imnet_data.transforms import EvalRecipe

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from imnet_data.bench.measurement import Done

_CROP_SHARE = 0.875  # of the resized shorter side: 224 of 256


class Validating(Loading):
    """Stage: batches as an evaluation takes them, of the dataset's split.

    Arguments are those of `Loading`; the size of its recipe is the side of the square.
    """

    def name_of(self, kind: str) -> str:
        """Return the name of the row."""
        return f"{names.VALIDATION} ({kind})"

    @property
    def recipe(self) -> EvalRecipe:
        """What is done to the pixels."""
        side = self.work.recipe.size_at(0)
        return EvalRecipe(resize=round(side / _CROP_SHARE), crop=side)

    def batches(self) -> Generator[Done, None, None]:
        """Open the loader, and yield its batches, again and again."""
        with open_loader(
            self.dataset.root,
            self.recipe,
            batch_size=self.work.schedule.batch_size,
            split=self.dataset.split,
            rank=0,
            world_size=1,
            threads=self.threads,
            last="drop",
        ) as loader:
            while True:
                for step, batch in enumerate(loader.epoch(0)):
                    yield self.done(0, step, batch)

    def check(self) -> int:
        """Compare the records, the labels and some images of the last batch with Pillow's."""
        _, step, batch = self._last
        size = self.work.schedule.batch_size
        indices = np.arange(step * size, (step + 1) * size)
        self._require(np.array_equal(batch.indices, indices), "gave other records")
        labels = self.dataset.labels[indices]
        self._require(np.array_equal(batch.labels, labels), "gave other labels")
        for position in some(size):
            expected = _middle(picture(self.dataset, int(indices[position])), self.recipe)
            is_right = np.array_equal(batch.images[position], expected)
            self._require(is_right, "gave other pixels than Pillow")
        return len(some(size))


def _middle(image: Image.Image, recipe: EvalRecipe) -> NDArray[np.uint8]:
    """Return the square in the middle, resized and cut by Pillow."""
    short = min(image.size)
    width, height = (int(recipe.resize * side / short) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, upper = round((width - recipe.crop) / 2), round((height - recipe.crop) / 2)
    return np.asarray(image.crop((left, upper, left + recipe.crop, upper + recipe.crop)))
