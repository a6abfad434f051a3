"""The names that a split has in folders, archives and arguments: one table for all of them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

# small_classes are those of ImageNet-21k that have too few images to be validated
SYNONYMS = {
    "train": ("train", "training"),
    "val": ("val", "validation", "valid", "dev"),
    "test": ("test", "testing"),
    "small_classes": ("small_classes",),
}
SPLITS = tuple(SYNONYMS)

# imagenet21k_val, ILSVRC2012_img_test_v10102019, val_images, train_images_3
_NAME = re.compile(
    r"(?:.*[_-])?(?:{})(?:_images(?:_\d+)?|_v\d+)?".format(
        "|".join(f"(?P<{split}>{'|'.join(names)})" for split, names in SYNONYMS.items())
    ),
    re.IGNORECASE | re.ASCII | re.DOTALL,
)


@functools.lru_cache(maxsize=4096)
def split_of(name: str) -> str:
    """Return the split that a folder or an archive (without its suffixes) is called as; or ""."""
    match = _NAME.fullmatch(name)
    return (match.lastgroup or "") if match else ""


def among(name: str, splits: Collection[str]) -> str:
    """Return `name`, or the one of `splits` that it is another name of."""
    same = [split for split, names in SYNONYMS.items() if name in names and split in splits]
    return same[0] if same and name not in splits else name


def known_names() -> str:
    """Return all names of the table, for a message."""
    return "; ".join(f"{split}: {', '.join(names)}" for split, names in SYNONYMS.items())
