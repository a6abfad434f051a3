"""The operations of the policies by name, and which image of a batch has which.

Source: torchvision 0.28, transforms/autoaugment.py, `_apply_op` on Pillow's images, which is what
published recipes ran on; timm 1.0, data/auto_augment.py (SolarizeAdd).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.augment import tones, warps
from imnet_data.augment.sending import sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.augment.warps import Interpolation, Matrix

_WARPS: dict[str, Callable[[float, tuple[int, int]], Matrix]] = {
    "ShearX": warps.shear_x,
    "ShearY": warps.shear_y,
    "TranslateX": warps.translate_x,
    "TranslateY": warps.translate_y,
    "Rotate": warps.rotate,
}
_TONES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Brightness": lambda images, magnitudes: tones.brightness(images, 1 + magnitudes),
    "Color": lambda images, magnitudes: tones.saturation(images, 1 + magnitudes),
    "Contrast": lambda images, magnitudes: tones.contrast(images, 1 + magnitudes),
    "Sharpness": lambda images, magnitudes: tones.sharpness(images, 1 + magnitudes),
    "Posterize": tones.posterize,
    "Solarize": tones.solarize,
    "SolarizeAdd": tones.solarize_add,
    "AutoContrast": lambda images, _: tones.autocontrast(images),
    "Equalize": lambda images, _: tones.equalize(images),
    "Invert": lambda images, _: tones.invert(images),
}
OPERATIONS = ("Identity", *_WARPS, *_TONES)


class OperationDraw(NamedTuple):
    """What is done to the images of a batch: one row per image, one column per step."""

    operations: NDArray[np.int64]  # [n, steps], positions in OPERATIONS
    magnitudes: NDArray[np.float64]  # [n, steps], signed, in the unit of the operation, 0 if none

    def described(self, image: int) -> list[tuple[str, float]]:
        """Return name and magnitude of each step of one image."""
        row = zip(self.operations[image], self.magnitudes[image], strict=True)
        return [(OPERATIONS[operation], float(magnitude)) for operation, magnitude in row]


def apply_operations(
    images: Tensor,
    draw: OperationDraw,
    *,
    interpolation: Interpolation = "nearest",
    fill: tuple[int, int, int] = (0, 0, 0),
) -> Tensor:
    """Return images after all steps; images of one kind of operation go through it together.

    Args:
        images: uint8[n, 3, height, width], on any device; left as they are.
        draw: what is done.
        interpolation: of shears, translations and rotations.
        fill: what comes in from outside the image.
    """
    images = images.clone()
    for operations, magnitudes in zip(draw.operations.T, draw.magnitudes.T, strict=True):
        for rows in _together(operations):
            chosen = sent(rows, images.device)
            names = [OPERATIONS[operation] for operation in operations[rows]]
            done = _apply(images[chosen], names, magnitudes[rows], interpolation, fill)
            images.index_copy_(0, chosen, done)
    return images


def _together(operations: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of images that are done at once: all warps, and those of each other kind."""
    last_warp = len(_WARPS)
    if len(warped := np.flatnonzero((operations > 0) & (operations <= last_warp))):
        yield warped
    for operation in np.unique(operations[operations > last_warp]):
        yield np.flatnonzero(operations == operation)


def _apply(
    images: Tensor,
    names: list[str],
    magnitudes: NDArray[np.float64],
    interpolation: Interpolation,
    fill: tuple[int, int, int],
) -> Tensor:
    if names[0] in _WARPS:
        height, width = images.shape[2:]
        matrices = [
            _WARPS[name](magnitude, (height, width))
            for name, magnitude in zip(names, magnitudes.tolist(), strict=True)
        ]
        return warps.warp(
            images, np.array(matrices, np.float64), interpolation=interpolation, fill=fill
        )
    return _TONES[names[0]](images, sent(magnitudes, images.device).view(-1, 1, 1, 1))
