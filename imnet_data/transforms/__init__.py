"""What happens between decoded pixels and a batch: recipes, boxes, resize, normalize.

Operations on whole batches of tensors belong to `augment`; nothing here opens a file.
"""

from imnet_data.transforms.boxes import EvalGeometry, eval_geometry, ten_crop_windows, train_boxes
from imnet_data.transforms.images import eval_image, ten_crop, train_image
from imnet_data.transforms.pixels import normalize, normalized_values, resize
from imnet_data.transforms.recipe import EvalRecipe, Progressive, TrainRecipe

__all__ = [
    "EvalGeometry",
    "EvalRecipe",
    "Progressive",
    "TrainRecipe",
    "eval_geometry",
    "eval_image",
    "normalize",
    "normalized_values",
    "resize",
    "ten_crop",
    "ten_crop_windows",
    "train_boxes",
    "train_image",
]
