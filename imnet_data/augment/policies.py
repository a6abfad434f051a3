"""RandAugment, AutoAugment and TrivialAugment: which operations each image has, and how strong.

The draw is a table made of (seed, epoch, index) alone, so that it can be looked at; the index is
that of the image, so that its batch has no say.

Magnitudes are torchvision's before it rounds them to float32. That rounding shows in one place:
TrivialAugment's translation of 16 pixels, the middle one of 31, is 15 there.

Source: torchvision 0.28, transforms/autoaugment.py (spaces, magnitudes, the policy of ImageNet);
Cubuk et al., "AutoAugment", 2019 and "RandAugment", 2020; Mueller and Hutter, "TrivialAugment",
2021; timm 1.0, data/auto_augment.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imnet_data.augment.arguments import require_batch
from imnet_data.augment.noise import normal_quantiles
from imnet_data.augment.operations import OPERATIONS, OperationDraw, apply_operations
from imnet_data.augment.recipes import (
    AutoAugment,
    RandAugment,
    TimmRandAugment,
    TrivialAugmentWide,
)
from imnet_data.rng import Stream, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.augment.recipes import Policy


# name, probability and bin of ten (0 where there is none) of both operations
_IMAGENET_POLICY = (
    (("Posterize", 0.4, 8), ("Rotate", 0.6, 9)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.8, 0), ("Equalize", 0.6, 0)),
    (("Posterize", 0.6, 7), ("Posterize", 0.6, 6)),
    (("Equalize", 0.4, 0), ("Solarize", 0.2, 4)),
    (("Equalize", 0.4, 0), ("Rotate", 0.8, 8)),
    (("Solarize", 0.6, 3), ("Equalize", 0.6, 0)),
    (("Posterize", 0.8, 5), ("Equalize", 1.0, 0)),
    (("Rotate", 0.2, 3), ("Solarize", 0.6, 8)),
    (("Equalize", 0.6, 0), ("Posterize", 0.4, 6)),
    (("Rotate", 0.8, 8), ("Color", 0.4, 0)),
    (("Rotate", 0.4, 9), ("Equalize", 0.6, 0)),
    (("Equalize", 0.0, 0), ("Equalize", 0.8, 0)),
    (("Invert", 0.6, 0), ("Equalize", 1.0, 0)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Rotate", 0.8, 8), ("Color", 1.0, 2)),
    (("Color", 0.8, 8), ("Solarize", 0.8, 7)),
    (("Sharpness", 0.4, 7), ("Invert", 0.6, 0)),
    (("ShearX", 0.6, 5), ("Equalize", 1.0, 0)),
    (("Color", 0.4, 0), ("Equalize", 0.6, 0)),
    (("Equalize", 0.4, 0), ("Solarize", 0.2, 4)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, 0)),
    (("Invert", 0.6, 0), ("Equalize", 1.0, 0)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Equalize", 0.8, 0), ("Equalize", 0.6, 0)),
)
_LAST_BIN = 9  # of the policy
_ENHANCE = (0.0, 0.9)
_OPERATION, _MAGNITUDE, _SIGN, _CHANCE = range(4)  # draws of a step
# magnitudes of the first and of the last bin, in torchvision's order; from 0 on, half are negated
_Ranges = dict[str, tuple[float, float]]
_WIDE_RANGES: _Ranges = {
    "Identity": (0, 0),
    "ShearX": (0, 0.99),
    "ShearY": (0, 0.99),
    "TranslateX": (0, 32),
    "TranslateY": (0, 32),
    "Rotate": (0, 135),
    "Brightness": (0, 0.99),
    "Color": (0, 0.99),
    "Contrast": (0, 0.99),
    "Sharpness": (0, 0.99),
    "Posterize": (8, 2),
    "Solarize": (255, 0),
    "AutoContrast": (0, 0),
    "Equalize": (0, 0),
}
_TIMM = (
    *("AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd"),
    *("Color", "Contrast", "Brightness", "Sharpness"),
    *("ShearX", "ShearY", "TranslateX", "TranslateY"),
)


def draw_policy(
    policy: Policy,
    indices: NDArray[np.integer],
    *,
    seed: int,
    epoch: int,
    size: tuple[int, int],
) -> OperationDraw:
    """Draw what is done to each image; `size` is their height and width in pixels."""
    match policy:
        case RandAugment() | TimmRandAugment():
            steps = policy.operation_count
        case AutoAugment():
            steps = 2
        case TrivialAugmentWide():
            steps = 1
    operations = np.zeros((len(indices), steps), np.int64)
    magnitudes = np.zeros((len(indices), steps))
    for step in range(steps):
        first = step * 4
        columns = [
            uniform(seed, Stream.AUGMENT, epoch, indices, draw=first + draw) for draw in range(4)
        ]
        if step and isinstance(policy, AutoAugment):  # both steps are of one pair
            columns[_OPERATION] = uniform(seed, Stream.AUGMENT, epoch, indices)
        for row, numbers in enumerate(np.stack(columns, axis=1).tolist()):
            name, magnitude = _drawn(policy, step, numbers, size)
            operations[row, step] = OPERATIONS.index(name)
            magnitudes[row, step] = magnitude
    return OperationDraw(operations, magnitudes)


def _drawn(
    policy: Policy, step: int, numbers: list[float], size: tuple[int, int]
) -> tuple[str, float]:
    """Return the operation of one image, and its magnitude, from four numbers in [0, 1)."""
    sign = -1 if numbers[_SIGN] < 0.5 else 1
    match policy:
        case RandAugment():
            ranges = _ranges(size)
            name = _chosen(tuple(ranges), numbers[_OPERATION])
            return name, _magnitude(ranges, name, policy.magnitude, policy.bins - 1, sign)
        case TrivialAugmentWide():
            name = _chosen(tuple(_WIDE_RANGES), numbers[_OPERATION])
            bin_number = int(numbers[_MAGNITUDE] * policy.bins)
            return name, _magnitude(_WIDE_RANGES, name, bin_number, policy.bins - 1, sign)
        case AutoAugment():
            pair = _IMAGENET_POLICY[int(numbers[_OPERATION] * len(_IMAGENET_POLICY))]
            name, probability, bin_number = pair[step]
            if numbers[_CHANCE] >= probability:
                return "Identity", 0.0
            return name, _magnitude(_ranges(size), name, bin_number, _LAST_BIN, sign)
        case TimmRandAugment():
            if numbers[_CHANCE] >= policy.probability:
                return "Identity", 0.0
            table = normal_quantiles()
            noise = float(table[int(numbers[_MAGNITUDE] * len(table))])
            level = min(max(policy.magnitude + policy.magnitude_std * noise, 0), 10)
            name = _chosen(_TIMM, numbers[_OPERATION])
            return name, _timm_magnitude(name, level, sign, size)


def _chosen(names: Sequence[str], number: float) -> str:
    return names[int(number * len(names))]


def _ranges(size: tuple[int, int]) -> _Ranges:
    """Return the ranges of RandAugment and AutoAugment for images of this height and width."""
    height, width = size
    return _WIDE_RANGES | {
        "ShearX": (0, 0.3),
        "ShearY": (0, 0.3),
        "TranslateX": (0, 150 / 331 * width),
        "TranslateY": (0, 150 / 331 * height),
        "Rotate": (0, 30),
        "Brightness": _ENHANCE,
        "Color": _ENHANCE,
        "Contrast": _ENHANCE,
        "Sharpness": _ENHANCE,
        "Posterize": (8, 4),
    }


def _magnitude(ranges: _Ranges, name: str, bin_number: int, last: int, sign: int) -> float:
    low, high = ranges.get(name, (0, 0))  # Invert has none
    magnitude = low + (high - low) * bin_number / last
    if name == "Posterize":
        return round(magnitude)
    if name in ("TranslateX", "TranslateY"):
        magnitude = int(magnitude)
    return magnitude if low else sign * magnitude + 0.0  # never -0.0


def _timm_magnitude(name: str, level: float, sign: int, size: tuple[int, int]) -> float:
    """Return the magnitude for a level of 0 to 10, "increasing" as timm calls it."""
    match name:
        case "Rotate":
            return sign * level * 3
        case "Posterize":
            return 4 - int(level / 10 * 4)
        case "Solarize":
            return 256 - int(level / 10 * 256)
        case "SolarizeAdd":
            return int(level / 10 * 110)
        case "Color" | "Contrast" | "Brightness" | "Sharpness":
            return max(-0.9, sign * level * 0.09)
        case "ShearX" | "ShearY":
            return sign * level * 0.03
        case "TranslateX" | "TranslateY":
            return sign * level * 0.045 * size[name == "TranslateX"]
        case _:
            return 0.0


def apply_policy(
    images: Tensor, policy: Policy, *, seed: int, epoch: int, indices: NDArray[np.integer]
) -> Tensor:
    """Return images after what the policy drew for them; the argument is left as it is.

    Args:
        images: uint8[n, 3, height, width], on any device, before they are normalized.
        policy: what is drawn.
        seed: any integer.
        epoch: 0 or more.
        indices: int64[n], the records' numbers in their split.
    """
    require_batch(images, indices, is_uint8=True)
    height, width = images.shape[2:]
    draw = draw_policy(policy, indices, seed=seed, epoch=epoch, size=(height, width))
    return apply_operations(images, draw, interpolation=policy.interpolation, fill=policy.fill)
