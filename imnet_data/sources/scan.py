"""One walk over a container: its images, sorted out by split, and the small files beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid
from imnet_data.imagenet.split_names import known_names
from imnet_data.machine.progress import Step, no_progress
from imnet_data.sources import boxes, first_bytes, names
from imnet_data.sources.boxes import BoxesBuilder
from imnet_data.sources.devkit import GROUND_TRUTH, META
from imnet_data.sources.images import Columns, ColumnsBuilder
from imnet_data.sources.left_out import HIDDEN, NO_IMAGE, UNPACKED, LeftOut

if TYPE_CHECKING:
    from imnet_data.archives.containers import Container, Entry
    from imnet_data.machine.progress import Progress

VAL_CSV, TRAIN_CSV = "LOC_val_solution.csv", "LOC_train_solution.csv"
_MAX_TEXT_NBYTES = {META: 1 << 24, GROUND_TRUTH: 1 << 20, VAL_CSV: 1 << 24, TRAIN_CSV: 1 << 27}
_MAX_IMAGE_NBYTES = 1 << 28
_MAX_XML_NBYTES = 1 << 20
_PROGRESS_STEP = 4096  # entries


class Found:
    """What the walk over one container found."""

    def __init__(self) -> None:
        self.images: dict[str, Columns] = {}
        self.counts: dict[str, int] = {}  # of the images of each split, wanted or not
        self.texts: dict[str, bytes] = {}
        self.box_count = 0  # files of boxes
        self.boxes = BoxesBuilder()  # what they say, where that is wanted
        self.left_out = LeftOut()
        self.stranger = ""  # the first file that is no image where official archives have only such

    @property
    def has_images(self) -> bool:
        """Whether there are images, of whatever split."""
        return bool(self.counts)


def scan(
    container: Container,
    number: int,
    *,
    split: str | None,
    boxes: bool = False,
    promised: str = "",
    progress: Progress = no_progress,
) -> Found:
    """Walk a container.

    Args:
        container: not walked before.
        number: what its images are to carry as `Columns.containers`.
        split: the one split that is wanted; None for all.
        boxes: whether what XML files say is wanted.
        promised: the split that the container's name promises; "" where it does not.
        progress: called with place and extent of the container.
    """
    walk = _Walk(container, number, split, promised)
    for count, entry in enumerate(container.entries()):
        if count % _PROGRESS_STEP == 0:
            progress(Step(f"list {container.name}", entry.place, container.extent))
        file = entry.path.rpartition("/")[2]
        suffix = file.rpartition(".")[2]
        if "/." in entry.path or entry.path.startswith((".", "__MACOSX/")):
            walk.found.left_out.add(HIDDEN, entry.path)
        elif suffix.lower() in names.IMAGE_SUFFIXES:
            walk.take_image(entry)
        elif file in _MAX_TEXT_NBYTES:
            walk.take_text(entry, file)
        elif suffix == "xml":
            walk.take_boxes(entry, file, wanted=boxes)
        else:
            walk.take_other(entry, file)
    return walk.ended()


class _Walk:
    def __init__(self, container: Container, number: int, split: str | None, promised: str) -> None:
        self.found = Found()
        self._container = container
        self._number = number
        self._split = split
        self._promised = promised
        self._images: dict[str, ColumnsBuilder] = {}
        self._root: str | None = None  # the folders above all images
        self._first = ""  # the image that they were learnt from

    def take_image(self, entry: Entry) -> None:
        try:
            image = names.parse(entry.path, promised=self._promised)
        except SourceError as error:
            raise SourceError(f"{self._container.name}: {error}") from error
        if image.root != self._root:
            self._learn_root(entry.path, image.root)
        if entry.nbytes > _MAX_IMAGE_NBYTES:
            raise SourceError(
                f"{self._container.name}: {entry.path} has {entry.nbytes} bytes, too many for an "
                "image; remove it"
            )
        counts = self.found.counts
        counts[image.split] = counts.get(image.split, 0) + 1
        if self._split in (None, image.split):
            if image.split not in self._images:
                self._images[image.split] = ColumnsBuilder(self._number)
            self._images[image.split].add(image, place=entry.place, nbytes=entry.nbytes)

    def _learn_root(self, path: str, root: str) -> None:
        if self._root is not None:
            raise SourceError(
                f"{self._container.name}: {path!r} and {self._first!r} lie in different folders, "
                f"and the meaning of these is not known (known are {known_names()}); rename them, "
                "or pass one of them"
            )
        self._root, self._first = root, path

    def take_text(self, entry: Entry, file: str) -> None:
        name, texts = self._container.name, self.found.texts
        if file in texts:
            raise SourceError(f"{name}: has two files {file}; remove one of them")
        if entry.nbytes > _MAX_TEXT_NBYTES[file]:
            raise SourceError(f"{name}: {file} has {entry.nbytes} bytes, too many for it")
        texts[file] = self._container.read(entry.place, entry.nbytes)

    def take_boxes(self, entry: Entry, file: str, *, wanted: bool) -> None:
        name = self._container.name
        self.found.box_count += 1
        if not wanted:
            return
        key = names.key_of(file.removesuffix(".xml"), path=entry.path)
        if entry.nbytes > _MAX_XML_NBYTES:
            raise SourceError(f"{name}: {entry.path} has {entry.nbytes} bytes, too many for boxes")
        content = self._container.read(entry.place, entry.nbytes)
        self.found.boxes.add(boxes.from_xml(content, key=key, archive=name))

    def take_other(self, entry: Entry, file: str) -> None:
        """Add a file whose name does not show what it is, if it begins as an image does."""
        if file.startswith("LOC_") or entry.path.startswith("ILSVRC/ImageSets/"):  # Kaggle's lists
            return
        if file.endswith(".tar") and is_wnid(file.removesuffix(".tar")):
            self.found.left_out.add(UNPACKED, entry.path)
        elif first_bytes.is_image(self._container.first_bytes(entry.place, entry.nbytes)):
            self.take_image(entry)
        else:
            self.found.left_out.add(NO_IMAGE, entry.path)
            folder, _, _ = entry.path.rpartition("/")
            if not self.found.stranger and (not folder or is_wnid(folder)):
                self.found.stranger = entry.path

    def ended(self) -> Found:
        """Return all that was found."""
        self.found.images = {split: one.columns() for split, one in self._images.items()}
        return self.found
