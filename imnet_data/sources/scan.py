"""One walk over a container: its images, sorted out by split, and the small files beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.errors import SourceError
from imnet_data.sources import boxes, names
from imnet_data.sources.devkit import GROUND_TRUTH, META
from imnet_data.sources.images import ColumnsBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from imnet_data.archives.containers import Container, Entry
    from imnet_data.sources.boxes import BoxesBuilder

VAL_CSV, TRAIN_CSV = "LOC_val_solution.csv", "LOC_train_solution.csv"
_TEXTS = frozenset({META, GROUND_TRUTH, VAL_CSV, TRAIN_CSV})
_MAX_TEXT_NBYTES = 1 << 28
_MAX_IMAGE_NBYTES = 1 << 30
_PROGRESS_STEP = 4096  # entries


class Found:
    """What the walk over one container found."""

    def __init__(self) -> None:
        self.images: dict[str, ColumnsBuilder] = {}
        self.texts: dict[str, bytes] = {}
        self.has_images = False  # of whatever split
        self.has_boxes = False
        self.left_out: list[str] = []  # paths of hidden files and of those that are no images


def scan(
    container: Container,
    number: int,
    *,
    split: str | None,
    boxes_builder: BoxesBuilder | None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Found:
    """Walk a container.

    Args:
        container: not walked before.
        number: what its images are to carry as `Columns.containers`.
        split: the one split that is wanted; None for all.
        boxes_builder: takes boxes found in XML files; None where they are not wanted.
        progress: called with what is done, and place and extent of the container.
    """
    found = Found()
    for count, entry in enumerate(container.entries()):
        if progress and count % _PROGRESS_STEP == 0:
            progress(f"list {container.name}", entry.place, container.extent)
        file = entry.path.rpartition("/")[2]
        suffix = file.rpartition(".")[2]
        if file.startswith("."):
            found.left_out.append(entry.path)
        elif suffix in names.IMAGE_SUFFIXES:
            _take_image(found, container, entry, number=number, split=split)
        elif file in _TEXTS:
            _take_text(found, container, entry, file)
        elif suffix == "xml":
            if boxes_builder is not None:
                key = file.removesuffix(".xml")
                content = container.read(entry.place, entry.nbytes)
                boxes_builder.add(boxes.from_xml(content, key=key, archive=container.name))
            found.has_boxes = True
        elif not (file.startswith("LOC_") or entry.path.startswith("ILSVRC/")):  # Kaggle's lists
            found.left_out.append(entry.path)
    return found


def _take_image(
    found: Found, container: Container, entry: Entry, *, number: int, split: str | None
) -> None:
    try:
        image = names.parse(entry.path)
    except SourceError as error:
        raise SourceError(f"{container.name}: {error}") from error
    if entry.nbytes > _MAX_IMAGE_NBYTES:
        raise SourceError(
            f"{container.name}: {entry.path} has {entry.nbytes} bytes, too many for an image; "
            "take it out"
        )
    found.has_images = True
    if split in (None, image.split):
        if image.split not in found.images:
            found.images[image.split] = ColumnsBuilder(number)
        found.images[image.split].add(image, place=entry.place, nbytes=entry.nbytes)


def _take_text(found: Found, container: Container, entry: Entry, file: str) -> None:
    if file in found.texts:
        raise SourceError(f"{container.name}: has two files {file}; take one of them out")
    if entry.nbytes > _MAX_TEXT_NBYTES:
        raise SourceError(f"{container.name}: {file} has {entry.nbytes} bytes, too many for it")
    found.texts[file] = container.read(entry.place, entry.nbytes)
