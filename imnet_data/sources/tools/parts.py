"""Files that are parts of a split: where they lie in a folder, and what their names say.

data/train-00000-of-00294.parquet    default/train/0000.parquet    imagenet1k-train-0000.tar
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imnet_data.errors import SourceError
from imnet_data.imagenet.split_names import known_names, split_of
from imnet_data.sources.find import Listed, listed
from imnet_data.sources.names import IMAGE_SUFFIXES
from imnet_data.storage.place import StoredPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.storage.place import Place

Where = TypeVar("Where", Path, StoredPath)

_FOLDERS = ("data", "default")  # beside those that are called as a split
_MAX_DEPTH = 3
_KIND = re.compile(r"[._-](lmdb|mds|litdata|tfrecords?)$")  # ilsvrc12_train_lmdb
# train-00000-of-00294, and the hash that earlier versions of `datasets` put behind it
_PART = re.compile(r"(?P<name>.+?)[-_.]?(?P<number>\d+)(?:-of-(?P<count>\d+))?(?:-[0-9a-f]{16})?")


def files_below(folder: Where, depth: int = 0) -> list[Where]:
    """Return the files in a folder, its `data`, `default`, and folders of splits; but images.

    A folder that has nothing but one folder stands for that.
    """
    found: list[Where] = []
    inside: Listed = listed(folder)
    names = [*((name, True) for name in inside.folders), *((name, False) for name in inside.files)]
    for name, is_folder in sorted(names):
        if is_folder and depth < _MAX_DEPTH:
            if name in _FOLDERS or _split_of_folder(name) or len(names) == 1:
                found += files_below(folder / name, depth + 1)
        elif not is_folder and name.rpartition(".")[2].lower() not in IMAGE_SUFFIXES:
            found.append(folder / name)
    return found


def split_of_file(path: Place) -> str:
    """Return the split that the name of a file, or of its folder, says; or ""."""
    for name in (path.stem, path.name):
        matched = _PART.fullmatch(name)
        found = split_of(matched["name"] if matched else name)
        if found:
            return found
    return _split_of_folder((path.absolute() if isinstance(path, Path) else path).parent.name)


def splits_of_files(paths: Sequence[Place]) -> list[str]:
    """Return the split that each file's name, or its folder, says; or ""."""
    return list(map(split_of_file, paths))


def _split_of_folder(name: str) -> str:
    return split_of(_KIND.sub("", name))


def require_split(path: Place, split: str | None) -> str:
    """Return `split`.

    Raises:
        SourceError: if there is none.
    """
    if not split:
        raise SourceError(
            f"{path}: its name says no split (known are {known_names()}); rename it, or say with "
            "--split what it is"
        )
    return split


def missing(paths: Sequence[Place]) -> list[str]:
    """Return a note for each group of parts (`-00000-of-00294`) of which some are not here."""
    parts: dict[tuple[str, int], set[int]] = {}
    for path in paths:
        matched = _PART.fullmatch(path.stem) or _PART.fullmatch(path.name)
        if matched and matched["count"]:
            group = str(path.parent / matched["name"]), int(matched["count"])
            parts.setdefault(group, set()).add(int(matched["number"]))
    return [
        f"{name}: {len(numbers)} of its {count} files were found"
        for (name, count), numbers in sorted(parts.items())
        if len(numbers) < count
    ]
