"""What the manifest of a split says its shards must hold, as arrays that workers share."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.dataset import index, manifest
from imnet_data.machine import pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.dataset.index import Index

_SHA256_NBYTES = 32


class Expectation(NamedTuple):
    """The columns of a manifest, with what the index leaves out."""

    columns: Index  # that index.npy must have
    sha256: NDArray[np.uint8]  # uint8[records, 32], of the JPEGs
    stored_sha256: NDArray[np.uint8]  # uint8[records, 32], of the bytes that are stored
    fixes: dict[str, int]

    def rows_of(self, shard: int) -> range:
        """Return the records of one shard; a manifest has them together, in shard order."""
        start, stop = np.searchsorted(self.columns.shard, [shard, shard + 1])
        return range(int(start), int(stop))


class _Part(NamedTuple):
    """What a part of a manifest adds."""

    columns: Index
    fixes: Mapping[str, int]
    identities: bytes
    sha256: bytes
    stored_sha256: bytes


def expect(directory: Path, classes: Sequence[str], *, workers: int = 1) -> Expectation:
    """Read the manifest of the split at `directory`, its parts in `workers` processes.

    Raises:
        ManifestError: if it is damaged.
    """
    path = directory / manifest.FILE_NAME
    labels = {wnid: label for label, wnid in enumerate(classes)}
    parts = manifest.parts(path) or [range(0)]
    read = pool.run_in_order(partial(_read_part, path, labels), parts, workers=workers)
    digest = hashlib.sha256()
    fixes: Counter[str] = Counter()
    sha256, stored_sha256 = bytearray(), bytearray()

    def gathered() -> Iterator[tuple[Index, Mapping[str, int]]]:
        nonlocal sha256, stored_sha256
        for part in read:
            digest.update(part.identities)
            fixes.update(part.fixes)
            sha256 += part.sha256
            stored_sha256 += part.stored_sha256
            yield part.columns, part.fixes

    columns = index.joined(gathered())
    return Expectation(
        columns=columns._replace(digest=digest.hexdigest()),
        sha256=np.frombuffer(sha256, np.uint8).reshape(-1, _SHA256_NBYTES),
        stored_sha256=np.frombuffer(stored_sha256, np.uint8).reshape(-1, _SHA256_NBYTES),
        fixes=dict(sorted(fixes.items())),
    )


def _read_part(path: Path, labels: Mapping[str, int], lines: range) -> _Part:
    builder = index.Builder(labels)
    identities: list[str] = []
    sha256, stored_sha256 = bytearray(), bytearray()
    for entry in builder.watch(manifest.read(path, start=lines.start, stop=lines.stop)):
        identities.append(manifest.identity(entry))
        sha256 += bytes.fromhex(entry.sha256)
        stored_sha256 += bytes.fromhex(entry.stored_sha256 or entry.sha256)
    return _Part(
        columns=builder.index(),
        fixes=builder.fixes,
        identities="".join(identities).encode(),
        sha256=bytes(sha256),
        stored_sha256=bytes(stored_sha256),
    )
