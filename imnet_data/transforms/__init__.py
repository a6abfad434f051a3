"""What happens between decoded pixels and a batch: recipes, boxes, resize, normalize.

Operations on whole batches of tensors belong to `augment`; nothing here opens a file.
"""

from imnet_data.transforms.boxes import EvalGeometry, eval_geometry, train_boxes
from imnet_data.transforms.images import eval_image, train_image
from imnet_data.transforms.multi_crop import MultiCropRecipe
from imnet_data.transforms.pixels import Numbers, normalize, resize
from imnet_data.transforms.recipe import EvalRecipe, Progressive, TrainRecipe

__all__ = [
    "EvalGeometry",
    "EvalRecipe",
    "MultiCropRecipe",
    "Numbers",
    "Progressive",
    "TrainRecipe",
    "eval_geometry",
    "eval_image",
    "normalize",
    "resize",
    "train_boxes",
    "train_image",
]
