"""Mixup, cutmix, the switch between them, and the soft targets that both need.

Image i of a batch is mixed with image n - 1 - i, as timm does; the one in the middle of an odd
batch meets itself. How much is drawn from (seed, epoch, index), where the index is that of the
batch's first record, of the pair's first one or of the image itself: see `Mix.mode`.

Source: Zhang et al., "mixup", 2018; Yun et al., "CutMix", 2019; timm 1.0, data/mixup.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch

from imnet_data.augment.arguments import require_batch, require_probability
from imnet_data.augment.distributions import symmetric_beta
from imnet_data.augment.rectangles import inside
from imnet_data.augment.sending import sent
from imnet_data.rng import Stream, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_CHANCE, _SWITCH, _ROW, _COLUMN, _SHARE = range(5)  # draws; the last one takes as many as it needs
MODES = ("batch", "pair", "elem")


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How images and their targets are mixed; names are timm's."""

    mixup_alpha: float = 0.0  # of the Beta distribution of shares, 0 for no mixup
    cutmix_alpha: float = 0.0  # likewise
    probability: float = 1.0  # of mixing at all
    switch_probability: float = 0.5  # of cutmix, where both are on
    mode: Literal["batch", "pair", "elem"] = "batch"  # what has a draw of its own

    def __post_init__(self) -> None:
        for name in ("mixup_alpha", "cutmix_alpha"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; allowed are 0 and more")
        require_probability("probability", self.probability)
        require_probability("switch_probability", self.switch_probability)
        if self.mode not in MODES:
            raise ValueError(f"mode is {self.mode!r}; allowed are {', '.join(MODES)}")


class MixDraw(NamedTuple):
    """What was drawn for the images of a batch, one row per image."""

    shares: NDArray[np.float64]  # [n] of its own target that an image keeps: "lambda", 1 for all
    boxes: NDArray[np.int64]  # [n, 4] left, upper, right, lower of cutmix's box; empty for mixup


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
) -> MixDraw:
    """Draw how the images of a batch are mixed; `size` is their height and width in pixels."""
    keys = _keys(indices, recipe.mode)
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
    return MixDraw(shares, boxes)


def _keys(indices: NDArray[np.integer], mode: str) -> NDArray[np.integer]:
    """Return the index that each image's draw is made from."""
    if mode == "elem":
        return indices
    if mode == "batch":
        return np.repeat(indices[:1], len(indices))
    places = np.arange(len(indices))
    return indices[np.minimum(places, places[::-1])]


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
) -> tuple[Tensor, Tensor]:
    """Return images and targets of a batch mixed; the arguments are left as they are.

    Args:
        images: uint8 or float [n, 3, height, width], on any device.
        targets: float[n, classes], on any device.
        recipe: what is drawn.
        seed: any integer.
        epoch: 0 or more.
        indices: int64[n], the records' numbers in their split.
    """
    require_batch(images, indices)
    height, width = images.shape[-2:]
    draw = draw_mix(recipe, indices, seed=seed, epoch=epoch, size=(height, width))
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
    mixed = values * own + values.flip(0) * partners
    if images.dtype == torch.uint8:
        mixed = mixed.round()
    own, partners = _weights(draw.shares, targets)
    return mixed.to(images.dtype), targets * own + targets.flip(0) * partners


def _weights(shares: NDArray[np.float64], values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights of each and of its partner, float32, shaped to be multiplied with."""
    both = sent(np.stack([shares, 1 - shares]).astype(np.float32), values.device)
    shape = (2, -1, *[1] * (values.ndim - 1))
    own, partners = both.view(shape)
    return own, partners
