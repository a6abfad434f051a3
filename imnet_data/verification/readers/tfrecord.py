"""The tfrecord package's loader of Examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfrecord.reader import tfrecord_loader

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and bytes, in stored order."""
    for path in split.shards:
        for example in tfrecord_loader(str(path), None):
            # a label counts from 1, a split without labels has no such feature
            label = int(example.get("image/class/label", [0])[0]) - 1
            key = example["image/filename"].decode().removesuffix(".JPEG")
            yield Returned(key, label, example["image/encoded"])
