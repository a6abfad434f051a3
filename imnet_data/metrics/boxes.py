"""Overlap of boxes as the devkits of ILSVRC compute it: both corners are in the box."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of each box, float64[n]; a box of one pixel has 1."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    found: NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return found


def overlaps(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return intersection over union of each box with each other one, float64[n, m]."""
    low = np.maximum(boxes[:, np.newaxis, :2], others[np.newaxis, :, :2])
    high = np.minimum(boxes[:, np.newaxis, 2:], others[np.newaxis, :, 2:])
    sides = np.maximum(high - low + 1, 0)
    common = sides[:, :, 0] * sides[:, :, 1]
    union = areas(boxes)[:, np.newaxis] + areas(others)[np.newaxis, :] - common
    # a box that is turned inside out has a union of 0 or less at times, and overlaps with nothing
    found: NDArray[np.float64] = np.zeros_like(common)
    np.divide(common, union, out=found, where=union > 0)
    return found
