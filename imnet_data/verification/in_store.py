"""Repairs a dataset in a store: what is damaged comes here, is made again, and is sent back.

The folder that it comes to has no other shards. What is made again beside the damaged, and is in
the store with the same bytes, is not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.dataset import description, layout
from imnet_data.dataset.layout import SUMS
from imnet_data.dataset.mirror import mirror
from imnet_data.errors import ManifestError
from imnet_data.machine.files import file_sha256
from imnet_data.storage.download import has
from imnet_data.storage.upload import upload
from imnet_data.verification.witness import Sums, restore_description

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imnet_data.dataset.mirror import Mirror
    from imnet_data.storage.store import Store
    from imnet_data.verification.shard import Difference

_LAST = (description.FILE_NAME, SUMS)


def repair(
    url: str,
    differences: Sequence[Difference],
    verify: Callable[[], Sequence[Difference]],
    remake: Callable[[Path, Sequence[Difference]], Sequence[str]],
) -> list[str]:
    """Make again what `differences` say is damaged; return the objects that were replaced.

    Args:
        url: of the dataset.
        differences: what `verify` found.
        verify: finds the differences anew.
        remake: repairs a folder that has what is damaged, and returns what it has replaced.

    Raises:
        ImnetError: if it is not proven what the dataset was; nothing is changed then.
    """
    with mirror(url) as brought:
        brought.bring([*_LAST], keeps_other=True)
        replaced: list[str] = []
        if (brought.root / description.FILE_NAME).is_file() and restore_description(brought.root):
            replaced = _sent(brought, [description.FILE_NAME])
            differences = verify()
        brought.bring(_needed(brought.root, differences), keeps_other=True)
        return sorted({*replaced, *_sent(brought, remake(brought.root, differences))})


def _needed(root: Path, differences: Sequence[Difference]) -> list[str]:
    """Return the files that a repair looks at: those in doubt, and what describes the dataset."""
    try:
        about = description.read(root)
    except ManifestError:
        if not (root / description.FILE_NAME).is_file():
            raise
        return []  # all of it is made again
    lines = Sums(root).lines
    doubted = {each.file for each in differences}
    doubted |= {file for file in layout.files(about) if file not in lines}
    return sorted({*layout.describing(about), *doubted} - {*_LAST})


def _sent(brought: Mirror, names: Sequence[str]) -> list[str]:
    """Send files back, the last ones last; return those that were not there already."""
    return [name for name in sorted(names, key=_turn) if _send(brought.store, brought.root, name)]


def _turn(name: str) -> tuple[bool, str]:
    return name in _LAST, name


def _send(store: Store, root: Path, name: str) -> bool:
    """Send a file, and check it there; return whether it was not there already."""
    wanted = file_sha256(root / name)
    if has(store, name, wanted):
        return False
    upload(store, name, root / name, wanted)
    return True
