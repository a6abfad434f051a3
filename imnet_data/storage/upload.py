"""Files that go to a store, and are compared with what is there afterwards."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from imnet_data.errors import StorageError
from imnet_data.machine.files import file_sha256
from imnet_data.storage import download, ranges

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.storage.store import Store

_ATTEMPTS = 3  # at an object that does not become what was sent


def upload(store: Store, name: str, path: Path, sha256: str | None = None) -> str:
    """Write a file to a store, and compare it there; return the identity that it has there.

    A store whose ETag is the MD5 of what it has received, as that of S3 is, need not send it back.
    What is in any other is read again, and held against `sha256`, if that is known.

    Raises:
        StorageError: if it is not there afterwards, or has other bytes.
    """
    for _ in range(_ATTEMPTS):
        store.write(name, path)
        identity = store.identity(name)
        if identity is not None and _is_same(store, name, path, identity, sha256):
            return identity
    raise StorageError(
        f"{store.where(name)}: did not arrive as it was sent, {_ATTEMPTS} times in a row; run the "
        "same again"
    )


def _is_same(store: Store, name: str, path: Path, identity: str, sha256: str | None) -> bool:
    if identity.endswith('"') and identity == f'{path.stat().st_size} "{_etag(path)}"':
        return True
    return download.has(store, name, sha256 or file_sha256(path))


def _etag(path: Path) -> str:
    """Return the ETag that S3 gives a file: its MD5, or if it was sent in parts, that of theirs."""
    step = ranges.part_nbytes(path.stat().st_size)
    digests = []
    with path.open("rb") as file:
        while piece := file.read(step):
            digests.append(hashlib.md5(piece, usedforsecurity=False).digest())
    if len(digests) < 2:
        return b"".join(digests).hex() or hashlib.md5(usedforsecurity=False).hexdigest()
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(digests)}"
