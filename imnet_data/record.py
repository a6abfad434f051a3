"""The two nouns that everything passes around: Record, and a sequence of them, Records."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A bounding box in pixels of the stored image, as published: corners, both inside the box."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int


class Record(NamedTuple):
    """One image, not decoded: as published, unless `fix` says what was done."""

    key: str  # unique in its split, no dot and no slash: "n01440764_10026"
    wnid: str  # "" where the label was never published (the test split)
    jpeg: bytes
    boxes: tuple[Box, ...] = ()  # empty where there are none, or none were asked for
    fix: str = ""  # what was done to the published bytes, in the words of the manifest


class Listing(NamedTuple):
    """What is known of all records before any image is read; rows are in the order of Records."""

    keys: NDArray[np.bytes_]  # S[count], ASCII
    wnids: NDArray[np.bytes_]  # S[count], ASCII; b"" where there is no label
    nbytes: NDArray[np.int64]  # size of each image's file as published, whatever was done to it


class Records(Protocol):
    """A sized, random-access sequence of Record; a source and an opened dataset are both one.

    Records can be used from forked processes: whatever cannot cross a fork is opened on first
    use in each process.
    """

    @property
    def listing(self) -> Listing:
        """Keys, wnids and sizes of all records, without reading an image."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...

    def close(self) -> None:
        """Close files; the object cannot be read afterwards."""
