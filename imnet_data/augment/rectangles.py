"""Rectangles of a batch as masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from imnet_data.augment.sending import sent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


def inside(boxes: NDArray[np.int64], images: Tensor) -> Tensor:
    """Return which pixels of `images` are in their boxes, bool[n, 1, height, width].

    Args:
        boxes: [n, 4] left, upper, right, lower, in pixels.
        images: [n, channels, height, width]; the mask is made on their device.
    """
    height, width = images.shape[-2:]
    edges = sent(boxes, images.device).view(-1, 4, 1, 1, 1)
    left, upper, right, lower = edges.unbind(1)
    rows = torch.arange(height, device=images.device).view(-1, 1)
    columns = torch.arange(width, device=images.device)
    return (rows >= upper) & (rows < lower) & (columns >= left) & (columns < right)
