"""DET and VID as sources: their archives and trees become Records with boxes and scenes.

What is found where belongs to `find`, what a path means to `paths`, XML to `xml_files`, lists of
images to `image_sets`. Classes and counts belong to `imagenet.detection`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives import spool
from imnet_data.archives.containers import GzippedTar, Tar
from imnet_data.archives.tree import Tree
from imnet_data.errors import SourceError
from imnet_data.imagenet.detection import SPLITS
from imnet_data.imagenet.split_names import SPLITS as NAMES
from imnet_data.machine.progress import Step
from imnet_data.sources import archive
from imnet_data.sources.detection.find import Layout, find_layout
from imnet_data.sources.detection.image_sets import MAX_NBYTES as MAX_LIST_NBYTES
from imnet_data.sources.detection.image_sets import ImageSets
from imnet_data.sources.detection.paths import parse, task_of
from imnet_data.sources.detection.records import DetectionRecords, Published
from imnet_data.sources.detection.xml_files import MAX_NBYTES as MAX_XML_NBYTES
from imnet_data.sources.images import ColumnsBuilder, concatenated, sorted_by_key
from imnet_data.sources.left_out import HIDDEN, HIDDEN_FOLDERS, NO_IMAGE, LeftOut
from imnet_data.sources.names import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.archives.containers import Container, Entry
    from imnet_data.machine.progress import Progress
    from imnet_data.sources.images import Columns
    from imnet_data.storage.place import Place

__all__ = ["Layout", "Opened", "find_layout", "open_layout"]

_OTHER_TASK = "files of another task"
_VIDEOS = "videos, whose frames are read"
_LINKED = "links to folders that are read without them"
_DEVKIT_FILES = ("devkit", "_devkit")
_MAX_IMAGE_NBYTES = 1 << 28
_PROGRESS_STEP = 4096  # entries


class Opened(NamedTuple):
    """DET or VID, ready to be read."""

    splits: dict[str, DetectionRecords]
    containers: tuple[Container, ...]
    counts: tuple[dict[str, int], ...]  # what each container holds
    notes: tuple[str, ...]
    left_out: LeftOut


def open_layout(
    layout: Layout, *, split: str | None, spool_folder: Path | None, progress: Progress
) -> Opened:
    """Open DET or VID to be read in place; archives that are compressed are unpacked.

    Raises:
        SourceError: if a file is damaged, or an image or a list is there twice.
    """
    walk = _Walk(layout.task, split, progress)
    whole = False
    try:
        for number, path in enumerate(layout.archives):
            walk.take(_archive(path, spool_folder and spool_folder / str(number), walk))
        for root, branches in layout.trees:
            walk.take(Tree(root, branches))
        splits = walk.splits()
        whole = True
    finally:
        if not whole:
            for container in walk.containers:
                container.close()
    return Opened(
        splits, tuple(walk.containers), tuple(walk.counts), tuple(walk.notes), walk.left_out
    )


def _archive(path: Place, folder: Path | None, walk: _Walk) -> Container:
    container = archive.peeked(path)
    if not isinstance(container, GzippedTar) or folder is None:
        return container
    container.close()
    unpacked, note = spool.unpacked(path, folder, progress=walk.progress)
    walk.notes.append(note)
    return Tar(unpacked, packed=path)


class _Walk:
    """What the walk over all containers finds."""

    def __init__(self, task: str, split: str | None, progress: Progress) -> None:
        self.containers: list[Container] = []
        self.counts: list[dict[str, int]] = []
        self.notes: list[str] = []
        self.left_out = LeftOut()
        self.progress = progress
        self._task = task
        self._split = split
        self._sets = ImageSets(task)
        self._columns: dict[str, tuple[list[Columns], list[Columns]]] = {}  # images, XML

    def take(self, container: Container) -> None:
        """Walk a container."""
        number = len(self.containers)
        self.containers.append(container)
        builders: dict[tuple[str, bool], ColumnsBuilder] = {}
        counts = {"images": 0, "files of boxes": 0}
        lists = self._sets.count
        left_out = LeftOut()
        for count, entry in enumerate(container.entries()):
            if count % _PROGRESS_STEP == 0:
                self.progress(Step(f"list {container.name}", entry.place, container.extent))
            reason = self._reason(entry.path)
            suffix = entry.path.rpartition(".")[2]
            is_xml = suffix == "xml"
            named = parse(self._task, entry.path)
            if reason:
                left_out.add(reason, entry.path)
            elif self._sets.is_one(entry.path):
                self._take_list(container, entry)
            elif named and (is_xml or suffix.lower() in IMAGE_SUFFIXES):
                self._require_size(container, entry, is_xml=is_xml)
                counts["files of boxes" if is_xml else "images"] += 1
                if self._split in (None, named.split):
                    key = named.split, is_xml
                    builder = builders.setdefault(key, ColumnsBuilder(number))
                    builder.add(named, place=entry.place, nbytes=entry.nbytes)
            elif not any(part in f"/{entry.path}" for part in _OF_A_DEVKIT):
                left_out.add(NO_IMAGE, entry.path)
        for (split, is_xml), builder in builders.items():
            of_split = self._columns.setdefault(split, ([], []))
            of_split[is_xml].append(builder.columns())
        counts["lists"] = self._sets.count - lists
        self.counts.append({name: count for name, count in counts.items() if count})
        self._note_tree(container, left_out)
        self.left_out.update(left_out, within=container.name)

    def _reason(self, path: str) -> str:
        """Return why a file is left out by its path; or ""."""
        if "/." in path or path.startswith((".", "__MACOSX/")):
            return HIDDEN
        if task_of(path) not in ("", self._task) or "/CLS-LOC/" in path:
            return _OTHER_TASK
        return _VIDEOS if path.endswith(".mp4") else ""

    def _note_tree(self, container: Container, left_out: LeftOut) -> None:
        if isinstance(container, Tree):
            for folder in container.hidden_folders:
                left_out.add(HIDDEN_FOLDERS, folder)
            for folder in container.linked_folders:
                left_out.add(_LINKED, folder)

    def _take_list(self, container: Container, entry: Entry) -> None:
        if entry.nbytes > MAX_LIST_NBYTES:
            raise SourceError(
                f"{container.name}: {entry.path} has {entry.nbytes} bytes, too many for a list"
            )
        content = container.read(entry.place, entry.nbytes)
        self._sets.take(entry.path, content, where=container.name)

    def _require_size(self, container: Container, entry: Entry, *, is_xml: bool) -> None:
        if entry.nbytes > (MAX_XML_NBYTES if is_xml else _MAX_IMAGE_NBYTES):
            what = "boxes" if is_xml else "an image"
            raise SourceError(
                f"{container.name}: {entry.path} has {entry.nbytes} bytes, too many for {what}; "
                "remove it"
            )

    def splits(self) -> dict[str, DetectionRecords]:
        """Return the splits that have images, in the order of their names."""
        splits = {}
        for split in NAMES:
            images, xml = self._columns.get(split, ([], []))
            if not images:
                continue
            columns, _ = sorted_by_key(concatenated(images), self.containers)
            boxes = columns.take(columns.nbytes < 0)
            if xml:
                boxes, _ = sorted_by_key(concatenated(xml), self.containers)
            known, missing = self._sets.known(split, columns.keys)
            records = DetectionRecords(
                self._task, Published(columns, boxes, known), self.containers
            )
            splits[split] = records
            self._note(split, records, len(boxes.keys), missing)
        return splits

    def _note(self, split: str, records: DetectionRecords, xml: int, missing: int) -> None:
        if xml > records.annotated_count:
            self.notes.append(
                f"{split}: {xml - records.annotated_count:,} files of boxes belong to images that "
                "are not here, and were left out"
            )
        if split != "test" and not records.annotated_count:
            self.notes.append(f"{split}: no file of boxes was found")
        if missing:
            self.notes.append(f"{split}: its lists name {missing:,} images that are not here")
        published = SPLITS[self._task].get(split)
        if published and len(records) != published.image_count:
            self.notes.append(
                f"{split}: has {len(records):,} images, {self._task} has {published.image_count:,}"
            )


_OF_A_DEVKIT = ("/devkit/", "_devkit/", "/ImageSets/", "/det_lists/")
