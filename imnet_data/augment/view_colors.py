"""The colours of several views of an image: jitter, greyscale, blur and solarise, each by chance.

Source: what DINO's views have in common with BYOL's and SimCLR's (facebookresearch/dino,
main_dino.py; google-deepmind/deepmind-research, byol/utils/augmentations.py; google-research/
simclr, data_util.py), done as torchvision and Pillow do it to Pillow's images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from imnet_data.augment import tones
from imnet_data.augment.arguments import require_batch
from imnet_data.augment.blur import gaussian_blur
from imnet_data.augment.color_jitter import JitterDraw, apply_jitter, draw_jitter
from imnet_data.augment.recipes import ColorJitter
from imnet_data.augment.sending import sent
from imnet_data.rng import Stream, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.augment.recipes import ViewColors

_UNCHANGED = np.array([1.0, 1.0, 1.0, 0.0])  # factors
_JITTER_CHANCE = 8  # draw of Stream.JITTER after those of draw_jitter
_CHANCE, _SIGMA = range(2)  # draws of the other streams
_SOLARIZE_FROM = 128.0


class ViewDraw(NamedTuple):
    """What is done to the images of a batch of views, one row per image."""

    jitter: JitterDraw
    are_grey: NDArray[np.bool_]  # [n]
    sigmas: NDArray[np.float64]  # [n] of the blur in pixels, 0 for none
    are_solarized: NDArray[np.bool_]  # [n]


def draw_view(
    recipe: ViewColors, indices: NDArray[np.integer], *, seed: int, epoch: int
) -> ViewDraw:
    """Draw what is done to each image of one view.

    Args:
        recipe: what is drawn.
        indices: the records' numbers in their split, with the view in them: see `rng.keys`.
        seed: any integer.
        epoch: 0 or more.
    """

    def chosen(stream: Stream, probability: float, draw: int = _CHANCE) -> NDArray[np.bool_]:
        return uniform(seed, stream, epoch, indices, draw=draw) < probability

    drawn = draw_jitter(recipe.jitter or ColorJitter(), indices, seed=seed, epoch=epoch)
    are_jittered = chosen(Stream.JITTER, recipe.jitter_probability, _JITTER_CHANCE)
    factors = np.where(are_jittered[:, np.newaxis], drawn.factors, _UNCHANGED)
    low, high = recipe.blur_sigma
    sigmas = low + (high - low) * uniform(seed, Stream.BLUR, epoch, indices, draw=_SIGMA)
    return ViewDraw(
        JitterDraw(factors, drawn.order),
        chosen(Stream.GREYSCALE, recipe.greyscale),
        np.where(chosen(Stream.BLUR, recipe.blur), sigmas, 0.0),
        chosen(Stream.SOLARIZE, recipe.solarize),
    )


def joined(draws: Sequence[ViewDraw]) -> ViewDraw:
    """Return the draws of several views as one, one view after another."""
    jitters = zip(*(draw.jitter for draw in draws), strict=True)
    return ViewDraw(
        JitterDraw(*(np.concatenate(column) for column in jitters)),
        *(np.concatenate([draw[part] for draw in draws]) for part in (1, 2, 3)),
    )


def apply_view(images: Tensor, draw: ViewDraw) -> Tensor:
    """Return images, uint8[n, 3, height, width], with the drawn changes of colour."""
    images = apply_jitter(images, draw.jitter)
    if draw.are_grey.any():
        rows = _rows(draw.are_grey, images)
        images.index_copy_(0, rows, tones.greyscale(images[rows]))
    if draw.sigmas.any():
        images = gaussian_blur(images, draw.sigmas)
    if draw.are_solarized.any():
        rows = _rows(draw.are_solarized, images)
        part = images[rows]
        thresholds = torch.full((len(part), 1, 1, 1), _SOLARIZE_FROM, device=images.device)
        images.index_copy_(0, rows, tones.solarize(part, thresholds))
    return images


def _rows(are_chosen: NDArray[np.bool_], images: Tensor) -> Tensor:
    return sent(np.flatnonzero(are_chosen), images.device)


def color_view(
    images: Tensor,
    *,
    recipe: ViewColors,
    seed: int,
    epoch: int,
    indices: NDArray[np.integer],
) -> Tensor:
    """Return the images of one view with their colours changed; the argument is left as it is.

    Args:
        images: uint8[n, 3, height, width], on any device, before they are normalized.
        recipe: what is drawn.
        seed: any integer.
        epoch: 0 or more.
        indices: int64[n], see `draw_view`.
    """
    require_batch(images, indices, is_uint8=True)
    return apply_view(images, draw_view(recipe, indices, seed=seed, epoch=epoch))
