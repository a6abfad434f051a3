"""What a loader gives, and what a loader is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.loaders.schedule import Draws


T = TypeVar("T")


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


class ViewBatch(NamedTuple):
    """Several views of some images of a split, each view decoded and cut to its size."""

    views: list[NDArray[np.uint8]]  # one per view: [n, size, size, 3], R G B
    labels: NDArray[np.int64]  # [n], -1 where there is none
    indices: NDArray[np.int64]  # [n], the records' numbers in their split


class Decoded(NamedTuple):
    """What a loader has made of some records, before it is a batch."""

    # one per size of views, uint8[views, n, size, size, 3], NumPy's or a GPU's; or NumPy's numbers
    groups: list[Any]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    draws: Draws

    def batch(self) -> Batch:
        """Return the first view, which is the only one."""
        return Batch(self.groups[0][0], self.labels, self.indices)

    def device_batch(self) -> DeviceBatch | Batch:
        """Return the same where pixels are on a GPU; an empty batch never is."""
        (views,) = self.groups
        if isinstance(views, np.ndarray):
            return self.batch()
        return DeviceBatch(views[0], self.labels, self.indices)

    def view_batch(self) -> ViewBatch:
        """Return all views."""
        return ViewBatch([view for group in self.groups for view in group], *self[1:3])


def given(decoded: Generator[Decoded], make: Callable[[Decoded], T]) -> Iterator[T]:
    """Yield what `make` makes of each; ends `decoded` when this is closed."""
    with contextlib.closing(decoded):
        try:
            while True:
                yield make(next(decoded))  # with no name: the caller alone is to hold the images
        except StopIteration:
            return


class Loader(Protocol):
    """A source of the batches of any epoch, from any batch on; it holds no position."""

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same on every rank."""

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch | DeviceBatch]:
        """Return the batches of one epoch from batch `start` on."""

    def close(self) -> None:
        """Close threads and files."""
