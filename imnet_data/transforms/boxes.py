"""Where images are cut: crop boxes and flips for training, resize and window for evaluation.

Training: torchvision's RandomResizedCrop. Up to ten tries of a random area and a random ratio
(uniform in its logarithm), the first that fits the image is put at a random place; else the largest
centred box within the ratios. Numbers come from (seed, epoch, index) alone, and everything is made
of +, -, *, / and square roots, which IEEE 754 rounds the same way on every machine: NumPy's own exp
and log differ in the last bit between processors.

Evaluation: torchvision's Resize (shorter side) and CenterCrop, with their rounding.

Source: torchvision 0.28, transforms/transforms.py and transforms/functional.py.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imnet_data.rng import Stream, uniform
from imnet_data.transforms.recipe import EvalRecipe, TrainRecipe

TRIES = 10  # torchvision's
_DRAWS = 4  # numbers for each try: area, ratio, upper, left
_LN2 = 0.6931471805599453
_LN2_HIGH = 0.6931471803691238  # its first 32 bits: products with small integers are exact
_LN2_LOW = 1.9082149292705877e-10  # and the rest


def train_boxes(
    widths: NDArray[np.integer],
    heights: NDArray[np.integer],
    indices: NDArray[np.integer],
    *,
    recipe: TrainRecipe,
    seed: int,
    epoch: int,
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return crop boxes and flips, int32[n, 4] (left, upper, right, lower) and bool[n].

    Args:
        widths: of the images, in pixels.
        heights: of the images, in pixels.
        indices: of the images in their split: the same index has the same box, whatever else is
            asked for with it.
        recipe: scale, ratio and flip are used.
        seed: any integer.
        epoch: 0 or more.
    """
    columns, rows = widths.astype(np.int64), heights.astype(np.int64)
    boxes = _central_boxes(columns, rows, recipe.ratio)
    missing = np.arange(len(indices))
    for attempt in range(TRIES):
        numbers = [
            uniform(seed, Stream.CROP, epoch, indices[missing], draw=attempt * _DRAWS + draw)
            for draw in range(_DRAWS)
        ]
        tried, fits = _tried_boxes(columns[missing], rows[missing], numbers, recipe)
        boxes[missing[fits]] = tried[fits]
        missing = missing[~fits]
        if not len(missing):
            break
    flips = uniform(seed, Stream.FLIP, epoch, indices) < recipe.flip
    return boxes, flips


def _tried_boxes(
    widths: NDArray[np.int64],
    heights: NDArray[np.int64],
    numbers: list[NDArray[np.float64]],
    recipe: TrainRecipe,
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    area_draw, ratio_draw, upper_draw, left_draw = numbers
    low, high = recipe.scale
    areas = (widths * heights) * (low + (high - low) * area_draw)
    low, high = (_log(ratio) for ratio in recipe.ratio)
    ratios = _exp(low + (high - low) * ratio_draw)
    # np.rint rounds halves to even, as Python's round
    box_widths = np.rint(np.sqrt(areas * ratios)).astype(np.int64)
    box_heights = np.rint(np.sqrt(areas / ratios)).astype(np.int64)
    fits = (box_widths > 0) & (box_widths <= widths) & (box_heights > 0) & (box_heights <= heights)
    upper = (upper_draw * (heights - box_heights + 1)).astype(np.int64)
    left = (left_draw * (widths - box_widths + 1)).astype(np.int64)
    boxes = np.stack([left, upper, left + box_widths, upper + box_heights], axis=1)
    return boxes.astype(np.int32), fits


def _central_boxes(
    widths: NDArray[np.int64], heights: NDArray[np.int64], ratio: tuple[float, float]
) -> NDArray[np.int32]:
    in_ratio = widths / heights
    low, high = ratio
    # at least one pixel: torchvision fails on images so small that the box would be empty
    narrow = np.maximum(np.rint(widths / low), 1).astype(np.int64)
    flat = np.maximum(np.rint(heights * high), 1).astype(np.int64)
    box_heights = np.where(in_ratio < low, narrow, heights)
    box_widths = np.where(in_ratio > high, flat, widths)
    upper, left = (heights - box_heights) // 2, (widths - box_widths) // 2
    boxes = np.stack([left, upper, left + box_widths, upper + box_heights], axis=1)
    return boxes.astype(np.int32)


def _exp(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return e**x within 2e-16, for |x| < 700: a Taylor series within half of ln 2 around 0."""
    exponent = np.rint(x / _LN2)
    rest = x - exponent * _LN2_HIGH - exponent * _LN2_LOW
    result = np.ones_like(x)
    for term in range(14, 0, -1):  # 0.35**15 / 15! is 1e-19
        result = 1 + result * rest / term
    return np.ldexp(result, exponent.astype(np.int32))


def _log(x: float) -> float:
    """Return the natural logarithm of x > 0: a series of atanh((m - 1) / (m + 1)), m around 1."""
    mantissa, exponent = math.frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa, exponent = mantissa * 2, exponent - 1
    quotient = (mantissa - 1) / (mantissa + 1)
    square = quotient * quotient
    series = 0.0
    for power in range(25, 0, -2):  # 0.172**27 is 2e-21
        series = series * square + 1 / power
    return 2 * quotient * series + exponent * _LN2


class EvalGeometry(NamedTuple):
    """Which part of the resized image goes where, one row per image, all in pixels."""

    sizes: NDArray[np.int64]  # [n, 2] width and height of the whole image resized
    windows: NDArray[np.int64]  # [n, 4] left, upper, right, lower of the part that is used
    places: NDArray[np.int64]  # [n, 2] left, upper of that part in the square; the rest is black


def eval_geometry(
    widths: NDArray[np.integer], heights: NDArray[np.integer], *, recipe: EvalRecipe
) -> EvalGeometry:
    """Return what is resized and cut for each image, so that only the used part has to be made.

    Sizes of the image are those without the recipe's border. A mirrored view is mirrored last.
    """
    short = np.minimum(widths, heights).astype(np.int64)
    long = np.maximum(widths, heights).astype(np.int64)
    new_long = (recipe.resize * long / short).astype(np.int64)
    sizes = np.stack(
        [
            np.where(widths <= heights, recipe.resize, new_long),
            np.where(widths <= heights, new_long, recipe.resize),
        ],
        axis=1,
    )
    missing = np.maximum(recipe.crop - sizes, 0)
    start = _window_starts(np.maximum(sizes - recipe.crop, 0), recipe)
    windows = np.concatenate([start, np.minimum(start + recipe.crop, sizes)], axis=1)
    return EvalGeometry(sizes, windows, missing // 2)


def _window_starts(spare: NDArray[np.int64], recipe: EvalRecipe) -> NDArray[np.int64]:
    """Return left and upper of the window, [n, 2], of images with `spare` pixels around it."""
    shares = ((0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.5))
    share = np.array(shares[4 if recipe.view is None else recipe.view % 5])
    start: NDArray[np.int64] = np.rint(spare * share).astype(np.int64)
    if recipe.is_mirrored:
        start[:, 0] = spare[:, 0] - start[:, 0]
    return start
