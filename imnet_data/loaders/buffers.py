"""Memory for batches, used again when nobody looks at it any more.

A batch's images are a view of a buffer, and NumPy keeps the buffer alive for every view of it,
views of views and tensors made of them included. So a buffer that only the list holds is free.
"""

from __future__ import annotations

import math
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def _empty(nbytes: int) -> NDArray[np.uint8]:
    return np.empty(nbytes, np.uint8)


class Buffers:
    """A pool of arrays of bytes; `allocate` returns uint8[nbytes] if none is free."""

    def __init__(self, allocate: Callable[[int], NDArray[np.uint8]] | None = None) -> None:
        self.is_plain = allocate is None  # NumPy's memory, which nobody has asked for
        self._allocate = allocate or _empty
        self._buffers: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()  # else two threads find the same buffer free

    def take(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return an array of `shape` that nobody else holds, with any content."""
        with self._lock:
            return self._take(shape, math.prod(shape))

    def _take(self, shape: tuple[int, ...], nbytes: int) -> NDArray[np.uint8]:
        free = [position for position in range(len(self._buffers)) if self._is_free(position)]
        for position in free:
            if len(self._buffers[position]) >= nbytes:
                return self._buffers[position][:nbytes].reshape(shape)
        # those that are too small were made for smaller batches: of no use any more
        for position in reversed(free):
            del self._buffers[position]
        self._buffers.append(self._allocate(nbytes))
        return self._buffers[-1][:nbytes].reshape(shape)

    def _is_free(self, position: int) -> bool:
        return sys.getrefcount(self._buffers[position]) == _REFERENCES_OF_A_FREE_ONE


_ALONE_IN_A_LIST = [_empty(1)]
_REFERENCES_OF_A_FREE_ONE = sys.getrefcount(_ALONE_IN_A_LIST[0])
