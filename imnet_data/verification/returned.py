"""Holds what a library returned of a split against its manifest, record by record.

Order is not compared: an ImageFolder has one of its own. A record is found by its key; where the
library exposes none, by its bytes, and where they are unknown, or not exposed, by its turn.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import FormatError
from imnet_data.machine.files import digests
from imnet_data.verification.shard import Difference, difference_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from imnet_data.dataset.description import Description
    from imnet_data.machine.pool import Counter
    from imnet_data.verification.expected import Expectation
    from imnet_data.verification.readers import Returned

EXPOSABLE = ("keys", "labels", "bytes")  # what a library may expose of a record
_NAMED = 5  # differences that are kept; the others are counted
_AWAITED, _MATCHES, _DIFFERS = 0, 1, 2


class Outcome(NamedTuple):
    """What a library made of one split, or of several."""

    record_count: int  # of the manifest
    match_count: int
    difference_count: int
    differences: tuple[Difference, ...]  # the first of them
    exposed: frozenset[str]  # among keys, labels, bytes


class Comparison:
    """The records of one split, ticked off as a library returns them."""

    def __init__(
        self, name: str, about: Description, split: str, expected: Expectation, counter: Counter
    ) -> None:
        self._name = name
        self._about = about
        self._split = split
        self._expected = expected
        self._columns = expected.columns
        self._counter = counter
        self._states = np.full(len(self._columns.key), _AWAITED, np.uint8)
        self._turn = 0  # the record that comes next, if all come in order
        self._exposed: set[str] = set()
        self._differences: list[Difference] = []
        self._difference_count = 0

    def run(self, records: Iterable[Returned]) -> Outcome:
        """Compare all that is returned."""
        try:
            for returned in records:
                self._take(returned)
        except FormatError as error:
            return self.stopped(str(error))
        return self._outcome()

    def stopped(self, why: str) -> Outcome:
        """Return how far the library came."""
        self._note(None, f"{self._name} stopped: {why}")
        return self._outcome()

    def _outcome(self) -> Outcome:
        for row in np.flatnonzero(self._states == _AWAITED):
            self._note(int(row), f"{self._name} does not return it")
        return Outcome(
            len(self._states),
            int(np.count_nonzero(self._states == _MATCHES)),
            self._difference_count,
            tuple(self._differences),
            frozenset(self._exposed),
        )

    def _take(self, returned: Returned) -> None:
        self._counter.add(1, len(returned.image or b""))
        digest = b"" if returned.image is None else digests([returned.image])[0]
        row = self._row_of(returned, digest)
        if row is None:
            key = "" if returned.key is None else returned.key
            self._note(None, f"{self._name} returns a record that the manifest does not have", key)
            return
        self._turn = row + 1
        faults = list(self._faults(row, returned, digest))
        if self._states[row] != _AWAITED:
            faults.append(f"{self._name} returns it more than once")
        for fault in faults:
            self._note(row, fault)
        self._states[row] = _DIFFERS if faults else _MATCHES

    def _row_of(self, returned: Returned, digest: bytes) -> int | None:
        """Return the number of the record, None if there is no such."""
        turn = self._turn if self._turn < len(self._states) else None
        if returned.key is not None:
            key = returned.key.encode()
            return turn if turn is not None and self._columns.key[turn] == key else self._keyed(key)
        if digest and (turn is None or self._digest(turn) != digest):
            return self._hashed(digest, turn)
        return turn

    def _keyed(self, key: bytes) -> int | None:
        place = bisect_left(self._by_key, key, key=self._columns.key.__getitem__)
        row = int(self._by_key[place]) if place < len(self._by_key) else None
        return row if row is not None and self._columns.key[row] == key else None

    @cached_property
    def _by_key(self) -> NDArray[np.intp]:
        return np.argsort(self._columns.key, kind="stable")

    def _hashed(self, digest: bytes, turn: int | None) -> int | None:
        """Return a record with these bytes, rather one that is awaited; else the one in turn."""
        place = bisect_left(self._by_hash, digest, key=self._digest)
        same = takewhile(lambda row: self._digest(row) == digest, self._by_hash[place:])
        rows = [int(row) for row in same]
        awaited = (row for row in rows if self._states[row] == _AWAITED)
        return next(awaited, rows[0] if rows else turn)

    @cached_property
    def _by_hash(self) -> NDArray[np.intp]:
        hashes = self._expected.stored_sha256
        return np.argsort(hashes.view(f"S{hashes.shape[1]}").ravel(), kind="stable")

    def _digest(self, row: int) -> bytes:
        return bytes(self._expected.stored_sha256[row])

    def _faults(self, row: int, returned: Returned, digest: bytes) -> Iterator[str]:
        columns, name = self._columns, self._name
        if returned.key is not None:
            self._exposed.add("keys")
        if returned.label is not None:
            self._exposed.add("labels")
            if returned.label != columns.label[row]:
                yield (
                    f"{name} returns the label {returned.label}, "
                    f"the manifest says {columns.label[row]}"
                )
        if returned.image is not None:
            self._exposed.add("bytes")
            if digest != self._digest(row):
                yield f"{name} returns other bytes than the manifest says"
        size = (int(columns.width[row]), int(columns.height[row]))
        if returned.size not in {None, size}:
            yield f"{name} returns {returned.size} pixels, the manifest says {size}"

    def _note(self, row: int | None, what: str, key: str = "") -> None:
        self._difference_count += 1
        if len(self._differences) == _NAMED:
            return
        if row is None:
            self._differences.append(Difference(self._split, what, key))
        else:
            found = difference_of(self._about, self._split, self._columns, row, what)
            self._differences.append(found)
