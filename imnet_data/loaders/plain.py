"""Which batches a loader has for a recipe: of pixels as they are, or of several views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.transforms import MultiCropRecipe

if TYPE_CHECKING:
    from imnet_data.transforms import EvalRecipe, TrainRecipe


def require_one_image(recipe: TrainRecipe | EvalRecipe | MultiCropRecipe) -> None:
    """Raise a ValueError if a recipe makes several views of each record."""
    if isinstance(recipe, MultiCropRecipe):
        raise ValueError(
            "the recipe is a MultiCropRecipe, which makes several views: use loader.views(number), "
            "or iterate TorchLoader(loader)"
        )


def require_plain(recipe: TrainRecipe | EvalRecipe | MultiCropRecipe) -> None:
    """Raise a ValueError if batches of uint8 pixels do not show all that a recipe does."""
    require_one_image(recipe)
    if recipe.is_augmented:
        raise ValueError(
            "the recipe has policy, color_jitter, erasing or mix, which are made of tensors: use "
            "TorchLoader(loader), or leave them out of the recipe"
        )


def require_views(recipe: TrainRecipe | EvalRecipe | MultiCropRecipe) -> None:
    """Raise a ValueError if a recipe makes one image of each record."""
    if not isinstance(recipe, MultiCropRecipe):
        raise ValueError(
            f"the recipe is {type(recipe).__name__}, which makes one image: use "
            "loader.epoch(number), or open the loader with a MultiCropRecipe"
        )
