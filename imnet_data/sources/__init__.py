"""Sources: where Records come from.

What a person has, in any container and any of the usual layouts, becomes Records in one canonical
order (sorted by key), read in place: the official archives, extracted folders, Kaggle's and Hugging
Face's copies. `names` interprets paths, `containers` how files are reached, `find` what a
person may point at; everything after that is the same for all of them. DET and VID have boxes and
more (`detection`). Reaching the bytes inside an
archive belongs to `archives`.
"""

from __future__ import annotations

from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments
from imnet_data.dataset import description
from imnet_data.dataset.layout import SUMS, require_split
from imnet_data.errors import SourceError, SplitError
from imnet_data.imagenet.detection import wnids
from imnet_data.imagenet.split_names import SPLITS
from imnet_data.imagenet.variants import ILSVRC2012
from imnet_data.machine import files
from imnet_data.machine.progress import no_progress
from imnet_data.sources import detection, find, first_bytes, variants
from imnet_data.sources.gather import FoundIn, Gathered
from imnet_data.storage.place import located, written_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from imnet_data.archives.containers import Container
    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress
    from imnet_data.machine.temporary import TemporaryFolder
    from imnet_data.record import Records
    from imnet_data.sources.devkit import Devkit
    from imnet_data.sources.left_out import Reason
    from imnet_data.sources.listing import Listings
    from imnet_data.storage.place import Place

__all__ = ["Source", "SourceFile", "open_sources"]


_LOOKED_AT = 20  # files whose first bytes may say why nothing was found


class SourceFile(NamedTuple):
    """A file that was read."""

    name: str  # base name; of a folder, the folder's
    nbytes: int


class Fetched(NamedTuple):
    """What describes a dataset in a store, on this disk."""

    key: str  # another one if the dataset is
    url: str  # as it is shown
    folder: TemporaryFolder


class Source(NamedTuple):
    """What was found at some paths."""

    splits: dict[str, Records]  # of `SPLITS`, in this order, those found
    classes: tuple[str, ...] | None  # sorted wnids of the devkit; None where there is no devkit
    files: tuple[SourceFile, ...]  # sorted by name
    notes: tuple[str, ...]  # what a person should know
    containers: tuple[Container, ...] = ()  # what `splits` read from
    name: str = ILSVRC2012  # or a variant's
    found: tuple[FoundIn, ...] = ()  # what each file and folder holds
    left_out: Mapping[str, Reason] = MappingProxyType({})  # sorted
    dataset: Path | None = None  # where `splits` are those of a dataset
    devkit: Devkit | None = None
    fetched: Fetched | None = None  # where `splits` are those of a dataset in a store

    def identities(self) -> dict[str, str]:
        """Return what distinguishes the files that are read, and the path of each."""
        if self.dataset is not None:
            described = (self.dataset / name for name in (description.FILE_NAME, SUMS))
            return {files.identity(path): str(path) for path in described if path.is_file()}
        if self.fetched is not None:
            return {self.fetched.key: self.fetched.url}
        return {each.identity(): str(each.path) for each in self.containers}

    def written_ns(self) -> dict[str, int]:
        """Return when what is read was last written to, in ns, by its path."""
        places = [self.dataset] if self.dataset else [each.path for each in self.containers]
        return {str(place): written_ns(place) for place in places}

    def close(self) -> None:
        """Close files; the splits cannot be read afterwards."""
        for records in self.splits.values():
            records.close()
        for container in self.containers:
            container.close()
        if self.fetched is not None:
            self.fetched.folder.close()


def open_sources(
    paths: StrPath | Iterable[StrPath],
    *,
    split: str | None = None,
    boxes: bool = False,
    labels: str | None = None,
    spool: Path | None = None,
    listings: Listings | None = None,
    progress: Progress = no_progress,
) -> Source:
    """Open files and folders together as one source, by looking at what they are.

    Args:
        paths: official archives, the devkit, boxes; a folder of those; a folder of images; Kaggle's
            archive or folder; Hugging Face's archives or Parquet files; DET or VID; or one variant,
            see `sources.variants`. What is an archive may be a URL.
        split: take this one only; and what a folder of images without train, val or test is.
        boxes: read bounding boxes as well.
        labels: the label space of the integers that files of other tools have as labels; see
            `imagenet.labels`.
        spool: folder to unpack compressed archives of images to, which cannot be read in place;
            without it, they are listed.
        listings: where what archives hold is kept for other runs.
        progress: called now and then.

    Raises:
        SplitError: if there is no such split.
        SourceError: if nothing is recognised, an input is damaged, cut short or unsafe, or the
            inputs do not belong together.
        LabelError: if `labels` is a file that is no list of wnids.
        MissingExtra: if a package that reads them is not installed.
        ValueError: if there is no such label space.
    """
    places = [located(place) for place in arguments.places("paths", paths)]
    if split is not None:
        split = require_split(", ".join(map(str, places)), split, SPLITS)
    try:
        boxed = detection.find_layout(places)
        if boxed is not None:
            return _open_detection(boxed, split=split, spool=spool, progress=progress)
        layout = variants.find_layout(places)
        if layout is not None:
            opened = variants.open_layout(
                layout, split=split, labels=labels, spool_folder=spool, progress=progress
            )
            return _of_variant(layout, opened)
        gathered = Gathered(split=split, boxes=boxes, labels=labels, listings=listings)
        return _open_ilsvrc(gathered, places, split=split, spool=spool, progress=progress)
    except OSError as error:
        raise SourceError(f"{error.filename or places[0]}: {error.strerror}") from error


def _open_ilsvrc(
    gathered: Gathered,
    paths: Sequence[Place],
    *,
    split: str | None,
    spool: Path | None,
    progress: Progress,
) -> Source:
    whole = False
    try:
        gathered.open(paths, spool_folder=spool, progress=progress)
        splits = gathered.splits()
        if not splits:
            raise (SplitError if split else SourceError)(_nothing_found(paths, split))
        whole = True
    finally:
        if not whole:
            gathered.close()
    devkit = gathered.devkit
    return Source(
        splits,
        devkit.classes if devkit else None,
        tuple(sorted(SourceFile(*size) for size in gathered.sizes())),
        tuple(gathered.notes),
        tuple(gathered.containers),
        found=tuple(gathered.found),
        left_out=gathered.left_out.reasons,
        devkit=devkit,
    )


def _open_detection(
    layout: detection.Layout,
    *,
    split: str | None,
    spool: Path | None,
    progress: Progress,
) -> Source:
    opened = detection.open_layout(layout, split=split, spool_folder=spool, progress=progress)
    containers = opened.containers
    if not opened.splits:
        for container in containers:
            container.close()
        what = f"no split {split!r}" if split else "no images"
        paths = ", ".join(str(container.path) for container in containers)
        raise (SplitError if split else SourceError)(f"{paths}: {what} of {layout.task} found")
    pairs = zip(containers, opened.counts, strict=True)
    return Source(
        dict(opened.splits),
        wnids(layout.task),
        tuple(sorted(SourceFile(*size) for each in containers for size in each.sizes())),
        opened.notes,
        containers,
        layout.task,
        tuple(FoundIn(str(container.path), counts) for container, counts in pairs),
        opened.left_out.reasons,
    )


def _of_variant(layout: variants.Layout, opened: variants.Opened) -> Source:
    sizes = (size for container in opened.containers for size in container.sizes())
    counts = {split: len(records) for split, records in opened.splits.items()}
    return Source(
        dict(opened.splits),
        opened.classes,
        tuple(sorted(SourceFile(*size) for size in sizes)),
        opened.notes,
        opened.containers,
        opened.name,
        (FoundIn(", ".join(map(str, layout.paths)), counts),),
        opened.left_out,
    )


def _nothing_found(paths: Sequence[Place], split: str | None) -> str:
    items = [item for path in paths for item in _items(path)]
    where = ", ".join(map(str, paths)) or "no path"
    what = f"no split {split!r}" if split else "no images found"
    for item in items[:_LOOKED_AT]:
        foreign = first_bytes.foreign(item) if item.is_file() else ""
        if foreign:
            return f"{where}: {what}; {item.name} {foreign}"
    some = ", ".join(item.name for item in items[:5]) + (" ..." if len(items) > 5 else "")
    return f"{where}: {what}; {find.LOOKED_FOR}; found {some or 'nothing'}"


def _items(path: Place) -> Sequence[Place]:
    if not path.is_dir():
        return [path]
    return [path / name for name in sorted(chain(*find.listed(path)))]
