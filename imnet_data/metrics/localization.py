"""Localisation on ILSVRC: up to five guesses per image, each a class and a box.

- An image is right if a guess has its class and overlaps with one of its boxes of that class by
  half or more. The error is the share of the others; blacklisted images are left out of it.
- GT-known accuracy: the class is taken as known. The box of the first guess of the right class, or
  of the first guess where none has it, has to overlap by half or more.
- MaxBoxAcc is the best GT-known accuracy over several files, each made with another threshold on
  the maps that boxes are cut out of; of one file it is that file's.

Source: ILSVRC2012 devkit, evaluation/eval_localization_flat.m; Choe et al., "Evaluating weakly
supervised object localization methods right", CVPR 2020, section 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.metrics.boxes import overlaps
from imnet_data.metrics.results import Accuracy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.record import Box

MOST_GUESSES = 5
_LEAST_OVERLAP = 0.5


class Guess(NamedTuple):
    """One guess: what is in the image, and where."""

    wnid: str
    box: tuple[float, float, float, float]  # xmin, ymin, xmax, ymax


class Judged(NamedTuple):
    """What is right in the guesses for one image."""

    top1: bool  # the class of the first
    top5: bool  # the class of one
    top1_located: bool  # class and box of the first
    top5_located: bool  # class and box of one
    known: bool  # the box, the class being known


def judge(wnid: str, boxes: Sequence[Box], guesses: Sequence[Guess]) -> Judged:
    """Judge the first five guesses for an image of one class and its boxes."""
    guesses = guesses[:MOST_GUESSES]
    if not guesses:
        return Judged(*[False] * len(Judged._fields))
    table = np.array([guess.box for guess in guesses], np.float64)
    overlap = overlaps(table, np.array(boxes, np.float64).reshape(-1, 4))
    fits: list[bool] = np.any(overlap >= _LEAST_OVERLAP, axis=1).tolist()
    classes = [guess.wnid == wnid for guess in guesses]
    located = [right and fit for right, fit in zip(classes, fits, strict=True)]
    known = fits[classes.index(True)] if any(classes) else fits[0]
    return Judged(classes[0], any(classes), located[0], any(located), known)


class Counts(NamedTuple):
    """How many images are right, of how many."""

    top1: Accuracy
    top5: Accuracy
    top1_located: Accuracy
    top5_located: Accuracy  # the official error is the share of the others
    known: Accuracy


def count(judged: Sequence[Judged]) -> Counts:
    """Count what is right."""
    sums = np.array(judged, np.int64).reshape(-1, len(Judged._fields)).sum(axis=0).tolist()
    return Counts(*(Accuracy(right, len(judged)) for right in sums))
