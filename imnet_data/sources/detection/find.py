"""From paths to DET or VID: official archives, folders of them, and extracted trees.

ILSVRC2017_DET.tar.gz, ILSVRC2015_VID.tar.gz, ILSVRC2014_DET_train.tar ...    by their names,
a tar or zip of any name                                      else by the folders DET and VID
ILSVRC/{Data,Annotations,ImageSets}/{DET,VID}                 the folder, or one of Data's
ILSVRC2013_DET_val/ ...                                       archives that were extracted
"""

from __future__ import annotations

import re
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives.tree import Branch
from imnet_data.errors import SourceError
from imnet_data.imagenet.detection import DET, VID
from imnet_data.sources import archive, first_bytes
from imnet_data.sources import find as others
from imnet_data.sources.detection.paths import task_of
from imnet_data.sources.tools.shards import is_shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.storage.place import Place

_TASKS = {"DET": DET, "VID": VID}
_SUFFIX = r"\.(?:tar|tar\.gz|tgz|zip)"
_ARCHIVE = re.compile(rf"ILSVRC20\d\d_(DET|VID)(?:_\w+)?{_SUFFIX}", re.ASCII)
_DEVKIT = re.compile(rf"ILSVRC201[3-9]_devkit\w*(?:{_SUFFIX})?", re.ASCII)
_EXTRACTED = re.compile(r"ILSVRC20\d\d_(DET|VID)_\w+", re.ASCII)
_PARTS = ("Data", "Annotations", "ImageSets")
_ROOT = re.compile(r"ILSVRC(?:20\d\d)?(?:_(?:DET|VID))?", re.ASCII)
_ARCHIVE_SUFFIX = re.compile(rf".*{_SUFFIX}", re.DOTALL)


class Layout(NamedTuple):
    """DET or VID, and where it was found."""

    task: str
    archives: tuple[Place, ...]
    trees: tuple[tuple[Path, tuple[Branch, ...]], ...]  # roots, and what of them is walked


class _Part(NamedTuple):
    """What one path holds."""

    task: str  # "" of a devkit
    archives: tuple[Place, ...] = ()
    branches: tuple[Branch, ...] = ()


def find_layout(paths: Sequence[Place]) -> Layout | None:
    """Return what is at some paths together; None where it is neither DET nor VID.

    Raises:
        SourceError: if there are both, or something else beside one of them.
    """
    parts = {path: _part_of(path) for path in paths}
    found = {path: part for path, part in parts.items() if part and part.task}
    if not found:
        return None
    tasks = sorted({part.task for part in found.values()})
    for path, part in parts.items():
        if part is None or len(tasks) > 1:
            raise SourceError(
                f"{path}: is passed together with {next(iter(found))}, which is "
                f"{next(iter(found.values())).task}, a dataset of its own; convert each by itself"
            )
    whole = [(path, part) for path, part in parts.items() if part]
    return Layout(
        tasks[0],
        tuple(archive for _, part in whole for archive in part.archives),
        tuple(
            (path, part.branches)
            for path, part in whole
            if part.branches and isinstance(path, Path)
        ),
    )


def _part_of(path: Place) -> _Part | None:
    if path.is_dir():
        if isinstance(path, Path):
            return _in_folder(path)
        return _folder_of_archives(path, others.listed(path).files)
    if not path.is_file():
        return None  # it is refused as any other path
    match = _ARCHIVE.fullmatch(path.name)
    if match or _DEVKIT.fullmatch(path.name):
        return _Part(_TASKS[match[1]] if match else "", (path,))
    if others.is_known(path) or not _ARCHIVE_SUFFIX.fullmatch(path.name) or is_shard(path):
        return None
    with closing(archive.peeked(path)) as container:
        try:
            first = [entry.path for entry in islice(container.entries(), first_bytes.PEEKED)]
        except SourceError:
            return None  # the walk over all of it says what is wrong
    task = next(filter(None, map(task_of, first)), "")
    return _Part(task, (path,)) if task else None


def _in_folder(path: Path) -> _Part | None:
    folder = path.resolve()
    if folder.name in _TASKS and folder.parent.name in _PARTS:
        return _of_root(folder.parent.parent, [folder.name])
    if _EXTRACTED.fullmatch(folder.name) or _DEVKIT.fullmatch(folder.name):
        return _extracted([path])
    names = others.listed(path)
    roots = [path, *(path / name for name in names.folders if _ROOT.fullmatch(name))]
    for root in roots:
        if (root / "Data/CLS-LOC").is_dir():
            return None  # its notes name the folders of the other tasks
        tasks = [name for name in _TASKS if (root / "Data" / name).is_dir()]
        if tasks:
            return _of_root(root, tasks)
    extracted = [path / name for name in names.folders if _EXTRACTED.fullmatch(name)]
    if extracted:
        devkits = [path / name for name in names.folders if _DEVKIT.fullmatch(name)]
        return _extracted([*extracted, *devkits])
    return _folder_of_archives(path, names.files)


def _of_root(root: Path, tasks: Sequence[str]) -> _Part:
    if len(tasks) > 1:
        raise SourceError(
            f"{root}: has both DET and VID; pass {root / 'Data/DET'} or {root / 'Data/VID'}"
        )
    folders = [f"{part}/{tasks[0]}" for part in _PARTS] + ["devkit"]
    return _Part(
        _TASKS[tasks[0]],
        branches=tuple(
            Branch(root / name, name, once=True) for name in folders if (root / name).is_dir()
        ),
    )


def _extracted(folders: Sequence[Path]) -> _Part:
    matches = [_EXTRACTED.fullmatch(folder.resolve().name) for folder in folders]
    tasks = {_TASKS[match[1]] for match in matches if match}
    if len(tasks) > 1:
        raise SourceError(f"{folders[0].parent}: has both DET and VID; pass the folders of one")
    branches = tuple(Branch(folder, folder.name, once=True) for folder in folders)
    return _Part(next(iter(tasks), ""), branches=branches)


def _folder_of_archives(folder: Place, files: Sequence[str]) -> _Part | None:
    if any(others.is_known(folder / name) for name in files):
        return None  # ILSVRC2012 beside it; its notes name the archives that are left out
    found = {name: match[1] for name in files if (match := _ARCHIVE.fullmatch(name))}
    if not found:
        return None
    if len(set(found.values())) > 1:
        raise SourceError(
            f"{folder}: has archives of both DET and VID ({', '.join(sorted(found))}); pass those "
            "of one"
        )
    devkits = [name for name in files if _DEVKIT.fullmatch(name)]
    archives = tuple(folder / name for name in (*found, *devkits))
    return _Part(_TASKS[next(iter(found.values()))], archives)
