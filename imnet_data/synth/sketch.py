"""What is decided about an image before it is drawn: size, coding, style, where its objects are.

Sizes, sampling and coding are distributed as in 250 images of ImageNet: 4:4:4 (74 %) is mostly of
quality 96, 4:2:0 (24 %) of quality 75 to 90, and 97 % have optimised Huffman tables.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.record import Box
from imnet_data.rng import Stream, uniform
from imnet_data.synth.layout import IMAGE_DOMAINS

if TYPE_CHECKING:
    from imnet_data.synth.layout import Oddity, Slot

FULL_NBYTES = 110_000  # of the average image at full size

# mean size at a scale of the sides: 102,200 scale^2 + 7,500 scale + 300; fitted to 600 images each
_AREA_NBYTES, _EDGE_NBYTES, _HEADER_NBYTES = 102_200, 7_500, 300
_HUGE_SIZE = (4768, 5980)  # of ILSVRC2012_val_00033687

# sizes with their shares in per mille; the rest is the long tail
_SIZES = (
    ((500, 375), 330),
    ((500, 333), 150),
    ((375, 500), 90),
    ((333, 500), 60),
    ((500, 334), 30),
    ((500, 332), 30),
    ((640, 480), 20),
    ((500, 500), 20),
    ((400, 300), 15),
    ((800, 600), 15),
)
# Pillow's number, per mille and qualities
_SAMPLINGS = (
    (0, 750, (96, 96, 96, 96, 96, 96, 96, 90)),
    (2, 210, (75, 80, 85, 90)),
    (1, 20, (80, 85, 90)),
)
_GREY_QUALITIES = (85, 90, 95)


class Draws:
    """Numbers of one image, taken one after the other; `part` separates their purposes."""

    def __init__(self, seed: int, slot: Slot, *, part: int) -> None:
        indices = np.arange(slot.image_index * 64, slot.image_index * 64 + 64)
        numbers = uniform(seed, Stream.SYNTH, IMAGE_DOMAINS[slot.split], indices, draw=part)
        self._numbers = iter(numbers.tolist())

    def between(self, low: int, high: int) -> int:
        """Return a random integer from low to high, both included."""
        return low + int(next(self._numbers) * (high - low + 1))


class Style(NamedTuple):
    """What makes a class."""

    hue: int
    shape: int
    stripes: int
    stripe_count: int  # over half an object


class Sketch(NamedTuple):
    """All that is decided about an image before a pixel is drawn."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    style: Style
    sampling: int  # as Pillow counts: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0
    quality: int
    optimised: bool  # Huffman tables
    oddity: Oddity


def sketch_of(slot: Slot, *, seed: int, scale: float) -> Sketch:
    """Decide on an image."""
    draws = Draws(seed, slot, part=0)
    width, height = _size(draws)
    sampling, quality, grey = _coding(draws)
    optimised = draws.between(1, 100) <= 97
    oddity: Oddity = slot.oddity or ("grey" if grey else "")
    if oddity == "huge":
        (width, height), sampling, quality = _HUGE_SIZE, 2, 75
    width, height = (max(16, round(side * scale)) for side in (width, height))
    boxes, style = objects(draws, width, height), style_of(slot.label)
    return Sketch(width, height, boxes, style, sampling, quality, optimised, oddity)


def style_of(label: int) -> Style:
    """Return a class's style; 720 differ, and neighbours in all but the stripes' number."""
    lap = label // 60  # hue and shape together come again after 60
    return Style(label * 5 % 12, label % 5, (label + lap) % 4, 1 + (label // 4 + lap // 4) % 3)


def scale_of(mean_nbytes: int) -> float:
    """Return the scale of the sides at which the average file has about `mean_nbytes`."""
    root = math.sqrt(_EDGE_NBYTES**2 + 4 * _AREA_NBYTES * (mean_nbytes - _HEADER_NBYTES))
    return (root - _EDGE_NBYTES) / (2 * _AREA_NBYTES)


def objects(draws: Draws, width: int, height: int) -> tuple[Box, ...]:
    """Place one to three objects; each lies within the image."""
    boxes = []
    for _ in range((1, 1, 1, 2, 3)[draws.between(0, 4)]):
        short = min(width, height)
        half_width = max(2, short * draws.between(18, 45) // 100)
        half_height = max(2, half_width * draws.between(75, 110) // 100)
        half_width, half_height = (min(half, short // 2 - 1) for half in (half_width, half_height))
        x = draws.between(half_width, width - 1 - half_width)
        y = draws.between(half_height, height - 1 - half_height)
        boxes.append(Box(x - half_width, y - half_height, x + half_width, y + half_height))
    return tuple(boxes)


def _size(draws: Draws) -> tuple[int, int]:
    choice = draws.between(1, 1000)
    for size, share in _SIZES:
        choice -= share
        if choice <= 0:
            return size
    long = draws.between(120, 960)
    short = long * draws.between(60, 100) // 100
    return (short, long) if draws.between(1, 4) == 1 else (long, short)


def _coding(draws: Draws) -> tuple[int, int, bool]:
    choice, pick = draws.between(1, 1000), draws.between(0, 999)
    for sampling, share, qualities in _SAMPLINGS:
        choice -= share
        if choice <= 0:
            return sampling, qualities[pick % len(qualities)], False
    return 0, _GREY_QUALITIES[pick % len(_GREY_QUALITIES)], True
