"""Images taken from a folder instead of being drawn."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from imnet_data import jpeg
from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.synth.layout import Picture
from imnet_data.synth.sketch import Draws, objects

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.record import Box
    from imnet_data.synth.layout import Layout, Slot

_SUFFIXES = (".jpeg", ".jpg", ".png")


class Shelf:
    """The image files of a folder, by the class that their names begin with, if any."""

    def __init__(self, folder: Path) -> None:
        paths = folder.iterdir() if folder.is_dir() else ()
        self._paths = sorted(path for path in paths if path.name.lower().endswith(_SUFFIXES))
        if not self._paths:
            raise SourceError(
                f"{folder}: has no file that ends in {', '.join(_SUFFIXES)}; "
                "name a folder of images"
            )
        known = set(labels.ilsvrc2012_wnids())
        self._of_class: dict[str, list[Path]] = defaultdict(list)
        for path in self._paths:
            if path.name[:9] in known:
                self._of_class[path.name[:9]].append(path)

    @property
    def wnids(self) -> list[str]:
        """Return the sorted classes that have files of their own."""
        return sorted(self._of_class)

    def take(self, slot: Slot, layout: Layout) -> Picture:
        """Return the next file of the image's class; boxes are made up."""
        paths = self._of_class.get(layout.classes[slot.label], self._paths)
        data = paths[slot.image_index % len(paths)].read_bytes()
        found = jpeg.examine(data)
        width, height = found.width, found.height
        boxes: tuple[Box, ...] = ()
        if min(width, height) >= 16:
            boxes = objects(Draws(layout.seed, slot, part=0), width, height)
        return Picture(data, width, height, boxes)
