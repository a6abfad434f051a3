"""Files and folders within a dataset that do not belong to it, though readers may take them.

torchvision's ImageFolder numbers the folders that it finds, so one more shifts the labels of those
after it; a pattern such as `train-*.tar` takes one more shard.
"""

from __future__ import annotations

import os
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.conversion import staging
from imnet_data.dataset.layout import SUMS
from imnet_data.errors import REPAIR, ConvertError
from imnet_data.verification.shard import Difference

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from imnet_data.verification.location import Location

FOLDER = ".strays"  # where they are moved to
WHAT = "does not belong to the dataset, and readers may take it"


def find(
    location: Location, files: Collection[str], *, unknown: Collection[str] = ()
) -> Iterator[Difference]:
    """Yield a difference for each file or folder at `location` that is none of `files`.

    The stage of a conversion, and what was moved aside, are no part of it; nor are the `unknown`
    folders, of which nobody can say what belongs there.
    """
    known = {*files, SUMS, staging.NAME, FOLDER, *unknown}
    holding = {file.rpartition("/")[0] for file in files}
    folders = {str(folder) for name in holding for folder in (Path(name), *Path(name).parents)}
    if location.names is None:
        yield from _find(location.root, "", known, folders - {*unknown})
    else:
        yield from _among(location.names, known, folders - {*unknown})


def _among(
    names: Iterable[str], known: Collection[str], folders: Collection[str]
) -> Iterator[Difference]:
    """Yield names that are not known; of those within one folder that is not, the folder's."""
    found = set()
    for name in names:
        prefixes = accumulate(name.split("/"), "{}/{}".format)
        first = next((prefix for prefix in prefixes if prefix not in folders), name)
        if first not in known:
            found.add(name if first == name else f"{first}/")
    yield from (Difference(stray, WHAT) for stray in sorted(found))


def _find(
    root: Path, prefix: str, known: Collection[str], folders: Collection[str]
) -> Iterator[Difference]:
    try:
        entries = sorted(os.scandir(root / prefix), key=lambda entry: entry.name)
    except OSError as error:
        yield Difference(prefix, f"cannot be read ({error.strerror})")
        return
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if name in folders and entry.is_dir():  # a link to one that is elsewhere is one as well
            yield from _find(root, f"{name}/", known, folders)
        elif name not in known:
            yield Difference(f"{name}/" if entry.is_dir() else name, WHAT)


def move_aside(root: Path, differences: Sequence[Difference]) -> dict[str, str]:
    """Move strays to the folder `.strays`; return their names there by those that they had.

    Raises:
        ConvertError: if not all `differences` are strays: what belongs to a dataset is known only
            once the rest of it is sound.
    """
    if any(what != WHAT for _, what, _ in differences):
        raise ConvertError(
            f"{root}: what does not belong to it can only be known once the rest is sound, so "
            f"nothing is moved; {REPAIR}"
        )
    moved = {}
    with staging.held(root):
        for name, _, _ in differences:
            target = _free_name(root / FOLDER / name.rstrip("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            (root / name.rstrip("/")).rename(target)
            moved[name] = str(target.relative_to(root))
    return moved


def _free_name(path: Path) -> Path:
    """Return a name at which there is nothing yet."""
    free, number = path, 1
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free
