"""Colour jitter: brightness, contrast, saturation and hue of each image, in an order of its own.

Source: torchvision 0.28, transforms/v2/_color.py (ColorJitter: ranges, order), and what its
operations do to Pillow's images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.augment import tones
from imnet_data.augment.arguments import require_batch
from imnet_data.augment.hue import shift_hue
from imnet_data.augment.sending import sent
from imnet_data.rng import Stream, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.augment.recipes import ColorJitter

_OPERATIONS = (tones.brightness, tones.contrast, tones.saturation, shift_hue)
_FACTORS, _PLACES = 0, 4  # first draws


class JitterDraw(NamedTuple):
    """What is done to the images of a batch, one row per image."""

    factors: NDArray[np.float64]  # [n, 4] of brightness, contrast, saturation, and shift of hue
    order: NDArray[np.int64]  # [n, 4] which of these is done first, second, third and last


def draw_jitter(
    recipe: ColorJitter, indices: NDArray[np.integer], *, seed: int, epoch: int
) -> JitterDraw:
    """Draw factors and order for each image."""
    factors, places = (
        np.stack(
            [
                uniform(seed, Stream.JITTER, epoch, indices, draw=first + number)
                for number in range(4)
            ],
            axis=1,
        )
        for first in (_FACTORS, _PLACES)
    )
    reach = np.array([recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue])
    centre = np.array([1.0, 1.0, 1.0, 0.0])
    low = centre - reach
    low[:3] = np.maximum(low[:3], 0)
    factors = low + (centre + reach - low) * factors
    return JitterDraw(factors, np.argsort(places, axis=1, kind="stable"))


def apply_jitter(images: Tensor, draw: JitterDraw) -> Tensor:
    """Return images, uint8[n, 3, height, width], with the drawn factors, each in its order."""
    images = images.clone()
    for place in range(4):
        for number, operation in enumerate(_OPERATIONS):
            unchanged = 0 if operation is shift_hue else 1
            factors = draw.factors[:, number]
            rows = np.flatnonzero((draw.order[:, place] == number) & (factors != unchanged))
            if len(rows):
                chosen, column = (sent(array, images.device) for array in (rows, factors[rows]))
                done = operation(images[chosen], column.view(-1, 1, 1, 1))
                images.index_copy_(0, chosen, done)
    return images


def jitter(
    images: Tensor, *, recipe: ColorJitter, seed: int, epoch: int, indices: NDArray[np.integer]
) -> Tensor:
    """Return images with jittered colours; the argument is left as it is.

    Args:
        images: uint8[n, 3, height, width], on any device, before they are normalized.
        recipe: what is drawn.
        seed: any integer.
        epoch: 0 or more.
        indices: int64[n], the records' numbers in their split.
    """
    require_batch(images, indices, is_uint8=True)
    return apply_jitter(images, draw_jitter(recipe, indices, seed=seed, epoch=epoch))
