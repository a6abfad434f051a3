"""Records one after another, and those of a store read ahead: several requests at a time.

What comes next is cut into windows. One thread reads a window, with one request for what lies near
each other, and several windows are read while the one before them is used. In shuffled order that
is a request for each image; in stored order, one for many.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from imnet_data.record import Record, Records

THREADS = 8  # requests at a time, of one process
_WINDOW_NBYTES = 4 << 20
_WINDOW_ROWS = 32


@runtime_checkable
class ReadTogether(Protocol):
    """Records that are better read several at a time."""

    @property
    def is_far(self) -> bool:
        """Whether they are: some lie in a store."""

    def read_together(self, indices: Sequence[int]) -> list[Record]:
        """Return some records; threads may do so at once."""


def in_order(records: Records, indices: Sequence[int]) -> Generator[Record, None, None]:
    """Yield records in the order of their indices; close it, if it is not taken to its end."""
    if not (isinstance(records, ReadTogether) and records.is_far):
        yield from (records[index] for index in indices)
        return
    waiting: deque[Future[list[Record]]] = deque()
    with ThreadPoolExecutor(THREADS, "read-ahead") as threads:
        try:
            for window in _windows(indices, records.listing.nbytes[np.asarray(indices, np.int64)]):
                waiting.append(threads.submit(records.read_together, window))
                if len(waiting) > THREADS:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _windows(indices: Sequence[int], nbytes: NDArray[np.int64]) -> Iterator[Sequence[int]]:
    start, total = 0, 0
    for position, size in enumerate(nbytes.tolist()):
        if position > start and (total + size > _WINDOW_NBYTES or position - start >= _WINDOW_ROWS):
            yield indices[start:position]
            start, total = position, 0
        total += size
    if start < len(indices):
        yield indices[start:]
