"""Numbers out of the outcomes of a whole split.

Everything is counted in integers, and divided last. Calibration is that of Guo et al., "On
calibration of modern neural networks", ICML 2017, section 2: bins of equal width, the absolute
difference of accuracy and mean confidence in each, weighted by its records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CONFIDENCE_UNIT = 1 << 32  # a confidence of 1, in integers


class Accuracy(NamedTuple):
    """How many of how many."""

    correct: int
    total: int

    @property
    def percent(self) -> float:
        """The share that is correct, 0 to 100."""
        return 100 * self.correct / self.total


class Calibration(NamedTuple):
    """What was right among predictions of like confidence; one row per bin of [low, high)."""

    counts: NDArray[np.int64]  # predictions in each bin; the last has those of confidence 1 too
    correct: NDArray[np.int64]
    confidence: NDArray[np.int64]  # sum of the confidences, in 2**-32

    @property
    def error(self) -> float:
        """The expected calibration error, 0 to 1."""
        gaps = np.abs(self.confidence - self.correct * CONFIDENCE_UNIT)
        return float(gaps.sum() / CONFIDENCE_UNIT / self.counts.sum())


class Results(NamedTuple):
    """What was predicted for each record of a split, in stored order."""

    labels: NDArray[np.int64]  # [count]
    top: NDArray[np.int64]  # [count, 5 or fewer]: predicted labels, the best first
    confidences: NDArray[np.int64]  # [count], of the best, in 2**-32

    @property
    def is_correct(self) -> NDArray[np.bool_]:
        """Whether the best label is the right one, [count]."""
        return np.equal(self.top[:, 0], self.labels)

    def accuracy(self, depth: int = 1) -> Accuracy:
        """Count the records whose label is among the best `depth`, 1 to 5."""
        if not 1 <= depth <= 5:
            raise ValueError(f"depth is {depth}; allowed are 1 to 5")
        found = (self.top[:, :depth] == self.labels[:, np.newaxis]).any(axis=1)
        return Accuracy(int(found.sum()), len(found))

    def real_accuracy(self, accepted: Sequence[Sequence[int]]) -> Accuracy:
        """Count the records whose best label is among the accepted ones.

        Records for which nothing is accepted are not scored.

        Source: Beyer et al., "Are we done with ImageNet?", 2020; google-research/
        reassessed-imagenet, README.md.
        """
        if len(accepted) != len(self.labels):
            raise ValueError(f"labels of {len(accepted)} records for {len(self.labels)}")
        best = self.top[:, 0].tolist()
        correct = sum(label in among for label, among in zip(best, accepted, strict=True))
        return Accuracy(correct, sum(bool(among) for among in accepted))

    def by_class(self) -> dict[int, Accuracy]:
        """Count for each label that records have, in the order of labels."""
        labels, position, counts = np.unique(self.labels, return_inverse=True, return_counts=True)
        correct = np.bincount(position, weights=self.is_correct, minlength=len(labels))
        rows = zip(labels.tolist(), correct.astype(np.int64).tolist(), counts.tolist(), strict=True)
        return {label: Accuracy(right, count) for label, right, count in rows}

    def taken_for(self, label: int) -> dict[int, int]:
        """Count the wrong predictions for records of one label, the most frequent first."""
        wrong = self.top[(self.labels == label) & ~self.is_correct, 0]
        predicted, counts = np.unique(wrong, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return dict(zip(predicted[order].tolist(), counts[order].tolist(), strict=True))

    def worst_mistakes(self, limit: int) -> NDArray[np.int64]:
        """Return the records that the model got wrong and was most sure of, the surest first."""
        wrong = np.flatnonzero(~self.is_correct)
        return wrong[np.argsort(-self.confidences[wrong], kind="stable")[:limit]]

    def calibration(self, bins: int = 15) -> Calibration:
        """Count predictions by confidence, in bins of equal width over [0, 1]."""
        if bins < 1:
            raise ValueError(f"bins is {bins}; at least 1 is needed")
        at = np.minimum(self.confidences * bins // CONFIDENCE_UNIT, bins - 1)
        table = np.zeros((3, bins), np.int64)
        for row, values in enumerate((np.ones_like(at), self.is_correct, self.confidences)):
            np.add.at(table[row], at, values)
        return Calibration(*table)
