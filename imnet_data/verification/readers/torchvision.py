"""torchvision's `ImageFolder`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torchvision.datasets import ImageFolder

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and bytes, in order of class and key."""
    dataset = ImageFolder(str(split.directory), loader=lambda path: Path(path).read_bytes())
    for index, (path, _) in enumerate(dataset.samples):
        image, label = dataset[index]
        yield Returned(Path(path).stem, label, image)
