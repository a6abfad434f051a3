"""Hue turned as torchvision turns that of Pillow's images: through Pillow's HSV of 8 bits.

Pillow's arithmetic is followed with its mixture of single and double precision.

Source: Pillow 13, libImaging/Convert.c (rgb2hsv_row, hsv2rgb); torchvision 0.28,
transforms/_functional_pil.py, adjust_hue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from imnet_data.augment.sending import sent_once

if TYPE_CHECKING:
    from numpy.typing import NDArray


def shift_hue(images: Tensor, shifts: Tensor) -> Tensor:
    """Return uint8[n, 3, height, width] with hues turned.

    Args:
        images: uint8[n, 3, height, width].
        shifts: float64[n, 1, 1, 1], -0.5 to 0.5: share of the circle.
    """
    hue, saturation, value = _hsv(images)
    hue = (hue + (shifts * 255).int()) % 256
    return _rgb(hue, saturation, value)


def _hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue, saturation and value, int32[n, 1, height, width] from 0 to 255 each."""
    red, green, blue = images.int().chunk(3, dim=1)
    value, low = images.amax(1, keepdim=True).int(), images.amin(1, keepdim=True).int()
    spread = (value - low).float()
    divisor = spread.clamp(min=1)
    to_red, to_green, to_blue = (
        ((value - channel).float() / divisor).double() for channel in (red, green, blue)
    )
    is_red, is_green = red == value, green == value
    sixth = torch.where(is_green, 2.0 + to_red - to_blue, 4.0 + to_green - to_red)
    sixth = torch.where(is_red, to_blue - to_green, sixth).float().double()
    turns = torch.remainder(_divided(sixth, 6.0) + 1.0, 1.0).float().double()
    strength = (spread / value.clamp(min=1).float()).double()
    return (turns * 255.0).int(), (strength * 255.0).int(), value


def _divided(values: Tensor, divisor: float) -> Tensor:
    # CUDA multiplies with the reciprocal, which is rounded, if the divisor is a number
    return values / torch.full((), divisor, dtype=values.dtype, device=values.device)


def _rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    turned = _divided(hue.double() * 6.0, 255.0)
    sector, top = turned.floor(), value.double()
    part = (turned - sector).float()
    strength = _divided(saturation.double(), 255.0).float()
    product = (strength * part).double()
    part, strength = part.double(), strength.double()
    low = _rounded(top * (1.0 - strength))
    falling = _rounded(top * (1.0 - product))
    rising = _rounded(top * (1.0 - strength * (1.0 - part)))
    levels = torch.cat([value, falling, low, rising], dim=1)
    chosen = _sixths(hue.device)[:, sector.long().squeeze(1) % 6].movedim(0, 1)
    return levels.gather(1, chosen).to(torch.uint8)


@sent_once
def _sixths() -> NDArray[np.int64]:
    """Return which of value, falling, low and rising each channel is in each sixth."""
    red, green, blue = (0, 1, 2, 2, 3, 0), (3, 0, 0, 1, 2, 2), (2, 2, 3, 0, 0, 1)
    return np.array([red, green, blue], np.int64)


def _rounded(levels: Tensor) -> Tensor:
    """Round halves up, as C's round does for what is not negative."""
    return (levels + 0.5).floor().int()
