"""From a path to containers: what a person may point at."""

from __future__ import annotations

import fnmatch
import re
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives import spool
from imnet_data.archives.containers import GzippedTar, Tar
from imnet_data.archives.tree import Branch, Tree
from imnet_data.archives.zipped import Zip
from imnet_data.errors import SourceError
from imnet_data.sources.devkit import GROUND_TRUTH, META
from imnet_data.sources.names import IMAGE_SUFFIXES, SPLITS
from imnet_data.sources.scan import TRAIN_CSV, VAL_CSV

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imnet_data.archives.containers import Container

_SPLIT_ARCHIVE = re.compile(
    r"ILSVRC2012_img_(train|val|test).*\.tar|(train_images_\d+|val_images|test_images)\.(tar(\.gz)?|tgz)"
)
_OTHER_TASKS = ("*_t3.*", "*_dogs.*")  # of fine-grained classification: other classes
_IMAGES = ("ILSVRC2012_img_*.tar", "train_images_*.t*", "val_images.t*", "test_images.t*")
_DEVKIT = ("ILSVRC2012_devkit*.tar.gz", "ILSVRC2012_devkit*.tar")
_BBOX = ("ILSVRC2012_bbox_*.tar.gz", "ILSVRC2012_bbox_*.tgz", "ILSVRC2012_bbox_*.tar")
_KAGGLE = (
    "imagenet-object-localization-challenge*.zip",
    "imagenet_object_localization*.tar",
    "imagenet_object_localization*.tar.gz",
)

LOOKED_FOR = (
    "looked for ILSVRC2012_img_{train,val,test}*.tar, ILSVRC2012_devkit*.tar.gz, folders "
    "train, val and test, ILSVRC/Data/CLS-LOC (Kaggle), "
    "{train_images_N,val_images,test_images}.tar[.gz] (Hugging Face), "
    "imagenetv2-*-format-val, imagenet-{a,r}, sketch, objectnet-1.0"
)


class Expanded(NamedTuple):
    """What a path stands for."""

    archives: list[Path]
    trees: list[Tree]
    notes: list[str]


def split_of_name(name: str) -> str | None:
    """Return the split that the name of an official or Hugging Face archive promises."""
    match = _SPLIT_ARCHIVE.fullmatch(name)
    return (match[1] or match[2].partition("_")[0]) if match else None


def expand(path: Path, *, split: str | None, boxes: bool) -> Expanded:
    """Find what `path`, a file or a folder, stands for.

    Raises:
        SourceError: if it does not exist.
    """
    if path.is_dir():
        return _expand_folder(path, split=split, boxes=boxes)
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    if path.name in (META, GROUND_TRUTH, VAL_CSV, TRAIN_CSV):
        return Expanded([], [Tree(path, [], [path])], [])
    return Expanded([path], [], [])


def _expand_folder(folder: Path, *, split: str | None, boxes: bool) -> Expanded:
    archives, notes = _archives(folder, boxes=boxes)
    promised = {split_of_name(path.name) for path in archives} - {None}
    has_kaggle = any(_matches(path, _KAGGLE) for path in archives)
    branches = []
    for branch in _split_folders(folder):
        if has_kaggle or branch.prefix in promised:
            notes.append(f"{branch.path} was left out: the archives beside it were taken")
        elif split in (None, branch.prefix):
            branches.append(branch)
    if not (promised or has_kaggle or _split_folders(folder)):
        branches = [Branch(folder, split or "", classes_only=True)]
    archives = [path for path in archives if split in (None, split_of_name(path.name) or split)]
    files = [] if any(_matches(path, _DEVKIT) for path in archives) else _devkit_files(folder)
    if not has_kaggle:
        files += [path for path in [folder / VAL_CSV] if path.is_file()]
        if boxes:
            box_branches, box_files = _kaggle_boxes(folder)
            branches, files = branches + box_branches, files + box_files
    return Expanded(archives, [Tree(folder, branches, files)] if branches or files else [], notes)


def _archives(folder: Path, *, boxes: bool) -> tuple[list[Path], list[str]]:
    """Find the archives by their names, and note those that are of other tasks."""
    known = _IMAGES + _DEVKIT + _KAGGLE + (_BBOX if boxes else ())
    candidates = [
        path
        for place in (folder, folder / "data")  # the latter in a copy of Hugging Face's repository
        if place.is_dir()
        for path in sorted(place.iterdir())
        if _matches(path, known) and path.is_file()
    ]
    other = [path for path in candidates if _matches(path, _OTHER_TASKS)]
    notes = [f"{path.name} is of another task and was left out" for path in other]
    return [path for path in candidates if path not in other], notes


def _matches(path: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(path.name, pattern) for pattern in patterns)


def _split_folders(folder: Path) -> list[Branch]:
    """Find the folders train, val and test, in Kaggle's place or in `folder` itself."""
    for base in (folder / "ILSVRC/Data/CLS-LOC", folder / "Data/CLS-LOC", folder):
        branches = [Branch(base / name, name) for name in SPLITS if (base / name).is_dir()]
        if branches:
            return branches
    return []


def _devkit_files(folder: Path) -> list[Path]:
    """Find the two files of an extracted devkit: in `folder`, its data/, or a devkit there."""
    devkits = sorted(path for path in folder.glob("ILSVRC2012_devkit*") if path.is_dir())
    for place in (folder, folder / "data", *(devkit / "data" for devkit in devkits)):
        files = [place / name for name in (META, GROUND_TRUTH) if (place / name).is_file()]
        if files:
            return files
    return []


def _kaggle_boxes(folder: Path) -> tuple[list[Branch], list[Path]]:
    """Find Kaggle's boxes: the XML files, or the CSV of train where there are none."""
    for base in (folder / "ILSVRC", folder, folder.parent.parent):
        annotations = base / "Annotations" / "CLS-LOC"
        if annotations.is_dir():
            return [Branch(annotations, "Annotations")], []
    return [], [path for path in [folder / TRAIN_CSV] if path.is_file()]


def open_archive(
    path: Path,
    *,
    spool_folder: Path | None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Container, list[str]]:
    """Open an archive by what its bytes say it is; give notes.

    Raises:
        SourceError: if it holds images, is compressed, and `spool_folder` is None.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == b"PK":
        return Zip(path), []
    if magic[:2] != b"\x1f\x8b":
        return Tar(path), []
    if not _holds_images(path):
        return GzippedTar(path), []
    unpacked, note = spool.unpacked(path, spool_folder, progress=progress)
    return Tar(unpacked, packed=path), [note]


def _holds_images(path: Path) -> bool:
    """Return whether a .tar.gz is of images, by the first file in it that tells."""
    with closing(GzippedTar(path)) as container:
        for entry in container.entries():
            file = entry.path.rpartition("/")[2]
            suffix = file.rpartition(".")[2]
            if suffix in IMAGE_SUFFIXES or suffix == "tar" or entry.path.startswith("ILSVRC/"):
                return True
            if suffix == "xml" or file == META:
                return False
    return False
