"""Accuracy by groups of classes: the classes below synsets of WordNet's hierarchy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imnet_data.errors import EvaluationError
from imnet_data.imagenet.labels import words_of
from imnet_data.metrics import Accuracy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from imnet_data.imagenet.hierarchy import Hierarchy
    from imnet_data.metrics import Results


class Grouping(NamedTuple):
    """How classes are put into groups."""

    hierarchy: Hierarchy
    wnids: tuple[str, ...] | None = None  # of the groups; None: as the hierarchy divides


class Group(NamedTuple):
    """What came out for the records of one group; groups may share classes."""

    wnid: str
    words: str  # "" where they are not known
    class_count: int  # of those that records have
    top1: Accuracy  # the class is right
    within: Accuracy  # the predicted class is one of the group, right or not


def members(
    records: NDArray[np.integer[Any]], classes: Sequence[str], grouping: Grouping
) -> dict[str, list[int]]:
    """Return the labels that each group has.

    Args:
        records: the label of each record.
        classes: the dataset's; a label is a position among them.
        grouping: the groups.

    Raises:
        EvaluationError: if no record is of a group.
        LabelError: if none is named, and no synset has all classes of the records below it.
    """
    present = {classes[label] for label in np.unique(records).tolist()}
    found = {}
    for wnid in grouping.wnids or grouping.hierarchy.branches(present):
        below = grouping.hierarchy.below(wnid)
        if not below & present:
            raise EvaluationError(
                f"{wnid}: no record is of a class at or below it in {grouping.hierarchy.origin}; "
                "name another group"
            )
        found[wnid] = [label for label, name in enumerate(classes) if name in below]
    return found


def by_group(
    results: Results, groups: Mapping[str, Sequence[int]], hierarchy: Hierarchy
) -> tuple[Group, ...]:
    """Return the accuracy of each group, which has the labels that `members` gives it."""
    return tuple(
        _group(results, wnid, labels, hierarchy.words.get(wnid, ""))
        for wnid, labels in groups.items()
    )


def _group(results: Results, wnid: str, labels: Sequence[int], words: str) -> Group:
    is_member = np.isin(results.labels, labels)
    predicted, total = results.top[is_member, 0], int(is_member.sum())
    return Group(
        wnid=wnid,
        words=words or words_of().get(wnid, ""),
        class_count=len(np.unique(results.labels[is_member])),
        top1=Accuracy(int(results.is_correct[is_member].sum()), total),
        within=Accuracy(int(np.isin(predicted, labels).sum()), total),
    )
