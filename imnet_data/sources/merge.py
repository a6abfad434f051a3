"""One split out of what several containers hold of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import SourceError
from imnet_data.sources.images import Columns, concatenated, sorted_by_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.archives.containers import Container

_PART = re.compile(r"train_images_(\d+)\..*")  # Hugging Face cuts train into five
_PART_COUNT = 5
_PATCH = "_test_patch"  # ILSVRC2012_img_test_patch_v10102019.tar replaces some test images


def merged(
    split: str, parts: Sequence[Columns], *, containers: Sequence[Container]
) -> tuple[Columns, list[str]]:
    """Return the images of a split, sorted by key, and notes.

    Raises:
        SourceError: if two sources give the split, or two images of a class have one key.
    """
    notes = []
    opened = [containers[part.containers[0]] for part in parts]
    names = [container.name for container in opened]
    numbers = [match[1] for name in names if (match := _PART.fullmatch(name))]
    if numbers and len(numbers) < _PART_COUNT:
        notes.append(
            f"{split}: only parts {', '.join(sorted(numbers))} of Hugging Face's train_images_0 "
            f"to {_PART_COUNT - 1} were found"
        )
    if len(parts) > 1 and len(numbers) < len(parts):
        parts, patch_notes = _patched(split, parts, opened)
        notes += patch_notes
    columns, count = sorted_by_key(concatenated(parts), containers)
    if count:
        notes.append(
            f"{split}: {count} images have the name of an image of another class, so their keys "
            "begin with the class"
        )
    return columns, notes


def _patched(
    split: str, parts: Sequence[Columns], opened: Sequence[Container]
) -> tuple[list[Columns], list[str]]:
    names = [container.name for container in opened]
    patches = [at for at, name in enumerate(names) if _PATCH in name]
    if len(parts) != 2 or len(patches) != 1:
        raise SourceError(
            f"{split} comes from {opened[0].path} and from {opened[1].path}; pass one of them"
        )
    patch, whole = parts[patches[0]], parts[1 - patches[0]]
    replaced = np.isin(whole.keys, patch.keys)
    note = f"{split}: {int(replaced.sum())} images were replaced by those of {names[patches[0]]}"
    return [whole.take(~replaced), patch], [note]
