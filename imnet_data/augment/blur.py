"""Gaussian blur as Pillow's ImageFilter.GaussianBlur, to the last bit, on every device.

It is three box blurs of a width that is no whole number, across and then down, each rounded to 8
bits: weights in 24-bit fixed point, pixels at the edge repeated beyond it.

Source: Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended box filtering",
2011, equations 7, 11 and 14; Pillow 13, libImaging/BoxBlur.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from imnet_data.augment.sending import sent

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PASSES = 3
_BITS = 24  # of a weight's fraction


def gaussian_blur(images: Tensor, sigmas: NDArray[np.float64]) -> Tensor:
    """Return images blurred.

    Args:
        images: uint8[n, 3, height, width], on any device; left as they are.
        sigmas: [n], the standard deviation of each in pixels, 0 for none.
    """
    radii, inner, outer = _weights(sigmas)
    images = images.clone()
    for radius in np.unique(radii[sigmas > 0]).tolist():
        rows = np.flatnonzero((radii == radius) & (sigmas > 0))
        chosen, *weights = (
            sent(array, images.device) for array in (rows, inner[rows], outer[rows])
        )
        inside, edge = (weight.view(-1, 1, 1, 1).int() for weight in weights)
        part = images[chosen].to(torch.int32)
        for axis in (3, 2):
            for _ in range(_PASSES):
                part = _box_blur(part, radius, inside, edge, axis=axis)
        images.index_copy_(0, chosen, part.to(torch.uint8))
    return images


def _weights(
    sigmas: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the whole part of the box's radius, and the weights within it and at its edge.

    In float32 and float64 where Pillow's C has float and double, which decides single bits.
    """
    sigma = sigmas.astype(np.float32)
    variance = sigma * sigma / np.float32(_PASSES)
    length = np.sqrt(12.0 * variance.astype(np.float64) + 1.0).astype(np.float32)
    whole = np.floor((length.astype(np.float64) - 1.0) / 2.0).astype(np.float32)
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    part = part / (6 * (variance - (whole + 1) * (whole + 1)))
    width = (whole + part) * 2 + 1
    radius = (whole + part).astype(np.int64)
    inner = (np.float32(1 << _BITS) / width).astype(np.int64)
    return radius, inner, ((1 << _BITS) - (radius * 2 + 1) * inner) // 2


def _box_blur(images: Tensor, radius: int, inner: Tensor, outer: Tensor, *, axis: int) -> Tensor:
    """Return what one pass along an axis makes of int32 images.

    Sums go up to 2**32 - 1, as unsigned numbers, and wrap to negative ones here; the shift and the
    mask do away with that.
    """
    size, reach = images.shape[axis], radius + 1
    shape = [*images.shape]
    shape[axis] = reach
    first, last = (images.narrow(axis, place, 1).expand(shape) for place in (0, size - 1))
    wide = torch.cat([first, images, last], dim=axis)
    total = wide.narrow(axis, 1, size).clone() if radius else images.clone()
    for step in range(2, 2 * radius + 2) if radius else ():
        total += wide.narrow(axis, step, size)
    edges = wide.narrow(axis, 0, size) + wide.narrow(axis, 2 * reach, size)
    total.mul_(inner).addcmul_(edges, outer).add_(1 << _BITS - 1)
    return total.bitwise_right_shift_(_BITS).bitwise_and_(255)
