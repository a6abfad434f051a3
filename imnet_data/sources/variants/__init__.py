"""ImageNet's other sets, as they are published: archives, or the folders that they hold.

What a set is, is said by the name of its outermost folder, which archives have, too; for ImageNet-C
by those of its corruptions, for the downsampled sets by those of their files, and for ImageNet-Hard
by its columns. What each is made of belongs to a module here.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives.tree import Branch, Tree
from imnet_data.dataset.layout import require_split
from imnet_data.errors import SourceError
from imnet_data.imagenet.corruptions import ALL, IMAGENET_C
from imnet_data.imagenet.variants import HARD, TINY
from imnet_data.sources import archive, find
from imnet_data.sources.tools import parquet, parts
from imnet_data.sources.tools.shards import is_shard
from imnet_data.sources.variants import arrays, corrupted
from imnet_data.sources.variants.arrays import Arrays, Downsampled
from imnet_data.sources.variants.corrupted import Corrupted
from imnet_data.sources.variants.folders import ClassFolders
from imnet_data.sources.variants.hard import Hard, HardRows
from imnet_data.sources.variants.rules import scan
from imnet_data.sources.variants.subsets import TenClasses
from imnet_data.sources.variants.tiny import Tiny

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.archives.containers import Container
    from imnet_data.machine.progress import Progress
    from imnet_data.sources.images import ImageRecords
    from imnet_data.sources.left_out import Reason
    from imnet_data.sources.variants.rules import Rules
    from imnet_data.storage.place import Place

_ROOT = re.compile(
    r"(imagenetv2-(?:matched-frequency|threshold0\.7|top-images))-format-val"
    r"|(imagenet-[aro])|(sketch)|(objectnet)-1\.0"
    r"|(image(?:nette|woof)2(?:-160|-320)?)|(tiny-imagenet-200)"
)
_VERSION_1 = re.compile(r"image(?:nette|woof)(?:-160|-320)?")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_ARRAYS = "downsampled"


class Layout(NamedTuple):
    """A set that was found."""

    name: str  # of the dataset, but for the downsampled ones
    paths: tuple[Place, ...]  # archives, files, or a folder that has the name of the set


class Opened(NamedTuple):
    """A set that can be read."""

    name: str
    splits: dict[str, ImageRecords]
    classes: tuple[str, ...]
    containers: tuple[Container, ...]
    notes: tuple[str, ...]
    left_out: dict[str, Reason]


def find_layout(paths: Sequence[Place]) -> Layout | None:
    """Return the set that is at the paths; None where there is none.

    Raises:
        SourceError: if there is one among other sources.
    """
    found = [layout for path in paths if (layout := _layout_of(path)) is not None]
    if not found:
        return None
    names = {layout.name for layout in found}
    if len(paths) > 1 and not (len(found) == len(paths) and names <= {IMAGENET_C, _ARRAYS, HARD}):
        first = found[0]
        raise SourceError(
            f"{first.paths[0]} is {first.name}, a dataset of its own; pass it as the only SOURCE"
        )
    if len(names) > 1:
        raise SourceError(f"{paths[0]}: is not of the same set as the others; pass one set")
    return Layout(found[0].name, tuple(path for layout in found for path in layout.paths))


def _layout_of(path: Place) -> Layout | None:
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        return None
    if path.name.endswith(_ARCHIVES):
        return None if is_shard(path) else _of_archive(path)
    if not isinstance(path, Path):
        return None
    if arrays.NAME.fullmatch(path.name):
        return Layout(_ARRAYS, (path,))
    hard = parquet.files_among([path], alone=True)
    return Layout(HARD, (path,)) if hard and parquet.is_hard(path) else None


def _of_folder(path: Place) -> Layout | None:
    folders, files = find.listed(path)
    archives = [file for file in files if file.endswith(_ARCHIVES)]
    if len(archives) == 1 and not folders and (alone := _layout_of(path / archives[0])):
        return alone
    if isinstance(path, Path) and (extracted := _of_extracted(path, folders, files)):
        return extracted
    tars = tuple(path / file for file in files if file in corrupted.ARCHIVES)
    if tars and all((_of_archive(tar) or Layout("", ())).name == IMAGENET_C for tar in tars):
        return Layout(IMAGENET_C, tars)
    if isinstance(path, Path):
        tables = parquet.files_among(parts.files_below(path), alone=False)
        if tables and parquet.is_hard(tables[0]):
            return Layout(HARD, tuple(tables))
    return None


def _of_extracted(path: Path, folders: Sequence[str], files: Sequence[str]) -> Layout | None:
    name = _name_of(path.resolve().name)
    if name:
        return Layout(name, (path,))
    if set(folders) & set(ALL):
        return Layout(IMAGENET_C, (path,))
    if len(folders) == 1 and (name := _name_of(folders[0])):
        return Layout(name, (path / folders[0],))
    batches = tuple(path / file for file in files if arrays.NAME.fullmatch(file))
    if batches:
        return Layout(_ARRAYS, batches)
    if {"wnids.txt", "words.txt"} <= set(files) and {"train", "val"} <= set(folders):
        return Layout(TINY, (path,))
    return None


def _of_archive(path: Place) -> Layout | None:
    with closing(archive.peeked(path)) as container:
        first = (entry.path for entry in container.entries())
        whole = next((name for name in first if name[0] != "."), "")
    if arrays.NAME.fullmatch(whole.rpartition("/")[2]):
        raise SourceError(f"{path}: holds arrays ({whole}); unpack it, and pass the folder")
    name = _name_of(whole.partition("/")[0])
    return Layout(name, (path,)) if name else None


def _name_of(root: str) -> str | None:
    if root in ALL:
        return IMAGENET_C
    if _VERSION_1.fullmatch(root):
        raise SourceError(
            f"{root}: is version 1 of this set, whose splits are others than those that results "
            f"are published of; download version 2 ({root.partition('-')[0]}2)"
        )
    match = _ROOT.fullmatch(root)
    if match is None:
        return None
    name = next(group for group in match.groups() if group)
    return "imagenet-sketch" if name == "sketch" else name


def open_layout(
    layout: Layout,
    *,
    split: str | None,
    labels: str | None,
    spool_folder: Path | None,
    progress: Progress,
) -> Opened:
    """Open a set to be read in place; an archive that is really compressed is unpacked.

    Raises:
        SplitError: if it has no such split.
        SourceError: if it is damaged, or has a folder that is no class of this set.
    """
    containers: list[Container] = []
    whole = False
    try:
        rules, notes = _opened(layout, containers, spool_folder, progress)
        if split is not None:
            require_split(layout.paths[0], split, rules.splits)
        notes += _about_labels(layout, labels)
        found = scan(rules, containers, split=split, progress=progress)
        whole = True
    finally:
        if not whole:
            for container in containers:
                container.close()
    return Opened(
        rules.name,
        found.splits,
        found.classes,
        tuple(containers),
        (*notes, *found.notes),
        found.left_out.reasons,
    )


def _opened(
    layout: Layout, containers: list[Container], spool_folder: Path | None, progress: Progress
) -> tuple[Rules, list[str]]:
    """Open the containers of a set, and return its rules and notes."""
    local = [path for path in layout.paths if isinstance(path, Path)]
    if layout.name == _ARRAYS:
        containers.append(Arrays(local))
        return Downsampled(arrays.side_of(local[0])), []
    if layout.name == HARD:
        containers.append(HardRows(local))
        return Hard(), []
    notes: list[str] = []
    for number, path in enumerate(layout.paths):
        if isinstance(path, Path) and path.is_dir():
            containers.append(Tree(path, [Branch(path, path.resolve().name)]))
            continue
        folder = spool_folder and spool_folder / str(number) if number else spool_folder
        container, more = archive.open_archive(path, spool_folder=folder, progress=progress)
        containers.append(container)
        notes += more
    return _rules(layout.name), notes


def _rules(name: str) -> Rules:
    if name == IMAGENET_C:
        return Corrupted()
    if name == TINY:
        return Tiny()
    if name.startswith(("imagenette", "imagewoof")):
        return TenClasses(name)
    return ClassFolders(name)


def _about_labels(layout: Layout, labels: str | None) -> list[str]:
    if labels is None:
        return []
    if layout.name == _ARRAYS and labels != "ilsvrc":
        raise SourceError(
            f"{layout.paths[0]}: the labels of the downsampled sets are those of the devkit "
            f"(ilsvrc), not {labels}; leave out --labels"
        )
    return [] if layout.name == _ARRAYS else ["--labels was not used: the set says its classes"]
