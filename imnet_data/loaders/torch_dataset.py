"""A dataset as torch's DataLoader and torchvision's transforms know it.

It holds no list of records, so that workers share the mapped index instead of copying it, and is
sent to a worker as the few words that it was opened with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.utils.data
from PIL import Image

from imnet_data import arguments
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ImageError
from imnet_data.jpeg import decode_by_pillow
from imnet_data.loaders.files import Files, read_extent
from imnet_data.loaders.source import (
    CHANGED,
    UNDECODABLE,
    Extents,
    Readable,
    published_as,
    source_of,
    undecodable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.arguments import StrPath


class ImageNet(torch.utils.data.Dataset[tuple[Any, Any]]):
    """Images and labels of one split, as torchvision's ImageFolder gives them.

    An item is a PIL image (R G B) after `transform`, and an integer after `target_transform`: the
    position of its wnid in `classes`, -1 where there is none.

    Args:
        root: the folder of a dataset, of any format.
        split: "train", "val" or "test".
        transform: is given the PIL image.
        target_transform: is given the label.
    """

    def __init__(
        self,
        root: StrPath,
        split: str = "train",
        *,
        transform: Callable[[Image.Image], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        self.root, self.split = arguments.path("root", root), split
        self.transform, self.target_transform = transform, target_transform
        self._open()

    def _open(self) -> None:
        dataset = Dataset.open(self.root, self.split)
        self._source = source_of(dataset)
        self._damaged = published_as(self._source, "damaged")
        self._undecodable = undecodable(self._source)
        self._files = Files.of(self._source)
        self.classes = dataset.classes  # sorted wnids, as words are not unique
        self._labels = dataset.labels
        self.class_to_idx = {wnid: label for label, wnid in enumerate(self.classes)}

    @property
    def wnids(self) -> tuple[str, ...]:
        """The same as `classes`."""
        return self.classes

    @property
    def targets(self) -> NDArray[np.int32]:
        """The label of each record, int32[len], -1 where there is none; read-only, mapped."""
        return self._labels

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        image: Any = self._image(index % len(self))
        label: Any = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def _image(self, index: int) -> Image.Image:
        if self._undecodable[index]:
            raise ImageError(f"{self._name(index)}: {UNDECODABLE}")
        stored, source = self._stored(index), self._source
        if source.pixels[index]:
            size = (int(source.width[index]), int(source.height[index]))
            return Image.frombytes("RGB", size, stored)
        try:
            picture = Image.fromarray(decode_by_pillow(stored, fill=bool(self._damaged[index])))
        except ImageError as error:
            raise ImageError(f"{self._name(index)}: {error}; {CHANGED}") from error
        return picture

    def _stored(self, index: int) -> bytes | memoryview:
        source = self._source
        if self._files is None:
            assert isinstance(source, Readable)
            return source.read(index)
        assert isinstance(source, Extents)
        return read_extent(source, self._files.open(source.shard[[index]])[0], index)

    def _name(self, index: int) -> str:
        return f"{self._source.key[index].decode()} (record {index}) in {self.root}"

    def __getstate__(self) -> dict[str, Any]:
        opened = {"_source", "_damaged", "_undecodable", "_files", "_labels"}
        return {name: value for name, value in vars(self).items() if name not in opened}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()
