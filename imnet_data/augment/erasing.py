"""Random erasing: a rectangle of some images is filled with a number, or with noise.

Up to ten tries of a random area and a random ratio of height to width (uniform in its logarithm);
the first that is smaller than the image is put at a random place, and if there is none, nothing is
erased. That is what torchvision and timm do to an image that is normalized already.

Source: Zhong et al., "Random erasing data augmentation", 2017; torchvision 0.28,
transforms/v2/_augment.py; timm 1.0, data/random_erasing.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from imnet_data.augment.arguments import require_batch
from imnet_data.augment.distributions import power
from imnet_data.augment.noise import normal_noise
from imnet_data.augment.rectangles import inside
from imnet_data.augment.sending import sent
from imnet_data.rng import Stream, hash64, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.augment.recipes import Erasing

TRIES = 10  # torchvision's and timm's
_CHANCE, _NOISE, _FIRST_TRY = range(3)  # draws
_DRAWS = 4  # numbers for each try: area, ratio, upper, left


def draw_erasing(
    recipe: Erasing,
    indices: NDArray[np.integer],
    *,
    seed: int,
    epoch: int,
    size: tuple[int, int],
) -> NDArray[np.int64]:
    """Return what is erased, int64[n, 4] (left, upper, right, lower), empty where nothing is.

    `size` is height and width of the images in pixels.
    """
    boxes = np.zeros((len(indices), 4), np.int64)
    chance = uniform(seed, Stream.ERASE, epoch, indices, draw=_CHANCE)
    missing = np.flatnonzero(chance < recipe.probability)
    for attempt in range(TRIES):
        first = _FIRST_TRY + attempt * _DRAWS
        numbers = [
            uniform(seed, Stream.ERASE, epoch, indices[missing], draw=first + number)
            for number in range(_DRAWS)
        ]
        tried, fits = _tried_boxes(numbers, recipe, size)
        boxes[missing[fits]] = tried[fits]
        missing = missing[~fits]
    return boxes


def _tried_boxes(
    numbers: list[NDArray[np.float64]], recipe: Erasing, size: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    area_draw, ratio_draw, upper_draw, left_draw = numbers
    height, width = size
    low, high = recipe.scale
    areas = height * width * (low + (high - low) * area_draw)
    low, high = recipe.ratio
    ratios = low * power(high / low, ratio_draw)
    # np.rint rounds halves to even, as Python's round
    heights = np.rint(np.sqrt(areas * ratios)).astype(np.int64)
    widths = np.rint(np.sqrt(areas / ratios)).astype(np.int64)
    upper = (upper_draw * (height - heights + 1)).astype(np.int64)
    left = (left_draw * (width - widths + 1)).astype(np.int64)
    boxes = np.stack([left, upper, left + widths, upper + heights], axis=1)
    return boxes, (heights < height) & (widths < width)


def erase(
    images: Tensor, *, recipe: Erasing, seed: int, epoch: int, indices: NDArray[np.integer]
) -> Tensor:
    """Return images with rectangles erased; the argument is left as it is.

    Args:
        images: uint8 or float [n, 3, height, width], on any device.
        recipe: what is drawn.
        seed: any integer.
        epoch: 0 or more.
        indices: int64[n], the records' numbers in their split.
    """
    require_batch(images, indices)
    if recipe.mode == "pixel" and images.dtype == torch.uint8:
        raise ValueError("images are uint8; noise (mode pixel) needs normalized images")
    height, width = images.shape[-2:]
    boxes = draw_erasing(recipe, indices, seed=seed, epoch=epoch, size=(height, width))
    rows = np.flatnonzero(boxes[:, 2] > boxes[:, 0])
    if not len(rows):
        return images
    if recipe.mode == "const":
        return images.clone().masked_fill_(inside(boxes, images), recipe.value)
    hashes = hash64(seed, Stream.ERASE, epoch, indices[rows], draw=_NOISE)
    noise = normal_noise(hashes, (3, height, width), device=images.device).to(images.dtype)
    chosen = sent(rows, images.device)
    part = images[chosen]
    erased = torch.where(inside(boxes[rows], part), noise, part)
    return images.clone().index_copy_(0, chosen, erased)
