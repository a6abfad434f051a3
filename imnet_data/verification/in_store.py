"""Repairs a dataset in a store: what is damaged comes here, is made again, and is sent back.

The folder that it comes to has no other shards. What is made again beside the damaged, and is in
the store with the same bytes, is not sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imnet_data.dataset import description, layout
from imnet_data.dataset.layout import SUMS
from imnet_data.dataset.mirror import mirror
from imnet_data.errors import ManifestError, StorageError
from imnet_data.machine.files import file_sha256
from imnet_data.storage.download import sha256
from imnet_data.storage.store import open_store
from imnet_data.verification.witness import Sums, restore_description

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imnet_data.dataset.mirror import Mirror
    from imnet_data.storage.store import Store
    from imnet_data.verification.shard import Difference

_ATTEMPTS = 3  # at a file that does not arrive as it was sent
_LAST = (description.FILE_NAME, SUMS)
_SEND = """
import json, sys
from pathlib import Path
from imnet_data.verification.in_store import send
print(json.dumps(send(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3])))
"""


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
    """Send files back, in a process of its own; return those that were not there already."""
    from imnet_data.storage.cloud import isolated

    if not names:
        return []
    listed = brought.root / ".names.json"
    listed.write_text(json.dumps(sorted(names, key=lambda name: (name in _LAST, name))))
    found: list[str] = json.loads(isolated(_SEND, str(brought.root), str(listed), brought.url))
    return found


def send(root: Path, names: Sequence[str], url: str) -> list[str]:
    """Send files to a store, and check them there; return those that were not there already.

    Raises:
        StorageError: if one does not arrive.
    """
    store, sent = open_store(url), []
    for name in names:
        wanted = file_sha256(root / name)
        if _has(store, name, wanted):
            continue
        for _ in range(_ATTEMPTS):
            store.write(name, root / name)
            if _has(store, name, wanted):
                break
        else:
            raise StorageError(
                f"{store.where(name)}: did not arrive as it was sent, {_ATTEMPTS} times in a row; "
                "run the same again"
            )
        sent.append(name)
    return sent


def _has(store: Store, name: str, wanted: str) -> bool:
    nbytes = store.nbytes(name)
    return nbytes is not None and sha256(store, name, nbytes) == wanted
