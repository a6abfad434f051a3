"""What is done to the pixels of each record, as one row of numbers for the native loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imnet_data.rng import keys as keys_of
from imnet_data.transforms.boxes import eval_geometry, train_boxes
from imnet_data.transforms.multi_crop import MultiCropRecipe
from imnet_data.transforms.recipe import EvalRecipe, TrainRecipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imnet_data.loaders.source import Columns

# columns of a row, in pixels (`RecordGeometry` in native/loader/record.hpp)
IMAGE = slice(0, 2)  # width and height of the image
CROP = slice(2, 6)  # left, upper, right, lower: what is cut out of it
SIZE = slice(6, 8)  # width and height that the crop is resized to
WINDOW = slice(8, 12)  # left, upper, right, lower: what is cut out of that
PLACE = slice(12, 14)  # left, upper: where the window goes in the square; the rest is black
FLIP = 14  # 1 to mirror the window
PIXELS = 15  # 1 where the image is stored as pixels, not as a JPEG
_COLUMNS = 16


def side(recipe: TrainRecipe | EvalRecipe, epoch: int) -> int:
    """Return the side of the square images that `recipe` makes, in pixels."""
    return recipe.size_at(epoch) if isinstance(recipe, TrainRecipe) else recipe.crop


def view_sides(
    recipe: TrainRecipe | EvalRecipe | MultiCropRecipe, epoch: int
) -> list[tuple[int, int]]:
    """Return how many views `recipe` makes of each size, and the size: one entry per group."""
    if isinstance(recipe, MultiCropRecipe):
        return [(group.number, group.size) for group in recipe.groups]
    return [(1, side(recipe, epoch))]


def view_rows(
    indices: NDArray[np.int64],
    columns: Columns,
    *,
    recipe: TrainRecipe | EvalRecipe | MultiCropRecipe,
    seed: int,
    epoch: int,
    keys: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Return one row per view of each record, int32[len(indices), views, 16]."""
    crops = recipe.crops if isinstance(recipe, MultiCropRecipe) else (recipe,)
    tables = [
        rows(
            indices,
            columns,
            recipe=crop,
            seed=seed,
            epoch=epoch,
            keys=keys_of(keys, view=view),
        )
        for view, crop in enumerate(crops)
    ]
    return np.stack(tables, axis=1)


def rows(
    indices: NDArray[np.int64],
    columns: Columns,
    *,
    recipe: TrainRecipe | EvalRecipe,
    seed: int,
    epoch: int,
    keys: NDArray[np.int64] | None = None,
) -> NDArray[np.int32]:
    """Return one row per record, int32[len(indices), 16].

    Args:
        indices: the records' numbers.
        columns: what is known of all records.
        recipe: what is done to the pixels.
        seed: any integer.
        epoch: 0 or more.
        keys: what is drawn from; by default the indices.
    """
    # an image of unknown size cannot be decoded: the error is to name it, not to end all of them
    least = 1 + 2 * recipe.border if isinstance(recipe, EvalRecipe) else 1
    widths, heights = (
        np.where(sides[indices] == 0, least, sides[indices])
        for sides in (columns.width, columns.height)
    )
    table = np.zeros((len(indices), _COLUMNS), np.int32)
    table[:, IMAGE] = np.stack([widths, heights], axis=1)
    table[:, PIXELS] = columns.pixels[indices]
    if isinstance(recipe, TrainRecipe):
        size = recipe.size_at(epoch)
        table[:, CROP], table[:, FLIP] = train_boxes(
            widths,
            heights,
            indices if keys is None else keys,
            recipe=recipe,
            seed=seed,
            epoch=epoch,
        )
        table[:, SIZE] = size
        table[:, WINDOW] = (0, 0, size, size)
    else:
        inside = table[:, IMAGE] - 2 * recipe.border
        if len(inside) and inside.min() < 1:
            raise ValueError(f"border is {recipe.border}; nothing is left of the smallest image")
        table[:, CROP] = np.concatenate([inside * 0, inside], axis=1) + recipe.border
        table[:, SIZE], table[:, WINDOW], table[:, PLACE] = eval_geometry(
            inside[:, 0], inside[:, 1], recipe=recipe
        )
        table[:, FLIP] = recipe.is_mirrored
    return table
