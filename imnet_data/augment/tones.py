"""Operations on the tones of images, equal to Pillow's to the last bit, on every device.

Whole numbers where Pillow has them; where it has floats, the same float operations one by one.
All take and return uint8[n, 3, height, width]. `factors` are float64[n, 1, 1, 1], one per image.

Source: Pillow 13, ImageEnhance.py, ImageOps.py, libImaging/{Blend,Convert,Filter}.c.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _blend(images: Tensor, degenerate: Tensor, factors: Tensor) -> Tensor:
    """Return what lies between (0) degenerate and (1) images, or beyond."""
    start = degenerate.to(torch.float32)
    return (start + factors.float() * (images.float() - start)).clamp(0, 255).to(torch.uint8)


def _luma(images: Tensor) -> Tensor:
    """Return ITU-R 601 luma, int32[n, 1, height, width]."""
    red, green, blue = images.to(torch.int32).chunk(3, dim=1)
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


def greyscale(images: Tensor) -> Tensor:
    """Return images whose three channels are their luma."""
    return _luma(images).to(torch.uint8).expand(-1, 3, -1, -1)


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Return images blended with black."""
    return _blend(images, torch.zeros_like(images), factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Return images blended with their luma."""
    return _blend(images, _luma(images), factors)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Return images blended with the mean of their luma."""
    count = images.shape[2] * images.shape[3]
    sums = _luma(images).sum(dim=(2, 3), keepdim=True)
    return _blend(images, (2 * sums + count) // (2 * count), factors)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Return images blended with a smooth copy; the outermost pixels are left as they are."""
    wide = images.to(torch.int32)
    height, width = images.shape[2:]
    total = 4 * wide[:, :, 1:-1, 1:-1]
    for row in range(3):
        for column in range(3):
            total = total + wide[:, :, row : height - 2 + row, column : width - 2 + column]
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = (2 * total + 13) // 26
    return _blend(images, smooth, factors)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Return images with the highest `bits` (float64[n, 1, 1, 1], 0 to 8) of each value."""
    step = torch.bitwise_left_shift(torch.ones_like(bits, dtype=torch.int32), 8 - bits.int())
    return (images - images % step).to(torch.uint8)


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Return images with values from the thresholds (float64[n, 1, 1, 1]) on inverted."""
    return torch.where(images < thresholds, images, 255 - images)


def solarize_add(images: Tensor, addends: Tensor) -> Tensor:
    """Return images with `addends` (float64[n, 1, 1, 1]) added to values below 128."""
    added = (images.int() + addends.int()).clamp(0, 255).to(torch.uint8)
    return torch.where(images < 128, added, images)


def invert(images: Tensor) -> Tensor:
    """Return 255 - images."""
    return 255 - images


def autocontrast(images: Tensor) -> Tensor:
    """Return images with each channel stretched to 0 ... 255."""
    low, high = (
        edge.to(torch.float64) for edge in (images.amin(dim=(2, 3)), images.amax(dim=(2, 3)))
    )
    spread = (high - low).clamp(min=1)
    scale = torch.full_like(spread, 255) / spread  # 255 / spread would be 255 * (1 / spread)
    values = torch.arange(256, device=images.device)
    stretched = values * scale.unsqueeze(2) + (-low * scale).unsqueeze(2)
    tables = torch.where((high > low).unsqueeze(2), stretched.clamp(0, 255).to(torch.uint8), values)
    return _looked_up(images, tables)


def equalize(images: Tensor) -> Tensor:
    """Return images with each channel's values spread evenly over 0 ... 255."""
    count, channels = images.shape[:2]
    lines = torch.arange(count * channels, device=images.device).view(count, channels, 1, 1)
    places = (images + 256 * lines).flatten()
    # bincount would look for the greatest value, for which the host waits
    histograms = torch.zeros(256 * count * channels, dtype=torch.int64, device=images.device)
    histograms = histograms.scatter_add_(0, places, torch.ones_like(places))
    histograms = histograms.view(count, channels, 256)
    values = torch.arange(256, device=images.device)
    last = images.amax(dim=(2, 3)).long().unsqueeze(2)
    pixels = images.shape[2] * images.shape[3]
    steps = (pixels - histograms.gather(2, last)) // 255
    below = histograms.cumsum(dim=2) - histograms
    spread = (steps // 2 + below) // steps.clamp(min=1)
    return _looked_up(images, torch.where(steps > 0, spread.clamp(max=255), values))


def _looked_up(images: Tensor, tables: Tensor) -> Tensor:
    """Return the tables' ([n, 3, 256]) entries for the images' values."""
    places = images.flatten(2).long()
    return tables.to(torch.uint8).gather(2, places).view(images.shape)
