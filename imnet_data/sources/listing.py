"""The entries of an archive in a store, kept in a file: another run need not read it to list it."""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
from typing import TYPE_CHECKING

from imnet_data.archives.containers import Entry, is_far
from imnet_data.machine.files import PART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imnet_data.archives.containers import Container

_LEVEL = 1  # of compression: a million rows take a second


def entries(container: Container, folder: Path | None) -> Iterator[Entry]:
    """Yield the entries of a container; of one in a store, those that `folder` has of it.

    Where it has none, they are put there when all are listed. A container that was written to since
    has another name there.
    """
    if folder is None or not is_far(container):
        yield from container.entries()
        return
    which = f"{container.path} {container.identity()}"
    path = folder / f"{hashlib.sha256(which.encode()).hexdigest()[:32]}.gz"
    if path.exists():
        with gzip.open(path, "rt") as lines:
            yield from (Entry(*json.loads(line)) for line in lines)
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART}")  # another may list it, too
    try:
        with gzip.open(part, "wt", _LEVEL) as file:
            for entry in container.entries():
                file.write(f"{json.dumps(entry)}\n")
                yield entry
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
