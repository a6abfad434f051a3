"""Sets with a folder for each class, below one folder that has the set's name.

    imagenetv2-matched-frequency-format-val/0 ... 999/*.jpeg       (and -threshold0.7, -top-images)
    imagenet-a/<wnid>/*.jpg      imagenet-r/<wnid>/*.jpg      sketch/<wnid>/*.JPEG
    imagenet-o/<wnid>/*.jpg      of none of these classes: an image has no label
    objectnet-1.0/images/<one of 313 names>/*.png

ImageNetV2's folders are integers of the convention `sorted`: sorted as text, as folders usually
are, they would be 0, 1, 10, 100, ... and 988 of 1000 labels wrong. Its archives are called .tar.gz
and may be plain tar: the content decides.

Names of files repeat between classes and have spaces and dots, which keys cannot have: a key is
`<folder>_<stem>`, the stem quoted as in the query of a URL, with `%2E` for a dot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.imagenet.variants import (
    IMAGENET_O,
    OBJECTNET,
    VARIANTS,
    objectnet_folders,
    wnids,
)
from imnet_data.sources.left_out import NO_IMAGE
from imnet_data.sources.names import IMAGE_SUFFIXES, Named
from imnet_data.sources.variants.rules import Finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imnet_data.sources.images import Columns

_WITHOUT_CLASS = "images of classes that ImageNet lacks"
_OBJECTNET_IMAGES = "images"


class ClassFolders:
    """The rules of such a set."""

    splits = ("val",)
    texts: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self.name = name
        self._wnid_of = _wnid_of_folder(name)

    def named(self, path: str) -> Named | str:
        """Return what a path says, or why the file is left out."""
        folder, stem, suffix = self._parts(path)
        if not folder or suffix.lower() not in IMAGE_SUFFIXES:
            return NO_IMAGE
        if folder not in self._wnid_of:
            raise SourceError(
                f"{path!r} is in a folder that is not a class of {self.name}; "
                "remove it, or download the archive again"
            )
        if not self._wnid_of[folder]:
            return _WITHOUT_CLASS
        wnid = "" if self.name == IMAGENET_O else self._wnid_of[folder]
        return Named("val", f"{folder}_{quote_plus(stem).replace('.', '%2E')}", wnid)

    def _parts(self, path: str) -> tuple[str, str, str]:
        """Return folder, stem and suffix; no folder where it does not lie in its place."""
        above, _, file = path.rpartition("/")
        stem, _, suffix = file.rpartition(".")
        outer, _, folder = above.partition("/")
        if self.name == OBJECTNET:
            outer, _, folder = folder.partition("/")
            folder = folder if outer == _OBJECTNET_IMAGES else ""
        return folder, stem, suffix

    def finished(self, found: dict[str, Columns], texts: Mapping[str, bytes]) -> Finished:
        """Return the images as they are, and a note if some are missing."""
        del texts
        published, count = VARIANTS[self.name].counts.get("val"), len(found["val"].keys)
        notes = [f"has {count} images, {self.name} has {published}"]
        notes = [] if published in (None, count) else notes
        if self.name == IMAGENET_O:
            notes.append("its images are of no class of ImageNet, so they have no labels")
        return Finished(found, labels.ilsvrc2012_wnids(), tuple(notes))


def _wnid_of_folder(name: str) -> dict[str, str]:
    """Map the folders of a variant to wnids, "" where ImageNet has no such class."""
    if name == OBJECTNET:
        return {folder: (*group, "")[0] for folder, group in objectnet_folders().items()}
    if name.startswith("imagenetv2"):
        return {str(label): wnid for label, wnid in enumerate(labels.ilsvrc2012_wnids())}
    return {wnid: wnid for wnid in wnids(name)}
