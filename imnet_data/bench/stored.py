"""Records as they are stored, by plain reads, and the hashes that they have to have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING

from imnet_data.errors import FormatError, verify_command
from imnet_data.loaders.files import Files
from imnet_data.loaders.source import SupportsExtents, source_of
from imnet_data.machine.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.dataset.opened import Dataset
    from imnet_data.machine.open_file import OpenFile


class StoredReader(Closing):
    """Reads what is stored of records, in several threads, each of which takes a part."""

    def __init__(self, dataset: Dataset, *, threads: int = 1) -> None:
        source = self._source = source_of(dataset)
        self._files = Files.of(source)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def read(self, indices: NDArray[np.int64]) -> list[bytes]:
        """Return the bytes of some records, in their order."""
        cuts = [len(indices) * part // self._threads for part in range(self._threads + 1)]
        slices = [slice(*ends) for ends in pairwise(cuts)]
        source = self._source
        if isinstance(source, SupportsExtents):
            assert self._files is not None
            opened = self._files.open(source.shard[indices])  # here: `Files` is for one thread
            columns = source.offset[indices].tolist(), source.nbytes[indices].tolist()
            places = list(zip(opened, *columns, strict=True))
            read = self._pool.map(_read_all, [places[part] for part in slices])
        else:
            one = source.read
            read = self._pool.map(
                lambda part: [bytes(one(index)) for index in part.tolist()],
                [indices[part] for part in slices],
            )
        return list(chain.from_iterable(read))

    def close(self) -> None:
        """End the threads and release the files."""
        self._pool.shutdown()
        if self._files is not None:
            self._files.close()


def _read_all(places: Sequence[tuple[OpenFile, int, int]]) -> list[bytes]:
    return [file.read(offset, nbytes) for file, offset, nbytes in places]


def stored_hashes(dataset: Dataset, indices: NDArray[np.int64]) -> dict[int, str]:
    """Return the manifest's sha256 of the stored bytes of some records, by record number."""
    wanted = set(indices.tolist())
    entries = islice(dataset.entries(), max(wanted) + 1)
    return {
        number: entry.stored_sha256 or entry.sha256
        for number, entry in enumerate(entries)
        if number in wanted
    }


def require_hash(dataset: Dataset, index: int, *, got: str, hashes: Mapping[int, str]) -> None:
    """Raise a FormatError if the bytes of a record are not what the manifest says."""
    if got != hashes[index]:
        key = dataset.index.key[index].decode()
        raise FormatError(
            f"{key} (record {index}) in {dataset.directory}: the sha256 of its bytes is not the "
            f"one in the manifest; run {verify_command(dataset.root)}"
        )
