"""A recipe applied to one decoded image; the loaders do the same in native code.

Equal to torchvision's transforms of the PIL image, to the last bit.
"""

import numpy as np
from numpy.typing import NDArray

from imnet_data.transforms.boxes import eval_geometry
from imnet_data.transforms.pixels import Filter, resize
from imnet_data.transforms.recipe import EvalRecipe


def train_image(
    image: NDArray[np.uint8],
    box: tuple[int, int, int, int],
    *,
    size: int,
    flip: bool,
    filter: Filter = "bilinear",
) -> NDArray[np.uint8]:
    """Return the box (left, upper, right, lower) cut out and resized, uint8[size, size, 3].

    The box is cut first: pixels around it have no part in the result.
    """
    left, upper, right, lower = box
    return resize(image[upper:lower, left:right], (size, size), filter=filter, flip=flip)


def eval_image(image: NDArray[np.uint8], recipe: EvalRecipe) -> NDArray[np.uint8]:
    """Return the square in the middle of the resized image, or its view, uint8[crop, crop, 3]."""
    height, width = image.shape[:2]
    image = image[recipe.border : height - recipe.border, recipe.border : width - recipe.border]
    height, width = image.shape[:2]
    geometry = eval_geometry(np.array([width]), np.array([height]), recipe=recipe)
    size_x, size_y = geometry.sizes[0].tolist()
    left, upper, right, lower = geometry.windows[0].tolist()
    place_x, place_y = geometry.places[0].tolist()
    square = np.zeros((recipe.crop, recipe.crop, *image.shape[2:]), np.uint8)
    resize(
        image,
        (size_x, size_y),
        window=(left, upper, right, lower),
        filter=recipe.filter,
        flip=recipe.is_mirrored,
        out=square[place_y : place_y + lower - upper, place_x : place_x + right - left],
    )
    return square
