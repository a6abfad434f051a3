"""A split of DET or VID as torchvision's detection references take a dataset: (image, target).

Source: pytorch/vision, references/detection/coco_utils.py and engine.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.utils.data

from imnet_data import arguments
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import SourceError
from imnet_data.imagenet.detection import TASKS, categories, number_of
from imnet_data.loaders.torch_dataset import ImageNet

if TYPE_CHECKING:
    from collections.abc import Callable

    from imnet_data.arguments import StrPath


class ImageNetDetection(torch.utils.data.Dataset[tuple[Any, dict[str, Any]]]):
    """Images and their boxes.

    An item is a PIL image (R G B) and its target, after `transforms(image, target)`:

    - `boxes`, float32[n, 4]: xmin, ymin, xmax, ymax in pixels; boxes without width or height are
      left out, as the references do;
    - `labels`, int64[n]: the number of the class, from 1, as 0 is the background;
    - `area`, float32[n]; `iscrowd`, int64[n], all 0;
    - `image_id`: the id of the image in annotations.coco.json.

    Args:
        root: the folder of a dataset of DET or VID, of any format.
        split: "train" or "val"; images of test have no boxes.
        transforms: is given image and target, and returns both.
    """

    def __init__(
        self,
        root: StrPath,
        split: str = "train",
        *,
        transforms: Callable[[Any, dict[str, Any]], tuple[Any, Any]] | None = None,
    ) -> None:
        self.root, self.split = arguments.path("root", root), split
        self.transforms = transforms
        self._images = ImageNet(self.root, split)
        self._open()

    def _open(self) -> None:
        self._records = Dataset.open(self.root, self.split)
        name = self._records.about.name
        if name not in TASKS:
            raise SourceError(
                f"{self.root}: is {name}, whose images have no objects with a class each; use "
                "`ImageNet` for it"
            )
        self._numbers = number_of(name)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each label, from 0 on; that of 0 is "background"."""
        names = (each.name for each in categories(self._records.about.name))
        return ("background", *names)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, dict[str, Any]]:
        image, _ = self._images[index]
        target = self._target(index % len(self))
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def _target(self, index: int) -> dict[str, Any]:
        record = self._records.without_jpeg(index)
        assert record.scene is not None
        kept = [
            (box, self._numbers[what.wnid])
            for box, what in zip(record.boxes, record.scene.objects, strict=True)
            if box.xmin < box.xmax and box.ymin < box.ymax
        ]
        boxes = torch.tensor([box for box, _ in kept], dtype=torch.float32).reshape(-1, 4)
        return {
            "boxes": boxes,
            "labels": torch.tensor([label for _, label in kept], dtype=torch.int64),
            "image_id": index + 1,
            "area": (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
            "iscrowd": torch.zeros(len(kept), dtype=torch.int64),
        }

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_records"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()
