"""Validation: batches of whole images resized and cut in the middle, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imnet_data.bench import names
from imnet_data.bench.loading import Loading, on_host
from imnet_data.bench.sample import picture, some
from imnet_data.transforms import EvalRecipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

    def check(self) -> int:
        """Compare the records, the labels and some images of the last batch with Pillow's."""
        _, step, batch = self._last
        size = self.work.schedule.batch_size
        indices = np.arange(step * size, (step + 1) * size)
        self._require(np.array_equal(on_host(batch.indices), indices), "gave other records")
        labels = self.dataset.labels[indices]
        self._require(np.array_equal(on_host(batch.labels), labels), "gave other labels")
        for position in some(size):
            expected = _middle(picture(self.dataset, int(indices[position])), self.recipe)
            self._require_image(on_host(batch.images[position]), expected)
        return len(some(size))


def _middle(image: Image.Image, recipe: EvalRecipe) -> NDArray[np.uint8]:
    """Return the square in the middle, resized and cut by Pillow."""
    short = min(image.size)
    width, height = (int(recipe.resize * side / short) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, upper = round((width - recipe.crop) / 2), round((height - recipe.crop) / 2)
    return np.asarray(image.crop((left, upper, left + recipe.crop, upper + recipe.crop)))
