"""What the manifest of a split says its shards must hold, as arrays that workers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.dataset import index, manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.dataset.index import Index

_SHA256_NBYTES = 32


class Expectation(NamedTuple):
    """The columns of a manifest, with what the index leaves out."""

    table: NDArray[np.void]  # of index.npy
    sha256: NDArray[np.uint8]  # uint8[records, 32], of the JPEGs
    stored_sha256: NDArray[np.uint8]  # uint8[records, 32], of the bytes that are stored
    fixes: dict[str, int]

    @property
    def columns(self) -> Index:
        """The columns that index.npy must have."""
        return index.columns(self.table)

    def rows_of(self, shard: int) -> range:
        """Return the records of one shard; a manifest has them together, in shard order."""
        start, stop = np.searchsorted(self.columns.shard, [shard, shard + 1])
        return range(int(start), int(stop))


def expect(directory: Path, classes: Sequence[str]) -> Expectation:
    """Read the manifest of the split at `directory`.

    Raises:
        ManifestError: if it is damaged.
    """
    builder = index.Builder({wnid: label for label, wnid in enumerate(classes)})
    digest = manifest.Digest()
    hashes, stored = bytearray(), bytearray()
    for entry in builder.watch(manifest.read(directory / manifest.FILE_NAME)):
        digest.update(entry)
        hashes += bytes.fromhex(entry.sha256)
        stored += bytes.fromhex(entry.stored_sha256 or entry.sha256)
    return Expectation(
        table=builder.table(digest.hexdigest()),
        sha256=np.frombuffer(hashes, np.uint8).reshape(-1, _SHA256_NBYTES),
        stored_sha256=np.frombuffer(stored, np.uint8).reshape(-1, _SHA256_NBYTES),
        fixes=dict(sorted(builder.fixes.items())),
    )
