"""Imagenette and Imagewoof: ten classes each of ILSVRC2012, split anew.

    imagenette2/{train,val}/<wnid>/*.JPEG      imagewoof2-160, imagewoof2-320: the shorter side

Their splits mix the train and the val images of ILSVRC2012: what was trained on all of ILSVRC2012
has seen seven of ten of their val images. Version 1 (without the 2) has other splits. Labels are 0
to 9 by sorted wnids, as fastai has them.

Source: fastai/imagenette, README.md; tensorflow/datasets, image_classification/imagenette.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.errors import SourceError
from imnet_data.imagenet import class_lists
from imnet_data.imagenet.split_names import split_of
from imnet_data.imagenet.variants import VARIANTS
from imnet_data.sources.left_out import NO_IMAGE
from imnet_data.sources.names import IMAGE_SUFFIXES, Named, key_of
from imnet_data.sources.variants.rules import Finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imnet_data.sources.images import Columns


class TenClasses:
    """The rules of Imagenette or Imagewoof."""

    splits = ("train", "val")
    texts: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self.name = name
        self._wnids = class_lists.wnids(name.partition("2")[0])

    def named(self, path: str) -> Named | str:
        """Return what a path says, or why the file is left out."""
        _, folder, wnid, file = (["", "", "", *path.split("/")])[-4:]
        stem, _, suffix = file.rpartition(".")
        if suffix.lower() not in IMAGE_SUFFIXES:
            return NO_IMAGE
        split = split_of(folder)
        if split not in self.splits or wnid not in self._wnids:
            raise SourceError(
                f"{path!r} is not {{train,val}}/<wnid>/ of {self.name}'s ten classes; remove it, "
                "or download the archive again"
            )
        return Named(split, key_of(stem, path=path), wnid)

    def finished(self, found: dict[str, Columns], texts: Mapping[str, bytes]) -> Finished:
        """Return the images as they are, and notes."""
        del texts
        notes = [
            f"has {len(columns.keys):,} images of {split}, {self.name} has "
            f"{VARIANTS[self.name].counts[split]:,}"
            for split, columns in found.items()
            if len(columns.keys) != VARIANTS[self.name].counts[split]
        ]
        mixed = sum(
            int((columns.keys.astype("S10") == b"ILSVRC2012").sum()) for columns in found.values()
        )
        notes.append(
            f"{mixed:,} of its images are of ILSVRC2012's val, in both splits; what was trained "
            "on ILSVRC2012 has seen the others"
        )
        return Finished(found, self._wnids, tuple(notes))
