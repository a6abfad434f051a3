"""Detections as files have them: lines of a submission to ILSVRC, or COCO's results.

    3 58 0.917 12.5 40 118 93        image's number in val.txt, class's number, score, both corners
    [{"image_id": 3, "category_id": 58, "bbox": [12.5, 40, 105.5, 53], "score": 0.917}, ...]

The corners of COCO's boxes are those of annotations.coco.json: xmax is x plus the width.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import EvaluationError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_COLUMNS = 7
_MAX_NBYTES = 8 << 30


class Submission(NamedTuple):
    """All detections of a split."""

    images: NDArray[np.int64]  # what the file calls them by
    classes: NDArray[np.int64]  # numbers of the task
    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]  # [n, 4]: xmin, ymin, xmax, ymax
    is_coco: bool  # images are ids of annotations.coco.json, not numbers of val.txt

    def sorted_by_image(self) -> Submission:
        """Return the detections with those of an image together, else in the order of the file."""
        order = np.argsort(self.images, kind="stable")
        return Submission(
            self.images[order],
            self.classes[order],
            self.scores[order],
            self.boxes[order],
            self.is_coco,
        )


def read(path: Path) -> Submission:
    """Read a file of detections.

    Raises:
        EvaluationError: if it cannot be read, or is neither.
    """
    try:
        if path.stat().st_size > _MAX_NBYTES:
            raise ValueError(f"it has {path.stat().st_size} bytes, too many for detections")
        with path.open("rb") as file:
            first = file.read(1)
        table, is_coco = (_coco(path), True) if first == b"[" else (_lines(path), False)
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read ({error.strerror}); name a file") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EvaluationError(
            f"{path}: is not a file of detections ({reason}); each line has the image's number, "
            "the class's number, a score and four corners, or it is COCO's list of results"
        ) from error
    if not np.isfinite(table).all():
        raise EvaluationError(f"{path}: has a value that is not a finite number; remove it")
    images, classes = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    if (images != table[:, 0]).any() or (classes != table[:, 1]).any():
        raise EvaluationError(f"{path}: the number of an image or a class is not an integer")
    return Submission(images, classes, table[:, 2], table[:, 3:], is_coco).sorted_by_image()


def _lines(path: Path) -> NDArray[np.float64]:
    if not path.stat().st_size:
        return np.zeros((0, _COLUMNS))
    table: NDArray[np.float64] = np.loadtxt(path, np.float64, ndmin=2, comments=None)
    if table.shape[1] != _COLUMNS:
        raise ValueError(f"a line has {table.shape[1]} numbers")
    return table


def _coco(path: Path) -> NDArray[np.float64]:
    rows = json.loads(path.read_bytes())
    table = np.zeros((len(rows), _COLUMNS))
    for at, row in enumerate(rows):
        x, y, width, height = row["bbox"]
        table[at] = (
            row["image_id"], row["category_id"], row["score"], x, y, x + width, y + height,
        )  # fmt: skip
    return table
