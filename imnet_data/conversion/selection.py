"""Which records go to which split of a dataset.

With `--val-first N`, val is made of train: of each class the first N records by key, which for
the names of ImageNet is the order of `ls` in the C locale. With `--min-images` and `--resize` it
makes ImageNet-21K-P.

Source: Alibaba-MIIL/ImageNet21K, dataset_preprocessing/processing_script.sh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import ConvertError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from imnet_data.dataset.description import Options
    from imnet_data.record import Listing, Records

_ONCE = ("min_images", "val_first")  # done to a dataset, they would leave out or move yet more


class Selected(NamedTuple):
    """What a split is made of."""

    records: Records
    rows: NDArray[np.int64]  # positions in `records`


def still_to_do(asked: Options, made_with: Options | None) -> Options:
    """Return the options without those that the dataset which is converted was made with.

    Raises:
        ConvertError: if it was made with other values of them.
    """
    if made_with is None:
        return asked
    done = []
    for name in _ONCE:
        before, now = getattr(made_with, name), getattr(asked, name)
        if before is not None and now not in (None, before):
            option = f"--{name.replace('_', '-')}"
            raise ConvertError(
                f"the dataset was made with {option} {before}, so {option} {now} cannot be applied "
                "to it; convert the source that it was made from"
            )
        if before is not None:
            done.append(name)
    return asked.without(*done)


def select(
    splits: Mapping[str, Records], classes: Sequence[str], *, val_first: int | None
) -> dict[str, Selected]:
    """Return what each split is made of: the records of `classes`, and those of no class.

    Raises:
        ConvertError: if val is to be made of train, and there is no train, or val already.
    """
    chosen = {
        name: Selected(records, _of_classes(records.listing, classes))
        for name, records in splits.items()
    }
    if val_first is None:
        return chosen
    if "train" not in splits or "val" in splits:
        have = ", ".join(splits)
        raise ConvertError(
            f"--val-first {val_first} makes val of train, and the source has {have}; leave it out, "
            "or convert train alone with --split train"
        )
    records, rows = chosen["train"]
    is_first = _first(records.listing, rows, val_first)
    divided = {
        "train": Selected(records, rows[~is_first]),
        "val": Selected(records, rows[is_first]),
    }
    return divided | {name: each for name, each in chosen.items() if name != "train"}


def _of_classes(listing: Listing, classes: Sequence[str]) -> NDArray[np.int64]:
    return np.flatnonzero(np.isin(listing.wnids, np.array([*classes, ""], "S")))


def _first(listing: Listing, rows: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return which rows are among the first `count` of their class by key, bool[len(rows)]."""
    order = np.lexsort((listing.keys[rows], listing.wnids[rows]))
    wnids = listing.wnids[rows[order]]
    starts = np.flatnonzero(np.append(True, wnids[1:] != wnids[:-1]))
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    is_first = np.zeros(len(rows), bool)
    is_first[order[place < count]] = True
    return is_first
