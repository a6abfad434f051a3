"""All that several paths hold, put together: images by split, labels, boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.archives.containers import GzippedTar, Tar
from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid
from imnet_data.sources import boxes as _boxes
from imnet_data.sources import devkit, find, merge
from imnet_data.sources.images import ImageRecords
from imnet_data.sources.names import SPLITS
from imnet_data.sources.scan import TRAIN_CSV, VAL_CSV, Found, scan
from imnet_data.sources.truth import Truth, val_wnids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imnet_data.archives.containers import Container
    from imnet_data.record import Records
    from imnet_data.sources.images import Columns

    Progress = Callable[[str, int, int], None]


class Gathered:
    """What was found so far."""

    def __init__(self, *, split: str | None, boxes: bool) -> None:
        self.containers: list[Container] = []
        self.notes: list[str] = []
        self.devkit: devkit.Devkit | None = None
        self._split = split
        self._boxes = _boxes.BoxesBuilder() if boxes else None
        self._columns: dict[str, list[Columns]] = {}
        self._texts: dict[str, tuple[str, bytes]] = {}  # name -> container, content

    def open(
        self, paths: Sequence[Path], *, spool_folder: Path | None, progress: Progress | None
    ) -> None:
        """Open and walk all that the paths stand for."""
        for path in paths:
            archives, trees, notes = find.expand(
                path, split=self._split, boxes=self._boxes is not None
            )
            self.notes += notes
            for archive in archives:
                if self._split in (None, find.split_of_name(archive.name) or self._split):
                    container, notes = find.open_archive(
                        archive, spool_folder=spool_folder, progress=progress
                    )
                    self.notes += notes
                    self._walk(container, progress)
            for tree in trees:
                self._walk(tree, progress)

    def _walk(self, container: Container, progress: Progress | None) -> None:
        self.containers.append(container)
        found = scan(
            container,
            len(self.containers) - 1,
            split=self._split,
            boxes_builder=self._boxes,
            progress=progress,
        )
        self._check(container, found)
        for split, builder in found.images.items():
            self._columns.setdefault(split, []).append(builder.columns())
        for name, content in found.texts.items():
            if name in self._texts:
                raise SourceError(
                    f"{self._texts[name][0]} and {container.name} both have {name}; give one"
                )
            self._texts[name] = container.name, content

    def _check(self, container: Container, found: Found) -> None:
        is_archive = isinstance(container, Tar | GzippedTar)
        if found.has_images and isinstance(container, GzippedTar):
            raise SourceError(
                f"{container.name}: images among other files in a compressed archive are not "
                "read; unpack it and give the folder"
            )
        if is_archive and not (found.has_images or found.texts or found.has_boxes):
            some = ", ".join(found.left_out[:3]) or "no files"
            raise SourceError(
                f"{container.name}: neither images nor a devkit nor boxes (it has {some}); "
                f"{find.LOOKED_FOR}"
            )
        odd = [path for path in found.left_out if not path.rpartition("/")[2].startswith(".")]
        official = [path for path in odd if "/" not in path or is_wnid(path.partition("/")[0])]
        if isinstance(container, Tar) and found.has_images and official:
            raise SourceError(
                f"{container.name}: {official[0]!r} is no image by its name, "
                "and official archives hold nothing else; download it again"
            )
        if found.has_images and found.left_out:
            self.notes.append(
                f"{container.name}: {len(found.left_out)} files that are hidden or no images "
                f"were left out ({found.left_out[0]})"
            )
        if found.has_boxes and self._boxes is None and not found.has_images:
            self.notes.append(f"{container.name}: boxes were not asked for, and left out")

    def splits(self) -> dict[str, Records]:
        """Return the splits that were found, in the order of `SPLITS`."""
        truth = self._read_texts()
        splits: dict[str, Records] = {}
        boxed = 0  # images
        for split in SPLITS:
            if split not in self._columns:
                continue
            columns, notes = merge.merged(
                split, self._columns.pop(split), containers=self.containers
            )
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
            name, content = self._texts[devkit.META]
            self.devkit = devkit.read_meta(content, archive=name)
        if devkit.GROUND_TRUTH in self._texts:
            archive, content = self._texts[devkit.GROUND_TRUTH]
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
        archive, content = self._texts[name]
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
