"""Files beside the splits of a dataset that tools of others look for.

They follow from dataset.json, and a dataset is whole without them, so SHA256SUMS does not list
them. A file is ours only as long as it has the bytes that follow; one that differs is the user's,
and is neither replaced nor removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data import formats
from imnet_data.dataset import description, layout
from imnet_data.errors import ManifestError
from imnet_data.machine.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imnet_data.dataset.description import Description


def contents(about: Description) -> Mapping[str, bytes]:
    """Return the files and what they have to contain; none where the format has no such tool."""
    side_files = getattr(formats.get(about.format), "root_side_files", None)
    if side_files is None:
        return {}
    splits = {name: layout.summaries(split) for name, split in about.splits.items()}
    found: Mapping[str, bytes] = side_files(splits)
    return found


def write(root: Path, about: Description) -> None:
    """Write the files that are not there."""
    for name, content in contents(about).items():
        if not (root / name).is_symlink() and not (root / name).exists():
            write_whole(root / name, content)


def ours(root: Path) -> set[str]:
    """Return the files that are there as they have to be; none if dataset.json is damaged."""
    try:
        wanted = contents(description.read(root))
    except ManifestError:
        return set()
    return {
        name
        for name, content in wanted.items()
        if (root / name).is_file()
        and (root / name).stat().st_size == len(content)
        and (root / name).read_bytes() == content
    }
