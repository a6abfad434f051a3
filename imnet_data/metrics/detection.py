"""Average precision as the devkits of DET and VID compute it, and by speed as FGFA's authors do.

- Detections of an image are matched in the order of their confidence, each to the box of its class
  with the largest overlap among those that are not matched yet and whose threshold it reaches. All
  others are false, duplicates among them.
- The threshold of a box of w by h pixels is min(0.5, w h / ((w + 10) (h + 10))).
- Where an image is blacklisted for a class, its boxes and detections of that class do not count.
- AP is the area under precision as a function of recall, made to fall (all points, not 11).

By speed: a box's motion is the mean overlap of a thing with itself in the frames within 10 before
and after. Boxes out of the range do not count, nor does what is matched to one. An unmatched
detection is false (1) if the box that it overlaps most is in the range, and not (0) if it is out of
it. Where it overlaps with none, or as much with both kinds, it is false by the share of the image's
boxes that are out of the range, and in an image without boxes by the share of all boxes that are in
it.

Source: ILSVRC2014 devkit, evaluation/eval_detection.m and VOCap.m; msracver/
Flow-Guided-Feature-Aggregation, lib/dataset/imagenet_vid_eval_motion.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.metrics.boxes import areas, overlaps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_MOST_OVERLAP = 0.5
_TOLERANCE = 10  # pixels
NEAR_FRAMES = 10  # before and after, that a motion is the mean over
# of the mean overlap of a thing with itself; ends are in both
SPEEDS = {"slow": (0.9, 1.0), "medium": (0.7, 0.9), "fast": (0.0, 0.7)}


class Truth(NamedTuple):
    """The boxes of one image."""

    classes: NDArray[np.int64]  # [boxes]
    boxes: NDArray[np.float64]  # [boxes, 4]: xmin, ymin, xmax, ymax
    ignored: frozenset[int] = frozenset()  # classes that are not scored in the image


class Detections(NamedTuple):
    """What was detected in one image."""

    classes: NDArray[np.int64]  # [n]
    scores: NDArray[np.float64]  # [n], the larger the surer
    boxes: NDArray[np.float64]  # [n, 4]

    def take(self, rows: NDArray[np.int64]) -> Detections:
        """Return the chosen ones."""
        return Detections(self.classes[rows], self.scores[rows], self.boxes[rows])


class Curve(NamedTuple):
    """Recall and precision of one class, from the surest detection to all of them."""

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """The area under precision, made to fall, as a function of recall."""
        recall = np.concatenate([[0.0], self.recall, [1.0]])
        precision = np.concatenate([[0.0], self.precision, [0.0]])
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        return float(np.sum(np.diff(recall) * falling[1:]))


class _Counted(NamedTuple):
    """What became of the detections of one image, the surest first."""

    classes: NDArray[np.int64]
    scores: NDArray[np.float64]
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]


class DetectionScores:
    """Counts image by image; of equal scores, those of the image that came first come first.

    Args:
        motions: which boxes count, by their motion: the ends of a range. None: all.
        empty_share: how wrong a detection in an image without boxes is, with `motions`.
    """

    def __init__(
        self, *, motions: tuple[float, float] | None = None, empty_share: float = 1.0
    ) -> None:
        self._motions = motions
        self._empty_share = empty_share
        self._counted: list[_Counted] = []
        self._box_counts: dict[int, int] = {}

    def add(
        self, truth: Truth, found: Detections, motion: NDArray[np.float64] | None = None
    ) -> None:
        """Add an image; `motion` is that of each of its boxes, where ranges are asked for."""
        scored = np.array([c not in truth.ignored for c in found.classes.tolist()], bool)
        order = np.flatnonzero(scored)
        order = order[np.argsort(-found.scores[order], kind="stable")]
        found = found.take(order)
        in_range = np.ones(len(truth.classes), bool)
        if self._motions is not None and motion is not None:
            least, most = self._motions
            in_range = (motion >= least) & (motion <= most)
        for wanted in truth.classes[in_range].tolist():
            if wanted not in truth.ignored:
                self._box_counts[wanted] = self._box_counts.get(wanted, 0) + 1
        if len(found.scores):
            overlap = overlaps(found.boxes, truth.boxes)
            matches = matched(truth, found, overlap)
            right = np.array([at >= 0 and in_range[at] for at in matches], np.float64)
            wrong = np.where(matches < 0, self._wrongness(overlap, in_range), 0.0)
            self._counted.append(_Counted(found.classes, found.scores, right, wrong))

    def _wrongness(
        self, overlap: NDArray[np.float64], in_range: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return how wrong each detection of an image is if it is not matched."""
        if self._motions is None:
            return np.ones(len(overlap))
        if not len(in_range):
            return np.full(len(overlap), self._empty_share)
        inside, outside = (
            np.max(overlap, axis=1, where=chosen, initial=-1.0) for chosen in (in_range, ~in_range)
        )
        share = float(np.mean(~in_range))
        return np.where(inside > outside, 1.0, np.where(outside > inside, 0.0, share))

    def curves(self) -> Mapping[int, Curve]:
        """Return the curve of each class that has boxes which count, by class."""
        none = _Counted(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))
        counted = [none, *self._counted]
        order = np.argsort(-np.concatenate([each.scores for each in counted]), kind="stable")
        classes = np.concatenate([each.classes for each in counted])[order]
        are_right = np.concatenate([each.right for each in counted])[order]
        are_wrong = np.concatenate([each.wrong for each in counted])[order]
        curves = {}
        for wanted, box_count in sorted(self._box_counts.items()):
            chosen = classes == wanted
            right, wrong = np.cumsum(are_right[chosen]), np.cumsum(are_wrong[chosen])
            both = right + wrong
            precision = np.divide(right, both, out=np.zeros_like(right), where=both > 0)
            curves[wanted] = Curve(right / box_count, precision)
        return curves


def matched(truth: Truth, found: Detections, overlap: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the box that each detection is matched to, -1 for none; the surest comes first."""
    thresholds = _thresholds(truth.boxes)
    usable = (overlap >= thresholds) & (found.classes[:, np.newaxis] == truth.classes)
    candidates = np.where(usable & (overlap > 0), overlap, -1.0)
    matches = np.full(len(found.classes), -1)
    for row in np.flatnonzero(usable.any(axis=1)).tolist():
        best = int(np.argmax(candidates[row]))
        if candidates[row, best] > 0:
            matches[row] = best
            candidates[:, best] = -1.0
    return matches


def _thresholds(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = boxes[:, 2:] - boxes[:, :2] + 1 + _TOLERANCE
    return np.minimum(_MOST_OVERLAP, areas(boxes) / (sides[:, 0] * sides[:, 1]))


def motions(
    frames: Sequence[NDArray[np.float64]], tracks: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.float64]]:
    """Return the motion of each box of the frames of one snippet, in order and without gaps.

    Args:
        frames: the boxes of each frame, [boxes, 4].
        tracks: the number of the thing in each box, [boxes].

    Returns:
        The mean overlap of each thing with itself nearby; 0 where it is in this frame alone.
    """
    found = []
    for at, (boxes, numbers) in enumerate(zip(frames, tracks, strict=True)):
        near = [
            other
            for other in range(at - NEAR_FRAMES, at + NEAR_FRAMES + 1)
            if other != at and 0 <= other < len(frames)
        ]
        sums, counts = np.zeros(len(boxes)), np.zeros(len(boxes))
        for other in near:
            same = numbers[:, np.newaxis] == tracks[other][np.newaxis, :]
            # of a thing that has two boxes in a frame the first counts
            first = np.cumsum(same, axis=1) == 1
            pairs = same & first
            sums += np.where(pairs, overlaps(boxes, frames[other]), 0.0).sum(axis=1)
            counts += pairs.any(axis=1)
        found.append(np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0))
    return found
