"""The entries of an archive in a store, kept in a file: another run need not read it to list it."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from typing import TYPE_CHECKING

from imnet_data.archives.containers import Entry, is_far
from imnet_data.errors import SourceError
from imnet_data.machine.files import appearing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imnet_data.archives.containers import Container

_LEVEL = 1  # of compression: a million rows take a second


def entries(container: Container, folder: Path | None) -> Iterator[Entry]:
    """Yield the entries of a container; of one in a store, those that `folder` has of it.

    Where it has none, they are put there when all are listed. A container that was written to since
    has another name there.

    Raises:
        SourceError: if the container, or what the folder has of it, is damaged.
    """
    if folder is None or not is_far(container):
        yield from container.entries()
        return
    which = f"{container.path} {container.identity()}"
    path = folder / f"{hashlib.sha256(which.encode()).hexdigest()[:32]}.gz"
    if path.exists():
        try:
            with gzip.open(path, "rt") as lines:
                yield from (Entry(*json.loads(line)) for line in lines)
        except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
            raise SourceError(f"{path}: is damaged ({error}); remove it, and run again") from error
        return
    folder.mkdir(parents=True, exist_ok=True)
    with appearing(path) as part, gzip.open(part, "wt", _LEVEL) as file:
        for entry in container.entries():
            file.write(f"{json.dumps(entry)}\n")
            yield entry
