"""Ranges of an object that are read in one go, and parts in which one is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_NBYTES = 16 << 20  # of one request
_PART_NBYTES = 16 << 20  # of an upload
_MAX_PARTS = 10_000  # that S3 takes
GAP_NBYTES = 256 << 10  # between ranges that are read in one go: less than a round trip


def part_nbytes(nbytes: int) -> int:
    """Return how large the parts are in which so many bytes are sent."""
    return max(_PART_NBYTES, -(-nbytes // _MAX_PARTS))


def near_each_other(
    starts: Sequence[int], nbytes: Sequence[int], gap_nbytes: int
) -> list[tuple[int, int, list[int]]]:
    """Return start, end and members of each group of ranges with at most `gap_nbytes` between.

    A range that is larger than a request stays alone.
    """
    groups: list[tuple[int, int, list[int]]] = []
    for position in sorted(range(len(starts)), key=starts.__getitem__):
        start, stop = starts[position], starts[position] + nbytes[position]
        if groups:
            first, last, members = groups[-1]
            if start - last <= gap_nbytes and max(stop, last) - first <= MOST_NBYTES:
                members.append(position)
                groups[-1] = (first, max(stop, last), members)
                continue
        groups.append((start, stop, [position]))
    return groups


def read_together(
    read: Callable[[int, int], bytes | memoryview], starts: Sequence[int], nbytes: Sequence[int]
) -> list[memoryview]:
    """Return ranges, of which those that lie near each other are read in one go."""
    found = [memoryview(b"")] * len(starts)
    for start, stop, members in near_each_other(starts, nbytes, GAP_NBYTES):
        whole = memoryview(read(start, stop - start))
        for member in members:
            first = starts[member] - start
            found[member] = whole[first : first + nbytes[member]]
    return found
