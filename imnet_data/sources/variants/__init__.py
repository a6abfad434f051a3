"""ImageNet's other test sets, as they are published: an archive, or the folder that it holds.

What a set is made of, and by which name it is known, belongs here.

    imagenetv2-matched-frequency-format-val/0 ... 999/*.jpeg       (and -threshold0.7, -top-images)
    imagenet-a/<wnid>/*.jpg      imagenet-r/<wnid>/*.jpg      sketch/<wnid>/*.JPEG
    objectnet-1.0/images/<one of 313 names>/*.png

What a set is, is said by the name of its outermost folder, which archives have, too. ImageNetV2's
folders are integers of the convention `sorted`: sorted as text, as folders usually are, they would
be 0, 1, 10, 100, ... and 988 of 1000 labels wrong. Its archives are called .tar.gz and may be plain
tar: the content decides.

Names of files repeat between classes and have spaces and dots, which keys cannot have: a key is
`<folder>_<stem>`, the stem quoted as in the query of a URL, with `%2E` for a dot.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus

from imnet_data.archives.tree import Branch, Tree
from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.imagenet.variants import OBJECTNET, VARIANTS, objectnet_folders, wnids
from imnet_data.machine.progress import Step
from imnet_data.sources import find
from imnet_data.sources.images import ColumnsBuilder, ImageRecords, sorted_by_key
from imnet_data.sources.left_out import HIDDEN, NO_IMAGE, LeftOut
from imnet_data.sources.names import IMAGE_SUFFIXES, Named
from imnet_data.sources.tools.shards import is_shard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imnet_data.archives.containers import Container
    from imnet_data.machine.progress import Progress
    from imnet_data.sources.left_out import Reason

SPLIT = "val"

_ROOT = re.compile(
    r"(imagenetv2-(?:matched-frequency|threshold0\.7|top-images))-format-val"
    r"|(imagenet-[aro])|(sketch)|(objectnet)-1\.0"
)
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_WITHOUT_CLASS = "images of classes that ImageNet lacks"
_OBJECTNET_IMAGES = "images"
_PROGRESS_STEP = 4096  # entries


class Layout(NamedTuple):
    """A variant that was found."""

    name: str  # of the dataset
    path: Path  # an archive, or the folder that has the name of the set


class Opened(NamedTuple):
    """A variant that can be read."""

    records: ImageRecords
    container: Container
    notes: tuple[str, ...]
    left_out: dict[str, Reason]


def find_layout(paths: Sequence[Path]) -> Layout | None:
    """Return the variant that is at one of the paths; None where there is none.

    Raises:
        SourceError: if there is one among other sources, or ImageNet-O.
    """
    found = [layout for path in paths if (layout := _layout_of(path)) is not None]
    if not found:
        return None
    name, path = found[0]
    if len(paths) > 1:
        raise SourceError(f"{path} is {name}, a dataset of its own; pass it as the only SOURCE")
    if name == "imagenet-o":
        raise SourceError(
            f"{path}: ImageNet-O has images of no class of ImageNet, so no label and no accuracy; "
            "it is not converted"
        )
    return found[0]


def _layout_of(path: Path) -> Layout | None:
    if path.is_dir():
        name = _name_of(path.resolve().name)
        if name:
            return Layout(name, path)
        folders = find.listed(path).folders
        name = _name_of(folders[0]) if len(folders) == 1 else None
        return Layout(name, path / folders[0]) if name else None
    if not (path.name.endswith(_ARCHIVES) and path.is_file()) or is_shard(path):
        return None
    with closing(find.peeked(path)) as container:
        outermost = (entry.path.partition("/")[0] for entry in container.entries())
        name = _name_of(next((root for root in outermost if root[0] != "."), ""))
    return Layout(name, path) if name else None


def _name_of(root: str) -> str | None:
    match = _ROOT.fullmatch(root)
    if match is None:
        return None
    name = next(group for group in match.groups() if group)
    return "imagenet-sketch" if name == "sketch" else name


def open_layout(layout: Layout, *, spool_folder: Path | None, progress: Progress) -> Opened:
    """Open a variant to be read in place; an archive that is really compressed is unpacked.

    Raises:
        SourceError: if it is damaged, or has a folder that is no class of this set.
    """
    notes: list[str] = []
    if layout.path.is_dir():
        root = layout.path.resolve().name
        container: Container = Tree(layout.path, [Branch(layout.path, root)])
    else:
        container, notes = find.open_archive(
            layout.path, spool_folder=spool_folder, progress=progress
        )
    whole = False
    try:
        records, more, left_out = _scan(layout.name, container, progress)
        whole = True
    finally:
        if not whole:
            container.close()
    return Opened(records, container, (*notes, *more), left_out.reasons)


def _scan(
    name: str, container: Container, progress: Progress
) -> tuple[ImageRecords, list[str], LeftOut]:
    builder, wnid_of = ColumnsBuilder(0), _wnid_of_folder(name)
    taken, left_out = 0, LeftOut()
    for number, (path, place, nbytes) in enumerate(container.entries()):
        if number % _PROGRESS_STEP == 0:
            progress(Step(f"list {container.name}", place, container.extent))
        folder, stem, suffix = _parts(name, path)
        if path.rpartition("/")[2].startswith("."):
            left_out.add(HIDDEN, path)
        elif not folder or suffix.lower() not in IMAGE_SUFFIXES:
            left_out.add(NO_IMAGE, path)
        elif folder not in wnid_of:
            raise SourceError(
                f"{container.name}: {path!r} is in a folder that is not a class of {name}; "
                "remove it, or download the archive again"
            )
        elif not wnid_of[folder]:
            left_out.add(_WITHOUT_CLASS, path)
        else:
            image = Named(SPLIT, _key(folder, stem), wnid_of[folder])
            builder.add(image, place=place, nbytes=nbytes)
            taken += 1
    if not taken:
        raise SourceError(f"{container.name}: has no images of {name}; download it again")
    published = VARIANTS[name].record_count
    notes = []
    if published not in (None, taken):
        notes.append(f"{container.name}: has {taken} images, {name} has {published}")
    columns, _ = sorted_by_key(builder.columns(), [container])
    return ImageRecords(columns, [container]), notes, left_out


def _wnid_of_folder(name: str) -> dict[str, str]:
    """Map the folders of a variant to wnids, "" where ImageNet has no such class."""
    if name == OBJECTNET:
        return {folder: (*group, "")[0] for folder, group in objectnet_folders().items()}
    if name.startswith("imagenetv2"):
        return {str(label): wnid for label, wnid in enumerate(labels.ilsvrc2012_wnids())}
    return {wnid: wnid for wnid in wnids(name)}


def _parts(name: str, path: str) -> tuple[str, str, str]:
    """Return folder, stem and suffix of an image; no folder where it does not lie in its place."""
    above, _, file = path.rpartition("/")
    stem, _, suffix = file.rpartition(".")
    outer, _, folder = above.partition("/")
    if name == OBJECTNET:
        outer, _, folder = folder.partition("/")
        folder = folder if outer == _OBJECTNET_IMAGES else ""
    return ("" if file.startswith(".") else folder), stem, suffix


def _key(folder: str, stem: str) -> str:
    return f"{folder}_{quote_plus(stem).replace('.', '%2E')}"
