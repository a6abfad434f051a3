"""The labels of val images, from whatever knows them; where two know, they must agree.

In this order: the path of the image; Kaggle's `LOC_val_solution.csv`; the ground truth of the
devkit; and only where none was given, the package's table of ILSVRC2012's 50,000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import SourceError
from imnet_data.imagenet import facts, labels

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Truth(NamedTuple):
    """What is known of val labels beside the images."""

    by_key: dict[str, str] | None = None  # key -> wnid
    by_number: tuple[str, ...] | None = None  # item 0 is image 1
    archive: str = ""  # where `by_number` is from, for errors


def val_wnids(
    keys: NDArray[np.bytes_], of_paths: NDArray[np.bytes_], truth: Truth
) -> tuple[NDArray[np.bytes_], list[str]]:
    """Return the wnid of each val image, and notes.

    Args:
        keys: sorted.
        of_paths: wnids from the paths, b"" where they have none.
        truth: what else is known.

    Raises:
        SourceError: if a label is not known, two labels disagree, or the ground truth is not one
            of these images.
    """
    notes: list[str] = []
    wnids = of_paths.copy()
    if truth.by_key is not None:
        of_key = np.array([truth.by_key.get(key.decode(), "") for key in keys], "S9")
        _fill(wnids, of_key, keys=keys, origin="LOC_val_solution.csv")
    numbers = _numbers(keys)
    if truth.by_number is not None:
        notes += _check_numbers(numbers, truth)
        of_number = np.array(("", *truth.by_number), "S9")[numbers]
        _fill(wnids, of_number, keys=keys, origin=truth.archive)
    elif (numbers > 0).any():
        table = np.array(("", *labels.val_wnids()), "S9")
        _fill_from_table(wnids, table, numbers=numbers, keys=keys, notes=notes)
    unknown = np.flatnonzero(wnids == b"")
    if len(unknown):
        raise SourceError(
            f"the class of val image {keys[unknown[0]].decode()} is not known; "
            "sort the images into folders val/<wnid>, or pass the devkit"
        )
    return wnids, notes


def _numbers(keys: NDArray[np.bytes_]) -> NDArray[np.int64]:
    matches = (facts.VAL_KEY.fullmatch(key) for key in keys)
    return np.array([int(match[1]) if match else 0 for match in matches], np.int64)


def _fill(
    wnids: NDArray[np.bytes_], more: NDArray[np.bytes_], *, keys: NDArray[np.bytes_], origin: str
) -> None:
    other = np.flatnonzero((wnids != b"") & (more != b"") & (wnids != more))
    if len(other):
        row = other[0]
        raise SourceError(
            f"{origin} says that {keys[row].decode()} is {more[row].decode()}, elsewhere it is "
            f"{wnids[row].decode()} ({len(other)} differ); they are not of one dataset"
        )
    np.copyto(wnids, more, where=wnids == b"")


def _check_numbers(numbers: NDArray[np.int64], truth: Truth) -> list[str]:
    """Refuse a ground truth that has too few lines; note what it has more of than there is."""
    count, last = len(truth.by_number or ()), int(numbers.max(initial=0))
    if last > count:
        raise SourceError(
            f"{truth.archive}: wrong devkit: its ground truth covers val images 1 to {count}, but "
            f"there is image {last}; pass the devkit that belongs to these images"
        )
    numbered = int(np.count_nonzero(numbers))
    if numbered == count:
        return []
    return [f"val: {numbered} of the {count} images that the ground truth of {truth.archive} has"]


def _fill_from_table(
    wnids: NDArray[np.bytes_],
    table: NDArray[np.bytes_],
    *,
    numbers: NDArray[np.int64],
    keys: NDArray[np.bytes_],
    notes: list[str],
) -> None:
    outside = numbers >= len(table)
    missing = np.flatnonzero(outside & (wnids == b""))
    if len(missing):
        raise SourceError(
            f"{keys[missing[0]].decode()}: ILSVRC2012 has val images 1 to {len(table) - 1}, "
            "so its class is not known; pass the devkit of these images"
        )
    published = table[np.where(outside, 0, numbers)]
    named_otherwise = int(np.count_nonzero((wnids != b"") & (wnids != published) & (numbers > 0)))
    if named_otherwise:
        notes.append(
            f"val: {named_otherwise} of {len(keys)} labels are not those of ILSVRC2012; "
            "the labels of the source were kept"
        )
    np.copyto(wnids, published, where=wnids == b"")
