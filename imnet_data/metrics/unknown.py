"""How well confidences tell images of unknown classes from images of known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def aupr(known: NDArray[np.int64], unknown: NDArray[np.int64]) -> float:
    """Return the area under the precision-recall curve, 0 to 1, where unknown is what is found.

    It is the average precision: the sum over confidences, from the lowest on, of precision times
    the recall that is gained there. An image is taken for unknown if its confidence is at most
    that; images of equal confidence are taken together.

    Args:
        known: confidences of the images of known classes.
        unknown: those of the others.

    Source: hendrycks/natural-adv-examples, eval_many_models_test.py and calibration_tools.py, which
    call scikit-learn's average_precision_score with the confidence negated.
    """
    if not len(known) or not len(unknown):
        raise ValueError(f"{len(known)} and {len(unknown)} confidences; at least one of each")
    confidences = np.concatenate([known, unknown])
    order = np.argsort(confidences, kind="stable")
    found = np.cumsum(np.repeat([0, 1], [len(known), len(unknown)])[order])
    ends = np.append(np.flatnonzero(np.diff(confidences[order])), len(order) - 1)
    gained = np.diff(found[ends], prepend=0)
    precision = found[ends] / (ends + 1)
    return float((precision * gained).sum() / len(unknown))
