"""One row of integers per record: how often it was scored, how sure the model was, its best labels.

Rows of records that a rank did not score are zero, so the sum of all ranks' tables is the table of
the whole split, whatever the number of ranks and the size of batches: every number that is made
from it is the same to the last digit. With torch.distributed it is one line:

    torch.distributed.all_reduce(torch.from_numpy(outcomes.table))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import EvaluationError
from imnet_data.metrics.results import CONFIDENCE_UNIT, Results

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from imnet_data.metrics.space import ClassSpace

_DEPTH = 5  # labels that are kept of each record, the best first
_SEEN, _CONFIDENCE, _TOP = 0, 1, 2  # columns; labels from the last on


class Outcomes:
    """What became of the records of a split.

    Args:
        labels: of all records of the split, int[count], in stored order.
        space: of the scores that will be added.
    """

    def __init__(self, labels: ArrayLike, *, space: ClassSpace) -> None:
        self.labels = np.asarray(labels, np.int64)
        self.space = space
        foreign = np.flatnonzero(~np.isin(self.labels, space.labels))
        if len(foreign):
            index = int(foreign[0])
            raise EvaluationError(
                f"record {index} has the label {self.labels[index]}, which is not one of the "
                f"{len(space.labels)} that are distinguished here ({len(foreign)} such records); "
                "the test split has no labels, and a variant needs its own classes"
            )
        depth = min(_DEPTH, len(space.labels))
        self.table = np.zeros((len(self.labels), _TOP + depth), np.int64)

    def add(self, indices: ArrayLike, scores: NDArray[np.floating]) -> None:
        """Add the scores of some records.

        Of equal scores the one with the lowest label comes first.

        Args:
            indices: the records' numbers in the split, int[n].
            scores: as `space.reduce` gives them, or their logarithmic means, [n, labels].

        Raises:
            EvaluationError: if a record was scored before.
        """
        rows = np.asarray(indices, np.int64)
        shape = (len(rows), len(self.space.labels))
        if scores.shape != shape:
            raise ValueError(f"scores are {scores.shape}; expected {shape}")
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self.table):
            raise ValueError(f"indices go to {rows.max()}; the split has {len(self.table)} records")
        np.add.at(self.table[:, _SEEN], rows, 1)
        self._refuse_twice()
        best = _best(scores, self.table.shape[1] - _TOP)
        self.table[rows, _TOP:] = self.space.labels[best]
        self.table[rows, _CONFIDENCE] = _confidence(scores)

    def merged(self, *others: Outcomes) -> Outcomes:
        """Return the outcomes of several ranks as one."""
        whole = Outcomes(self.labels, space=self.space)
        whole.table += self.table
        for other in others:
            whole.table += other.table
        return whole

    def complete(self) -> Results:
        """Return what follows from the outcomes of all records.

        Raises:
            EvaluationError: if a record was not scored, or more than once.
        """
        self._refuse_twice()
        missing = np.flatnonzero(self.table[:, _SEEN] == 0)
        if len(missing):
            raise EvaluationError(
                f"{len(self.table) - len(missing)} of {len(self.table)} records were scored; "
                f"record {missing[0]} is the first that was not: the numbers would cover only a "
                "part"
            )
        return Results(self.labels, self.table[:, _TOP:], self.table[:, _CONFIDENCE])

    def _refuse_twice(self) -> None:
        twice = np.flatnonzero(self.table[:, _SEEN] > 1)
        if len(twice):
            raise EvaluationError(
                f"record {twice[0]} was scored {self.table[twice[0], _SEEN]} times "
                f"({len(twice)} such records): a loader for evaluation must not pad batches"
            )


def _best(scores: NDArray[np.floating], depth: int) -> NDArray[np.int64]:
    """Return the positions of the `depth` largest of each row; of equal ones the lowest first."""
    rest = scores.copy()  # `depth` passes over it cost a fifth of sorting it
    best = np.empty((len(scores), depth), np.int64)
    rows = np.arange(len(scores))
    for place in range(depth):
        best[:, place] = rest.argmax(axis=1)
        rest[rows, best[:, place]] = -np.inf
    return best


def _confidence(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the softmax probability of the best label, in multiples of 2**-32."""
    wide = scores.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    shares: NDArray[np.float64] = CONFIDENCE_UNIT / np.exp(wide).sum(axis=1)
    return np.rint(shares).astype(np.int64)
