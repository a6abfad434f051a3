"""Images moved by an affine map, equal to Pillow's `Image.transform` on every device.

"nearest" is Pillow's arithmetic in 16.16 fixed point; "bilinear" is in double precision, as there.

Source: Pillow 13, libImaging/Geometry.c and Image.rotate; torchvision 0.28,
transforms/autoaugment.py (which map each operation is).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from imnet_data.augment.sending import sent

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Interpolation = Literal["nearest", "bilinear"]
Matrix = tuple[float, float, float, float, float, float]  # (x, y) comes from (ax+by+c, dx+ey+f)


def shear_x(slope: float, size: tuple[int, int]) -> Matrix:
    """Return the map that moves rows sideways, about the upper left corner."""
    del size
    return (1, slope, 0, 0, 1, 0)


def shear_y(slope: float, size: tuple[int, int]) -> Matrix:
    """Return the map that moves columns up or down, about the upper left corner."""
    del size
    return (1, 0, 0, slope, 1, 0)


def translate_x(pixels: float, size: tuple[int, int]) -> Matrix:
    """Return the map that moves the image to the right."""
    del size
    return (1, 0, -pixels, 0, 1, 0)


def translate_y(pixels: float, size: tuple[int, int]) -> Matrix:
    """Return the map that moves the image down."""
    del size
    return (1, 0, 0, 0, 1, -pixels)


def rotate(degrees: float, size: tuple[int, int]) -> Matrix:
    """Return the map that turns the image counterclockwise about its middle."""
    angle = -math.radians(degrees % 360)
    # rounded as Pillow does, so that the last bit of a library's cosine has no say
    cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
    y, x = size[0] / 2, size[1] / 2
    return (
        cosine,
        sine,
        cosine * -x + sine * -y + x,
        -sine,
        cosine,
        -sine * -x + cosine * -y + y,
    )


def warp(
    images: Tensor,
    matrices: NDArray[np.float64],
    *,
    interpolation: Interpolation,
    fill: tuple[int, int, int],
) -> Tensor:
    """Return images with each pixel taken from where its matrix ([n, 6]) says.

    Pixels from outside the image are filled with `fill`. Images are uint8[n, 3, height, width].
    """
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"interpolation is {interpolation!r}; allowed are nearest, bilinear")
    sample = _nearest if interpolation == "nearest" else _bilinear
    values, is_within = sample(images, matrices)
    filling = sent(np.array(fill, np.uint8), images.device)
    return torch.where(is_within.unsqueeze(1), values, filling.view(1, 3, 1, 1))


def _nearest(images: Tensor, matrices: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    a, b, c, d, e, f = matrices.T
    centred = np.stack([a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5], axis=1)
    fixed = np.floor(centred * 65536 + 0.5).astype(np.int64)
    columns, rows = _mapped(images, fixed, offset=0)
    columns, rows = columns >> 16, rows >> 16
    return _values(images, columns, rows), _are_within(images, columns, rows)


def _bilinear(images: Tensor, matrices: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    columns, rows = _mapped(images, matrices, offset=0.5)
    are_within = _are_within(images, columns, rows)
    columns, rows = columns - 0.5, rows - 0.5
    left, upper = columns.floor(), rows.floor()
    across, down = (columns - left).unsqueeze(1), (rows - upper).unsqueeze(1)
    lines = []
    for row in (upper, upper + 1):
        first, second = (_values(images, left + step, row).double() for step in range(2))
        lines.append(first + (second - first) * across)
    return (lines[0] + (lines[1] - lines[0]) * down).to(torch.uint8), are_within


def _mapped(
    images: Tensor, matrices: NDArray[np.generic], *, offset: float
) -> tuple[Tensor, Tensor]:
    """Return the column and row where each pixel comes from, [n, height, width] each."""
    terms = sent(matrices, images.device).view(-1, 6, 1, 1)
    a, b, c, d, e, f = terms.unbind(1)
    height, width = images.shape[2:]
    x = torch.arange(width, device=images.device) + offset
    y = torch.arange(height, device=images.device).view(-1, 1) + offset
    return a * x + b * y + c, d * x + e * y + f


def _are_within(images: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    height, width = images.shape[2:]
    return (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)


def _values(images: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Return the values at these places, or at the nearest ones within, [n, 3, height, width]."""
    height, width = images.shape[2:]
    places = rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long()
    flat = places.flatten(1).unsqueeze(1).expand(-1, 3, -1)
    return images.flatten(2).gather(2, flat).view(images.shape)
