"""All that several paths hold, put together: images by split, labels, boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives.tree import Tree
from imnet_data.errors import SourceError
from imnet_data.imagenet.split_names import SPLITS
from imnet_data.sources import archive, devkit, find, listing, merge
from imnet_data.sources import boxes as _boxes
from imnet_data.sources.images import ImageRecords
from imnet_data.sources.left_out import HIDDEN_FOLDERS, LeftOut
from imnet_data.sources.scan import TRAIN_CSV, VAL_CSV, Found, scan
from imnet_data.sources.tools import ToolFiles
from imnet_data.sources.truth import Truth, val_wnids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.archives.containers import Container
    from imnet_data.machine.progress import Progress
    from imnet_data.record import Records
    from imnet_data.sources.images import Columns
    from imnet_data.sources.listing import Listings
    from imnet_data.storage.place import Place


_NOT_ASKED = "boxes, left out without --boxes:"


class FoundIn(NamedTuple):
    """What one file or folder holds."""

    path: str
    counts: dict[str, int]  # split -> images, wanted or not; or what else is there -> files


class Gathered:
    """What was found so far."""

    def __init__(
        self,
        *,
        split: str | None,
        boxes: bool,
        labels: str | None = None,
        listings: Listings | None = None,
    ) -> None:
        self.containers: list[Container] = []
        self.notes: list[str] = []
        self.left_out = LeftOut()
        self.found: list[FoundIn] = []
        self.devkit: devkit.Devkit | None = None
        self._split = split
        self._labels = labels
        self._listings = listings
        self._tools = ToolFiles(split=split, labels=labels)
        self._boxes = _boxes.BoxesBuilder() if boxes else None
        self._columns: dict[str, list[Columns]] = {}
        self._spooled: set[str] = set()  # names of archives that may have been unpacked
        self._texts: dict[str, tuple[Container, bytes]] = {}

    def open(
        self, paths: Sequence[Place], *, spool_folder: Path | None, progress: Progress
    ) -> None:
        """Open and walk all that the paths stand for."""
        classes: list[Path] = []
        for path in paths:
            if self._tools.take(path):
                continue
            if isinstance(path, Path) and _is_class_archive(path):
                classes.append(path)  # there may be thousands, so they are one container
                continue
            expanded = find.expand(path, split=self._split, boxes=self._boxes is not None)
            self.notes += expanded.notes
            self.found += [FoundIn(str(left), {_NOT_ASKED: 1}) for left in expanded.not_asked]
            for place in expanded.archives:
                if self._split in (None, find.split_of_name(place.name) or self._split):
                    folder = spool_folder and self._spool_for(place, spool_folder)
                    container, notes = archive.open_archive(
                        place, spool_folder=folder, progress=progress
                    )
                    self.notes += notes
                    self._walk(container, progress, promised=find.promised_split(place))
            for tree in expanded.trees:
                self._walk(tree, progress)
        if classes:
            tree = Tree(classes[0].parent, [], classes)
            self._walk(tree, progress, promised=self._split or "")
        for container in self._tools.containers():
            self._walk(container, progress)
        self.notes += self._tools.notes

    def _spool_for(self, archive: Place, folder: Path) -> Path:
        """Return a folder in which no other archive of this name is unpacked."""
        stem = archive.name.partition(".")[0]
        place = folder / str(len(self.containers)) if stem in self._spooled else folder
        self._spooled.add(stem)
        return place

    def _walk(self, container: Container, progress: Progress, *, promised: str = "") -> None:
        number = len(self.containers)
        self.containers.append(container)
        boxes = self._boxes is not None
        asked = (self._split, self._labels, boxes, promised)
        kept = listing.kept(container, self._listings, asked)
        found = kept.read(number) if kept else None
        if found is None:
            found = scan(
                container,
                number,
                split=self._split,
                boxes=boxes,
                promised=promised,
                progress=progress,
            )
            if kept:
                kept.write(found)
        self._check(container, found)
        beside = {"devkit": len(found.texts), "boxes": found.box_count}
        beside = {name: count for name, count in beside.items() if count}
        self.found.append(FoundIn(str(container.path), found.counts or beside))
        for split, columns in found.images.items():
            self._columns.setdefault(split, []).append(columns)
        if self._boxes is not None:
            self._boxes.extend(found.boxes.columns())
        for name, content in found.texts.items():
            if name in self._texts:
                raise SourceError(
                    f"{self._texts[name][0].path} and {container.path} both have {name}; pass one"
                )
            self._texts[name] = container, content

    def _check(self, container: Container, found: Found) -> None:
        official = find.split_of_name(container.path.name)
        is_archive = not isinstance(container, Tree)
        if is_archive and not (found.has_images or found.texts or found.box_count):
            some = (
                ", ".join(reason.example for reason in found.left_out.reasons.values())
                or "no files"
            )
            raise SourceError(
                f"{container.name}: neither images nor a devkit nor boxes (it has {some}); "
                f"{find.LOOKED_FOR}"
            )
        if official and set(found.counts) - {official}:
            raise SourceError(
                f"{container.path}: is called as {official}, and has images of "
                f"{', '.join(found.counts)}; rename it, or download it again"
            )
        if official and found.stranger:
            raise SourceError(
                f"{container.name}: {found.stranger!r} is not an image by its name or first "
                "bytes, and official archives contain nothing else; download it again"
            )
        if isinstance(container, Tree):
            for folder in container.hidden_folders:
                self.left_out.add(HIDDEN_FOLDERS, folder)
        if found.has_images:
            self.left_out.update(found.left_out, within=container.name)
        if found.box_count and self._boxes is None:
            self.notes.append(f"{container.name}: boxes were not requested, and left out")

    def splits(self) -> dict[str, Records]:
        """Return the splits that were found, in the order of `SPLITS`."""
        truth = self._read_texts()
        splits: dict[str, Records] = {}
        boxed = 0  # images
        for split in SPLITS:
            if split not in self._columns:
                continue
            parts = self._columns.pop(split)
            columns, notes = merge.merged(split, parts, containers=self.containers)
            if split == "val":
                wnids, more = val_wnids(columns.keys, columns.wnids, truth)
                columns, notes = columns._replace(wnids=wnids), notes + more
            self.notes += notes
            of_keys = self._boxes.of_keys(columns.keys) if self._boxes else None
            boxed += of_keys.annotated_count if of_keys else 0
            splits[split] = ImageRecords(columns, self.containers, of_keys)
        if self._boxes and self._split is None and boxed < len(self._boxes):
            self.notes.append(
                f"boxes of {len(self._boxes) - boxed} images that are not here were left out"
            )
        return splits

    def _read_texts(self) -> Truth:
        by_number, archive = None, ""
        if devkit.META in self._texts:
            container, content = self._texts[devkit.META]
            self.devkit = devkit.read_meta(content, archive=container.name)
        if devkit.GROUND_TRUTH in self._texts:
            container, content = self._texts[devkit.GROUND_TRUTH]
            archive = container.name
            by_number = devkit.read_ground_truth(content, archive=archive, devkit=self.devkit)
        # the CSV has the boxes of the XML files, rounded alike, but not the size they relate to
        builder = None if self._boxes is None or len(self._boxes) else self._boxes
        by_key = self._read_csv(VAL_CSV, builder)
        self._read_csv(TRAIN_CSV, builder)
        if self._boxes is not None and not len(self._boxes):
            self.notes.append("no boxes were found")
        return Truth(by_key, by_number, archive)

    def _read_csv(self, name: str, builder: _boxes.BoxesBuilder | None) -> dict[str, str] | None:
        if name not in self._texts:
            return None
        container, content = self._texts[name]
        archive = container.name
        wnids = {}
        for row in content.decode("ascii", errors="replace").splitlines()[1:]:
            annotation, wnid = _boxes.from_csv_row(row, archive=f"{archive}, {name}")
            wnids[annotation.key] = wnid
            if builder is not None:
                builder.add(annotation)
        return wnids

    def sizes(self) -> list[tuple[str, int]]:
        """Return name and size of every file that was read."""
        return [size for container in self.containers for size in container.sizes()]

    def close(self) -> None:
        """Close all files."""
        for container in self.containers:
            container.close()


def _is_class_archive(path: Path) -> bool:
    return find.is_class_archive(path.name) and path.exists() and not path.is_dir()
