"""From a path to containers: what a person may point at."""

from __future__ import annotations

import fnmatch
import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives.tree import Branch, Tree, regular_nbytes
from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid
from imnet_data.imagenet.split_names import known_names, split_of
from imnet_data.sources.devkit import GROUND_TRUTH, META
from imnet_data.sources.names import IMAGE_SUFFIXES
from imnet_data.sources.scan import TRAIN_CSV, VAL_CSV

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imnet_data.storage.place import Place, StoredPath

_SPLIT_ARCHIVE = re.compile(
    r"ILSVRC2012_img_(train|val|test).*\.tar(\.gz)?"
    r"|(train_images_\d+|val_images|test_images)\.(tar(\.gz)?|tgz)"
)
_ARCHIVE_SUFFIX = re.compile(r"\.(tar|tar\.gz|tgz|zip)$")
_OTHER_TASKS = ("*_t3.*", "*_dogs.*")  # of fine-grained classification: other classes
_IMAGES = ("ILSVRC2012_img_*.tar*", "train_images_*.t*", "val_images.t*", "test_images.t*")
_DEVKIT = ("ILSVRC2012_devkit*.tar.gz", "ILSVRC2012_devkit*.tar")
_BBOX = ("ILSVRC2012_bbox_*.tar.gz", "ILSVRC2012_bbox_*.tgz", "ILSVRC2012_bbox_*.tar")
# archives of all splits
_WHOLE = (
    "imagenet-object-localization-challenge*.zip",
    "imagenet_object_localization*.tar",
    "imagenet_object_localization*.tar.gz",
    "ILSVRC20[0-9][0-9]_CLS-LOC*.tar*",
    "winter21_whole.tar*",
    "fall11_whole.tar*",
    "imagenet21k_resized.tar*",
)
_MAX_WRAPPERS = 3  # folders around what is looked for
_LOOK_DEPTH, _LOOK_WIDTH = 3, 8  # folders that a short look goes into

LOOKED_FOR = (
    "looked for ILSVRC2012_img_{train,val,test}*.tar, ILSVRC2012_devkit*.tar.gz, folders "
    "train, val and test, class folders and archives n*.tar, ILSVRC/Data/CLS-LOC (Kaggle), "
    "ILSVRC*_{CLS-LOC,DET,VID}*.tar.gz, {winter21,fall11}_whole.tar, imagenet21k_resized.tar.gz, "
    "{train_images_N,val_images,test_images}.tar[.gz] (Hugging Face), "
    "imagenetv2-*-format-val, imagenet-{a,r}, sketch, objectnet-1.0"
)


_ON_DISK = (
    "of what is in a store, tar and zip archives are read, WebDataset shards and datasets of this "
    "program; copy it to a disk, and pass that"
)


class Expanded(NamedTuple):
    """What a path stands for."""

    archives: list[Place]  # of all splits
    trees: list[Tree]
    notes: list[str]
    not_asked: list[Place]  # archives of boxes, where those are not wanted


def split_of_name(name: str) -> str | None:
    """Return the split that the name of an official or Hugging Face archive promises."""
    match = _SPLIT_ARCHIVE.fullmatch(name)
    return (match[1] or match[3].partition("_")[0]) if match else None


def is_known(path: Place) -> bool:
    """Return whether an archive has an official name, or one that is left out by its name."""
    return _matches(path, _OTHER_TASKS + _IMAGES + _DEVKIT + _BBOX + _WHOLE)


def is_class_archive(name: str) -> bool:
    """Return whether a file is called as the archive of one class."""
    return name.endswith(".tar") and is_wnid(name.removesuffix(".tar"))


def expand(path: Place, *, split: str | None, boxes: bool) -> Expanded:
    """Find what `path`, a file or a folder, stands for.

    Raises:
        SourceError: if it does not exist, is a pipe or a device, or has folders of images whose
            names say nothing; or if it is in a store, and neither an archive nor has some.
    """
    if not isinstance(path, Path):
        return _stored(path, boxes=boxes)
    if path.is_dir():
        return _Folder(path, split, boxes=boxes).expanded()
    if not path.exists():
        what = "a link that leads nowhere" if path.is_symlink() else "no such file or folder"
        raise SourceError(f"{path}: {what}")
    regular_nbytes(path)
    if path.name in (META, GROUND_TRUTH, VAL_CSV, TRAIN_CSV):
        return Expanded([], [Tree(path, [], [path])], [], [])
    return Expanded([path], [], [], [])


def _stored(path: StoredPath, *, boxes: bool) -> Expanded:
    if not path.is_dir():
        if not _ARCHIVE_SUFFIX.search(path.name):
            raise SourceError(f"{path}: {_ON_DISK}")
        return Expanded([path], [], [], [])
    named = _Archives(path, boxes=boxes)
    if not named.found:
        folders, files = listed(path)
        some = ", ".join([*(f"{folder}/" for folder in folders), *files][:5]) or "nothing"
        raise SourceError(f"{path}: no archives with official names (found {some}); {_ON_DISK}")
    return Expanded(named.found, [], named.notes, named.not_asked)


class _Archives:
    """The archives in a folder, by their names."""

    def __init__(self, folder: Place, *, boxes: bool) -> None:
        self._folder = folder
        self._boxes = boxes
        self.notes: list[str] = []
        self.not_asked: list[Place] = []

    @functools.cached_property
    def found(self) -> list[Place]:
        """The archives that are known; all others are noted."""
        candidates = [
            place / name
            for place in (self._folder, self._folder / "data")  # the latter in a copy of HF's
            if place.is_dir()
            for name in listed(place).files
            if _ARCHIVE_SUFFIX.search(name) and not is_class_archive(name)
        ]
        return [path for path in candidates if not path.is_dir() and self._is_known(path)]

    def _is_known(self, path: Place) -> bool:
        """Return whether an archive is to be read; note why where it is not."""
        if _matches(path, _OTHER_TASKS):
            self.notes.append(f"{path.name} is of another task and was left out")
        elif _matches(path, _BBOX):
            if not self._boxes:
                self.not_asked.append(path)
            return self._boxes
        elif not _matches(path, _IMAGES + _DEVKIT + _WHOLE):
            self.notes.append(
                f"{path.name} was left out, because archives in a folder are recognised by their "
                "names; to convert it, pass it as a SOURCE"
            )
        else:
            return True
        return False


class _Folder:
    """A folder that a person points at, and what is in it."""

    def __init__(self, folder: Path, split: str | None, *, boxes: bool) -> None:
        self._folder = folder
        self._split = split
        self._boxes = boxes
        self._archives = _Archives(folder, boxes=boxes)
        self._notes = self._archives.notes

    def expanded(self) -> Expanded:
        archives = self._archives.found
        promised = {split_of_name(path.name) for path in archives} - {None}
        has_whole = any(_matches(path, _WHOLE) for path in archives)
        branches = []
        for branch in self._branches():
            split = split_of(branch.prefix)
            if has_whole or split in promised or (promised and not split):
                self._notes.append(f"{branch.path} was left out: the archives beside it were taken")
            elif self._split in (None, split) or not split:
                branches.append(branch)
        files = [] if any(_matches(path, _DEVKIT) for path in archives) else self._devkit_files()
        if not has_whole:
            files += [path for path in [self._folder / VAL_CSV] if path.is_file()]
            if self._boxes:
                box_branches, box_files = self._kaggle_boxes()
                branches, files = branches + box_branches, files + box_files
        trees = [Tree(self._folder, branches, files)] if branches or files else []
        return Expanded(archives, trees, self._notes, self._archives.not_asked)

    def _branches(self) -> list[Branch]:
        """Find folders of splits, or of classes; in Kaggle's place, or in a folder around them."""
        for data in (self._folder / "ILSVRC/Data", self._folder / "Data"):
            if (data / "CLS-LOC").is_dir():
                others = [name for name in listed(data).folders if name != "CLS-LOC"]
                self._notes += [
                    f"{data / name} is of another task and was left out" for name in others
                ]
                return self._branches_of(data / "CLS-LOC")
        return self._branches_of(self._folder)

    def _branches_of(self, base: Path, depth: int = 0) -> list[Branch]:
        folders, files = listed(base)
        splits = [name for name in folders if split_of(name)]
        has_classes = any(map(is_wnid, folders)) or any(map(_shows_images, files))
        if splits and has_classes:
            raise SourceError(
                f"{base}: has images or classes beside the folder {splits[0]}, so their split is "
                "not known; pass the folders that you want"
            )
        if splits or has_classes:
            others = (name for name in folders if not (split_of(name) if splits else is_wnid(name)))
            self._look_at_others(base / name for name in others)
        if splits:
            return [Branch(base / name, name) for name in splits]
        if has_classes:
            own = split_of(base.resolve().name)
            wanted = self._split in (None, own) or not own
            return [Branch(base, own or self._split or "", classes_only=True)] if wanted else []
        if len(folders) == 1 and depth < _MAX_WRAPPERS:
            return self._branches_of(base / folders[0], depth + 1)
        return []

    def _look_at_others(self, folders: Iterable[Path]) -> None:
        """Refuse folders that hold images; note those that do not seem to."""
        for folder in folders:
            image = _an_image_in(folder, _LOOK_DEPTH)
            if image:
                raise SourceError(
                    f"{folder}: holds images ({image}), and its name is not that of a split "
                    f"(known are {known_names()}); rename it, or pass the folders that you want"
                )
            if not fnmatch.fnmatchcase(folder.name, "ILSVRC2012_devkit*") and folder.name != "data":
                self._notes.append(
                    f"{folder} was left out: its name is not that of a split or a class"
                )

    def _devkit_files(self) -> list[Path]:
        """Find the two files of an extracted devkit: in the folder, its data/, or a devkit."""
        folder = self._folder
        devkits = sorted(path for path in folder.glob("ILSVRC2012_devkit*") if path.is_dir())
        for place in (folder, folder / "data", *(devkit / "data" for devkit in devkits)):
            files = [place / name for name in (META, GROUND_TRUTH) if (place / name).is_file()]
            if files:
                return files
        return []

    def _kaggle_boxes(self) -> tuple[list[Branch], list[Path]]:
        """Find Kaggle's boxes: the XML files, or the CSV of train where there are none."""
        folder = self._folder
        for base in (folder / "ILSVRC", folder, folder.parent.parent):
            annotations = base / "Annotations" / "CLS-LOC"
            if annotations.is_dir():
                return [Branch(annotations, "Annotations")], []
        return [], [path for path in [folder / TRAIN_CSV] if path.is_file()]


class Listed(NamedTuple):
    """The names in a folder, but hidden ones; sorted."""

    folders: list[str]
    files: list[str]


def listed(folder: Place) -> Listed:
    """Return the names in a folder."""
    if not isinstance(folder, Path):
        return Listed(*folder.listed())
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as found:
        for item in found:
            if not item.name.startswith("."):
                (folders if item.is_dir() else files).append(item.name)
    return Listed(sorted(folders), sorted(files))


def _shows_images(name: str) -> bool:
    """Return whether a file is called as an image, or as the archive of a class."""
    return name.rpartition(".")[2].lower() in IMAGE_SUFFIXES or is_class_archive(name)


def _an_image_in(folder: Path, depth: int) -> str:
    """Return the name of an image in a folder, as far as a short look shows one; or ""."""
    folders, files = listed(folder)
    image = next(filter(_shows_images, files), "")
    for name in folders[:_LOOK_WIDTH] if depth else []:
        image = image or _an_image_in(folder / name, depth - 1)
    return image


def _matches(path: Place, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(path.name, pattern) for pattern in patterns)


def promised_split(path: Place) -> str:
    """Return the split that an archive's name promises, unless its contents must say it.

    What official archives and archives of one class hold says by itself what it is.
    """
    if split_of_name(path.name) is not None:
        return ""
    return split_of(_ARCHIVE_SUFFIX.sub("", path.name))
