"""A dataset in a store, of which only what is asked for is fetched: small files, and one record."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imnet_data import formats
from imnet_data.dataset import description, index_file, manifest
from imnet_data.dataset.layout import SUMS
from imnet_data.dataset.mirror import mirror
from imnet_data.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.dataset.mirror import Mirror
    from imnet_data.dataset.opened import Dataset

_ATTEMPTS = 3  # at a record whose bytes arrive wrong


@contextmanager
def indexed(url: str) -> Iterator[Mirror]:
    """Yield the dataset at `url` with its description and its indexes.

    Raises:
        ManifestError: if there is none, or it is damaged.
        StorageError: if it cannot be had from its store.
    """
    with mirror(url) as brought:
        brought.bring([SUMS, description.FILE_NAME])
        about = description.read(brought.root)
        brought.bring([f"{split}/{index_file.FILE_NAME}" for split in about.splits])
        yield brought


def stored(brought: Mirror, opened: Dataset, position: int) -> bytes:
    """Return what is stored of one record; its manifest comes here, too.

    What arrives with another hash is asked for again, and returned if it has that each time.

    Raises:
        StorageError: if it cannot be had from its store.
        FormatError: if its place in the file is known to its format alone.
    """
    brought.bring([f"{opened.split}/{manifest.FILE_NAME}"])
    format, place = formats.get(opened.about.format), opened.index.place(position, opened.classes)
    name = opened.split_description.shards[opened.index.shard[position]].name
    if format.record_file is not None:
        name = format.record_file(place.wnid, place.key)
    elif not format.EXTENTS:
        raise FormatError(
            f"{brought.name}: records of the format {opened.about.format} are read from a local "
            "disk alone; copy the dataset to one with `imnet-data copy`"
        )
    entry = opened.entry(position)
    for _ in range(_ATTEMPTS):
        content = brought.store.read(f"{opened.split}/{name}", place.offset, place.nbytes)
        if hashlib.sha256(content).hexdigest() == (entry.stored_sha256 or entry.sha256):
            break
    return content
