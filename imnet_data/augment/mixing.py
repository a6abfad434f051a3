"""Mixup, cutmix, the switch between them, and the soft targets that both need.

Images 0 and 1 of a batch are mixed with each other, 2 and 3, and so on; the last one of an odd
batch meets itself. (timm has the first meet the last. A pair of neighbours stays together however a
batch is spread over ranks.) How much is drawn from (seed, epoch, index), where the index is that of
the batch's first record, of the pair's first one or of the image itself: see `Mix.mode`.

Source: Zhang et al., "mixup", 2018; Yun et al., "CutMix", 2019; timm 1.0, data/mixup.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from imnet_data.augment.arguments import require_batch
from imnet_data.augment.distributions import symmetric_beta
from imnet_data.augment.recipes import require_probability
from imnet_data.augment.rectangles import inside
from imnet_data.augment.sending import sent
from imnet_data.rng import Stream, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.augment.recipes import Mix

_CHANCE, _SWITCH, _ROW, _COLUMN, _SHARE = range(5)  # draws; the last one takes as many as it needs


class MixDraw(NamedTuple):
    """What was drawn for the images of a batch, one row per image."""

    shares: NDArray[np.float64]  # [n] of its own target that an image keeps: "lambda", 1 for all
    boxes: NDArray[np.int64]  # [n, 4] left, upper, right, lower of cutmix's box; empty for mixup
    partners: NDArray[np.int64]  # [n] which image each is mixed with


def neighbours(count: int) -> NDArray[np.int64]:
    """Return the partner of each of `count` images, int64[count]: 1, 0, 3, 2 ..."""
    partners: NDArray[np.int64] = np.minimum(np.arange(count) ^ 1, count - 1)
    return partners


def soft_targets(labels: Tensor, class_count: int, *, smoothing: float = 0.0) -> Tensor:
    """Return targets float32[n, class_count]: `smoothing` spread evenly, the rest on the label.

    Args:
        labels: int64[n], 0 to class_count - 1; others are refused on the CPU, and end the process
            on CUDA, where looking at them would hold up the device.
        class_count: of the model.
        smoothing: 0 to 1.
    """
    require_probability("smoothing", smoothing)
    if labels.device.type == "cpu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= class_count:
            raise ValueError(f"labels go from {low} to {high}; allowed are 0 to {class_count - 1}")
    rest = smoothing / class_count
    targets = torch.full((len(labels), class_count), rest, device=labels.device)
    return targets.scatter_(1, labels.unsqueeze(1), 1 - smoothing + rest)


def draw_mix(
    recipe: Mix,
    indices: NDArray[np.integer],
    *,
    seed: int,
    epoch: int,
    size: tuple[int, int],
    partners: NDArray[np.int64] | None = None,
    first: int | None = None,
) -> MixDraw:
    """Draw how the images of a batch are mixed.

    Args:
        recipe: what is drawn.
        indices: int64[n], what it is drawn from.
        seed: any integer.
        epoch: 0 or more.
        size: height and width of the images in pixels.
        partners: see MixDraw; by default neighbours.
        first: what the one draw of mode "batch" is made from; by default the first index.
    """
    if partners is None:
        partners = neighbours(len(indices))
    keys = _keys(indices, recipe.mode, partners, first)
    switch = uniform(seed, Stream.MIX, epoch, keys, draw=_SWITCH)
    are_cut = switch < recipe.switch_probability
    if not recipe.mixup_alpha or not recipe.cutmix_alpha:
        are_cut[:] = recipe.cutmix_alpha > 0
    are_mixed = uniform(seed, Stream.MIX, epoch, keys, draw=_CHANCE) < recipe.probability
    shares, boxes = np.ones(len(keys)), np.zeros((len(keys), 4), np.int64)
    for alpha, chosen in ((recipe.mixup_alpha, ~are_cut), (recipe.cutmix_alpha, are_cut)):
        rows = np.flatnonzero(chosen & are_mixed)
        if alpha and len(rows):
            shares[rows] = symmetric_beta(
                alpha, seed, stream=Stream.MIX, epoch=epoch, indices=keys[rows], draw=_SHARE
            )
    rows = np.flatnonzero(are_cut & are_mixed)
    row_draw, column_draw = (
        uniform(seed, Stream.MIX, epoch, keys[rows], draw=draw) for draw in (_ROW, _COLUMN)
    )
    middles = (row_draw * size[0]).astype(np.int64), (column_draw * size[1]).astype(np.int64)
    boxes[rows], shares[rows] = cutmix_boxes(shares[rows], middles, size=size)
    return MixDraw(shares, boxes, partners)


def _keys(
    indices: NDArray[np.integer], mode: str, partners: NDArray[np.int64], first: int | None
) -> NDArray[np.integer]:
    """Return the index that each image's draw is made from."""
    if mode == "elem":
        return indices
    if mode == "batch":
        return np.full(len(indices), indices[0] if first is None else first)
    return indices[np.minimum(np.arange(len(indices)), partners)]


def cutmix_boxes(
    shares: NDArray[np.float64],
    middles: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    size: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return boxes int64[n, 4] of about 1 - share of the area, and what they leave, float64[n].

    Args:
        shares: of the image that stay.
        middles: row and column of the middle of each box; what is outside the image is cut off.
        size: height and width of the images.
    """
    sides = np.sqrt(1 - shares)
    edges = []
    for middle, length in zip(middles, size, strict=True):
        cut = (length * sides).astype(np.int64)
        edges.append(np.clip(middle - cut // 2, 0, length))
        edges.append(np.clip(middle + (cut + 1) // 2, 0, length))
    upper, lower, left, right = edges
    areas = (lower - upper) * (right - left)
    return np.stack([left, upper, right, lower], axis=1), 1 - areas / (size[0] * size[1])


def mix(
    images: Tensor,
    targets: Tensor,
    *,
    recipe: Mix,
    seed: int,
    epoch: int,
    indices: NDArray[np.integer],
    partners: NDArray[np.int64] | None = None,
    first: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return images and targets of a batch mixed; the arguments are left as they are.

    Args:
        images: uint8 or float [n, 3, height, width], on any device.
        targets: float[n, classes], on any device.
        recipe: what is drawn.
        seed: any integer.
        epoch: 0 or more.
        indices: int64[n], the records' numbers in their split.
        partners: int64[n], which image each is mixed with; by default neighbours.
        first: for mode "batch", the index of the first record of a batch of which this is a part.
    """
    require_batch(images, indices)
    draw = draw_mix(
        recipe,
        indices,
        seed=seed,
        epoch=epoch,
        size=(images.shape[-2], images.shape[-1]),
        partners=partners,
        first=first,
    )
    return apply_mix(images, targets, draw)


def apply_mix(images: Tensor, targets: Tensor, draw: MixDraw) -> tuple[Tensor, Tensor]:
    """Return images and targets mixed as drawn, computed in float32; uint8 is rounded to even."""
    if targets.ndim != 2 or len(targets) != len(images) or not targets.is_floating_point():
        raise ValueError(
            f"targets are {targets.dtype}{list(targets.shape)}; expected "
            f"float[{len(images)}, classes]: see soft_targets"
        )
    if (draw.shares == 1).all():
        return images, targets
    are_cut = draw.boxes[:, 0] < draw.boxes[:, 2]
    own, partners = _weights(np.where(are_cut, 1, draw.shares), images)
    if are_cut.any():
        mask = inside(draw.boxes, images)
        own, partners = own.masked_fill(mask, 0), partners.masked_fill(mask, 1)
    values = images.float()
    chosen = sent(draw.partners, values.device)
    mixed = values * own + values[chosen] * partners
    if images.dtype == torch.uint8:
        mixed = mixed.round()
    own, partners = _weights(draw.shares, targets)
    chosen = chosen.to(targets.device)
    return mixed.to(images.dtype), targets * own + targets[chosen] * partners


def _weights(shares: NDArray[np.float64], values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights of each and of its partner, float32, shaped to be multiplied with."""
    both = sent(np.stack([shares, 1 - shares]).astype(np.float32), values.device)
    shape = (2, -1, *[1] * (values.ndim - 1))
    own, partners = both.view(shape)
    return own, partners
