"""timm's reader of tars, by the `_info.json` beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timm.data.dataset_factory import create_dataset

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split


def read(split: Split) -> Iterator[Returned]:
    """Yield labels and sizes, in stored order: timm decodes each image, and drops its key."""
    dataset = create_dataset("wds/", root=str(split.directory), split=split.name)
    for image, label in dataset:
        yield Returned(None, label, None, image.size)
