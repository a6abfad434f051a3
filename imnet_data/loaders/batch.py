"""What a loader gives, and what a loader is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Batch(NamedTuple):
    """Some images of a split, decoded and cut to one size."""

    images: NDArray[np.uint8]  # [n, size, size, 3], R G B
    labels: NDArray[np.int64]  # [n], -1 where there is none
    indices: NDArray[np.int64]  # [n], the records' numbers in their split


class DeviceBatch(NamedTuple):
    """A Batch whose images were decoded on a GPU, and are there.

    Whoever asks for the next one must have queued what is done to them, on the current stream.
    """

    images: Tensor  # uint8[n, size, size, 3], R G B
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]


class Loader(Protocol):
    """A source of the batches of any epoch, from any batch on; it holds no position."""

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same on every rank."""

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch | DeviceBatch]:
        """Return the batches of one epoch from batch `start` on."""

    def close(self) -> None:
        """Close threads and files."""
