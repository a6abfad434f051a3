"""Files that are parts of a split: where they lie in a folder, and what their names say.

data/train-00000-of-00294.parquet    default/train/0000.parquet    imagenet1k-train-0000.tar
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from imnet_data.errors import SourceError
from imnet_data.imagenet.split_names import known_names, split_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FOLDERS = ("data", "default")  # beside those that are called as a split
_MAX_DEPTH = 3
# train-00000-of-00294, and the hash that earlier versions of `datasets` put behind it
_PART = re.compile(r"(?P<name>.+?)[-_.]?(?P<number>\d+)(?:-of-(?P<count>\d+))?(?:-[0-9a-f]{16})?")


def files_below(folder: Path, suffix: str, depth: int = 0) -> list[Path]:
    """Return the files with a suffix in a folder, its `data`, `default`, and folders of splits."""
    found: list[Path] = []
    with os.scandir(folder) as items:
        names = [(item.name, item.is_dir()) for item in items if item.name[0] != "."]
    for name, is_folder in sorted(names):
        if is_folder and depth < _MAX_DEPTH and (name in _FOLDERS or split_of(name)):
            found += files_below(folder / name, suffix, depth + 1)
        elif name.endswith(suffix) and not is_folder:
            found.append(folder / name)
    return found


def split_of_file(path: Path) -> str:
    """Return the split that the name of a file, or of its folder, says; or ""."""
    matched = _PART.fullmatch(path.stem)
    return split_of(matched["name"] if matched else path.stem) or split_of(path.parent.name)


def require_split(path: Path, split: str | None) -> str:
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


def missing(paths: Sequence[Path]) -> list[str]:
    """Return a note for each group of parts (`-00000-of-00294`) of which some are not here."""
    parts: dict[tuple[str, int], set[int]] = {}
    for path in paths:
        matched = _PART.fullmatch(path.stem)
        if matched and matched["count"]:
            group = str(path.parent / matched["name"]), int(matched["count"])
            parts.setdefault(group, set()).add(int(matched["number"]))
    return [
        f"{name}: {len(numbers)} of its {count} files were found"
        for (name, count), numbers in sorted(parts.items())
        if len(numbers) < count
    ]
